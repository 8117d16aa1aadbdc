// SPDX-License-Identifier: MIT
// The models that `replay` can run. To add one, add a line to repeat_models.cpp or next_models.cpp.
#ifndef EBB_EXAMPLES_REPLAY_MODELS_HPP
#define EBB_EXAMPLES_REPLAY_MODELS_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ebb/next_task.hpp"
#include "ebb/replay.hpp"

namespace replay {

/// What a model is made with: the seed of whatever chance it uses, and how many threads it may train on (the result is the same).
struct making {
  std::uint64_t seed;
  int threads;
};

/// A model by its name on the command line.
template <class Model>
struct entry {
  std::string name;
  std::function<std::unique_ptr<Model>(const making&)> make;
};

/// A model made without options.
template <class Model, class Base>
std::unique_ptr<Base> plain(const making&) {
  return std::make_unique<Model>();
}

std::vector<entry<ebb::repeat_model>> repeat_models();
std::vector<entry<ebb::next_model>> next_models();

/// What all others are compared with: the best single decay of each task.
inline const std::string best_repeat_decay = "exponential";
inline const std::string best_next_decay = "decayed_popularity";
/// What --save-model saves and --load-model loads.
inline const std::string saved_model = "listwise";

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_MODELS_HPP
