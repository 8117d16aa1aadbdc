// SPDX-License-Identifier: MIT
#ifndef EBB_SNAPSHOT_HPP
#define EBB_SNAPSHOT_HPP

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "ebb/detail/atomic_file.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/detail/snapshot_records.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/sharded_store.hpp"
#include "ebb/store_options.hpp"

// Snapshots of a store, to a stream or to a file. A sharded_store is written shard by shard while others go on, in the same format: what one
// kind of store has written the other reads, and any number of shards.

namespace ebb {

namespace detail {

template <class Store>
inline constexpr bool is_sharded = false;
template <class User, class Item, class T, int Lanes>
inline constexpr bool is_sharded<sharded_store<User, Item, T, Lanes>> = true;

}  // namespace detail

/// Writes the store's whole state, block by block.   Memory: the items' names, and one block: about 1 MiB and the user who fills it (in JSON one
/// user's record); for a sharded_store a copy of one shard as well, since no lock is held while it writes. (Each user is whole, as of some
/// moment during the call.)
///
/// Names (User, Item) must convert to JSON (integers and strings do). Every number comes back bit for bit, in either format.
/// Errors: std::runtime_error when the stream cannot be written; std::invalid_argument for a name that is not UTF-8 in JSON, or whose own
///         conversion nests lists more than 98 times.
template <class Store>
void write_snapshot(const Store& store, std::ostream& out, snapshot_format format = snapshot_format::binary) {
  detail::record_writer writer(out, format);
  if constexpr (detail::is_sharded<Store>)
    detail::store_access<typename Store::store_type>::write_shards(store, writer, format);
  else
    detail::store_access<Store>::write(store, writer, format);
}

/// Reads a snapshot of either format into a new store, a sharded_store of so many `shards`. With `wanted`, one of another shape is refused.
///
/// Users go straight to their shards, with the heat of their entries to within n/2 + 4 roundings of T, n the events of an entry; heat of
/// entries pruned before goes to the first.   Memory: the result, 8 bytes an item, and one block or record; for shards, the items' names and
/// heat as well. A size that a damaged file tells is not believed: memory grows with the bytes that came.
/// Files of version 1, which versions before wrote, are read too. Checks find damage, not forgers: read files of those you trust.
/// Errors: snapshot_error "ebb::read_snapshot: …" for one that is cut short, corrupt, of another version, type or shape;
///         std::invalid_argument unless 1 <= shards <= 65536.
template <class Store>
[[nodiscard]] Store read_snapshot(std::istream& in, const store_options* wanted = nullptr, std::size_t shards = 64) {
  detail::require(shards >= 1 && shards <= 65536, "read_snapshot", "shards must be in [1, 65536]", shards);
  std::size_t number = 0;
  try {
    detail::record_reader reader(in);
    try {
      if constexpr (detail::is_sharded<Store>)
        return detail::store_access<typename Store::store_type>::template read_shards<Store>(reader, wanted, shards);
      else
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

/// Loads a snapshot file into a new store, of so many `shards` if it is one of shards; with `wanted`, one of another shape is refused.
///
/// `store = load_snapshot<Store>(path, &store.options())` replaces a live store: whatever is wrong with the file, the store is unchanged.
/// Errors: snapshot_error as `read_snapshot`, and for a file that cannot be opened.
template <class Store>
[[nodiscard]] Store load_snapshot(const std::filesystem::path& path, const store_options* wanted = nullptr,
                                  std::size_t shards = 64) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw snapshot_error("ebb::load_snapshot: cannot open " + path.string());
  return read_snapshot<Store>(in, wanted, shards);
}

}  // namespace ebb

#endif  // EBB_SNAPSHOT_HPP
