// SPDX-License-Identifier: MIT
#ifndef EBB_DPP_HPP
#define EBB_DPP_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/score_scale.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// How much a set may cost in score to be various.
struct dpp_options {
  std::size_t k = 10;
  double relevance = 0.7;  ///< λ in [0, 1]: 1 is the plain ranking, 0 looks at similarity alone
  /// A candidate of whose direction no more than this share is new, beside the picks, is left out; in (0, 1).
  double least_new = 1e-8;
};

/// A pick of a determinantal point process.
struct dpp_pick {
  std::size_t index;  ///< of the candidate
  double score;       ///< its score on the scale from 0 (the lowest of the candidates) to 1 (the highest)
  double
      novelty;  ///< d² in (0, 1]: the part of it that no mixture of the picks before it explains; det S is their product
};

/// Picks up to `k` candidates that together span much: where MMR looks at the nearest pick, this looks at all of them at once.
///
///   next = argmax over those left of   λ · score_i + (1 − λ) · ln d²_i,   d²_i = det S(picks + i) / det S(picks)
///
/// the greedy way to raise λ Σ score + (1 − λ) ln det S, which is the likeliest set of a determinantal point process with the kernel
/// q_i S_ij q_j and ln q² = λ/(1 − λ) · score. The d² come from a Cholesky factor that grows by one row a pick. Scores are brought to the
/// scale from 0 to 1 first. With λ < 1 what the picks explain already, a copy of one to begin with, is left out: there may be fewer than k.
///
/// `similarity(a, b)` → S: symmetric, 1 for a candidate with itself, positive semidefinite. Cosines of embeddings and of tags are.
/// Complexity: O(k² · n), of which k · n similarities (none when λ = 1); memory O(k · n).
/// Errors: std::invalid_argument for a score or similarity that is not finite, λ outside [0, 1], least_new outside (0, 1), or a d² below
///         −1e-6, by which S is not positive semidefinite.
/// Source: Chen, Zhang and Zhou, Fast greedy MAP inference for determinantal point process …, NeurIPS 2018, algorithm 1.
template <class Similarity>
[[nodiscard]] std::vector<dpp_pick> greedy_dpp(std::span<const double> scores, const dpp_options& options,
                                               const Similarity& similarity) {
  constexpr const char* where = "greedy_dpp";
  detail::require(options.relevance >= 0 && options.relevance <= 1, where, "relevance must be in [0, 1]",
                  options.relevance);
  detail::require(options.least_new > 0 && options.least_new < 1, where, "least_new must be in (0, 1)",
                  options.least_new);
  const std::vector<double> scaled = detail::on_unit_scale(scores, where);
  const double lambda = options.relevance;
  const std::size_t n = scores.size();
  const std::size_t rows = std::min(options.k, n);
  std::vector<double> fresh(n, 1.0);  // d²
  std::vector<std::size_t> left(n);
  for (std::size_t i = 0; i < n; ++i) left[i] = i;
  const auto at = [](std::size_t i) { return static_cast<Eigen::Index>(i); };
  Eigen::MatrixXd factor(lambda < 1 ? at(rows) : 0, at(n));  // (picks, n): column i is c_i

  std::vector<dpp_pick> picks;
  while (picks.size() < rows && !left.empty()) {
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
    const std::size_t row = picks.size();
    picks.push_back({next, scaled[next], fresh[next]});
    if (!(lambda < 1)) continue;
    const double root = std::sqrt(fresh[next]);
    std::erase_if(left, [&](std::size_t i) {
      const double s = similarity(next, i);
      detail::require(std::isfinite(s), where, "a similarity must be finite", s);
      const double explained = factor.col(at(next)).head(at(row)).dot(factor.col(at(i)).head(at(row)));
      const double e = (s - explained) / root;
      factor(at(row), at(i)) = e;
      fresh[i] -= e * e;
      detail::require(fresh[i] > -1e-6, where, "similarities must be 1 at most and positive semidefinite", fresh[i]);
      return fresh[i] <= options.least_new;
    });
  }
  return picks;
}

}  // namespace ebb

#endif  // EBB_DPP_HPP
