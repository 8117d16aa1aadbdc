// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LANE_ROW_HPP
#define EBB_DETAIL_LANE_ROW_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"

// What can be done to one entry. Every sum is anchored at the cell of its entry's newest event (dislike: of its newest dislike), so an
// entry never underflows, however old it is. `Lanes` is an int or an std::integral_constant, see with_lanes.

namespace ebb::detail {

// The times of an entry are bounds from above: number r is not before the entry's r-th newest event, and is that event's own moment until
// more was taken back than times are kept. Every function below keeps that, so that an anchor is never before an event.

/// The smallest sum kept: a denormal slows every later operation.
template <std::floating_point T>
inline constexpr double least_sum = static_cast<double>(std::numeric_limits<T>::min());

/// What is too small becomes zero.
template <std::floating_point T>
[[nodiscard]] T flushed(double value) noexcept {
  return std::abs(value) < least_sum<T> ? T{0} : static_cast<T>(value);
}

/// The same, and what is too large stays at the end of the range.
template <std::floating_point T>
[[nodiscard]] T bounded(double value) noexcept {
  constexpr auto largest = static_cast<double>(std::numeric_limits<T>::max());
  return flushed<T>(std::clamp(value, -largest, largest));
}

/// A count at the end of its range stays there: one that started again at zero would be an entry without events.
inline void count_more(std::uint32_t& count, std::uint32_t more) noexcept {
  count += std::min(more, std::numeric_limits<std::uint32_t>::max() - count);
}

/// Puts t among the newest times, if it is one of them.
inline void insert_recent(const entry_layout& layout, lane_grid::ticks* when, lane_grid::ticks t) noexcept {
  if (layout.recent == 1) {
    *when = std::max(*when, t);
    return;
  }
  lane_grid::ticks* const end = when + layout.recent;
  lane_grid::ticks* const at = std::upper_bound(when, end, t, std::greater<>{});
  if (at == end) return;
  std::move_backward(at, end - 1, end);
  *at = t;
}

/// How many of the newest times an entry of so many events has.
[[nodiscard]] inline int kept_times(const entry_layout& layout, std::uint32_t count) noexcept {
  return static_cast<int>(std::min(count, static_cast<std::uint32_t>(layout.recent)));
}

/// Where fewer times are known than are kept, the newest stands for all: nothing tells which ones are missing.
inline void fill_unknown(const entry_layout& layout, lane_grid::ticks* when, std::uint32_t count) noexcept {
  const int kept = kept_times(layout, count);
  if (kept > 0 && when[kept - 1] == no_time) std::fill_n(when, kept, when[0]);
}

/// Where one of the newest times is known to be a bound only, the two oldest are made equal, which is how `are_moments` sees it.
inline void mark_as_bounds(lane_grid::ticks* when, int kept) noexcept {
  if (kept > 1) when[kept - 1] = when[kept - 2];
}

/// Whether the newest times look like moments of events: bounds leave two of them equal, mostly.
[[nodiscard]] inline bool are_moments(const lane_grid::ticks* when, int kept) noexcept {
  return std::adjacent_find(when, when + kept) == when + kept;
}

/// Takes an event at t, one of count_before, out of the newest times; true if t was among them.
///
/// The oldest bound that is not before t goes: those after it are before t, so they bound older events. The last place, if it becomes that of
/// an event no longer known, keeps its time as a bound.
inline bool remove_recent(const entry_layout& layout, lane_grid::ticks* when, lane_grid::ticks t,
                          std::uint32_t count_before) noexcept {
  fill_unknown(layout, when, count_before);
  lane_grid::ticks* const end = when + layout.recent;
  lane_grid::ticks* const after = std::upper_bound(when, end, t, std::greater<>{});
  const bool found = after != when && *(after - 1) == t;
  if (after != when) std::move(after, end, after - 1);
  const int left = kept_times(layout, count_before - 1);
  std::fill(when + left, end, no_time);
  if (!found && left < layout.recent) mark_as_bounds(when, left);
  return found;
}

/// The factors that move the lanes of two anchors to the later one; a missing anchor (no_time) moves by zero.
struct common_anchor {
  double mine[max_lanes];
  double theirs[max_lanes];

