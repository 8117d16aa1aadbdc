// SPDX-License-Identifier: MIT
#ifndef EBB_TIME_HPP
#define EBB_TIME_HPP

#include <chrono>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace ebb {

/// A length of time. Every std::chrono duration converts to it implicitly; a bare number does not.
using duration = std::chrono::duration<double>;

/// A moment. `std::chrono::system_clock::now()`, `sys_days` and `sys_seconds` are or become one implicitly.
using time_point = std::chrono::system_clock::time_point;

/// The moment `since_epoch` after 1970-01-01 UTC, to the clock's tick.
///
/// Range:  what the clock can hold (years 1678 to 2262 with a nanosecond clock).
/// Errors: std::invalid_argument when it is not finite or outside that range.
[[nodiscard]] inline time_point to_time_point(duration since_epoch) {
  using ticks = std::chrono::duration<double, time_point::period>;
  const double count = ticks(since_epoch).count();
  if (!(std::abs(count) < 9.2e18)) {
    std::ostringstream text;
    text << "ebb::to_time_point: since_epoch must be finite and within the clock's range, got " << since_epoch.count()
         << " s";
    throw std::invalid_argument(text.str());
  }
  return time_point(time_point::duration(static_cast<time_point::rep>(std::llround(count))));
}

namespace detail {

/// Throws std::invalid_argument("ebb::<where>: <rule>, got <value>"): the one form of every argument error.
template <class Value>
[[noreturn]] void refuse(std::string_view where, std::string_view rule, const Value& value) {
  std::ostringstream text;
  text << "ebb::" << where << ": " << rule << ", got " << value;
  throw std::invalid_argument(text.str());
}

/// `refuse` unless `ok`. Apart from it, so that what is right costs a test and no call.
template <class Value>
void require(bool ok, std::string_view where, std::string_view rule, const Value& value) {
  if (!ok) refuse(where, rule, value);
}

/// `require` for a duration; the value is printed in seconds.
inline void require(bool ok, std::string_view where, std::string_view rule, duration value) {
  if (ok) return;
  std::ostringstream text;
  text << value.count() << " s";
  refuse(where, rule, text.str());
}

/// now − before, for before <= now; unsigned, since the whole range of the clock does not fit a signed difference.
inline duration elapsed(time_point before, time_point now) {
  using ticks = std::chrono::duration<double, time_point::period>;
  const auto count = [](time_point t) { return static_cast<std::uint64_t>(t.time_since_epoch().count()); };
  return ticks(static_cast<double>(count(now) - count(before)));
}

}  // namespace detail

}  // namespace ebb

#endif  // EBB_TIME_HPP
