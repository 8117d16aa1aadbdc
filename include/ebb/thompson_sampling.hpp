// SPDX-License-Identifier: MIT
#ifndef EBB_THOMPSON_SAMPLING_HPP
#define EBB_THOMPSON_SAMPLING_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "ebb/exploration.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// What is believed of a candidate: normal, with this mean and standard deviation.
struct belief {
  double mean;
  double deviation;  ///< > 0
};

/// The belief about an interest of which only the decayed sum is known.
///
///   mean = interest + prior,   deviation² = interest + prior,   both in units of one event
///
/// That is a Gamma posterior over how often the user comes, where old events count by what is left of them: the less evidence there is,
/// the wider it is relative to its mean.   Errors: std::invalid_argument unless interest >= 0 and prior > 0, both finite.
/// Source: Raj and Kalyani, Taming non-stationary bandits: a Bayesian approach, 2017 (discounted Thompson sampling).
[[nodiscard]] inline belief interest_belief(double interest, double prior = 1) {
  detail::require(std::isfinite(interest) && interest >= 0, "interest_belief", "interest must be finite and >= 0",
                  interest);
  detail::require(std::isfinite(prior) && prior > 0, "interest_belief", "prior must be finite and > 0", prior);
  return {interest + prior, std::sqrt(interest + prior)};
}

/// The belief about a rate (of clicks per showing), from decayed counts of both.
///
///   Beta(prior · rate + clicks, prior · (1 − rate) + shows − clicks), by its mean and deviation
///
/// Errors: std::invalid_argument unless 0 <= clicks <= shows, 0 < rate < 1 and prior > 0, all finite.   Source: as `interest_belief`.
[[nodiscard]] inline belief rate_belief(double clicks, double shows, double rate = 0.5, double prior = 2) {
  constexpr const char* where = "rate_belief";
  detail::require(clicks >= 0 && clicks <= shows, where, "clicks must be in [0, shows]", clicks);
  detail::require(std::isfinite(shows), where, "shows must be finite", shows);
  detail::require(rate > 0 && rate < 1, where, "rate must be in (0, 1)", rate);
  detail::require(std::isfinite(prior) && prior > 0, where, "prior must be finite and > 0", prior);
  const double total = prior + shows;
  const double mean = (prior * rate + clicks) / total;
  return {mean, std::sqrt(mean * (1 - mean) / (total + 1))};
}

namespace detail {

/// P(the highest draws are order[0], order[1] … of independent normals), by quadrature.
///
/// With f, F the densities and distributions, P = ∫ f_1(x) ∫^x f_2(y) … ∫^· f_k(z) Π_rest F_j(z) dz … dx, which is k running integrals over
/// one grid: panels of eight Gauss–Legendre nodes, narrow where a belief is.
class order_probability {
 public:
  order_probability(std::span<const belief> beliefs, std::span<const std::size_t> order)
      : beliefs_(beliefs), order_(order) {
    std::vector<char> picked(beliefs.size(), 0);
    for (const std::size_t i : order) picked[i] = 1;
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (const std::size_t i : order) {
      low = std::min(low, beliefs[i].mean - reach * beliefs[i].deviation);
      high = std::max(high, beliefs[i].mean + reach * beliefs[i].deviation);
    }
    // Below what any other is all but sure to exceed, no pick is a pick.
    for (std::size_t i = 0; i < beliefs.size(); ++i)
      if (picked[i] == 0) low = std::max(low, beliefs[i].mean - reach * beliefs[i].deviation);
    std::vector<std::size_t> near;  // those that have a say above `low`; the others are below it for sure
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < beliefs.size(); ++i) {
      if (!(beliefs[i].mean + reach * beliefs[i].deviation > low)) continue;
      near.push_back(i);
      if (picked[i] == 0) others.push_back(i);
    }
    place_nodes(above_nothing(low, high, others), high, near, others);
    rest_.assign(nodes_.size(), 0.0);
    for (const std::size_t i : others)
      for (std::size_t x = 0; x < nodes_.size(); ++x) rest_[x] += std::log(below(beliefs[i], nodes_[x]));
  }

