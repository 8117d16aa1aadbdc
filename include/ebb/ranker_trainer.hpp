// SPDX-License-Identifier: MIT
#ifndef EBB_RANKER_TRAINER_HPP
#define EBB_RANKER_TRAINER_HPP

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "ebb/detail/lbfgs.hpp"
#include "ebb/ranker.hpp"
#include "ebb/time.hpp"

namespace ebb {

struct ranker_trainer_options {
  /// λ: how strongly weights are drawn to 0, in lists; with many more lists than that it hardly matters. Finite and > 0.
  double ridge = 1;
  int steps = 200;  ///< of the descent, at most; >= 1
};

/// Learned weights and how far they are to be trusted.
struct learned_weights {
  ranker_settings settings;  ///< for ranker::apply: the weights learned, all else as it was
  std::vector<double>
      errors;             ///< (terms), each weight's standard error; infinite for a term the lists say nothing about
  double loss;            ///< mean −ln P(chosen), in nats a list, of the learned weights
  double loss_before;     ///< of the weights the ranker had
  double loss_of_chance;  ///< of ranking at random
};

/// Learns a ranker's weights from lists in which something was chosen.
///
///   P(c is chosen from the list) = e^(score_c) / Σ_i e^(score_i),   score_i = Σ_j weight_j · values_ij
///
///   weights = argmin  Σ_lists importance · −ln P(chosen) + λ/2 Σ_j (weight_j s_j)²
///
/// s_j: the spread of the term's values within the lists, so that the ridge means the same whatever a term's unit. Convex: there is one
/// minimum. A term that says the same of all candidates of every list has spread 0 and keeps its weight. Roles, normalisations and the prior's
/// strength are not learned.
/// Lists of a policy that showed some items less readily are unbiased with importance = 1 / propensity of what was seen.
/// Memory: terms · candidates numbers a list.
/// Source: McFadden, Conditional logit analysis of qualitative choice behavior, 1974; Cao et al., Learning to rank: from pairwise to listwise
///         approach, ICML 2007, with one relevant item; Joachims, Swaminathan and Schnabel, Unbiased learning-to-rank with biased feedback,
///         WSDM 2017, for the importance.
template <class Store>
class ranker_trainer {
 public:
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;

  /// Copies the ranker, whose terms are asked as the lists come in.
  explicit ranker_trainer(ranker<Store> of) : ranker_(std::move(of)) {}

  /// Takes in one list: what was to choose from at `now`, with the store as it was then, and the index of what was chosen.
  ///
  /// Tell the store of the choice afterwards, or the answer is in the question. Complexity: as ranker::rank.
  /// Errors: as ranker::rank; std::invalid_argument for an index that is not in the list, or an importance that is not finite and > 0.
  void observe(const Store& store, const user_type& user, time_point now, std::span<const item_type> candidates,
               std::size_t chosen, double importance = 1) {
    constexpr const char* where = "ranker_trainer";
    detail::require(chosen < candidates.size(), where, "chosen must be the index of a candidate", chosen);
    detail::require(std::isfinite(importance) && importance > 0, where, "importance must be finite and > 0",
                    importance);
    lists_.push_back({ranker_.values(store, user, now, candidates), static_cast<Eigen::Index>(chosen), importance});
  }

  /// How many lists have been taken in.
  [[nodiscard]] std::size_t size() const noexcept { return lists_.size(); }

  /// The weights that make the choices likeliest.
  ///
  /// Complexity: O(steps · lists · candidates · terms).
  /// Errors: std::invalid_argument when no list has been taken in, the ridge is not finite and > 0, or steps < 1.
  [[nodiscard]] learned_weights fit(const ranker_trainer_options& options = {}) const {
    constexpr const char* where = "ranker_trainer";
    detail::require(!lists_.empty(), where, "there must be a list", lists_.size());
    detail::require(std::isfinite(options.ridge) && options.ridge > 0, where, "ridge must be finite and > 0",
                    options.ridge);
    detail::require(options.steps >= 1, where, "steps must be >= 1", options.steps);
    learned_weights out{ranker_.settings(), {}, 0, 0, 0};
    Eigen::VectorXd weights(static_cast<Eigen::Index>(out.settings.terms.size()));
    for (Eigen::Index j = 0; j < weights.size(); ++j) weights[j] = term(out, j).how.weight;
    const Eigen::VectorXd spread = spreads();
    const double mass = importance();
    out.loss_before = loss(weights, nullptr, nullptr) / mass;
    out.loss_of_chance = loss(Eigen::VectorXd::Zero(weights.size()), nullptr, nullptr) / mass;

    const auto unscaled = [&](const Eigen::VectorXd& x) {  // x: weight · spread
      return Eigen::VectorXd((spread.array() > 0).select(x.array() / spread.array().max(smallest), weights.array()));
    };
    const auto objective = [&](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
      Eigen::VectorXd slope = Eigen::VectorXd::Zero(x.size());
      const double value = loss(unscaled(x), &slope, nullptr);
      gradient =
          (spread.array() > 0).select(slope.array() / spread.array().max(smallest) + options.ridge * x.array(), 0.0);
      return value + options.ridge / 2 * x.squaredNorm();
    };
    const detail::minimum found =
        detail::minimise(objective, Eigen::VectorXd::Zero(weights.size()), options.steps, 1e-12);
    weights = unscaled(found.x);

    Eigen::MatrixXd curvature = Eigen::MatrixXd::Zero(weights.size(), weights.size());
    out.loss = loss(weights, nullptr, &curvature) / mass;
    for (Eigen::Index j = 0; j < weights.size(); ++j) curvature(j, j) += options.ridge * spread[j] * spread[j];
    out.errors = standard_errors(curvature, spread);
    for (Eigen::Index j = 0; j < weights.size(); ++j) term(out, j).how.weight = weights[j];
    return out;
  }

