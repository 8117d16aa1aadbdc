// SPDX-License-Identifier: MIT
// Numbers, moments and lengths of time as people read them.
#ifndef EBB_EXAMPLES_REPLAY_TEXT_HPP
#define EBB_EXAMPLES_REPLAY_TEXT_HPP

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "ebb/time.hpp"

namespace replay {

inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

inline std::string short_number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// 1234567 → "1,234,567".
inline std::string grouped(std::size_t value) {
  std::string text = std::to_string(value);
  for (std::size_t place = text.size(); place > 3;) text.insert(place -= 3, ",");
  return text;
}

/// 2012-04-03T18:00:09Z
inline std::string iso(ebb::time_point time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

/// In the unit that fits: "45 s", "12.6 h", "37.5 d".
inline std::string length_of(ebb::duration length) {
  const double seconds = length.count();
  if (seconds < 90) return short_number(seconds) + " s";
  if (seconds < 90 * 60) return short_number(seconds / 60) + " min";
  if (seconds < 36 * 3600) return short_number(seconds / 3600) + " h";
  if (seconds < 1000 * 86400.0) return short_number(seconds / 86400) + " d";
  return short_number(seconds / (365.25 * 86400)) + " years";
}

inline std::string left(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

inline std::string right(const std::string& text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_TEXT_HPP
