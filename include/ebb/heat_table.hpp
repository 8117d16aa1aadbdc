// SPDX-License-Identifier: MIT
#ifndef EBB_HEAT_TABLE_HPP
#define EBB_HEAT_TABLE_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/moment_reading.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/ranking_term.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// What everybody, or some users such as one's friends, are into at one moment: a copy that many rankings share and nothing changes.
///
/// This is how popularity enters a ranking from a sharded_store, where no shard knows all users: make a table now and then, on whichever
/// thread, and let `heat_table_term` read the newest. From a whole interest_store it is the same numbers as `heat_term` gives.
/// What was used up to `ahead` later than `now` is read as of that use: others go on meanwhile.
/// Memory: one hash map node an item.
template <identifier Item>
class heat_table {
 public:
  /// Of nobody.
  heat_table() = default;

  /// Σ over all users.   Store: interest_store or sharded_store, whose shards are read one after another.
  ///
  /// Complexity: O(items · lanes), for each shard.
  /// Errors: std::logic_error for a store without heat or one shard of several; std::invalid_argument for a reading of another bank;
  ///         std::domain_error when `now` is before an item's newest event by more than `ahead`.
  template <class Store>
  [[nodiscard]] static heat_table of_everybody(const Store& store, const reading& how, time_point now,
                                               duration ahead = std::chrono::minutes(1)) {
    check(store, how, ahead);
    heat_table out;
    if (!store.options().heat)
      throw std::logic_error("ebb::heat_table: the store must keep heat, got one made with heat = false");
    const auto add = [&](const auto& part) {
      const detail::moment_reading at(part, how, now, "heat_table");
      for (std::uint32_t h = 0; h < part.heat_entries().size(); ++h)
        if (part.heat_entries().count(h) > 0)
          out.add(part.item(h), at.heat(h, ahead, "heat_table"), part.heat_entries().times(part.heat_layout(), h)[0]);
    };
    if constexpr (requires { store.visit(add); }) {
      store.visit(add);
    } else {
      detail::refuse_shard(store, "heat_table");
      add(store);
    }
    return out;
  }

  /// Σ over these users, those counted twice that are named twice, those the store does not know for nothing.
  ///
  /// Complexity: O(their entries · lanes); from a sharded_store one look into a shard for each user.
  /// Errors: std::invalid_argument for a reading of another bank; std::logic_error for one shard of several; std::domain_error when `now` is
  ///         before a user's newest event by more than `ahead`.
  template <class Store, class Users>
  [[nodiscard]] static heat_table of_users(const Store& store, const Users& users, const reading& how, time_point now,
                                           duration ahead = std::chrono::minutes(1)) {
    check(store, how, ahead);
    heat_table out;
    for (const typename Store::user_type& user : users) {
      const auto add = [&](const auto& part) {
        const auto* const state = part.find(user);
        if (state == nullptr) return;
        const time_point moment = detail::moment_of(state->newest, now, ahead, "a user", "heat_table");
        const detail::moment_reading at(part, how, moment, "heat_table");
        for (std::size_t i = 0; i < state->entries.size(); ++i)
          if (state->entries.count(i) > 0)
            out.add(part.item(state->entries.item(i)), at.interest(*state, i),
                    state->entries.times(part.layout(), i)[0]);
      };
      if constexpr (requires { store.read(user, add); }) {
        store.read(user, add);
      } else {
        detail::refuse_shard(store, "heat_table");
        add(store);
      }
    }
    return out;
  }

  /// 0 for an item nobody used.
  [[nodiscard]] double heat(const Item& item) const {
    const auto at = rows_.find(item);
    return at == rows_.end() ? 0.0 : at->second.heat;
  }

  /// Items that somebody used.
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  /// The `k` hottest, hottest first, ties (and all that is too old for any heat) by the more recent use, then by the first met.   Complexity: O(n + n log k).
  [[nodiscard]] std::vector<Item> hottest(std::size_t k) const {
    using entry = typename decltype(rows_)::value_type;
    std::vector<const entry*> order;
    order.reserve(rows_.size());
    for (const entry& e : rows_) order.push_back(&e);
    const std::size_t kept = std::min(k, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      [](const entry* a, const entry* b) {
                        if (a->second.heat != b->second.heat) return a->second.heat > b->second.heat;
                        if (a->second.last != b->second.last) return a->second.last > b->second.last;
                        return a->second.place < b->second.place;
                      });
    std::vector<Item> items;
    items.reserve(kept);
    for (std::size_t i = 0; i < kept; ++i) items.push_back(order[i]->first);
    return items;
  }

 private:
  template <class Store>
  static void check(const Store& store, const reading& how, duration ahead) {
    detail::require(how.bank() == store.lanes(), "heat_table", "the reading must be of the store's own half-lives",
                    "another bank");
    detail::check_ahead(ahead, "heat_table");
  }

  struct row {
    double heat;
    detail::lane_grid::ticks last;
    std::size_t place;  // the order in which items were met
  };

  void add(const Item& item, double heat, detail::lane_grid::ticks last) {
    const auto [at, is_new] = rows_.try_emplace(item, row{0.0, last, rows_.size()});
    at->second.heat += heat;
    at->second.last = std::max(at->second.last, last);
  }

  std::unordered_map<Item, row> rows_;
};

/// A term that reads a heat_table: popularity beside a sharded_store, or what a user's friends are into.
///
/// `table_of(user)` → std::shared_ptr<const heat_table>, asked once a ranking; null is a table of nobody. It may be called inside
/// `sharded_store::read`, so it must not ask that store: make tables before.
template <class TableOf>
class heat_table_term {
 public:
  explicit heat_table_term(TableOf table_of, std::string name = "popularity")
      : table_of_(std::move(table_of)), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    using table = heat_table<typename Store::item_type>;
    static_assert(
        std::is_invocable_r_v<std::shared_ptr<const table>, const TableOf&, const typename Store::user_type&>,
        "ebb::heat_table_term: table_of must be std::shared_ptr<const heat_table<Item>>(user), callable while const");
    const std::shared_ptr<const table> now = table_of_(question.user);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = now == nullptr ? 0.0 : now->heat(question.items[i]);
  }

 private:
  TableOf table_of_;
  std::string name_;
};

}  // namespace ebb

#endif  // EBB_HEAT_TABLE_HPP
