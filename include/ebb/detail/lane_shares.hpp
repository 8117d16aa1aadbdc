// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LANE_SHARES_HPP
#define EBB_DETAIL_LANE_SHARES_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <Eigen/Core>

#include "ebb/detail/lane_grid.hpp"
#include "ebb/detail/padded_columns.hpp"

namespace ebb::detail {

/// What share of every lane each candidate has, from sums that are anchored at each candidate's own newest use.
///
/// Sums are compared at the newest cell of those that are not zero: there they differ from what is stored by powers of two, and a share is
/// one logarithm. What underflows on the way is far below the floor.
class lane_shares {
 public:
  using ticks = lane_grid::ticks;
  static constexpr float floor = -10.0F;  ///< of ln share

  /// Makes ready for so many candidates, none of them used after `newest`.
  void start(Eigen::Index candidates, const lane_grid& grid, int lanes, ticks newest) {
    sums_.resize(candidates, lanes);
    steps_.resize(candidates, lanes);
    for (int k = 0; k < lanes; ++k) reference_[k] = grid.index(k, newest);
  }

  /// Candidate i holds `row`, anchored at `newest`.
  template <class T, class Lanes>
  void set(Eigen::Index i, const lane_grid& grid, Lanes lanes, const T* row, ticks newest) {
    float* sum = sums_[0] + i;
    std::int32_t* step = steps_[0] + i;
    for (int k = 0; k < lanes; ++k, sum += sums_.padded_rows(), step += steps_.padded_rows()) {
      auto value = static_cast<double>(row[k]);
      std::int64_t later = grid.index(k, newest) - reference_[k];
      if (value < 1e-18 &&
          value > 0) {  // the newest uses were worth nothing: too small for a float, but not for the comparison
        int exponent = 0;
        value = std::frexp(value, &exponent);
        later += exponent;
      }
      *sum = static_cast<float>(value);
      *step = static_cast<std::int32_t>(std::max<std::int64_t>(later, long_ago));
    }
  }

  /// After every candidate was set: column c of `out` becomes ln of the shares of lane k; where the lane is empty, the floor.
  void write(int k, padded_columns<float>& out, Eigen::Index c) {
    sums_.pad(k, 0.0F);
    steps_.pad(k, long_ago);
    const float* const sums = sums_[k];
    const std::int32_t* const steps = steps_[k];
    std::int32_t latest = long_ago;
    for (Eigen::Index i = 0; i < sums_.padded_rows(); ++i) {
      const std::int32_t step = steps[i];
      latest = std::max(latest, sums[i] > 0 ? step : long_ago);
    }
    out.fill(c, [&](Eigen::Index i) {  // 2^−127 comes out as 0
      return sums[i] * std::bit_cast<float>((std::min(std::max(steps[i] - latest, -127), 0) + 127) << 23);
    });
    const float* const moved = out[c];
    const float total = out.col(c).sum();
    const float inverse = total >= std::numeric_limits<float>::min() ? 1 / total : 0.0F;
    const float least = std::exp(floor);
    out.fill(c, [&](Eigen::Index i) { return std::max(moved[i] * inverse, least); });
    out.log(c);
  }

 private:
  static constexpr std::int32_t long_ago = -(1 << 30);

  padded_columns<float> sums_;          // (candidates, lanes)
  padded_columns<std::int32_t> steps_;  // (candidates, lanes), whole half-lives after the reference
  std::int64_t reference_[max_lanes] = {};
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LANE_SHARES_HPP