 private:
  struct list {
    Eigen::MatrixXd values;  // (candidates, terms)
    Eigen::Index chosen;
    double importance;
  };

  static constexpr double smallest = std::numeric_limits<double>::min();

  [[nodiscard]] static ranker_settings::term& term(learned_weights& of, Eigen::Index j) {
    return of.settings.terms[static_cast<std::size_t>(j)];
  }

  [[nodiscard]] double importance() const {
    double sum = 0;
    for (const list& one : lists_) sum += one.importance;
    return sum;
  }

  /// (terms): the root of the mean variance of a term's values within a list.
  [[nodiscard]] Eigen::VectorXd spreads() const {
    Eigen::VectorXd variance = Eigen::VectorXd::Zero(lists_.front().values.cols());
    for (const list& one : lists_) {
      const Eigen::RowVectorXd mean = one.values.colwise().mean();
      variance += one.importance * (one.values.rowwise() - mean).array().square().colwise().mean().matrix().transpose();
    }
    const Eigen::VectorXd spread = (variance / importance()).cwiseSqrt();
    // What rounding leaves of a constant is no spread.
    Eigen::VectorXd largest = Eigen::VectorXd::Zero(spread.size());
    for (const list& one : lists_) largest = largest.cwiseMax(one.values.cwiseAbs().colwise().maxCoeff().transpose());
    return (spread.array() > 1e-12 * largest.array()).select(spread, 0.0);
  }

  /// Σ importance · −ln P(chosen); adds to its gradient (terms) and its curvature (terms, terms) where they are asked for.
  [[nodiscard]] double loss(const Eigen::VectorXd& weights, Eigen::VectorXd* gradient,
                            Eigen::MatrixXd* curvature) const {
    double sum = 0;
    for (const list& one : lists_) {
      Eigen::VectorXd scores = one.values * weights;
      scores.array() -= scores.maxCoeff();
      const Eigen::VectorXd likely = scores.array().exp();
      const double total = likely.sum();
      sum += one.importance * (std::log(total) - scores[one.chosen]);
      if (gradient == nullptr && curvature == nullptr) continue;
      const Eigen::VectorXd chance = likely / total;
      const Eigen::VectorXd mean = one.values.transpose() * chance;
      if (gradient != nullptr) *gradient += one.importance * (mean - one.values.row(one.chosen).transpose());
      if (curvature != nullptr)
        *curvature +=
            one.importance * (one.values.transpose() * chance.asDiagonal() * one.values - mean * mean.transpose());
    }
    return sum;
  }

  /// The roots of the diagonal of the inverse curvature, over the terms that have a spread.
  [[nodiscard]] static std::vector<double> standard_errors(const Eigen::MatrixXd& curvature,
                                                           const Eigen::VectorXd& spread) {
    std::vector<Eigen::Index> spoken;
    for (Eigen::Index j = 0; j < spread.size(); ++j)
      if (spread[j] > 0) spoken.push_back(j);
    std::vector<double> errors(static_cast<std::size_t>(spread.size()), std::numeric_limits<double>::infinity());
    const auto n = static_cast<Eigen::Index>(spoken.size());
    Eigen::MatrixXd scaled(n, n);  // by the spreads, so that its units do not spoil its condition
    for (Eigen::Index a = 0; a < n; ++a)
      for (Eigen::Index b = 0; b < n; ++b) {
        const Eigen::Index i = spoken[static_cast<std::size_t>(a)];
        const Eigen::Index j = spoken[static_cast<std::size_t>(b)];
        scaled(a, b) = curvature(i, j) / spread[i] / spread[j];
      }
    const Eigen::MatrixXd inverse = scaled.llt().solve(Eigen::MatrixXd::Identity(n, n));
    for (Eigen::Index a = 0; a < n; ++a) {
      const Eigen::Index i = spoken[static_cast<std::size_t>(a)];
      errors[static_cast<std::size_t>(i)] = std::sqrt(inverse(a, a)) / spread[i];
    }
    return errors;
  }

  ranker<Store> ranker_;
  std::vector<list> lists_;
};

}  // namespace ebb

#endif  // EBB_RANKER_TRAINER_HPP
