// SPDX-License-Identifier: MIT
#ifndef EBB_EXPLORATION_HPP
#define EBB_EXPLORATION_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "ebb/random.hpp"
#include "ebb/time.hpp"

// A list that only ever shows what is believed best never learns what else is good. Three seeded ways to show other things now and then, each
// of which says how likely what it showed was: with that written down, off_policy.hpp can tell what another ranking would have earned.
//
//   draw(candidates, k, seed)          → the list, with the probability of each pick and of the whole
//   log_propensity(candidates, order)  → ln of the probability that a list begins with `order`, whatever the seed; −∞ where it cannot
//
// Same seed, same list. A propensity is of what was drawn: filter and reorder before, not after.

namespace ebb {

/// A pick and how likely it was.
struct explored_pick {
  std::size_t index;  ///< of the candidate
  double propensity;  ///< P(it stands here, given those before it), in (0, 1]
};

/// A list and how likely it was.
struct explored_list {
  std::vector<explored_pick> picks;
  double log_propensity;  ///< ln of the probability of exactly these picks in this order: Σ ln propensity
};

/// A way to draw a list from candidates that knows the probability of every list.
template <class Policy, class Candidate>
concept list_policy = requires(const Policy& policy, std::span<const Candidate> candidates,
                               std::span<const std::size_t> order) {
  { policy.draw(candidates, std::size_t{}, std::uint64_t{}) } -> std::same_as<explored_list>;
  { policy.log_propensity(candidates, order) } -> std::convertible_to<double>;
};

namespace detail {

inline constexpr double never = -std::numeric_limits<double>::infinity();

/// A draw from the standard Gumbel distribution, finite.
[[nodiscard]] inline double gumbel(random_engine& random) noexcept {
  double exponential = 0;
  while (exponential == 0) exponential = -std::log1p(-random.uniform());
  return -std::log(exponential);
}

/// ln(e^a + e^b).
[[nodiscard]] inline double log_add(double a, double b) noexcept {
  const double high = std::max(a, b);
  return high == never ? never : high + std::log1p(std::exp(std::min(a, b) - high));
}

inline void check_scores(std::span<const double> scores, const char* where) {
  for (const double s : scores) require(std::isfinite(s), where, "a score must be finite", s);
}

/// Whether `order` names candidates of n, each at most once.
[[nodiscard]] inline bool is_order(std::span<const std::size_t> order, std::size_t n) {
  std::vector<char> named(n, 0);
  for (const std::size_t i : order)
    if (i >= n || named[i]++ != 0) return false;
  return true;
}

[[nodiscard]] inline explored_list explored(std::span<const std::size_t> order, std::span<const double> logs) {
  explored_list list{{}, 0.0};
  for (std::size_t j = 0; j < order.size(); ++j) {
    list.picks.push_back({order[j], std::exp(logs[j])});
    list.log_propensity += logs[j];
  }
  return list;
}

}  // namespace detail

/// At each place, with probability ε any of the candidates left, each as likely; else the best of them.
///
///   P(i is next) = ε / left + (1 − ε) · [i is the best left]
///
/// Simple and easily read in a report; but what it tries is anything, the hopeless included.
/// Complexity: O(n log n + k · n).   Errors: std::invalid_argument unless ε is in [0, 1] and the scores are finite.
/// Source: Sutton and Barto, Reinforcement Learning, 2nd edition 2018, section 2.2.
class epsilon_greedy {
 public:
  explicit epsilon_greedy(double epsilon) : epsilon_(epsilon) {
    detail::require(epsilon >= 0 && epsilon <= 1, "epsilon_greedy", "epsilon must be in [0, 1]", epsilon);
  }

