// SPDX-License-Identifier: MIT
#ifndef EBB_ADAPTIVE_WEIGHTS_HPP
#define EBB_ADAPTIVE_WEIGHTS_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "ebb/time.hpp"

namespace ebb {

/// How fast weights follow what a user does.
struct adaptive_options {
  double rate = 0.1;     ///< η in (0, 1/2]: a return counts as much as 1/η of the prior's
  double share = 0.001;  ///< α in [0, 1): what flows back to the prior each round, so that habits may change
};

/// What `adaptive_weights` remembers between rounds.
struct adaptive_state {
  std::vector<double> weights;  ///< (timescales), on the simplex
  std::uint64_t rounds = 0;
  double loss = 0;  ///< Σ over the rounds of −ln p, each p as predicted before the round was known
};

/// Weights over timescales that follow, return by return, the timescales that saw it coming.
///
/// Timescale k gives candidate i the chance x_k(i), the mixture gives it p = Σ_k w_k x_k(i). After a return to i
///
///   w_k ← (1 − α) w_k (1 − η + η x_k(i) / p) + α prior_k
///
/// which is the exponentiated gradient of −ln p to first order in η (and so stays on the simplex by itself), with a fixed
/// share of the prior. A user with n returns is thus between the prior (n ≪ 1/η) and what suits them best (n ≫ 1/η).
///
/// Promise, for any returns whatever, after T rounds and for every fixed w* on the simplex, K timescales:
///
///   Σ −ln p − Σ −ln p* <= Σ_k (w*_k/η + 1) ln(1/prior_k) + T ((1/η + K − 1) ln(1/(1−η)) − 1 + (1/η + K) ln(1/(1−α)))
///
/// about (ln K)/η + K η T: rate ≈ √(ln K / (K T)) is best for T rounds. Against one timescale alone it is
/// (ln(1/prior_k) + T ln(1/(1−α))) / η. Over any stretch of T rounds both hold with α prior_k for prior_k, so also
/// against weights that change now and then.
///
/// Complexity: O(K) a return, 8 K + 16 bytes.
/// Errors: std::invalid_argument for options outside their range, a prior that is not > 0 or does not add to 1 (within
///         1e-9), a state of another shape, chances that are negative or not finite.
/// Source: J. Kivinen, M. Warmuth, Exponentiated gradient versus gradient descent for linear predictors, Information and
///         Computation 132, 1997; M. Herbster, M. Warmuth, Tracking the best expert, Machine Learning 32, 1998;
///         N. Cesa-Bianchi, G. Lugosi, Prediction, Learning, and Games, 2006, chapters 2, 5, 9; L. Orseau, T. Lattimore,
///         S. Legg, Soft-Bayes: Prod for mixtures of experts with log-loss, ALT 2017 (this step, and bounds without a
///         bound on the gradient).
class adaptive_weights {
 public:
  explicit adaptive_weights(std::vector<double> prior, adaptive_options options = {})
      : prior_(std::move(prior)), options_(options), state_{prior_} {
    check();
  }
  /// Takes up where `state` left off.
  adaptive_weights(std::vector<double> prior, adaptive_options options, adaptive_state state)
      : prior_(std::move(prior)), options_(options), state_(std::move(state)) {
    check();
  }

  /// p = Σ_k w_k x_k for the chances x (timescales) of one candidate.
  [[nodiscard]] double chance(std::span<const double> x) const {
    check_chances(x);
    double p = 0;
    for (std::size_t k = 0; k < x.size(); ++k) p += state_.weights[k] * x[k];
    return p;
  }

