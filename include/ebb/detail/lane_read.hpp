// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LANE_READ_HPP
#define EBB_DETAIL_LANE_READ_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/timescales.hpp"

namespace ebb::detail {

/// The K factors of one read at a moment, shared by all entries: what makes ranking n items K exponentials, not n·K.
struct read_plan {
  double weights[max_lanes];      // π_k · 2^(−(now − L_k)/h_k)
  std::int64_t cells[max_lanes];  // now's cell of lane k

  read_plan(const lane_grid& grid, const reading& how, lane_grid::ticks now) noexcept {
    with_lanes<0>(how.bank().size(), [&](auto lanes) {
      grid.locate(now, lanes, weights, cells);
      for (int k = 0; k < lanes; ++k) weights[k] = how.weights()[static_cast<std::size_t>(k)] / weights[k];
    });
  }
};

/// Σ_k π_k · (lane k decayed to now) of a row anchored at `last`.
template <std::floating_point T, class Lanes>
[[nodiscard]] double read_lanes(const lane_grid& grid, Lanes lanes, const T* sums, lane_grid::ticks last,
                                const read_plan& plan) noexcept {
  double decay[max_lanes];
  for (int k = 0; k < lanes; ++k) decay[k] = power_of_two(grid.index(k, last) - plan.cells[k]);
  double even = 0;  // two chains of additions: half the latency of one
  double odd = 0;
  int k = 0;
  for (; k + 1 < lanes; k += 2) {
    even += plan.weights[k] * static_cast<double>(sums[k]) * decay[k];
    odd += plan.weights[k + 1] * static_cast<double>(sums[k + 1]) * decay[k + 1];
  }
  if (k < lanes) even += plan.weights[k] * static_cast<double>(sums[k]) * decay[k];
  return even + odd;
}

/// log2 of the same, of any size: the sum is taken relative to its largest lane. −∞ for a row of zeros.
template <std::floating_point T>
[[nodiscard]] double read_log2(const lane_grid& grid, int lanes, const T* sums, lane_grid::ticks last,
                               const read_plan& plan) noexcept {
  constexpr double nothing = -std::numeric_limits<double>::infinity();
  double logs[max_lanes];
  double highest = nothing;
  for (int k = 0; k < lanes; ++k) {
    const double part = plan.weights[k] * static_cast<double>(sums[k]);
    logs[k] = part > 0 ? std::log2(part) + static_cast<double>(grid.index(k, last) - plan.cells[k]) : nothing;
    highest = std::max(highest, logs[k]);
  }
  if (highest == nothing) return highest;
  double sum = 0;
  for (int k = 0; k < lanes; ++k) sum += std::exp2(logs[k] - highest);
  return highest + std::log2(sum);
}

/// What `read_lanes` leaves out, the lanes decayed by more than 1022 half-lives, is below 2^-870 for sums up to 2^146; beside this it is nothing.
inline constexpr double far_above_underflow = 0x1p-800;

/// An entry's interest with all that its rank can depend on.
struct scored_entry {
  double value;  // interest where it is far above underflow, else 0: then it is less than any other's `value`
  double log2;   // set where value is 0
  lane_grid::ticks last;
  std::uint32_t position;

  /// Higher first; what is too old to differ in `value` comes as exact arithmetic would have it, ties by recency, then by age of entry.
  [[nodiscard]] friend bool operator<(const scored_entry& a, const scored_entry& b) noexcept {
    if (a.value != b.value) return a.value > b.value;
    return std::tuple(a.log2, a.last, b.position) > std::tuple(b.log2, b.last, a.position);
  }
};

[[nodiscard]] inline double interest_of(const scored_entry& s) noexcept {
  return s.value > 0 ? s.value : std::exp2(s.log2);
}

/// Written field by field: a copy of a whole one would wait for its parts.
template <std::floating_point T, class Lanes>
void score_entry(const entry_layout& layout, Lanes lanes, const T* sums, lane_grid::ticks last, std::size_t position,
                 const read_plan& plan, scored_entry& out) noexcept {
  const double value = read_lanes(layout.grid, lanes, sums, last, plan);
  const bool is_plain = value >= far_above_underflow;
  out.value = is_plain ? value : 0.0;
  out.log2 = is_plain ? 0.0 : read_log2(layout.grid, lanes, sums, last, plan);
  out.last = last;
  out.position = static_cast<std::uint32_t>(position);
}

template <std::floating_point T, class Lanes>
[[nodiscard]] scored_entry score_entry(const entry_layout& layout, Lanes lanes, const T* sums, lane_grid::ticks last,
                                       std::size_t position, const read_plan& plan) noexcept {
  scored_entry out;
  score_entry(layout, lanes, sums, last, position, plan, out);
  return out;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LANE_READ_HPP
