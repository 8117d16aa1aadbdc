// SPDX-License-Identifier: MIT
#ifndef EBB_DECAY_HPP
#define EBB_DECAY_HPP

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <string_view>

#include "ebb/decay_function.hpp"
#include "ebb/detail/decay_pass.hpp"
#include "ebb/time.hpp"

// Every family obeys one calibration law: it is built from its half-life plus a separate shape, and
//
//   D(0) = 1,   D(half_life) = 1/2,   D non-increasing and in [0, 1].
//
// So swapping one family for another keeps the meaning of the number that matters. All of them throw
// std::invalid_argument on a half-life that is not finite and > 0 and std::domain_error on a gap that is negative or NaN;
// a gap of any length, infinity included, is answered.
//
// A batch (`ebb::evaluate`) has an exact zero wherever D is under 2^(min_exponent + 2), about 1e-307 or 5e-38; a single read
// follows std::exp2 through the denormal numbers. The same gap gives the same bytes wherever it stands in a batch and
// whatever stands beside it, on every processor of a kind: those with and those without fused multiplication may differ by a
// rounding. How near a batch comes to D is said where it has a pass of its own, at the exponential and the power law.

namespace ebb {

namespace detail {

inline duration checked_half_life(duration half_life, std::string_view where) {
  require(std::isfinite(half_life.count()) && half_life.count() > 0, where, "half_life must be finite and > 0",
          half_life);
  return half_life;
}

inline void check_remaining(double left, duration after, std::string_view where) {
  require(left > 0 && left < 1, where, "left must be in (0, 1)", left);
  require(std::isfinite(after.count()) && after.count() > 0, where, "after must be finite and > 0", after);
}

// The few functions for which a number and an Eigen array spell one formula differently.
template <std::floating_point T>
void take_positive_part(T& x) {
  x = x > 0 ? x : T(0);
}
template <class Derived>
void take_positive_part(Eigen::ArrayBase<Derived>& x) {
  x = x.max(typename Derived::Scalar(0));
}
template <std::floating_point T>
void halve_times(T& x) {
  x = std::exp2(-x);
}
/// Eigen's exp has a floor instead of a zero, and only in its vectorised part: an older gap could come out above a newer
/// one. Everything under 2^(min_exponent + 2), about 1e-307 or 5e-38, is therefore brought to an exact zero, without a
/// slow denormal number on the way.
template <class Derived>
void halve_times(Eigen::ArrayBase<Derived>& x) {
  using T = typename Derived::Scalar;
  constexpr int lowest = std::numeric_limits<T>::min_exponent + 2;
  const T tiny = std::ldexp(T(1), lowest);
  x = ((x.min(T(1 - lowest)) * -std::numbers::ln2_v<T>).exp() - tiny).max(T(0));
}

/// What all families share: the half-life, the check at the door, one number or a whole array through the same formula.
/// Derived has `name` and `curve(x)`, which replaces x = gap / half_life (a number or an Eigen array) by D.
template <class Derived, std::floating_point T>
class calibrated_decay {
 public:
  /// The gap after which one half is left.
  [[nodiscard]] duration half_life() const noexcept { return half_life_; }

  /// D(gap).   Range: gap >= 0 → [0, 1].   Errors: std::domain_error if gap is negative or NaN.
  [[nodiscard]] T operator()(duration gap) const {
    T x = in_half_lives(gap);
    self().curve(x);
    return x;
  }

  /// Called by `ebb::evaluate`, which checks; gaps: (n), in `unit`s → out: (n).
  void evaluate(const Eigen::Ref<const Eigen::ArrayX<T>>& gaps, duration unit, Eigen::Ref<Eigen::ArrayX<T>> out) const {
    // Divided, so that the half-life itself comes out at exactly 1; never by zero, so that a gap of 0 stays one.
    out = gaps / std::max(static_cast<T>(half_life_ / unit), std::numeric_limits<T>::min());
    self().curve(out);
  }

 protected:
  explicit calibrated_decay(duration half_life) : half_life_(checked_half_life(half_life, Derived::name)) {}

  [[nodiscard]] T in_half_lives(duration gap) const {
    return static_cast<T>(checked_gap(gap, Derived::name) / half_life_);
  }

 private:
  [[nodiscard]] const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }

  duration half_life_;
};

/// A family written as D = 2^(−e(x)): Derived has `exponent(x)`, which replaces x by e(x), with e(0) = 0 and e(1) = 1.
/// The logarithm is then exact where D itself is zero.
template <class Derived, std::floating_point T>
class exponent_decay : public calibrated_decay<Derived, T> {
 public:
  /// log2 D(gap), finite for every gap that occurs in practice.
  [[nodiscard]] T log2_at(duration gap) const {
    T x = this->in_half_lives(gap);
    static_cast<const Derived&>(*this).exponent(x);
    return T(0) - x;
  }

