// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ORDER_PROBABILITY_HPP
#define EBB_DETAIL_ORDER_PROBABILITY_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "ebb/exploration.hpp"

namespace ebb {

/// What is believed of a candidate: normal, with this mean and standard deviation.
struct belief {
  double mean;
  double deviation;  ///< > 0
};

namespace detail {

/// ln Φ(z), of a normal draw below z; far down by the asymptotic series, to ten digits.
/// Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, equation 26.2.12.
[[nodiscard]] inline double log_below(double z) {
  if (z > -20) return std::log(0.5 * std::erfc(-z * (1 / std::numbers::sqrt2)));
  const double s = 1 / (z * z);
  const double series = -s * (1 - 3 * s * (1 - 5 * s * (1 - 7 * s)));
  return -z * z / 2 - std::log(-z) + std::log(std::numbers::inv_sqrtpi / std::numbers::sqrt2) + std::log1p(series);
}

/// P(the highest draws are order[0], order[1] … of independent normals), by quadrature.
///
/// With f, F the densities and distributions, P(first j) = ∫ A_{j−1}(x) f_j(x) Π_below F(x) dx, where A_j(x) = ∫_x A_{j−1}(y) f_j(y) dy, A_0 = 1,
/// is the probability that the first j stand in order above x: running integrals over one grid of panels of eight Gauss–Legendre nodes, narrow
/// where a belief is. All in logarithms, and places as unrounded sums, so that neither rare lists nor narrow beliefs vanish.
class order_probability {
 public:
  /// Right for lists in which no pick is less likely than e^−depth, given those before it.
  order_probability(std::span<const belief> beliefs, std::span<const std::size_t> order, double depth)
      : beliefs_(beliefs), order_(order), depth_(depth), reach_(std::sqrt(2 * (depth + slack))) {
    std::vector<char> picked(beliefs.size(), 0);
    for (const std::size_t i : order) picked[i] = 1;
    exact_pair low = start(order.front());
    exact_pair high = end(order.front());
    for (const std::size_t i : order) {
      low = std::min(low, start(i));
      high = std::max(high, end(i));
    }
    // Below what any other is all but sure to exceed, no pick is a pick.
    for (std::size_t i = 0; i < beliefs.size(); ++i)
      if (picked[i] == 0) low = std::max(low, start(i));
    std::vector<std::size_t> near;  // those that have a say above `low`; the others are below it for sure
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < beliefs.size(); ++i) {
      if (!(end(i) > low)) continue;
      near.push_back(i);
      if (picked[i] == 0) others.push_back(i);
    }
    if (!(low < high)) return;
    place_nodes(above_nothing(low, high, others), high, near, others);
    for (const exact_pair& x : nodes_) rest_.push_back(log_all_below(others, x));
  }

