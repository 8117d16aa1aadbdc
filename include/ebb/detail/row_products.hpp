// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ROW_PRODUCTS_HPP
#define EBB_DETAIL_ROW_PRODUCTS_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ebb/detail/simd_levels.hpp"
#include "ebb/detail/simd_vector.hpp"

namespace ebb::detail {

/// What makes the factors of `Places` lanes, zero from the last lane on.
template <int Places>
struct lane_factors {
  // Added to what is above −positive, cutting off the fraction is rounding down.
  static constexpr int positive = 128;

  std::uint32_t weights[Places] = {};  // bits of floats with exponents lower by `positive`
  float rates[Places] = {};
  float places[Places] = {};  // higher by `positive`
  float limits[Places] = {};
  std::uint32_t kept[Places] = {};  // all bits of a lane's, none of what is read after the last

  [[nodiscard]] EBB_INLINE float at(int k, float age) const {
    const float above = places[k] - age * rates[k];
    const auto cells = static_cast<std::int32_t>(above > limits[k] ? above : limits[k]);
    return std::bit_cast<float>(weights[k] + (static_cast<std::uint32_t>(cells) << 23));
  }
};

#if EBB_SIMD_VECTORS
template <class T, int N>
using lane_vector = typename simd_vector<T, sizeof(T) * N>::type;

/// Sums of products of rows, `N` lanes at a time and as many rows.
template <int N>
struct row_products {
  using values = lane_vector<float, N>;
  static constexpr int levels = N == 4 ? 2 : 3;

  template <class T>
  EBB_INLINE static void load(const T* from, values& to) {
    lane_vector<T, N> numbers;
    std::memcpy(&numbers, from, sizeof numbers);
    to = __builtin_convertvector(numbers, values);
  }

  /// The same, with zeros for what stands after the last lane, which may be no number; `IsWhole`: nothing does.
  template <bool IsWhole, class T>
  EBB_INLINE static void load_lanes(const T* from, const std::uint32_t* kept, values& to) {
    load(from, to);
    if constexpr (!IsWhole) {
      using bits = lane_vector<std::uint32_t, N>;
      bits mask;
      std::memcpy(&mask, kept, sizeof mask);
      mask &= reinterpret_cast<bits>(to);
      to = reinterpret_cast<values>(mask);
    }
  }

  /// `factors` of N lanes, from lane k on, at one age.
  template <int Places>
  EBB_INLINE static void factors_at(const lane_factors<Places>& factors, std::ptrdiff_t k, float age, values& out) {
    using bits = lane_vector<std::uint32_t, N>;
    bits weights;
    values rates;
    values above;
    values limits;
    std::memcpy(&weights, factors.weights + k, sizeof weights);
    load(factors.rates + k, rates);
    load(factors.places + k, above);
    load(factors.limits + k, limits);
    above -= rates * age;
    above = above > limits ? above : limits;
    weights += reinterpret_cast<bits>(__builtin_convertvector(above, lane_vector<std::int32_t, N>)) << 23;
    out = reinterpret_cast<values>(weights);
  }

  /// A row's products, added up to N numbers.
  template <bool IsWhole, class T, class Chunks>
  EBB_INLINE static void multiply(Chunks chunks, const T* sums, const std::uint32_t* kept, const float* factors,
                                  values& out) {
    values a;
    values b;
    load_lanes<IsWhole>(sums, kept, a);
    load(factors, b);
    out = a * b;
    for (std::ptrdiff_t c = 1; c < chunks; ++c) {
      load_lanes<IsWhole>(sums + c * N, kept + c * N, a);
      load(factors + c * N, b);
      out += a * b;
    }
  }

  /// The same with `factors` at one age.
  template <bool IsWhole, class T, int Places, class Chunks>
  EBB_INLINE static void multiply_at(Chunks chunks, const T* sums, const lane_factors<Places>& factors, float age,
                                     values& out) {
    values a;
    values b;
    factors_at(factors, 0, age, b);
    load_lanes<IsWhole>(sums, factors.kept, a);
    out = a * b;
    for (std::ptrdiff_t c = 1; c < chunks; ++c) {
      factors_at(factors, c * N, age, b);
      load_lanes<IsWhole>(sums + c * N, factors.kept + c * N, a);
      out += a * b;
    }
  }

  /// 2^Level rows from number `row` on: N / 2^Level numbers of each, the rows' in the order that ends with one of each in place.
  /// products_of(row, out) are a row's N.
  template <int Level, class ProductsOf>
  EBB_INLINE static void add_up(const ProductsOf& products_of, std::size_t row, values& out) {
    if constexpr (Level == 0) {
      products_of(row, out);
    } else {
      constexpr int half = 1 << (Level - 1);
      values a;
      values b;
      add_up<Level - 1>(products_of, row, a);
      add_up<Level - 1>(products_of, row + half, b);
      if constexpr (N == 4) {
        out = __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
      } else if constexpr (Level < 3) {  // within halves of the vector, where that is cheaper
        out = __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +
              __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
      } else {
        out = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
              __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
      }
    }
  }
};
#endif

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ROW_PRODUCTS_HPP
