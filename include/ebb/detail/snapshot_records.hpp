// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SNAPSHOT_RECORDS_HPP
#define EBB_DETAIL_SNAPSHOT_RECORDS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/lane_row.hpp"
#include "ebb/detail/name_index.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/sharded_store.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// The snapshot format this header writes and the only one it reads.
inline constexpr int snapshot_version = 1;

namespace detail {

/// A duration that rounds to exactly these ticks again: a half-life must come back to the last bit.
[[nodiscard]] inline duration exact_duration(time_point::rep ticks) {
  const auto to_ticks = [](double seconds) { return to_time_point(duration(seconds)).time_since_epoch().count(); };
  const double near = duration(time_point::duration(ticks)).count();
  double up = near;
  double down = near;
  for (int i = 0; i < 16; ++i) {
    if (to_ticks(up) == ticks) return duration(up);
    if (to_ticks(down) == ticks) return duration(down);
    up = std::nextafter(up, std::numeric_limits<double>::infinity());
    down = std::nextafter(down, 0.0);
  }
  throw snapshot_error("a half-life or period is out of range");
}

[[nodiscard]] inline nlohmann::json options_to_json(const store_options& options) {
  const entry_layout layout = entry_layout_of(options);
  nlohmann::json rhythms = nlohmann::json::array();
  for (const auto& r : layout.rhythms) rhythms.push_back({{"period", r.period}, {"lane", r.lane}});
  nlohmann::json half_lives = nlohmann::json::array();
  for (int k = 0; k < layout.lanes; ++k) half_lives.push_back(layout.grid.half_life(k));
  nlohmann::json out{{"half_lives", half_lives},      {"rhythms", rhythms},   {"recent", layout.recent},
                     {"first_use", layout.first_use}, {"heat", options.heat}, {"dislike_half_life", nullptr}};
  if (layout.dislike) out["dislike_half_life"] = layout.grid.half_life(layout.lanes);
  return out;
}

[[nodiscard]] inline store_options options_from_json(const nlohmann::json& in) {
  std::vector<duration> half_lives;
  for (const auto& ticks : in.at("half_lives")) half_lives.push_back(exact_duration(strict<time_point::rep>(ticks)));
  store_options options{.lanes = timescales(half_lives),
                        .recent = strict<int>(in.at("recent")),
                        .first_use = in.at("first_use").get<bool>(),
                        .heat = in.at("heat").get<bool>()};
  for (const auto& r : in.at("rhythms"))
    options.rhythms.push_back({exact_duration(strict<time_point::rep>(r.at("period"))), strict<int>(r.at("lane"))});
  if (!in.at("dislike_half_life").is_null())
    options.dislike_half_life = exact_duration(strict<time_point::rep>(in.at("dislike_half_life")));
  return options;
}

/// A table's rows as columns.
template <class T>
void add_columns(nlohmann::json& record, const entry_layout& layout, const entry_table<T>& table, std::size_t first,
                 std::size_t n, snapshot_format format) {
  std::vector<std::uint32_t> counts(n);
  for (std::size_t i = 0; i < n; ++i) counts[i] = table.count(first + i);
  record["counts"] = packed(counts.data(), n, format);
  record["times"] = packed(table.times(layout, first), n * static_cast<std::size_t>(layout.times()), format);
  record["sums"] = packed(table.sums(layout, first), n * static_cast<std::size_t>(layout.sums()), format);
}

/// Columns read back, with the buffers used again from record to record.
template <class T>
struct columns {
  std::vector<std::uint32_t> items;
  std::vector<std::uint32_t> counts;
  std::vector<lane_grid::ticks> times;
  std::vector<T> sums;

  void read(const nlohmann::json& record, const entry_layout& layout, std::size_t n) {
    unpack(record.at("counts"), n, counts);
    unpack(record.at("times"), n * static_cast<std::size_t>(layout.times()), times);
    unpack(record.at("sums"), n * static_cast<std::size_t>(layout.sums()), sums);
    for (const T sum : sums)
      if (!std::isfinite(sum)) throw snapshot_error("a sum is not finite");
    for (std::size_t i = 0; layout.dislike && i < n; ++i)
      if (!std::in_range<std::uint32_t>(
              times[i * static_cast<std::size_t>(layout.times()) + static_cast<std::size_t>(layout.dislike_count())]))
        throw snapshot_error("a number of dislikes is out of range");
  }

  void restore(entry_table<T>& table, const entry_layout& layout, std::uint32_t item, std::size_t i) const {
    table.restore(layout, item, counts[i], sums.data() + i * static_cast<std::size_t>(layout.sums()),
                  times.data() + i * static_cast<std::size_t>(layout.times()));
  }
};

/// What a snapshot may see and set of a store.
template <class Store>
class store_access {
 public:
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;
  using value_type = typename Store::value_type;

