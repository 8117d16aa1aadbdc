// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_INTEREST_BOUNDS_HPP
#define EBB_DETAIL_INTEREST_BOUNDS_HPP

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/vector_level.hpp"

namespace ebb::detail {

/// Entries of one table, one after another, for which bounds are wanted.
template <std::floating_point T>
struct bound_rows {
  const T* sums;
  std::size_t sums_apart;
  const lane_grid::ticks* times;
  std::size_t times_apart;
  std::size_t count;
  std::size_t readable;  // as many numbers may be read from `sums` on

  [[nodiscard]] bound_rows from(std::size_t i) const noexcept {
    return {sums + i * sums_apart, sums_apart, times + i * times_apart,
            times_apart,           count - i,  readable - i * sums_apart};
  }
};

#if EBB_LEVEL_VECTORS
template <class T, int N>
struct vector_of {
  typedef T type __attribute__((vector_size(sizeof(T) * N)));
};

/// Sums of products of rows, `N` lanes at a time and as many rows.
template <int N>
struct row_products {
  using values = typename vector_of<float, N>::type;

  template <class T>
  static inline EBB_LEVEL_INLINE void load(const T* from, values& to) {
    typename vector_of<T, N>::type numbers;
    std::memcpy(&numbers, from, sizeof numbers);
    to = __builtin_convertvector(numbers, values);
  }

  /// Entry i's products, added up to N numbers.
  template <class T, class Chunks>
  static inline EBB_LEVEL_INLINE void multiply(Chunks chunks, const T* sums, const float* factors, values& out) {
    values a;
    values b;
    load(sums, a);
    load(factors, b);
    out = a * b;
    for (int c = 1; c < chunks; ++c) {
      load(sums + c * N, a);
      load(factors + c * N, b);
      out += a * b;
    }
  }

