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
#include <stdexcept>
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
  EBB_INLINE void prefetch() const noexcept {
    detail::prefetch(count);
    detail::prefetch(sums);
  }
};

/// Copies a few numbers, an std::integral_constant or any: a call of memcpy would cost more.
template <class Size, class V>
EBB_INLINE void copy_numbers(Size size, const V* from, V* to) noexcept {
  if constexpr (std::integral<Size>) {
    for (Size i = 0; i < size; ++i) to[i] = from[i];
  } else {
    std::memcpy(to, from, sizeof(V) * static_cast<std::size_t>(size));
  }
}

/// The entries of one owner (a user's items, or all items' heat): rows in one block of memory, and before them what finds an item.
///
/// The block: [tags | rows | keys], a row being [item | count | times | sums], a multiple of 8 bytes; 24 bytes when empty. An event thus
/// changes a line or two of the cache, where columns would take four. The tags of up to 16 entries are a byte each, in the entries' order;
/// those of more are lines of a tag_table. A search for an item thus goes through no loop that is longer for some users than for others:
/// what the processor guesses wrong costs more than all else here. The keys are those of a large table's groups (entry_groups.hpp), where
/// the layout says so.
template <std::floating_point T>
class entry_table {
 public:
  using ticks = lane_grid::ticks;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  static constexpr std::uint32_t none = static_cast<std::uint32_t>(-1);

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
  [[nodiscard]] std::uint32_t item(std::size_t i) const noexcept { return *words(i); }
  [[nodiscard]] std::uint32_t count(std::size_t i) const noexcept { return words(i)[1]; }
  [[nodiscard]] const ticks* times(const entry_layout&, std::size_t i) const noexcept {
    return reinterpret_cast<const ticks*>(row_at(i) + times_offset);
  }
  [[nodiscard]] const T* sums(const entry_layout& layout, std::size_t i) const noexcept {
    return reinterpret_cast<const T*>(row_at(i) + sums_offset(layout));
  }
  [[nodiscard]] entry_row<T> row(const entry_layout& layout, std::size_t i) noexcept {
    return {const_cast<T*>(sums(layout, i)), const_cast<ticks*>(times(layout, i)), words(i) + 1};
  }

  /// From the sums of one entry to those of the next, in numbers.
  [[nodiscard]] static std::size_t sums_apart(const entry_layout& layout) noexcept {
    return row_bytes(layout) / sizeof(T);
  }
  /// And from its times.
  [[nodiscard]] static std::size_t times_apart(const entry_layout& layout) noexcept {
    return row_bytes(layout) / sizeof(ticks);
  }

  [[nodiscard]] std::size_t find(std::uint32_t item) const noexcept {
    const std::uint32_t hash = hash_of(item);
    if (room_ > most_in_lines_of_small) return place_in<const std::uint32_t>(item, hash);
    if (room_ > most_tags) return place_in<const std::uint16_t>(item, hash);
    if (room_ == 0) return npos;
    for (tag_places found = tagged(hash); !found.empty(); found.pop()) {
      const std::uint32_t i = found.first();
      if (i < size_ && this->item(i) == item) return i;
    }
    return npos;
  }

  // A search in three steps, each of which asks for what the next one reads; hash: hash_of(item).
  EBB_INLINE void prefetch(std::uint32_t hash) const noexcept {
    const void* first = block_;
    if (room_ > most_in_lines_of_small)
      first = lines<const std::uint32_t>().home(hash);
    else if (room_ > most_tags)
      first = lines<const std::uint16_t>().home(hash);
    detail::prefetch(first);
  }
  [[nodiscard]] EBB_INLINE std::uint32_t guess(std::uint32_t hash) const noexcept {
    std::uint32_t i = none;
    if (room_ > most_in_lines_of_small) {
      i = guess_in<const std::uint32_t>(hash);
    } else if (room_ > most_tags) {
      i = guess_in<const std::uint16_t>(hash);
    } else if (room_ > 0) {
      const tag_places found = tagged(hash);
      if (!found.empty()) i = found.first();
    }
    if (i >= size_) return none;
    const std::byte* const row = row_at(i);
    detail::prefetch(row);
    detail::prefetch(row + row_width() - 1);
    return i;
  }
  [[nodiscard]] EBB_INLINE std::size_t find(std::uint32_t item, std::uint32_t guess) const noexcept {
    return guess != none && this->item(guess) == item ? guess : find(item);
  }

