// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ENTRY_TABLE_HPP
#define EBB_DETAIL_ENTRY_TABLE_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
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
/// A row of times: [last use | recent − 1 uses before it, newest first | first use | last dislike]
struct entry_layout {
  struct rhythm_lane {
    lane_grid::ticks period;
    int lane;
  };

  lane_grid grid;  // the interest lanes and, when kept, the dislike lane after them
  std::vector<rhythm_lane> rhythms;
  int lanes = 0;
  int recent = 1;
  bool first_use = false;
  bool dislike = false;

  [[nodiscard]] int sums() const noexcept { return lanes + (dislike ? 1 : 0) + 2 * static_cast<int>(rhythms.size()); }
  [[nodiscard]] int times() const noexcept { return recent + (first_use ? 1 : 0) + (dislike ? 1 : 0); }
  [[nodiscard]] int rhythm_sum(int r) const noexcept { return lanes + (dislike ? 1 : 0) + 2 * r; }
  [[nodiscard]] int first_time() const noexcept { return recent; }
  [[nodiscard]] int dislike_time() const noexcept { return recent + (first_use ? 1 : 0); }

  /// The lane whose half-life and landmark sum `s` of a row follows.
  [[nodiscard]] int lane_of(int s) const noexcept {
    const int plain = lanes + (dislike ? 1 : 0);
    return s < plain ? s : rhythms[static_cast<std::size_t>((s - plain) / 2)].lane;
  }
};

/// What one unit at a moment adds to each sum of a row anchored at that moment's own cells.
struct unit_event {
  lane_grid::ticks time = no_time;
  bank_array powers;
  std::vector<double> phases;  // cos, sin of 2π·time/period for each rhythm

  void set(const entry_layout& layout, lane_grid::ticks t) {
    if (t == time) return;  // a basket's events share one moment
    layout.grid.powers(t, powers);
    phases.clear();
    for (const entry_layout::rhythm_lane& r : layout.rhythms) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(t % r.period) / static_cast<double>(r.period);
      phases.push_back(std::cos(angle));
      phases.push_back(std::sin(angle));
    }
    time = t;
  }

  [[nodiscard]] double sum(const entry_layout& layout, int s) const {
    const int plain = layout.lanes + (layout.dislike ? 1 : 0);
    return s < plain ? powers[s] : powers[layout.lane_of(s)] * phases[static_cast<std::size_t>(s - plain)];
  }
};

/// The entries of one owner (a user's items, or all items' heat): columns, and an index once a scan would be slow.
///
/// Every sum is anchored at the cell of its entry's newest event, so an entry never underflows, however old it is.
template <std::floating_point T>
class entry_table {
 public:
  using ticks = lane_grid::ticks;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  [[nodiscard]] std::uint32_t item(std::size_t i) const noexcept { return items_[i]; }
  [[nodiscard]] std::uint32_t count(std::size_t i) const noexcept { return counts_[i]; }
  [[nodiscard]] const std::vector<std::uint32_t>& items() const noexcept { return items_; }
  [[nodiscard]] const T* sums(const entry_layout& layout, std::size_t i) const noexcept {
    return sums_.data() + i * static_cast<std::size_t>(layout.sums());
  }
  [[nodiscard]] const ticks* times(const entry_layout& layout, std::size_t i) const noexcept {
    return times_.data() + i * static_cast<std::size_t>(layout.times());
  }

