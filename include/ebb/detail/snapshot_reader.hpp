// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SNAPSHOT_READER_HPP
#define EBB_DETAIL_SNAPSHOT_READER_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/column_blocks.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/lane_row.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/detail/store_state.hpp"

namespace ebb::detail {

/// Rows to be put back into a table, wherever they stand.
template <class T>
struct saved_rows {
  std::size_t size;
  const std::uint32_t* items;  // as the file numbers them
  const std::uint32_t* counts;
  const lane_grid::ticks* times;
  const T* sums;

  saved_rows(const row_columns<T>& columns, std::size_t n)
      : size(n), items(columns.items), counts(columns.counts), times(columns.times), sums(columns.sums) {}

  [[nodiscard]] saved_rows part(const entry_layout& layout, std::size_t first, std::size_t n) const noexcept {
    saved_rows out = *this;
    out.size = n;
    out.items += first;
    out.counts += first;
    out.times += first * static_cast<std::size_t>(layout.times());
    out.sums += first * static_cast<std::size_t>(layout.sums());
    return out;
  }

  void check(const entry_layout& layout) const {
    check_finite(sums, size * static_cast<std::size_t>(layout.sums()));
    const auto dislikes = static_cast<std::size_t>(layout.dislike_count());
    for (std::size_t i = 0; layout.dislike && i < size; ++i)
      if (!std::in_range<std::uint32_t>(times[i * static_cast<std::size_t>(layout.times()) + dislikes]))
        throw snapshot_error("a number of dislikes is out of range");
  }

  void append_to(entry_table<T>& table, const entry_layout& layout, const std::uint32_t* numbers) const {
    table.append(layout, size, numbers, counts, times, sums);
  }
};

/// The columns of a record, with the buffers used again from record to record.
template <class T>
struct record_columns {
  std::vector<std::uint32_t> items;
  std::vector<std::uint32_t> counts;
  std::vector<lane_grid::ticks> times;
  std::vector<T> sums;

  saved_rows<T> read(const nlohmann::json& record, const entry_layout& layout, std::size_t n) {
    unpack(record.at("counts"), n, counts);
    unpack(record.at("times"), n * static_cast<std::size_t>(layout.times()), times);
    unpack(record.at("sums"), n * static_cast<std::size_t>(layout.sums()), sums);
    const saved_rows<T> rows({times.data(), sums.data(), items.data(), counts.data()}, n);
    rows.check(layout);
    return rows;
  }
};

/// What a user did as a whole, as it is saved.
struct saved_user {
  lane_grid::ticks first;
  lane_grid::ticks newest;
  std::uint64_t events;
};

/// Reads what a writer wrote, and the records of version 1: items and their heat into a state, users to whoever takes them.
template <class User, class Item, std::floating_point T>
class snapshot_reader {
 public:
  using state_type = store_state<User, Item, T>;

  snapshot_reader(record_reader& in, state_type& items) : in_(in), kept_(items) {}

  /// Calls note(item) after each change of an item's heat, and take(user, facts, rows) for each user; returns the last record.
  template <class Note, class Take>
  [[nodiscard]] nlohmann::json each_user(Note note, Take take) {
    for (;;) {
      nlohmann::json record = in_.read();
      if (record.contains("end")) return record;
      if (record.contains("bytes"))
        read_block(record, note, take);
      else if (record.contains("user"))
        read_user(record, take);
      else
        read_item(record, note);
    }
  }

  /// `number_of(item)`: the number in `kept` of an item of the file.
  template <class NumberOf>
  const auto& restore_user(state_type& kept, User&& user, const saved_user& facts, const saved_rows<T>& rows,
                           NumberOf number_of) {
    const auto [at, is_new] = kept.users.try_emplace(std::move(user));
    if (!is_new) throw snapshot_error("a user is there twice");
    auto& state = at->second;
    state.first = facts.first;
    state.newest = facts.newest;
    state.events = facts.events;
    const std::size_t items = kept_.items.size();
    seen_.resize(items);
    numbers_.resize(rows.size);
    ++user_;
    for (std::size_t i = 0; i < rows.size; ++i) {
      const std::uint32_t item = rows.items[i];
      if (item >= items) throw snapshot_error("a user has an item that is not there");
      if (seen_[item] == user_) throw snapshot_error("a user has an item twice");
      seen_[item] = user_;
      const std::uint32_t number = number_of(item);
      numbers_[i] = number;
      if (rows.times[i * static_cast<std::size_t>(kept.layout.times())] > facts.newest)
        throw snapshot_error("a user has an event after the newest");
      if (rows.counts[i] == 0) continue;
      ++kept.item_users[number];
      ++kept.entry_count;
    }
    rows.append_to(state.entries, kept.layout, numbers_.data());
    return state;
  }

