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

#include "ebb/detail/entry_groups.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/row_products.hpp"
#include "ebb/detail/simd_levels.hpp"

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

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
  static constexpr bool is_one = std::same_as<Lanes, std::integral_constant<int, 1>>;

 public:
  /// Whether to bound entries one after another makes a table first.
  static constexpr bool has_table = !is_one;

  /// `newest`: the user's newest event, not before any entry's.
  interest_bounds(const lane_grid& grid, Lanes lanes, const read_plan& plan, lane_grid::ticks newest,
                  processor_level level)
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
      factors_.kept[k] = ~std::uint32_t{0};
      factors_.limits[k] = static_cast<float>(positive + smallest - relative);
    }
    if constexpr (!is_one) measure_table(grid);
  }

  /// bounds[i] · 2^exponent() is above entry i's interest, or below it by no more than a relative 1e-5 and 2^-120; it is no
  /// number where a sum is beyond a float.
  void operator()(const bound_rows<T>& rows, float* bounds) {
    if (!is_one && table_ == nullptr)
      table_ = std::make_unique_for_overwrite<float[]>((last_row_ + 1) << pitch_exponent());
    call_at(level_, [&](auto level) EBB_ALWAYS_INLINE {
      if constexpr (is_one) {
        bound_one<decltype(level)>(rows, bounds);
      } else {
        bound_several<decltype(level)>(rows, bounds);
      }
    });
  }

  /// The same for `entry_block` entries from each of n positions on, without a table: bounds[entry_block · b + j] is that of number
  /// positions[b] + j. To be called at the level the bounds were made for.
  template <class Level>
  EBB_INLINE void of_blocks(Level, const bound_rows<T>& rows, const std::uint32_t* positions, std::size_t n,
                            float* bounds) const {
    with_strides(rows, [&](auto sums_apart, auto times_apart) EBB_ALWAYS_INLINE {
      of_blocks<Level>(rows, sums_apart, times_apart, positions, n, bounds);
    });
  }

  [[nodiscard]] int exponent() const noexcept { return exponent_; }

 private:
  static constexpr int room = [] {
    if constexpr (std::same_as<Lanes, int>) {
      return max_lanes;
    } else {
      return static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::max(Lanes::value, 4))));
    }
  }();
  using factors_type = lane_factors<room>;
  static constexpr int positive = factors_type::positive;
  static constexpr int smallest = -64;  // a factor is at least 2^smallest: far from what is slow to multiply by
  static constexpr std::size_t block = 128;
  static constexpr std::uint32_t no_position = static_cast<std::uint32_t>(-1);

  /// Calls f(from sums to sums, from times to times) with constants where a row has nothing but one time and the lanes.
  template <class Function>
  EBB_INLINE static void with_strides(const bound_rows<T>& rows, const Function& f) {
    if constexpr (!std::same_as<Lanes, int>) {
      constexpr std::size_t row = 2 * sizeof(lane_grid::ticks) + (sizeof(T) * Lanes::value + 7) / 8 * 8;
      constexpr std::integral_constant<std::size_t, row / sizeof(T)> sums_apart;
      constexpr std::integral_constant<std::size_t, row / sizeof(lane_grid::ticks)> times_apart;
      if (rows.sums_apart == sums_apart && rows.times_apart == times_apart) return f(sums_apart, times_apart);
    }
    f(rows.sums_apart, rows.times_apart);
  }

  template <class Level>
  EBB_INLINE void bound_one(const bound_rows<T>& rows, float* bounds) const {
    with_strides(rows, [&](auto sums_apart, auto times_apart)
                           EBB_ALWAYS_INLINE { bound_one<Level>(rows, sums_apart, times_apart, bounds); });
  }

  template <class Level, class SumsApart, class TimesApart>
  EBB_INLINE void bound_one(const bound_rows<T>& rows, SumsApart sums_apart, TimesApart times_apart,
                            float* bounds) const {
    const factors_type factors = factors_;
    const std::uint64_t newest = newest_;
    const T* const sums = rows.sums;
    const lane_grid::ticks* const times = rows.times;
    const std::size_t n = rows.count;
    EBB_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t age = newest - static_cast<std::uint64_t>(times[i * times_apart]);
      float rounded = 0;
      if constexpr (Level::bytes == 64) {
        rounded = static_cast<float>(age);
      } else {  // without a conversion of 64-bit numbers: down to 2^12 ticks
        rounded = static_cast<float>(std::bit_cast<double>((age >> 12) | bits_of_2_to_64) - 0x1p64);
      }
      bounds[i] = factors.at(0, rounded) * static_cast<float>(sums[i * sums_apart]);
    }
  }

  void measure_table(const lane_grid& grid) {
    const auto shortest = static_cast<std::uint64_t>(grid.half_life(0));
    const auto longest = static_cast<std::uint64_t>(grid.half_life(lanes_ - 1));
    unit_exponent_ = std::max(12, static_cast<int>(std::bit_width(shortest / 16)) - 1);
    const int octaves = std::max(1, std::min(64, static_cast<int>(std::bit_width(longest)) + 7) - unit_exponent_);
    last_row_ = std::size_t{8} * static_cast<std::size_t>(octaves);
  }

  /// The rows up to `row`, each for the youngest age that takes it.
  template <class Level>
  EBB_INLINE void fill(std::size_t row) {
    const factors_type factors = factors_;  // here no store can change them
    const auto eighth = static_cast<double>(std::int64_t{1} << (unit_exponent_ - 3));
    float* to = table_.get() + (filled_ << pitch_exponent());
    for (std::size_t r = filled_; r <= row; ++r, to += std::size_t{1} << pitch_exponent()) {
      const auto eighths = static_cast<std::int64_t>((8 + (r & 7)) << (r >> 3)) - 8;
      const auto age = static_cast<float>(static_cast<double>(eighths) * eighth);
#if EBB_SIMD_VECTORS
      for (std::ptrdiff_t k = 0; k < 1 << pitch_exponent(); k += vector<Level>) {
        typename row_products<vector<Level>>::values of_lanes;
        row_products<vector<Level>>::factors_at(factors, k, age, of_lanes);
        std::memcpy(to + k, &of_lanes, sizeof of_lanes);
      }
#else
      for (int k = 0; k < 1 << pitch_exponent(); ++k) to[k] = factors.at(k, age);
#endif
    }
    filled_ = row + 1;
  }

  /// Places in the table of the rows of at most `block` entries, and a row not before any of theirs.
  template <class Apart>
  [[nodiscard]] EBB_INLINE std::size_t find_rows(const lane_grid::ticks* times, Apart apart, std::size_t n,
                                                 std::uint64_t* places) const {
    // The age and one unit more as a double: its exponent and the three bits after it count the rows from one unit on.
    const std::uint64_t base = bits_of_2_to_64 + ((std::uint64_t{1} << unit_exponent_) >> 12);
    const std::uint64_t first = static_cast<std::uint64_t>(1023 + unit_exponent_) << 52;
    const double oldest = std::bit_cast<double>(first + (std::uint64_t{last_row_} << 49));
    const std::uint64_t newest = newest_;
    std::uint64_t all = 0;
    EBB_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t age = newest - static_cast<std::uint64_t>(times[i * apart]);
      const double older = std::bit_cast<double>((age >> 12) + base) - 0x1p64;
      const std::uint64_t row = (std::bit_cast<std::uint64_t>(older < oldest ? older : oldest) - first) >> 49;
      all |= row;
      places[i] = row << pitch_exponent();
    }
    return std::min<std::size_t>(all, last_row_);
  }

