// SPDX-License-Identifier: MIT
#ifndef EBB_DIVERSITY_HPP
#define EBB_DIVERSITY_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/score_scale.hpp"
#include "ebb/exploration.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// How a ranked list is made less of the same.
struct diversity_options {
  std::size_t k = 10;
  double relevance = 0.7;  ///< λ in [0, 1]: 1 is the plain ranking, 0 looks at similarity alone
  std::size_t per_category = std::numeric_limits<std::size_t>::max();  ///< the most of one category, >= 1
  /// At or above this similarity to an item already picked, an item is a near-duplicate and left out. Unset: nothing is.
  std::optional<double> duplicate = {};
  /// The pinch of randomness, in units of the score range: picks this far apart are e times as likely. 0: none.
  double temperature = 0;
  std::uint64_t seed = 0;  ///< of the randomness: one a list, written down with it
};

/// A pick and why it stands there: relevance · score − (1 − relevance) · similarity was the highest, or was drawn.
struct diverse_pick {
  std::size_t index;  ///< of the candidate
  double score;       ///< its score on the scale from 0 (the lowest of the candidates) to 1 (the highest)
  double similarity;  ///< to the most similar item picked before it, 0 for the first
};

/// A list and how likely it was.
struct diverse_list {
  std::vector<diverse_pick> picks;
  double log_propensity;  ///< ln of the probability of exactly these picks in this order; 0 where nothing was drawn
};

/// The default similarity and the default category: none.
struct no_similarity {
  [[nodiscard]] double operator()(std::size_t, std::size_t) const noexcept { return 0; }
};
struct no_category {
  [[nodiscard]] std::size_t operator()(std::size_t candidate) const noexcept { return candidate; }
};

namespace detail {

/// What is left to choose from after some picks, and how good each is.
template <class Similarity, class Category>
class diversity_state {
 public:
  diversity_state(std::span<const double> scores, const diversity_options& options, const Similarity& similarity,
                  const Category& category)
      : raw_(scores), options_(options), similarity_(similarity), scores_(on_unit_scale(scores, "diversify")) {
    constexpr const char* where = "diversify";
    require(options.relevance >= 0 && options.relevance <= 1, where, "relevance must be in [0, 1]", options.relevance);
    require(options.per_category > 0, where, "per_category must be > 0", options.per_category);
    require(!options.duplicate || !std::isnan(*options.duplicate), where, "duplicate must be a number",
            options.duplicate.value_or(0));
    require(std::isfinite(options.temperature) && options.temperature >= 0, where,
            "temperature must be finite and >= 0", options.temperature);
    similar_.assign(scores.size(), none);
    left_.resize(scores.size());
    for (std::size_t i = 0; i < left_.size(); ++i) left_[i] = i;
    for (std::size_t i = 0; i < left_.size(); ++i) categories_.push_back(category(i));
  }

  /// Candidates that may be picked next, in their order.
  [[nodiscard]] std::span<const std::size_t> left() const noexcept { return left_; }
  [[nodiscard]] diverse_pick pick(std::size_t i) const { return {i, scores_[i], similarity_to_picks(i)}; }

  /// λ · score − (1 − λ) · similarity.
  [[nodiscard]] double gain(std::size_t i) const {
    return options_.relevance * scores_[i] - (1 - options_.relevance) * similarity_to_picks(i);
  }

  /// The most useful candidate; ties by score, then by order.
  [[nodiscard]] std::size_t best() const {
    return *std::min_element(left_.begin(), left_.end(), [this](std::size_t a, std::size_t b) {
      const double x = gain(a);
      const double y = gain(b);
      if (x != y) return x > y;
      return raw_[a] != raw_[b] ? raw_[a] > raw_[b] : a < b;
    });
  }

  /// ln P(i is next) = gain_i/τ − ln Σ_left e^(gain_j/τ), τ > 0.
  [[nodiscard]] double log_probability(std::size_t i) const {
    const double highest = highest_gain();
    double sum = 0;
    for (const std::size_t j : left_) sum += std::exp((gain(j) - highest) / options_.temperature);
    return (gain(i) - highest) / options_.temperature - std::log(sum);
  }

  /// One draw with those probabilities: the highest of gain_j/τ + a Gumbel draw of its own.
  [[nodiscard]] std::size_t draw(random_engine& random) const {
    const double highest = highest_gain();
    double top = none;
    std::size_t drawn = left_.front();
    for (const std::size_t j : left_) {
      const double value = (gain(j) - highest) / options_.temperature + gumbel(random);
      if (value > top) {
        top = value;
        drawn = j;
      }
    }
    return drawn;
  }

