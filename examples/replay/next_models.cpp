// SPDX-License-Identifier: MIT
// The models of the next task: what, among the items new to a user, comes next?
#include <memory>
#include <vector>

#include "ebb/next_baselines.hpp"
#include "ebb/next_interest.hpp"
#include "models.hpp"

namespace replay {

std::vector<entry<ebb::next_model>> next_models() {
  using base = ebb::next_model;
  return {
      {"popularity", plain<ebb::popularity_model, base>},
      {"decayed_popularity", plain<ebb::decayed_popularity_model, base>},
      {"user_interest", plain<ebb::user_interest_model, base>},
      {"next_interest",
       [](const making& with) {
         return std::make_unique<ebb::next_interest_model>(ebb::next_interest_options{.seed = with.seed});
       }},
  };
}

}  // namespace replay
