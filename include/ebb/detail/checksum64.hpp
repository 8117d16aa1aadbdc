// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_CHECKSUM64_HPP
#define EBB_DETAIL_CHECKSUM64_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string_view>

namespace ebb::detail {

/// A check of many bytes at the speed of memory, for finding damage (not forgers): four lanes take every fourth eight-byte word.
///
///   lane ← rotl(lane ⊕ word, 29) · odd        (mod 2^64; words little-endian, the last ones filled up with zeros)
///   check = the length, then lane after lane, taken in the same way; its bits mixed once more
///
/// A step has an inverse, whatever the word: a change within one word is found for certain, any other (words exchanged, blocks moved, zeros
/// added at the end) but once in 2^64 times. The rotation brings high bits, which a product leaves where they are, down to where it spreads
/// them.   The four products do not wait for one another, so the time is that of one word a cycle or so, without special instructions.
class checksum64_lanes {
 public:
  [[nodiscard]] std::uint64_t operator()(std::string_view bytes) const noexcept {
    std::uint64_t a = odd;
    std::uint64_t b = odd * 3;
    std::uint64_t c = odd * 5;
    std::uint64_t d = odd * 7;
    const auto take = [&](const char* at) {
      a = step(a, word(at));
      b = step(b, word(at + 8));
      c = step(c, word(at + 16));
      d = step(d, word(at + 24));
    };
    std::size_t i = 0;
    for (; i + 32 <= bytes.size(); i += 32) take(bytes.data() + i);
    if (i < bytes.size()) {
      char last[32] = {};
      std::memcpy(last, bytes.data() + i, bytes.size() - i);
      take(last);
    }
    std::uint64_t check = bytes.size();
    for (const std::uint64_t lane : {a, b, c, d}) check = step(check, lane);
    check = (check ^ (check >> 32)) * odd;
    return check ^ (check >> 29);
  }

 private:
  static constexpr std::uint64_t odd =
      0x9e3779b97f4a7c15U;  // 2^64 over the golden ratio: about half of its bits are set

  [[nodiscard]] static constexpr std::uint64_t step(std::uint64_t lane, std::uint64_t word) noexcept {
    return std::rotl(lane ^ word, 29) * odd;
  }

  [[nodiscard]] static std::uint64_t word(const char* at) noexcept {
    std::uint64_t bits = 0;
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(&bits, at, sizeof(bits));
    } else {
      for (std::size_t b = 0; b < sizeof(bits); ++b)
        bits |= std::uint64_t{static_cast<unsigned char>(at[b])} << (8 * b);
    }
    return bits;
  }
};

inline constexpr checksum64_lanes checksum64;

}  // namespace ebb::detail

#endif  // EBB_DETAIL_CHECKSUM64_HPP
