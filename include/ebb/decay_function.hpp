// SPDX-License-Identifier: MIT
#ifndef EBB_DECAY_FUNCTION_HPP
#define EBB_DECAY_FUNCTION_HPP

#include <Eigen/Core>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "ebb/time.hpp"

namespace ebb {

/// What is left of an event's weight after a gap: a pure, copyable function of a duration with D(0) = 1, non-increasing,
/// in [0, 1]. Any such callable will do; a host's own decay needs nothing but `operator()`.
template <class Decay>
concept decay_function = std::copy_constructible<Decay> && std::regular_invocable<const Decay&, duration> &&
    std::floating_point<std::invoke_result_t<const Decay&, duration>>;

/// A decay with D(a)·D(b) = D(a + b), so that a stored sum may be decayed in place. The exponential is the only one; a
/// type claims it by `static constexpr bool is_semigroup = true;`.
template <class Decay>
concept semigroup_decay = decay_function<Decay> && requires {
  requires Decay::is_semigroup;
};

/// The number type a decay computes in.
template <decay_function Decay>
using decay_value_t = std::invoke_result_t<const Decay&, duration>;

/// One-dimensional array of a decay's number type, as `evaluate` takes and returns.
template <decay_function Decay>
using decay_array = Eigen::Array<decay_value_t<Decay>, Eigen::Dynamic, 1>;

namespace detail {

[[noreturn]] inline void throw_bad_gap(std::string_view where, duration gap) {
  std::ostringstream text;
  text << "ebb::" << where << ": gap must be >= 0, got " << gap.count() << " s";
  throw std::domain_error(text.str());
}

/// Returns `gap`; throws std::domain_error if it is negative or NaN.
inline duration checked_gap(duration gap, std::string_view where) {
  if (!(gap.count() >= 0)) throw_bad_gap(where, gap);
  return gap;
}

}  // namespace detail

/// What is left of the stored `value` after `gap` more: the step from one update to the next.
///
///   advance(value, D, gap) = value · D(gap)
///
/// Right only for a semigroup. Any other decay of a stored value depends on when it was last touched, so it does not
/// compile: keep the events, or a bank of timescales (`interest_store`), and decay when you read.
/// Errors: std::domain_error unless gap >= 0.
template <std::floating_point Value, class Decay>
[[nodiscard]] Value advance(Value value, const Decay& decay, duration gap) {
  static_assert(semigroup_decay<Decay>,
                "ebb::advance: Decay must be a semigroup, D(a) * D(b) = D(a + b), as the exponential alone is; "
                "other decays must be read from the events or from a bank of timescales");
  return static_cast<Value>(value * decay(detail::checked_gap(gap, "advance")));
}

/// log2 D(gap), finite long after D itself has underflowed to zero wherever the decay offers `log2_at`.
///
/// Range:  (−∞, 0], −∞ where D is zero.   Errors: std::domain_error unless gap >= 0.
template <decay_function Decay>
[[nodiscard]] decay_value_t<Decay> log2_of(const Decay& decay, duration gap) {
  detail::checked_gap(gap, "log2_of");
  if constexpr (requires {
                  { decay.log2_at(gap) } -> std::convertible_to<decay_value_t<Decay>>;
                }) {
    return decay.log2_at(gap);
  } else {
    return std::log2(decay(gap));
  }
}

/// Where a decay falls to one half: its own `half_life()` if it has one, else found by bisection to the last bit, in some 150 reads.
///
/// Range:  1e-9 s to 1e18 s.   Errors: std::domain_error if D stays above ½ (or is below it) over that whole range.
template <decay_function Decay>
[[nodiscard]] duration half_life_of(const Decay& decay) {
  if constexpr (requires {
                  { decay.half_life() } -> std::convertible_to<duration>;
                }) {
    return decay.half_life();
  } else {
    duration low(1e-9);
    duration high(1e18);
    if (!(decay(low) >= 0.5 && decay(high) <= 0.5)) {
      throw std::domain_error("ebb::half_life_of: the decay must fall to 1/2 between 1e-9 s and 1e18 s");
    }
    for (;;) {
      const duration middle = 0.5 * (low + high);
      if (middle <= low || middle >= high) return high;
      (decay(middle) > 0.5 ? low : high) = middle;
    }
  }
}

/// D of many gaps at once, written into the caller's `out`, which may be `gaps` itself.
///
///   out_i = D(gaps_i · unit)
///
/// Shapes: gaps (n), out (n).   Complexity: O(n), vectorised for the families of decay.hpp; no allocation.
/// Errors: std::invalid_argument unless unit is finite and > 0 and the sizes agree; std::domain_error unless every
/// gap >= 0: a part of `out` may then have been written.
template <decay_function Decay>
void evaluate(const Decay& decay, std::span<const decay_value_t<Decay>> gaps, duration unit,
              std::span<decay_value_t<Decay>> out) {
  detail::require(std::isfinite(unit.count()) && unit.count() > 0, "evaluate", "unit must be finite and > 0", unit);
  detail::require(out.size() == gaps.size(), "evaluate", "out must have the size of gaps", out.size());
  const auto check_from = [&](std::size_t first) {
    for (const auto gap : gaps.subspan(first)) detail::checked_gap(static_cast<double>(gap) * unit, "evaluate");
  };
  if constexpr (requires {
                  { decay.evaluate(gaps, unit, out) } -> std::same_as<std::size_t>;
                }) {
    // Such a pass reads once: it checks on its way and stops at a bad gap.
    const std::size_t done = decay.evaluate(gaps, unit, out);
    if (done != gaps.size()) check_from(done);
  } else {
    const auto n = static_cast<Eigen::Index>(gaps.size());
    const Eigen::Map<const decay_array<Decay>> from(gaps.data(), n);
    // A NaN would slip through a minimum: compare each one.
    if (!(from >= 0).all()) check_from(0);
    const Eigen::Ref<const decay_array<Decay>> in = from;
    Eigen::Map<decay_array<Decay>> to(out.data(), n);
    if constexpr (requires { decay.evaluate(in, unit, to); }) {
      decay.evaluate(in, unit, to);
    } else {
      for (Eigen::Index i = 0; i < n; ++i) to(i) = decay(static_cast<double>(from(i)) * unit);
    }
  }
}

/// The same for Eigen's arrays and parts of them.
template <decay_function Decay>
void evaluate(const Decay& decay, const Eigen::Ref<const decay_array<Decay>>& gaps, duration unit,
              Eigen::Ref<decay_array<Decay>> out) {
  using value = decay_value_t<Decay>;
  evaluate(decay, std::span<const value>(gaps.data(), static_cast<std::size_t>(gaps.size())), unit,
           std::span<value>(out.data(), static_cast<std::size_t>(out.size())));
}

/// D of many gaps at once, as a new array; see the overloads above.
template <decay_function Decay>
[[nodiscard]] decay_array<Decay> evaluate(const Decay& decay, const Eigen::Ref<const decay_array<Decay>>& gaps,
                                          duration unit) {
  decay_array<Decay> out(gaps.size());
  evaluate(decay, gaps, unit, out);
  return out;
}

}  // namespace ebb

#endif  // EBB_DECAY_FUNCTION_HPP
