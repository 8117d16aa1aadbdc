// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_TAG_LINE_HPP
#define EBB_DETAIL_TAG_LINE_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "ebb/detail/simd_levels.hpp"

namespace ebb::detail {

/// Asks the processor to fetch what is at an address, where a compiler offers that.
///
/// Whatever does nothing but call this must be EBB_INLINE too: g++ takes a function that only prefetches for one that does nothing, and leaves
/// out the call.
EBB_INLINE void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  static_cast<void>(address);
#endif
}

/// The byte a hash is known by in a line of tags: never 0, which marks a free place.
[[nodiscard]] EBB_INLINE std::uint8_t tag_byte(std::uint32_t hash) noexcept {
  const std::uint32_t low = hash & 0xffU;
  return static_cast<std::uint8_t>(low + (low < 1 ? 1U : 0U));
}

/// Where a tag may be among up to 64 bytes. The first is where it is; of the others one in a few hundred is wrong, and whoever goes on to them
/// has to look.
///
/// Byte 8 w + i is bit 8 i + w, so that words of eight bytes are compared, and joined, in a few instructions each.
class tag_places {
 public:
  /// Among the `Size` bytes from `from` on. Whole words are read: up to 7 bytes more.
  template <std::size_t Size>
  [[nodiscard]] EBB_INLINE static tag_places of(const void* from, std::uint8_t tag) noexcept {
    tag_places found;
    const std::uint64_t tags = ones * tag;
    found.bits_ = equal<0, Size>(from, tags);
    if constexpr (Size > 8) found.bits_ |= equal<1, Size>(from, tags);
    if constexpr (Size > 16) found.bits_ |= equal<2, Size>(from, tags);
    static_assert(Size <= 24);
    return found;
  }

  [[nodiscard]] EBB_INLINE bool empty() const noexcept { return bits_ == 0; }
  /// The number of one of them.
  [[nodiscard]] EBB_INLINE std::uint32_t first() const noexcept {
    const auto bit = static_cast<std::uint32_t>(std::countr_zero(bits_));
    return 8 * (bit & 7) + (bit >> 3);
  }
  /// Takes that one out.
  EBB_INLINE void pop() noexcept { bits_ &= bits_ - 1; }

 private:
  static constexpr std::uint64_t ones = 0x0101010101010101U;

  /// Word number W; a borrow may make a byte that differs by one look equal, but only above one that is.
  template <std::size_t W, std::size_t Size>
  [[nodiscard]] EBB_INLINE static std::uint64_t equal(const void* from, std::uint64_t tags) noexcept {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, static_cast<const std::byte*>(from) + 8 * W, sizeof bytes);
    if constexpr (std::endian::native == std::endian::big) bytes = turned(bytes);
    const std::uint64_t differs = bytes ^ tags;
    constexpr std::uint64_t wanted = 8 * W + 8 > Size ? (std::uint64_t{1} << (Size % 8 * 8)) - 1 : ~std::uint64_t{0};
    return ((differs - ones) & ~differs & (ones << 7 & wanted)) >> (7 - W);
  }

  [[nodiscard]] static std::uint64_t turned(std::uint64_t bytes) noexcept {
    std::uint64_t out = 0;
    for (int i = 0; i < 64; i += 8) out |= (bytes >> i & 0xffU) << (56 - i);
    return out;
  }

  std::uint64_t bits_ = 0;
};

/// One line of the cache that says where the things stand whose hashes lead to it: a byte of each hash, and its place.
///
/// What finds its line full stands in a later one; the line counts those, so that a search knows when to stop and erasing leaves no trace.
/// Source: the layout of F14, Bronson and Shi, "Open-sourcing F14 for faster, more memory-efficient hash tables", 2019.
template <class Place>
struct alignas(64) tag_line {
  static constexpr std::size_t room = (64 - sizeof(std::uint32_t)) / (1 + sizeof(Place));

  std::uint8_t tags[room] = {};  // 0 where free
  std::uint32_t passed = 0;
  Place places[room] = {};

