// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DECAY_PASS_HPP
#define EBB_DETAIL_DECAY_PASS_HPP

#include "ebb/detail/simd_levels.hpp"

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <type_traits>

// Whole arrays through 2^(−x) and (1 + x)^(−p), one read and one write a number, in loops the compiler makes vectors of.
//
// Each pass exists once for every level of instructions, as simd_levels.hpp has it. Left unvectorised, these formulas are
// slower than std::exp; where vectors cannot be counted on, EBB_SIMD_LEVELS is 0 and the families keep to Eigen's functions.
// So they must where the compiler may reorder sums, because the rounding to a whole number below would be simplified away.

#if EBB_SIMD_LEVELS

#if defined(__clang__)
// A build that optimises too little for vectors would be warned that it has none.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

namespace ebb::detail {

/// The numbers of one floating-point type: its layout, and the coefficients of the two polynomials.
template <class T>
struct pass_constants;

template <>
struct pass_constants<float> {
  using bits = std::uint32_t;
  static constexpr int digits = 23;
  static constexpr bits one = 0x3f800000;
  static constexpr bits exponent_mask = 0xff800000;
  static constexpr bits eighth_root = 0x3e3504f3;  // √2 / 8
  static constexpr float whole = 0x1p23F;          // from here on a number has no fraction
  // 2^f over |f| <= 1/2, minimax in relative error, 5e-9, with an exact 1 at 0.
  static constexpr float exp2[] = {1.0F,           0x1.62e430p-1F,  0x1.ebfbdep-3F, 0x1.c6af6ep-5F,
                                   0x1.3b2ba0p-7F, 0x1.5f07b4p-10F, 0x1.4308fap-13F};
  // The same with a term less, 9e-8, which is enough for a power law.
  static constexpr float short_exp2[] = {1.0F,           0x1.62e42ap-1F, 0x1.ebf9c2p-3F,
                                         0x1.c6b6dap-5F, 0x1.3ce8b6p-7F, 0x1.5bd982p-10F};
  // log2(1 + f) / s over s² with s = f / (2 + f), √½ <= 1 + f <= √2: one division instead of five more terms. 1.5e-7.
  static constexpr float log2[] = {0x1.71547ap+1F, 0x1.ec5398p-1F, 0x1.313942p-1F};
};

template <>
struct pass_constants<double> {
  using bits = std::uint64_t;
  static constexpr int digits = 52;
  static constexpr bits one = 0x3ff0000000000000;
  static constexpr bits exponent_mask = 0xfff0000000000000;
  static constexpr bits eighth_root = 0x3fc6a09e667f3bcd;
  static constexpr double whole = 0x1p52;
  // As above, 1e-17.
  static constexpr double exp2[] = {1.0,
                                    0x1.62e42fefa39efp-1,
                                    0x1.ebfbdff82c598p-3,
                                    0x1.c6b08d704a08ep-5,
                                    0x1.3b2ab6fba1e40p-7,
                                    0x1.5d87fe78b2115p-10,
                                    0x1.4309130958e9bp-13,
                                    0x1.ffcbfc1ea561bp-17,
                                    0x1.62bfd4b4a790ep-20,
                                    0x1.b525a08ef1c40p-24,
                                    0x1.e605d297c5530p-28,
                                    0x1.e8cabe86ffc4ap-32};
  static constexpr const double (&short_exp2)[12] = exp2;
  // As above, with twelve terms saved. 1e-18.
  static constexpr double log2[] = {0x1.71547652b82fep+1, 0x1.ec709dc3a047dp-1, 0x1.2776c50ee381bp-1,
                                    0x1.a61762d6c04e2p-2, 0x1.484afb696e7d3p-2, 0x1.0ca163b0aa774p-2,
                                    0x1.c46d70d6603b3p-3, 0x1.b5990693623fap-3};
};

template <class T>
concept has_pass = std::same_as<T, float> || std::same_as<T, double>;

template <has_pass T>
using pass_bits = typename pass_constants<T>::bits;

template <class T>
[[nodiscard]] EBB_INLINE pass_bits<T> to_bits(T x) {
  return __builtin_bit_cast(pass_bits<T>, x);
}
template <class T>
[[nodiscard]] EBB_INLINE T from_bits(pass_bits<T> x) {
  return __builtin_bit_cast(T, x);
}

/// a·b + c, rounded once if Fused. Said, not left to the compiler, so that all builds and all lanes round alike.
template <bool Fused, class T>
[[nodiscard]] EBB_INLINE T multiply_add(T a, T b, T c) {
  if constexpr (!Fused) {
    return a * b + c;
  } else if constexpr (std::same_as<T, float>) {
    return __builtin_fmaf(a, b, c);
  } else {
    return __builtin_fma(a, b, c);
  }
}

template <bool Fused, std::size_t I = 0, class T, std::size_t N>
[[nodiscard]] EBB_INLINE T polynomial(const T (&coefficients)[N], T x) {
  // A loop would be unrolled only after the one around it had been looked at for vectors.
  if constexpr (I + 1 == N) {
    return coefficients[I];
  } else {
    return multiply_add<Fused>(polynomial<Fused, I + 1>(coefficients, x), x, coefficients[I]);
  }
}

/// 2^(−a·b) for 0 <= a·b < 2 − min_exponent.
///
/// −a·b = n + f with n whole: adding 1½ · 2^digits rounds to n and leaves it in the low bits, from where a shift adds it
/// to the exponent of 2^f.
template <bool Fused, class T, std::size_t N>
[[nodiscard]] EBB_INLINE T halve_times(T a, T b, const T (&exp2)[N]) {
  using constants = pass_constants<T>;
  constexpr T magic = T(1.5) * constants::whole;
  const T shifted = multiply_add<Fused>(-a, b, magic);
  const T f = multiply_add<Fused>(-a, b, magic - shifted);
  return from_bits<T>(to_bits(polynomial<Fused>(exp2, f)) + (to_bits(shifted) << constants::digits));
}

/// All ones if 0 <= gap < limit, zero otherwise. As a mask and not a choice, which would become a branch.
template <bool Fused, class T>
[[nodiscard]] EBB_INLINE pass_bits<T> mask_below(T gap, T limit) {
  if constexpr (Fused || std::same_as<T, float>) {
    return pass_bits<T>(0) - pass_bits<T>(gap < limit);
  } else {
    // SSE2 has no comparison that yields 64 bits; the bits of numbers >= +0 are ordered as they are.
    return pass_bits<T>(0) - ((to_bits(gap + T(0)) - to_bits(limit)) >> 63);
  }
}

/// `x`, brought into what T can hold above zero.
template <class T>
[[nodiscard]] inline T to_positive(double x) {
  if (x > static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::infinity();
  return x < static_cast<double>(std::numeric_limits<T>::denorm_min()) ? std::numeric_limits<T>::denorm_min()
                                                                       : static_cast<T>(x);
}

/// The D below which a batch has an exact zero, as a number of halvings: no denormals, and room for a rounding.
template <class T>
inline constexpr int halvings_to_zero = -(std::numeric_limits<T>::min_exponent + 2);

/// D = 2^(−rate · gap).
template <class T>
struct exponential_pass {
  T rate;
  T limit;  // from this gap on D is zero

  explicit exponential_pass(double half_lives_per_unit)
      : rate(static_cast<T>(half_lives_per_unit)), limit(to_positive<T>(halvings_to_zero<T> / half_lives_per_unit)) {}

  /// D of a gap in [0, limit).
  template <bool Fused>
  [[nodiscard]] EBB_INLINE T at(T gap) const {
    return detail::halve_times<Fused>(gap, rate, pass_constants<T>::exp2);
  }
};

/// D = (1 + x)^(−exponent) = 2^(−exponent · log2(1 + x)), x = gap · scales_per_unit.
///
/// 1 + x = 2^e (1 + f) with √½ <= 1 + f < √2. f = 2^(−e) x + (2^(−e) − 1) rounds once, so a small x keeps its digits.
/// All in quarters: then 2^(−e) is no denormal for any x.
template <class T>
struct power_law_pass {
  T quarter_rate;
  T exponent;
  T limit;  // from this gap on D is zero

  power_law_pass(double scales_per_unit, T p)
      : quarter_rate(static_cast<T>(scales_per_unit / 4)),
        exponent(p),
        limit(to_positive<T>(std::fmin(std::expm1(halvings_to_zero<T> * std::numbers::ln2 / static_cast<double>(p)),
                                       static_cast<double>(std::numeric_limits<T>::max())) /
                             scales_per_unit)) {}

  /// D of a gap in [0, limit).
  template <bool Fused>
  [[nodiscard]] EBB_INLINE T at(T gap) const {
    using constants = pass_constants<T>;
    const T quarter_x = gap * quarter_rate;
    const pass_bits<T> above_root = to_bits(quarter_x + T(0.25)) - constants::eighth_root;
    const T e = from_bits<T>((above_root >> constants::digits) | to_bits(constants::whole)) - constants::whole;
    const T scale =
        from_bits<T>(constants::one + (pass_bits<T>(2) << constants::digits) - (above_root & constants::exponent_mask));
    const T f = multiply_add<Fused>(quarter_x, scale, multiply_add<Fused>(scale, T(0.25), T(-1)));
    const T s = f / (f + T(2));
    const T log2 = multiply_add<Fused>(s, polynomial<Fused>(constants::log2, s * s), e);
    return detail::halve_times<Fused>(log2, exponent, constants::short_exp2);
  }
};

/// Whether N gaps are all in [0, limit), which nearly all are; then nothing else need be asked of a single one. False also if
/// one of them is −0.
///
/// Bits as whole numbers are ordered as what they stand for, with infinity, NaN and all that has a sign above.
template <class Level, std::size_t N, class T>
[[nodiscard]] EBB_INLINE bool all_below(const T* gaps, T limit) {
  if constexpr (Level::bytes == 64 || (Level::bytes == 32 && sizeof(T) == 4)) {
    pass_bits<T> highest = 0;
    for (std::size_t i = 0; i < N; ++i) {
      const pass_bits<T> gap = to_bits(gaps[i]);
      highest = highest < gap ? gap : highest;
    }
    return highest < to_bits(limit);
  } else {  // there is no maximum of such whole numbers
    pass_bits<T> signs = ~pass_bits<T>(0);
    for (std::size_t i = 0; i < N; ++i) {
      const pass_bits<T> gap = to_bits(gaps[i]);
      signs &= (gap - to_bits(limit)) & ~gap;
    }
    return (signs >> (8 * sizeof(T) - 1)) != 0;
  }
}

/// N gaps; false, and nothing written, if one of them is negative or NaN.
template <class Level, std::size_t N, class Curve, class T>
[[nodiscard]] EBB_INLINE bool pass_block(const Curve& curve, const T* gaps, T* out) {
  if (all_below<Level, N>(gaps, curve.limit)) {
    EBB_INDEPENDENT
    for (std::size_t i = 0; i < N; ++i) out[i] = curve.template at<Level::fused>(gaps[i]);
    return true;
  }
  pass_bits<T> bad = 0;
  for (std::size_t i = 0; i < N; ++i) bad |= pass_bits<T>(!(gaps[i] >= 0));
  if (bad != 0) return false;
  EBB_INDEPENDENT
  for (std::size_t i = 0; i < N; ++i) {
    const pass_bits<T> kept = mask_below<Level::fused>(gaps[i], curve.limit);
    out[i] = from_bits<T>(to_bits(curve.template at<Level::fused>(gaps[i])) & kept);
  }
  return true;
}

/// n gaps, `out` may be `gaps`; stops before the block of the first bad gap and returns how many numbers it wrote.
///
/// Blocks of a fixed length, the last one filled up: there are no odd numbers left to take one by one, slowly.
template <class Level, class Curve, class T>
[[nodiscard]] EBB_INLINE std::size_t pass_all(const Curve& curve, const T* gaps, T* out, std::size_t n) {
  constexpr std::size_t large = 128;
  constexpr std::size_t small = 32;
  std::size_t done = 0;
  for (; n - done >= large; done += large) {
    if (!pass_block<Level, large>(curve, gaps + done, out + done)) return done;
  }
  for (; n - done >= small; done += small) {
    if (!pass_block<Level, small>(curve, gaps + done, out + done)) return done;
  }
  if (done == n) return n;
  T rest[small] = {};
  for (std::size_t i = 0; i < n - done; ++i) rest[i] = gaps[done + i];
  if (!pass_block<Level, small>(curve, rest, rest)) return done;
  for (std::size_t i = 0; i < n - done; ++i) out[done + i] = rest[i];
  return n;
}

struct pass_kernel {
  template <class Level, class Curve, class T>
  [[nodiscard]] EBB_INLINE static std::size_t run(const Curve* curve, const T* gaps, T* out, std::size_t n) {
    const Curve local = *curve;  // which no store can be taken to change
    return pass_all<Level>(local, gaps, out, n);
  }
};

/// `pass_all` with the widest vectors this processor has.
template <class Curve, class T>
[[nodiscard]] std::size_t decay_pass(const Curve& curve, const T* gaps, T* out, std::size_t n) {
  return run_best<pass_kernel>(&curve, gaps, out, n);
}

}  // namespace ebb::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif  // EBB_SIMD_LEVELS

#endif  // EBB_DETAIL_DECAY_PASS_HPP
