// SPDX-License-Identifier: MIT
#ifndef EBB_EMA_HPP
#define EBB_EMA_HPP

#include <Eigen/Core>
#include <cmath>
#include <concepts>
#include <numbers>

#include "ebb/time.hpp"

namespace ebb {

/// The EMA weight updater for even steps: each update moves the weight the same share of the way to the new interest.
///
///   W = α · I + (1 − α) · W_previous
///
/// Range:  α in [0, 1]; 0 keeps W, 1 takes I, both exactly.   Result between W_previous and I.   Complexity: O(1).
/// Errors: std::invalid_argument unless α is in range and I and W are finite.
template <std::floating_point T = double>
class step_ema {
 public:
  explicit step_ema(T alpha) : alpha_(alpha) {
    detail::require(alpha >= 0 && alpha <= 1, "step_ema", "alpha must be in [0, 1]", alpha);
  }
  /// The α after whose n-th step one half of the old weight is left: 1 − 2^(−1/n).
  [[nodiscard]] static step_ema from_half_life_in_steps(T steps) {
    detail::require(steps > 0, "step_ema", "steps must be > 0", steps);
    return step_ema(-std::expm1(-std::numbers::ln2_v<T> / steps));
  }

  [[nodiscard]] T alpha() const noexcept { return alpha_; }

  /// The new weight.
  [[nodiscard]] T operator()(T previous, T interest) const {
    detail::require(std::isfinite(previous), "step_ema", "previous must be finite", previous);
    detail::require(std::isfinite(interest), "step_ema", "interest must be finite", interest);
    return std::lerp(previous, interest, alpha_);
  }

  /// One step of many weights at once, in place.   Shapes: weights (n), interests (n).
  /// Errors: std::invalid_argument, with no weight changed, unless the sizes agree and all are finite.
  void operator()(Eigen::Ref<Eigen::ArrayX<T>> weights, const Eigen::Ref<const Eigen::ArrayX<T>>& interests) const {
    detail::require(weights.size() == interests.size(), "step_ema", "interests must have the size of weights",
                    interests.size());
    detail::require(weights.allFinite(), "step_ema", "weights must be finite", "one that is not");
    detail::require(interests.allFinite(), "step_ema", "interests must be finite", "one that is not");
    weights = alpha_ * interests + (T(1) - alpha_) * weights;
  }

 private:
  T alpha_;
};

/// What a `timed_ema` keeps per weight: the value and the moment it was true. As made, it has seen nothing yet.
template <std::floating_point T = double>
struct ema_state {
  static constexpr time_point never = time_point::min();

  T value = 0;
  time_point last = never;

  [[nodiscard]] bool empty() const noexcept { return last == never; }
};
template <std::floating_point T>
ema_state(T, time_point) -> ema_state<T>;

/// The EMA weight updater for uneven steps: the longer since the last update, the more the new interest counts.
///
///   W = α(Δt) · I + (1 − α(Δt)) · W_previous,   α(Δt) = 1 − 2^(−Δt / half_life)
///
/// Updating often or seldom with the same input gives the same weight: one step of Δt equals any steps adding up to it.
/// So an input at the very moment of the last update has α = 0 and changes nothing; combine simultaneous inputs first.
/// The first update takes the interest as it is; to start from a known weight instead, fill the state.
/// Complexity: O(1); the updater is shared, a weight costs one `ema_state`.
/// Errors: std::invalid_argument unless the half-life is finite and > 0, inputs are finite and times do not go back.
template <std::floating_point T = double>
class timed_ema {
 public:
  explicit timed_ema(duration half_life) : half_life_(half_life) {
    detail::require(std::isfinite(half_life.count()) && half_life.count() > 0, "timed_ema",
                    "half_life must be finite and > 0", half_life);
  }

  [[nodiscard]] duration half_life() const noexcept { return half_life_; }

  /// α(Δt), accurate for gaps far below the half-life too.   Range: gap >= 0 → [0, 1].
  [[nodiscard]] T alpha(duration gap) const {
    detail::require(gap.count() >= 0, "timed_ema", "gap must be >= 0", gap);
    return static_cast<T>(-std::expm1(-std::numbers::ln2 * (gap / half_life_)));
  }

  /// Takes `interest`, seen at `now`, into the state and returns the new weight. On an error the state is unchanged.
  T update(ema_state<T>& state, T interest, time_point now) const {
    detail::require(std::isfinite(interest), "timed_ema", "interest must be finite", interest);
    detail::require(now != ema_state<T>::never, "timed_ema", "now must be later than the clock's first tick", "that");
    if (state.empty()) {
      state = {interest, now};
      return interest;
    }
    detail::require(std::isfinite(state.value), "timed_ema", "the state's value must be finite", state.value);
    if (now < state.last) {
      detail::require(false, "timed_ema", "now must not be before the state's last update, in seconds after it",
                      -detail::elapsed(now, state.last).count());
    }
    state = {std::lerp(state.value, interest, alpha(detail::elapsed(state.last, now))), now};
    return state.value;
  }

 private:
  duration half_life_;
};

}  // namespace ebb

#endif  // EBB_EMA_HPP
