// SPDX-License-Identifier: MIT
// The models that `replay` can run. To add one, add a line.
#ifndef EBB_EXAMPLES_REPLAY_MODELS_HPP
#define EBB_EXAMPLES_REPLAY_MODELS_HPP

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ebb/adaptive_model.hpp"
#include "ebb/baselines.hpp"
#include "ebb/learned_decay_model.hpp"
#include "ebb/next_baselines.hpp"
#include "ebb/next_interest.hpp"
#include "ebb/return_model.hpp"

namespace replay {

/// A model by its name on the command line; `make` takes the seed for whatever chance it uses.
template <class Model>
struct entry {
  std::string name;
  std::function<std::unique_ptr<Model>(std::uint64_t seed)> make;
};

template <class Model, class Base>
std::unique_ptr<Base> plain(std::uint64_t) {
  return std::make_unique<Model>();
}

/// One of the learned rankings; its networks are trained on as many threads as there are, to the same result.
template <class Options>
std::function<std::unique_ptr<ebb::repeat_model>(std::uint64_t)> learned(Options options) {
  return [options](std::uint64_t seed) {
    return std::make_unique<ebb::return_model>(
        options(seed, std::max(1, static_cast<int>(std::thread::hardware_concurrency()))));
  };
}

inline std::vector<entry<ebb::repeat_model>> repeat_models() {
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

inline std::vector<entry<ebb::next_model>> next_models() {
  using base = ebb::next_model;
  return {
      {"popularity", plain<ebb::popularity_model, base>},
      {"decayed_popularity", plain<ebb::decayed_popularity_model, base>},
      {"user_interest", plain<ebb::user_interest_model, base>},
      {"next_interest",
       [](std::uint64_t seed) {
         return std::make_unique<ebb::next_interest_model>(ebb::next_interest_options{.seed = seed});
       }},
  };
}

/// What all others are compared with: the best single decay of each task.
inline const std::string best_repeat_decay = "exponential";
inline const std::string best_next_decay = "decayed_popularity";
/// What --save-model saves and --load-model loads.
inline const std::string saved_model = "listwise";

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_MODELS_HPP
