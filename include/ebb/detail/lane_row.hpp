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

/// A denormal carries nothing the newest event has not drowned, and slows every later operation: it becomes zero.
template <std::floating_point T>
[[nodiscard]] T flushed(double value) noexcept {
  return std::abs(value) < static_cast<double>(std::numeric_limits<T>::min()) ? T{0} : static_cast<T>(value);
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

/// Takes t out of the newest times; false if it was not among them. Where times kept before it are lost, the oldest one known stands for
/// them: an upper bound, so that no later event is taken for newer than those that were.
inline bool remove_recent(const entry_layout& layout, lane_grid::ticks* when, lane_grid::ticks t,
                          std::uint32_t count_before) noexcept {
  lane_grid::ticks* const end = when + layout.recent;
  lane_grid::ticks* const at = std::find(when, end, t);
  if (at == end) return false;
  const bool all_known = count_before <= static_cast<std::uint32_t>(layout.recent);
  std::move(at + 1, end, at);
  if (all_known)
    *(end - 1) = no_time;
  else if (layout.recent > 1)
    *(end - 1) = *(end - 2);
  return true;
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

/// Adds `amount` at the event's moment; a late event lands where it would have had it come in time.
template <std::floating_point T, class Lanes>
void add_event(const entry_layout& layout, Lanes lanes, const entry_row<T>& row, const unit_event& event,
               double amount) noexcept {
  const lane_grid::ticks last = row.times[0];
  double keep[max_lanes];
  double gain[max_lanes];
  if (event.time >= last) {  // no_time is before everything, so a new entry keeps nothing of its zeros
    for (int k = 0; k < lanes; ++k) keep[k] = power_of_two(layout.grid.index(k, last) - event.cells[k]);
    for (int k = 0; k < lanes; ++k) gain[k] = amount * event.powers[k];
    for (int k = 0; k < lanes; ++k) row.sums[k] = flushed<T>(static_cast<double>(row.sums[k]) * keep[k] + gain[k]);
  } else {
    for (int k = 0; k < lanes; ++k) keep[k] = 1.0;
    for (int k = 0; k < lanes; ++k)
      gain[k] = amount * event.powers[k] * power_of_two(event.cells[k] - layout.grid.index(k, last));
    for (int k = 0; k < lanes; ++k) row.sums[k] = flushed<T>(static_cast<double>(row.sums[k]) + gain[k]);
  }
  T* turned = row.sums + layout.rhythm_sum(0);
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r, turned += 2) {
    const int k = layout.rhythms[r].lane;
    turned[0] = flushed<T>(static_cast<double>(turned[0]) * keep[k] + gain[k] * event.phases[r].cos);
    turned[1] = flushed<T>(static_cast<double>(turned[1]) * keep[k] + gain[k] * event.phases[r].sin);
  }
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
    // What would be larger than any sum can be is noise left by what was taken back.
    sum = moved < static_cast<double>(std::numeric_limits<T>::max()) ? flushed<T>(moved) : T{0};
  };
  for (int k = 0; k < layout.lanes; ++k) move(row.sums[k], k);
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r) {
    T* const turned = row.sums + layout.rhythm_sum(static_cast<int>(r));
    move(turned[0], layout.rhythms[r].lane);
    move(turned[1], layout.rhythms[r].lane);
  }
}

/// Moves the lanes from the anchor `last` to the newest time left, and cuts what cancellation left in a lane down to what is possible given
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

/// `before − part`, where what cancels to within rounding is nothing; kept, it would later read as a ghost of an event.
template <std::floating_point T>
[[nodiscard]] T difference(double before, double part, double rounding, bool may_be_negative) noexcept {
  const double left = before - part;
  if (std::abs(left) <= rounding * std::abs(before) || (left < 0 && !may_be_negative)) return T{0};
  return flushed<T>(left);
}

/// Rounding of a sum of `events` terms, relative to the sum.
template <std::floating_point T>
[[nodiscard]] double rounding_of(std::uint32_t events) noexcept {
  return static_cast<double>(std::numeric_limits<T>::epsilon()) * (8.0 + 2.0 * static_cast<double>(events));
}

/// How far a part may be off what is held and still be taken for it: the rounding of sums that cancelled many times.
template <std::floating_point T>
inline constexpr double sanity_tolerance = std::same_as<T, float> ? 0.02 : 1e-6;