  /// ln P(the list begins with the first j of the order), 1 <= j <= its length.
  [[nodiscard]] double log_of_first(std::size_t j) const {
    std::vector<double> inner = rest_;
    for (std::size_t m = j; m < order_.size(); ++m)
      for (std::size_t x = 0; x < nodes_.size(); ++x) inner[x] += std::log(below(beliefs_[order_[m]], nodes_[x]));
    if (inner.empty()) return never;
    double scale = *std::max_element(inner.begin(), inner.end());
    if (scale == never) return never;
    for (double& v : inner) v = std::exp(v - scale);
    for (std::size_t m = j; m-- > 0;) {
      for (std::size_t x = 0; x < nodes_.size(); ++x) inner[x] *= density(beliefs_[order_[m]], nodes_[x]);
      const double whole = integrate(inner);
      if (!(whole > 0)) return never;
      scale += std::log(whole);
      for (double& v : inner) v /= whole;
    }
    return std::min(scale, 0.0);
  }

 private:
  static constexpr double reach = 9;  // deviations; beyond lies 1e-19
  static constexpr std::size_t points = 8;

  [[nodiscard]] static double below(const belief& b, double x) {
    return 0.5 * std::erfc((b.mean - x) / b.deviation * (1 / std::numbers::sqrt2));
  }
  [[nodiscard]] static double density(const belief& b, double x) {
    const double z = (x - b.mean) / b.deviation;
    return std::exp(-z * z / 2) / b.deviation * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  }

  static constexpr std::array<double, points> abscissas{-0.9602898564975363, -0.7966664774136268, -0.525532409916329,
                                                        -0.1834346424956498, 0.1834346424956498,  0.525532409916329,
                                                        0.7966664774136268,  0.9602898564975363};
  static constexpr std::array<double, points> node_weights{0.1012285362903762, 0.2223810344533745, 0.3137066458778874,
                                                           0.362683783378362,  0.362683783378362,  0.3137066458778874,
                                                           0.2223810344533745, 0.1012285362903762};

  /// Where all the others are so unlikely to be below that nothing further down counts, even for an order as rare as 1 in n^2k.
  [[nodiscard]] double above_nothing(double low, double high, const std::vector<std::size_t>& others) const {
    const double least = -60 - 2 * static_cast<double>(order_.size()) * std::log(static_cast<double>(beliefs_.size()));
    for (int i = 0; i < 12; ++i) {
      const double middle = low + (high - low) / 2;
      double log = 0;
      for (const std::size_t j : others) log += std::log(below(beliefs_[j], middle));
      (log < least ? low : high) = middle;
    }
    return low;
  }

  /// Panels no wider than a part of the deviation of any belief they touch, nor than ln Π F of the others takes to grow by 3.
  void place_nodes(double low, double high, const std::vector<std::size_t>& near,
                   const std::vector<std::size_t>& others) {
    double x = low;
    while (x < high) {
      double width = high - x;
      for (const std::size_t i : near) {
        const belief& b = beliefs_[i];
        const double ahead = b.mean - reach * b.deviation - x;  // > 0: it begins further on
        if (x <= b.mean + reach * b.deviation) width = std::min(width, std::max(0.3 * b.deviation, ahead / 2));
      }
      double slope = 0;
      for (const std::size_t i : others) {
        const double f = below(beliefs_[i], x);
        if (f > 0) slope += density(beliefs_[i], x) / f;
      }
      width = std::min(width, 3 / slope);
      if (!(x + width > x)) break;  // beliefs narrower than a double can tell apart
      const double half = width / 2;
      for (const double at : abscissas) nodes_.push_back(x + half * (1 + at));
      halves_.push_back(half);
      x += width;
    }
  }

  /// Turns values at the nodes into their running integral at the nodes; returns the whole.
  [[nodiscard]] double integrate(std::vector<double>& values) const {
    static const auto running = running_weights();
    double before = 0;
    for (std::size_t p = 0; p < halves_.size(); ++p) {
      double* const v = values.data() + p * points;
      std::array<double, points> sums{};
      double panel = 0;
      for (std::size_t j = 0; j < points; ++j) {
        panel += node_weights[j] * v[j];
        for (std::size_t i = 0; i < points; ++i) sums[i] += running[i][j] * v[j];
      }
      for (std::size_t i = 0; i < points; ++i) v[i] = before + halves_[p] * std::max(sums[i], 0.0);
      before += halves_[p] * panel;
    }
    return before;
  }

