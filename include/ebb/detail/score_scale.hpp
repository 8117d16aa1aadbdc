// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SCORE_SCALE_HPP
#define EBB_DETAIL_SCORE_SCALE_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "ebb/time.hpp"

namespace ebb::detail {

/// Finite scores on the scale from 0, the lowest, to 1, the highest; all 0 where they are equal.
[[nodiscard]] inline std::vector<double> on_unit_scale(std::span<const double> scores, const char* where) {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  for (const double s : scores) {
    require(std::isfinite(s), where, "a score must be finite", s);
    lowest = std::min(lowest, s);
    highest = std::max(highest, s);
  }
  std::vector<double> out(scores.begin(), scores.end());
  const double half_range = highest / 2 - lowest / 2;  // the range itself may overflow
  for (double& s : out) s = half_range > 0 ? (s / 2 - lowest / 2) / half_range : 0.0;
  return out;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SCORE_SCALE_HPP