  /// Asks for the first few thousand bytes of rows, for whoever will read them all: a processor sees by itself where that goes on.
  EBB_INLINE void prefetch_rows() const noexcept {
    const std::size_t bytes = std::min<std::size_t>(size_ * row_width(), 4096);
    for (std::size_t at = 0; at < bytes; at += 64) detail::prefetch(row_at(0) + at);
  }

  [[nodiscard]] static std::uint32_t hash_of(std::uint32_t item) noexcept {
    return static_cast<std::uint32_t>((item * std::uint64_t{0x9e3779b97f4a7c15}) >> 32);
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
    return at != npos ? at : add(layout, item);
  }

  /// Position of a new, empty entry of an item that has none. Strong guarantee.
  std::size_t add(const entry_layout& layout, std::uint32_t item) {
    if (size_ == room_) reallocate(layout, size_ + growth(size_));
    const std::size_t i = size_++;
    *words(i) = item;
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
      if (kept != i) std::memcpy(row_at(kept), row_at(i), row_width());
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
    const auto times_size = static_cast<std::size_t>(layout.times());
    const std::size_t width = row_width();
    std::byte* const to = row_at(size_);
    for (std::size_t j = 0; j < n; ++j) {
      auto* const numbers = reinterpret_cast<std::uint32_t*>(to + j * width);
      numbers[0] = items[j];
      numbers[1] = counts[j];
      copy_numbers(times_size, times + j * times_size, reinterpret_cast<ticks*>(to + j * width + times_offset));
    }
    with_lanes<0>(layout.sums(), [&](auto sums_size) {
      std::byte* const sums_to = to + sums_offset(layout);
      for (std::size_t j = 0; j < n; ++j)
        copy_numbers(sums_size, sums + j * static_cast<std::size_t>(sums_size),
                     reinterpret_cast<T*>(sums_to + j * width));
    });
    size_ += static_cast<std::uint32_t>(n);
    if (size_ == n)
      index();
    else
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
    std::swap(tag_eighths_, other.tag_eighths_);
  }

 private:
  static constexpr std::uint32_t most_tags = 16;
  static constexpr std::uint32_t most_in_lines_of_small = 65536;  // places in them have 16 bits

  /// Places added at a time: doubling would leave half of a large store's memory unused, and most users have a few items only.
  [[nodiscard]] static constexpr std::size_t growth(std::size_t size) noexcept {
    return std::max<std::size_t>(1, std::min(size, size / 4 + 2));
  }

  /// Bytes before the rows of a table with that much room, a multiple of 8.
  [[nodiscard]] static constexpr std::size_t tag_bytes(std::size_t room) noexcept {
    if (room <= most_tags) return room == 0 ? 0 : room <= 8 ? 8 : 16;
    // One in 20 places free at least, and most of the time more; of few sizes, so that growing seldom means to place all anew.
    const std::size_t wanted = room > most_in_lines_of_small ? (room + 7) / 8 : (room + 18) / 19;
    const int digits = std::max(0, static_cast<int>(std::bit_width(wanted)) - 3);
    return sizeof(tag_line<std::uint16_t>) * (((wanted - 1) >> digits) + 1) << digits;
  }

  static constexpr std::size_t times_offset = 2 * sizeof(std::uint32_t);
  [[nodiscard]] static std::size_t sums_offset(const entry_layout& layout) noexcept {
    return times_offset + sizeof(ticks) * static_cast<std::size_t>(layout.times());
  }
  [[nodiscard]] static std::size_t row_bytes(const entry_layout& layout) noexcept {
    return (sums_offset(layout) + sizeof(T) * static_cast<std::size_t>(layout.sums()) + 7) / 8 * 8;
  }

  [[nodiscard]] std::size_t row_width() const noexcept { return widths_ >> 8; }
  [[nodiscard]] std::size_t pitch() const noexcept { return widths_ & 0xffU; }
  [[nodiscard]] std::byte* row_at(std::size_t i) noexcept { return block_ + before_rows() + i * row_width(); }
  [[nodiscard]] const std::byte* row_at(std::size_t i) const noexcept {
    return block_ + before_rows() + i * row_width();
  }
  [[nodiscard]] std::uint32_t* words(std::size_t i) noexcept { return reinterpret_cast<std::uint32_t*>(row_at(i)); }
  [[nodiscard]] const std::uint32_t* words(std::size_t i) const noexcept {
    return reinterpret_cast<const std::uint32_t*>(row_at(i));
  }
  [[nodiscard]] std::size_t before_rows() const noexcept { return std::size_t{8} * tag_eighths_; }

