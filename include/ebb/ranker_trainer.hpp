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
  /// (terms), each weight's standard error; infinite for a term the lists say nothing about.
  std::vector<double> errors;
  double loss;            ///< mean −ln P(chosen), in nats a list, of the learned weights
  double loss_before;     ///< of the weights the ranker had
  double loss_of_chance;  ///< of ranking at random
  bool converged;         ///< whether a Newton step more would move no weight by more than a hundredth of its error
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
///
///   errors² = diagonal of   H⁻¹ (Σ_lists importance² · g gᵀ) H⁻¹
///
/// g: the gradient of −ln P(chosen) of one list, H: the second derivative of the whole sum. That is the scatter of the weights over many logs of
/// independent lists, whatever the importances and even where no weights make the model true; for few lists, or choices that
/// the weights foretell without fail, it says too little.
/// Memory: terms · candidates numbers a list.
/// Source: McFadden, Conditional logit analysis of qualitative choice behavior, 1974; Cao et al., Learning to rank: from pairwise to listwise
///         approach, ICML 2007, with one relevant item; Joachims, Swaminathan and Schnabel, Unbiased learning-to-rank with biased feedback,
///         WSDM 2017, for the importance; Huber, The behavior of maximum likelihood estimates under nonstandard conditions, 5th Berkeley
///         Symposium 1967, and White, Econometrica 48, 1980, for the errors.
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
  /// Complexity: O(steps · lists · candidates · terms), and once O(lists · candidates · terms²) for the errors.
  /// Errors: std::invalid_argument when no list has been taken in, the ridge is not finite and > 0, steps < 1, the importances add up to
  ///         more than 1e300, or a term's spread is neither 0 nor in [1e-290, 1e290].
  [[nodiscard]] learned_weights fit(const ranker_trainer_options& options = {}) const {
    constexpr const char* where = "ranker_trainer";
    detail::require(!lists_.empty(), where, "there must be a list", lists_.size());
    detail::require(std::isfinite(options.ridge) && options.ridge > 0, where, "ridge must be finite and > 0",
                    options.ridge);
    detail::require(options.steps >= 1, where, "steps must be >= 1", options.steps);
    const double mass = importance();
    detail::require(mass <= 1e300, where, "importances must add up to 1e300 at most", mass);
    learned_weights out{ranker_.settings(), {}, 0, 0, 0, false};
    Eigen::VectorXd weights(static_cast<Eigen::Index>(out.settings.terms.size()));
    for (Eigen::Index j = 0; j < weights.size(); ++j) weights[j] = term(out, j).how.weight;
    const Eigen::VectorXd spread = spreads(mass);
    for (const double s : spread)
      detail::require(s == 0 || (s >= 1e-290 && s <= 1e290), where, "a term must spread by 0 or by 1e-290 to 1e290", s);
    const Eigen::VectorXd per_spread = (spread.array() > 0).select(spread.array().max(1e-290).inverse(), 0.0);
    out.loss_before = loss(weights) / mass;
    out.loss_of_chance = loss(Eigen::VectorXd::Zero(weights.size())) / mass;

    const auto unscaled = [&](const Eigen::VectorXd& x) {  // x: weight · spread
      return Eigen::VectorXd((spread.array() > 0).select(x.array() * per_spread.array(), weights.array()));
    };
    const auto objective = [&](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
      gradient = options.ridge * x;
      const double value = loss(unscaled(x), per_spread, gradient) + options.ridge / 2 * x.squaredNorm();
      gradient /= mass + options.ridge;  // so that the unit of the importances decides nothing
      return value / (mass + options.ridge);
    };
    const detail::minimum found =
        detail::minimise(objective, Eigen::VectorXd::Zero(weights.size()), options.steps, 1e-12);
    weights = unscaled(found.x);
    out.loss = loss(weights) / mass;
    Eigen::VectorXd gradient(weights.size());
    objective(found.x, gradient);
    judge(out, weights, gradient * (mass + options.ridge), per_spread, options.ridge);
    for (Eigen::Index j = 0; j < weights.size(); ++j) term(out, j).how.weight = weights[j];
    return out;
  }

 private:
  struct list {
    Eigen::MatrixXd values;  // (candidates, terms)
    Eigen::Index chosen;
    double importance;
  };

  [[nodiscard]] static ranker_settings::term& term(learned_weights& of, Eigen::Index j) {
    return of.settings.terms[static_cast<std::size_t>(j)];
  }

  [[nodiscard]] double importance() const {
    double sum = 0;
    for (const list& one : lists_) sum += one.importance;
    return sum;
  }

  /// (terms): the root of the mean variance of a term's values within a list, taken in units of its largest value.
  [[nodiscard]] Eigen::VectorXd spreads(double mass) const {
    Eigen::VectorXd largest = Eigen::VectorXd::Zero(lists_.front().values.cols());
    for (const list& one : lists_) largest = largest.cwiseMax(one.values.cwiseAbs().colwise().maxCoeff().transpose());
    Eigen::VectorXd variance = Eigen::VectorXd::Zero(largest.size());
    for (const list& one : lists_)
      for (Eigen::Index j = 0; j < largest.size(); ++j) {
        if (!(largest[j] > 0)) continue;
        const Eigen::ArrayXd shares = one.values.col(j).array() / largest[j];
        variance[j] += one.importance / mass * (shares - shares.mean()).square().mean();
      }
    // What rounding leaves of a constant is no spread.
    const Eigen::VectorXd shares = variance.cwiseSqrt();
    return (shares.array() > 1e-12).select(shares.cwiseProduct(largest), 0.0);
  }

  /// How likely each candidate of a list is (candidates), and −ln P(chosen).
  [[nodiscard]] static std::pair<Eigen::VectorXd, double> chances(const list& one, const Eigen::VectorXd& weights) {
    Eigen::VectorXd scores = one.values * weights;
    scores.array() -= scores.maxCoeff();
    Eigen::VectorXd likely = scores.array().exp();
    const double total = likely.sum();
    likely /= total;
    return {std::move(likely), std::log(total) - scores[one.chosen]};
  }

  /// (terms): the gradient of −ln P(chosen) by weight · spread.
  [[nodiscard]] static Eigen::VectorXd slope(const list& one, const Eigen::VectorXd& chance,
                                             const Eigen::VectorXd& per_spread) {
    return per_spread.cwiseProduct(one.values.transpose() * chance - one.values.row(one.chosen).transpose());
  }

  /// Σ importance · −ln P(chosen).
  [[nodiscard]] double loss(const Eigen::VectorXd& weights) const {
    double sum = 0;
    for (const list& one : lists_) sum += one.importance * chances(one, weights).second;
    return sum;
  }

  /// The same; adds its gradient by weight · spread (terms) to `gradient`.
  [[nodiscard]] double loss(const Eigen::VectorXd& weights, const Eigen::VectorXd& per_spread,
                            Eigen::VectorXd& gradient) const {
    double sum = 0;
    for (const list& one : lists_) {
      const auto [chance, nats] = chances(one, weights);
      sum += one.importance * nats;
      gradient += one.importance * slope(one, chance, per_spread);
    }
    return sum;
  }

  /// Writes `errors` and `converged`; gradient (terms): of the whole sum by weight · spread.
  void judge(learned_weights& out, const Eigen::VectorXd& weights, const Eigen::VectorXd& gradient,
             const Eigen::VectorXd& per_spread, double ridge) const {
    const Eigen::Index n = weights.size();
    Eigen::MatrixXd curvature = ridge * Eigen::MatrixXd::Identity(n, n);
    for (const list& one : lists_) {
      const Eigen::VectorXd chance = chances(one, weights).first;
      Eigen::MatrixXd off = one.values.rowwise() - (one.values.transpose() * chance).transpose();
      off *= per_spread.asDiagonal();
      curvature.noalias() += one.importance * (off.transpose() * chance.asDiagonal() * off);
    }
    const Eigen::LLT<Eigen::MatrixXd> factor(curvature);
    Eigen::VectorXd squares = Eigen::VectorXd::Zero(n);
    for (const list& one : lists_) {
      const Eigen::VectorXd own = one.importance * slope(one, chances(one, weights).first, per_spread);
      squares += factor.solve(own).cwiseAbs2();
    }
    const Eigen::VectorXd errors = squares.cwiseSqrt();  // of weight · spread
    const Eigen::VectorXd step = factor.solve(gradient);
    out.converged = (step.array().abs() <= 0.01 * errors.array()).all();
    for (Eigen::Index j = 0; j < n; ++j)
      out.errors.push_back(per_spread[j] > 0 ? errors[j] * per_spread[j] : std::numeric_limits<double>::infinity());
  }

  ranker<Store> ranker_;
  std::vector<list> lists_;
};

}  // namespace ebb

#endif  // EBB_RANKER_TRAINER_HPP
