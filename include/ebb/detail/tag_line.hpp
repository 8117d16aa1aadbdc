// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_TAG_LINE_HPP
#define EBB_DETAIL_TAG_LINE_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ebb::detail {

/// Asks the processor to fetch what is at an address, where a compiler offers that.
inline void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  static_cast<void>(address);
#endif
}

/// The byte a hash is known by in a line of tags: never 0, which marks a free place.
[[nodiscard]] inline std::uint8_t tag_byte(std::uint32_t hash) noexcept {
  const std::uint32_t low = hash & 0xffU;
  return static_cast<std::uint8_t>(low | (low == 0 ? 1U : 0U));
}

/// Bit i is set where byte i of the eight from `from` on is `tag`.
[[nodiscard]] inline std::uint32_t equal_bytes(const std::byte* from, std::uint8_t tag) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  std::uint64_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  if constexpr (std::endian::native == std::endian::big) {
    std::uint64_t turned = 0;
    for (int i = 0; i < 64; i += 8) turned |= (bytes >> i & 0xffU) << (56 - i);
    bytes = turned;
  }
  const std::uint64_t differs = bytes ^ (ones * tag);
  const std::uint64_t is_equal = ~(((differs & ones * 0x7f) + ones * 0x7f) | differs) & ones << 7;  // a bit a byte
  return static_cast<std::uint32_t>(((is_equal >> 7) * 0x0102040810204080U) >> 56);                 // side by side
}

/// One line of the cache that says where the things stand whose hashes lead to it: a byte of each hash, and its place.
///
/// What finds its line full stands in a later one; the line counts those, so that a search knows when to stop and erasing leaves no trace.
/// Source: the layout of F14, Bronson and Shi, "Open-sourcing F14 for faster, more memory-efficient hash tables", 2019.
template <class Place>
struct alignas(64) tag_line {
  static constexpr std::size_t room = (64 - sizeof(std::uint32_t)) / (1 + sizeof(Place));
  static constexpr std::uint32_t all = (std::uint32_t{1} << room) - 1;

  std::uint8_t tags[room] = {};  // 0 where free
  std::uint32_t passed = 0;
  Place places[room] = {};

  /// The places whose tag may be this one, a bit each.
  [[nodiscard]] std::uint32_t find(std::uint8_t tag) const noexcept {
    static_assert(offsetof(tag_line, passed) == room && room % 4 == 0 && room > 8);
    const auto* const bytes = reinterpret_cast<const std::byte*>(this);
    std::uint32_t found = 0;
    for (std::size_t b = 0; b < room; b += 8) found |= equal_bytes(bytes + b, tag) << b;
    return found & all;  // the last eight bytes may go on into `passed`
  }
};

/// A hash table of places in lines of tags. The lines are somebody else's, and so are the things, which it does not look at but to ask
/// whether one is the one wanted. A hash has 32 well mixed bits.
///
/// Place is const where the table is only searched.
template <class Place>
class tag_table {
 public:
  using line = std::conditional_t<std::is_const_v<Place>, const tag_line<std::remove_const_t<Place>>, tag_line<Place>>;
  static constexpr std::uint32_t npos = static_cast<std::uint32_t>(-1);

  tag_table(line* lines, std::size_t size) noexcept : lines_(lines), size_(size) {}

  /// The line where a search begins.
  [[nodiscard]] line* home(std::uint32_t hash) const noexcept {
    return lines_ + static_cast<std::size_t>((std::uint64_t{hash} * size_) >> 32);
  }

  /// The place with this hash for which is_it(place) holds, npos if there is none. Expected O(1).
  template <class Predicate>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, Predicate is_it) const {
    const std::uint8_t tag = tag_byte(hash);
    for (const line* at = home(hash);; at = next(at)) {
      for (std::uint32_t found = at->find(tag); found != 0; found &= found - 1) {
        const Place place = at->places[std::countr_zero(found)];
        if (is_it(std::uint32_t{place})) return place;
      }
      if (at->passed == 0) return npos;
    }
  }

  /// Adds a place that is not there. At least one must be free.
  void insert(std::uint32_t hash, std::uint32_t place) noexcept {
    for (line* at = home(hash);; at = next(at)) {
      const std::uint32_t free = at->find(0);
      if (free != 0) {
        const int i = std::countr_zero(free);
        at->tags[i] = tag_byte(hash);
        at->places[i] = static_cast<Place>(place);
        return;
      }
      ++at->passed;
    }
  }

  /// Takes out a place that is there.
  void erase(std::uint32_t hash, std::uint32_t place) noexcept {
    for (line* at = home(hash);; at = next(at)) {
      const int i = number_of(*at, hash, place);
      if (i >= 0) {
        at->tags[i] = 0;
        return;
      }
      --at->passed;
    }
  }

  /// Says that what stood at a place that is there has moved to another.
  void move(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept {
    for (line* at = home(hash);; at = next(at)) {
      const int i = number_of(*at, hash, from);
      if (i < 0) continue;
      at->places[i] = static_cast<Place>(to);
      return;
    }
  }

 private:
  [[nodiscard]] line* next(const line* at) const noexcept {
    const std::size_t number = static_cast<std::size_t>(at - lines_) + 1;
    return lines_ + (number == size_ ? 0 : number);
  }

  [[nodiscard]] static int number_of(const line& at, std::uint32_t hash, std::uint32_t place) noexcept {
    for (std::uint32_t found = at.find(tag_byte(hash)); found != 0; found &= found - 1) {
      const int i = std::countr_zero(found);
      if (at.places[i] == place) return i;
    }
    return -1;
  }

  line* lines_;
  std::size_t size_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_TAG_LINE_HPP