  template <class X>
  void curve(X& x) const {
    static_cast<const Derived&>(*this).exponent(x);
    halve_times(x);
  }

 protected:
  using calibrated_decay<Derived, T>::calibrated_decay;
};

}  // namespace detail

/// Exponential forgetting: an event's weight halves every `half_life`. The one semigroup.
///
///   D(gap) = 2^(−gap / half_life) = e^(−rate · gap)
///
/// A batch is within (1 + x) ε of D(gap), relatively; x = gap / half_life, ε = 2^−52 or 2^−23. So it is nowhere 1.1 ε off.
template <std::floating_point T = double>
class exponential_decay : public detail::exponent_decay<exponential_decay<T>, T> {
 public:
  static constexpr std::string_view name = "exponential_decay";
  static constexpr bool is_semigroup = true;

  explicit exponential_decay(duration half_life) : detail::exponent_decay<exponential_decay, T>(half_life) {}

  /// D(gap) = e^(−rate · gap / per): `from_rate(0.1, std::chrono::hours(1))` is λ = 0.1 per hour.
  [[nodiscard]] static exponential_decay from_rate(double rate, duration per) {
    detail::require(std::isfinite(rate) && rate > 0, name, "rate must be finite and > 0", rate);
    return exponential_decay(std::numbers::ln2 / rate * per);
  }
  /// D(time_constant) = 1/e.
  [[nodiscard]] static exponential_decay from_time_constant(duration time_constant) {
    return from_rate(1, time_constant);
  }
  /// D(after) = left: `from_remaining(0.3, std::chrono::days(5))` leaves 30 % after five days.
  [[nodiscard]] static exponential_decay from_remaining(double left, duration after) {
    detail::check_remaining(left, after, name);
    return exponential_decay(after / -std::log2(left));
  }

  template <class X>
  void exponent(X&) const {}

  using detail::calibrated_decay<exponential_decay, T>::evaluate;
#if EBB_SIMD_LEVELS
  /// Called by `ebb::evaluate`; stops at a bad gap and returns how many it did before.
  [[nodiscard]] std::size_t evaluate(std::span<const T> gaps, duration unit,
                                     std::span<T> out) const requires detail::has_pass<T> {
    return detail::decay_pass(detail::exponential_pass<T>(unit / this->half_life()), gaps.data(), out.data(),
                              gaps.size());
  }
#endif
};

/// The exponent p of a power law; 1 is the hyperbola, smaller is a heavier tail.
struct power_law_shape {
  double exponent = 1;
};

/// Power-law forgetting: fast at first, then slower and slower, with a long tail.
///
///   D(gap) = (1 + gap/scale)^(−p),   scale = half_life / (2^(1/p) − 1)
///
/// A batch is within 3 (1 + x) ε of D(gap), relatively; x = −log2 D, ε = 2^−52 or 2^−23. So it is nowhere 3.2 ε off. Once T
/// cannot hold gap/scale, both a batch and a single read are 0.
/// Range:  p in [1/64, 1e6]; p → ∞ becomes the exponential.   Errors: std::invalid_argument outside it.
/// Source: Wixted and Ebbesen, "On the form of forgetting", Psychological Science 1991, for the family.
template <std::floating_point T = double>
class power_law_decay : public detail::exponent_decay<power_law_decay<T>, T> {
 public:
  static constexpr std::string_view name = "power_law_decay";

  explicit power_law_decay(duration half_life, power_law_shape shape = {})
      : detail::exponent_decay<power_law_decay, T>(half_life),
        exponent_(static_cast<T>(checked(shape).exponent)),
        half_lives_per_scale_(static_cast<T>(growth(shape))) {}

  /// D(gap) = (1 + gap/scale)^(−p).
  [[nodiscard]] static power_law_decay from_scale(duration scale, power_law_shape shape = {}) {
    return power_law_decay(growth(checked(shape)) * scale, shape);
  }
  /// D(gap) = (1 + rate · gap/per)^(−p); with p = 1 the I₀/(1 + kt) of textbooks, k = rate per `per`.
  [[nodiscard]] static power_law_decay from_rate(double rate, duration per, power_law_shape shape = {}) {
    detail::require(std::isfinite(rate) && rate > 0, name, "rate must be finite and > 0", rate);
    return from_scale(per / rate, shape);
  }
  /// D(after) = left.
  [[nodiscard]] static power_law_decay from_remaining(double left, duration after, power_law_shape shape = {}) {
    detail::check_remaining(left, after, name);
    return from_scale(after / std::expm1(-std::log(left) / checked(shape).exponent), shape);
  }