  template <class Lanes>
  common_anchor(const lane_grid& grid, Lanes lanes, lane_grid::ticks a, lane_grid::ticks b) noexcept {
    for (int k = 0; k < lanes; ++k) {
      const std::int64_t apart = grid.index(k, a) - grid.index(k, b);
      mine[k] = power_of_two(std::min<std::int64_t>(apart, 0));
      theirs[k] = power_of_two(std::min<std::int64_t>(-apart, 0));
    }
  }
};

/// Adds an event to the rhythms of a row to which it was not yet added otherwise.
template <std::floating_point T>
void add_to_rhythms(const entry_layout& layout, const entry_row<T>& row, const unit_event& event,
                    double amount) noexcept {
  const lane_grid::ticks last = row.times[0];
  T* turned = row.sums + layout.rhythm_sum(0);
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r, turned += 2) {
    const int k = layout.rhythms[r].lane;
    const std::int64_t apart = layout.grid.index(k, last) - event.cells[k];
    const bool is_late = event.time < last;
    const double keep = is_late ? 1.0 : power_of_two(apart);
    const double gain = amount * event.powers[k] * (is_late ? power_of_two(-apart) : 1.0);
    turned[0] = flushed<T>(static_cast<double>(turned[0]) * keep + gain * event.phases[r].cos);
    turned[1] = flushed<T>(static_cast<double>(turned[1]) * keep + gain * event.phases[r].sin);
  }
}

/// Adds `amount` at the event's moment; a late event lands where it would have had it come in time.
template <std::floating_point T, class Lanes>
EBB_INLINE void add_event(const entry_layout& layout, Lanes lanes, const entry_row<T>& row, const unit_event& event,
                          double amount) noexcept {
  const lane_grid::ticks last = row.times[0];
  const T slowest = row.sums[lanes - 1];
  if (!layout.rhythms.empty()) add_to_rhythms(layout, row, event, amount);
  if (event.time >= last) {  // no_time is before everything, so a new entry keeps nothing of its zeros
    double keep[lanes_room<Lanes>];
    for (int k = 0; k < lanes; ++k) keep[k] = power_of_two(layout.grid.index(k, last) - event.cells[k]);
    for (int k = 0; k < lanes; ++k)
      row.sums[k] = flushed<T>(static_cast<double>(row.sums[k]) * keep[k] + amount * event.powers[k]);
  } else {
    double gain[lanes_room<Lanes>];
    for (int k = 0; k < lanes; ++k)
      gain[k] = amount * event.powers[k] * power_of_two(event.cells[k] - layout.grid.index(k, last));
    for (int k = 0; k < lanes; ++k) row.sums[k] = flushed<T>(static_cast<double>(row.sums[k]) + gain[k]);
  }
  // Or a use without interest that comes long after would make the interest one that never was.
  if (row.sums[lanes - 1] == 0 && (slowest > 0 || amount > 0)) row.sums[lanes - 1] = std::numeric_limits<T>::min();
  insert_recent(layout, row.times, event.time);
  if (layout.first_use) {
    lane_grid::ticks& first = row.times[layout.first_time()];
    if (first == no_time || event.time < first) first = event.time;
  }
  count_more(*row.count, 1);
}

/// Moves the lanes to another anchor. Only a retraction moves one back, and then by a power of two as well.
template <std::floating_point T>
void move_anchor(const entry_layout& layout, const entry_row<T>& row, lane_grid::ticks from,
                 lane_grid::ticks to) noexcept {
  const auto move = [&](T& sum, int k) {
    const std::int64_t steps =
        std::clamp<std::int64_t>(layout.grid.index(k, from) - layout.grid.index(k, to), -4096, 4096);
    const double moved = std::ldexp(static_cast<double>(sum), static_cast<int>(steps));
    // The smallest sum stands for any smaller one; what would be larger than any sum can be is noise left by what was taken back.
    const bool is_known = std::abs(static_cast<double>(sum)) > least_sum<T>;
    sum = is_known && moved < static_cast<double>(std::numeric_limits<T>::max()) ? flushed<T>(moved) : T{0};
  };
  for (int k = 0; k < layout.lanes; ++k) move(row.sums[k], k);
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r) {
    T* const turned = row.sums + layout.rhythm_sum(static_cast<int>(r));
    move(turned[0], layout.rhythms[r].lane);
    move(turned[1], layout.rhythms[r].lane);
  }
}