  /// 2^Level rows from row i on: N / 2^Level numbers of each, the rows' in the order that ends with one of each in place.
  template <int Level, class T, class Chunks>
  static inline EBB_LEVEL_INLINE void add_up(Chunks chunks, const T* sums, std::size_t apart, const float* table,
                                             const std::uint64_t* rows, values& out) {
    if constexpr (Level == 0) {
      multiply(chunks, sums, table + *rows, out);
    } else {
      constexpr int half = 1 << (Level - 1);
      values a;
      values b;
      add_up<Level - 1>(chunks, sums, apart, table, rows, a);
      add_up<Level - 1>(chunks, sums + half * apart, apart, table, rows + half, b);
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

/// Upper bounds of the interest of many entries, in single precision and a few instructions an entry.
///
/// Lane k's factor for an entry whose newest event is `age` before the user's newest is exactly
///
///   weight_k · 2^floor(place_k − age · rate_k) · 2^exponent
///
/// with the newest's place in its cell and cells a tick. In single precision the argument is raised by more than it may be
/// wrong by, so that a factor is exact but for rounding or, near the border of a cell, twice as high. All is relative to
/// the highest factor, so that a user who was away for long is ranked as fast as any other.
///
/// One lane's factors are computed entry by entry. Those of several stand in a table, a row for each of many ages, eight
/// for each power of two above a fraction of the shortest half-life: an entry takes the row of the next younger age.
template <std::floating_point T, class Lanes>
class interest_bounds {
 public:
  /// `newest`: the user's newest event, not before any entry's.
  interest_bounds(const lane_grid& grid, Lanes lanes, const read_plan& plan, lane_grid::ticks newest,
                  vector_level level)
      : lanes_(lanes), level_(level), newest_(static_cast<std::uint64_t>(newest)) {
    std::int64_t exponents[max_lanes];
    for (int k = 0; k < lanes; ++k) {
      constexpr std::int64_t lowest = -4000;
      const std::int64_t cells = std::max(grid.index(k, newest) - plan.cells[k], lowest);
      exponents[k] = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(plan.weights[k]) >> 52) - 1023 + cells;
      exponent_ = std::max(exponent_, static_cast<int>(exponents[k]));
    }
    for (int k = 0; k < lanes; ++k) {
      const auto relative = static_cast<int>(std::max<std::int64_t>(exponents[k] - exponent_, smallest));
      const std::uint64_t mantissa = std::bit_cast<std::uint64_t>(plan.weights[k]) & 0xfffffffffffffU;
      const auto exponent = static_cast<std::uint64_t>(relative + 1023) << 52;
      const auto weight = static_cast<float>(std::bit_cast<double>(mantissa | exponent));
      factors_.weights[k] = std::bit_cast<std::uint32_t>(weight) - (std::uint32_t{positive} << 23);
      factors_.rates[k] = static_cast<float>(grid.cells_a_tick(k));
      factors_.places[k] = static_cast<float>(grid.place_in_cell(k, newest)) + (positive + 0x1p-14F);
      factors_.limits[k] = static_cast<float>(positive + smallest - relative);
    }
    if constexpr (!is_one) make_table(grid);
  }

  /// bounds[i] · 2^exponent() is above entry i's interest, or below it by no more than a relative 1e-5.
  void operator()(const bound_rows<T>& rows, float* bounds) {
    run_at(level_, [&](auto level) EBB_LEVEL_INLINE {
      if constexpr (is_one) {
        bound_one<decltype(level)::value>(rows, bounds);
      } else {
        bound_several<decltype(level)::value>(rows, bounds);
      }
    });
  }

  [[nodiscard]] int exponent() const noexcept { return exponent_; }

 private:
  static constexpr bool is_one = std::same_as<Lanes, std::integral_constant<int, 1>>;
  static constexpr int smallest = -64;  // a factor is at least 2^smallest: far from what is slow to multiply by
  static constexpr int positive = 128;  // added to what is above −positive, cutting off its fraction is rounding down
  static constexpr std::size_t block = 64;

  struct lane_factors {                     // zero from the last lane on
    std::uint32_t weights[max_lanes] = {};  // as bits, their exponents lower by `positive`
    float rates[max_lanes] = {};
    float places[max_lanes] = {};  // higher by `positive`
    float limits[max_lanes] = {};
  };

  [[nodiscard]] static inline EBB_LEVEL_INLINE float factor(float age, std::uint32_t weight, float rate, float place,
                                                            float limit) {
    const float above = place - age * rate;
    const auto cells = static_cast<std::int32_t>(above > limit ? above : limit);
    return std::bit_cast<float>(weight + (static_cast<std::uint32_t>(cells) << 23));
  }

  template <vector_level Level>
  inline EBB_LEVEL_INLINE void bound_one(const bound_rows<T>& rows, float* bounds) const {
    if (rows.sums_apart == 1 && rows.times_apart == 1) {
      constexpr std::integral_constant<std::size_t, 1> one;
      bound_one<Level>(rows, one, one, bounds);
    } else {
      bound_one<Level>(rows, rows.sums_apart, rows.times_apart, bounds);
    }
  }

  template <vector_level Level, class Apart>
  inline EBB_LEVEL_INLINE void bound_one(const bound_rows<T>& rows, Apart sums_apart, Apart times_apart,
                                         float* bounds) const {
    const std::uint32_t weight = factors_.weights[0];
    const float rate = factors_.rates[0];
    const float place = factors_.places[0];
    const float limit = factors_.limits[0];
    const std::uint64_t newest = newest_;
    const T* const sums = rows.sums;
    const lane_grid::ticks* const times = rows.times;
    const std::size_t n = rows.count;
    EBB_LEVEL_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t age = newest - static_cast<std::uint64_t>(times[i * times_apart]);
      float rounded;
      if constexpr (Level == vector_level::avx512) {
        rounded = static_cast<float>(age);
      } else {  // without a conversion of 64-bit numbers: down to 2^12 ticks
        rounded = static_cast<float>(std::bit_cast<double>((age >> 12) | bits_of_2_to_64) - 0x1p64);
      }
      bounds[i] = factor(rounded, weight, rate, place, limit) * static_cast<float>(sums[i * sums_apart]);
    }
  }

  void make_table(const lane_grid& grid) {
    const auto shortest = static_cast<std::uint64_t>(grid.half_life(0));
    const auto longest = static_cast<std::uint64_t>(grid.half_life(lanes_ - 1));
    unit_exponent_ = std::max(12, static_cast<int>(std::bit_width(shortest / 16)) - 1);
    const int octaves = std::min(64, static_cast<int>(std::bit_width(longest)) + 7) - unit_exponent_;
    last_row_ = static_cast<std::size_t>(8 * octaves);
    table_ = std::make_unique_for_overwrite<float[]>((last_row_ + 1) << pitch_exponent());
  }

  /// The rows up to `row`, each for the youngest age that takes it.
  inline EBB_LEVEL_INLINE void fill(std::size_t row) {
    float* const table = table_.get();
    const std::size_t pitch = std::size_t{1} << pitch_exponent();
    const lane_factors& factors = factors_;
    const auto eighth = static_cast<double>(std::int64_t{1} << (unit_exponent_ - 3));
    for (; filled_ <= row; ++filled_) {
      const auto eighths = static_cast<std::int64_t>((8 + (filled_ & 7)) << (filled_ >> 3)) - 8;
      const auto age = static_cast<float>(static_cast<double>(eighths) * eighth);
      float* const to = table + (filled_ << pitch_exponent());
      EBB_LEVEL_INDEPENDENT
      for (std::size_t k = 0; k < pitch; ++k)
        to[k] = factor(age, factors.weights[k], factors.rates[k], factors.places[k], factors.limits[k]);
    }
  }

  /// Places in the table of the rows of at most `block` entries, and a row not before any of theirs.
  template <class Apart>
  [[nodiscard]] inline EBB_LEVEL_INLINE std::size_t find_rows(const lane_grid::ticks* times, Apart apart, std::size_t n,
                                                              std::uint64_t* places) const {
    // The age and one unit more as a double: its exponent and the three bits after it count the rows from one unit on.
    const std::uint64_t base = bits_of_2_to_64 + ((std::uint64_t{1} << unit_exponent_) >> 12);
    const std::uint64_t first = static_cast<std::uint64_t>(1023 + unit_exponent_) << 52;
    const double oldest = std::bit_cast<double>(first + (std::uint64_t{last_row_} << 49));
    const std::uint64_t newest = newest_;
    std::uint64_t all = 0;
    EBB_LEVEL_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t age = newest - static_cast<std::uint64_t>(times[i * apart]);
      const double older = std::bit_cast<double>((age >> 12) + base) - 0x1p64;
      const std::uint64_t row = (std::bit_cast<std::uint64_t>(older < oldest ? older : oldest) - first) >> 49;
      all |= row;
      places[i] = row << pitch_exponent();
    }
    return std::min<std::size_t>(all, last_row_);
  }

