// SPDX-License-Identifier: MIT
#include "ebb/thompson_sampling.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "list_policy.hpp"

namespace thompson_sampling_test {

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

TEST_CASE("beliefs narrower than a double can tell apart are told apart all the same", "[thompson_sampling]") {
  const ebb::thompson_sampling thompson;
  const double huge = 1e290;
  for (const ebb::belief one :
       {ebb::belief{1, 1e-17}, {1e9, 1e-9}, {1.7e9, 1e-290}, {-1e18, 1e-18}, {0, 1e-290}, {huge, huge}}) {
    const std::vector<ebb::belief> equals(3, one);
    check_policy(thompson, equals, 1e-9);
    CHECK(thompson.log_propensity(equals, order_type{2, 0}) == Approx(std::log(1.0 / 6)));
  }
  check_frequencies(thompson, std::vector<ebb::belief>(3, {1, 1e-17}), 2);
  // Two clusters, far apart for what is known of them: the upper stands first, and within each all orders are as likely.
  const std::vector<ebb::belief> clusters{{0, 1e-12}, {1e9, 1e-9}, {0, 1e-12}, {1e9, 1e-9}};
  check_policy(thompson, clusters, 1e-9);
  CHECK(thompson.log_propensity(clusters, order_type{3, 1, 0}) == Approx(std::log(0.25)));
  // Nothing depends on where zero is, nor on the unit.
  const std::vector<ebb::belief> plain{{0.5, 1}, {0, 0.5}, {-0.25, 2}};
  auto moved = plain;
  for (auto& b : moved) b = {b.mean * 0x1p-40 + 1024, b.deviation * 0x1p-40};
  const order_type order{1, 2, 0};
  CHECK(thompson.log_propensity(moved, order) == Approx(thompson.log_propensity(plain, order)).epsilon(1e-9));
  for (const double narrow : {1e-100, 1e-200, 1e-290}) {
    const std::vector<ebb::belief> sure{{0, narrow}, {1, 1}, {-1, narrow}};
    check_policy(thompson, sure, 1e-9);
    CHECK(std::exp(thompson.log_propensity(sure, order_type{0})) == Approx(0.5 * std::erfc(1 / std::sqrt(2.0))));
    CHECK(std::exp(thompson.log_propensity(sure, order_type{0, 2, 1})) == Approx(0.5 * std::erfc(2 / std::sqrt(2.0))));
  }
  const std::vector<ebb::belief> far{{huge, huge}, {-huge, huge}};
  CHECK(std::exp(thompson.log_propensity(far, order_type{1})) ==
        Approx(0.5 * std::erfc(1.0)));  // 2 / sqrt(2) / sqrt(2)
}

TEST_CASE("rare lists are told to their last digits, down to where a double ends", "[thompson_sampling]") {
  const ebb::thompson_sampling thompson;
  for (const double wide : {1.0, 0.1, 10.0})
    for (const double d : {8.0, 12.0, 14.0, 20.0, 30.0, 50.0}) {
      const std::vector<ebb::belief> two{{0, 1}, {d * std::hypot(1, wide) / std::sqrt(2.0), wide}};
      CHECK(thompson.log_propensity(two, order_type{0}) == Approx(std::log(0.5 * std::erfc(d / 2))).epsilon(1e-9));
      CHECK(thompson.log_propensity(two, order_type{1}) == Approx(std::log1p(-0.5 * std::erfc(d / 2))).margin(1e-12));
    }
  // Given how the list begins, something comes next: conditional chances add up to 1 however rare the beginning.
  for (const double d : {14.0, 20.0, 30.0}) {
    const std::vector<ebb::belief> four{{0, 1}, {d, 1}, {0.5 * d, 0.4}, {0.3 * d, 2}};
    const double first = thompson.log_propensity(four, order_type{0});
    double sum = 0;
    for (const std::size_t next : {1u, 2u, 3u})
      sum += std::exp(thompson.log_propensity(four, order_type{0, next}) - first);
    CHECK(sum == Approx(1).epsilon(1e-8));
  }
  const std::vector<ebb::belief> never{{0, 1}, {60, 1}};
  CHECK(thompson.log_propensity(never, order_type{0}) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a long list is as likely as its parts say", "[thompson_sampling]") {
  // All orders of 200 equals: 1/200!; and each pick of a drawn list one of those left.
  const std::vector<ebb::belief> equals(200, {1.0, 0.3});
  const auto list = ebb::thompson_sampling().draw(equals, 200, 4);
  CHECK(list.log_propensity == Approx(-std::lgamma(201.0)).epsilon(1e-6));
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
  const auto always = ebb::rate_belief(1e17, 1e17);  // Beta(1e17, 1): a mean that rounds to 1
  CHECK(always.deviation == Approx(1e-17));
  CHECK(ebb::rate_belief(1e308, 1.7e308).deviation == Approx(std::sqrt(1 / 1.7 * (0.7 / 1.7) / 1.7) * 1e-154));
  CHECK_THROWS_WITH(ebb::rate_belief(1e308, 1.7e308, 0.5, 1e308), contains("prior + shows must be finite"));
  CHECK_THROWS_WITH(ebb::interest_belief(1e308, 1e308), contains("interest + prior must be finite"));
}

TEST_CASE("Thompson sampling answers nothing for nothing and refuses nonsense", "[thompson_sampling]") {
  const std::vector<ebb::belief> beliefs{{1, 1}};
  CHECK(ebb::thompson_sampling().draw({}, 3, 0).picks.empty());
  CHECK(ebb::thompson_sampling().draw(beliefs, 0, 0).log_propensity == 0);
  for (const order_type& wrong : {order_type{7}, order_type{0, 0}})
    CHECK(ebb::thompson_sampling().log_propensity(beliefs, wrong) == -std::numeric_limits<double>::infinity());
  CHECK_THROWS_AS(ebb::thompson_sampling().draw(std::vector<ebb::belief>{{0, 0}}, 1, 0), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::thompson_sampling().draw(std::vector<ebb::belief>{{0, 1e-300}}, 1, 0),
                    contains("a deviation must be in [1e-290, 1e290]"));
  CHECK_THROWS_AS(ebb::interest_belief(-1), std::invalid_argument);
  CHECK_THROWS_AS(ebb::rate_belief(3, 2), std::invalid_argument);
}

}  // namespace thompson_sampling_test