#if EBB_SIMD_VECTORS
  /// The bounds of the first entries of a block, as many as there are whole vectors of; how many that are.
  template <class Level, class Apart>
  [[nodiscard]] EBB_INLINE std::size_t multiply(const T* sums, Apart apart, const std::uint64_t* places, std::size_t n,
                                                std::size_t readable, float* bounds) const {
    constexpr int at_once = vector<Level>;
    using products = row_products<at_once>;
    const auto chunks = chunks_of<at_once>();
    const std::size_t read = (at_once - 1) * apart + static_cast<std::size_t>(chunks) * at_once;
    const float* const table = table_.get();
    std::size_t i = 0;
    for (; i + at_once <= n && i * apart + read <= readable; i += at_once) {
      typename products::values sum;
      const auto products_of = [&](std::size_t row, typename products::values& out) EBB_ALWAYS_INLINE {
        products::template multiply<is_whole<at_once>>(chunks, sums + row * apart, factors_.kept, table + places[row],
                                                       out);
      };
      products::template add_up<products::levels>(products_of, i, sum);
      std::memcpy(bounds + i, &sum, sizeof sum);
    }
    return i;
  }
#endif

  template <class Level, class SumsApart, class TimesApart>
  EBB_INLINE void of_blocks(const bound_rows<T>& rows, SumsApart sums_apart, TimesApart times_apart,
                            const std::uint32_t* positions, std::size_t n, float* bounds) const {
    const factors_type factors = factors_;
    const std::uint64_t newest = newest_;
    for (std::size_t b = 0; b < n; ++b, bounds += entry_block) {
      // Never, but with two ways out the loop stays a loop: g++ would take eight blocks at a time, and compile for long to be no faster.
      if (positions[b] == no_position) return;
      const T* const sums = rows.sums + positions[b] * sums_apart;
      const lane_grid::ticks* const times = rows.times + positions[b] * times_apart;
      float ages[entry_block];
      for (std::size_t i = 0; i < entry_block; ++i) {
        const std::uint64_t age = newest - static_cast<std::uint64_t>(times[i * times_apart]);
        ages[i] = static_cast<float>(std::bit_cast<double>((age >> 12) | bits_of_2_to_64) - 0x1p64);
      }
      if constexpr (is_one) {
        float of_lane[entry_block];
        for (std::size_t i = 0; i < entry_block; ++i) of_lane[i] = static_cast<float>(sums[i * sums_apart]);
        EBB_INDEPENDENT
        for (std::size_t i = 0; i < entry_block; ++i) bounds[i] = factors.at(0, ages[i]) * of_lane[i];
      } else {
        const std::size_t readable = rows.readable - positions[b] * sums_apart;
        multiply_block<Level>(factors, sums, sums_apart, readable, ages, bounds);
      }
    }
  }

  template <class Level, class Apart>
  EBB_INLINE void multiply_block(const factors_type& factors, const T* sums, Apart apart, std::size_t readable,
                                 const float* ages, float* bounds) const {
    std::size_t i = 0;
#if EBB_SIMD_VECTORS
    constexpr int at_once = vector<Level>;
    using products = row_products<at_once>;
    const auto chunks = chunks_of<at_once>();
    const auto products_of = [&](std::size_t row, typename products::values& out) EBB_ALWAYS_INLINE {
      products::template multiply_at<is_whole<at_once>>(chunks, sums + row * apart, factors, ages[row], out);
    };
    const std::size_t read = (entry_block - 1) * apart + static_cast<std::size_t>(chunks) * at_once;
    for (; read <= readable && i < entry_block; i += at_once) {
      typename products::values sum;
      products::template add_up<products::levels>(products_of, i, sum);
      std::memcpy(bounds + i, &sum, sizeof sum);
    }
#else
    static_cast<void>(readable);
#endif
    for (; i < entry_block; ++i) {
      float sum = 0;
      for (int k = 0; k < lanes_; ++k)
        sum += static_cast<float>(sums[i * apart + static_cast<std::size_t>(k)]) * factors.at(k, ages[i]);
      bounds[i] = sum;
    }
  }

  template <class Level>
  EBB_INLINE void bound_several(const bound_rows<T>& rows, float* bounds) {
    with_strides(rows, [&](auto sums_apart, auto times_apart)
                           EBB_ALWAYS_INLINE { bound_several<Level>(rows, sums_apart, times_apart, bounds); });
  }

  template <class Level, class SumsApart, class TimesApart>
  EBB_INLINE void bound_several(const bound_rows<T>& rows, SumsApart sums_apart, TimesApart times_apart,
                                float* bounds) {
    std::uint64_t places[block];
    for (std::size_t from = 0; from < rows.count; from += block) {
      const std::size_t n = std::min(block, rows.count - from);
      const std::size_t last = find_rows(rows.times + from * times_apart, times_apart, n, places);
      if (filled_ <= last) fill<Level>(last);
      const T* const sums = rows.sums + from * sums_apart;
      std::size_t i = 0;
#if EBB_SIMD_VECTORS
      i = multiply<Level>(sums, sums_apart, places, n, rows.readable - from * sums_apart, bounds + from);
#endif
      for (; i < n; ++i) {
        float sum = 0;
        for (int k = 0; k < lanes_; ++k)
          sum += static_cast<float>(sums[i * sums_apart + static_cast<std::size_t>(k)]) *
                 table_[places[i] + static_cast<std::size_t>(k)];
        bounds[from + i] = sum;
      }
    }
  }

  /// Lanes, and rows, to take at a time.
  template <class Level>
  static constexpr int vector = [] {
    constexpr int widest = std::clamp(static_cast<int>(Level::bytes / sizeof(T)), 4, 8);
    if constexpr (std::same_as<Lanes, int>) {
      return widest;
    } else {
      return Lanes::value <= 4 ? 4 : widest;
    }
  }();

  template <int N>
  static constexpr bool is_whole = [] {
    if constexpr (std::same_as<Lanes, int>) {
      return false;
    } else {
      return Lanes::value % N == 0;
    }
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
  processor_level level_;
  std::uint64_t newest_;
  int exponent_ = -1000;
  int unit_exponent_ = 0;
  std::size_t last_row_ = 0;
  std::size_t filled_ = 0;
  factors_type factors_;
  std::unique_ptr<float[]> table_;  // (ages, lanes), uninitialised from row filled_ on; too large for a thread's stack
};

}  // namespace ebb::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif  // EBB_DETAIL_INTEREST_BOUNDS_HPP
