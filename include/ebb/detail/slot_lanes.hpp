// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SLOT_LANES_HPP
#define EBB_DETAIL_SLOT_LANES_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "ebb/event_log.hpp"
#include "ebb/time.hpp"

namespace ebb::detail {

/// K decayed sums for each (user, slot) of a replay, in the log domain and relative to the pair's last event.
///
///   levels[k] = log2 Σ_j 2^(−(t_last − t_j) / h_k) >= 0,   log2 S_k(now) = levels[k] − (now − t_last) / h_k
///
/// A sum is at least the last event's 1, so nothing ever underflows. The interest store is the better home for state that lives long; this
/// one is for trying many half-lives on one replay: slots instead of hashing, no user or item beyond the log.
/// Complexity: observe O(K); levels O(1); 8·K + 16 bytes a pair.
class slot_lanes {
 public:
  slot_lanes() = default;

  /// half_lives: in ticks of the clock, at least one.
  explicit slot_lanes(const std::vector<duration>& half_lives) : rates_(static_cast<Eigen::Index>(half_lives.size())) {
    for (std::size_t k = 0; k < half_lives.size(); ++k)
      rates_[static_cast<Eigen::Index>(k)] = 1.0 / half_lives[k].count();
  }

  void reset(std::size_t users) { users_.assign(users, {}); }

  void observe(const logged_event& event, std::size_t slot) {
    pairs& p = users_[event.user];
    const auto lanes = static_cast<std::size_t>(rates_.size());
    if (slot == p.last.size()) {
      p.last.push_back(event.time);
      p.count.push_back(1);
      p.levels.resize(p.levels.size() + lanes, 0.0);
      return;
    }
    Eigen::Map<Eigen::ArrayXd> levels(p.levels.data() + slot * lanes, rates_.size());
    const double gap = duration(event.time - p.last[slot]).count();
    sums_ = 1.0 + ((levels - gap * rates_) * std::log(2.0)).exp();
    sums_ = sums_.log() * (1.0 / std::log(2.0));
    levels = sums_;
    p.last[slot] = event.time;
    ++p.count[slot];
  }

  /// (lanes, candidates), levels of all of the user's pairs at their own last events.
  [[nodiscard]] Eigen::Map<const Eigen::ArrayXXd> levels(user_id user) const {
    const pairs& p = users_[user];
    return {p.levels.data(), rates_.size(), static_cast<Eigen::Index>(p.last.size())};
  }

  /// (lanes, candidates): log2 of every lane of every pair of the user at `now`.
  void log2_at(user_id user, time_point now, Eigen::ArrayXXd& out) const {
    const auto at_last = levels(user);
    out.resize(at_last.rows(), at_last.cols());
    for (Eigen::Index c = 0; c < at_last.cols(); ++c)
      out.col(c) = at_last.col(c) - duration(now - users_[user].last[static_cast<std::size_t>(c)]).count() * rates_;
  }

  [[nodiscard]] std::span<const time_point> last(user_id user) const { return users_[user].last; }
  [[nodiscard]] std::span<const std::uint32_t> count(user_id user) const { return users_[user].count; }

 private:
  struct pairs {
    std::vector<time_point> last;      // (slots)
    std::vector<std::uint32_t> count;  // (slots)
    std::vector<double> levels;        // (lanes, slots)
  };

  Eigen::ArrayXd rates_;  // (lanes), 1 / s
  // Aligned memory. Written straight to a pair's levels, what is computed by packets and what one by one, to other last bits, would depend on
  // where they lie: equal pairs would differ, and so would two runs.
  Eigen::ArrayXd sums_;
  std::vector<pairs> users_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SLOT_LANES_HPP
