// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BEST_ENTRIES_HPP
#define EBB_DETAIL_BEST_ENTRIES_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/lane_read.hpp"

namespace ebb::detail {

/// An upper bound of an entry's interest: what it would be were its newest event a little later, at one of a few ages.
///
/// The factors of the lanes at these ages, an eighth apart at most, stand in a table whose rows are filled as they are asked for. A lane's factor
/// changes only from cell to cell, so slow lanes are exact.
template <std::floating_point T, class Lanes>
class interest_bounds {
 public:
  interest_bounds(const lane_grid& grid, Lanes lanes, const read_plan& plan, lane_grid::ticks now)
      : grid_(grid),
        lanes_(lanes),
        plan_(plan),
        now_(now),
        factors_(std::make_unique_for_overwrite<T[]>(ages * static_cast<std::size_t>(lanes))) {}

  /// `last`: of an entry's newest event, not after now.
  [[nodiscard]] T operator()(const T* sums, lane_grid::ticks last) noexcept {
    const T* const factors = row_of(static_cast<std::uint64_t>(now_) - static_cast<std::uint64_t>(last));
    return column(sums, lanes_).dot(column(factors, lanes_));
  }

 private:
  template <int N>
  [[nodiscard]] static auto column(const T* values, std::integral_constant<int, N>) noexcept {
    return Eigen::Map<const Eigen::Matrix<T, N, 1>>(values);
  }
  [[nodiscard]] static auto column(const T* values, int n) noexcept {
    return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(values, n);
  }

  static constexpr std::size_t ages = 512;  // eight for each power of two

  [[nodiscard]] const T* row_of(std::uint64_t age) noexcept {
    const std::uint64_t at_least = age | 8;
    const int power = 63 - std::countl_zero(at_least);
    const std::uint64_t eighths = at_least >> (power - 3);  // 8 to 15
    const std::size_t row = static_cast<std::size_t>(power) * 8 + (eighths & 7);
    T* const factors = factors_.get() + row * static_cast<std::size_t>(lanes_);
    if (!filled_[row]) {
      fill(factors, age < 16 ? 0 : eighths << (power - 3));
      filled_[row] = true;
    }
    return factors;
  }

  void fill(T* factors, std::uint64_t youngest) const noexcept {
    constexpr double above_rounding = std::same_as<T, float> ? 1 + 1e-5 : 1 + 1e-12;
    constexpr double least = std::same_as<T, float> ? 0x1p-64 : 0x1p-500;  // far from what is slow to multiply by
    const auto last = static_cast<lane_grid::ticks>(static_cast<std::uint64_t>(now_) - youngest);
    for (int k = 0; k < lanes_; ++k) {
      const double factor = plan_.weights[k] * power_of_two(grid_.index(k, last) - plan_.cells[k]);
      factors[k] = static_cast<T>(std::max(factor * above_rounding, least));
    }
  }

  const lane_grid& grid_;
  Lanes lanes_;
  const read_plan& plan_;
  lane_grid::ticks now_;
  std::array<bool, ages> filled_{};
  std::unique_ptr<T[]>
      factors_;  // (ages, lanes), each row uninitialised until it is filled; too large for a thread's stack
};

/// The `k` entries with events that rank highest, in order.
///
/// Of many entries most are told by an upper bound: with the k best so far at hand, what cannot reach the least of them is not read exactly.
/// Where that is far above underflow, that is.
template <std::floating_point T, class Lanes>
void best_entries(const entry_layout& layout, Lanes lanes, const entry_table<T>& entries, std::size_t k,
                  lane_grid::ticks now, const read_plan& plan, std::vector<scored_entry>& best) {
  constexpr std::size_t worth_a_table = 128;
  constexpr double least_bound = std::same_as<T, float> ? 0x1p-90 : far_above_underflow;
  const std::size_t n = entries.size();
  const auto score = [&](std::size_t i) {
    return score_entry(layout, lanes, entries.sums(layout, i), entries.times(layout, i)[0], i, plan);
  };
  best.clear();
  if (k == 0) return;
  best.reserve(std::min(k, n));
  std::size_t i = n;  // from the last: items met late are likelier to be of interest now
  for (; i > 0 && best.size() < k; --i)
    if (entries.count(i - 1) > 0) best.push_back(score(i - 1));
  std::make_heap(best.begin(), best.end());  // the least on top
  std::optional<interest_bounds<T, Lanes>> bounds;
  if (n >= worth_a_table) bounds.emplace(layout.grid, lanes, plan, now);
  const T* const sums = entries.sums(layout, 0);
  const lane_grid::ticks* const times = entries.times(layout, 0);
  const auto sums_of_one = static_cast<std::size_t>(layout.sums());
  const auto times_of_one = static_cast<std::size_t>(layout.times());
  double least = best.empty() ? 0.0 : best.front().value;
  while (i > 0) {
    --i;
    if (bounds && least >= least_bound &&
        static_cast<double>((*bounds)(sums + i * sums_of_one, times[i * times_of_one])) < least)
      continue;
    if (entries.count(i) == 0) continue;
    const scored_entry s = score(i);
    if (!(s < best.front())) continue;
    std::pop_heap(best.begin(), best.end());
    best.back() = s;
    std::push_heap(best.begin(), best.end());
    least = best.front().value;
  }
  std::sort_heap(best.begin(), best.end());
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BEST_ENTRIES_HPP
