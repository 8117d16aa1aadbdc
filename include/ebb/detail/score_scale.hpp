// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SCORE_SCALE_HPP
#define EBB_DETAIL_SCORE_SCALE_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "ebb/time.hpp"

namespace ebb::detail {

/// Finite scores in units of `range`; where there is none, on the scale from 0, the lowest, to 1, the highest, or all 0 where they are equal.
[[nodiscard]] inline std::vector<double> on_scale(std::span<const double> scores, std::optional<double> range,
                                                  const char* where) {
  require(!range || (std::isfinite(*range) && *range > 0), where, "score_range must be finite and > 0",
          range.value_or(0));
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  for (const double s : scores) {
    require(std::isfinite(s), where, "a score must be finite", s);
    require(!range || std::isfinite(s / *range), where, "a score over score_range must be finite", s);
    lowest = std::min(lowest, s);
    highest = std::max(highest, s);
  }
  std::vector<double> out(scores.begin(), scores.end());
  const double half_range = highest / 2 - lowest / 2;  // the range itself may overflow
  for (double& s : out)
    if (range)
      s /= *range;
    else
      s = half_range > 0 ? (s / 2 - lowest / 2) / half_range : 0.0;
  return out;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SCORE_SCALE_HPP
