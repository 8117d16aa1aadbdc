// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_COLUMN_BLOCKS_HPP
#define EBB_DETAIL_COLUMN_BLOCKS_HPP

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/nesting.hpp"
#include "ebb/detail/snapshot_format.hpp"

// The raw part of a binary snapshot: many users, or items with their heat, in columns of little-endian numbers.
//
//   block of users: names | first | newest | events | times | sums | entries of each user | items | counts | bytes of the names
//   block of items: names | times | sums | items | counts | bytes of the names                     (heat: a row an item, in doubles)
//
// The record before a block says how many users or items and how many rows it has, and how its names stand: whole numbers in their column,
// other names with their lengths there and their bytes at the end. Eight-byte columns come first, so each number stands at a multiple of its
// size.

namespace ebb::detail {

/// Hands out a block's columns one after another, each with its length checked against what is left of the block.
///
/// With `swaps` the bytes of every number handed out change their order: on a machine whose own order is not that of the file, a block is
/// gone through once more after it was filled, and so before it is read.
class column_cursor {
 public:
  explicit column_cursor(std::span<char> block, bool swaps = std::endian::native != std::endian::little) noexcept
      : rest_(block), swaps_(swaps) {}

  /// The next rows × width numbers.
  template <class V>
  [[nodiscard]] V* take(std::size_t rows, int width = 1) {
    const std::size_t row_size = sizeof(V) * static_cast<std::size_t>(width);
    if (rows > rest_.size() / row_size) throw snapshot_error("a column has the wrong length");
    const std::span<char> column = rest_.first(rows * row_size);
    rest_ = rest_.subspan(column.size());
    for (std::size_t at = 0; swaps_ && at < column.size(); at += sizeof(V))
      std::reverse(column.data() + at, column.data() + at + sizeof(V));
    return reinterpret_cast<V*>(column.data());
  }

  /// What no column has taken.
  [[nodiscard]] std::span<char> rest() const noexcept { return rest_; }

 private:
  std::span<char> rest_;
  bool swaps_;
};

/// Rows of a table side by side in a block.
template <class T>
struct row_columns {
  lane_grid::ticks* times;
  T* sums;
  std::uint32_t* items;
  std::uint32_t* counts;
};

/// The columns of a block of users.
template <class T>
struct user_columns {
  std::uint64_t* names;
  lane_grid::ticks* first;
  lane_grid::ticks* newest;
  std::uint64_t* events;
  std::uint32_t* entries;
  row_columns<T> rows;

  user_columns(column_cursor& from, const entry_layout& layout, std::size_t users, std::size_t entry_count)
      : names(from.take<std::uint64_t>(users)),
        first(from.take<lane_grid::ticks>(users)),
        newest(from.take<lane_grid::ticks>(users)),
        events(from.take<std::uint64_t>(users)) {
    rows.times = from.take<lane_grid::ticks>(entry_count, layout.times());
    rows.sums = from.take<T>(entry_count, layout.sums());
    entries = from.take<std::uint32_t>(users);
    rows.items = from.take<std::uint32_t>(entry_count);
    rows.counts = from.take<std::uint32_t>(entry_count);
  }

  static constexpr std::size_t user_size = 4 * sizeof(std::uint64_t) + sizeof(std::uint32_t);
};

/// The columns of a block of items; the first rows are the named items' own, further ones add to items of blocks before.
struct item_columns {
  std::uint64_t* names;
  row_columns<double> rows;

  item_columns(column_cursor& from, const entry_layout& layout, std::size_t items, std::size_t heat_rows)
      : names(from.take<std::uint64_t>(items)),
        rows{from.take<lane_grid::ticks>(heat_rows, layout.times()), from.take<double>(heat_rows, layout.sums()),
             from.take<std::uint32_t>(heat_rows), from.take<std::uint32_t>(heat_rows)} {}

  static constexpr std::size_t item_size = sizeof(std::uint64_t);
};

/// Bytes of one row in a block.
template <class T>
[[nodiscard]] constexpr std::size_t row_size(const entry_layout& layout) noexcept {
  return sizeof(lane_grid::ticks) * static_cast<std::size_t>(layout.times()) +
         sizeof(T) * static_cast<std::size_t>(layout.sums()) + 2 * sizeof(std::uint32_t);
}

/// Copies a table's rows first … first + n − 1, but for their items, to a block's rows from `at` on.
template <class T>
void copy_rows(const entry_layout& layout, const entry_table<T>& table, std::size_t first, std::size_t n,
               const row_columns<T>& to, std::size_t at) noexcept {
  if (n == 0) return;
  const auto times = static_cast<std::size_t>(layout.times());
  const lane_grid::ticks* const when = table.times(layout, first);
  const std::size_t times_apart = table.times_apart(layout);
  for (std::size_t i = 0; i < n; ++i) {
    copy_numbers(times, when + i * times_apart, to.times + (at + i) * times);
    to.counts[at + i] = table.count(first + i);
  }
  with_lanes<0>(layout.sums(), [&](auto sums) {
    const T* const row = table.sums(layout, first);
    const std::size_t sums_apart = table.sums_apart(layout);
    for (std::size_t i = 0; i < n; ++i)
      copy_numbers(sums, row + i * sums_apart, to.sums + (at + i) * static_cast<std::size_t>(sums));
  });
}

/// Names that go into a block as whole numbers.
template <class Name>
concept whole_number_name = std::integral<Name> && !std::same_as<Name, bool> && sizeof(Name) <= sizeof(std::uint64_t);

/// The names of a block as they are gathered: whole numbers, texts as their bytes, whatever else JSON can say as CBOR.
template <class Name>
class name_writer {
 public:
  static constexpr const char* kind = std::same_as<Name, std::string> ? "text"
                                      : !whole_number_name<Name>      ? "cbor"
                                      : std::is_signed_v<Name>        ? "signed"
                                                                      : "unsigned";

