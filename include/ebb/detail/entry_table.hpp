// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ENTRY_TABLE_HPP
#define EBB_DETAIL_ENTRY_TABLE_HPP

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "ebb/detail/entry_layout.hpp"

namespace ebb::detail {

/// The sums, times and count of one entry, to be changed in place.
template <std::floating_point T>
struct entry_row {
  T* sums;
  lane_grid::ticks* times;
  std::uint32_t* count;

  /// Asks the processor to fetch the row, where a compiler offers that.
  void prefetch() const noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(sums, 1);
    __builtin_prefetch(times, 1);
    __builtin_prefetch(count, 1);
#endif
  }
};

/// The entries of one owner (a user's items, or all items' heat): columns in one block of memory, and an index once a scan would be slow.
///
/// The block: [items | counts | times | sums | index], each with `room` places; 24 bytes when empty.
template <std::floating_point T>
class entry_table {
 public:
  using ticks = lane_grid::ticks;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  entry_table() = default;
  entry_table(entry_table&& other) noexcept { swap(other); }
  entry_table& operator=(entry_table&& other) noexcept {
    entry_table(std::move(other)).swap(*this);
    return *this;
  }
  entry_table(const entry_table& other)
      : size_(other.size_), room_(other.room_), width_(other.width_), slots_(other.slots_) {
    if (room_ == 0) return;
    block_ = std::make_unique_for_overwrite<std::byte[]>(block_bytes());
    std::memcpy(block_.get(), other.block_.get(), block_bytes());
  }
  entry_table& operator=(const entry_table& other) {
    entry_table(other).swap(*this);
    return *this;
  }
  ~entry_table() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t item(std::size_t i) const noexcept { return words()[i]; }
  [[nodiscard]] std::uint32_t count(std::size_t i) const noexcept { return words()[room_ + i]; }
  [[nodiscard]] const std::uint32_t* counts() const noexcept { return words() + room_; }
  [[nodiscard]] const ticks* times(const entry_layout& layout, std::size_t i) const noexcept {
    return reinterpret_cast<const ticks*>(block_.get() + times_offset()) + i * static_cast<std::size_t>(layout.times());
  }
  [[nodiscard]] const T* sums(const entry_layout& layout, std::size_t i) const noexcept {
    return reinterpret_cast<const T*>(block_.get() + sums_offset(layout)) + i * static_cast<std::size_t>(layout.sums());
  }
  [[nodiscard]] entry_row<T> row(const entry_layout& layout, std::size_t i) noexcept {
    return {const_cast<T*>(sums(layout, i)), const_cast<ticks*>(times(layout, i)), words() + room_ + i};
  }

  [[nodiscard]] std::size_t find(std::uint32_t item) const noexcept { return slots_ == 0 ? scan(item) : probe(item); }

  /// Position of the item's entry, made empty if there was none. Strong guarantee.
  std::size_t find_or_add(const entry_layout& layout, std::uint32_t item) {
    const std::size_t at = find(item);
    if (at != npos) return at;
    if (size_ == room_) reallocate(layout, size_ + growth(size_));
    const std::size_t i = size_++;
    words()[i] = item;
    clear(layout, i);
    if (slots_ != 0) place(i);
    return i;
  }

  /// Empties entry i without removing it.
  void clear(const entry_layout& layout, std::size_t i) noexcept {
    const entry_row<T> r = row(layout, i);
    *r.count = 0;
    std::fill_n(r.sums, layout.sums(), T{0});
    std::fill_n(r.times, layout.times(), no_time);
    if (layout.dislike) r.times[layout.dislike_count()] = 0;
  }