  /// Where this tag is.
  [[nodiscard]] EBB_INLINE tag_places find(std::uint8_t tag) const noexcept {
    static_assert(offsetof(tag_line, tags) == 0 && sizeof(tag_line) == 64);
    return tag_places::of<room>(this, tag);
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
  [[nodiscard]] EBB_INLINE line* home(std::uint32_t hash) const noexcept {
    return lines_ + static_cast<std::size_t>((std::uint64_t{hash} * size_) >> 32);
  }

  /// The place with this hash for which is_it(place) holds, npos if there is none. Expected O(1).
  template <class Predicate>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, Predicate is_it) const {
    const std::uint8_t tag = tag_byte(hash);
    const line* const begin = home(hash);
    const line* at = begin;
    do {
      for (tag_places found = at->find(tag); !found.empty(); found.pop()) {
        const std::uint32_t i = found.first();
        if (at->tags[i] == tag && is_it(at->places[i])) return at->places[i];
      }
      if (at->passed == 0) return npos;
      at = next(at);
    } while (at != begin);  // after many comings and goings each line may have been passed
    return npos;
  }

  /// The first place whose hash looks like this one in the line where a search for it begins, npos if there is none: a guess of what will be
  /// asked for.
  [[nodiscard]] EBB_INLINE static std::uint32_t guess(const line* home, std::uint32_t hash) noexcept {
    const tag_places found = home->find(tag_byte(hash));
    return found.empty() ? npos : std::uint32_t{home->places[found.first()]};
  }

  /// Adds a place that is not there. At least one must be free.
  void insert(std::uint32_t hash, std::uint32_t place) noexcept {
    for (line* at = home(hash);; at = next(at)) {
      const tag_places free = at->find(0);
      if (!free.empty()) {
        const std::uint32_t i = free.first();
        at->tags[i] = tag_byte(hash);
        at->places[i] = static_cast<Place>(place);
        return;
      }
      ++at->passed;
    }
  }

  /// Adds the places 0 … n − 1 to empty lines; hash_of(place) tells their hashes.
  template <class HashOf>
  void fill(std::uint32_t n, HashOf hash_of) noexcept {
    constexpr std::size_t few = 256;
    if (size_ > few) {
      for (std::uint32_t place = 0; place < n; ++place) insert(hash_of(place), place);
      return;
    }
    std::uint8_t filled[few] = {};  // places in use of each line, so that the next free one need not be looked for
    for (std::uint32_t place = 0; place < n; ++place) {
      const std::uint32_t hash = hash_of(place);
      line* at = home(hash);
      for (; filled[at - lines_] == line::room; at = next(at)) ++at->passed;
      const std::size_t i = filled[at - lines_]++;
      at->tags[i] = tag_byte(hash);
      at->places[i] = static_cast<Place>(place);
    }
  }

  /// Takes out a place that is there.
  void erase(std::uint32_t hash, std::uint32_t place) noexcept {
    for (line* at = home(hash);; at = next(at)) {
      const std::uint32_t i = number_of(*at, hash, place);
      if (i < line::room) {
        at->tags[i] = 0;
        return;
      }
      --at->passed;
    }
  }

  /// Says that what stood at a place that is there has moved to another.
  void move(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept {
    for (line* at = home(hash);; at = next(at)) {
      const std::uint32_t i = number_of(*at, hash, from);
      if (i == line::room) continue;
      at->places[i] = static_cast<Place>(to);
      return;
    }
  }

 private:
  [[nodiscard]] line* next(const line* at) const noexcept {
    const std::size_t number = static_cast<std::size_t>(at - lines_) + 1;
    return lines_ + (number == size_ ? 0 : number);
  }

  /// Where in a line a place is; `room` where it is not.
  [[nodiscard]] static std::uint32_t number_of(const line& at, std::uint32_t hash, std::uint32_t place) noexcept {
    const std::uint8_t tag = tag_byte(hash);
    for (tag_places found = at.find(tag); !found.empty(); found.pop())
      if (at.tags[found.first()] == tag && at.places[found.first()] == place) return found.first();
    return line::room;
  }

  line* lines_;
  std::size_t size_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_TAG_LINE_HPP