  template <vector_level Level>
  inline EBB_LEVEL_INLINE void bound_several(const bound_rows<T>& rows, float* bounds) {
    std::uint64_t places[block];
    for (std::size_t from = 0; from < rows.count; from += block) {
      const std::size_t n = std::min(block, rows.count - from);
      const lane_grid::ticks* const times = rows.times + from * rows.times_apart;
      const std::size_t last = rows.times_apart == 1
                                   ? find_rows(times, std::integral_constant<std::size_t, 1>{}, n, places)
                                   : find_rows(times, rows.times_apart, n, places);
      if (filled_ <= last) fill(last);
      const T* const sums = rows.sums + from * rows.sums_apart;
      std::size_t i = 0;
#if EBB_LEVEL_VECTORS
      constexpr int wide = std::clamp(vector_bytes<Level> / static_cast<int>(sizeof(T)), 4, 8);
      constexpr int vector = few_lanes ? 4 : wide;
      const auto chunks = chunks_of<vector>();
      const std::size_t read = (vector - 1) * rows.sums_apart + static_cast<std::size_t>(chunks) * vector;
      const std::size_t readable = rows.readable - from * rows.sums_apart;
      for (; i + vector <= n && i * rows.sums_apart + read <= readable; i += vector) {
        typename row_products<vector>::values sum;
        row_products<vector>::template add_up<vector == 4 ? 2 : 3>(chunks, sums + i * rows.sums_apart, rows.sums_apart,
                                                                   table_.get(), places + i, sum);
        std::memcpy(bounds + from + i, &sum, sizeof sum);
      }
#endif
      for (; i < n; ++i) {
        float sum = 0;
        for (int k = 0; k < lanes_; ++k)
          sum += static_cast<float>(sums[i * rows.sums_apart + static_cast<std::size_t>(k)]) *
                 table_[places[i] + static_cast<std::size_t>(k)];
        bounds[from + i] = sum;
      }
    }
  }

  static constexpr bool few_lanes = [] {
    if constexpr (std::same_as<Lanes, int>)
      return false;
    else
      return Lanes::value <= 4;
  }();

  template <int N>
  [[nodiscard]] auto chunks_of() const noexcept {
    if constexpr (std::same_as<Lanes, int>) {
      return (lanes_ + N - 1) / N;
    } else {
      return std::integral_constant<int, (Lanes::value + N - 1) / N>{};
    }
  }

  /// A row of the table has a power of two of places, whole vectors.
  [[nodiscard]] auto pitch_exponent() const noexcept {
    if constexpr (std::same_as<Lanes, int>) {
      return std::max(3, static_cast<int>(std::bit_width(static_cast<unsigned>(lanes_) - 1U)));
    } else {
      return std::integral_constant<int, std::max(2, static_cast<int>(
                                                         std::bit_width(static_cast<unsigned>(Lanes::value) - 1U)))>{};
    }
  }

  static constexpr std::uint64_t bits_of_2_to_64 = 0x43f0000000000000;

  Lanes lanes_;
  vector_level level_;
  std::uint64_t newest_;
  int exponent_ = -1000;
  int unit_exponent_ = 0;
  std::size_t last_row_ = 0;
  std::size_t filled_ = 0;
  lane_factors factors_;
  std::unique_ptr<float[]> table_;  // (ages, lanes), uninitialised from row filled_ on; too large for a thread's stack
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_INTEREST_BOUNDS_HPP