  /// Picks i: it, its near-duplicates and a category that is full are no longer left.
  void take(std::size_t i) {
    const bool full = ++taken_[categories_[i]] >= options_.per_category;
    const bool looks = options_.relevance < 1 || options_.duplicate;
    std::erase_if(left_, [&](std::size_t j) {
      if (j == i || (full && categories_[j] == categories_[i])) return true;
      if (!looks) return false;
      const double s = similarity_(j, i);
      require(std::isfinite(s), "diversify", "a similarity must be finite", s);
      similar_[j] = std::max(similar_[j], s);
      return options_.duplicate && s >= *options_.duplicate;
    });
  }

 private:
  using category_type = std::remove_cvref_t<std::invoke_result_t<const Category&, std::size_t>>;
  static constexpr double none = -std::numeric_limits<double>::infinity();

  [[nodiscard]] double similarity_to_picks(std::size_t i) const { return similar_[i] == none ? 0.0 : similar_[i]; }

  [[nodiscard]] double highest_gain() const {
    double highest = none;
    for (const std::size_t j : left_) highest = std::max(highest, gain(j));
    return highest;
  }

  std::span<const double> raw_;
  const diversity_options& options_;
  const Similarity& similarity_;
  std::vector<double> scores_;   // (n), on the scale from 0 to 1
  std::vector<double> similar_;  // (n), the highest similarity to a pick
  std::vector<std::size_t> left_;
  std::vector<category_type> categories_;  // (n)
  std::unordered_map<category_type, std::size_t> taken_;
};

}  // namespace detail

/// Picks up to `k` candidates one after another, each for its score and for being unlike those picked before it.
///
///   next = argmax over those left of   λ · score_i − (1 − λ) · max_{j picked} similarity(i, j)
///
/// Scores are brought to the scale from 0 to 1 first, so that λ and the temperature τ mean the same whatever their unit. Near-duplicates of
/// a pick and categories that are full leave at once, so there may be fewer than k picks. With τ > 0 the next pick is drawn instead:
///
///   P(next = i) = e^(gain_i/τ) / Σ_left e^(gain_j/τ),   propensity = Π P(pick)
///
/// With λ = 1 and no caps that is the Plackett–Luce distribution over orders. The propensity is exact for what was picked: reorder or filter
/// before, not after, and keep it with the list for off-policy evaluation.
///
/// `similarity(a, b)` → a finite number for two candidates' indices, at most 1 by custom; `category(a)` → a value with std::hash.
/// Complexity: O(k · n), of which up to k · n similarities (none when λ = 1 and duplicates are kept). Same seed, same list.
/// Errors: std::invalid_argument for a score or similarity that is not finite, λ outside [0, 1], a cap of 0, a negative temperature.
/// Source: Carbonell and Goldstein, The use of MMR, diversity-based reranking …, SIGIR 1998; Plackett, The analysis of permutations, Applied
///         Statistics 24, 1975; Yellott, The relationship between Luce's choice axiom …, J. Math. Psychology 15, 1977, for the Gumbel draws.
template <class Similarity = no_similarity, class Category = no_category>
[[nodiscard]] diverse_list diversify(std::span<const double> scores, const diversity_options& options,
                                     const Similarity& similarity = {}, const Category& category = {}) {
  detail::diversity_state<Similarity, Category> state(scores, options, similarity, category);
  random_engine random(options.seed);
  diverse_list list{{}, 0.0};
  while (list.picks.size() < options.k && !state.left().empty()) {
    const bool draws = options.temperature > 0;
    const std::size_t next = draws ? state.draw(random) : state.best();
    if (draws) list.log_propensity += state.log_probability(next);
    list.picks.push_back(state.pick(next));
    state.take(next);
  }
  return list;
}

/// ln of the probability that `diversify` with these options, whatever the seed, picks exactly `order`; −∞ where it cannot.
///
/// Complexity: as `diversify`.   Errors: as `diversify`.
template <class Similarity = no_similarity, class Category = no_category>
[[nodiscard]] double log_propensity(std::span<const std::size_t> order, std::span<const double> scores,
                                    const diversity_options& options, const Similarity& similarity = {},
                                    const Category& category = {}) {
  constexpr double never = detail::never;
  detail::diversity_state<Similarity, Category> state(scores, options, similarity, category);
  double sum = 0;
  for (const std::size_t next : order) {
    if (std::find(state.left().begin(), state.left().end(), next) == state.left().end()) return never;
    if (options.temperature > 0)
      sum += state.log_probability(next);
    else if (next != state.best())
      return never;
    state.take(next);
  }
  // The list ends when it is full or when nothing is left, and not before.
  return order.size() == options.k || (order.size() < options.k && state.left().empty()) ? sum : never;
}

}  // namespace ebb

#endif  // EBB_DIVERSITY_HPP