  /// Removes every entry for which drop(position) holds; the order of the others stays.
  template <class Predicate>
  std::size_t erase_if(const entry_layout& layout, Predicate drop) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (drop(i)) continue;
      if (kept != i) {
        const entry_row<T> from = row(layout, i);
        const entry_row<T> to = row(layout, kept);
        words()[kept] = words()[i];
        *to.count = *from.count;
        std::copy_n(from.sums, layout.sums(), to.sums);
        std::copy_n(from.times, layout.times(), to.times);
      }
      ++kept;
    }
    const std::size_t dropped = size_ - kept;
    size_ = static_cast<std::uint32_t>(kept);
    if (dropped > 0 && slots_ != 0) index();
    return dropped;
  }

  void erase(const entry_layout& layout, std::size_t position) {
    erase_if(layout, [position](std::size_t i) { return i == position; });
  }

  /// Gives back the memory of a table that has become much emptier, if there is any to copy it to; one that is nearly full stays as it is.
  void shrink(const entry_layout& layout) noexcept {
    if (size_ + growth(size_) >= room_) return;
    try {
      reallocate(layout, size_);
    } catch (const std::bad_alloc&) {  // then it keeps its room
    }
  }

  /// Puts back n rows that were written out before, in columns; none of their items may be there.
  void append(const entry_layout& layout, std::size_t n, const std::uint32_t* items, const std::uint32_t* counts,
              const ticks* times, const T* sums) {
    if (n == 0) return;
    if (size_ + n > room_) reallocate(layout, std::max(size_ + n, size_ + growth(size_)));
    const entry_row<T> to = row(layout, size_);
    std::memcpy(words() + size_, items, n * sizeof(std::uint32_t));
    std::memcpy(to.count, counts, n * sizeof(std::uint32_t));
    std::memcpy(to.times, times, n * sizeof(ticks) * static_cast<std::size_t>(layout.times()));
    std::memcpy(to.sums, sums, n * sizeof(T) * static_cast<std::size_t>(layout.sums()));
    size_ += static_cast<std::uint32_t>(n);
    for (std::size_t i = size_ - n; slots_ != 0 && i < size_; ++i) place(i);
  }

  /// Room for `entries` entries without growing.
  void reserve(const entry_layout& layout, std::size_t entries) {
    if (entries > room_) reallocate(layout, entries);
  }

  /// Bytes on the heap.
  [[nodiscard]] std::size_t bytes() const noexcept { return room_ == 0 ? 0 : block_bytes(); }

  void swap(entry_table& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    std::swap(width_, other.width_);
    std::swap(slots_, other.slots_);
  }

 private:
  static constexpr std::size_t scan_limit = 64;  // so many adjacent integers are scanned faster than one is probed

  /// Places added at a time: doubling would leave half of a large store's memory unused, and most users have a few items only.
  [[nodiscard]] static constexpr std::size_t growth(std::size_t size) noexcept {
    return std::max<std::size_t>(1, std::min(size, size / 4 + 2));
  }

  [[nodiscard]] std::uint32_t* words() noexcept { return reinterpret_cast<std::uint32_t*>(block_.get()); }
  [[nodiscard]] const std::uint32_t* words() const noexcept {
    return reinterpret_cast<const std::uint32_t*>(block_.get());
  }
  [[nodiscard]] std::size_t times_offset() const noexcept { return std::size_t{8} * room_; }
  [[nodiscard]] std::size_t sums_offset(const entry_layout& layout) const noexcept {
    return times_offset() + sizeof(ticks) * static_cast<std::size_t>(layout.times()) * room_;
  }
  [[nodiscard]] std::size_t index_offset() const noexcept { return (std::size_t{8} + width_) * room_; }
  [[nodiscard]] std::size_t block_bytes() const noexcept {
    return index_offset() + std::size_t{slots_} * sizeof(std::uint32_t);
  }
  [[nodiscard]] std::uint32_t* slot_array() noexcept {
    return reinterpret_cast<std::uint32_t*>(block_.get() + index_offset());
  }
  [[nodiscard]] const std::uint32_t* slot_array() const noexcept {
    return reinterpret_cast<const std::uint32_t*>(block_.get() + index_offset());
  }

  [[nodiscard]] std::size_t scan(std::uint32_t item) const noexcept { return place_of(words(), size_, item); }

  // An item is there once at most, so its place is a sum: without a way out of the loop the compiler compares four at once, g++ from -O3 on.
#if defined(__GNUC__) && !defined(__clang__)
  __attribute__((optimize("O3")))
#endif
  [[nodiscard]] static std::size_t
  place_of(const std::uint32_t* items, std::uint32_t n, std::uint32_t item) noexcept {
    std::uint32_t place_plus_one = 0;
    for (std::uint32_t i = 0; i < n; ++i) place_plus_one += items[i] == item ? i + 1 : 0;
    return std::size_t{place_plus_one} - 1;
  }

  [[nodiscard]] static std::size_t hash(std::uint32_t item) noexcept {
    return static_cast<std::size_t>((item * std::uint64_t{0x9e3779b97f4a7c15}) >> 32);
  }

  [[nodiscard]] std::size_t probe(std::uint32_t item) const noexcept {
    const std::size_t mask = slots_ - 1U;
    const std::uint32_t* const slots = slot_array();
    for (std::size_t s = hash(item) & mask;; s = (s + 1) & mask) {
      if (slots[s] == 0) return npos;
      if (words()[slots[s] - 1] == item) return slots[s] - 1;
    }
  }

  void place(std::size_t i) noexcept {
    const std::size_t mask = slots_ - 1U;
    std::uint32_t* const slots = slot_array();
    std::size_t s = hash(words()[i]) & mask;
    while (slots[s] != 0) s = (s + 1) & mask;
    slots[s] = static_cast<std::uint32_t>(i + 1);
  }

  void index() noexcept {
    std::fill_n(slot_array(), slots_, 0U);
    for (std::size_t i = 0; i < size_; ++i) place(i);
  }

  void reallocate(const entry_layout& layout, std::size_t room) {
    entry_table grown;
    grown.room_ = static_cast<std::uint32_t>(room);
    grown.width_ = static_cast<std::uint32_t>(sizeof(ticks) * static_cast<std::size_t>(layout.times()) +
                                              sizeof(T) * static_cast<std::size_t>(layout.sums()));
    grown.slots_ = room <= scan_limit ? 0 : std::bit_ceil(grown.room_ + grown.room_ / 4);
    if (room > 0) grown.block_ = std::make_unique_for_overwrite<std::byte[]>(grown.block_bytes());
    grown.size_ = size_;
    if (size_ > 0) {
      const std::size_t words_size = size_ * sizeof(std::uint32_t);
      std::memcpy(grown.words(), words(), words_size);
      std::memcpy(grown.words() + grown.room_, words() + room_, words_size);
      std::memcpy(grown.row(layout, 0).times, times(layout, 0),
                  size_ * sizeof(ticks) * static_cast<std::size_t>(layout.times()));
      std::memcpy(grown.row(layout, 0).sums, sums(layout, 0),
                  size_ * sizeof(T) * static_cast<std::size_t>(layout.sums()));
    }
    if (grown.slots_ != 0) {
      if (grown.slots_ == slots_)
        std::memcpy(grown.slot_array(), slot_array(), slots_ * sizeof(std::uint32_t));
      else
        grown.index();
    }
    swap(grown);
  }

  std::unique_ptr<std::byte[]> block_;
  std::uint32_t size_ = 0;
  std::uint32_t room_ = 0;
  std::uint32_t width_ = 0;  // bytes of times and sums an entry
  std::uint32_t slots_ = 0;  // places of the index, a power of two or none
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ENTRY_TABLE_HPP