  /// The keys begin on a line of the cache.
  [[nodiscard]] std::size_t keys_offset(std::size_t room) const noexcept {
    return (before_rows() + row_width() * room + 63) / 64 * 64;
  }
  [[nodiscard]] std::size_t group_bytes(std::size_t room) const noexcept {
    if (room <= most_without_groups) return 0;
    const std::size_t step = group_size(room) * groups_step;
    return (room + step - 1) / step * groups_step * pitch() * sizeof(std::int32_t);
  }
  [[nodiscard]] std::size_t block_bytes() const noexcept {
    return has_groups() ? keys_offset(room_) + group_bytes(room_) : before_rows() + row_width() * room_;
  }
  [[nodiscard]] std::align_val_t alignment() const noexcept {
    return std::align_val_t(room_ > most_tags ? alignof(tag_line<std::uint16_t>) : alignof(std::max_align_t));
  }

  /// An uninitialised block for an empty table.
  void allocate(std::size_t room) {
    const std::align_val_t alignment{room > most_tags ? alignof(tag_line<std::uint16_t>) : alignof(std::max_align_t)};
    room_ = static_cast<std::uint32_t>(room);
    tag_eighths_ = static_cast<std::uint32_t>(tag_bytes(room) / 8);
    block_ = static_cast<std::byte*>(::operator new[](block_bytes(), alignment));
  }

  /// The entries of a table without lines that have this hash's tag.
  [[nodiscard]] EBB_INLINE tag_places tagged(std::uint32_t hash) const noexcept {
    return room_ > 8 ? tag_places::of<16>(block_, tag_byte(hash)) : tag_places::of<8>(block_, tag_byte(hash));
  }

  template <class Place>
  [[nodiscard]] tag_table<Place> lines() const noexcept {
    using line = typename tag_table<Place>::line;
    return {reinterpret_cast<line*>(block_), before_rows() / sizeof(line)};
  }

  template <class Place>
  [[nodiscard]] EBB_INLINE std::uint32_t guess_in(std::uint32_t hash) const noexcept {
    return tag_table<Place>::guess(lines<Place>().home(hash), hash);
  }
  template <class Place>
  [[nodiscard]] std::size_t place_in(std::uint32_t item, std::uint32_t hash) const noexcept {
    const std::uint32_t at = lines<Place>().find(hash, [=, this](std::uint32_t i) { return this->item(i) == item; });
    return at == tag_table<Place>::npos ? npos : at;
  }

  void place(std::size_t i) noexcept {
    const std::uint32_t hash = hash_of(item(i));
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
    const auto* const at = reinterpret_cast<const std::byte*>(row.count - 1);
    return static_cast<std::size_t>(at - row_at(0)) / row_width();
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
    std::memset(block_, 0, before_rows());
    const auto hash = [this](std::uint32_t i) { return hash_of(item(i)); };
    if (room_ > most_in_lines_of_small)
      lines<std::uint32_t>().fill(size_, hash);
    else if (room_ > most_tags)
      lines<std::uint16_t>().fill(size_, hash);
    else
      for (std::size_t i = 0; i < size_; ++i) place(i);
  }

  void reallocate(const entry_layout& layout, std::size_t room) {
    if (room > std::size_t{1} << 31) throw std::length_error("ebb: there may be at most 2^31 entries in one table");
    entry_table grown;
    const auto pitch = static_cast<std::uint32_t>(layout.groups ? key_pitch(layout.lanes) : 0);
    grown.widths_ = static_cast<std::uint32_t>(row_bytes(layout) << 8) | pitch;
    if (room > 0) grown.allocate(room);
    grown.size_ = size_;
    if (size_ > 0) std::memcpy(grown.row_at(0), row_at(0), row_width() * size_);
    const bool are_lines_alike = (room_ > most_in_lines_of_small) == (grown.room_ > most_in_lines_of_small);
    if (tag_eighths_ != 0 && tag_eighths_ == grown.tag_eighths_ && are_lines_alike)
      std::memcpy(grown.block_, block_, before_rows());
    else if (grown.room_ > 0)
      grown.index();
    if (grown.has_groups()) grown.group_like(layout, *this);
    swap(grown);
  }

  std::byte* block_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t room_ = 0;
  std::uint32_t widths_ = 0;       // bytes a row, and in the low 8 bits keys of a group
  std::uint32_t tag_eighths_ = 0;  // bytes before the rows, in eighths
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ENTRY_TABLE_HPP
