// SPDX-License-Identifier: MIT
#ifndef EBB_EXPLORATION_HPP
#define EBB_EXPLORATION_HPP

#include <algorithm>
#include <cmath>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "ebb/random.hpp"
#include "ebb/time.hpp"

// A list that only ever shows what is believed best never learns what else is good. Seeded ways to show other things now and then, each
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

/// high + low, unrounded: two numbers of which neither swallows the other, such as a score and its noise.
struct exact_pair {
  double high;  // the sum, rounded
  double low;   // what rounding took from it

  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer; the defaulted comparison is taken for one
  friend constexpr auto operator<=>(const exact_pair&, const exact_pair&) noexcept = default;
};

/// a + b without loss. Source: Knuth, The Art of Computer Programming, volume 2, 3rd edition 1997, section 4.2.2, theorem B.
[[nodiscard]] inline exact_pair exact_sum(double a, double b) noexcept {
  const double sum = a + b;
  const double of_b = sum - a;
  return {sum, (a - (sum - of_b)) + (b - of_b)};
}

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
///   P(i is next) = e^(score_i/τ) / Σ_left e^(score_j/τ);   the list is the k highest of score_i + τ · a Gumbel draw
///
/// τ is in the units of the scores: two that differ by τ are e times as likely, whatever else is offered, be it a score pinned at 1e18.
/// (`diversify` draws the same way with an eye on similarity and caps; its temperature is in units of the score range.)
/// The log of a probability below e^(−1e308) is −∞.   Complexity: O(n + n log k).
/// Errors: std::invalid_argument unless τ is a normal number > 0 and the scores are finite.
/// Source: Plackett, Applied Statistics 24, 1975; Kool, van Hoof and Welling, Stochastic beams and where to find them, ICML 2019.
class gumbel_top_k {
 public:
  explicit gumbel_top_k(double temperature) : temperature_(temperature) {
    detail::require(std::isnormal(temperature) && temperature > 0, "gumbel_top_k",
                    "temperature must be a normal number > 0", temperature);
  }

  [[nodiscard]] explored_list draw(std::span<const double> scores, std::size_t k, std::uint64_t seed) const {
    detail::check_scores(scores, "gumbel_top_k");
    random_engine random(seed);
    std::vector<detail::exact_pair> keys;
    std::vector<std::size_t> order(scores.size());
    const double unit = safe_unit(scores);
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
      keys.push_back(detail::exact_sum(scores[i] * unit, temperature_ * unit * detail::gumbel(random)));
    }
    const auto kept = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
    std::partial_sort(order.begin(), kept, order.end(),
                      [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] > keys[b] : a < b; });
    order.erase(kept, order.end());
    return detail::explored(order, log_probabilities(scores, order));
  }

  [[nodiscard]] double log_propensity(std::span<const double> scores, std::span<const std::size_t> order) const {
    detail::check_scores(scores, "gumbel_top_k");
    if (!detail::is_order(order, scores.size())) return detail::never;
    double sum = 0;
    for (const double log : log_probabilities(scores, order)) sum += log;
    return sum;
  }

 private:
  /// A power of two in which no score with its noise overflows: a draw is below 2^6.
  [[nodiscard]] double safe_unit(std::span<const double> scores) const {
    double largest = temperature_;
    for (const double s : scores) largest = std::max(largest, std::abs(s));
    return largest > 1e300 ? 0x1p-8 : 1.0;
  }

  /// (a − b)/τ, where the difference itself may overflow.
  [[nodiscard]] double gap(double a, double b) const noexcept { return (a / 2 - b / 2) / temperature_ * 2; }

  /// ln P of each pick. The sum over those left is built from the last pick back to the first, so that nothing cancels, and is taken relative
  /// to the highest of them, so that what stands higher no longer counts once it is picked.
  [[nodiscard]] std::vector<double> log_probabilities(std::span<const double> scores,
                                                      std::span<const std::size_t> order) const {
    std::vector<char> picked(scores.size(), 0);
    for (const std::size_t i : order) picked[i] = 1;
    double highest = detail::never;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (picked[i] == 0) highest = std::max(highest, scores[i]);
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (picked[i] == 0) sum += std::exp(gap(scores[i], highest));
    double left = std::log(sum);  // ln Σ e^((score − highest)/τ)
    std::vector<double> logs(order.size());
    for (std::size_t j = order.size(); j-- > 0;) {
      const double score = scores[order[j]];
      const double above = gap(score, highest);  // all there is if none is left
      left = above > 0 ? detail::log_add(left - above, 0) : detail::log_add(left, above);
      highest = std::max(highest, score);
      logs[j] = gap(score, highest) - left;
    }
    return logs;
  }

  double temperature_;
};

static_assert(list_policy<epsilon_greedy, double> && list_policy<gumbel_top_k, double>);

}  // namespace ebb

#endif  // EBB_EXPLORATION_HPP