  [[nodiscard]] std::size_t find(std::uint32_t item) const noexcept {
    if (slots_.empty()) {
      const auto at = std::find(items_.begin(), items_.end(), item);
      return at == items_.end() ? npos : static_cast<std::size_t>(at - items_.begin());
    }
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t s = hash(item) & mask;; s = (s + 1) & mask) {
      if (slots_[s] == 0) return npos;
      if (items_[slots_[s] - 1] == item) return slots_[s] - 1;
    }
  }

  /// Position of the item's entry, made empty if there was none.
  std::size_t find_or_add(const entry_layout& layout, std::uint32_t item) {
    const std::size_t at = find(item);
    if (at != npos) return at;
    if (items_.size() == items_.capacity()) grow(layout);
    items_.push_back(item);
    counts_.push_back(0);
    sums_.resize(sums_.size() + static_cast<std::size_t>(layout.sums()), T{0});
    times_.resize(times_.size() + static_cast<std::size_t>(layout.times()), no_time);
    if (!slots_.empty() || items_.size() > scan_limit) insert_slot(items_.size() - 1);
    return items_.size() - 1;
  }

  /// Adds `amount` at the event's moment to entry i; a late event lands where it would have had it come in time.
  void add(const entry_layout& layout, std::size_t i, const unit_event& event, double amount) {
    ticks* const when = times_at(layout, i);
    T* const row = sums_at(layout, i);
    const ticks last = when[0];
    const ticks anchor = std::max(last, event.time);
    if (last != no_time && event.time > last) rebase(layout, row, last, event.time);
    for_interest_sums(layout, [&](int s, int k) {
      row[s] = flushed(static_cast<double>(row[s]) +
                       amount * event.sum(layout, s) * layout.grid.shift(k, event.time, anchor));
    });
    insert_recent(layout, when, event.time);
    if (layout.first_use) {
      ticks& first = when[layout.first_time()];
      if (first == no_time || event.time < first) first = event.time;
    }
    ++counts_[i];
  }

  /// Whether entry i can hold an event of this amount at this moment: no lane may fall below zero by more than rounding.
  [[nodiscard]] bool may_retract(const entry_layout& layout, std::size_t i, const unit_event& event,
                                 double amount) const {
    const T* const row = sums(layout, i);
    const ticks last = times(layout, i)[0];
    if (counts_[i] == 0 || event.time > last) return false;
    if (layout.first_use && event.time < times(layout, i)[layout.first_time()]) return false;
    for (int k = 0; k < layout.lanes; ++k) {
      const double part = amount * event.powers[k] * layout.grid.shift(k, event.time, last);
      if (part - static_cast<double>(row[k]) > rounding(i) * (part + static_cast<double>(row[k]))) return false;
    }
    return true;
  }

  /// Takes one event back. The last use goes back as far as recent uses are kept; beyond that it stays as a bound.
  void retract(const entry_layout& layout, std::size_t i, const unit_event& event, double amount) {
    ticks* const when = times_at(layout, i);
    T* const row = sums_at(layout, i);
    const ticks last = when[0];
    for_interest_sums(layout, [&](int s, int k) {
      const double before = static_cast<double>(row[s]);
      const double part = amount * event.sum(layout, s) * layout.grid.shift(k, event.time, last);
      const double left = before - part;
      // What cancels to within the rounding of the sum is nothing; kept, it would later read as a ghost of an event.
      row[s] = std::abs(left) <= rounding(i) * std::abs(before) ? T{0} : flushed(left);
    });
    const auto end = when + layout.recent;
    const auto at = std::find(when, end, event.time);
    if (at != end && (layout.recent > 1 && when[1] != no_time)) {
      std::move(at + 1, end, at);
      *(end - 1) = no_time;
      if (when[0] != last) rebase(layout, row, last, when[0]);
    }
    --counts_[i];
  }

  /// Dislike is a channel of its own, with its own half-life and its own newest moment.
  void add_dislike(const entry_layout& layout, std::size_t i, const unit_event& event, double amount) {
    T& sum = sums_at(layout, i)[layout.lanes];
    ticks& last = times_at(layout, i)[layout.dislike_time()];
    const ticks anchor = std::max(last, event.time);
    const double kept =
        last == no_time ? 0.0 : static_cast<double>(sum) * layout.grid.shift(layout.lanes, last, anchor);
    sum = flushed(kept + amount * event.powers[layout.lanes] * layout.grid.shift(layout.lanes, event.time, anchor));
    last = anchor;
  }

  /// Takes one dislike back; false when the channel cannot hold it.
  bool retract_dislike(const entry_layout& layout, std::size_t i, const unit_event& event, double amount) {
    if (i == npos) return false;
    T& sum = sums_at(layout, i)[layout.lanes];
    const ticks last = times(layout, i)[layout.dislike_time()];
    if (last == no_time || event.time > last) return false;
    const double before = static_cast<double>(sum);
    const double part = amount * event.powers[layout.lanes] * layout.grid.shift(layout.lanes, event.time, last);
    const double noise = 64.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
    if (part - before > noise * (part + before)) return false;
    sum = std::abs(before - part) <= noise * before ? T{0} : flushed(before - part);
    return true;
  }

  /// Empties entry i without removing it.
  void reset(const entry_layout& layout, std::size_t i) {
    counts_[i] = 0;
    std::fill_n(sums_at(layout, i), layout.sums(), T{0});
    std::fill_n(times_at(layout, i), layout.times(), no_time);
  }

  /// Adds row j of another table with the same layout to entry i: the state of both histories together.
  template <std::floating_point U>
  void merge(const entry_layout& layout, std::size_t i, const entry_layout& other_layout, const entry_table<U>& other,
             std::size_t j) {
    ticks* const when = times_at(layout, i);
    T* const row = sums_at(layout, i);
    const ticks* const other_when = other.times(other_layout, j);
    const U* const other_row = other.sums(other_layout, j);
    if (other_when[0] != no_time) {
      const ticks last = when[0];
      const ticks anchor = std::max(last, other_when[0]);
      for_interest_sums(layout, [&](int s, int k) {
        const double mine = last == no_time ? 0.0 : static_cast<double>(row[s]) * layout.grid.shift(k, last, anchor);
        row[s] = flushed(mine + static_cast<double>(other_row[other_sum(layout, other_layout, s)]) *
                                    layout.grid.shift(k, other_when[0], anchor));
      });
      for (int r = 0; r < std::min(layout.recent, other_layout.recent); ++r)
        if (other_when[r] != no_time) insert_recent(layout, when, other_when[r]);
      if (layout.first_use) {
        const ticks theirs = other_layout.first_use ? other_when[other_layout.first_time()] : other_when[0];
        ticks& first = when[layout.first_time()];
        if (first == no_time || theirs < first) first = theirs;
      }
    }
    if (layout.dislike && other_layout.dislike && other_when[other_layout.dislike_time()] != no_time) {
      ticks& last = when[layout.dislike_time()];
      const ticks theirs = other_when[other_layout.dislike_time()];
      const ticks anchor = std::max(last, theirs);
      const double mine = last == no_time
                              ? 0.0
                              : static_cast<double>(row[layout.lanes]) * layout.grid.shift(layout.lanes, last, anchor);
      row[layout.lanes] = flushed(mine + static_cast<double>(other_row[other_layout.lanes]) *
                                             layout.grid.shift(layout.lanes, theirs, anchor));
      last = anchor;
    }
    counts_[i] += other.count(j);
  }

  /// Subtracts row j of another table from entry i; the inverse of merge for the sums and the count, not for the times.
  template <std::floating_point U>
  void subtract(const entry_layout& layout, std::size_t i, const entry_layout& other_layout,
                const entry_table<U>& other, std::size_t j) {
    const ticks last = times(layout, i)[0];
    const ticks theirs = other.times(other_layout, j)[0];
    counts_[i] -= other.count(j);
    if (theirs == no_time) return;
    T* const row = sums_at(layout, i);
    const double noise =
        static_cast<double>(std::max<T>(std::numeric_limits<T>::epsilon(), std::numeric_limits<U>::epsilon())) *
        (8.0 + static_cast<double>(counts_[i]) + static_cast<double>(other.count(j)));
    for_interest_sums(layout, [&](int s, int k) {
      const double before = static_cast<double>(row[s]);
      const double left =
          before - static_cast<double>(other.sums(other_layout, j)[other_sum(layout, other_layout, s)]) *
                       layout.grid.shift(k, theirs, last);
      row[s] = counts_[i] == 0 || std::abs(left) <= noise * std::abs(before) ? T{0} : flushed(left);
    });
  }

  /// Sets entry i's last and first use, moving its sums to the new last use.
  void set_times(const entry_layout& layout, std::size_t i, ticks first, ticks last) {
    ticks* const when = times_at(layout, i);
    if (when[0] != no_time && last != no_time && when[0] != last) rebase(layout, sums_at(layout, i), when[0], last);
    when[0] = last;
    if (layout.first_use) when[layout.first_time()] = first;
  }

  /// Removes every entry for which drop(position) holds; the order of the others stays.
  template <class Predicate>
  std::size_t erase_if(const entry_layout& layout, Predicate drop) {
    const auto sums_width = static_cast<std::ptrdiff_t>(layout.sums());
    const auto times_width = static_cast<std::ptrdiff_t>(layout.times());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (drop(i)) continue;
      if (kept != i) {
        const auto from = static_cast<std::ptrdiff_t>(i);
        const auto to = static_cast<std::ptrdiff_t>(kept);
        items_[kept] = items_[i];
        counts_[kept] = counts_[i];
        std::copy_n(sums_.begin() + from * sums_width, sums_width, sums_.begin() + to * sums_width);
        std::copy_n(times_.begin() + from * times_width, times_width, times_.begin() + to * times_width);
      }
      ++kept;
    }
    const std::size_t dropped = items_.size() - kept;
    if (dropped == 0) return 0;
    items_.resize(kept);
    counts_.resize(kept);
    sums_.resize(kept * static_cast<std::size_t>(layout.sums()));
    times_.resize(kept * static_cast<std::size_t>(layout.times()));
    slots_.clear();
    if (items_.size() > scan_limit) insert_slot(items_.size() - 1);
    return dropped;
  }

  /// Puts back a row that was written out before (a snapshot's), values as they were.
  void restore(const entry_layout& layout, std::uint32_t item, std::uint32_t count, const T* sums, const ticks* times) {
    const std::size_t i = find_or_add(layout, item);
    counts_[i] = count;
    std::copy_n(sums, layout.sums(), sums_at(layout, i));
    std::copy_n(times, layout.times(), times_at(layout, i));
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return items_.capacity() * sizeof(std::uint32_t) + counts_.capacity() * sizeof(std::uint32_t) +
           sums_.capacity() * sizeof(T) + times_.capacity() * sizeof(ticks) + slots_.capacity() * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::size_t scan_limit =
      64;  // a scan of 64 adjacent integers is faster than a probe and needs no memory

  [[nodiscard]] static std::size_t hash(std::uint32_t item) noexcept {
    return static_cast<std::size_t>((item * std::uint64_t{0x9e3779b97f4a7c15}) >> 32);
  }

  [[nodiscard]] T* sums_at(const entry_layout& layout, std::size_t i) noexcept {
    return sums_.data() + i * static_cast<std::size_t>(layout.sums());
  }
  [[nodiscard]] ticks* times_at(const entry_layout& layout, std::size_t i) noexcept {
    return times_.data() + i * static_cast<std::size_t>(layout.times());
  }

  [[nodiscard]] double rounding(std::size_t i) const noexcept {
    return static_cast<double>(std::numeric_limits<T>::epsilon()) * (8.0 + 2.0 * static_cast<double>(counts_[i]));
  }

  /// Where sum s of this layout stands in a row of another layout with the same interest lanes.
  [[nodiscard]] static int other_sum(const entry_layout& layout, const entry_layout& other, int s) noexcept {
    return s < layout.lanes ? s : s - layout.lanes - (layout.dislike ? 1 : 0) + other.lanes + (other.dislike ? 1 : 0);
  }

  template <class Function>
  static void for_interest_sums(const entry_layout& layout, Function&& function) {
    for (int k = 0; k < layout.lanes; ++k) function(k, k);
    for (int r = 0; r < static_cast<int>(layout.rhythms.size()); ++r) {
      const int k = layout.rhythms[static_cast<std::size_t>(r)].lane;
      function(layout.rhythm_sum(r), k);
      function(layout.rhythm_sum(r) + 1, k);
    }
  }

  /// A denormal carries no information the newest event has not drowned and slows every later operation: it becomes zero.
  [[nodiscard]] static T flushed(double value) noexcept {
    return std::abs(value) < static_cast<double>(std::numeric_limits<T>::min()) ? T{0} : static_cast<T>(value);
  }

  static void rebase(const entry_layout& layout, T* row, ticks from, ticks to) {
    for_interest_sums(layout, [&](int s, int k) {
      const std::int64_t steps = layout.grid.index(k, from) - layout.grid.index(k, to);
      if (steps <= 0) {
        row[s] = flushed(static_cast<double>(row[s]) * power_of_two(steps));
      } else if (row[s] != T{0}) {  // only a retraction moves an anchor back
        row[s] = static_cast<T>(
            std::ldexp(static_cast<double>(row[s]), static_cast<int>(std::min<std::int64_t>(steps, 4096))));
        if (!std::isfinite(row[s])) row[s] = T{0};  // a residue that large is noise left by what was taken back
      }
    });
  }

  static void insert_recent(const entry_layout& layout, ticks* when, ticks t) {
    ticks* const end = when + layout.recent;
    ticks* const at = std::upper_bound(when, end, t, std::greater<>{});
    if (at == end) return;
    std::move_backward(at, end - 1, end);
    *at = t;
  }

  void grow(const entry_layout& layout) {
    // A quarter more at a time: doubling would leave half of a large store's memory unused.
    const std::size_t room = items_.size() + items_.size() / 4 + 4;
    items_.reserve(room);
    counts_.reserve(room);
    sums_.reserve(room * static_cast<std::size_t>(layout.sums()));
    times_.reserve(room * static_cast<std::size_t>(layout.times()));
  }

  void insert_slot(std::size_t i) {
    if (slots_.size() * 4 < (items_.size() + 1) * 5) {
      std::size_t room = 128;
      while (room * 4 < (items_.size() + 1) * 5) room *= 2;
      slots_.assign(room, 0);
      for (std::size_t j = 0; j < items_.size(); ++j) place(j);
    } else {
      place(i);
    }
  }

  void place(std::size_t i) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t s = hash(items_[i]) & mask;
    while (slots_[s] != 0) s = (s + 1) & mask;
    slots_[s] = static_cast<std::uint32_t>(i + 1);
  }

  std::vector<std::uint32_t> items_;
  std::vector<std::uint32_t> counts_;
  std::vector<T> sums_;
  std::vector<ticks> times_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ENTRY_TABLE_HPP
