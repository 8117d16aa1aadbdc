// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BOUND_SELECTION_HPP
#define EBB_DETAIL_BOUND_SELECTION_HPP

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

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

/// The highest of each of `Parts` parts of n > Parts numbers.
template <std::size_t Parts>
EBB_INLINE void highest_of_parts(const float* bounds, std::size_t n, float* highest) {
  for (std::size_t j = 0; j < Parts; ++j) highest[j] = bounds[j];
  std::size_t i = Parts;
  for (; i + Parts <= n; i += Parts)
    for (std::size_t j = 0; j < Parts; ++j) highest[j] = bounds[i + j] > highest[j] ? bounds[i + j] : highest[j];
  for (std::size_t j = 0; i + j < n; ++j) highest[j] = bounds[i + j] > highest[j] ? bounds[i + j] : highest[j];
}

/// The number that k of few are not below, 0 if there are not so many above 0: each is compared with each, which takes no branch.
template <std::size_t Few>
EBB_INLINE float reached_of_few(const float* bounds, std::int32_t k) {
  std::int32_t above[Few] = {};
  for (std::size_t j = 0; j < Few; ++j)
    for (std::size_t i = 0; i < Few; ++i) above[i] += bounds[j] >= bounds[i] ? 1 : 0;
  std::int32_t highest = 0;  // numbers from zero on are ordered as their bits are
  for (std::size_t i = 0; i < Few; ++i) {
    const std::int32_t bits = above[i] >= k ? std::bit_cast<std::int32_t>(bounds[i]) : 0;
    highest = bits > highest ? bits : highest;
  }
  return std::bit_cast<float>(highest);
}

/// A number that at least k and mostly few more of n bounds >= 0 reach; k <= n.
///
/// The numbers that reach it are counted for the highest of each of several parts only, if those are many for k.
EBB_INLINE float reached_by(const float* bounds, std::size_t n, std::size_t k) {
  constexpr std::size_t few = 32;
  constexpr std::size_t parts = 128;
  float highest_of[parts];
  const auto wanted = static_cast<std::int32_t>(k);
  if (n > few && k <= few / 3) {
    highest_of_parts<few>(bounds, n, highest_of);
    return reached_of_few<few>(highest_of, wanted);
  }
  if (n > parts && k <= parts / 4) {
    highest_of_parts<parts>(bounds, n, highest_of);
    bounds = highest_of;
    n = parts;
  }
  const auto enough = static_cast<std::int32_t>(k + k / 4);
  const auto count = [&](std::int32_t bits) EBB_ALWAYS_INLINE {
    const auto least = std::bit_cast<float>(bits);
    std::int32_t reached = 0;
    for (std::size_t i = 0; i < n; ++i) reached += bounds[i] >= least ? 1 : 0;
    return reached;
  };
  std::int32_t low = 0;
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

// The same as kernels, which know neither the type of the sums nor the number of lanes: one of each does for all.

struct next_group_kernel {
  template <class Level>
  EBB_INLINE static std::size_t run(const float* bounds, std::size_t group, std::size_t groups, float least,
                                    std::uint32_t* words) {
    return next_group(bounds, group, groups, least, words);
  }
};

struct reached_by_kernel {
  template <class Level>
  EBB_INLINE static float run(const float* bounds, std::size_t n, std::size_t k) {
    return reached_by(bounds, n, k);
  }
};

/// How many of n bounds, fewer than 2^31, are not below `least`.
struct count_reaching_kernel {
  template <class Level>
  EBB_INLINE static std::size_t run(const float* bounds, std::size_t n, float least) {
    std::int32_t reaching = 0;
    for (std::size_t i = 0; i < n; ++i) reaching += bounds[i] < least ? 0 : 1;
    return static_cast<std::size_t>(reaching);
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BOUND_SELECTION_HPP