  /// ∫ from −1 to node i of the polynomial that is 1 at node j and 0 at the others, by its Legendre series.
  [[nodiscard]] static std::array<std::array<double, points>, points> running_weights() {
    const auto legendre = [](double x) {
      std::array<double, points + 1> p{1.0, x};
      for (std::size_t m = 1; m < points; ++m) {
        const auto n = static_cast<double>(m);
        p[m + 1] = ((2 * n + 1) * x * p[m] - n * p[m - 1]) / (n + 1);
      }
      return p;
    };
    std::array<std::array<double, points>, points> out{};
    for (std::size_t i = 0; i < points; ++i) {
      const auto here = legendre(abscissas[i]);
      for (std::size_t j = 0; j < points; ++j) {
        const auto there = legendre(abscissas[j]);
        double sum = (abscissas[i] + 1) / 2;
        for (std::size_t m = 1; m < points; ++m) sum += (here[m + 1] - here[m - 1]) / 2 * there[m];
        out[i][j] = node_weights[j] * sum;
      }
    }
    return out;
  }

  std::span<const belief> beliefs_;
  std::span<const std::size_t> order_;
  std::vector<double> nodes_;   // (panels · points), increasing
  std::vector<double> halves_;  // (panels), half their widths
  std::vector<double> rest_;    // (nodes), ln Π F of those not picked
};

}  // namespace detail

/// Shows by one draw from what is believed of each candidate: those that may yet prove good are tried, those known to be bad are not.
///
///   the list is the k highest of mean_i + deviation_i · normal draw
///
/// The propensity is the probability of that order, by quadrature to about ten digits: a list can be evaluated off-policy like any other.
/// Complexity: draw O(n log k), and O(panels · (n + k²)) for the propensity, 30 to 200 panels for beliefs of about one width.
/// Errors: std::invalid_argument unless means are finite and deviations finite and > 0.
/// Source: Thompson, On the likelihood that one unknown probability exceeds another …, Biometrika 25, 1933; Chapelle and Li, An empirical
///         evaluation of Thompson sampling, NIPS 2011.
class thompson_sampling {
 public:
  [[nodiscard]] explored_list draw(std::span<const belief> beliefs, std::size_t k, std::uint64_t seed) const {
    check(beliefs);
    random_engine random(seed);
    std::vector<double> drawn;
    std::vector<std::size_t> order(beliefs.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
      drawn.push_back(beliefs[i].mean + beliefs[i].deviation * random.normal());
    }
    const auto kept = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
    std::partial_sort(order.begin(), kept, order.end(),
                      [&](std::size_t a, std::size_t b) { return drawn[a] != drawn[b] ? drawn[a] > drawn[b] : a < b; });
    order.erase(kept, order.end());
    std::vector<double> logs;
    if (!order.empty()) {
      const detail::order_probability probability(beliefs, order);
      double before = 0;
      for (std::size_t j = 1; j <= order.size(); ++j) {
        const double first = std::min(probability.log_of_first(j), before);
        logs.push_back(first - before);
        before = first;
      }
    }
    return detail::explored(order, logs);
  }

  [[nodiscard]] double log_propensity(std::span<const belief> beliefs, std::span<const std::size_t> order) const {
    check(beliefs);
    if (!detail::is_order(order, beliefs.size())) return detail::never;
    return order.empty() ? 0.0 : detail::order_probability(beliefs, order).log_of_first(order.size());
  }

 private:
  static void check(std::span<const belief> beliefs) {
    for (const belief& b : beliefs) {
      detail::require(std::isfinite(b.mean), "thompson_sampling", "a mean must be finite", b.mean);
      detail::require(std::isfinite(b.deviation) && b.deviation > 0, "thompson_sampling",
                      "a deviation must be finite and > 0", b.deviation);
    }
  }
};

static_assert(list_policy<thompson_sampling, belief>);

}  // namespace ebb

#endif  // EBB_THOMPSON_SAMPLING_HPP