  static void write(const Store& store, record_writer& out, snapshot_format format) {
    writer to{out, format, {}};
    out.write(header(store.options(), store.is_shard()));
    to.add(store);
    to.finish();
  }

  /// Shard after shard, as if one store had held them all. Memory: the names of items, and one shard's copy.
  template <class Shards>
  static void write_shards(const Shards& shards, record_writer& out, snapshot_format format) {
    writer to{out, format, {}};
    out.write(header(shards.options(), false));
    for (std::size_t n = 0; n < shards.shards(); ++n) to.add(shards.copy_of_shard(n));
    to.finish();
  }

  [[nodiscard]] static Store read(record_reader& in, const store_options* wanted) {
    const nlohmann::json head = in.read();
    Store store(check_header(head, wanted));
    store.shard_ = head.value("shard", false);
    columns<double> heat;
    columns<value_type> entries;
    const nlohmann::json end = each_record(
        in, [&](const nlohmann::json& record) { restore_item(store, record, heat); },
        [&](const nlohmann::json& record) {
          restore_user(store, record, entries, store.items(), [](std::uint32_t item) { return item; });
        });
    check_end(end, store.users(), store.items(), store.size());
    return store;
  }

  /// Each user goes straight to their shard, with the heat of their entries; heat that is no user's (of pruned entries) to the first.
  ///
  /// Memory beside the shards': the names of items and their heat.
  template <class Shards>
  [[nodiscard]] static Shards read_shards(record_reader& in, const store_options* wanted, std::size_t count) {
    Store rest(check_header(in.read(), wanted));  // items and heat alone
    Shards shards(rest.options(), count);
    columns<double> heat;
    columns<value_type> entries;
    std::vector<lane_grid::ticks>
        firsts;  // of each item by anybody, as far as the file was read: of a user's part no later
    const auto note_first = [&](const nlohmann::json& record) {
      if (!rest.kept_.options.heat) return;
      const auto item = record.value("more_heat_of", static_cast<std::uint32_t>(rest.items() - 1));
      firsts.resize(rest.items(), no_time);
      const lane_grid::ticks first =
          rest.kept_.heat.times(rest.kept_.heat_layout, item)[rest.kept_.heat_layout.first_time()];
      if (firsts[item] == no_time || first < firsts[item]) firsts[item] = first;
    };
    const nlohmann::json end = each_record(
        in,
        [&](const nlohmann::json& record) {
          restore_item(rest, record, heat);
          note_first(record);
        },
        [&](const nlohmann::json& record) {
          shards.update(strict<user_type>(record.at("user")), [&](Store& part) {
            const auto& state = restore_user(part, record, entries, rest.items(), [&](std::uint32_t item) {
              return part.kept_.handle_of(rest.kept_.items[item]);
            });
            if (!rest.kept_.options.heat) return;
            part.kept_.add_heat_of(state,
                                   [&](std::size_t i) { return std::max(state.first, firsts[entries.items[i]]); });
            rest.kept_.subtract_heat_of(state, entries.items);
          });
        });
    check_end(end, shards.users(), rest.items(), shards.size());
    shards.update_shard(0, [&](Store& part) { part.kept_.add_heat(rest.kept_); });
    return shards;
  }

 private:
  static constexpr const char* value_name = sizeof(value_type) == 4 ? "float" : "double";

  /// Writes stores of one shape one after another, numbering their items as one store would.
  struct writer {
    record_writer& out;
    snapshot_format format;
    name_index<item_type> names;
    std::size_t users = 0;
    std::size_t entries = 0;

    void add(const Store& store) {
      std::vector<std::uint32_t> numbers(store.items());
      for (std::uint32_t h = 0; h < numbers.size(); ++h) {
        const std::size_t known = names.size();
        numbers[h] = names.find_or_add(store.kept_.items[h]);
        const bool is_new = names.size() > known;
        const bool has_heat = store.kept_.options.heat && (is_new || store.kept_.heat.count(h) > 0);
        if (!is_new && !has_heat) continue;
        nlohmann::json record =
            is_new ? nlohmann::json{{"item", store.kept_.items[h]}} : nlohmann::json{{"more_heat_of", numbers[h]}};
        if (has_heat) add_columns(record, store.kept_.heat_layout, store.kept_.heat, h, 1, format);
        out.write(record);
      }
      std::vector<std::uint32_t> items;
      for (const auto& [user, state] : store.kept_.users) {
        const std::size_t n = state.entries.size();
        items.resize(n);
        for (std::size_t i = 0; i < n; ++i) items[i] = numbers[state.entries.item(i)];
        nlohmann::json record{
            {"user", user}, {"first", state.first}, {"newest", state.newest}, {"events", state.events}};
        record["items"] = packed(items.data(), n, format);
        add_columns(record, store.kept_.layout, state.entries, 0, n, format);
        out.write(record);
      }
      users += store.users();
      entries += store.size();
    }