/// Moves the lanes from the anchor `last` back to the newest time left, and cuts what cancellation left in a lane down to what is possible given
/// the slower lanes, which cancel least: at the newest event a faster lane holds no more than a slower one, and a rhythm no more than its
/// plain lane. noise[k]: how much of lane k, at `last`, may be rounding.
template <std::floating_point T>
void settle(const entry_layout& layout, const entry_row<T>& row, lane_grid::ticks last, const double* noise) noexcept {
  const lane_grid::ticks newest = row.times[0];
  if (newest != last) move_anchor(layout, row, last, newest);
  double powers[max_lanes];
  std::int64_t cells[max_lanes];
  layout.grid.locate(newest, layout.lanes, powers, cells);
  double bound = std::numeric_limits<double>::infinity();
  for (int k = layout.lanes - 1; k >= 0; --k) {
    const double value = static_cast<double>(row.sums[k]) / powers[k];
    if (value > bound) row.sums[k] = flushed<T>(bound * powers[k]);
    const auto steps = std::min<std::int64_t>(layout.grid.index(k, last) - cells[k], 4096);
    bound = std::min(bound, value + std::ldexp(noise[k] / powers[k], static_cast<int>(steps)));
  }
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r) {
    T* const turned = row.sums + layout.rhythm_sum(static_cast<int>(r));
    const double plain = static_cast<double>(row.sums[layout.rhythms[r].lane]);
    const double length = std::hypot(static_cast<double>(turned[0]), static_cast<double>(turned[1]));
    if (!(length > plain)) continue;
    turned[0] = flushed<T>(static_cast<double>(turned[0]) * (plain / length));
    turned[1] = flushed<T>(static_cast<double>(turned[1]) * (plain / length));
  }
}

/// `before − part`, where what cancels to within `ghost` is nothing; kept, it would later read as a ghost of an event.
template <std::floating_point T>
[[nodiscard]] T difference(double before, double part, double ghost, bool may_be_negative) noexcept {
  const double left = before - part;
  const bool is_nothing = std::abs(left) <= ghost * std::abs(before) || (left < 0 && !may_be_negative) ||
                          (part != 0 && std::abs(before) <= least_sum<T>);
  return is_nothing ? T{0} : flushed<T>(left);
}

/// Rounding of a sum of `events` terms, relative to the sum, at its worst.
template <std::floating_point T>
[[nodiscard]] double rounding_of(std::uint32_t events) noexcept {
  return static_cast<double>(std::numeric_limits<T>::epsilon()) * (8.0 + 2.0 * static_cast<double>(events));
}

/// And as it is apart from the worst: below this a difference is taken for rounding, above it for what others did.
template <std::floating_point T>
[[nodiscard]] double usual_rounding_of(std::uint32_t events) noexcept {
  return static_cast<double>(std::numeric_limits<T>::epsilon()) * (8.0 + 2.0 * std::sqrt(static_cast<double>(events)));
}

/// How far a part may be off what is held and still be taken for it: the rounding of sums that cancelled many times.
template <std::floating_point T>
inline constexpr double sanity_tolerance = std::same_as<T, float> ? 0.02 : 1e-6;

/// Whether `part` can be in the sum `held`, or be all of it; a sum of zero, or the smallest one, cannot tell.
template <std::floating_point T>
[[nodiscard]] bool may_be_part(double part, double held, bool is_all) noexcept {
  if (!(held > least_sum<T>)) return true;
  constexpr double tolerance = sanity_tolerance<T>;
  return part <= held * (1 + tolerance) && (!is_all || part >= held * (1 - tolerance));
}

/// Whether the entry can hold an event of this amount at this moment: a sanity check, not a proof that it was there.
///
/// It asks the slowest lane, which the sums' rounding hurts least.
template <std::floating_point T>
[[nodiscard]] bool may_hold(const entry_layout& layout, const entry_row<T>& row, const unit_event& event,
                            double amount) noexcept {
  const lane_grid::ticks last = row.times[0];
  if (*row.count == 0 || event.time > last) return false;
  const int k = layout.lanes - 1;
  const double part = amount * event.powers[k] * layout.grid.shift(k, event.time, last);
  return may_be_part<T>(part, static_cast<double>(row.sums[k]), *row.count == 1);
}

/// Makes the entry one without events; a dislike stays.
template <std::floating_point T>
void clear_interest(const entry_layout& layout, const entry_row<T>& row) noexcept {
  std::fill_n(row.sums, layout.lanes, T{0});
  std::fill_n(row.sums + layout.rhythm_sum(0), 2 * layout.rhythms.size(), T{0});
  std::fill_n(row.times, layout.recent + (layout.first_use ? 1 : 0), no_time);
  *row.count = 0;
}