  void clear() noexcept {
    words_.clear();
    bytes_.clear();
  }

  void add(const Name& name) {
    if constexpr (whole_number_name<Name>) {
      words_.push_back(static_cast<std::uint64_t>(name));  // of a negative number modulo 2^64, which comes back
    } else {
      const std::size_t before = bytes_.size();
      if constexpr (std::same_as<Name, std::string>)
        bytes_ += name;
      else
        add_cbor(name);
      words_.push_back(bytes_.size() - before);
    }
  }

  /// Of the bytes at the end of the block.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }

  void copy_to(std::uint64_t* column, std::span<char> end) const noexcept {
    std::copy(words_.begin(), words_.end(), column);
    std::copy(bytes_.begin(), bytes_.end(), end.begin());
  }

 private:
  void add_cbor(const Name& name) {
    const std::size_t before = bytes_.size();
    nlohmann::json::to_cbor(nlohmann::json(name), bytes_);
    check_nesting(!is_cbor_too_deep(std::string_view(bytes_).substr(before)));
  }

  std::vector<std::uint64_t> words_;
  std::string bytes_;
};

/// The names of a block one after another, in whatever way they stand there; a number out of the range of Name is refused.
template <class Name>
class name_reader {
 public:
  name_reader(const std::string& kind, const std::uint64_t* column, std::span<const char> bytes)
      : at_(column), bytes_(bytes.data(), bytes.size()) {
    for (const way w : {way::as_signed, way::as_unsigned, way::as_text, way::as_cbor})
      if (kind == words[static_cast<std::size_t>(w)]) way_ = w;
    if (way_ == way::unknown) throw snapshot_error("its names stand in an unknown way");
  }

  [[nodiscard]] Name next() {
    const std::uint64_t word = *at_++;
    if (way_ == way::as_signed) return number(static_cast<std::int64_t>(word));
    if (way_ == way::as_unsigned) return number(word);
    if (word > bytes_.size()) throw snapshot_error("a name is longer than its block");
    const std::string_view name = bytes_.substr(0, static_cast<std::size_t>(word));
    bytes_.remove_prefix(name.size());
    if (way_ == way::as_cbor) {
      if (is_cbor_too_deep(name)) throw snapshot_error("a name is nested too deeply");
      return strict<Name>(nlohmann::json::from_cbor(name));
    }
    if constexpr (std::same_as<Name, std::string>)
      return std::string(name);
    else
      return strict<Name>(nlohmann::json(name));
  }

  /// To be asked after the last name: a block has no bytes that nothing takes.
  void check_end() const {
    if (!bytes_.empty()) throw snapshot_error("a column has the wrong length");
  }

 private:
  enum class way { as_signed, as_unsigned, as_text, as_cbor, unknown };
  static constexpr std::string_view words[] = {"signed", "unsigned", "text", "cbor"};

  template <class Number>
  [[nodiscard]] static Name number(Number value) {
    if constexpr (whole_number_name<Name>)
      return in_range_of<Name>(value);
    else
      return strict<Name>(nlohmann::json(value));
  }

  const std::uint64_t* at_;
  std::string_view bytes_;
  way way_ = way::unknown;
};

/// Throws unless every one of n numbers is finite.
///
/// Infinities and what is no number have all bits of their exponent set: one more there carries into the sign's place, which was cleared. Two
/// floats are looked at in one word.
template <class T>
void check_finite(const T* values, std::size_t n) {
  constexpr std::uint64_t exponent = sizeof(T) == 8 ? 0x7ff0000000000000U : 0x7f8000007f800000U;
  constexpr std::uint64_t one = sizeof(T) == 8 ? 0x0010000000000000U : 0x0080000000800000U;
  constexpr std::uint64_t sign = sizeof(T) == 8 ? 0x8000000000000000U : 0x8000000080000000U;
  constexpr std::size_t step = sizeof(std::uint64_t) / sizeof(T);
  const auto carry = [&](std::size_t i, std::size_t size) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, values + i, size);
    return (bits & exponent) + one;
  };
  std::uint64_t carries = 0;
  std::size_t i = 0;
  for (; i + step <= n; i += step) carries |= carry(i, sizeof(std::uint64_t));
  if (i < n) carries |= carry(i, sizeof(T));
  if ((carries & sign) != 0) throw snapshot_error("a sum is not finite");
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_COLUMN_BLOCKS_HPP
