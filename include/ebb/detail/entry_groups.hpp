// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ENTRY_GROUPS_HPP
#define EBB_DETAIL_ENTRY_GROUPS_HPP

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "ebb/detail/lane_grid.hpp"

// Large tables tell groups of entries apart: for each group and lane they keep the highest key of the group's sums. What the keys say about
// a moment to come is an upper bound of the interest of every entry in the group, so that those of most groups need not be looked at.
//
// A bound may be too high, never too low. What adds to an entry raises the keys of its group, O(K); what takes away lets them be.

namespace ebb::detail {

/// The entries of a group, a whole number of these, are looked at so many at a time.
inline constexpr std::size_t entry_block = 8;

/// So many entries, one after another, are a group, in a table with that much room: the more groups there are, the larger they may be for
/// the time to look at all groups and at all entries of a few.
[[nodiscard]] constexpr std::size_t group_size(std::size_t room) noexcept {
  return room <= 2048 ? 8 : room <= 16384 ? 16 : 32;
}

/// Tables with room for no more have no groups: to look at all entries costs little, and groups would cost every new event.
inline constexpr std::size_t most_without_groups = 256;

/// Groups come in whole vectors.
inline constexpr std::size_t groups_step = 8;

/// Below every other key: no interest.
inline constexpr std::int32_t no_key = std::numeric_limits<std::int32_t>::min();

/// The keys of a group are so many apart: whole vectors, too.
template <class Lanes>
[[nodiscard]] constexpr auto key_pitch(Lanes lanes) noexcept {
  if constexpr (std::same_as<Lanes, int>) {
    return lanes == 1 ? 1 : lanes <= 4 ? 4 : (lanes + 7) / 8 * 8;
  } else {
    return std::integral_constant<int, key_pitch<int>(Lanes::value)>{};
  }
}

/// The binary digits of a key before and after the point of a cell.
struct key_digits {
  int after;
  int less;

  key_digits(const lane_grid& grid, int k) noexcept
      : after(std::max(grid.key_digits(k), 0)), less(std::max(-grid.key_digits(k), 0)) {}
};

/// What a sum in a cell counts as, whichever cell it is: the cell and the sum's binary logarithm in one number, in steps of 2^−digits and
/// rounded up. To move a sum to another cell does not change it.
///
/// The logarithm is taken as straight between powers of two, that is, as the bits of the sum.
[[nodiscard]] inline std::int32_t interest_key(key_digits digits, std::int64_t cell, double sum) noexcept {
  const auto bits = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(sum));
  const std::int64_t key = ((cell << digits.after) + (bits >> (52 - digits.after))) >> digits.less;
  return sum > 0 ? static_cast<std::int32_t>(key + 1 + no_key) : no_key;
}

/// Raises the keys of a group to those of one of its entries, whose anchor is in these cells.
template <std::floating_point T, class Lanes>
void raise_keys(const lane_grid& grid, Lanes lanes, const T* sums, const std::int64_t* cells,
                std::int32_t* keys) noexcept {
  for (int k = 0; k < lanes; ++k)
    keys[k] = std::max(keys[k], interest_key(key_digits(grid, k), cells[k], static_cast<double>(sums[k])));
}

template <std::floating_point T, class Lanes>
void raise_keys(const lane_grid& grid, Lanes lanes, const T* sums, lane_grid::ticks last, std::int32_t* keys) noexcept {
  std::int64_t cells[max_lanes];
  for (int k = 0; k < lanes; ++k) cells[k] = grid.index(k, last);
  raise_keys(grid, lanes, sums, cells, keys);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ENTRY_GROUPS_HPP
