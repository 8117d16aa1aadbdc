// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_CRC32_HPP
#define EBB_DETAIL_CRC32_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ebb::detail {

/// The cyclic redundancy check of Ethernet and zip files: finds every burst of up to 32 wrong bits.
///
/// crc32("123456789") == 0xcbf43926; crc32(b, crc32(a)) is the check of a and b joined. Eight bytes a step, from eight tables.
/// Source: W. Peterson, D. Brown, Cyclic codes for error detection, Proc. IRE 1961; the tables of M. Kounavis, F. Berry, Novel table
///         lookup-based algorithms for high-performance CRC generation, IEEE Trans. Computers 2008.
class crc32_tables {
 public:
  constexpr crc32_tables() noexcept {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t rest = byte;
      for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1U) != 0 ? 0xedb88320U : 0U);
      table_[0][byte] = rest;
    }
    for (std::size_t t = 1; t < 8; ++t)
      for (std::size_t byte = 0; byte < 256; ++byte)
        table_[t][byte] = (table_[t - 1][byte] >> 8) ^ table_[0][table_[t - 1][byte] & 0xffU];
  }

  [[nodiscard]] constexpr std::uint32_t operator()(std::string_view bytes, std::uint32_t before = 0) const noexcept {
    std::uint32_t rest = ~before;
    std::size_t i = 0;
    const auto at = [&](std::size_t j) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[j])); };
    for (; i + 8 <= bytes.size(); i += 8) {
      rest ^= at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24;
      rest = table_[7][rest & 0xffU] ^ table_[6][(rest >> 8) & 0xffU] ^ table_[5][(rest >> 16) & 0xffU] ^
             table_[4][rest >> 24] ^ table_[3][at(i + 4)] ^ table_[2][at(i + 5)] ^ table_[1][at(i + 6)] ^
             table_[0][at(i + 7)];
    }
    for (; i < bytes.size(); ++i) rest = (rest >> 8) ^ table_[0][(rest ^ at(i)) & 0xffU];
    return ~rest;
  }

 private:
  std::array<std::array<std::uint32_t, 256>, 8> table_{};
};

inline constexpr crc32_tables crc32;

static_assert(crc32("123456789") == 0xcbf43926U);

}  // namespace ebb::detail

#endif  // EBB_DETAIL_CRC32_HPP
