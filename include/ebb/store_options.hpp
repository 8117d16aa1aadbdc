// SPDX-License-Identifier: MIT
#ifndef EBB_STORE_OPTIONS_HPP
#define EBB_STORE_OPTIONS_HPP

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// A lane that also remembers when in the period an event fell: 2^(−age/h) · e^(−iω·age), ω = 2π/period.
struct rhythm {
  duration period;  ///< a day, a week, …; 1 ms to 100 years
  int lane;         ///< the interest lane whose half-life it fades with
};

/// What an interest store keeps for each (user, item).
///
/// Errors, when a store is made of it: std::invalid_argument for a rhythm whose lane does not exist or whose period is out of range, for
///         recent outside [1, 16], for a dislike half-life outside [1 ms, 100 years].
struct store_options {
  /// Half-lives of the lanes; every reading of the store is made of these. The default spans a minute to four years.
  timescales lanes = timescales::log_spaced(std::chrono::minutes(1), std::chrono::years(4), 8);
  std::vector<rhythm> rhythms = {};                ///< none, or two sums each
  int recent = 1;                                  ///< newest event times kept per entry, 1 to 16
  bool first_use = false;                          ///< keep the time of the first event too
  bool heat = true;                                ///< keep the same lanes per item over all users
  std::optional<duration> dislike_half_life = {};  ///< keep dislikes, fading at this speed
};

namespace detail {

/// What an event may be worth: so that no sum of float over- or underflows.
[[nodiscard]] constexpr bool is_amount(double amount) noexcept {
  return amount == 0 || (amount >= 1e-18 && amount <= 1e18);
}

/// Newest times kept of an item's use by anybody, so that a retraction rarely leaves only a bound.
inline constexpr int heat_recent = 4;

[[nodiscard]] inline entry_layout entry_layout_of(const store_options& options) {
  const auto to_ticks = [](duration d) { return to_time_point(d).time_since_epoch().count(); };
  require(options.recent >= 1 && options.recent <= 16, "interest_store", "recent must be in [1, 16]", options.recent);
  entry_layout layout;
  std::vector<lane_grid::ticks> half_lives;
  for (int k = 0; k < options.lanes.size(); ++k) half_lives.push_back(options.lanes.grid().half_life(k));
  if (options.dislike_half_life) {
    require(half_lives.size() < static_cast<std::size_t>(max_lanes), "interest_store",
            "with dislikes there may be at most 31 lanes", half_lives.size());
    half_lives.push_back(timescales{*options.dislike_half_life}.grid().half_life(0));
  }
  layout.grid = lane_grid(half_lives);
  layout.lanes = options.lanes.size();
  layout.recent = options.recent;
  layout.first_use = options.first_use;
  layout.dislike = options.dislike_half_life.has_value();
  for (const rhythm& r : options.rhythms) {
    require(r.lane >= 0 && r.lane < layout.lanes, "interest_store", "a rhythm's lane must be one of the lanes", r.lane);
    require(r.period >= std::chrono::milliseconds(1) && r.period <= std::chrono::years(100), "interest_store",
            "a rhythm's period must be in [1 ms, 100 years]", r.period);
    layout.rhythms.push_back({to_ticks(r.period), r.lane});
  }
  return layout;
}

[[nodiscard]] inline entry_layout heat_layout_of(const store_options& options) {
  entry_layout layout;
  layout.grid = options.lanes.grid();
  layout.lanes = options.lanes.size();
  layout.recent = heat_recent;
  layout.first_use = true;
  layout.groups = false;  // nobody asks for the hottest items
  return layout;
}

/// What two stores' options differ in, in words, or null when their states can be added.
[[nodiscard]] inline const char* difference_of(const store_options& a, const store_options& b) {
  const entry_layout x = entry_layout_of(a);
  const entry_layout y = entry_layout_of(b);
  if (!(a.lanes == b.lanes)) return "half-lives";
  if (x.rhythms != y.rhythms) return "rhythms";
  if (x.recent != y.recent) return "number of recent times";
  if (x.first_use != y.first_use) return "first use times";
  if (a.heat != b.heat) return "heat";
  if (x.dislike != y.dislike) return "dislikes";
  if (x.dislike && x.grid.half_life(x.lanes) != y.grid.half_life(y.lanes)) return "dislike half-life";
  return nullptr;
}

}  // namespace detail

}  // namespace ebb

#endif  // EBB_STORE_OPTIONS_HPP
