// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BEST_ENTRIES_HPP
#define EBB_DETAIL_BEST_ENTRIES_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "ebb/detail/bound_selection.hpp"
#include "ebb/detail/entry_groups.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/group_bounds.hpp"
#include "ebb/detail/interest_bounds.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/simd_levels.hpp"

namespace ebb::detail {

/// Room for n things, on the stack if they are few; what is in it is not initialised.
template <class T, std::size_t Few>
class scratch {
 public:
  explicit scratch(std::size_t n) : many_(n > Few ? std::make_unique_for_overwrite<T[]>(n) : nullptr) {}
  [[nodiscard]] T* data() noexcept { return many_ ? many_.get() : few_; }

 private:
  std::unique_ptr<T[]> many_;
  T few_[Few];
};

/// The `k` entries with events that rank highest, in order.
///
/// Of many entries most are told by an upper bound: with the k best so far at hand, what cannot reach the least of them is not read exactly.
/// Where that is far above underflow, that is. Of very many, most are told by the bound of their group.
template <std::floating_point T, class Lanes>
class best_entries {
 public:
  best_entries(const entry_layout& layout, Lanes lanes, const entry_table<T>& entries, std::size_t k,
               const read_plan& plan)
      : layout_(layout),
        lanes_(lanes),
        entries_(entries),
        plan_(plan),
        k_(std::min(k, entries.size())),
        room_(k_ < entries.size() / 2 ? 2 * k_ + 16 : entries.size()),
        best_(room_) {}

  /// `newest`: the user's newest event, not before any entry's. What is found lasts as long as this.
  [[nodiscard]] std::span<const scored_entry> find(lane_grid::ticks newest, processor_level level = widest_level()) {
    constexpr std::size_t worth_bounds = 32;
    const std::size_t n = entries_.size();
    if (k_ == 0) return {};
    if (n >= worth_bounds && k_ < n / 2) {
      bounds_type bounds_of(layout_.grid, lanes_, plan_, newest, level);
      scale_ = std::ldexp(1 - 1e-5, -bounds_of.exponent());
      const bool is_found = entries_.has_groups() && k_ * entries_.group() < n / 2 && find_by_groups(bounds_of, level);
      if (!is_found) find_by_bounds(bounds_of, level);
    } else {
      for (std::size_t i = 0; i < n; ++i) consider(i);
    }
    keep_best();
    return {best_.data(), found_};
  }

 private:
  using bounds_type = interest_bounds<T, Lanes>;
  static constexpr std::size_t most_at_once = 8192;
  static constexpr std::size_t blocks_at_once = 64;
  static constexpr std::size_t most_blocks = group_size(static_cast<std::size_t>(-1)) / entry_block;  // of a group
  static constexpr float done = -1;
  static constexpr float none = std::numeric_limits<float>::infinity();  // as a bound to be reached

  [[nodiscard]] bound_rows<T> rows() const noexcept {
    const std::size_t n = entries_.size();
    const std::size_t apart = entries_.sums_apart(layout_);
    const std::size_t readable = (n - 1) * apart + static_cast<std::size_t>(layout_.sums());
    return {entries_.sums(layout_, 0), apart, entries_.times(layout_, 0), entries_.times_apart(layout_), n, readable};
  }

  /// Places of n bounds in whole groups; those after the last are `done`.
  [[nodiscard]] EBB_INLINE static constexpr std::size_t padded(std::size_t n) {
    return (n + bound_group - 1) / bound_group * bound_group;
  }
  EBB_INLINE static void pad(float* bounds, std::size_t n) {
    for (std::size_t i = n; i < padded(n); ++i) bounds[i] = done;
  }

  void find_by_bounds(bounds_type& bounds_of, processor_level level) {
    found_ = 0;
    least_ = 0;
    const std::size_t n = entries_.size();
    if (bounds_type::has_table && n <= blocks_at_once * entry_block) {  // too few to be worth one
      std::uint32_t blocks[blocks_at_once];
      std::size_t taken = 0;
      for (std::size_t i = 0; i < n; i += entry_block) blocks[taken++] = static_cast<std::uint32_t>(i);
      return visit_blocks(bounds_of, level, blocks, taken);
    }
    const bound_rows<T> all = rows();
    const std::size_t chunk = std::min(n, most_at_once);
    scratch<float, 512> memory(padded(chunk));
    // The last entries first: what was met late is likelier to be of interest now. Then the others in order.
    std::size_t begin = n - chunk;
    std::size_t end = n;
    while (begin < end) {
      bound_rows<T> part = all.from(begin);
      part.count = end - begin;
      bounds_of(part, memory.data());
      visit(memory.data(), part.count, level, [&](std::size_t i) { return begin + i; });
      begin = end == n ? 0 : end;
      end = std::min(begin + chunk, n - chunk);
    }
  }

