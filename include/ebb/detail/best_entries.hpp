// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BEST_ENTRIES_HPP
#define EBB_DETAIL_BEST_ENTRIES_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "ebb/detail/entry_groups.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/group_bounds.hpp"
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
/// Where that is far above underflow, that is. Of very many, most are told by the bound of their group.
template <std::floating_point T, class Lanes>
class best_entries {
 public:
  best_entries(const entry_layout& layout, Lanes lanes, const entry_table<T>& entries, std::size_t k,
               const read_plan& plan, std::vector<scored_entry>& best)
      : layout_(layout),
        lanes_(lanes),
        entries_(entries),
        plan_(plan),
        k_(std::min(k, entries.size())),
        rows_{entries.size() > 0 ? entries.sums(layout, 0) : nullptr,
              static_cast<std::size_t>(layout.sums()),
              entries.size() > 0 ? entries.times(layout, 0) : nullptr,
              static_cast<std::size_t>(layout.times()),
              entries.size(),
              entries.size() * static_cast<std::size_t>(layout.sums())},
        best_(best) {}

  /// `newest`: the user's newest event, not before any entry's.
  void find(lane_grid::ticks newest, processor_level level = widest_level()) {
    constexpr std::size_t worth_bounds = 32;
    const std::size_t n = entries_.size();
    best_.resize(k_ < n / 2 ? 2 * k_ + 16 : n);
    if (k_ == 0) return best_.clear();
    if (n >= worth_bounds && k_ < n / 2) {
      bounds_type bounds_of(layout_.grid, lanes_, plan_, newest, level);
      scale_ = std::ldexp(1 - 1e-5, -bounds_of.exponent());
      const bool is_found = entries_.has_groups() && k_ * entry_group < n / 2 && find_by_groups(bounds_of, level);
      if (!is_found) find_by_bounds(bounds_of, level);
    } else {
      for (std::size_t i = 0; i < n; ++i) consider(i);
    }
    keep_best();
    best_.resize(found_);
  }

 private:
  using bounds_type = interest_bounds<T, Lanes>;
  static constexpr std::size_t most_at_once = 8192;
  static constexpr std::size_t groups_at_once = 32;
  static constexpr float done = -1;

  /// Bounds on the stack if there are few.
  struct bounds_memory {
    float few[1024];
    std::unique_ptr<float[]> many;
    float* all;

    explicit bounds_memory(std::size_t n) : all(few) {
      const std::size_t room = padded(n);
      if (room <= std::size(few)) return;
      many = std::make_unique_for_overwrite<float[]>(room);
      all = many.get();
    }
    /// Whole groups of bounds.
    static std::size_t padded(std::size_t n) { return (n + bound_group - 1) / bound_group * bound_group; }
  };

  void find_by_bounds(bounds_type& bounds_of, processor_level level) {
    found_ = 0;
    least_ = 0;
    const std::size_t n = entries_.size();
    const std::size_t chunk = std::min(n, most_at_once);
    const bounds_memory memory(chunk);
    // The last entries first: what was met late is likelier to be of interest now. Then the others in order.
    std::size_t begin = n - chunk;
    std::size_t end = n;
    while (begin < end) {
      bound_rows<T> part = rows_.from(begin);
      part.count = end - begin;
      bounds_of(part, memory.all);
      visit(memory.all, part.count, level, [&](std::size_t i) { return begin + i; });
      begin = end == n ? 0 : end;
      end = std::min(begin + chunk, n - chunk);
    }
  }

  /// False, and nothing found, where the best are too near to nothing for bounds to tell them apart.
  [[nodiscard]] bool find_by_groups(const bounds_type& bounds_of, processor_level level) {
    const std::size_t groups = (entries_.size() + entry_group - 1) / entry_group;
    const std::size_t computed = (groups + groups_step - 1) / groups_step * groups_step;
    const bounds_memory memory(computed);
    const group_bounds<Lanes> bounds_of_groups(layout_.grid, lanes_, plan_, bounds_of.exponent());
    float likely = 0;
    call_at(level, [&](auto of_level) EBB_ALWAYS_INLINE {
      bounds_of_groups(of_level, entries_.keys(), computed, memory.all);
      std::fill(memory.all + groups, memory.all + memory.padded(groups), done);
      likely = reached_by(memory.all, groups, k_);
    });
    if (!(likely > 0)) return false;
    std::uint32_t words[bound_group / 32];
    std::uint32_t some[groups_at_once];
    for (int round = 0; round < 2; ++round) {
      std::size_t taken = 0;
      const std::size_t all = memory.padded(groups) / bound_group;
      for (std::size_t at = 0;; ++at) {
        const float least = round == 0 ? likely : least_;
        call_at(level, [&](auto) EBB_ALWAYS_INLINE { at = next_group(memory.all, at, all, least, words); });
        if (at == all) break;
        for_each_of(words, [&](std::size_t j) {
          const std::size_t group = at * bound_group + j;
          if (memory.all[group] < least_) return;
          memory.all[group] = done;
          some[taken++] = static_cast<std::uint32_t>(group);
          if (taken < groups_at_once) return;
          visit_groups(bounds_of, level, some, taken);
          taken = 0;
        });
      }
      if (taken > 0) visit_groups(bounds_of, level, some, taken);
      if (!(least_ > 0)) return false;
    }
    return true;
  }