    void finish() { out.write_last({{"users", users}, {"items", names.size()}, {"entries", entries}}); }
  };

  /// Hands out the records up to the last, which it returns.
  template <class Item, class User>
  [[nodiscard]] static nlohmann::json each_record(record_reader& in, Item item, User user) {
    for (;;) {
      nlohmann::json record = in.read();
      if (record.contains("end")) return record;
      if (record.contains("user"))
        user(std::as_const(record));
      else
        item(std::as_const(record));
    }
  }

  static void check_end(const nlohmann::json& end, std::size_t users, std::size_t items, std::size_t entries) {
    if (end.at("users") != users || end.at("items") != items || end.at("entries") != entries)
      throw snapshot_error("the number of its records does not match");
  }

  static nlohmann::json header(const store_options& options, bool is_shard) {
    nlohmann::json out{{"format", "ebb snapshot"},
                       {"version", snapshot_version},
                       {"sums", value_name},
                       {"ticks_per_second", time_point::period::den}};
    if (is_shard) out["shard"] = true;
    out["options"] = options_to_json(options);
    return out;
  }

  static store_options check_header(const nlohmann::json& header, const store_options* wanted) {
    if (header.value("format", "") != "ebb snapshot") throw snapshot_error("not a snapshot of an interest store");
    if (header.at("version") != snapshot_version)
      throw snapshot_error("it is of version " + header.at("version").dump() + ", this program reads version " +
                           std::to_string(snapshot_version));
    if (header.at("sums") != value_name)
      throw snapshot_error("it holds sums of type " + header.at("sums").dump() + ", the store is of " + value_name);
    if (header.at("ticks_per_second") != time_point::period::den)
      throw snapshot_error("its clock has " + header.at("ticks_per_second").dump() + " ticks a second, ours " +
                           std::to_string(time_point::period::den));
    store_options options = options_from_json(header.at("options"));
    const char* const difference = wanted == nullptr ? nullptr : difference_of(options, *wanted);
    if (difference != nullptr)
      throw snapshot_error(std::string("it is of another shape: the ") + difference + " differ from the store's");
    return options;
  }

  static void restore_item(Store& store, const nlohmann::json& record, columns<double>& heat) {
    auto& kept = store.kept_;
    if (record.contains("more_heat_of")) {
      const auto handle = strict<std::uint32_t>(record.at("more_heat_of"));
      if (handle >= store.items() || !kept.options.heat)
        throw snapshot_error("there is heat of an item that is not there");
      heat.read(record, kept.heat_layout, 1);
      entry_table<double> more;
      heat.restore(more, kept.heat_layout, 0, 0);
      add_row(kept.heat_layout, kept.heat.row(kept.heat_layout, handle), kept.heat_layout, more, 0, no_time);
      return;
    }
    const std::size_t before = store.items();
    const std::uint32_t handle = kept.handle_of(strict<item_type>(record.at("item")));
    if (handle != before) throw snapshot_error("an item is there twice");
    if (!kept.options.heat) return;
    heat.read(record, kept.heat_layout, 1);
    heat.restore(kept.heat, kept.heat_layout, handle, 0);
    const auto row = kept.heat.row(kept.heat_layout, handle);
    fill_unknown(kept.heat_layout, row.times, *row.count);  // earlier versions left times out
  }

  /// `number_of(item)`: the store's number of an item of the file, of which there are `items`.
  template <class NumberOf>
  static const auto& restore_user(Store& store, const nlohmann::json& record, columns<value_type>& entries,
                                  std::size_t items, NumberOf number_of) {
    const auto [at, is_new] = store.kept_.users.try_emplace(strict<user_type>(record.at("user")));
    if (!is_new) throw snapshot_error("a user is there twice");
    auto& state = at->second;
    state.first = strict<time_point::rep>(record.at("first"));
    state.newest = strict<time_point::rep>(record.at("newest"));
    state.events = strict<std::uint64_t>(record.at("events"));
    const auto& column = record.at("items");
    const std::size_t n = column.is_binary() ? column.get_binary().size() / sizeof(std::uint32_t) : column.size();
    unpack(column, n, entries.items);
    entries.read(record, store.kept_.layout, n);
    state.entries.reserve(store.kept_.layout, n);
    for (std::size_t i = 0; i < n; ++i) {
      if (entries.items[i] >= items) throw snapshot_error("a user has an item that is not there");
      const std::uint32_t item = number_of(entries.items[i]);
      entries.restore(state.entries, store.kept_.layout, item, i);
      if (state.entries.size() != i + 1) throw snapshot_error("a user has an item twice");
      if (entries.counts[i] == 0) continue;
      ++store.kept_.item_users[item];
      ++store.kept_.entry_count;
    }
    return state;
  }
};

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_SNAPSHOT_RECORDS_HPP
