// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LOG_LANES_HPP
#define EBB_DETAIL_LOG_LANES_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include <Eigen/Core>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/time.hpp"

namespace ebb::detail {

/// ln Σ amount · 2^(−age / h_k) of every lane of every entry of a user at `now`, however old; −∞ where a sum is zero.
///
/// out: (lanes, entries), entry i in column i.   Complexity: O(lanes · entries).
template <class Store>
void log_lanes(const Store& store, const typename Store::user_state& user, time_point now, Eigen::ArrayXXd& out) {
  const entry_layout& layout = store.layout();
  const auto t = now.time_since_epoch().count();
  out.resize(layout.lanes, static_cast<Eigen::Index>(user.entries.size()));
  for (Eigen::Index i = 0; i < out.cols(); ++i) {
    const auto entry = static_cast<std::size_t>(i);
    for (int k = 0; k < layout.lanes; ++k)
      out(k, i) = std::log(static_cast<double>(user.entries.sums(layout, entry)[k]));
  }
  for (int k = 0; k < layout.lanes; ++k) {
    const std::int64_t cell = layout.grid.index(k, t);
    const double fraction = layout.grid.fraction(k, t);
    for (Eigen::Index i = 0; i < out.cols(); ++i) {
      const auto last = user.entries.times(layout, static_cast<std::size_t>(i))[0];
      // An entry of dislikes alone has no last use, and no sums to move.
      if (last != no_time)
        out(k, i) += std::numbers::ln2 * (static_cast<double>(layout.grid.index(k, last) - cell) - fraction);
    }
  }
}

/// Turns ln sums into each lane's shares among the candidates: x_k(i) = S_k(i)^β / Σ_j S_k(j)^β, in [0, 1].
///
/// lanes: (lanes, candidates), −∞ for a sum of zero; a lane of zeros gives shares of zero.
inline void to_shares(Eigen::ArrayXXd& lanes, double beta) {
  if (lanes.cols() == 0) return;
  for (Eigen::Index k = 0; k < lanes.rows(); ++k) {
    const double most = lanes.row(k).maxCoeff();
    if (!(most > -1e300)) {
      lanes.row(k).setZero();
      continue;
    }
    lanes.row(k) = (beta * (lanes.row(k) - most)).exp();
    lanes.row(k) /= lanes.row(k).sum();
  }
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LOG_LANES_HPP
