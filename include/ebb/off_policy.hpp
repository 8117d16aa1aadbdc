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
  double standard_error = 0;
  double effective_showings = 0;  ///< (Σ w)² / Σ w²: so many showings by the target itself would tell as much
  double largest_weight = 0;      ///< of all w; one far above the mean weight makes the estimate a matter of luck
};

namespace detail {

struct weight_sums {
  double n = 0;
  double weights = 0;
  double squares = 0;
  double largest = 0;
};

[[nodiscard]] inline double showing_weight(const logged_showing& s, double cap) {
  return std::min(std::exp(s.log_target - s.log_logged), cap);
}

[[nodiscard]] inline weight_sums sum_weights(std::span<const logged_showing> showings, double cap, const char* where) {
  require(cap > 0, where, "cap must be > 0", cap);
  weight_sums sums;
  for (const logged_showing& s : showings) {
    require(std::isfinite(s.reward), where, "a reward must be finite", s.reward);
    require(std::isfinite(s.log_logged) && s.log_logged <= 0, where,
            "log_logged must be finite and <= 0, since it was shown", s.log_logged);
    require(s.log_target <= 0, where, "log_target must be <= 0", s.log_target);
    const double w = showing_weight(s, cap);
    require(std::isfinite(w), where, "a weight must be finite", w);
    sums.n += 1;
    sums.weights += w;
    sums.squares += w * w;
    sums.largest = std::max(sums.largest, w);
  }
  return sums;
}

[[nodiscard]] inline double effective(const weight_sums& sums) {
  return sums.squares > 0 ? sums.weights / sums.squares * sums.weights : 0.0;
}

}  // namespace detail

/// Inverse propensity: the mean of w · reward.
///
/// Unbiased without a cap; with one (w ≤ cap) biased downwards for rewards >= 0, and steadier.
/// Range: all 0 for no showings.   Complexity: O(n).
/// Errors: std::invalid_argument for a reward or a propensity out of range, for cap <= 0.
/// Source: Horvitz and Thompson, A generalization of sampling without replacement …, JASA 47, 1952; Bottou et al., Counterfactual
///         reasoning and learning systems, JMLR 14, 2013, for the cap.
[[nodiscard]] inline policy_value inverse_propensity(std::span<const logged_showing> showings,
                                                     double cap = std::numeric_limits<double>::infinity()) {
  const detail::weight_sums sums = detail::sum_weights(showings, cap, "inverse_propensity");
  if (showings.empty()) return {};
  double total = 0;
  for (const logged_showing& s : showings) total += detail::showing_weight(s, cap) * s.reward;
  const double value = total / sums.n;
  double squares = 0;
  for (const logged_showing& s : showings) {
    const double off = detail::showing_weight(s, cap) * s.reward - value;
    squares += off * off;
  }
  const double error = sums.n > 1 ? std::sqrt(squares / (sums.n - 1) / sums.n) : 0.0;
  return {value, error, detail::effective(sums), sums.largest};
}

/// Self-normalised inverse propensity: Σ w · reward / Σ w.
///
/// Within the range of the rewards and unmoved by a constant added to all of them; its bias vanishes as 1/n and it is most often nearer
/// the truth than the plain one.   The standard error is the delta method's.
/// Range: all 0 where no showing has a weight.   Complexity, errors: as `inverse_propensity`.
/// Source: Swaminathan and Joachims, The self-normalized estimator for counterfactual learning, NIPS 2015.
[[nodiscard]] inline policy_value self_normalised_inverse_propensity(
    std::span<const logged_showing> showings, double cap = std::numeric_limits<double>::infinity()) {
  const detail::weight_sums sums = detail::sum_weights(showings, cap, "self_normalised_inverse_propensity");
  if (!(sums.weights > 0)) return {};
  double total = 0;
  for (const logged_showing& s : showings) total += detail::showing_weight(s, cap) * s.reward;
  const double value = total / sums.weights;
  double squares = 0;
  for (const logged_showing& s : showings) {
    const double off = detail::showing_weight(s, cap) * (s.reward - value);
    squares += off * off;
  }
  return {value, std::sqrt(squares) / sums.weights, detail::effective(sums), sums.largest};
}

}  // namespace ebb

#endif  // EBB_OFF_POLICY_HPP
