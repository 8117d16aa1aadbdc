// SPDX-License-Identifier: MIT
// The models of the repeat task: which of their items will a user come back to?
#include <functional>
#include <memory>
#include <vector>

#include "ebb/adaptive_model.hpp"
#include "ebb/baselines.hpp"
#include "ebb/learned_decay_model.hpp"
#include "ebb/return_model.hpp"
#include "models.hpp"

namespace replay {

namespace {

/// One of the learned rankings.
template <class Options>
std::function<std::unique_ptr<ebb::repeat_model>(const making&)> learned(Options options) {
  return
      [options](const making& with) { return std::make_unique<ebb::return_model>(options(with.seed, with.threads)); };
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
      {"learned_decay", [](const making& with) { return std::make_unique<ebb::learned_decay_model>(with.seed); }},
      {"rhythm", learned(ebb::rhythm_return_options)},
      {"mlp", learned(ebb::mlp_return_options)},
      {"listwise", learned(ebb::listwise_return_options)},
  };
}

}  // namespace replay