/// Whether `part` can be in the sum `held`, or be all of it; a sum of zero cannot tell.
[[nodiscard]] inline bool may_be_part(double part, double held, double tolerance, bool is_all) noexcept {
  if (!(held > 0)) return true;
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
  return may_be_part(part, static_cast<double>(row.sums[k]), sanity_tolerance<T>, *row.count == 1);
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
  double part[max_lanes];
  double noise[max_lanes];
  for (int k = 0; k < layout.lanes; ++k) {
    noise[k] = rounding * static_cast<double>(row.sums[k]);
    part[k] = amount * event.powers[k] * power_of_two(event.cells[k] - layout.grid.index(k, last));
    row.sums[k] = difference<T>(static_cast<double>(row.sums[k]), part[k], rounding, false);
  }
  for (std::size_t r = 0; r < layout.rhythms.size(); ++r) {
    T* const turned = row.sums + layout.rhythm_sum(static_cast<int>(r));
    const double p = part[layout.rhythms[r].lane];
    turned[0] = difference<T>(static_cast<double>(turned[0]), p * event.phases[r].cos, rounding, true);
    turned[1] = difference<T>(static_cast<double>(turned[1]), p * event.phases[r].sin, rounding, true);
  }
  const std::uint32_t left = --*row.count;
  if (remove_recent(layout, row.times, event.time, left + 1) && layout.first_use &&
      event.time == row.times[layout.first_time()] && left < static_cast<std::uint32_t>(layout.recent))
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
  if (!may_be_part(part, held, sanity_tolerance<T>, count == 1)) return false;
  row.sums[k] = difference<T>(held, part, rounding_of<T>(static_cast<std::uint32_t>(count)), false);
  if (--count > 0) return true;
  row.sums[k] = T{0};
  last = no_time;
  return true;
}

/// Adds row j of another table to a row: the state of both histories together.
///
/// The other layout has the same interest lanes, and at least this one's rhythms.
template <std::floating_point T, std::floating_point U>
void add_row(const entry_layout& layout, const entry_row<T>& row, const entry_layout& other_layout,
             const entry_table<U>& other, std::size_t j) noexcept {
  const lane_grid::ticks* const when = other.times(other_layout, j);
  const U* const sums = other.sums(other_layout, j);
  if (when[0] != no_time) {
    const common_anchor move(layout.grid, layout.lanes, row.times[0], when[0]);
    for (int k = 0; k < layout.lanes; ++k)
      row.sums[k] =
          flushed<T>(static_cast<double>(row.sums[k]) * move.mine[k] + static_cast<double>(sums[k]) * move.theirs[k]);
    const U* const other_turned = sums + other_layout.rhythm_sum(0);
    T* const turned = row.sums + layout.rhythm_sum(0);
    for (std::size_t s = 0; s < 2 * layout.rhythms.size(); ++s) {
      const int k = layout.rhythms[s / 2].lane;
      turned[s] = flushed<T>(static_cast<double>(turned[s]) * move.mine[k] +
                             static_cast<double>(other_turned[s]) * move.theirs[k]);
    }
    for (int r = 0; r < std::min(layout.recent, other_layout.recent); ++r)
      if (when[r] != no_time) insert_recent(layout, row.times, when[r]);
    if (layout.first_use) {
      const lane_grid::ticks theirs = other_layout.first_use ? when[other_layout.first_time()] : when[0];
      lane_grid::ticks& first = row.times[layout.first_time()];
      if (first == no_time || theirs < first) first = theirs;
    }
  }
  if (layout.dislike && other_layout.dislike && when[other_layout.dislike_time()] != no_time) {
    const int k = layout.lanes;
    lane_grid::ticks& last = row.times[layout.dislike_time()];
    const lane_grid::ticks theirs = when[other_layout.dislike_time()];
    const lane_grid::ticks anchor = std::max(last, theirs);
    row.sums[k] = flushed<T>(static_cast<double>(row.sums[k]) * layout.grid.shift(k, last, anchor) +
                             static_cast<double>(sums[other_layout.lanes]) * layout.grid.shift(k, theirs, anchor));
    last = anchor;
    row.times[layout.dislike_count()] += when[other_layout.dislike_count()];
  }
  count_more(*row.count, other.count(j));
}

/// Subtracts row j of another table from a row without rhythms: the inverse of add_row for the interest lanes and the count. Of the newest
/// times it takes out those that the other row still knows.
template <std::floating_point T, std::floating_point U>
void subtract_row(const entry_layout& layout, const entry_row<T>& row, const entry_layout& other_layout,
                  const entry_table<U>& other, std::size_t j) noexcept {
  const lane_grid::ticks* const when = other.times(other_layout, j);
  const lane_grid::ticks last = row.times[0];
  const std::uint32_t count = *row.count;
  if (when[0] == no_time) return;
  if (count <= other.count(j)) return clear_interest(layout, row);
  const double rounding = std::max(rounding_of<T>(count), rounding_of<U>(other.count(j)));
  double noise[max_lanes];
  for (int k = 0; k < layout.lanes; ++k) {
    noise[k] = rounding * static_cast<double>(row.sums[k]);
    row.sums[k] = difference<T>(
        static_cast<double>(row.sums[k]),
        static_cast<double>(other.sums(other_layout, j)[k]) * layout.grid.shift(k, when[0], last), rounding, false);
  }
  for (int r = 0; r < other_layout.recent; ++r)
    if (when[r] != no_time) remove_recent(layout, row.times, when[r], count - static_cast<std::uint32_t>(r));
  *row.count = count - other.count(j);
  settle(layout, row, last, noise);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LANE_ROW_HPP
