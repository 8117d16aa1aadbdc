// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BEST_ENTRIES_HPP
#define EBB_DETAIL_BEST_ENTRIES_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/interest_bounds.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/vector_level.hpp"

namespace ebb::detail {

/// The place of the first of `bounds` that is at least `least`, from `from` on; n if there is none.
inline EBB_LEVEL_INLINE std::size_t next_at_least(const float* bounds, std::size_t from, std::size_t n, float least) {
  constexpr std::size_t group = 64;
  for (; from + group <= n; from += group) {
    std::int32_t any = 0;
    for (std::size_t j = 0; j < group; ++j) any |= bounds[from + j] >= least ? 1 : 0;
    if (any != 0) break;
  }
  while (from < n && !(bounds[from] >= least)) ++from;
  return from;
}

/// A number that k of n <= bounds and few more reach.
inline EBB_LEVEL_INLINE float reached_by(const float* bounds, std::size_t n, std::size_t k) {
  const auto wanted = static_cast<std::int32_t>(k);
  const auto enough = static_cast<std::int32_t>(k + k / 4 + 1);
  const auto count = [&](std::int32_t bits) EBB_LEVEL_INLINE {
    const auto least = std::bit_cast<float>(bits);
    std::int32_t reached = 0;
    for (std::size_t i = 0; i < n; ++i) reached += bounds[i] >= least ? 1 : 0;
    return reached;
  };
  std::int32_t highest = 0;  // numbers from zero on are ordered as their bits are
  for (std::size_t i = 0; i < n; ++i) highest = std::max(highest, std::bit_cast<std::int32_t>(bounds[i]));
  std::int32_t low = highest;
  std::int32_t high = highest;
  std::int32_t reached = 1;
  for (std::int32_t step = 1 << 22; reached < wanted && low > 0; step *= 2) {
    high = low;
    low = low > step ? low - step : 0;
    reached = count(low);
  }
  for (int rounds = 0; rounds < 12 && reached > enough && high - low > 1; ++rounds) {
    const std::int32_t middle = low + (high - low) / 2;
    const std::int32_t here = count(middle);
    if (here >= wanted) {
      low = middle;
      reached = here;
    } else {
      high = middle;
    }
  }
  return std::bit_cast<float>(low);
}

/// The `k` entries with events that rank highest, in order.
///
/// Of many entries most are told by an upper bound: with the k best so far at hand, what cannot reach the least of them is not read exactly.
/// Where that is far above underflow, that is.
template <std::floating_point T, class Lanes>
class best_entries {
 public:
  /// `newest`: the user's newest event, not before any entry's.
  best_entries(const entry_layout& layout, Lanes lanes, const entry_table<T>& entries, std::size_t k,
               const read_plan& plan, std::vector<scored_entry>& best)
      : layout_(layout), lanes_(lanes), entries_(entries), plan_(plan), k_(k), best_(best) {
    best.clear();
    best.reserve(std::min(k, entries.size()));
  }

  void find(lane_grid::ticks newest, vector_level level = widest_level()) {
    constexpr std::size_t worth_bounds = 32;
    const std::size_t n = entries_.size();
    if (k_ == 0) return;
    if (n >= worth_bounds && k_ < n / 2) {
      find_by_bounds(newest, level);
    } else {
      for (std::size_t i = n; i > 0; --i) consider(i - 1);
    }
    std::sort(best_.begin(), best_.end());
  }

 private:
  static constexpr std::size_t chunk = 1024;

  void find_by_bounds(lane_grid::ticks newest, vector_level level) {
    interest_bounds<T, Lanes> bounds_of(layout_.grid, lanes_, plan_, newest, level);
    const double scale = std::ldexp(1 - 1e-5, -bounds_of.exponent());
    const std::size_t n = entries_.size();
    const auto sums_apart = static_cast<std::size_t>(layout_.sums());
    const auto times_apart = static_cast<std::size_t>(layout_.times());
    const bound_rows<T> rows{
        entries_.sums(layout_, 0), sums_apart, entries_.times(layout_, 0), times_apart, n, n * sums_apart};
    float bounds[chunk];
    // From the last entries: what was met late is likelier to be of interest now.
    for (std::size_t end = n; end > 0;) {
      const std::size_t begin = (end - 1) / chunk * chunk;
      const std::size_t m = end - begin;
      bound_rows<T> part = rows.from(begin);
      part.count = m;
      bounds_of(part, bounds);
      if (best_.size() < k_) {
        const float likely =
            run_at(level, [&](auto) EBB_LEVEL_INLINE { return reached_by(bounds, m, std::min(m, k_ - best_.size())); });
        visit(bounds, begin, m, level, [&] { return likely; });
      }
      visit(bounds, begin, m, level, [&] { return reachable(scale); });
      end = begin;
    }
  }

  /// A bound below this cannot be among the k best.
  [[nodiscard]] float reachable(double scale) const noexcept {
    if (best_.size() < k_) return 0;
    const double least = best_.front().value * scale;
    return best_.front().value > 0 && least >= 0x1p-60 ? static_cast<float>(std::min(least, 0x1p127)) : 0.0F;
  }

  /// Considers, once, the entries whose bound is at least `least()`.
  template <class Least>
  void visit(float* bounds, std::size_t begin, std::size_t n, vector_level level, Least least) {
    constexpr float done = -1;
    std::size_t i = 0;
    while (true) {
      const float now_least = least();
      i = run_at(level, [&](auto) EBB_LEVEL_INLINE { return next_at_least(bounds, i, n, now_least); });
      if (i == n) return;
      bounds[i] = done;
      consider(begin + i);
    }
  }

  void consider(std::size_t i) {
    if (entries_.count(i) == 0) return;
    const scored_entry s =
        score_entry(layout_, lanes_, entries_.sums(layout_, i), entries_.times(layout_, i)[0], i, plan_);
    if (best_.size() < k_) {
      best_.push_back(s);
      if (best_.size() == k_) std::make_heap(best_.begin(), best_.end());  // the least on top
      return;
    }
    if (!(s < best_.front())) return;
    std::pop_heap(best_.begin(), best_.end());
    best_.back() = s;
    std::push_heap(best_.begin(), best_.end());
  }

  const entry_layout& layout_;
  Lanes lanes_;
  const entry_table<T>& entries_;
  const read_plan& plan_;
  std::size_t k_;
  std::vector<scored_entry>& best_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BEST_ENTRIES_HPP
