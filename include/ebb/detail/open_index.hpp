// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_OPEN_INDEX_HPP
#define EBB_DETAIL_OPEN_INDEX_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace ebb::detail {

/// 32 well mixed bits of a hash: std::hash of an integer is that integer, and ids may be multiples of anything.
///
/// Every shift folds high bits into low ones before an odd product carries them up again, so that no pair of halves cancels.
[[nodiscard]] inline std::uint32_t tag_of(std::size_t hash) noexcept {
  std::uint64_t mixed = hash;
  mixed ^= mixed >> 32;
  mixed *= 0x9e3779b97f4a7c15U;
  mixed ^= mixed >> 29;
  mixed *= 0xd6e8feb86659fd93U;
  return static_cast<std::uint32_t>(mixed ^ (mixed >> 32));
}

/// Where things stand that are kept elsewhere, in an array: from the tag of a name to its place.
///
/// Open addressing with linear probing in one array of (tag, place). The tag tells all but one in thousands of strangers, so a search seldom
/// looks at a name that is not the one wanted, and the index grows and closes gaps without looking at any.
class open_index {
 public:
  static constexpr std::uint32_t npos = static_cast<std::uint32_t>(-1);

  /// The place with this tag for which is_it(place) holds, npos if there is none. Expected O(1).
  template <class Predicate>
  [[nodiscard]] std::uint32_t find(std::uint32_t tag, Predicate is_it) const {
    if (slots_.empty()) return npos;
    for (std::size_t s = tag & mask();; s = (s + 1) & mask()) {
      if (slots_[s].place_plus_one == 0) return npos;
      if (slots_[s].tag == tag && is_it(slots_[s].place_plus_one - 1)) return slots_[s].place_plus_one - 1;
    }
  }

  /// Room for so many places.   Errors: std::length_error above 2^32 − 2; strong guarantee.
  void reserve(std::size_t places) {
    if (places <= room(slots_.size())) return;
    if (places >= npos) throw std::length_error("ebb: there may be at most 2^32 − 2 names");
    std::size_t wanted = std::max<std::size_t>(16, slots_.size());
    while (places > room(wanted)) wanted *= 2;
    std::vector<slot> grown(wanted);
    slots_.swap(grown);
    for (const slot& s : grown)
      if (s.place_plus_one != 0) slots_[free_from(s.tag)] = s;
  }

  /// Adds a place that is not there, for which there is room.
  void insert(std::uint32_t tag, std::uint32_t place) noexcept { slots_[free_from(tag)] = {tag, place + 1}; }

  /// Takes out a place that is there. What it had pushed aside moves up, so that searches stay short however much comes and goes.
  void erase(std::uint32_t tag, std::uint32_t place) noexcept {
    std::size_t gap = slot_of(tag, place);
    for (std::size_t s = (gap + 1) & mask(); slots_[s].place_plus_one != 0; s = (s + 1) & mask()) {
      const std::size_t from_home = (s - slots_[s].tag) & mask();
      if (from_home < ((s - gap) & mask())) continue;  // its home is after the gap
      slots_[gap] = slots_[s];
      gap = s;
    }
    slots_[gap] = {};
  }

  /// Says that what stood at a place that is there has moved to another.
  void move(std::uint32_t tag, std::uint32_t from, std::uint32_t to) noexcept {
    slots_[slot_of(tag, from)].place_plus_one = to + 1;
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return slots_.capacity() * sizeof(slot); }

 private:
  struct slot {
    std::uint32_t tag = 0;
    std::uint32_t place_plus_one = 0;  // 0: free
  };

  [[nodiscard]] static std::size_t room(std::size_t slots) noexcept { return slots / 4 * 3; }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }

  [[nodiscard]] std::size_t free_from(std::uint32_t tag) const noexcept {
    std::size_t s = tag & mask();
    while (slots_[s].place_plus_one != 0) s = (s + 1) & mask();
    return s;
  }
  [[nodiscard]] std::size_t slot_of(std::uint32_t tag, std::uint32_t place) const noexcept {
    std::size_t s = tag & mask();
    while (slots_[s].place_plus_one != place + 1) s = (s + 1) & mask();
    return s;
  }

  std::vector<slot> slots_;  // a power of two of them, or none
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_OPEN_INDEX_HPP
