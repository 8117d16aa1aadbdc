// SPDX-License-Identifier: MIT
// What holds of every way to draw a list, checked over all lists.
#ifndef EBB_TESTS_LIST_POLICY_HPP
#define EBB_TESTS_LIST_POLICY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "catch.hpp"
#include "ebb/exploration.hpp"

namespace list_policy {

using order_type = std::vector<std::size_t>;

inline order_type order_of(const ebb::explored_list& list) {
  order_type order;
  for (const auto& pick : list.picks) order.push_back(pick.index);
  return order;
}

/// Every sequence of k different candidates of n.
inline void each_list(std::size_t n, std::size_t k, const std::function<void(const order_type&)>& visit) {
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

}  // namespace list_policy

#endif  // EBB_TESTS_LIST_POLICY_HPP