/// Takes one event back; the caller has asked may_hold.
template <std::floating_point T>
void take_back(const entry_layout& layout, const entry_row<T>& row, const unit_event& event, double amount) noexcept {
  if (*row.count == 1) return clear_interest(layout, row);
  const lane_grid::ticks last = row.times[0];
  const double rounding = rounding_of<T>(*row.count);
  const double ghost = usual_rounding_of<T>(*row.count);
  double part[max_lanes];
  double noise[max_lanes];
  for (int k = 0; k < layout.lanes; ++k) {
    noise[k] = rounding * static_cast<double>(row.sums[k]);
    part[k] = amount * event.powers[k] * power_of_two(event.cells[k] - layout.grid.index(k, last));
    row.sums[k] = difference<T>(static_cast<double>(row.sums[k]), part[k], ghost, false);
  }
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r) {
    T* const turned = row.sums + layout.rhythm_sum(static_cast<int>(r));
    const double p = part[layout.rhythms[r].lane];
    turned[0] = difference<T>(static_cast<double>(turned[0]), p * event.phases[r].cos, ghost, true);
    turned[1] = difference<T>(static_cast<double>(turned[1]), p * event.phases[r].sin, ghost, true);
  }
  const std::uint32_t left = --*row.count;
  const bool was_kept = remove_recent(layout, row.times, event.time, left + 1);
  if (was_kept && layout.first_use && event.time == row.times[layout.first_time()] &&
      left < static_cast<std::uint32_t>(layout.recent) && are_moments(row.times, static_cast<int>(left)))
    row.times[layout.first_time()] = row.times[left - 1];
  settle(layout, row, last, noise);
}

/// Dislike is a channel of its own, with its own half-life and its own newest moment.
template <std::floating_point T>
void add_dislike(const entry_layout& layout, const entry_row<T>& row, const unit_event& event, double amount) noexcept {
  const int k = layout.lanes;
  lane_grid::ticks& last = row.times[layout.dislike_time()];
  const lane_grid::ticks anchor = std::max(last, event.time);
  row.sums[k] = flushed<T>(static_cast<double>(row.sums[k]) * layout.grid.shift(k, last, anchor) +
                           amount * event.powers[k] * layout.grid.shift(k, event.time, anchor));
  last = anchor;
  ++row.times[layout.dislike_count()];
}

/// Takes one dislike back; false when the channel cannot hold it. The newest moment stays, as a bound, while any dislike is left.
template <std::floating_point T>
[[nodiscard]] bool take_back_dislike(const entry_layout& layout, const entry_row<T>& row, const unit_event& event,
                                     double amount) noexcept {
  const int k = layout.lanes;
  lane_grid::ticks& last = row.times[layout.dislike_time()];
  lane_grid::ticks& count = row.times[layout.dislike_count()];
  if (count == 0 || event.time > last) return false;
  const auto held = static_cast<double>(row.sums[k]);
  const double part = amount * event.powers[k] * layout.grid.shift(k, event.time, last);
  if (!may_be_part<T>(part, held, count == 1)) return false;
  row.sums[k] = difference<T>(held, part, usual_rounding_of<T>(static_cast<std::uint32_t>(count)), false);
  if (--count > 0) return true;
  row.sums[k] = T{0};
  last = no_time;
  return true;
}

/// Adds row j of another table to a row: the state of both histories together.
///
/// The other layout has the same interest lanes, and at least this one's rhythms. `other_first` is not after the other row's first event,
/// and used where the row itself does not keep that time.
template <std::floating_point T, std::floating_point U>
void add_row(const entry_layout& layout, const entry_row<T>& row, const entry_layout& other_layout,
             const entry_table<U>& other, std::size_t j, lane_grid::ticks other_first) noexcept {
  const lane_grid::ticks* const when = other.times(other_layout, j);
  const U* const sums = other.sums(other_layout, j);
  if (when[0] != no_time) {
    const common_anchor move(layout.grid, layout.lanes, row.times[0], when[0]);
    T& slowest = row.sums[layout.lanes - 1];
    const bool is_interest = slowest > 0 || sums[layout.lanes - 1] > 0;
    for (int k = 0; k < layout.lanes; ++k)
      row.sums[k] =
          bounded<T>(static_cast<double>(row.sums[k]) * move.mine[k] + static_cast<double>(sums[k]) * move.theirs[k]);
    if (is_interest) slowest = std::max(slowest, std::numeric_limits<T>::min());  // as in add_event
    const U* const other_turned = sums + other_layout.rhythm_sum(0);
    T* const turned = row.sums + layout.rhythm_sum(0);
    for (std::size_t s = 0; s < 2 * layout.rhythms.size(); ++s) {
      const int k = layout.rhythms[s / 2].lane;
      turned[s] = bounded<T>(static_cast<double>(turned[s]) * move.mine[k] +
                             static_cast<double>(other_turned[s]) * move.theirs[k]);
    }
    fill_unknown(layout, row.times, *row.count);
    for (int r = 0; r < kept_times(layout, other.count(j)); ++r) {
      // Events of the other row whose times it does not keep are bounded by the oldest one it does.
      const lane_grid::ticks theirs = when[std::min(r, other_layout.recent - 1)];
      insert_recent(layout, row.times, theirs != no_time ? theirs : when[0]);
    }
    if (layout.first_use) {
      const lane_grid::ticks theirs = other_layout.first_use ? when[other_layout.first_time()] : other_first;
      lane_grid::ticks& first = row.times[layout.first_time()];
      if (first == no_time || theirs < first) first = theirs;
    }
  }
  if (layout.dislike && other_layout.dislike && when[other_layout.dislike_time()] != no_time) {
    const int k = layout.lanes;
    lane_grid::ticks& last = row.times[layout.dislike_time()];
    const lane_grid::ticks theirs = when[other_layout.dislike_time()];
    const lane_grid::ticks anchor = std::max(last, theirs);
    row.sums[k] = bounded<T>(static_cast<double>(row.sums[k]) * layout.grid.shift(k, last, anchor) +
                             static_cast<double>(sums[other_layout.lanes]) * layout.grid.shift(k, theirs, anchor));
    last = anchor;
    row.times[layout.dislike_count()] += when[other_layout.dislike_count()];
  }
  count_more(*row.count, other.count(j));
}