  /// One round: the user returned to an item, or at one moment to several (a basket), whose chances follow one another.
  ///
  /// Returns the mean of −ln p, as predicted before; the weights move by the mean of the gradients. A return that no
  /// timescale gave a chance teaches nothing and does not count; with no other the answer is infinity.
  /// chances: (timescales · returns).
  double learn(std::span<const double> chances, std::size_t returns = 1) {
    const std::size_t lanes = prior_.size();
    detail::require(chances.size() == lanes * returns, "adaptive_weights::learn",
                    "there must be one chance a timescale and return", chances.size());
    std::vector<double> pull(lanes, 0.0);
    double loss = 0;
    double seen = 0;
    for (std::size_t j = 0; j < returns; ++j) {
      const auto x = chances.subspan(j * lanes, lanes);
      const double p = chance(x);
      if (!(p > 0)) continue;
      for (std::size_t k = 0; k < lanes; ++k) pull[k] += x[k] / p;
      loss -= std::log(p);
      ++seen;
    }
    if (seen == 0) return std::numeric_limits<double>::infinity();
    double sum = 0;
    for (std::size_t k = 0; k < lanes; ++k)
      sum += state_.weights[k] *= 1 - options_.rate + options_.rate * pull[k] / seen;
    for (std::size_t k = 0; k < lanes; ++k)  // the sum is 1 but for rounding, which must not add up
      state_.weights[k] = (1 - options_.share) * (state_.weights[k] / sum) + options_.share * prior_[k];
    ++state_.rounds;
    state_.loss += loss / seen;
    return loss / seen;
  }

  /// The promise above for `rounds` rounds against fixed weights: by how much more than theirs the loss may be at most.
  [[nodiscard]] double regret_bound(std::span<const double> fixed, std::uint64_t rounds) const {
    detail::require(fixed.size() == prior_.size(), "adaptive_weights::regret_bound",
                    "there must be one weight a timescale", fixed.size());
    const double eta = options_.rate;
    const auto lanes = static_cast<double>(prior_.size());
    double start = 0;
    for (std::size_t k = 0; k < fixed.size(); ++k) start -= (fixed[k] / eta + 1) * std::log(prior_[k]);
    const double each = -(1 / eta + lanes - 1) * std::log1p(-eta) - 1 - (1 / eta + lanes) * std::log1p(-options_.share);
    return start + static_cast<double>(rounds) * each;
  }

  [[nodiscard]] std::span<const double> weights() const noexcept { return state_.weights; }
  [[nodiscard]] std::span<const double> prior() const noexcept { return prior_; }
  [[nodiscard]] const adaptive_options& options() const noexcept { return options_; }
  [[nodiscard]] const adaptive_state& state() const noexcept { return state_; }

 private:
  void check() const {
    constexpr const char* where = "adaptive_weights";
    detail::require(options_.rate > 0 && options_.rate <= 0.5, where, "rate must be in (0, 1/2]", options_.rate);
    detail::require(options_.share >= 0 && options_.share < 1, where, "share must be in [0, 1)", options_.share);
    detail::require(!prior_.empty(), where, "there must be a timescale", prior_.size());
    detail::require(state_.weights.size() == prior_.size(), where,
                    "the state must be of as many timescales as the prior", state_.weights.size());
    check_simplex(prior_, "a prior weight must be > 0, or it could never be learned", true);
    check_simplex(state_.weights, "a weight must be >= 0", false);
  }
  static void check_simplex(const std::vector<double>& weights, const char* rule, bool positive) {
    double sum = 0;
    for (const double w : weights) {
      detail::require(std::isfinite(w) && (positive ? w > 0 : w >= 0), "adaptive_weights", rule, w);
      sum += w;
    }
    detail::require(std::abs(sum - 1) <= 1e-9, "adaptive_weights", "weights must add up to 1", sum);
  }
  void check_chances(std::span<const double> x) const {
    detail::require(x.size() == prior_.size(), "adaptive_weights", "there must be one chance a timescale", x.size());
    for (const double chance : x)
      detail::require(std::isfinite(chance) && chance >= 0, "adaptive_weights", "a chance must be finite and >= 0",
                      chance);
  }

  std::vector<double> prior_;  // (timescales)
  adaptive_options options_;
  adaptive_state state_;
};

}  // namespace ebb

#endif  // EBB_ADAPTIVE_WEIGHTS_HPP
