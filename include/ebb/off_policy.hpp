// SPDX-License-Identifier: MIT
#ifndef EBB_OFF_POLICY_HPP
#define EBB_OFF_POLICY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "ebb/time.hpp"

// What would another ranking have earned? Answered from what was shown, what came of it, and how likely it was shown: no new experiment.
//
//   w = P_target(list) / P_logged(list),   the weight of one showing
//
// Every list the target may show must have had a chance to be shown: what was never tried cannot be known. A bootstrap over users
// (`paired_bootstrap`) tells more than the standard error where one user has many showings.

namespace ebb {

/// One list that was shown.
struct logged_showing {
  double reward;  ///< what came of it: a click, a sale, their number; finite
  double
      log_logged;  ///< ln of the probability with which it was shown, <= 0 and finite, as the drawing policy wrote it down
  double
      log_target;  ///< ln of the probability with which the target would have shown it, <= 0; −∞ where it never would
};

/// An estimate of the mean reward under the target.
struct policy_value {
  double value = 0;
  double standard_error = std::numeric_limits<double>::infinity();  ///< infinite where too few showings tell any
  double effective_showings = 0;  ///< (Σ w)² / Σ w²: so many showings by the target itself would tell as much
  double largest_weight = 0;      ///< of all w; one far above the mean weight makes the estimate a matter of luck
};

namespace detail {

/// Showings in units of their largest weight and reward, so that no sum and no square of them overflows.
class scaled_showings {
 public:
  scaled_showings(std::span<const logged_showing> showings, double cap, const char* where)
      : showings_(showings), log_cap_(std::log(cap)), where_(where) {
    require(cap > 0, where, "cap must be > 0", cap);
    for (const logged_showing& s : showings) {
      require(std::isfinite(s.reward), where, "a reward must be finite", s.reward);
      require(std::isfinite(s.log_logged) && s.log_logged <= 0, where,
              "log_logged must be finite and <= 0, since it was shown", s.log_logged);
      require(s.log_target <= 0, where, "log_target must be <= 0", s.log_target);
      log_largest_ = std::max(log_largest_, log_weight(s));
      reward_unit_ = std::max(reward_unit_, std::abs(s.reward));
    }
    require(std::isfinite(largest_weight()), where, "a weight must be finite", largest_weight());
    if (reward_unit_ == 0) reward_unit_ = 1;
    for (const logged_showing& s : showings) {
      const double w = weight(s);
      weighted_ += w > 0 ? 1 : 0;
      weights_ += w;
      squares_ += w * w;
      rewards_ += w * reward(s);
    }
  }

  [[nodiscard]] double size() const noexcept { return static_cast<double>(showings_.size()); }
  [[nodiscard]] std::size_t weighted() const noexcept { return weighted_; }  // have a weight > 0
  [[nodiscard]] double weights() const noexcept { return weights_; }         // Σ weight
  [[nodiscard]] double rewards() const noexcept { return rewards_; }         // Σ weight · reward
  [[nodiscard]] double largest_weight() const { return std::exp(log_largest_); }

  /// Σ of the squares of off(weight, reward).
  template <class Off>
  [[nodiscard]] double squares(Off off) const {
    double sum = 0;
    for (const logged_showing& s : showings_) {
      const double x = off(weight(s), reward(s));
      sum += x * x;
    }
    return sum;
  }

  /// Turns value and error, both in these units times `weight_unit`, into an answer.
  [[nodiscard]] policy_value answer(double value, double error, double weight_unit) const {
    const policy_value out{value * reward_unit_ * weight_unit, error * reward_unit_ * weight_unit,
                           squares_ > 0 ? weights_ / squares_ * weights_ : 0.0, largest_weight()};
    require(std::isfinite(out.value), where_, "the value must be finite", out.value);
    require(std::isfinite(out.standard_error) || std::isinf(error), where_, "the standard error must be finite",
            out.standard_error);
    return out;
  }

 private:
  [[nodiscard]] double log_weight(const logged_showing& s) const {
    return std::min(s.log_target - s.log_logged, log_cap_);
  }
  [[nodiscard]] double weight(const logged_showing& s) const {
    const double log = log_weight(s);
    return log > -std::numeric_limits<double>::infinity() ? std::exp(log - log_largest_) : 0.0;
  }
  [[nodiscard]] double reward(const logged_showing& s) const { return s.reward / reward_unit_; }

  std::span<const logged_showing> showings_;
  double log_cap_;
  const char* where_;
  double log_largest_ = -std::numeric_limits<double>::infinity();
  double reward_unit_ = 0;
  std::size_t weighted_ = 0;
  double weights_ = 0;
  double squares_ = 0;
  double rewards_ = 0;
};

}  // namespace detail

/// Inverse propensity: the mean of w · reward.
///
/// Unbiased without a cap; with one (w ≤ cap) biased downwards for rewards >= 0, and steadier.
/// Range: value 0 for no showings; the standard error is infinite for fewer than two. Where none of many has a weight both are 0, and only
/// `effective_showings`, 0 too, tells that nothing was learned.
/// Complexity: O(n).
/// Errors: std::invalid_argument for a reward or a propensity out of range, for cap <= 0, and for a weight, value or error beyond what a
///         double holds.
/// Source: Horvitz and Thompson, A generalization of sampling without replacement …, JASA 47, 1952; Bottou et al., Counterfactual
///         reasoning and learning systems, JMLR 14, 2013, for the cap.
[[nodiscard]] inline policy_value inverse_propensity(std::span<const logged_showing> showings,
                                                     double cap = std::numeric_limits<double>::infinity()) {
  const detail::scaled_showings scaled(showings, cap, "inverse_propensity");
  if (showings.empty()) return {};
  const double n = scaled.size();
  const double value = scaled.rewards() / n;
  const double squares = scaled.squares([&](double w, double reward) { return w * reward - value; });
  const double error = n > 1 ? std::sqrt(squares / (n - 1) / n) : std::numeric_limits<double>::infinity();
  return scaled.answer(value, error, scaled.largest_weight());
}

/// Self-normalised inverse propensity: Σ w · reward / Σ w.
///
/// Within the range of the rewards and unmoved by a constant added to all of them; its bias vanishes as 1/n and it is most often nearer
/// the truth than the plain one.   The standard error is the delta method's.
/// Range: value 0 where no showing has a weight; the standard error is infinite where fewer than two have one.
/// Complexity, errors: as `inverse_propensity`.
/// Source: Swaminathan and Joachims, The self-normalized estimator for counterfactual learning, NIPS 2015.
[[nodiscard]] inline policy_value self_normalised_inverse_propensity(
    std::span<const logged_showing> showings, double cap = std::numeric_limits<double>::infinity()) {
  const detail::scaled_showings scaled(showings, cap, "self_normalised_inverse_propensity");
  if (scaled.weighted() == 0) return {};
  const double value = scaled.rewards() / scaled.weights();
  const double squares = scaled.squares([&](double w, double reward) { return w * (reward - value); });
  const double error =
      scaled.weighted() > 1 ? std::sqrt(squares) / scaled.weights() : std::numeric_limits<double>::infinity();
  return scaled.answer(value, error, 1);
}

}  // namespace ebb

#endif  // EBB_OFF_POLICY_HPP
