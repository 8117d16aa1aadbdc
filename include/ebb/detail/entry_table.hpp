// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ENTRY_TABLE_HPP
#define EBB_DETAIL_ENTRY_TABLE_HPP

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "ebb/detail/entry_groups.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/tag_line.hpp"

namespace ebb::detail {

/// The sums, times and count of one entry, to be changed in place.
template <std::floating_point T>
struct entry_row {
  T* sums;
  lane_grid::ticks* times;
  std::uint32_t* count;

  /// Asks the processor to fetch the row.
  void prefetch() const noexcept {
    detail::prefetch(sums);
    detail::prefetch(times);
    detail::prefetch(count);
  }
};

/// The entries of one owner (a user's items, or all items' heat): columns in one block of memory, and before them what finds an item.
///
/// The block: [tags | items | counts | times | sums], the columns with `room` places each; 24 bytes when empty. The tags of up to 16 entries
/// are a byte each, in the entries' order; those of more are lines of a tag_table. A search for an item thus goes through no loop that is
/// longer for some users than for others: what the processor guesses wrong costs more than all else here.
///
/// After the columns a large table keeps the keys of its groups (entry_groups.hpp), where the layout says so.
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
  entry_table(const entry_table& other) : size_(other.size_), widths_(other.widths_) {
    if (other.room_ == 0) return;
    allocate(other.room_);
    std::memcpy(block_, other.block_, block_bytes());
  }
  entry_table& operator=(const entry_table& other) {
    entry_table(other).swap(*this);
    return *this;
  }
  ~entry_table() { ::operator delete[](block_, alignment()); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t item(std::size_t i) const noexcept { return words()[i]; }
  [[nodiscard]] std::uint32_t count(std::size_t i) const noexcept { return words()[room_ + i]; }
  [[nodiscard]] const std::uint32_t* counts() const noexcept { return words() + room_; }
  [[nodiscard]] const ticks* times(const entry_layout& layout, std::size_t i) const noexcept {
    return reinterpret_cast<const ticks*>(block_ + times_offset()) + i * static_cast<std::size_t>(layout.times());
  }
  [[nodiscard]] const T* sums(const entry_layout& layout, std::size_t i) const noexcept {
    return reinterpret_cast<const T*>(block_ + sums_offset(layout)) + i * static_cast<std::size_t>(layout.sums());
  }
  [[nodiscard]] entry_row<T> row(const entry_layout& layout, std::size_t i) noexcept {
    return {const_cast<T*>(sums(layout, i)), const_cast<ticks*>(times(layout, i)), words() + room_ + i};
  }

  [[nodiscard]] std::size_t find(std::uint32_t item) const noexcept {
    const std::uint32_t hash = hash_of(item);
    const std::uint32_t* const items = words();
    if (room_ > most_in_lines_of_small) return place_in<const std::uint32_t>(items, item, hash);
    if (room_ > most_tags) return place_in<const std::uint16_t>(items, item, hash);
    if (room_ == 0) return npos;
    std::uint32_t found = equal_bytes(block_, tag_byte(hash));
    if (room_ > 8) found |= equal_bytes(block_ + 8, tag_byte(hash)) << 8;
    for (; found != 0; found &= found - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(found));
      if (items[i] == item) return i;
    }
    return npos;
  }

  /// Asks for what `find` reads first.
  void prefetch(std::uint32_t item) const noexcept {
    if (room_ > most_in_lines_of_small) {
      detail::prefetch(lines<const std::uint32_t>().home(hash_of(item)));
    } else if (room_ > most_tags) {
      detail::prefetch(lines<const std::uint16_t>().home(hash_of(item)));
    } else {
      detail::prefetch(block_);
    }
  }

  /// Whether entries are told apart by groups, the entries of one, and the keys of these, key_pitch(lanes) a group.
  [[nodiscard]] bool has_groups() const noexcept { return group_bytes(room_) > 0; }
  [[nodiscard]] std::size_t group() const noexcept { return group_size(room_); }
  [[nodiscard]] const std::int32_t* keys() const noexcept {
    return reinterpret_cast<const std::int32_t*>(block_ + keys_offset(room_));
  }

  /// Asks for what note_event writes.
  void prefetch_keys(const entry_row<T>& row) const noexcept {
    if (has_groups()) detail::prefetch(keys_of(number_of(row)));
  }

