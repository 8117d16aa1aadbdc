// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SNAPSHOT_WRITER_HPP
#define EBB_DETAIL_SNAPSHOT_WRITER_HPP

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/column_blocks.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/name_index.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/detail/store_state.hpp"

namespace ebb::detail {

/// A table's rows as the columns of a record.
template <class T>
void add_columns(nlohmann::json& record, const entry_layout& layout, const entry_table<T>& table, std::size_t first,
                 std::size_t n) {
  std::vector<std::uint32_t> counts;
  std::vector<lane_grid::ticks> times;
  std::vector<T> sums;
  for (std::size_t i = first; i < first + n; ++i) {
    counts.push_back(table.count(i));
    times.insert(times.end(), table.times(layout, i), table.times(layout, i) + layout.times());
    sums.insert(sums.end(), table.sums(layout, i), table.sums(layout, i) + layout.sums());
  }
  record["counts"] = counts;
  record["times"] = times;
  record["sums"] = sums;
}

/// Writes states of one shape one after another, numbering their items as one store would.
template <class User, class Item, std::floating_point T>
class snapshot_writer {
 public:
  using state_type = store_state<User, Item, T>;

  snapshot_writer(record_writer& out, snapshot_format format) : out_(out), format_(format) {}

  void add(const state_type& kept) {
    std::vector<std::uint32_t> numbers(kept.items.size());
    std::vector<std::uint32_t> found;  // items not seen before
    std::vector<std::uint32_t> more;   // others with heat
    for (std::uint32_t h = 0; h < numbers.size(); ++h) {
      const std::size_t known = names_.size();
      numbers[h] = names_.find_or_add(kept.items[h]);
      if (names_.size() > known)
        found.push_back(h);
      else if (kept.options.heat && kept.heat.count(h) > 0)
        more.push_back(h);
    }
    if (format_ == snapshot_format::json) {
      for (const std::uint32_t h : found) write_item(kept, h, {{"item", kept.items[h]}});
      for (const std::uint32_t h : more) write_item(kept, h, {{"more_heat_of", numbers[h]}});
      for (const auto& [user, state] : kept.users) write_user(kept, user, state, numbers);
    } else {
      write_items(kept, found, numbers, true);
      write_items(kept, more, numbers, false);
      write_users(kept, numbers);
    }
    users_ += kept.users.size();
    entries_ += kept.entry_count;
  }

  void finish() { out_.write_last({{"users", users_}, {"items", names_.size()}, {"entries", entries_}}); }

 private:
  void write_item(const state_type& kept, std::uint32_t handle, nlohmann::json record) {
    if (kept.options.heat) add_columns(record, kept.heat_layout, kept.heat, handle, 1);
    out_.write(record);
  }

  void write_user(const state_type& kept, const User& user, const typename state_type::user_state& state,
                  const std::vector<std::uint32_t>& numbers) {
    const std::size_t n = state.entries.size();
    std::vector<std::uint32_t> items(n);
    for (std::size_t i = 0; i < n; ++i) items[i] = numbers[state.entries.item(i)];
    nlohmann::json record{{"user", user}, {"first", state.first}, {"newest", state.newest}, {"events", state.events}};
    record["items"] = items;
    add_columns(record, kept.layout, state.entries, 0, n);
    out_.write(record);
  }

  /// Items in blocks: with their names, or more heat of those whose names were written before.
  void write_items(const state_type& kept, std::span<const std::uint32_t> handles,
                   const std::vector<std::uint32_t>& numbers, bool named) {
    const std::size_t size_of_row = kept.options.heat ? row_size<double>(kept.heat_layout) : 0;
    name_writer<Item> names;
    while (!handles.empty()) {
      names.clear();
      std::size_t n = 0;
      std::size_t size = 0;
      for (; n < handles.size() && size + names.bytes() < block_limit; ++n) {
        if (named) names.add(kept.items[handles[n]]);
        size += size_of_row + (named ? item_columns::item_size : 0);
      }
      const std::size_t items = named ? n : 0;
      const std::size_t rows = kept.options.heat ? n : 0;
      const auto fill = [&](const item_columns& to, std::span<char> end) {
        names.copy_to(to.names, end);
        for (std::size_t i = 0; i < rows; ++i) {
          to.rows.items[i] = numbers[handles[i]];
          copy_rows(kept.heat_layout, kept.heat, handles[i], 1, to.rows, i);
        }
      };
      write_block<item_columns>({{"items", items}, {"rows", rows}, {"names", names.kind}}, kept.heat_layout, items,
                                rows, size + names.bytes(), fill);
      handles = handles.subspan(n);
    }
  }

  /// Users in blocks, as many in each as fill one.
  void write_users(const state_type& kept, const std::vector<std::uint32_t>& numbers) {
    const std::size_t size_of_row = row_size<T>(kept.layout);
    name_writer<User> names;
    for (auto at = kept.users.begin(); at != kept.users.end();) {
      names.clear();
      const auto first = at;
      std::size_t users = 0;
      std::size_t rows = 0;
      std::size_t size = 0;
      for (; at != kept.users.end() && size + names.bytes() < block_limit; ++at) {
        names.add(at->first);
        ++users;
        rows += at->second.entries.size();
        size += user_columns<T>::user_size + size_of_row * at->second.entries.size();
      }
      const auto fill = [&](const user_columns<T>& to, std::span<char> end) {
        names.copy_to(to.names, end);
        std::size_t row = 0;
        auto from = first;
        for (std::size_t u = 0; u < users; ++u, ++from) {
          const auto& state = from->second;
          const std::size_t n = state.entries.size();
          if (u + 1 < users) std::next(from)->second.entries.prefetch_rows();
          to.first[u] = state.first;
          to.newest[u] = state.newest;
          to.events[u] = state.events;
          to.entries[u] = static_cast<std::uint32_t>(n);
          for (std::size_t i = 0; i < n; ++i) to.rows.items[row + i] = numbers[state.entries.item(i)];
          copy_rows(kept.layout, state.entries, 0, n, to.rows, row);
          row += n;
        }
      };
      write_block<user_columns<T>>({{"users", users}, {"rows", rows}, {"names", names.kind}}, kept.layout, users, rows,
                                   size + names.bytes(), fill);
    }
  }

  template <class Columns, class Fill>
  void write_block(nlohmann::json record, const entry_layout& layout, std::size_t names, std::size_t rows,
                   std::size_t size, Fill fill) {
    if (block_.size() < size) block_.resize(size);
    const std::span<char> block(block_.data(), size);
    column_cursor cursor(block, false);
    const Columns columns(cursor, layout, names, rows);
    fill(columns, cursor.rest());
    if constexpr (std::endian::native != std::endian::little) {
      column_cursor swapping(block);
      Columns(swapping, layout, names, rows);
    }
    out_.write_block(std::move(record), {block.data(), block.size()});
  }

  record_writer& out_;
  snapshot_format format_;
  name_index<Item> names_;
  std::vector<char> block_;
  std::size_t users_ = 0;
  std::size_t entries_ = 0;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SNAPSHOT_WRITER_HPP
