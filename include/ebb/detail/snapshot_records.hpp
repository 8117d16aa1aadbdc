// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SNAPSHOT_RECORDS_HPP
#define EBB_DETAIL_SNAPSHOT_RECORDS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/detail/snapshot_header.hpp"
#include "ebb/detail/snapshot_reader.hpp"
#include "ebb/detail/snapshot_writer.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/sharded_store.hpp"
#include "ebb/store_options.hpp"

namespace ebb::detail {

/// What a snapshot may see and set of a store.
template <class Store>
class store_access {
 public:
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;
  using value_type = typename Store::value_type;

  static void write(const Store& store, record_writer& out, snapshot_format format) {
    writer to(out, format);
    out.write(snapshot_header(store.options(), value_name, store.is_shard()));
    to.add(store.kept_);
    to.finish();
  }

  /// Shard after shard, as if one store had held them all. Memory: the names of items, one shard's copy, and one block.
  template <class Shards>
  static void write_shards(const Shards& shards, record_writer& out, snapshot_format format) {
    writer to(out, format);
    out.write(snapshot_header(shards.options(), value_name, false));
    for (std::size_t n = 0; n < shards.shards(); ++n) to.add(shards.copy_of_shard(n).kept_);
    to.finish();
  }

  [[nodiscard]] static Store read(record_reader& in, const store_options* wanted) {
    const nlohmann::json head = in.read();
    Store store(check_header(head, value_name, wanted));
    store.shard_ = head.value("shard", false);
    reader from(in, store.kept_);
    const nlohmann::json end = from.each_user([](std::uint32_t) {},
                                              [&](user_type&& user, const saved_user& facts, const rows_type& rows) {
                                                from.restore_user(store.kept_, std::move(user), facts, rows,
                                                                  [](std::uint32_t item) { return item; });
                                              });
    check_end(end, store.users(), store.items(), store.size());
    return store;
  }

  /// Each user goes straight to their shard, with the heat of their entries; heat that is no user's (of pruned entries) to the first.
  ///
  /// Memory beside the shards' and one block: the names of items and their heat.
  template <class Shards>
  [[nodiscard]] static Shards read_shards(record_reader& in, const store_options* wanted, std::size_t count) {
    Store rest(check_header(in.read(), value_name, wanted));  // items and heat alone
    Shards shards(rest.options(), count);
    reader from(in, rest.kept_);
    std::vector<lane_grid::ticks>
        firsts;  // of each item by anybody, as far as the file was read: of a user's part no later
    const auto note_first = [&](std::uint32_t item) {
      firsts.resize(rest.items(), no_time);
      const entry_layout& layout = rest.kept_.heat_layout;
      const lane_grid::ticks first = rest.kept_.heat.times(layout, item)[layout.first_time()];
      if (firsts[item] == no_time || first < firsts[item]) firsts[item] = first;
    };
    const nlohmann::json end =
        from.each_user(note_first, [&](user_type&& user, const saved_user& facts, const rows_type& rows) {
          shards.update(user, [&](Store& part) {
            const auto& state = from.restore_user(part.kept_, std::move(user), facts, rows, [&](std::uint32_t item) {
              return part.kept_.handle_of(rest.kept_.items[item]);
            });
            if (!rest.kept_.options.heat) return;
            part.kept_.add_heat_of(state, [&](std::size_t i) { return std::max(state.first, firsts[rows.items[i]]); });
            rest.kept_.subtract_heat_of(state, {rows.items, rows.size});
          });
        });
    check_end(end, shards.users(), rest.items(), shards.size());
    shards.update_shard(0, [&](Store& part) { part.kept_.add_heat(rest.kept_); });
    return shards;
  }

 private:
  static constexpr const char* value_name = sizeof(value_type) == 4 ? "float" : "double";

  using writer = snapshot_writer<user_type, item_type, value_type>;
  using reader = snapshot_reader<user_type, item_type, value_type>;
  using rows_type = saved_rows<value_type>;

  static void check_end(const nlohmann::json& end, std::size_t users, std::size_t items, std::size_t entries) {
    if (end.at("users") != users || end.at("items") != items || end.at("entries") != entries)
      throw snapshot_error("the number of its records does not match");
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SNAPSHOT_RECORDS_HPP
