// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_GROUP_BOUNDS_HPP
#define EBB_DETAIL_GROUP_BOUNDS_HPP

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "ebb/detail/entry_groups.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/row_products.hpp"
#include "ebb/detail/simd_levels.hpp"

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

namespace ebb::detail {

/// Upper bounds of the interest of all entries of a group, from its keys: a few instructions a group.
///
/// A lane's key less that of a unit now, and with a float's bias, is a float's exponent and what fits of its mantissa.
template <class Lanes>
class group_bounds {
 public:
  /// Bounds are relative to 2^exponent.
  group_bounds(const lane_grid& grid, Lanes lanes, const read_plan& plan, int exponent) noexcept : lanes_(lanes) {
    for (int k = 0; k < lanes; ++k) {
      const key_digits digits(grid, k);
      const std::uint64_t bits = std::bit_cast<std::uint64_t>(plan.weights[k]);
      const auto of_weight = static_cast<std::int64_t>(bits >> 52) - 1023;
      const std::int64_t cells = plan.cells[k] - of_weight + exponent + (1023 - 127);
      // No key comes near the highest number, but a moment in a far future may.
      const std::int64_t zero =
          std::clamp<std::int64_t>(((cells << digits.after) >> digits.less) + no_key, no_key, highest);
      zeros_[k] = static_cast<std::int32_t>(zero);
      lowest_[k] = static_cast<std::int32_t>(zero + (std::int64_t{1} << digits.after));  // the smallest normal number
      steps_[k] = std::bit_cast<float>(static_cast<std::uint32_t>(127 + 23 - digits.after + digits.less) << 23);
      shifts_[k] = std::min(23 - digits.after + digits.less, 31);
      limits_[k] = 0x7f800000 >> shifts_[k];
      weights_[k] = static_cast<float>(std::bit_cast<double>((bits & 0xfffffffffffffU) | std::uint64_t{1023} << 52));
    }
    for (int k = lanes; k < room; ++k) {
      zeros_[k] = 0;
      lowest_[k] = 0;
      steps_[k] = 0;
      shifts_[k] = 0;
      limits_[k] = 1;
      weights_[k] = 0;
    }
  }

  /// bounds[g] · 2^exponent is above the interest of every entry of group g, or below it by no more than a relative 1e-5; it is
  /// infinite where a sum is beyond a float. `groups` is a multiple of groups_step.
  template <class Level>
  EBB_INLINE void operator()(Level, const std::int32_t* keys, std::size_t groups, float* bounds) const {
    if constexpr (std::same_as<Lanes, std::integral_constant<int, 1>>) {
      const std::int32_t lowest = lowest_[0];
      const std::int32_t zero = zeros_[0];
      const float step = steps_[0];
      const float weight = weights_[0];
      EBB_INDEPENDENT
      for (std::size_t g = 0; g < groups; ++g) {
        const auto above = static_cast<float>((keys[g] > lowest ? keys[g] : lowest) - zero) * step;
        bounds[g] = std::bit_cast<float>(static_cast<std::int32_t>(above < most ? above : most)) * weight;
      }
    } else {
      const auto pitch = static_cast<std::size_t>(key_pitch(lanes_));
#if EBB_SIMD_VECTORS
      constexpr int at_once = [] {
        constexpr int widest = std::clamp(static_cast<int>(Level::bytes / sizeof(float)), 4, 8);
        if constexpr (std::same_as<Lanes, int>) {
          return 4;
        } else {
          return Lanes::value <= 4 ? 4 : widest;
        }
      }();
      using products = row_products<at_once>;
      const auto products_of = [&](std::size_t row, typename products::values& out)
                                   EBB_ALWAYS_INLINE { multiply<Level, at_once>(keys + row * pitch, out); };
      for (std::size_t g = 0; g < groups; g += at_once) {
        typename products::values sum;
        products::template add_up<products::levels>(products_of, g, sum);
        std::memcpy(bounds + g, &sum, sizeof sum);
      }
#else
      for (std::size_t g = 0; g < groups; ++g) {
        float sum = 0;
        for (int k = 0; k < lanes_; ++k) {
          const std::int32_t key = keys[g * pitch + static_cast<std::size_t>(k)];
          const float above = static_cast<float>(std::max(key, lowest_[k]) - zeros_[k]) * steps_[k];
          sum += std::bit_cast<float>(static_cast<std::int32_t>(std::min(above, most))) * weights_[k];
        }
        bounds[g] = sum;
      }
#endif
    }
  }

 private:
  static constexpr int room = [] {
    if constexpr (std::same_as<Lanes, int>) {
      return max_lanes;
    } else {
      return key_pitch(Lanes{}).value;
    }
  }();
  static constexpr float most = 0x7f8p20F;  // what the bits of infinity are as a number
  static constexpr std::int64_t highest = std::numeric_limits<std::int32_t>::max() - (std::int64_t{1} << 22);

#if EBB_SIMD_VECTORS
  template <class Level, int N>
  EBB_INLINE void multiply(const std::int32_t* keys, lane_vector<float, N>& out) const {
    multiply_part<Level, N>(keys, 0, out);
    for (std::ptrdiff_t k = N; k < key_pitch(lanes_); k += N) {
      lane_vector<float, N> more;
      multiply_part<Level, N>(keys, k, more);
      out += more;
    }
  }

  template <class Level, int N>
  EBB_INLINE void multiply_part(const std::int32_t* keys, std::ptrdiff_t k, lane_vector<float, N>& out) const {
    using numbers = lane_vector<std::int32_t, N>;
    using values = lane_vector<float, N>;
    numbers key;
    numbers lowest;
    numbers zero;
    values step;
    values weight;
    std::memcpy(&key, keys + k, sizeof key);
    std::memcpy(&lowest, lowest_ + k, sizeof lowest);
    std::memcpy(&zero, zeros_ + k, sizeof zero);
    std::memcpy(&step, steps_ + k, sizeof step);
    std::memcpy(&weight, weights_ + k, sizeof weight);
    key = (key > lowest ? key : lowest) - zero;
    if constexpr (Level::bytes >= 32) {  // each number can be shifted by its own
      numbers shift;
      numbers limit;
      std::memcpy(&shift, shifts_ + k, sizeof shift);
      std::memcpy(&limit, limits_ + k, sizeof limit);
      key =
          key > limit ? numbers{} + std::bit_cast<std::int32_t>(std::numeric_limits<float>::infinity()) : key << shift;
    } else {
      values above = __builtin_convertvector(key, values) * step;
      const values infinite = values{} + most;
      above = above < infinite ? above : infinite;
      key = __builtin_convertvector(above, numbers);
    }
    out = reinterpret_cast<values>(key) * weight;
  }
#endif

  Lanes lanes_;
  std::int32_t lowest_[room];
  std::int32_t zeros_[room];
  float steps_[room];          // from a key's digits to a float's, as a factor
  std::int32_t shifts_[room];  // and as a shift, which fits up to limits_
  std::int32_t limits_[room];
  float weights_[room];
};

}  // namespace ebb::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif  // EBB_DETAIL_GROUP_BOUNDS_HPP
