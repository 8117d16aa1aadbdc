// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ENTRY_LAYOUT_HPP
#define EBB_DETAIL_ENTRY_LAYOUT_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "ebb/detail/lane_grid.hpp"

namespace ebb::detail {

/// "No such moment": below every time an event can have.
inline constexpr lane_grid::ticks no_time = std::numeric_limits<lane_grid::ticks>::min();

/// Which columns an entry has and where; one for a whole store.
///
/// A row of sums:  [interest lanes | dislike lane | rhythm lanes as (cos, sin) pairs]
/// A row of times: [last use | recent − 1 uses before it, newest first | first use | last dislike | number of dislikes]
struct entry_layout {
  struct rhythm_lane {
    lane_grid::ticks period;
    int lane;

    [[nodiscard]] friend bool operator==(const rhythm_lane&, const rhythm_lane&) = default;
  };

  lane_grid grid;  // the interest lanes and, when kept, the dislike lane after them
  std::vector<rhythm_lane> rhythms;
  int lanes = 0;
  int recent = 1;
  bool first_use = false;
  bool dislike = false;
  bool groups = true;  // whether large tables keep what tells groups of entries apart, for ranking

  [[nodiscard]] int sums() const noexcept { return lanes + (dislike ? 1 : 0) + 2 * static_cast<int>(rhythms.size()); }
  [[nodiscard]] int times() const noexcept { return recent + (first_use ? 1 : 0) + (dislike ? 2 : 0); }
  [[nodiscard]] int rhythm_sum(int r) const noexcept { return lanes + (dislike ? 1 : 0) + 2 * r; }
  [[nodiscard]] int first_time() const noexcept { return recent; }
  [[nodiscard]] int dislike_time() const noexcept { return recent + (first_use ? 1 : 0); }
  [[nodiscard]] int dislike_count() const noexcept { return dislike_time() + 1; }
};

/// cos and sin of 2π·t/period, from the remainder in integers: as exact for a moment in 2090 as for one in 1970.
struct phase {
  double cos;
  double sin;

  phase(lane_grid::ticks t, lane_grid::ticks period) noexcept {
    const double angle = 2 * std::numbers::pi * static_cast<double>(t % period) / static_cast<double>(period);
    cos = std::cos(angle);
    sin = std::sin(angle);
  }
};

/// What one unit at a moment adds to each sum of a row anchored at that moment's own cells.
struct unit_event {
  lane_grid::ticks time = no_time;
  double powers[max_lanes] = {};
  std::int64_t cells[max_lanes] = {};
  std::vector<phase> phases;  // one a rhythm

  void set(const entry_layout& layout, lane_grid::ticks t) {
    with_lanes<0>(layout.grid.size(), [&](auto lanes) { set(layout, lanes, t); });
  }
  /// `lanes`: all of the grid's.
  template <class Lanes>
  void set(const entry_layout& layout, Lanes lanes, lane_grid::ticks t) {
    if (t == time) return;  // a basket's events share one moment
    if (!layout.rhythms.empty()) {
      phases.clear();
      for (const entry_layout::rhythm_lane& r : layout.rhythms) phases.emplace_back(t, r.period);
    }
    layout.grid.locate(t, lanes, powers, cells);
    time = t;
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ENTRY_LAYOUT_HPP