 private:
  template <class Note, class Take>
  void read_block(const nlohmann::json& record, Note note, Take take) {
    const auto rows = strict<std::size_t>(record.at("rows"));
    const auto names = record.at("names").template get<std::string>();
    const bool is_users = record.contains("users");
    const auto n = strict<std::size_t>(record.at(is_users ? "users" : "items"));
    if (!std::in_range<std::uint32_t>(rows)) throw snapshot_error("a column has the wrong length");
    column_cursor cursor(in_.read_block(record));
    if (is_users) {
      const user_columns<T> columns(cursor, kept_.layout, n, rows);
      take_users(columns, n, rows, name_reader<User>(names, columns.names, cursor.rest()), take);
    } else {
      if (!kept_.options.heat && rows > 0) throw snapshot_error("there is heat of an item that is not there");
      const item_columns columns(cursor, kept_.heat_layout, n, rows);
      take_items(columns, n, rows, name_reader<Item>(names, columns.names, cursor.rest()), note);
    }
  }

  template <class Take>
  void take_users(const user_columns<T>& columns, std::size_t users, std::size_t n, name_reader<User> names,
                  Take take) {
    const saved_rows<T> rows(columns.rows, n);
    rows.check(kept_.layout);
    std::size_t row = 0;
    for (std::size_t u = 0; u < users; ++u) {
      if (columns.entries[u] > n - row) throw snapshot_error("a column has the wrong length");
      take(names.next(), {columns.first[u], columns.newest[u], columns.events[u]},
           rows.part(kept_.layout, row, columns.entries[u]));
      row += columns.entries[u];
    }
    if (row != n) throw snapshot_error("a column has the wrong length");
    names.check_end();
  }

  template <class Note>
  void take_items(const item_columns& columns, std::size_t items, std::size_t n, name_reader<Item> names, Note note) {
    const saved_rows<double> rows(columns.rows, n);
    rows.check(kept_.heat_layout);
    if (kept_.options.heat && items > n) throw snapshot_error("a column has the wrong length");
    for (std::size_t i = 0; i < items; ++i) {
      const std::size_t number = kept_.items.size();
      if (kept_.options.heat && columns.rows.items[i] != number)
        throw snapshot_error("there is heat of an item that is not there");
      if (kept_.items.find_or_add(names.next()) != number) throw snapshot_error("an item is there twice");
      kept_.item_users.push_back(0);
    }
    names.check_end();
    if (!kept_.options.heat) return;
    restore_heat(rows.part(kept_.heat_layout, 0, items), note);
    add_heat(rows.part(kept_.heat_layout, items, n - items), note);
  }

  template <class Take>
  void read_user(const nlohmann::json& record, Take take) {
    const auto& column = record.at("items");
    const std::size_t n = column.is_binary() ? column.get_binary().size() / sizeof(std::uint32_t) : column.size();
    unpack(column, n, entries_.items);
    const saved_rows<T> rows = entries_.read(record, kept_.layout, n);
    take(strict<User>(record.at("user")),
         {strict<time_point::rep>(record.at("first")), strict<time_point::rep>(record.at("newest")),
          strict<std::uint64_t>(record.at("events"))},
         rows);
  }

  template <class Note>
  void read_item(const nlohmann::json& record, Note note) {
    const bool is_more = record.contains("more_heat_of");
    if (is_more) {
      if (!kept_.options.heat) throw snapshot_error("there is heat of an item that is not there");
      heat_.items.assign(1, strict<std::uint32_t>(record.at("more_heat_of")));
      return add_heat(heat_.read(record, kept_.heat_layout, 1), note);
    }
    const std::size_t number = kept_.items.size();
    if (kept_.items.find_or_add(strict<Item>(record.at("item"))) != number)
      throw snapshot_error("an item is there twice");
    kept_.item_users.push_back(0);
    heat_.items.assign(1, static_cast<std::uint32_t>(number));
    if (kept_.options.heat) restore_heat(heat_.read(record, kept_.heat_layout, 1), note);
  }

  /// The heat of the newest items.
  template <class Note>
  void restore_heat(const saved_rows<double>& rows, Note note) {
    const entry_layout& layout = kept_.heat_layout;
    rows.append_to(kept_.heat, layout, rows.items);
    for (std::size_t i = 0; i < rows.size; ++i) {
      const auto row = kept_.heat.row(layout, rows.items[i]);
      fill_unknown(layout, row.times, *row.count);  // earlier versions left times out
      note(rows.items[i]);
    }
  }

  /// Heat on top of what items have.
  template <class Note>
  void add_heat(const saved_rows<double>& rows, Note note) {
    const entry_layout& layout = kept_.heat_layout;
    for (std::size_t i = 0; i < rows.size; ++i) {
      const std::uint32_t item = rows.items[i];
      if (item >= kept_.heat.size()) throw snapshot_error("there is heat of an item that is not there");
      entry_table<double> more;
      rows.part(layout, i, 1).append_to(more, layout, &item);
      add_row(layout, kept_.heat.row(layout, item), layout, more, 0, no_time);
      note(item);
    }
  }

  record_reader& in_;
  state_type& kept_;
  record_columns<double> heat_;
  record_columns<T> entries_;
  std::vector<std::uint64_t> seen_;     // (items), the newest user who had the item
  std::vector<std::uint32_t> numbers_;  // of the items of one user
  std::uint64_t user_ = 0;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SNAPSHOT_READER_HPP
