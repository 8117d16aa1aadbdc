// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BEST_ENTRIES_HPP
#define EBB_DETAIL_BEST_ENTRIES_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/interest_bounds.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/simd_levels.hpp"

namespace ebb::detail {

/// Bounds are looked through so many at a time.
inline constexpr std::size_t bound_group = 128;

/// The next of `groups` groups with a bound not below `least`, from `group` on: bit j of words[w] says whether its number 32 w + j is.
EBB_INLINE std::size_t next_group(const float* bounds, std::size_t group, std::size_t groups, float least,
                                  std::uint32_t* words) {
  for (; group < groups; ++group) {
    const float* const of_group = bounds + group * bound_group;
    std::int32_t any = 0;
    for (std::size_t j = 0; j < bound_group; ++j)
      any |= of_group[j] < least ? 0 : 1;  // so that what is no number is read
    if (any != 0) break;
  }
  if (group == groups) return group;
  for (std::size_t w = 0; w < bound_group / 32; ++w) {
    std::uint32_t word = 0;
    for (std::uint32_t j = 0; j < 32; ++j)
      word |= bounds[group * bound_group + 32 * w + j] < least ? 0U : std::uint32_t{1} << j;
    words[w] = word;
  }
  return group;
}

/// A number that at least k and mostly few more of n bounds >= 0 reach; k <= n.
///
/// The numbers that reach it are counted for the highest of each of several parts only, if those are many for k.
EBB_INLINE float reached_by(const float* bounds, std::size_t n, std::size_t k) {
  constexpr std::size_t parts = 128;
  float highest_of[parts];
  if (n > parts && k <= parts / 4) {
    for (std::size_t j = 0; j < parts; ++j) highest_of[j] = bounds[j];
    std::size_t i = parts;
    for (; i + parts <= n; i += parts)
      for (std::size_t j = 0; j < parts; ++j)
        highest_of[j] = bounds[i + j] > highest_of[j] ? bounds[i + j] : highest_of[j];
    for (std::size_t j = 0; i + j < n; ++j)
      highest_of[j] = bounds[i + j] > highest_of[j] ? bounds[i + j] : highest_of[j];
    bounds = highest_of;
    n = parts;
  }
  const auto wanted = static_cast<std::int32_t>(k);
  const auto enough = static_cast<std::int32_t>(k + k / 4);
  const auto count = [&](std::int32_t bits) EBB_ALWAYS_INLINE {
    const auto least = std::bit_cast<float>(bits);
    std::int32_t reached = 0;
    for (std::size_t i = 0; i < n; ++i) reached += bounds[i] >= least ? 1 : 0;
    return reached;
  };
  std::int32_t low = 0;  // numbers from zero on are ordered as their bits are
  for (std::size_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<std::int32_t>(bounds[i]);
    low = bits > low ? bits : low;
  }
  std::int32_t high = low;
  std::int32_t reached = 0;
  for (std::int64_t step = 1 << 22; reached < wanted && low > 0; step *= 2) {
    high = low;
    low = static_cast<std::int32_t>(std::max<std::int64_t>(low - step, 0));
    reached = count(low);
  }
  for (int rounds = 0; rounds < 10 && reached > enough && high - low > 1; ++rounds) {
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
  best_entries(const entry_layout& layout, Lanes lanes, const entry_table<T>& entries, std::size_t k,
               const read_plan& plan, std::vector<scored_entry>& best)
      : layout_(layout), lanes_(lanes), entries_(entries), plan_(plan), k_(k), best_(best) {
    best.clear();
    best.reserve(std::min(k, entries.size()));
  }

  /// `newest`: the user's newest event, not before any entry's.
  void find(lane_grid::ticks newest, processor_level level = widest_level()) {
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
  static constexpr std::size_t most_at_once = 8192;
  static constexpr float done = -1;

  void find_by_bounds(lane_grid::ticks newest, processor_level level) {
    interest_bounds<T, Lanes> bounds_of(layout_.grid, lanes_, plan_, newest, level);
    const double scale = std::ldexp(1 - 1e-5, -bounds_of.exponent());
    const std::size_t n = entries_.size();
    const std::size_t sums_apart = entries_.sums_apart(layout_);
    const std::size_t readable = (n - 1) * sums_apart + static_cast<std::size_t>(layout_.sums());
    const bound_rows<T> rows{entries_.sums(layout_, 0),     sums_apart, entries_.times(layout_, 0),
                             entries_.times_apart(layout_), n,          readable};
    const std::size_t chunk = std::min(n, most_at_once);
    bounds_ = std::make_unique_for_overwrite<float[]>((chunk + bound_group - 1) / bound_group * bound_group);
    // The last entries first: what was met late is likelier to be of interest now. Then the others in order.
    std::size_t begin = n - chunk;
    std::size_t end = n;
    while (begin < end) {
      bound_rows<T> part = rows.from(begin);
      part.count = end - begin;
      bounds_of(part, bounds_.get());
      const std::size_t groups = (part.count + bound_group - 1) / bound_group;
      std::fill(bounds_.get() + part.count, bounds_.get() + groups * bound_group, done);
      if (best_.size() < k_) {
        float likely = 0;
        const std::size_t wanted = std::min(part.count, k_ - best_.size());
        call_at(level, [&](auto) EBB_ALWAYS_INLINE { likely = reached_by(bounds_.get(), part.count, wanted); });
        visit(begin, groups, level, likely, scale);
      }
      visit(begin, groups, level, 0, scale);
      begin = end == n ? 0 : end;
      end = std::min(begin + chunk, n - chunk);
    }
  }

  /// A bound below this cannot be among the k best.
  [[nodiscard]] float reachable(double scale) const noexcept {
    if (best_.size() < k_) return 0;
    const double least = best_.front().value * scale;
    return best_.front().value > 0 && least >= 0x1p-60 ? static_cast<float>(std::min(least, 0x1p127)) : 0.0F;
  }

  /// Considers, once, the entries of a chunk whose bound is at least `likely` and what can still be reached.
  void visit(std::size_t begin, std::size_t groups, processor_level level, float likely, double scale) {
    std::uint32_t words[bound_group / 32];
    float least = std::max(likely, reachable(scale));
    for (std::size_t group = 0;; ++group) {
      call_at(level, [&](auto) EBB_ALWAYS_INLINE { group = next_group(bounds_.get(), group, groups, least, words); });
      if (group == groups) return;
      for (std::size_t w = 0; w < bound_group / 32; ++w) {
        for (std::uint32_t word = words[w]; word != 0; word &= word - 1) {
          const std::size_t i = group * bound_group + 32 * w + static_cast<std::size_t>(std::countr_zero(word));
          if (bounds_[i] < least) continue;
          bounds_[i] = done;
          consider(begin + i);
          least = std::max(likely, reachable(scale));
        }
      }
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
  std::unique_ptr<float[]> bounds_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BEST_ENTRIES_HPP
