// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_USE_SEQUENCE_HPP
#define EBB_DETAIL_USE_SEQUENCE_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/time.hpp"

namespace ebb::detail {

/// What a user did next the last times they stood where they stand now: just after using the same item.
///
/// The lead is the item used last. Its earlier uses at τ_1, τ_2 … are remembered; for another item, with first use after τ_r a wait
/// w_r later, the features are means over r of 2^(−w_r / h), h = 10 min, 1 h, 6 h, 1 d, of min(w_r / w, w / w_r), w the time since the
/// lead's last use (both plus a minute), and of whether the item was used at τ_r itself.
class use_sequence {
 public:
  using ticks = lane_grid::ticks;
  static constexpr int size = 6;

  template <class Table>
  void lead(const Table& entries, const entry_layout& layout, std::size_t lead, ticks now) {
    earlier_.clear();
    recent_ = layout.recent;
    if (lead >= entries.size()) return;
    const ticks* const times = entries.times(layout, lead);
    for (int r = 1; r < recent_ && times[r] != no_time; ++r) earlier_.push_back(times[r]);
    wait_ = seconds(now - times[0]) + minute;
  }

  /// times: an item's newest uses, newest first.
  [[nodiscard]] std::array<float, size> follow(const ticks* times) const {
    std::array<float, size> out{};
    // Both lists run from new to old, so one walk finds for each τ the first use after it.
    int use = 0;
    ticks after = no_time;
    for (const ticks start : earlier_) {
      for (; use < recent_ && times[use] > start; ++use) after = times[use];
      if (use < recent_ && times[use] == start) out[5] += 1;
      if (after == no_time) continue;
      const float waited = seconds(after - start);
      if (waited < 14 * day) {  // later than that every power is below 1e-4
        const float days = std::exp2(-waited / day);
        const float quarters = days * days * days * days;
        const float hours = waited < 4 * day ? std::exp2(-waited / hour) : 0.0F;
        out[0] += waited < day ? hours * hours * hours * hours * hours * hours : 0.0F;
        out[1] += hours;
        out[2] += quarters;
        out[3] += days;
      }
      const float ratio = (waited + minute) / wait_;
      out[4] += std::min(ratio, 1 / ratio);
    }
    if (!earlier_.empty())
      for (float& value : out) value /= static_cast<float>(earlier_.size());
    return out;
  }

 private:
  static constexpr float minute = 60;
  static constexpr float hour = 3600;
  static constexpr float day = 86400;

  [[nodiscard]] static float seconds(ticks span) noexcept {
    return static_cast<float>(static_cast<double>(span) * time_point::period::num / time_point::period::den);
  }

  std::vector<ticks> earlier_;
  int recent_ = 0;
  float wait_ = minute;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_USE_SEQUENCE_HPP