  [[nodiscard]] explored_list draw(std::span<const double> scores, std::size_t k, std::uint64_t seed) const {
    random_engine random(seed);
    std::vector<std::size_t> left = by_score(scores);
    std::vector<std::size_t> order;
    std::vector<double> logs;
    while (order.size() < k && !left.empty()) {
      const bool explores = random.uniform() < epsilon_;
      const std::size_t at = explores ? random.below(left.size()) : 0;
      order.push_back(left[at]);
      logs.push_back(log_probability(at, left.size()));
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return detail::explored(order, logs);
  }

  [[nodiscard]] double log_propensity(std::span<const double> scores, std::span<const std::size_t> order) const {
    if (!detail::is_order(order, scores.size())) return detail::never;
    std::vector<std::size_t> left = by_score(scores);
    double sum = 0;
    for (const std::size_t i : order) {
      const auto at = std::find(left.begin(), left.end(), i);
      sum += log_probability(static_cast<std::size_t>(at - left.begin()), left.size());
      left.erase(at);
    }
    return sum;
  }

 private:
  [[nodiscard]] static std::vector<std::size_t> by_score(std::span<const double> scores) {
    detail::check_scores(scores, "epsilon_greedy");
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    return order;
  }
  [[nodiscard]] double log_probability(std::size_t at, std::size_t left) const {
    return std::log(epsilon_ / static_cast<double>(left) + (at == 0 ? 1 - epsilon_ : 0.0));
  }

  double epsilon_;
};

/// At each place candidate i with a probability that grows with its score: softmax without replacement, drawn all at once.
///
///   P(i is next) = e^(score_i/τ) / Σ_left e^(score_j/τ);   the list is the k highest of score_i/τ + a Gumbel draw
///
/// τ is in the units of the scores: two that differ by τ are e times as likely, whatever else is offered. (`diversify` draws the same way
/// with an eye on similarity and caps; its temperature is in units of the score range.)
/// Complexity: O(n + n log k).   Errors: std::invalid_argument unless τ is finite and > 0 and the scores are finite.
/// Source: Plackett, Applied Statistics 24, 1975; Kool, van Hoof and Welling, Stochastic beams and where to find them, ICML 2019.
class gumbel_top_k {
 public:
  explicit gumbel_top_k(double temperature) : temperature_(temperature) {
    detail::require(std::isfinite(temperature) && temperature > 0, "gumbel_top_k", "temperature must be finite and > 0",
                    temperature);
  }

  [[nodiscard]] explored_list draw(std::span<const double> scores, std::size_t k, std::uint64_t seed) const {
    random_engine random(seed);
    const std::vector<double> logits = scaled(scores);
    std::vector<double> keys;
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
      keys.push_back(logits[i] + detail::gumbel(random));
    }
    const auto kept = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
    std::partial_sort(order.begin(), kept, order.end(),
                      [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] > keys[b] : a < b; });
    order.erase(kept, order.end());
    return detail::explored(order, log_probabilities(logits, order));
  }

  [[nodiscard]] double log_propensity(std::span<const double> scores, std::span<const std::size_t> order) const {
    const std::vector<double> logits = scaled(scores);
    if (!detail::is_order(order, scores.size())) return detail::never;
    double sum = 0;
    for (const double log : log_probabilities(logits, order)) sum += log;
    return sum;
  }

 private:
  /// The scores over τ, the highest at 0, so that no scale overflows; the far below stays possible in name only.
  [[nodiscard]] std::vector<double> scaled(std::span<const double> scores) const {
    detail::check_scores(scores, "gumbel_top_k");
    std::vector<double> out(scores.begin(), scores.end());
    const double highest = out.empty() ? 0.0 : *std::max_element(out.begin(), out.end());
    for (double& s : out) s = std::max((s - highest) / temperature_, -1e300);
    return out;
  }

  /// ln P of each pick. The sum over those left is built from the last pick back to the first, so that nothing cancels.
  [[nodiscard]] static std::vector<double> log_probabilities(std::span<const double> logits,
                                                             std::span<const std::size_t> order) {
    std::vector<char> picked(logits.size(), 0);
    for (const std::size_t i : order) picked[i] = 1;
    double highest = detail::never;
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (picked[i] == 0) highest = std::max(highest, logits[i]);
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (picked[i] == 0) sum += std::exp(logits[i] - highest);
    double left = highest == detail::never ? detail::never : highest + std::log(sum);
    std::vector<double> logs(order.size());
    for (std::size_t j = order.size(); j-- > 0;) {
      left = detail::log_add(left, logits[order[j]]);
      logs[j] = logits[order[j]] - left;
    }
    return logs;
  }

  double temperature_;
};

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

static_assert(list_policy<epsilon_greedy, double> && list_policy<gumbel_top_k, double> &&
              list_policy<thompson_sampling, belief>);

}  // namespace ebb

#endif  // EBB_EXPLORATION_HPP