  /// ln P(the list begins with the first j of the order), for j = 1 … its length.
  [[nodiscard]] std::vector<double> log_of_first() const {
    const std::size_t k = order_.size();
    std::vector<double> logs(k, never);
    if (nodes_.empty()) return logs;
    const std::size_t n = nodes_.size();
    std::vector<double> lower((k + 1) * n);  // (k + 1, nodes): ln Π F of those that stand below the first j
    std::copy(rest_.begin(), rest_.end(), lower.begin() + static_cast<std::ptrdiff_t>(k * n));
    for (std::size_t j = k; j-- > 0;)
      for (std::size_t x = 0; x < n; ++x)
        lower[j * n + x] = lower[(j + 1) * n + x] + log_below(z(order_[j], nodes_[x]));

    std::vector<double> above(n, 1.0);                       // A in units of its panel
    std::vector<double> log_units(log_halves_.size(), 0.0);  // (panels)
    std::vector<double> log_f(n);
    double before = 0;
    for (std::size_t j = 0; j < k; ++j) {
      const double log_scale =
          std::log(beliefs_[order_[j]].deviation) - std::log(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
      for (std::size_t x = 0; x < n; ++x) {
        const double at = z(order_[j], nodes_[x]);
        log_f[x] = -at * at / 2 - log_scale;
      }
      logs[j] = before = std::min(log_integral(above, log_units, log_f, &lower[(j + 1) * n]), before);
      if (before == never) break;  // so are those that follow
      integrate_downwards(above, log_units, log_f);
    }
    return logs;
  }

 private:
  static constexpr std::size_t points = 8;
  static constexpr double slack = 21;  // what is less likely than e^−21 beside the answer is left out

  static constexpr std::array<double, points> abscissas{-0.9602898564975363, -0.7966664774136268, -0.525532409916329,
                                                        -0.1834346424956498, 0.1834346424956498,  0.525532409916329,
                                                        0.7966664774136268,  0.9602898564975363};
  static constexpr std::array<double, points> node_weights{0.1012285362903762, 0.2223810344533745, 0.3137066458778874,
                                                           0.362683783378362,  0.362683783378362,  0.3137066458778874,
                                                           0.2223810344533745, 0.1012285362903762};

  [[nodiscard]] double z(std::size_t i, const exact_pair& x) const {
    return ((x.high - beliefs_[i].mean) + x.low) / beliefs_[i].deviation;
  }
  [[nodiscard]] exact_pair start(std::size_t i) const {
    return exact_sum(beliefs_[i].mean, -reach_ * beliefs_[i].deviation);
  }
  [[nodiscard]] exact_pair end(std::size_t i) const {
    return exact_sum(beliefs_[i].mean, reach_ * beliefs_[i].deviation);
  }
  [[nodiscard]] static double distance(const exact_pair& from, const exact_pair& to) {
    return (to.high - from.high) + (to.low - from.low);
  }
  [[nodiscard]] static exact_pair moved(const exact_pair& x, double by) { return exact_sum(x.high, x.low + by); }

  /// Σ ln F_i(x). Factors are multiplied as long as they fit, since a logarithm costs as much as a factor.
  [[nodiscard]] double log_all_below(const std::vector<std::size_t>& of, const exact_pair& x) const {
    double log = 0;
    double product = 1;
    for (const std::size_t i : of) {
      const double at = z(i, x);
      if (at > 9) continue;
      if (at < -20) {
        log += log_below(at);
        continue;
      }
      product *= 0.5 * std::erfc(-at * (1 / std::numbers::sqrt2));
      if (product > 1e-200) continue;
      log += std::log(product);
      product = 1;
    }
    return log + std::log(product);
  }

  /// Where all the others are so unlikely to be below that nothing further down counts, even for an order as rare as 1 in n^2k.
  [[nodiscard]] exact_pair above_nothing(exact_pair low, exact_pair high,
                                         const std::vector<std::size_t>& others) const {
    const double least =
        -40 - depth_ - 2 * static_cast<double>(order_.size()) * std::log(static_cast<double>(beliefs_.size()));
    for (int i = 0; i < 12; ++i) {
      const exact_pair middle = moved(low, distance(low, high) / 2);
      (log_all_below(others, middle) < least ? low : high) = middle;
    }
    return low;
  }

  /// How fast the logarithms of A_j and of Π F change at x, for the j whose integrand is large there: that for which they balance.
  [[nodiscard]] double slope(const exact_pair& x, const std::vector<std::size_t>& others) const {
    std::vector<double> rising(order_.size() + 1, 0.0);  // of what stands below the first j
    for (const std::size_t i : others) rising.back() += hazard(i, z(i, x));
    for (std::size_t j = order_.size(); j-- > 0;) rising[j] = rising[j + 1] + hazard(order_[j], z(order_[j], x));
    double falling = 0;
    double least = rising.front();
    for (std::size_t j = 0; j < order_.size(); ++j) {
      falling += hazard(order_[j], -z(order_[j], x));
      least = std::min(least, std::max(rising[j + 1], falling));
    }
    return least;
  }

  /// d/dx ln F, with z for x; at −z that of −ln(1 − F).
  [[nodiscard]] double hazard(std::size_t i, double z) const {
    if (z > 9 || z < -reach_) return 0;  // where it has no say, nor need its slope be followed
    const double log_f = -z * z / 2 + std::log(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    const double ratio = z > -20 ? std::exp(log_f) / (0.5 * std::erfc(-z * (1 / std::numbers::sqrt2))) : -z;
    return ratio / beliefs_[i].deviation;
  }

  /// Panels no wider than a part of the deviation of any belief they touch, nor than the logarithm of what is integrated takes to change by 3.
  void place_nodes(exact_pair x, const exact_pair& high, const std::vector<std::size_t>& near,
                   const std::vector<std::size_t>& others) {
    while (x < high) {
      double width = distance(x, high);
      exact_pair next = high;
      const auto narrow = [&](double to, const exact_pair& at) {
        if (!(to < width)) return;
        width = to;
        next = at;
      };
      for (const std::size_t i : near) {
        if (x > end(i)) continue;
        const double fine = 0.3 * beliefs_[i].deviation;
        const double ahead = distance(x, start(i));  // > 0: it begins further on
        const exact_pair half = moved(x, ahead / 2);
        if (ahead > 0 && (ahead <= 2 * fine || !(half > x)))
          narrow(ahead, start(i));
        else if (ahead > 0)
          narrow(ahead / 2, half);
        else
          narrow(fine, moved(x, fine));
      }
      const double steep = 3 / slope(x, others);
      narrow(steep, moved(x, steep));
      if (!(next > x)) break;
      const double panel = distance(x, next) / 2;
      for (const double at : abscissas) nodes_.push_back(moved(x, panel * (1 + at)));
      log_halves_.push_back(std::log(panel));
      x = next;
    }
  }

  /// ln ∫ above · f · e^lower.
  [[nodiscard]] double log_integral(const std::vector<double>& above, const std::vector<double>& log_units,
                                    const std::vector<double>& log_f, const double* lower) const {
    std::vector<double> log(above.size());
    double highest = never;
    for (std::size_t x = 0; x < log.size(); ++x) {
      log[x] = log_f[x] + lower[x] + log_units[x / points] + log_halves_[x / points];
      highest = std::max(highest, log[x]);
    }
    if (highest == never) return never;
    double sum = 0;
    for (std::size_t x = 0; x < log.size(); ++x)
      sum += node_weights[x % points] * above[x] * std::exp(log[x] - highest);
    return highest + std::log(sum);
  }

  /// above(x) ← ∫_x above · f.
  void integrate_downwards(std::vector<double>& above, std::vector<double>& log_units,
                           const std::vector<double>& log_f) const {
    static const auto running = running_weights();
    double further_up = never;  // ln of the integral over the panels above
    for (std::size_t p = log_units.size(); p-- > 0;) {
      double* const a = above.data() + p * points;
      const double* const log = log_f.data() + p * points;
      const double highest = std::max(*std::max_element(log, log + points), -1e300);
      std::array<double, points> sums{};
      double panel = 0;
      for (std::size_t j = 0; j < points; ++j) {
        const double value = a[j] * std::exp(log[j] - highest);
        panel += node_weights[j] * value;
        // The nodes lie symmetrically: from node i up is from its mirror image down.
        for (std::size_t i = 0; i < points; ++i) sums[i] += running[points - 1 - i][points - 1 - j] * value;
      }
      const double own = log_units[p] + highest + log_halves_[p];
      const double unit = std::max(own, further_up);
      const double up = std::exp(further_up - unit);
      const double here = std::exp(own - unit);
      for (std::size_t i = 0; i < points; ++i) a[i] = up + here * std::max(sums[i], 0.0);
      log_units[p] = unit;
      if (panel > 0) further_up = log_add(further_up, own + std::log(panel));
    }
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
  double depth_;
  double reach_;                    // deviations from the mean beyond which a belief has no say
  std::vector<exact_pair> nodes_;   // (panels · points), increasing
  std::vector<double> log_halves_;  // (panels), ln of half their widths
  std::vector<double> rest_;        // (nodes), ln Π F of those not picked
};

/// How many of `order` come before a pick that the next one, or the highest of those not picked, beats but for a chance below e^−depth.
[[nodiscard]] inline std::size_t hopeful(std::span<const belief> beliefs, std::span<const std::size_t> order,
                                         double depth) {
  std::vector<char> picked(beliefs.size(), 0);
  for (const std::size_t i : order) picked[i] = 1;
  std::size_t top = beliefs.size();
  for (std::size_t i = 0; i < beliefs.size(); ++i)
    if (picked[i] == 0 && (top == beliefs.size() || beliefs[i].mean > beliefs[top].mean)) top = i;
  const auto loses = [&](std::size_t i, std::size_t to) {
    const double apart = beliefs[i].mean - beliefs[to].mean;
    return log_below(apart / std::hypot(beliefs[i].deviation, beliefs[to].deviation)) < -depth;
  };
  for (std::size_t j = 0; j < order.size(); ++j)
    if ((j + 1 < order.size() && loses(order[j], order[j + 1])) || (top < beliefs.size() && loses(order[j], top)))
      return j;
  return order.size();
}

/// ln P(the list begins with the first j of `order`), for j = 1 … its length; −∞ from where a pick is less likely than e^−700.
[[nodiscard]] inline std::vector<double> log_order_probabilities(std::span<const belief> beliefs,
                                                                 std::span<const std::size_t> order) {
  constexpr double deepest = 700;
  const std::size_t length = hopeful(beliefs, order, deepest);
  std::vector<double> logs(order.size(), never);
  for (double depth = 20; length > 0;) {
    const std::vector<double> found = order_probability(beliefs, order.first(length), depth).log_of_first();
    double rarest = 0;
    for (std::size_t j = 0; j < length; ++j) {
      const double pick = found[j] == never ? never : found[j] - (j == 0 ? 0.0 : found[j - 1]);
      rarest = std::min(rarest, pick);
      if (-rarest <= deepest) logs[j] = found[j];
    }
    if (-rarest <= depth || depth == deepest) break;
    depth = std::min(deepest, rarest == never ? 3 * depth : -rarest + 1);
  }
  return logs;
}

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_ORDER_PROBABILITY_HPP
