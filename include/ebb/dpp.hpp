// SPDX-License-Identifier: MIT
#ifndef EBB_DPP_HPP
#define EBB_DPP_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/score_scale.hpp"
#include "ebb/list_caps.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// How much a set may cost in score to be various.
struct dpp_options {
  std::size_t k = 10;
  double relevance = 0.7;  ///< λ in [0, 1]: 1 is the plain ranking, 0 looks at similarity alone
  /// The difference of scores that counts as 1, finite and > 0. Unset: that of the highest and the lowest candidate, so that one
  /// hopeless candidate more makes the others look alike.
  std::optional<double> score_range = {};
  /// A candidate of whose direction no more than this share is new, beside the picks, is left out; in (0, 1). 1 − s² leaves out, among others,
  /// whatever has similarity s to a pick.
  double least_new = 1e-8;
};

/// A pick of a determinantal point process.
struct dpp_pick {
  std::size_t index;  ///< of the candidate
  double
      score;  ///< in units of the score range: from 0, the lowest candidate, to 1, the highest, or over `score_range`
  /// d² in (0, 1]: the part of it that no mixture of the picks before it explains; det S is their product. 1 for all when λ = 1, which asks for
  /// no similarity.
  double novelty;
};

/// Picks up to `k` candidates that together span much: where MMR looks at the nearest pick, this looks at all of them at once.
///
///   next = argmax over those left of   λ · score_i + (1 − λ) · ln d²_i,   d²_i = det S(picks + i) / det S(picks)
///
/// the greedy way to raise λ Σ score + (1 − λ) ln det S, which is the likeliest set of a determinantal point process with the kernel
/// q_i S_ij q_j and ln q² = λ/(1 − λ) · score. The d² come from a Cholesky factor that grows by one row a pick. Scores are taken in units of
/// their range first. With λ < 1 what the picks explain already, a copy of one to begin with, is left out, and what is of a group that is full
/// always: there may be fewer than k.
///
/// `similarity(a, b)` → S: symmetric, 1 for a candidate with itself, positive semidefinite. Cosines of embeddings and of tags are.
/// `caps` → `at_most(most, group)`, as many as need be, all of which hold at once. Quotas and randomness: see `diversify`, which has them.
/// Complexity: O(picks² · n), of which picks · n similarities (none when λ = 1); memory O(picks · n).
/// Errors: std::invalid_argument for a score or similarity that is not finite, λ outside [0, 1], a range not > 0, least_new outside (0, 1), or
///         a d² below −1e-6, by which S is not positive semidefinite.
/// Source: Chen, Zhang and Zhou, Fast greedy MAP inference for determinantal point process …, NeurIPS 2018, algorithm 1.
template <class Similarity, class... Group>
[[nodiscard]] std::vector<dpp_pick> greedy_dpp(std::span<const double> scores, const dpp_options& options,
                                               const Similarity& similarity, const at_most<Group>&... caps) {
  constexpr const char* where = "greedy_dpp";
  detail::require(options.relevance >= 0 && options.relevance <= 1, where, "relevance must be in [0, 1]",
                  options.relevance);
  detail::require(options.least_new > 0 && options.least_new < 1, where, "least_new must be in (0, 1)",
                  options.least_new);
  const std::vector<double> scaled = detail::on_scale(scores, options.score_range, where);
  const double lambda = options.relevance;
  const std::size_t n = scores.size();
  detail::group_caps room(n, caps...);
  std::vector<double> fresh(n, 1.0);  // d²
  std::vector<std::size_t> left(n);
  for (std::size_t i = 0; i < n; ++i) left[i] = i;
  const auto at = [](std::size_t i) { return static_cast<Eigen::Index>(i); };
  const Eigen::Index most = at(std::min(options.k, n));
  Eigen::MatrixXd factor(0, at(n));  // (room for picks, n), grown as they come: column i is c_i

  std::vector<dpp_pick> picks;
  while (picks.size() < options.k && !left.empty()) {
    const auto gain = [&](std::size_t i) {
      return lambda * scaled[i] + (lambda < 1 ? (1 - lambda) * std::log(fresh[i]) : 0.0);
    };
    const auto best = std::min_element(left.begin(), left.end(), [&](std::size_t a, std::size_t b) {
      const double x = gain(a);
      const double y = gain(b);
      if (x != y) return x > y;
      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    });
    const std::size_t next = *best;
    left.erase(best);
    picks.push_back({next, scaled[next], fresh[next]});
    room.take(next);
    if (sizeof...(caps) > 0) std::erase_if(left, [&](std::size_t i) { return room.full(i); });
    if (!(lambda < 1) || picks.size() == options.k) continue;
    const Eigen::Index row = at(picks.size() - 1);
    if (row == factor.rows())
      factor.conservativeResize(std::min(std::max<Eigen::Index>(16, 2 * row), most), Eigen::NoChange);
    const double root = std::sqrt(fresh[next]);
    std::erase_if(left, [&](std::size_t i) {
      const double s = similarity(next, i);
      detail::require(std::isfinite(s), where, "a similarity must be finite", s);
      const double explained = factor.col(at(next)).head(row).dot(factor.col(at(i)).head(row));
      const double e = (s - explained) / root;
      factor(row, at(i)) = e;
      fresh[i] -= e * e;
      detail::require(fresh[i] > -1e-6, where, "similarities must be 1 at most and positive semidefinite", fresh[i]);
      return fresh[i] <= options.least_new;
    });
  }
  return picks;
}

}  // namespace ebb

#endif  // EBB_DPP_HPP
