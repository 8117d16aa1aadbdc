// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BEHAVIOUR_LANES_HPP
#define EBB_DETAIL_BEHAVIOUR_LANES_HPP

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <Eigen/Core>

#include "ebb/event_log.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb::detail {

/// Decayed interest of each (user, slot) of a replay, apart for each behaviour, under one reading.
///
///   Σ_j amount_j · D(now − t_j) over the events of behaviour b = e^(level) · part_b
///
/// Kept relative to the pair's last event, so that what is old beyond a double still compares.
/// Memory: 8·B·K + 16 bytes a pair.   Complexity: O(B·K) an event and a candidate read.
class behaviour_lanes {
 public:
  behaviour_lanes(const reading& how, std::size_t behaviours) : behaviours_(static_cast<Eigen::Index>(behaviours)) {
    for (int k = 0; k < how.bank().size(); ++k) {
      if (how.weights()[static_cast<std::size_t>(k)] <= 0) continue;
      log_weights_.push_back(std::log(how.weights()[static_cast<std::size_t>(k)]));
      rates_.push_back(std::numbers::ln2 / how.bank().half_life(k).count());
    }
  }

  void reset(std::size_t users) { users_.assign(users, {}); }

  void observe(const logged_event& event, std::size_t slot, double amount) {
    pairs& p = users_[event.user];
    const auto lanes = static_cast<Eigen::Index>(rates_.size());
    if (slot == p.last.size()) {
      p.last.push_back(event.time);
      p.sums.resize(p.sums.size() + static_cast<std::size_t>(behaviours_ * lanes), 0.0);
    }
    Eigen::Map<Eigen::ArrayXXd> sums = sums_of(p, slot);
    const double gap = duration(event.time - p.last[slot]).count();
    if (gap > 0)
      for (Eigen::Index k = 0; k < lanes; ++k) sums.col(k) *= std::exp(-gap * rates_[static_cast<std::size_t>(k)]);
    sums.row(event.behaviour) += amount;
    p.last[slot] = event.time;
  }

  /// parts: (behaviours, candidates), levels: (candidates).
  void read(user_id user, time_point now, Eigen::ArrayXXd& parts, Eigen::ArrayXd& levels) {
    pairs& p = users_[user];
    const auto n = static_cast<Eigen::Index>(p.last.size());
    const auto lanes = static_cast<Eigen::Index>(rates_.size());
    parts.setZero(behaviours_, n);
    levels.resize(n);
    Eigen::ArrayXd fading(lanes);
    for (Eigen::Index i = 0; i < n; ++i) {
      const double age = duration(now - p.last[static_cast<std::size_t>(i)]).count();
      for (Eigen::Index k = 0; k < lanes; ++k)
        fading[k] = log_weights_[static_cast<std::size_t>(k)] - age * rates_[static_cast<std::size_t>(k)];
      levels[i] = fading.maxCoeff();
      fading = (fading - levels[i]).exp();
      parts.col(i) = (sums_of(p, static_cast<std::size_t>(i)).matrix() * fading.matrix()).array();
    }
  }

 private:
  struct pairs {
    std::vector<time_point> last;  // (slots)
    std::vector<double> sums;      // (behaviours, lanes, slots), at each pair's last event
  };

  [[nodiscard]] Eigen::Map<Eigen::ArrayXXd> sums_of(pairs& p, std::size_t slot) const {
    const auto lanes = static_cast<Eigen::Index>(rates_.size());
    return {p.sums.data() + static_cast<Eigen::Index>(slot) * behaviours_ * lanes, behaviours_, lanes};
  }

  Eigen::Index behaviours_;
  std::vector<double> log_weights_;  // (lanes), ln π
  std::vector<double> rates_;        // (lanes), 1 / s
  std::vector<pairs> users_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BEHAVIOUR_LANES_HPP