/// What row j of another table adds to each interest lane of a row of the given anchor, which is not before any of the other row's events.
///
/// The other row's own anchor may be a later one, where more was taken back than it keeps times: moved back, what rounding has left in a
/// faster lane grows out of all proportion, so it is cut down to what the slower ones allow.
template <std::floating_point U>
void parts_of(const entry_layout& layout, lane_grid::ticks anchor, const entry_layout& other_layout,
              const entry_table<U>& other, std::size_t j, double* part) noexcept {
  const lane_grid::ticks theirs = other.times(other_layout, j)[0];
  const U* const sums = other.sums(other_layout, j);
  if (theirs <= anchor) {
    for (int k = 0; k < layout.lanes; ++k)
      part[k] = static_cast<double>(sums[k]) * layout.grid.shift(k, theirs, anchor);
    return;
  }
  double powers[max_lanes];
  std::int64_t cells[max_lanes];
  layout.grid.locate(anchor, layout.lanes, powers, cells);
  double bound = std::numeric_limits<double>::max();
  for (int k = layout.lanes - 1; k >= 0; --k) {
    const auto steps = std::min<std::int64_t>(layout.grid.index(k, theirs) - cells[k], 4096);
    bound = std::min(bound, std::ldexp(static_cast<double>(sums[k]), static_cast<int>(steps)) / powers[k]);
    part[k] = bound * powers[k];
  }
}

/// Subtracts row j of another table from a row without rhythms, which has more events: the inverse of add_row for the interest lanes and the
/// count. noise[k]: how much of lane k may be rounding afterwards.
///
/// The newest times and with them the anchor stay, as bounds: those of the other row may be bounds only, and could be somebody else's events.
/// Who knows better bounds says so to `settle_at`.
template <std::floating_point T, std::floating_point U>
void subtract_row(const entry_layout& layout, const entry_row<T>& row, const entry_layout& other_layout,
                  const entry_table<U>& other, std::size_t j, double* noise) noexcept {
  const std::uint32_t count = *row.count;
  const double rounding = std::max(rounding_of<T>(count), rounding_of<U>(other.count(j)));
  const double ghost = std::max(usual_rounding_of<T>(count), usual_rounding_of<U>(other.count(j)));
  double part[max_lanes];
  parts_of(layout, row.times[0], other_layout, other, j, part);
  for (int k = 0; k < layout.lanes; ++k) {
    noise[k] = rounding * static_cast<double>(row.sums[k]);
    row.sums[k] = difference<T>(static_cast<double>(row.sums[k]), part[k], ghost, false);
  }
  fill_unknown(layout, row.times, count);
  *row.count = count - other.count(j);
  const int left = kept_times(layout, *row.count);
  std::fill(row.times + left, row.times + layout.recent, no_time);
  mark_as_bounds(row.times, left);
}

/// Tightens the newest times to other bounds of the same events, and settles the lanes there.
template <std::floating_point T>
void settle_at(const entry_layout& layout, const entry_row<T>& row, const lane_grid::ticks* bounds,
               const double* noise) noexcept {
  const lane_grid::ticks last = row.times[0];
  for (int r = 0; r < kept_times(layout, *row.count); ++r) row.times[r] = std::min(row.times[r], bounds[r]);
  settle(layout, row, last, noise);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LANE_ROW_HPP
