// SPDX-License-Identifier: MIT
#include "ebb/exploration.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/diversity.hpp"

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
using order_type = std::vector<std::size_t>;

order_type order_of(const ebb::explored_list& list) {
  order_type order;
  for (const auto& pick : list.picks) order.push_back(pick.index);
  return order;
}

/// Every sequence of k different candidates of n.
void each_list(std::size_t n, std::size_t k, const std::function<void(const order_type&)>& visit) {
  order_type order;
  const std::function<void()> extend = [&] {
    if (order.size() == k) return visit(order);
    for (std::size_t i = 0; i < n; ++i) {
      if (std::find(order.begin(), order.end(), i) != order.end()) continue;
      order.push_back(i);
      extend();
      order.pop_back();
    }
  };
  extend();
}

std::vector<double> some_scores(ebb::random_engine& random, std::size_t n) {
  std::vector<double> scores(n);
  for (double& s : scores) s = random.below(3) == 0 ? static_cast<double>(random.below(3)) : random.normal();
  return scores;
}

std::vector<ebb::belief> some_beliefs(ebb::random_engine& random, std::size_t n) {
  std::vector<ebb::belief> beliefs;
  for (std::size_t i = 0; i < n; ++i) beliefs.push_back({random.normal(), std::exp(2 * random.normal() - 1)});
  return beliefs;
}

/// All that holds of any policy, on few candidates.
template <class Policy, class Candidate>
void check_policy(const Policy& policy, const std::vector<Candidate>& candidates, double tolerance) {
  const std::size_t n = candidates.size();
  for (std::size_t k = 0; k <= n; ++k) {
    double sum = 0;
    each_list(n, k, [&](const order_type& order) { sum += std::exp(policy.log_propensity(candidates, order)); });
    CHECK(sum == Approx(1).epsilon(tolerance));
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::size_t k = 1 + seed % (n + 1);
    const auto list = policy.draw(candidates, k, seed);
    const auto order = order_of(list);
    CHECK(order == order_of(policy.draw(candidates, k, seed)));
    CHECK(order.size() == std::min(k, n));
    CHECK(list.log_propensity == Approx(policy.log_propensity(candidates, order)).epsilon(tolerance).margin(tolerance));
    double product = 0;
    for (std::size_t j = 0; j < list.picks.size(); ++j) {
      CHECK((list.picks[j].propensity > 0 && list.picks[j].propensity <= 1));
      product += std::log(list.picks[j].propensity);
      const order_type prefix(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(j + 1));
      CHECK(product == Approx(policy.log_propensity(candidates, prefix)).epsilon(tolerance).margin(tolerance));
    }
  }
}

/// Lists come as often as their propensity says: chi-square over all lists of k, those expected fewer than 5 times taken together.
template <class Policy, class Candidate>
void check_frequencies(const Policy& policy, const std::vector<Candidate>& candidates, std::size_t k) {
  constexpr int draws = 20000;
  std::map<order_type, int> count;
  for (int i = 0; i < draws; ++i) ++count[order_of(policy.draw(candidates, k, static_cast<std::uint64_t>(i)))];
  double chi_square = 0;
  double freedom = -1;
  double rare = 0;
  double rare_count = 0;
  each_list(candidates.size(), k, [&](const order_type& order) {
    const double expected = draws * std::exp(policy.log_propensity(candidates, order));
    const double times = count[order];
    if (expected < 5) {
      rare += expected;
      rare_count += times;
      return;
    }
    chi_square += (times - expected) * (times - expected) / expected;
    freedom += 1;
  });
  if (rare >= 5) {
    chi_square += (rare_count - rare) * (rare_count - rare) / rare;
    freedom += 1;
  }
  CHECK(chi_square < freedom + 4 * std::sqrt(2 * freedom) + 4);
}

}  // namespace

TEST_CASE("the propensities of all lists add up to 1 and belong to what was drawn", "[exploration]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 20; ++round) {
    const std::size_t n = 1 + random.below(5);
    const auto scores = some_scores(random, n);
    check_policy(ebb::epsilon_greedy(random.uniform() * 0.99 + 0.01), scores, 1e-12);
    check_policy(ebb::gumbel_top_k(0.1 + random.uniform()), scores, 1e-12);
    check_policy(ebb::thompson_sampling(), some_beliefs(random, n), 1e-6);
  }
}

TEST_CASE("lists are drawn as often as their propensity says, by each policy", "[exploration]") {
  const std::vector<double> scores{0.3, 1.0, 0.7, 0.0};
  check_frequencies(ebb::epsilon_greedy(0.3), scores, 2);
  check_frequencies(ebb::gumbel_top_k(0.5), scores, 2);
  const std::vector<ebb::belief> beliefs{{0.3, 1.0}, {1.0, 0.2}, {0.7, 0.05}, {0.0, 0.6}};
  check_frequencies(ebb::thompson_sampling(), beliefs, 1);
  check_frequencies(ebb::thompson_sampling(), beliefs, 3);
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

TEST_CASE("Thompson sampling knows the closed form for two and for equals", "[exploration]") {
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

TEST_CASE("the less is known, the wider a belief", "[exploration]") {
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

TEST_CASE("exploration answers nothing for nothing and refuses nonsense", "[exploration]") {
  const std::vector<double> scores{1, 2};
  const std::vector<ebb::belief> beliefs{{1, 1}};
  CHECK(ebb::epsilon_greedy(0.5).draw({}, 3, 0).picks.empty());
  CHECK(ebb::gumbel_top_k(1).draw({}, 3, 0).picks.empty());
  CHECK(ebb::thompson_sampling().draw({}, 3, 0).picks.empty());
  CHECK(ebb::thompson_sampling().draw(beliefs, 0, 0).log_propensity == 0);
  for (const order_type& wrong : {order_type{7}, order_type{0, 0}}) {
    CHECK(ebb::epsilon_greedy(0.5).log_propensity(scores, wrong) == -infinite);
    CHECK(ebb::gumbel_top_k(1).log_propensity(scores, wrong) == -infinite);
    CHECK(ebb::thompson_sampling().log_propensity(beliefs, wrong) == -infinite);
  }
  CHECK_THROWS_WITH(ebb::epsilon_greedy(1.5), contains("epsilon must be in [0, 1], got 1.5"));
  CHECK_THROWS_AS(ebb::epsilon_greedy(std::nan("")), std::invalid_argument);
  CHECK_THROWS_AS(ebb::gumbel_top_k(0), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::gumbel_top_k(1).draw(std::vector<double>{std::nan("")}, 1, 0), contains("must be finite"));
  CHECK_THROWS_AS(ebb::thompson_sampling().draw(std::vector<ebb::belief>{{0, 0}}, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::interest_belief(-1), std::invalid_argument);
  CHECK_THROWS_AS(ebb::rate_belief(3, 2), std::invalid_argument);
}