  /// To be told of a row that an event was added to.
  template <class Lanes>
  void note_event(const entry_layout& layout, Lanes lanes, const entry_row<T>& row, const unit_event& event) noexcept {
    if (!has_groups()) return;
    std::int32_t* const keys = keys_of(number_of(row));
    if (*row.times == event.time)
      raise_keys(layout.grid, lanes, row.sums, event.cells, keys);
    else
      raise_keys(layout.grid, lanes, row.sums, *row.times, keys);
  }

  /// To be told of a row that interest was added to.
  void note_interest(const entry_layout& layout, const entry_row<T>& row) noexcept {
    if (has_groups()) raise(layout, number_of(row));
  }

  /// Position of the item's entry, made empty if there was none. Strong guarantee.
  std::size_t find_or_add(const entry_layout& layout, std::uint32_t item) {
    const std::size_t at = find(item);
    if (at != npos) return at;
    if (size_ == room_) reallocate(layout, size_ + growth(size_));
    const std::size_t i = size_++;
    words()[i] = item;
    clear(layout, i);
    place(i);
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
    std::size_t first = size_;
    for (std::size_t i = 0; i < size_; ++i) {
      if (drop(i)) {
        first = std::min(first, i);
        continue;
      }
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
    if (dropped > 0) {
      index();
      if (has_groups()) group_anew(layout, first);
    }
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
    for (std::size_t i = size_ - n; i < size_; ++i) place(i);
    for (std::size_t i = size_ - n; has_groups() && i < size_; ++i) raise(layout, i);
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
    std::swap(widths_, other.widths_);
    std::swap(columns_, other.columns_);
  }

 private:
  static constexpr std::uint32_t most_tags = 16;
  static constexpr std::uint32_t most_in_lines_of_small = 65536;  // places in them have 16 bits

  /// Places added at a time: doubling would leave half of a large store's memory unused, and most users have a few items only.
  [[nodiscard]] static constexpr std::size_t growth(std::size_t size) noexcept {
    return std::max<std::size_t>(1, std::min(size, size / 4 + 2));
  }

  /// Bytes before the columns of a table with that much room, a multiple of 8.
  [[nodiscard]] static constexpr std::size_t tag_bytes(std::size_t room) noexcept {
    if (room <= most_tags) return room == 0 ? 0 : room <= 8 ? 8 : 16;
    // One in 20 places free at least, and most of the time more; of few sizes, so that growing seldom means to place all anew.
    const std::size_t wanted = room > most_in_lines_of_small ? (room + 7) / 8 : (room + 18) / 19;
    const int digits = std::max(0, static_cast<int>(std::bit_width(wanted)) - 3);
    return sizeof(tag_line<std::uint16_t>) * (((wanted - 1) >> digits) + 1) << digits;
  }

  [[nodiscard]] std::uint32_t* words() noexcept { return reinterpret_cast<std::uint32_t*>(block_ + columns()); }
  [[nodiscard]] const std::uint32_t* words() const noexcept {
    return reinterpret_cast<const std::uint32_t*>(block_ + columns());
  }
  [[nodiscard]] std::size_t columns() const noexcept { return std::size_t{8} * columns_; }
  [[nodiscard]] std::size_t times_offset() const noexcept { return columns() + std::size_t{8} * room_; }
  [[nodiscard]] std::size_t sums_offset(const entry_layout& layout) const noexcept {
    return times_offset() + sizeof(ticks) * static_cast<std::size_t>(layout.times()) * room_;
  }
  [[nodiscard]] std::size_t width() const noexcept { return widths_ >> 8; }
  [[nodiscard]] std::size_t pitch() const noexcept { return widths_ & 0xffU; }

  /// The keys begin on a line of the cache.
  [[nodiscard]] std::size_t keys_offset(std::size_t room) const noexcept {
    return (columns() + (std::size_t{8} + width()) * room + 63) / 64 * 64;
  }
  [[nodiscard]] std::size_t group_bytes(std::size_t room) const noexcept {
    if (room <= most_without_groups) return 0;
    const std::size_t step = group_size(room) * groups_step;
    return (room + step - 1) / step * groups_step * pitch() * sizeof(std::int32_t);
  }
  [[nodiscard]] std::size_t block_bytes() const noexcept {
    return has_groups() ? keys_offset(room_) + group_bytes(room_) : columns() + (std::size_t{8} + width()) * room_;
  }
  [[nodiscard]] std::align_val_t alignment() const noexcept {
    return std::align_val_t(room_ > most_tags ? alignof(tag_line<std::uint16_t>) : alignof(std::max_align_t));
  }

  /// An uninitialised block for an empty table.
  void allocate(std::size_t room) {
    const std::align_val_t alignment{room > most_tags ? alignof(tag_line<std::uint16_t>) : alignof(std::max_align_t)};
    room_ = static_cast<std::uint32_t>(room);
    columns_ = static_cast<std::uint32_t>(tag_bytes(room) / 8);
    block_ = static_cast<std::byte*>(::operator new[](block_bytes(), alignment));
  }

  [[nodiscard]] static std::uint32_t hash_of(std::uint32_t item) noexcept {
    return static_cast<std::uint32_t>((item * std::uint64_t{0x9e3779b97f4a7c15}) >> 32);
  }

  template <class Place>
  [[nodiscard]] tag_table<Place> lines() const noexcept {
    using line = typename tag_table<Place>::line;
    return {reinterpret_cast<line*>(block_), columns() / sizeof(line)};
  }

  template <class Place>
  [[nodiscard]] std::size_t place_in(const std::uint32_t* items, std::uint32_t item,
                                     std::uint32_t hash) const noexcept {
    const std::uint32_t at = lines<Place>().find(hash, [=](std::uint32_t i) { return items[i] == item; });
    return at == tag_table<Place>::npos ? npos : at;
  }

  void place(std::size_t i) noexcept {
    const std::uint32_t hash = hash_of(words()[i]);
    const auto at = static_cast<std::uint32_t>(i);
    if (room_ > most_in_lines_of_small) {
      lines<std::uint32_t>().insert(hash, at);
    } else if (room_ > most_tags) {
      lines<std::uint16_t>().insert(hash, at);
    } else {
      block_[i] = std::byte{tag_byte(hash)};
    }
  }

  [[nodiscard]] std::size_t number_of(const entry_row<T>& row) const noexcept {
    return static_cast<std::size_t>(row.count - counts());
  }
  [[nodiscard]] std::int32_t* keys_of(std::size_t i) const noexcept {
    return const_cast<std::int32_t*>(keys()) + i / group_size(room_) * pitch();
  }
  void raise(const entry_layout& layout, std::size_t i) noexcept {
    raise_keys(layout.grid, layout.lanes, sums(layout, i), *times(layout, i), keys_of(i));
  }

  /// Makes the groups of entry `first` and those after it anew.
  void group_anew(const entry_layout& layout, std::size_t first) noexcept {
    const std::size_t group = first / group_size(room_);
    const std::size_t before = group * pitch();
    std::fill_n(const_cast<std::int32_t*>(keys()) + before, group_bytes(room_) / sizeof(std::int32_t) - before, no_key);
    for (std::size_t i = group * group_size(room_); i < size_; ++i) raise(layout, i);
  }

  /// Takes over the groups of a table with the same entries.
  void group_like(const entry_layout& layout, const entry_table& other) noexcept {
    if (!other.has_groups() || group_size(other.room_) != group_size(room_)) return group_anew(layout, 0);
    const std::size_t bytes = group_bytes(room_);
    const std::size_t known = std::min(bytes, group_bytes(other.room_));
    auto* const to = const_cast<std::int32_t*>(keys());
    std::memcpy(to, other.keys(), known);
    std::fill(to + known / sizeof(std::int32_t), to + bytes / sizeof(std::int32_t), no_key);
  }

  void index() noexcept {
    std::memset(block_, 0, columns());
    for (std::size_t i = 0; i < size_; ++i) place(i);
  }

  void reallocate(const entry_layout& layout, std::size_t room) {
    entry_table grown;
    const std::size_t width =
        sizeof(ticks) * static_cast<std::size_t>(layout.times()) + sizeof(T) * static_cast<std::size_t>(layout.sums());
    const auto pitch = static_cast<std::uint32_t>(layout.groups ? key_pitch(layout.lanes) : 0);
    grown.widths_ = static_cast<std::uint32_t>(width << 8) | pitch;
    if (room > 0) grown.allocate(room);
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
    const bool are_lines_alike = (room_ > most_in_lines_of_small) == (grown.room_ > most_in_lines_of_small);
    if (columns_ != 0 && columns_ == grown.columns_ && are_lines_alike)
      std::memcpy(grown.block_, block_, columns());
    else if (grown.room_ > 0)
      grown.index();
    if (grown.has_groups()) grown.group_like(layout, *this);
    swap(grown);
  }

  std::byte* block_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t room_ = 0;
  std::uint32_t widths_ = 0;   // bytes of times and sums an entry, and in the low 8 bits keys of a group
  std::uint32_t columns_ = 0;  // bytes before the columns, in eighths
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ENTRY_TABLE_HPP