  [[nodiscard]] T shape_exponent() const noexcept { return exponent_; }
  [[nodiscard]] duration scale() const { return this->half_life() / growth({static_cast<double>(exponent_)}); }

  template <class X>
  void exponent(X& x) const {
    using std::log1p;  // or Eigen's, found by its argument
    x = log1p(x * half_lives_per_scale_) * (exponent_ / std::numbers::ln2_v<T>);
  }

  using detail::calibrated_decay<power_law_decay, T>::evaluate;
#if EBB_SIMD_LEVELS
  /// Called by `ebb::evaluate`; stops at a bad gap and returns how many it did before.
  [[nodiscard]] std::size_t evaluate(std::span<const T> gaps, duration unit,
                                     std::span<T> out) const requires detail::has_pass<T> {
    const double scales_per_unit = unit / this->half_life() * static_cast<double>(half_lives_per_scale_);
    return detail::decay_pass(detail::power_law_pass<T>(scales_per_unit, exponent_), gaps.data(), out.data(),
                              gaps.size());
  }
#endif

 private:
  static power_law_shape checked(power_law_shape shape) {
    // Below 1/64 the scale is so far under the half-life that a float's range would not hold the ratio.
    detail::require(shape.exponent >= 1.0 / 64 && shape.exponent <= 1e6, name, "exponent must be in [1/64, 1e6]",
                    shape.exponent);
    return shape;
  }
  static double growth(power_law_shape shape) { return std::expm1(std::numbers::ln2 / shape.exponent); }

  T exponent_;              // p
  T half_lives_per_scale_;  // half_life / scale = 2^(1/p) − 1
};

/// The exponent β of a stretched exponential; below 1 it starts faster and ends slower than the exponential.
struct stretch_shape {
  double stretch = 0.5;
};

/// Stretched-exponential forgetting (Kohlrausch; as a survival function, Weibull).
///
///   D(gap) = 2^(−(gap / half_life)^β)
///
/// Range:  β in (0, 8]; 1 is the exponential, 2 the Gaussian.   Errors: std::invalid_argument outside it.
template <std::floating_point T = double>
class stretched_exponential_decay : public detail::exponent_decay<stretched_exponential_decay<T>, T> {
 public:
  static constexpr std::string_view name = "stretched_exponential_decay";

  explicit stretched_exponential_decay(duration half_life, stretch_shape shape = {})
      : detail::exponent_decay<stretched_exponential_decay, T>(half_life),
        stretch_(static_cast<T>(checked(shape).stretch)) {}

  /// D(after) = left.
  [[nodiscard]] static stretched_exponential_decay from_remaining(double left, duration after,
                                                                  stretch_shape shape = {}) {
    detail::check_remaining(left, after, name);
    return stretched_exponential_decay(after / std::pow(-std::log2(left), 1 / checked(shape).stretch), shape);
  }
  /// D(time_constant) = 1/e.
  [[nodiscard]] static stretched_exponential_decay from_time_constant(duration time_constant,
                                                                      stretch_shape shape = {}) {
    return from_remaining(1 / std::numbers::e, time_constant, shape);
  }

  [[nodiscard]] T stretch() const noexcept { return stretch_; }

  template <class X>
  void exponent(X& x) const {
    using std::pow;
    x = pow(x, stretch_);
  }

 private:
  static stretch_shape checked(stretch_shape shape) {
    detail::require(static_cast<T>(shape.stretch) > 0 && shape.stretch <= 8, name, "stretch must be in (0, 8]",
                    shape.stretch);
    return shape;
  }

  T stretch_;  // β
};

/// For how long nothing is forgotten before a Gaussian sets in.
struct gaussian_shape {
  duration offset{0};
};

/// Gaussian forgetting: nothing is lost up to `offset`, little just after it, nearly all soon after the half-life.
///
///   D(gap) = 2^(−(max(0, gap − offset) / (half_life − offset))²)
///
/// Range:  0 <= offset < half_life.   Errors: std::invalid_argument outside it.
template <std::floating_point T = double>
class gaussian_decay : public detail::exponent_decay<gaussian_decay<T>, T> {
 public:
  static constexpr std::string_view name = "gaussian_decay";

  explicit gaussian_decay(duration half_life, gaussian_shape shape = {})
      : detail::exponent_decay<gaussian_decay, T>(half_life),
        offset_(shape.offset),
        offset_in_half_lives_(static_cast<T>(shape.offset / half_life)) {
    detail::require(shape.offset.count() >= 0 && shape.offset < half_life && offset_in_half_lives_ < 1, name,
                    "offset must be in [0, half_life), and T must tell the two apart", shape.offset);
  }

