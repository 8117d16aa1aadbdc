// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LANE_GRID_HPP
#define EBB_DETAIL_LANE_GRID_HPP

#include <bit>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <Eigen/Core>

#include "ebb/time.hpp"

namespace ebb::detail {

/// Most lanes a bank may have; it bounds the stack buffers of the hot paths, which never allocate.
inline constexpr int max_lanes = 32;

using bank_array = Eigen::Array<double, Eigen::Dynamic, 1, 0, max_lanes, 1>;

/// The high 64 bits of a 64 × 64 bit product.
[[nodiscard]] inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) noexcept {
#ifdef __SIZEOF_INT128__
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(a) * b) >> 64);
#else
  const std::uint64_t a_low = a & 0xffffffffU;
  const std::uint64_t a_high = a >> 32;
  const std::uint64_t b_low = b & 0xffffffffU;
  const std::uint64_t b_high = b >> 32;
  const std::uint64_t middle = a_high * b_low + ((a_low * b_low) >> 32);
  const std::uint64_t cross = a_low * b_high + (middle & 0xffffffffU);
  return a_high * b_high + (middle >> 32) + (cross >> 32);
#endif
}

/// 2^exponent, exactly, for exponent <= 0; zero where a normal double cannot hold it.
[[nodiscard]] inline double power_of_two(std::int64_t exponent) noexcept {
  return exponent < -1022 ? 0.0 : std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
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
      lanes_.push_back({h, ~std::uint64_t{0} / h, 1.0 / static_cast<double>(half_life)});
    }
  }

  [[nodiscard]] int size() const noexcept { return static_cast<int>(lanes_.size()); }

  /// Lane k's cell of moment t.
  [[nodiscard]] std::int64_t index(int k, ticks t) const noexcept {
    return static_cast<std::int64_t>(multiply_high(unsigned_ticks(t), lanes_[static_cast<std::size_t>(k)].reciprocal));
  }

  /// (t − L) / h in [0, 2), L the landmark of t's cell.
  [[nodiscard]] double fraction(int k, ticks t) const noexcept {
    const lane& l = lanes_[static_cast<std::size_t>(k)];
    const std::uint64_t u = unsigned_ticks(t);
    return static_cast<double>(u - multiply_high(u, l.reciprocal) * l.half_life) * l.inverse;
  }

  /// The exact factor that moves a sum from the cell of `from` to the cell of the later moment `to`.
  [[nodiscard]] double shift(int k, ticks from, ticks to) const noexcept {
    return power_of_two(index(k, from) - index(k, to));
  }

  /// out[k] = 2^((t − L_k) / h_k): what one unit that happens at t adds to lane k, anchored at t's own cell.
  void powers(ticks t, bank_array& out) const {
    out.resize(size());
    for (int k = 0; k < size(); ++k) out[k] = fraction(k, t);
    out = (out * 0.69314718055994530942).exp();
  }

 private:
  struct lane {
    std::uint64_t half_life;
    std::uint64_t reciprocal;
    double inverse;
  };

  // The clock's range mapped to 0 … 2^64 in order, so that every moment has a cell without a sign case.
  [[nodiscard]] static std::uint64_t unsigned_ticks(ticks t) noexcept {
    return static_cast<std::uint64_t>(t) ^ (std::uint64_t{1} << 63);
  }

  std::vector<lane> lanes_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LANE_GRID_HPP
