// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LANE_GRID_HPP
#define EBB_DETAIL_LANE_GRID_HPP

#include <algorithm>
#include <bit>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

#include "ebb/time.hpp"

namespace ebb::detail {

/// Most lanes a bank may have; it bounds the stack buffers of the hot paths, which never allocate.
inline constexpr int max_lanes = 32;

/// How many lanes a buffer must hold, for an int or an std::integral_constant.
template <class Lanes>
inline constexpr std::size_t lanes_room = [] {
  if constexpr (std::is_same_v<Lanes, int>) {
    return static_cast<std::size_t>(max_lanes);
  } else {
    return static_cast<std::size_t>(Lanes::value);
  }
}();

using lane_array = Eigen::Array<double, Eigen::Dynamic, 1, 0, max_lanes, 1>;

/// The high 64 bits of a 64 × 64 bit product, without a wide type.
[[nodiscard]] constexpr std::uint64_t multiply_high_portable(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t a_low = a & 0xffffffffU;
  const std::uint64_t a_high = a >> 32;
  const std::uint64_t b_low = b & 0xffffffffU;
  const std::uint64_t b_high = b >> 32;
  const std::uint64_t middle = a_high * b_low + ((a_low * b_low) >> 32);
  const std::uint64_t cross = a_low * b_high + (middle & 0xffffffffU);
  return a_high * b_high + (middle >> 32) + (cross >> 32);
}

/// The high 64 bits of a 64 × 64 bit product.
[[nodiscard]] inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) noexcept {
#ifdef __SIZEOF_INT128__
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(a) * b) >> 64);
#else
  return multiply_high_portable(a, b);
#endif
}

/// 2^exponent, exactly, for exponent <= 0; zero where a normal double cannot hold it. No branch.
[[nodiscard]] inline double power_of_two(std::int64_t exponent) noexcept {
  return std::bit_cast<double>(static_cast<std::uint64_t>(std::max<std::int64_t>(exponent, -1023) + 1023) << 52);
}

/// 2^x for x in [0, 2], to 3 ulps and without a branch or a call, so that a loop over lanes vectorises.
///
/// The polynomial interpolates 2^g at the Chebyshev nodes of [−1/2, 1/2], relative error 4e-18 before rounding.
[[nodiscard]] inline double exp2_of_fraction(double x) noexcept {
  const bool upper = x >= 1;
  const double g = x - (upper ? 1.5 : 0.5);
  const double g2 = g * g;
  const double g4 = g2 * g2;
  // Estrin's scheme: a third of Horner's latency.
  const double low = (1.0 + 0x1.62e42fefa39efp-1 * g) + g2 * (0x1.ebfbdff82c5aep-3 + 0x1.c6b08d704a0c6p-5 * g);
  const double middle =
      (0x1.3b2ab6fb9f1a5p-7 + 0x1.5d87fe78a3f9cp-10 * g) + g2 * (0x1.430913112c61bp-13 + 0x1.ffcbfc6da6ed1p-17 * g);
  const double high =
      (0x1.62bfc2c86d700p-20 + 0x1.b524ebd13a55fp-24 * g) + g2 * (0x1.e6228acd1c6e5p-28 + 0x1.e9ec1fcb69a7fp-32 * g);
  return (low + g4 * (middle + g4 * high)) * (upper ? 0x1.6a09e667f3bcdp1 : 0x1.6a09e667f3bcdp0);
}

/// Landmarks: for each half-life h a grid of moments, whole half-lives apart, on which decayed sums are kept.
///
/// A sum Σ v·2^((t_event − L)/h) anchored at an event's cell L = index·h moves to any other cell by an exact power of two, so
/// renormalising loses nothing and decay never accumulates rounding. The cell of a moment is found in integers only: a compiler that
/// fuses or reorders floating point may not put one moment into two cells.
/// Source: forward decay, Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay", ICDE 2009; the grid is ours.
class lane_grid {
 public:
  using ticks = time_point::rep;

  lane_grid() = default;

  explicit lane_grid(const std::vector<ticks>& half_lives) {
    lanes_.reserve(half_lives.size());
    for (const ticks half_life : half_lives) {
      assert(half_life >= 2);
      const auto h = static_cast<std::uint64_t>(half_life);
      // floor((2^64 − 1) / h) never overestimates t/h and is at most one cell short of it for every 64-bit t.
      const std::uint64_t reciprocal = ~std::uint64_t{0} / h;
      lanes_.push_back({h, reciprocal, 1.0 / static_cast<double>(half_life), key_digits_of(reciprocal)});
    }
  }