  /// False where groups tell too little: where the best are near to nothing, or most groups' bounds can reach them.
  [[nodiscard]] bool find_by_groups(const bounds_type& bounds_of, processor_level level) {
    const std::size_t groups = (entries_.size() + entries_.group() - 1) / entries_.group();
    const std::size_t computed = (groups + groups_step - 1) / groups_step * groups_step;
    scratch<float, 1024> memory(padded(computed));
    float* const bounds = memory.data();
    const group_bounds<Lanes> bounds_of_groups(layout_.grid, lanes_, plan_, bounds_of.exponent());
    call_at(level,
            [&](auto of_level) EBB_ALWAYS_INLINE { bounds_of_groups(of_level, entries_.keys(), computed, bounds); });
    pad(bounds, groups);
    const float likely = run_at<reached_by_kernel>(level, static_cast<const float*>(bounds), groups, k_);
    std::uint32_t blocks[blocks_at_once];
    std::size_t taken = 0;
    const auto take = [&](std::size_t group) {
      const std::size_t begin = group * entries_.group();
      const std::size_t end = std::min(begin + entries_.group(), entries_.size());
      for (std::size_t i = begin; i < end; i += entry_block) blocks[taken++] = static_cast<std::uint32_t>(i);
      if (taken + most_blocks <= blocks_at_once) return;
      visit_blocks(bounds_of, level, blocks, taken);
      taken = 0;
    };
    for_each_reaching(bounds, groups, level, likely > 0 ? likely : none, take);
    if (taken > 0) visit_blocks(bounds_of, level, blocks, taken);
    if (!(least_ > 0) ||
        run_at<count_reaching_kernel>(level, static_cast<const float*>(bounds), groups, least_) > groups / 3)
      return false;
    taken = 0;
    for_each_reaching(bounds, groups, level, 0, take);
    if (taken > 0) visit_blocks(bounds_of, level, blocks, taken);
    return true;
  }

  void visit_blocks(const bounds_type& bounds_of, processor_level level, const std::uint32_t* blocks, std::size_t n) {
    float bounds[padded(blocks_at_once * entry_block)];
    std::uint32_t positions[blocks_at_once];
    const auto last = static_cast<std::uint32_t>(entries_.size() - entry_block);
    for (std::size_t b = 0; b < n; ++b) positions[b] = std::min(blocks[b], last);
    const bound_rows<T> all = rows();
    call_at(level, [&](auto of_level) EBB_ALWAYS_INLINE { bounds_of.of_blocks(of_level, all, positions, n, bounds); });
    for (std::size_t b = 0; b < n; ++b)  // the last block is filled up with entries of the one before
      for (std::size_t j = 0; positions[b] + j < blocks[b]; ++j) bounds[b * entry_block + j] = done;
    visit(bounds, n * entry_block, level, [&](std::size_t i) { return positions[i / entry_block] + i % entry_block; });
  }

  /// Considers all of n entries with these bounds that can still be among the best.
  template <class PositionOf>
  void visit(float* bounds, std::size_t n, processor_level level, PositionOf position_of) {
    const auto consider_this = [&](std::size_t i) { consider(position_of(i)); };
    pad(bounds, n);
    if (found_ < k_) {
      const float likely =
          run_at<reached_by_kernel>(level, static_cast<const float*>(bounds), n, std::min(n, k_ - found_));
      for_each_reaching(bounds, n, level, likely, consider_this);
      if (found_ >= k_) keep_best();
      if (!(likely > 0)) return;
    }
    for_each_reaching(bounds, n, level, 0, consider_this);
    if (found_ >= k_) keep_best();
  }

  /// Calls f(number) once for each of n bounds that is at least `likely` and what can still be reached.
  template <class Function>
  void for_each_reaching(float* bounds, std::size_t n, processor_level level, float likely, Function f) {
    const std::size_t groups = padded(n) / bound_group;
    std::uint32_t words[bound_group / 32];
    std::size_t group = 0;
    while ((group = run_at<next_group_kernel>(level, static_cast<const float*>(bounds), group, groups,
                                              std::max(likely, least_), static_cast<std::uint32_t*>(words))) < groups) {
      for (std::size_t w = 0; w < bound_group / 32; ++w) {
        for (std::uint32_t word = words[w]; word != 0; word &= word - 1) {
          const std::size_t i = group * bound_group + 32 * w + static_cast<std::size_t>(std::countr_zero(word));
          if (bounds[i] < least_) continue;
          bounds[i] = done;
          f(i);
        }
      }
      ++group;
    }
  }

  void consider(std::size_t i) {
    if (entries_.count(i) == 0) return;
    score_entry(layout_, lanes_, entries_.sums(layout_, i), entries_.times(layout_, i)[0], i, plan_,
                best_.data()[found_]);
    ++found_;
    are_sorted_ = false;
    if (found_ == room_ && found_ > k_) keep_best();
  }

  /// Puts the k best of those found in order and drops the others.
  void keep_best() {
    if (are_sorted_) return;
    are_sorted_ = true;
    scored_entry* const begin = best_.data();
    scored_entry* const end = begin + found_;
    if (found_ > k_ + k_ / 2 + 16)
      std::partial_sort(begin, begin + k_, end);
    else
      std::sort(begin, end);
    if (found_ < k_) return;
    found_ = k_;
    const scored_entry& last = begin[k_ - 1];
    const double least = last.value * scale_;
    least_ = last.value > 0 && least >= 0x1p-60 ? static_cast<float>(std::min(least, 0x1p127)) : 0.0F;
  }

  const entry_layout& layout_;
  Lanes lanes_;
  const entry_table<T>& entries_;
  const read_plan& plan_;
  std::size_t k_;
  std::size_t room_;
  std::size_t found_ = 0;
  bool are_sorted_ = true;
  float least_ = 0;  // a bound below this cannot be among the k best
  double scale_ = 0;
  scratch<scored_entry, 48> best_;  // the first found_ of them
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BEST_ENTRIES_HPP
