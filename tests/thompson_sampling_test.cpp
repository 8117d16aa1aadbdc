// SPDX-License-Identifier: MIT
#include "ebb/thompson_sampling.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "list_policy.hpp"

namespace {

using list_policy::check_frequencies;
using list_policy::check_policy;
using list_policy::order_type;

std::vector<ebb::belief> some_beliefs(ebb::random_engine& random, std::size_t n) {
  std::vector<ebb::belief> beliefs;
  for (std::size_t i = 0; i < n; ++i) beliefs.push_back({random.normal(), std::exp(2 * random.normal() - 1)});
  return beliefs;
}

}  // namespace

TEST_CASE("the propensities of all lists of Thompson sampling add up to 1 and belong to what was drawn",
          "[thompson_sampling]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 20; ++round)
    check_policy(ebb::thompson_sampling(), some_beliefs(random, 1 + random.below(5)), 1e-6);
}

TEST_CASE("Thompson sampling draws lists as often as their propensity says", "[thompson_sampling]") {
  const std::vector<ebb::belief> beliefs{{0.3, 1.0}, {1.0, 0.2}, {0.7, 0.05}, {0.0, 0.6}};
  check_frequencies(ebb::thompson_sampling(), beliefs, 1);
  check_frequencies(ebb::thompson_sampling(), beliefs, 3);
}

TEST_CASE("Thompson sampling knows the closed form for two and for equals", "[thompson_sampling]") {
  const ebb::thompson_sampling thompson;
  ebb::random_engine random(3);
  for (int round = 0; round < 50; ++round) {
    const auto two = some_beliefs(random, 2);
    const double apart = (two[0].mean - two[1].mean) / std::hypot(two[0].deviation, two[1].deviation);
    CHECK(std::exp(thompson.log_propensity(two, order_type{0})) ==
          Approx(0.5 * std::erfc(-apart / std::sqrt(2.0))).epsilon(1e-9).margin(1e-15));
  }
  const std::vector<ebb::belief> equals(200, {1.0, 0.3});
  const auto list = thompson.draw(equals, 10, 4);
  for (std::size_t j = 0; j < 10; ++j)
    CHECK(list.picks[j].propensity == Approx(1 / static_cast<double>(200 - j)).epsilon(1e-6));
  // Nine beliefs as good as certain, one wide: a grid as fine as the narrow ones everywhere would not end.
  std::vector<ebb::belief> mixed{{0.0, 1.0}};
  for (int i = 1; i < 10; ++i) mixed.push_back({0.1 * i, 1e-9});
  CHECK(std::exp(thompson.log_propensity(mixed, order_type{0})) == Approx(0.5 * std::erfc(0.9 / std::sqrt(2.0))));
  CHECK(std::exp(thompson.log_propensity(mixed, order_type{9, 8})) ==
        Approx(0.5 * std::erfc(-0.8 / std::sqrt(2.0))).epsilon(1e-6));
}

TEST_CASE("the less is known, the wider a belief", "[thompson_sampling]") {
  const auto fresh = ebb::interest_belief(0);
  const auto known = ebb::interest_belief(99);
  CHECK(fresh.mean == 1);
  CHECK(known.deviation / known.mean < fresh.deviation / fresh.mean);
  const auto uniform = ebb::rate_belief(0, 0);
  CHECK(uniform.mean == Approx(0.5));
  CHECK(uniform.deviation == Approx(std::sqrt(1.0 / 12)));  // Beta(1, 1)
  const auto seen = ebb::rate_belief(3, 10);                // Beta(4, 8)
  CHECK(seen.mean == Approx(4.0 / 12));
  CHECK(seen.deviation == Approx(std::sqrt(4.0 * 8 / (12 * 12 * 13))));
}

TEST_CASE("Thompson sampling answers nothing for nothing and refuses nonsense", "[thompson_sampling]") {
  const std::vector<ebb::belief> beliefs{{1, 1}};
  CHECK(ebb::thompson_sampling().draw({}, 3, 0).picks.empty());
  CHECK(ebb::thompson_sampling().draw(beliefs, 0, 0).log_propensity == 0);
  for (const order_type& wrong : {order_type{7}, order_type{0, 0}})
    CHECK(ebb::thompson_sampling().log_propensity(beliefs, wrong) == -std::numeric_limits<double>::infinity());
  CHECK_THROWS_AS(ebb::thompson_sampling().draw(std::vector<ebb::belief>{{0, 0}}, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::interest_belief(-1), std::invalid_argument);
  CHECK_THROWS_AS(ebb::rate_belief(3, 2), std::invalid_argument);
}
