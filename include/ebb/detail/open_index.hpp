// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_OPEN_INDEX_HPP
#define EBB_DETAIL_OPEN_INDEX_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "ebb/detail/tag_line.hpp"

namespace ebb::detail {

/// 32 well mixed bits of a hash: std::hash of an integer is that integer, and ids may be multiples of anything.
///
/// Every shift folds high bits into low ones before an odd product carries them up again, so that no pair of halves cancels.
[[nodiscard]] inline std::uint32_t mixed_hash(std::size_t hash) noexcept {
  std::uint64_t mixed = hash;
  mixed ^= mixed >> 32;
  mixed *= 0x9e3779b97f4a7c15U;
  mixed ^= mixed >> 29;
  mixed *= 0xd6e8feb86659fd93U;
  return static_cast<std::uint32_t>(mixed ^ (mixed >> 32));
}

/// Where things stand that are kept elsewhere, in an array: from the hash of a name to its place.
///
/// A search reads one line of the cache, mostly, and seldom looks at a name that is not the one wanted.
class open_index {
 public:
  static constexpr std::uint32_t npos = tag_table<std::uint32_t>::npos;

  /// The place with this hash for which is_it(place) holds, npos if there is none. Expected O(1).
  template <class Predicate>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, Predicate is_it) const {
    return lines_.empty() ? npos : table().find(hash, is_it);
  }

  // A search in two steps, for where there is a place at least: the first asks for what the second reads.
  using line = tag_line<std::uint32_t>;
  /// The line where a search begins.
  [[nodiscard]] EBB_INLINE const line* home(std::uint32_t hash) const noexcept {
    const line* const at = table().home(hash);
    detail::prefetch(at);
    return at;
  }
  /// A place in it that may have this hash, npos if there is none.
  [[nodiscard]] EBB_INLINE static std::uint32_t guess(const line* home, std::uint32_t hash) noexcept {
    return tag_table<const std::uint32_t>::guess(home, hash);
  }

  /// Room for so many places, of which the first `size` are there; hash_of(place) tells their hashes.
  ///
  /// Errors: std::length_error above 2^32 − 2; strong guarantee.
  template <class HashOf>
  void reserve(std::size_t places, std::size_t size, HashOf hash_of) {
    if (places <= room(lines_.size())) return;
    if (places >= npos) throw std::length_error("ebb: there may be at most 2^32 − 2 names");
    std::size_t wanted = std::max<std::size_t>(1, lines_.size());
    while (places > room(wanted)) wanted *= 2;
    std::vector<line> grown(wanted);
    lines_.swap(grown);
    try {
      for (std::uint32_t place = 0; place < size; ++place) insert(hash_of(place), place);
    } catch (...) {
      lines_.swap(grown);
      throw;
    }
  }

  /// Adds a place that is not there, for which there is room.
  void insert(std::uint32_t hash, std::uint32_t place) noexcept { table().insert(hash, place); }
  /// Takes out a place that is there.
  void erase(std::uint32_t hash, std::uint32_t place) noexcept { table().erase(hash, place); }
  /// Says that what stood at a place that is there has moved to another.
  void move(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept { table().move(hash, from, to); }

  [[nodiscard]] std::size_t bytes() const noexcept { return lines_.capacity() * sizeof(line); }

 private:
  // A quarter left free: nearly every search then ends in the line where it begins.
  [[nodiscard]] static std::size_t room(std::size_t lines) noexcept { return lines * (line::room * 3 / 4); }

  [[nodiscard]] tag_table<std::uint32_t> table() noexcept { return {lines_.data(), lines_.size()}; }
  [[nodiscard]] tag_table<const std::uint32_t> table() const noexcept { return {lines_.data(), lines_.size()}; }

  std::vector<line> lines_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_OPEN_INDEX_HPP
