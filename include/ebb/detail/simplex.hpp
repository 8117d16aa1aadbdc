// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SIMPLEX_HPP
#define EBB_DETAIL_SIMPLEX_HPP

#include <cmath>
#include <limits>
#include <vector>

namespace ebb::detail {

/// Divides weights by their sum, unless it is 1 but for rounding: what was rescaled once stays as it is, to the last bit.
inline void rescale_to_one(std::vector<double>& weights, double sum) {
  const double rounding = std::numeric_limits<double>::epsilon() * static_cast<double>(weights.size());
  if (std::abs(sum - 1) <= rounding) return;
  for (double& weight : weights) weight /= sum;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SIMPLEX_HPP
