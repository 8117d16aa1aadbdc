// SPDX-License-Identifier: MIT
#ifndef EBB_FALLS_BELOW_HPP
#define EBB_FALLS_BELOW_HPP

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "ebb/decay_function.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// When will interest have faded to some level, if nothing more happens? In closed form for one exponential, by bisection otherwise: every
// interest only falls between events, so there is one answer.

namespace ebb {

namespace detail {

/// The least moment in [from, last] at which `value(moment)` is below the level, to the clock's tick; nullopt if it is not even at `last`.
///
/// `guess`, where there is one, is tried first: a right one leaves a bracket of a few ticks. value must not rise.
template <class Value>
[[nodiscard]] std::optional<time_point> first_below(const Value& value, double level, time_point from, time_point last,
                                                    std::optional<time_point> guess = std::nullopt) {
  using ticks = time_point::duration;
  if (value(from) < level) return from;
  if (!(value(last) < level)) return std::nullopt;
  time_point above = from;
  time_point below = last;
  // Brackets the guess, if it lies between, by a few ticks of rounding.
  if (guess && *guess > from && *guess < last) {
    const ticks room(1 + static_cast<ticks::rep>(static_cast<double>((*guess - from).count()) * 1e-14));
    const time_point high = *guess < last - room ? *guess + room : last;
    const time_point low = *guess > from + room ? *guess - room : from;
    (value(high) < level ? below : above) = high;
    if (low < below) (value(low) < level ? below : above) = low > above ? low : above;
  }
  while (below - above > ticks(1)) {
    const time_point middle = above + (below - above) / 2;
    (value(middle) < level ? below : above) = middle;
  }
  return below;
}

inline void check_level(double level) {
  require(std::isfinite(level) && level > 0, "falls_below", "level must be finite and > 0", level);
}

}  // namespace detail

/// How long one event of this amount stays at `level` or above.
///
///   least gap with amount · D(gap) <= level;   h · log2(amount / level) for an exponential with half-life h
///
/// Range:  0 where amount <= level; empty where it stays above for 1e18 s.
/// Errors: std::invalid_argument unless level > 0 and amount >= 0, both finite, and where D is NaN.
template <decay_function Decay>
[[nodiscard]] std::optional<duration> falls_below(const Decay& decay, double amount, double level) {
  detail::check_level(level);
  detail::require(std::isfinite(amount) && amount >= 0, "falls_below", "amount must be finite and >= 0", amount);
  if (amount <= level) return duration(0);
  if constexpr (semigroup_decay<Decay>) {
    const duration gap = half_life_of(decay) * (std::log2(amount) - std::log2(level));  // their ratio may overflow
    return gap <= duration(1e18) ? std::optional(gap) : std::nullopt;
  } else {
    const auto above = [&](duration gap) {
      const auto left = static_cast<double>(decay(gap));
      detail::require(!std::isnan(left), "falls_below", "the decay must be a number", left);
      return amount * left > level;
    };
    duration low(0);
    duration high(1e18);
    if (above(high)) return std::nullopt;
    for (;;) {  // by ratio while far apart, to the last bit in the end
      const duration middle = low.count() > 0 && high > 2 * low ? duration(std::sqrt(low.count() * high.count()))
                              : low.count() > 0 || high < duration(1e-9) ? low + (high - low) / 2
                                                                         : duration(high.count() * 1e-3);
      if (middle <= low || middle >= high) return high;
      (above(middle) ? low : high) = middle;
    }
  }
}

/// When the user's interest in the item falls below `level` if nothing more happens, to the clock's tick; `now` if it is below already.
///
/// With all the weight on one lane it is now + h · log2(interest / level).
/// Range:  [now, now + 200 years], or the end of the clock; empty where it stays above for longer.
/// Complexity: 6 to 17 reads for one lane, about 64 otherwise.
/// Errors: std::invalid_argument unless level is finite and > 0; otherwise as the store's `interest`.
template <class Store>
[[nodiscard]] std::optional<time_point> falls_below(const Store& store, const typename Store::user_type& user,
                                                    const typename Store::item_type& item, const reading& how,
                                                    time_point now, double level) {
  detail::check_level(level);
  const auto interest = [&](time_point at) { return store.interest(user, item, how, at); };
  const auto span = std::chrono::duration_cast<time_point::duration>(std::chrono::years(200));
  const time_point last = now < time_point::max() - span ? now + span : time_point::max();
  std::optional<time_point> guess;
  int used = 0;
  int lane = 0;
  for (int k = 0; k < how.bank().size(); ++k)
    if (how.weights()[static_cast<std::size_t>(k)] > 0) {
      ++used;
      lane = k;
    }
  if (used == 1) {
    const double half_lives = std::log2(interest(now) / level);
    const duration left = how.bank().half_life(lane) * half_lives;
    if (half_lives > 0 && left < duration(last - now))
      guess = now + std::chrono::duration_cast<time_point::duration>(left);
  }
  return detail::first_below(interest, level, now, last, guess);
}

}  // namespace ebb

#endif  // EBB_FALLS_BELOW_HPP