  [[nodiscard]] int size() const noexcept { return static_cast<int>(lanes_.size()); }

  [[nodiscard]] ticks half_life(int k) const noexcept { return static_cast<ticks>(at(k).half_life); }

  /// Lane k's cell of moment t.
  [[nodiscard]] std::int64_t index(int k, ticks t) const noexcept {
    return static_cast<std::int64_t>(multiply_high(unsigned_ticks(t), at(k).reciprocal));
  }

  /// (t − L) / h in [0, 2), L the landmark of t's cell.
  [[nodiscard]] double fraction(int k, ticks t) const noexcept {
    const lane& l = at(k);
    const std::uint64_t u = unsigned_ticks(t);
    // Below 2^63 (a half-life is at most 100 years), and the conversion of a signed number is one instruction.
    return static_cast<double>(static_cast<std::int64_t>(u - multiply_high(u, l.reciprocal) * l.half_life)) * l.inverse;
  }

  /// index(k, t) is the whole part of t · cells_a_tick(k), t from the beginning of the clock's range on; this is what is left, in [0, 1).
  [[nodiscard]] double place_in_cell(int k, ticks t) const noexcept {
    return static_cast<double>(static_cast<std::int64_t>((unsigned_ticks(t) * at(k).reciprocal) >> 11)) * 0x1p-53;
  }
  [[nodiscard]] double cells_a_tick(int k) const noexcept {
    return static_cast<double>(static_cast<std::int64_t>(at(k).reciprocal)) * 0x1p-64;
  }

  /// Binary digits after the point with which a cell of lane k, whichever, fits into 32 bits, and a little more; at most 10. Negative where
  /// a cell is less than a unit.
  [[nodiscard]] int key_digits(int k) const noexcept { return at(k).key_digits; }

  /// The exact factor that moves a sum from the cell of `from` to the cell of the later moment `to`.
  [[nodiscard]] double shift(int k, ticks from, ticks to) const noexcept {
    return power_of_two(index(k, from) - index(k, to));
  }

  /// out[k] = 2^((t − L_k) / h_k): what one unit that happens at t adds to lane k, anchored at t's own cell.
  void powers(ticks t, lane_array& out) const {
    std::int64_t cells[max_lanes];
    out.resize(size());
    locate(t, size(), out.data(), cells);
  }

  /// The powers and the cells of a moment for the first `lanes` lanes, an int or an std::integral_constant.
  template <class Lanes>
  void locate(ticks t, Lanes lanes, double* powers, std::int64_t* cells) const noexcept {
    const std::uint64_t u = unsigned_ticks(t);
    const lane* const all = lanes_.data();
    for (int k = 0; k < lanes; ++k) {
      const std::uint64_t cell = multiply_high(u, all[k].reciprocal);
      cells[k] = static_cast<std::int64_t>(cell);
      powers[k] = static_cast<double>(static_cast<std::int64_t>(u - cell * all[k].half_life)) * all[k].inverse;
    }
    for (int k = 0; k < lanes; ++k) powers[k] = exp2_of_fraction(powers[k]);
  }

 private:
  struct lane {
    std::uint64_t half_life;
    std::uint64_t reciprocal;
    double inverse;
    int key_digits;
  };

  [[nodiscard]] static int key_digits_of(std::uint64_t reciprocal) noexcept {
    return std::min(10, 32 - static_cast<int>(std::bit_width(reciprocal + (reciprocal >> 8))));
  }

  [[nodiscard]] const lane& at(int k) const noexcept { return lanes_[static_cast<std::size_t>(k)]; }

  // The clock's range mapped to 0 … 2^64 in order, so that every moment has a cell without a sign case.
  [[nodiscard]] static std::uint64_t unsigned_ticks(ticks t) noexcept {
    return static_cast<std::uint64_t>(t) ^ (std::uint64_t{1} << 63);
  }

  std::vector<lane> lanes_;
};

/// Calls f with `lanes` as a constant the compiler can unroll for: `Lanes` itself, or for a bank chosen at run time (Lanes == 0) the
/// usual sizes one by one; f gets an std::integral_constant or, for an unusual size, an int.
template <int Lanes, class Function>
decltype(auto) with_lanes(int lanes, Function&& f) {
  if constexpr (Lanes > 0) {
    return f(std::integral_constant<int, Lanes>{});
  } else {
    switch (lanes) {
      case 1:
        return f(std::integral_constant<int, 1>{});
      case 4:
        return f(std::integral_constant<int, 4>{});
      case 8:
        return f(std::integral_constant<int, 8>{});
      default:
        return f(lanes);
    }
  }
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LANE_GRID_HPP
