// SPDX-License-Identifier: MIT
#ifndef EBB_RANDOM_HPP
#define EBB_RANDOM_HPP

#include "ebb/time.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <numbers>
#include <random>
#include <utility>

namespace ebb {

/// A seeded stream of random numbers whose integers, uniforms and shuffles are the same on every platform, which those
/// of the standard library's distributions are not (`normal` calls the platform's logarithm and cosine).
///
/// The generator is xoshiro256**: period 2^256 − 1, 32 bytes of state, filled from the seed by splitmix64. It is a
/// UniformRandomBitGenerator. There is no default seed, and it is not for secrets.
/// Source: D. Blackman, S. Vigna, Scrambled linear pseudorandom number generators, ACM TOMS 47(4), 2021;
///         G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014 (splitmix64).
class random_engine {
 public:
  using result_type = std::uint64_t;

  explicit constexpr random_engine(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = mix(seed += golden_gamma);
  }

  [[nodiscard]] static constexpr result_type min() noexcept { return 0; }
  [[nodiscard]] static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

  /// The next 64 bits.
  constexpr result_type operator()() noexcept {
    const std::uint64_t bits = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return bits;
  }

  /// The next multiple of 2^−53 in [0, 1), all equally likely.
  constexpr double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

  /// The next draw from the normal distribution with mean 0 and variance 1; takes two draws of 64 bits.
  ///
  /// Source: G. Box, M. Muller, A note on the generation of random normal deviates, Ann. Math. Stat. 29(2), 1958.
  double normal() noexcept {
    const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

  /// The next integer in [0, n), all equally likely (draws that would favour the small ones are thrown away).
  ///
  /// Errors: std::invalid_argument unless n > 0.
  std::uint64_t below(std::uint64_t n) {
    detail::require(n > 0, "random_engine::below", "n must be > 0", n);
    const std::uint64_t surplus = (0 - n) % n;  // 2^64 mod n
    std::uint64_t bits = (*this)();
    while (bits < surplus) bits = (*this)();
    return bits % n;
  }

  /// Puts [first, last) into a random order, all orders equally likely.
  ///
  /// Source: R. Durstenfeld, Algorithm 235: random permutation, CACM 7(7), 1964.
  template <std::random_access_iterator Iterator>
  void shuffle(Iterator first, Iterator last) {
    using difference = std::iter_difference_t<Iterator>;
    for (difference left = last - first; left > 1; --left)
      std::iter_swap(first + (left - 1), first + static_cast<difference>(below(static_cast<std::uint64_t>(left))));
  }

  /// A new engine for stream number `stream`; this one stays where it is, so the same number gives the same stream.
  /// One per thread, fold or epoch, so that none depends on how much another has drawn.
  [[nodiscard]] constexpr random_engine split(std::uint64_t stream) const noexcept {
    std::uint64_t seed = mix(stream + golden_gamma);
    for (const std::uint64_t word : state_) seed = mix(seed ^ word);
    return random_engine(seed);
  }

  [[nodiscard]] friend constexpr bool operator==(const random_engine&, const random_engine&) noexcept = default;

 private:
  static constexpr std::uint64_t golden_gamma = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio, odd

  static constexpr std::uint64_t mix(std::uint64_t bits) noexcept {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }

  std::array<std::uint64_t, 4> state_{};
};

static_assert(std::uniform_random_bit_generator<random_engine>);

}  // namespace ebb

#endif  // EBB_RANDOM_HPP
