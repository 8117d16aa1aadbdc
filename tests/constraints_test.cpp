// SPDX-License-Identifier: MIT
#include "ebb/constraints.hpp"

#include <chrono>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"

namespace constraints_test {

using namespace std::chrono_literals;

TEST_CASE("rules decide what may be shown, and each exclusion is counted once", "[constraints]") {
  using store = ebb::interest_store<int, int>;
  const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  store s({.dislike_half_life = 24h});
  s.dislike(1, 3, start);
  const std::vector<int> items{5, 4, 3, 2, 1};

  CHECK(ebb::permitted(s, 1, start, items, {}).items == items);
  const ebb::candidate_rules<int> rules{.allowed = {{1, 2, 3, 4}}, .denied = {2, 5}, .dislike_limit = 0.3};
  const auto at_once = ebb::permitted(s, 1, start, items, rules);
  CHECK(at_once.items == std::vector<int>{4, 1});
  CHECK(at_once.not_allowed == 1);  // 5, which is denied as well
  CHECK(at_once.denied == 1);
  CHECK(at_once.disliked == 1);
  CHECK(ebb::permitted(s, 1, start + 48h, items, rules).items == std::vector<int>{4, 3, 1});  // faded to a quarter
  CHECK(ebb::permitted(s, 2, start, items, rules).disliked == 0);
  CHECK(ebb::permitted(s, 1, start, items, {.allowed = std::unordered_set<int>{}}).items.empty());

  CHECK_THROWS_AS(ebb::permitted(store(), 1, start, items, rules), std::logic_error);
  CHECK_THROWS_AS(ebb::permitted(store(), 1, start, std::vector<int>(), rules), std::logic_error);
  CHECK_THROWS_WITH(ebb::permitted(s, 1, start, items, {.dislike_limit = 0}), contains("dislike_limit must be > 0"));
}

}  // namespace constraints_test