  void visit_groups(const bounds_type& bounds_of, processor_level level, const std::uint32_t* groups, std::size_t n) {
    float bounds[groups_at_once * entry_group];
    std::uint32_t positions[groups_at_once];
    for (std::size_t g = 0; g < n; ++g)
      positions[g] = static_cast<std::uint32_t>(std::min(groups[g] * entry_group, entries_.size() - entry_group));
    call_at(level,
            [&](auto of_level) EBB_ALWAYS_INLINE { bounds_of.of_groups(of_level, rows_, positions, n, bounds); });
    for (std::size_t g = 0; g < n; ++g)  // the last group may be filled up with entries of the one before
      for (std::size_t j = 0; positions[g] + j < groups[g] * entry_group; ++j) bounds[g * entry_group + j] = done;
    std::fill(bounds + n * entry_group, bounds + bounds_memory::padded(n * entry_group), done);
    visit(bounds, n * entry_group, level, [&](std::size_t i) { return positions[i / entry_group] + i % entry_group; });
  }

  template <class Function>
  static void for_each_of(const std::uint32_t* words, Function f) {
    for (std::size_t w = 0; w < bound_group / 32; ++w)
      for (std::uint32_t word = words[w]; word != 0; word &= word - 1)
        f(32 * w + static_cast<std::size_t>(std::countr_zero(word)));
  }

  /// Considers all of n entries that can still be among the best; bounds after the last are `done`.
  template <class PositionOf>
  void visit(float* bounds, std::size_t n, processor_level level, PositionOf position_of) {
    const std::size_t groups = bounds_memory::padded(n) / bound_group;
    std::fill(bounds + n, bounds + groups * bound_group, done);
    if (found_ < k_) {
      float likely = 0;
      const std::size_t wanted = std::min(n, k_ - found_);
      call_at(level, [&](auto) EBB_ALWAYS_INLINE { likely = reached_by(bounds, n, wanted); });
      visit(bounds, groups, level, likely, position_of);
      if (found_ >= k_) keep_best();
    }
    visit(bounds, groups, level, 0, position_of);
  }

  template <class PositionOf>
  void visit(float* bounds, std::size_t groups, processor_level level, float likely, PositionOf position_of) {
    std::uint32_t words[bound_group / 32];
    for (std::size_t group = 0;; ++group) {
      const float least = std::max(likely, least_);
      call_at(level, [&](auto) EBB_ALWAYS_INLINE { group = next_group(bounds, group, groups, least, words); });
      if (group == groups) return;
      for_each_of(words, [&](std::size_t j) {
        const std::size_t i = group * bound_group + j;
        if (bounds[i] < least_) return;
        bounds[i] = done;
        consider(position_of(i));
      });
    }
  }

  void consider(std::size_t i) {
    if (entries_.count(i) == 0) return;
    score_entry(layout_, lanes_, entries_.sums(layout_, i), entries_.times(layout_, i)[0], i, plan_, best_[found_]);
    if (++found_ == best_.size() && found_ > k_) keep_best();
  }

  /// Puts the k best of those found in order and drops the others.
  void keep_best() {
    const auto begin = best_.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(found_);
    const auto kept = begin + static_cast<std::ptrdiff_t>(std::min(found_, k_));
    if (found_ > 2 * k_)
      std::partial_sort(begin, kept, end);
    else
      std::sort(begin, end);
    if (found_ < k_) return;
    found_ = k_;
    const scored_entry& last = *(kept - 1);
    const double least = last.value * scale_;
    least_ = last.value > 0 && least >= 0x1p-60 ? static_cast<float>(std::min(least, 0x1p127)) : 0.0F;
  }

  const entry_layout& layout_;
  Lanes lanes_;
  const entry_table<T>& entries_;
  const read_plan& plan_;
  std::size_t k_;
  bound_rows<T> rows_;
  std::vector<scored_entry>& best_;  // the first found_ of them
  std::size_t found_ = 0;
  float least_ = 0;  // a bound below this cannot be among the k best
  double scale_ = 0;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BEST_ENTRIES_HPP
