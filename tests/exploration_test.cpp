// SPDX-License-Identifier: MIT
#include "ebb/exploration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/diversity.hpp"
#include "list_policy.hpp"

namespace exploration_test {

namespace {

using list_policy::check_frequencies;
using list_policy::check_policy;
using list_policy::order_of;
using list_policy::order_type;
constexpr double infinite = std::numeric_limits<double>::infinity();
std::vector<double> some_scores(ebb::random_engine& random, std::size_t n) {
  std::vector<double> scores(n);
  for (double& s : scores) s = random.below(3) == 0 ? static_cast<double>(random.below(3)) : random.normal();
  return scores;
}

}  // namespace

TEST_CASE("the propensities of all lists add up to 1 and belong to what was drawn", "[exploration]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 20; ++round) {
    const std::size_t n = 1 + random.below(5);
    const auto scores = some_scores(random, n);
    check_policy(ebb::epsilon_greedy(random.uniform() * 0.99 + 0.01), scores, 1e-12);
    check_policy(ebb::gumbel_top_k(0.1 + random.uniform()), scores, 1e-12);
  }
}

TEST_CASE("lists are drawn as often as their propensity says, by each policy", "[exploration]") {
  const std::vector<double> scores{0.3, 1.0, 0.7, 0.0};
  check_frequencies(ebb::epsilon_greedy(0.3), scores, 2);
  check_frequencies(ebb::gumbel_top_k(0.5), scores, 2);
}

TEST_CASE("epsilon says how often a pick is anything", "[exploration]") {
  const std::vector<double> scores{1, 3, 2, 3};
  const ebb::epsilon_greedy greedy(0.0);
  const auto best = greedy.draw(scores, 3, 5);
  CHECK(order_of(best) == order_type{1, 3, 2});  // ties to the one given first
  CHECK(best.log_propensity == 0);
  CHECK(greedy.log_propensity(scores, order_type{0}) == -infinite);
  const ebb::epsilon_greedy some(0.2);
  CHECK(std::exp(some.log_propensity(scores, order_type{1})) == Approx(0.8 + 0.2 / 4));
  CHECK(std::exp(some.log_propensity(scores, order_type{0, 1})) == Approx(0.2 / 4 * (0.8 + 0.2 / 3)));
}

TEST_CASE("Gumbel top-k is diversify's draw without similarity", "[exploration]") {
  ebb::random_engine random(2);
  for (int round = 0; round < 20; ++round) {
    auto scores = some_scores(random, 6);
    scores.push_back(-3);
    scores.push_back(3);  // a range of 6 in all
    for (double& s : scores) s = std::clamp(s, -3.0, 3.0);
    const ebb::diversity_options options{.k = 4, .relevance = 1, .temperature = 0.05, .seed = random()};
    const auto list = ebb::diversify(scores, options);
    order_type order;
    for (const auto& pick : list.picks) order.push_back(pick.index);
    CHECK(ebb::gumbel_top_k(0.05 * 6).log_propensity(scores, order) == Approx(list.log_propensity).margin(1e-9));
  }
}

TEST_CASE("a propensity stays exact where sums would cancel or overflow", "[exploration]") {
  // The last two are e^-60 as likely as the first; 1 - P(first) has lost them in a double.
  const std::vector<double> scores{60, 0, 0};
  CHECK(ebb::gumbel_top_k(1).log_propensity(scores, order_type{0, 2}) == Approx(std::log(0.5)));
  CHECK(ebb::gumbel_top_k(1).log_propensity(scores, order_type{1}) == Approx(-60));
  const double huge = std::numeric_limits<double>::max();
  const auto list = ebb::gumbel_top_k(1e-300).draw(std::vector<double>{-huge, huge, 0}, 2, 1);
  CHECK(list.picks[0].index == 1);
  CHECK(list.picks[0].propensity == 1);
}

TEST_CASE("a pinned score changes nothing among the others", "[exploration]") {
  const std::vector<double> rest{0, 0, 3};
  for (const double pin : {1e9, 1e15, 1e16, 1e18, 1e300, std::numeric_limits<double>::max()}) {
    const std::vector<double> scores{0, pin, 0, 3};
    check_policy(ebb::gumbel_top_k(1), scores, 1e-12);
    check_frequencies(ebb::gumbel_top_k(1), scores, 2);
    check_frequencies(ebb::gumbel_top_k(1), std::vector<double>{pin, pin, 0, -pin, -pin}, 4);
    list_policy::each_list(3, 2, [&](const order_type& order) {
      order_type with{1};
      for (const std::size_t i : order) with.push_back(i == 0 ? 0 : i + 1);
      CHECK(ebb::gumbel_top_k(1).log_propensity(scores, with) ==
            Approx(ebb::gumbel_top_k(1).log_propensity(rest, order)));
    });
  }
  for (const double tau : {1e-10, 1e-17, 1e-250, std::numeric_limits<double>::min()}) {
    const std::vector<double> scores{1e5, 0, 0, tau, 2 * tau};
    check_policy(ebb::gumbel_top_k(tau), scores, 1e-12);
    check_frequencies(ebb::gumbel_top_k(tau), scores, 3);
    CHECK(std::exp(ebb::gumbel_top_k(tau).log_propensity(scores, order_type{0, 3})) ==
          Approx(std::exp(1.0) / (2 + std::exp(1.0) + std::exp(2.0))));
  }
  const double huge = std::numeric_limits<double>::max();
  check_frequencies(ebb::gumbel_top_k(huge), std::vector<double>{huge, 0, -huge}, 2);
}

TEST_CASE("exploration answers nothing for nothing and refuses nonsense", "[exploration]") {
  const std::vector<double> scores{1, 2};
  CHECK(ebb::epsilon_greedy(0.5).draw({}, 3, 0).picks.empty());
  CHECK(ebb::gumbel_top_k(1).draw({}, 3, 0).picks.empty());
  for (const order_type& wrong : {order_type{7}, order_type{0, 0}}) {
    CHECK(ebb::epsilon_greedy(0.5).log_propensity(scores, wrong) == -infinite);
    CHECK(ebb::gumbel_top_k(1).log_propensity(scores, wrong) == -infinite);
  }
  CHECK_THROWS_WITH(ebb::epsilon_greedy(1.5), contains("epsilon must be in [0, 1], got 1.5"));
  CHECK_THROWS_AS(ebb::epsilon_greedy(std::nan("")), std::invalid_argument);
  CHECK_THROWS_AS(ebb::gumbel_top_k(0), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::gumbel_top_k(1e-310), contains("temperature must be a normal number > 0, got 1e-310"));
  CHECK_THROWS_WITH(ebb::gumbel_top_k(1).draw(std::vector<double>{std::nan("")}, 1, 0), contains("must be finite"));
}

}  // namespace exploration_test