  /// D(offset + scale) = decay: the spelling of search engines' decay functions.
  [[nodiscard]] static gaussian_decay from_offset_scale(duration offset, duration scale, double decay = 0.5) {
    detail::check_remaining(decay, scale, name);
    return gaussian_decay(offset + scale / std::sqrt(-std::log2(decay)), {.offset = offset});
  }
  /// D(after) = left, without an offset.
  [[nodiscard]] static gaussian_decay from_remaining(double left, duration after) {
    return from_offset_scale(duration(0), after, left);
  }

  [[nodiscard]] duration offset() const noexcept { return offset_; }

  template <class X>
  void exponent(X& x) const {
    x = (x - offset_in_half_lives_) / (T(1) - offset_in_half_lives_);
    detail::take_positive_part(x);
    x = x * x;
  }

 private:
  duration offset_;
  T offset_in_half_lives_;
};

/// In how many steps a staircase loses one half.
struct step_shape {
  int steps_per_half_life = 1;
};

/// Forgetting in steps: constant, then a fall at every n-th part of the half-life; what a sweep once a period would give.
///
///   D(gap) = 2^(−⌊n · gap / half_life⌋ / n)
///
/// At a step the lower value holds, so D(half_life) = 1/2; a gap within two roundings of one is at it.   Range: n in [1, 1024].
template <std::floating_point T = double>
class step_decay : public detail::exponent_decay<step_decay<T>, T> {
 public:
  static constexpr std::string_view name = "step_decay";

  explicit step_decay(duration half_life, step_shape shape = {})
      : detail::exponent_decay<step_decay, T>(half_life), steps_(static_cast<T>(shape.steps_per_half_life)) {
    detail::require(shape.steps_per_half_life >= 1 && shape.steps_per_half_life <= 1024, name,
                    "steps_per_half_life must be in [1, 1024]", shape.steps_per_half_life);
  }

  [[nodiscard]] int steps_per_half_life() const noexcept { return static_cast<int>(steps_); }

  template <class X>
  void exponent(X& x) const {
    using std::floor;
    // A gap at a step may have been rounded to just before it.
    x = floor(x * steps_ * (1 + 2 * std::numeric_limits<T>::epsilon())) / steps_;
  }

 private:
  T steps_;  // n
};

/// Linear forgetting: the same loss every hour, nothing left after two half-lives.
///
///   D(gap) = max(0, 1 − gap / (2 · half_life))
template <std::floating_point T = double>
class linear_decay : public detail::calibrated_decay<linear_decay<T>, T> {
 public:
  static constexpr std::string_view name = "linear_decay";

  explicit linear_decay(duration half_life) : detail::calibrated_decay<linear_decay, T>(half_life) {}

  /// D(lifetime) = 0, and D > 0 before.
  [[nodiscard]] static linear_decay from_lifetime(duration lifetime) { return linear_decay(lifetime / 2); }
  /// D(after) = left.
  [[nodiscard]] static linear_decay from_remaining(double left, duration after) {
    detail::check_remaining(left, after, name);
    return linear_decay(after / (2 * (1 - left)));
  }

  template <class X>
  void curve(X& x) const {
    x = T(1) - x / T(2);
    detail::take_positive_part(x);
  }
};

/// A window: everything counts fully up to the half-life, nothing after it.
///
///   D(gap) = 1 before half_life, 1/2 at half_life (the mean of both sides of the jump), 0 after it
template <std::floating_point T = double>
class window_decay : public detail::calibrated_decay<window_decay<T>, T> {
 public:
  static constexpr std::string_view name = "window_decay";

  explicit window_decay(duration half_life) : detail::calibrated_decay<window_decay, T>(half_life) {}

  template <class X>
  void curve(X& x) const {
    if constexpr (std::floating_point<X>) {
      x = (T(x < 1) + T(x <= 1)) / 2;
    } else {
      x = ((x < T(1)).template cast<T>() + (x <= T(1)).template cast<T>()) / T(2);
    }
  }
};

static_assert(semigroup_decay<exponential_decay<>> && semigroup_decay<exponential_decay<float>>);
static_assert(decay_function<power_law_decay<>> && !semigroup_decay<power_law_decay<>>);
static_assert(decay_function<stretched_exponential_decay<>> && decay_function<gaussian_decay<>>);
static_assert(decay_function<step_decay<>> && decay_function<linear_decay<>> && decay_function<window_decay<>>);

}  // namespace ebb

#endif  // EBB_DECAY_HPP
