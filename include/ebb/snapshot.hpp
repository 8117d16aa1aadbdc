// SPDX-License-Identifier: MIT
#ifndef EBB_SNAPSHOT_HPP
#define EBB_SNAPSHOT_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <istream>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/atomic_file.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/interest_store.hpp"
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
    out.write(header(store));
    for (std::size_t h = 0; h < store.items(); ++h) {
      nlohmann::json record{{"item", store.kept_.items[h]}};
      if (store.kept_.options.heat) add_columns(record, store.kept_.heat_layout, store.kept_.heat, h, 1, format);
      out.write(record);
    }
    std::vector<std::uint32_t> items;
    for (const auto& [user, state] : store.kept_.users) {
      const std::size_t n = state.entries.size();
      items.resize(n);
      for (std::size_t i = 0; i < n; ++i) items[i] = state.entries.item(i);
      nlohmann::json record{{"user", user}, {"first", state.first}, {"newest", state.newest}, {"events", state.events}};
      record["items"] = packed(items.data(), n, format);
      add_columns(record, store.kept_.layout, state.entries, 0, n, format);
      out.write(record);
    }
    out.write_last({{"users", store.users()}, {"items", store.items()}, {"entries", store.size()}});
  }

  [[nodiscard]] static Store read(record_reader& in, const store_options* wanted) {
    Store store(check_header(in.read(), wanted));
    columns<double> heat;
    columns<value_type> entries;
    for (;;) {
      const nlohmann::json record = in.read();
      if (record.contains("end")) {
        if (record.at("users") != store.users() || record.at("items") != store.items() ||
            record.at("entries") != store.size())
          throw snapshot_error("the number of its records does not match");
        return store;
      }
      if (record.contains("item"))
        restore_item(store, record, heat);
      else
        restore_user(store, record, entries);
    }
  }

 private:
  static constexpr const char* value_name = sizeof(value_type) == 4 ? "float" : "double";

  static nlohmann::json header(const Store& store) {
    nlohmann::json out{{"format", "ebb snapshot"},
                       {"version", snapshot_version},
                       {"sums", value_name},
                       {"ticks_per_second", time_point::period::den}};
    out["options"] = options_to_json(store.kept_.options);
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
    const std::size_t before = store.items();
    const std::uint32_t handle = store.kept_.handle_of(strict<item_type>(record.at("item")));
    if (handle != before) throw snapshot_error("an item is there twice");
    if (!store.kept_.options.heat) return;
    heat.read(record, store.kept_.heat_layout, 1);
    heat.restore(store.kept_.heat, store.kept_.heat_layout, handle, 0);
    const auto row = store.kept_.heat.row(store.kept_.heat_layout, handle);
    fill_unknown(store.kept_.heat_layout, row.times, *row.count);  // earlier versions left times out
  }

  static void restore_user(Store& store, const nlohmann::json& record, columns<value_type>& entries) {
    const auto [at, is_new] = store.kept_.users.try_emplace(strict<user_type>(record.at("user")));
    if (!is_new) throw snapshot_error("a user is there twice");
    auto& state = at->second;
    state.first = strict<time_point::rep>(record.at("first"));
    state.newest = strict<time_point::rep>(record.at("newest"));
    state.events = strict<std::uint64_t>(record.at("events"));
    const auto& items = record.at("items");
    const std::size_t n = items.is_binary() ? items.get_binary().size() / sizeof(std::uint32_t) : items.size();
    unpack(items, n, entries.items);
    entries.read(record, store.kept_.layout, n);
    state.entries.reserve(store.kept_.layout, n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t item = entries.items[i];
      if (item >= store.items()) throw snapshot_error("a user has an item that is not there");
      entries.restore(state.entries, store.kept_.layout, item, i);
      if (state.entries.size() != i + 1) throw snapshot_error("a user has an item twice");
      if (entries.counts[i] == 0) continue;
      ++store.kept_.item_users[item];
      ++store.kept_.entry_count;
    }
  }
};

}  // namespace detail

/// Writes the store's whole state, record by record: one user's record is all the memory it takes.
///
/// Names (User, Item) must convert to JSON (integers and strings do). Every number comes back bit for bit, in either format.
/// Errors: std::runtime_error when the stream cannot be written; std::invalid_argument for a name that is not UTF-8 in JSON.
template <class Store>
void write_snapshot(const Store& store, std::ostream& out, snapshot_format format = snapshot_format::binary) {
  detail::record_writer writer(out, format);
  detail::store_access<Store>::write(store, writer, format);
}

/// Reads a snapshot of either format into a new store. With `wanted`, one of another shape is refused.
///
/// Errors: snapshot_error "ebb::read_snapshot: …" for one that is cut short, corrupt, of another version, type or shape.
template <class Store>
[[nodiscard]] Store read_snapshot(std::istream& in, const store_options* wanted = nullptr) {
  std::size_t number = 0;
  try {
    detail::record_reader reader(in);
    try {
      return detail::store_access<Store>::read(reader, wanted);
    } catch (...) {
      number = reader.number();
      throw;
    }
  } catch (const snapshot_error& error) {
    throw snapshot_error(std::string("ebb::read_snapshot: ") + error.what());
  } catch (const nlohmann::json::exception&) {
    throw snapshot_error("ebb::read_snapshot: record " + std::to_string(number) + " is not what it should be");
  } catch (const std::invalid_argument& error) {
    throw snapshot_error(std::string("ebb::read_snapshot: its options are invalid: ") + error.what());
  }
}

/// Writes a snapshot to a file that appears whole or not at all: written aside (`path` + ".part"), flushed to the disk, renamed.
///
/// Killed or failing at any moment, the snapshot that was at `path` before is still there and still loads. The new one has its permissions;
/// where `path` is a symbolic link, the link stays and the file it names is replaced.
/// Errors: std::system_error naming the file; as `write_snapshot`.
template <class Store>
void save_snapshot(const Store& store, const std::filesystem::path& path,
                   snapshot_format format = snapshot_format::binary) {
  detail::atomic_file file(path);
  try {
    write_snapshot(store, file.stream(), format);
  } catch (...) {
    file.throw_if_failed();  // the disk's own words, if it was the disk
    throw;
  }
  file.commit();
}

/// Loads a snapshot file into a new store; with `wanted`, one of another shape is refused.
///
/// `store = load_snapshot<Store>(path, &store.options())` replaces a live store: whatever is wrong with the file, the store is unchanged.
/// Errors: snapshot_error as `read_snapshot`, and for a file that cannot be opened.
template <class Store>
[[nodiscard]] Store load_snapshot(const std::filesystem::path& path, const store_options* wanted = nullptr) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw snapshot_error("ebb::load_snapshot: cannot open " + path.string());
  return read_snapshot<Store>(in, wanted);
}

}  // namespace ebb

#endif  // EBB_SNAPSHOT_HPP
