// SPDX-License-Identifier: MIT
// The models of the repeat task: which of their items will a user come back to?
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "ebb/adaptive_model.hpp"
#include "ebb/baselines.hpp"
#include "ebb/learned_decay_model.hpp"
#include "ebb/return_model.hpp"
#include "models.hpp"

namespace replay {

namespace {

/// One of the learned rankings; its networks are trained on as many threads as there are, to the same result.
template <class Options>
std::function<std::unique_ptr<ebb::repeat_model>(std::uint64_t)> learned(Options options) {
  return [options](std::uint64_t seed) {
    return std::make_unique<ebb::return_model>(
        options(seed, std::max(1, static_cast<int>(std::thread::hardware_concurrency()))));
  };
}

}  // namespace

std::vector<entry<ebb::repeat_model>> repeat_models() {
  using base = ebb::repeat_model;
  return {
      {"random", plain<ebb::random_model, base>},
      {"lru", plain<ebb::lru_model, base>},
      {"lfu", plain<ebb::lfu_model, base>},
      {"exponential", plain<ebb::exponential_model, base>},
      {"power_law", plain<ebb::power_law_model, base>},
      {"actr", plain<ebb::actr_model, base>},
      {"mixture", plain<ebb::mixture_model, base>},
      {"adaptive", plain<ebb::adaptive_model, base>},
      {"learned_decay", [](std::uint64_t seed) { return std::make_unique<ebb::learned_decay_model>(seed); }},
      {"rhythm", learned(ebb::rhythm_return_options)},
      {"mlp", learned(ebb::mlp_return_options)},
      {"listwise", learned(ebb::listwise_return_options)},
  };
}

}  // namespace replay
