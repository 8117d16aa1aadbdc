// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_STORE_STATE_HPP
#define EBB_DETAIL_STORE_STATE_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/flat_map.hpp"
#include "ebb/detail/lane_row.hpp"
#include "ebb/detail/name_index.hpp"
#include "ebb/store_options.hpp"

namespace ebb::detail {

/// Which heat comes along when users of one store are added to another.
enum class merged_heat {
  whole,    ///< all the other store keeps
  of_users  ///< what the users' entries say
};

/// What a user did as a whole.
template <std::floating_point T>
struct kept_user {
  entry_table<T> entries;
  lane_grid::ticks first = no_time;   ///< of all events; a lower bound after `retract` and `forget_item`
  lane_grid::ticks newest = no_time;  ///< of all events and dislikes; no reading is answered before it
  std::uint64_t events = 0;
};

/// What an interest store keeps (users with their entries, names of items, heat), and how these are held in step with one another when
/// entries come, go and are added to.
///
/// It checks no argument and reads no interest: that is interest_store's. Every function that throws leaves the state as it was, but for
/// names without events.
template <class User, class Item, std::floating_point T>
class store_state {
 public:
  using ticks = lane_grid::ticks;
  using table = entry_table<T>;
  using user_state = kept_user<T>;
  using user_map = flat_map<User, user_state>;

  store_options options;
  entry_layout layout = entry_layout_of(options);
  entry_layout heat_layout = heat_layout_of(options);
  user_map users;
  name_index<Item> items;
  std::vector<std::uint32_t> item_users;  // (items), users who have the item now
  entry_table<double> heat;               // (items)
  std::size_t entry_count = 0;            // those with at least one event

  explicit store_state(store_options wanted) : options(std::move(wanted)) {}

  /// The item's number, a new one if it had none.
  std::uint32_t handle_of(const Item& item) {
    const std::uint32_t handle = items.find_or_add(item);
    if (handle < item_users.size()) return handle;
    try {
      if (options.heat) heat.find_or_add(heat_layout, handle);
      item_users.push_back(0);
    } catch (...) {
      items.truncate(handle);
      if (heat.size() > handle) heat.erase(heat_layout, handle);
      throw;
    }
    return handle;
  }

  /// The row of (user, item), made empty if there was none, and the user's `state`.
  entry_row<T> row_of(const User& user, std::uint32_t handle, user_state*& state) {
    const auto [at, is_new] = users.try_emplace(user);
    state = &at->second;
    try {
      return state->entries.row(layout, state->entries.find_or_add(layout, handle));
    } catch (...) {
      if (is_new) users.erase(at);
      throw;
    }
  }

  static void note_time(user_state& state, ticks t) noexcept {
    if (state.first == no_time || t < state.first) state.first = t;
    if (t > state.newest) state.newest = t;
  }

  void refresh_newest(user_state& state) const noexcept {
    state.newest = no_time;
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const ticks* const times = state.entries.times(layout, i);
      state.newest = std::max(state.newest, times[0]);
      if (layout.dislike) state.newest = std::max(state.newest, times[layout.dislike_time()]);
    }
  }

  [[nodiscard]] bool is_empty(const table& entries, std::size_t i) const noexcept {
    return entries.count(i) == 0 && (!layout.dislike || entries.times(layout, i)[layout.dislike_time()] == no_time);
  }

  void drop_if_empty(typename user_map::iterator at, std::size_t i) {
    user_state& state = at->second;
    if (is_empty(state.entries, i)) state.entries.erase(layout, i);
    if (state.entries.size() == 0)
      users.erase(at);
    else
      refresh_newest(state);
  }

  /// Removes the interest of a user's entries at these positions, and the user with their last entry; heat stays.
  void remove_entries(typename user_map::iterator at, std::span<const std::uint32_t> positions) noexcept {
    user_state& state = at->second;
    table& entries = state.entries;
    for (const std::uint32_t i : positions) {
      state.events -= entries.count(i);
      --item_users[entries.item(i)];
      --entry_count;
      clear_interest(layout, entries.row(layout, i));
    }
    entries.erase_if(layout, [&](std::size_t i) { return is_empty(entries, i); });
    if (entries.size() == 0)
      users.erase(at);
    else
      entries.shrink(layout);
  }

  /// False for a user not known.
  bool forget_user(const User& user) {
    const auto at = users.find(user);
    if (at == users.end()) return false;
    const table& entries = at->second.entries;
    const found_times found = options.heat ? find_heat_times(typename user_map::const_iterator(at))
                                           : found_times{};  // what can fail comes first
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries.count(i) == 0) continue;
      const std::uint32_t handle = entries.item(i);
      --item_users[handle];
      --entry_count;
      if (options.heat) subtract_heat(entries, i, found);
    }
    users.erase(at);
    return true;
  }

  /// False for an item nobody did anything to.
  bool forget_item(const Item& item) {
    const std::uint32_t handle = items.find(item);
    if (handle == items.npos) return false;
    bool found = options.heat && heat.count(handle) > 0;  // all its entries may have been pruned
    for (auto at = users.begin(); at != users.end();) {
      user_state& state = at->second;
      const std::size_t i = state.entries.find(handle);
      if (i == table::npos) {
        ++at;
        continue;
      }
      found = true;
      state.events -= state.entries.count(i);
      entry_count -= state.entries.count(i) > 0 ? 1 : 0;
      state.entries.erase(layout, i);
      refresh_newest(state);
      at = state.entries.size() == 0 ? users.erase(at) : std::next(at);  // another may have taken its place
    }
    item_users[handle] = 0;
    if (options.heat) heat.clear(heat_layout, handle);
    return found;
  }

  /// Bytes held, growth reserve and indexes included, names' own heap memory not.
  [[nodiscard]] std::size_t bytes() const noexcept {
    constexpr std::size_t its_own = sizeof(void*);  // the allocator's, a block
    std::size_t sum = users.bytes() + items.bytes() + item_users.capacity() * sizeof(std::uint32_t) + heat.bytes();
    for (const auto& [user, state] : users) sum += state.entries.bytes() + its_own;
    return sum;
  }

  /// Adds what the users for which `wanted(user)` holds did.
  template <class Predicate>
  void merge(const store_state& other, Predicate wanted, merged_heat with) {
    const bool whole_heat = with == merged_heat::whole;
    const std::vector<std::uint32_t> mine = make_room(other, wanted, whole_heat);
    if (options.heat && whole_heat)
      for (std::size_t h = 0; h < mine.size(); ++h)
        add_row(heat_layout, heat.row(heat_layout, mine[h]), heat_layout, other.heat, h, no_time);
    for (const auto& [user, theirs] : other.users)
      if (wanted(user)) add_user(users.find(user)->second, theirs, mine, options.heat && !whole_heat);
  }

  /// Adds the other's heat that is nobody's: of entries that were pruned. std::bad_alloc may leave some items' added.
  void merge_pruned_heat(const store_state& other) {
    check_shape(other);
    if (!options.heat) return;
    entry_table<double> left = other.heat;
    for (const auto& at : other.users)
      subtract_from(left, at.second, [&](std::size_t i) { return at.second.entries.item(i); });
    add_heat(left, other.items);
  }

  /// Adds what a user's entries say to the heat of their items; `first_of(i)` is not after the first event of entry i.
  template <class FirstOf>
  void add_heat_of(const user_state& state, FirstOf first_of) {
    for (std::size_t i = 0; i < state.entries.size(); ++i)
      add_row(heat_layout, heat.row(heat_layout, state.entries.item(i)), layout, state.entries, i, first_of(i));
  }

  /// Takes a user of another store, whose entry i is of our item number items[i], out of the heat.
  void subtract_heat_of(const user_state& state, std::span<const std::uint32_t> of) {
    subtract_from(heat, state, [&](std::size_t i) { return of[i]; });
  }

  /// Adds all of another store's heat, and nothing else of it.
  void add_heat(const store_state& other) { add_heat(other.heat, other.items); }

 private:
  template <class ItemOf>
  void subtract_from(entry_table<double>& from, const user_state& state, ItemOf item_of) const noexcept {
    double noise[max_lanes];
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const std::uint32_t handle = item_of(i);
      const std::uint32_t count = state.entries.count(i);
      if (count == 0 || from.count(handle) == 0) continue;
      const auto row = from.row(heat_layout, handle);
      if (*row.count <= count)
        clear_interest(heat_layout, row);
      else
        subtract_row(heat_layout, row, layout, state.entries, i, noise);
    }
  }

  void add_heat(const entry_table<double>& more, const name_index<Item>& names) {
    for (std::size_t h = 0; h < more.size(); ++h)
      if (more.count(h) > 0)
        add_row(heat_layout, heat.row(heat_layout, handle_of(names[h])), heat_layout, more, h, no_time);
  }

  void check_shape(const store_state& other) const {
    const char* const difference = difference_of(options, other.options);
    if (difference != nullptr)
      throw std::invalid_argument(std::string("ebb::interest_store::merge: both stores must keep the same ") +
                                  difference + ", got different ones");
  }

  /// Everything in a merge that can fail, before anything is added; returns this store's handle of each of the other's items, npos for
  /// those that do not come along.
  template <class Predicate>
  std::vector<std::uint32_t> make_room(const store_state& other, Predicate wanted, bool all_items) {
    check_shape(other);
    const std::size_t items_before = items.size();
    try {
      std::vector<std::uint32_t> mine(other.items.size(), items.npos);
      const auto mine_of = [&](std::size_t h) {
        if (mine[h] == items.npos) mine[h] = handle_of(other.items[h]);
        return mine[h];
      };
      for (std::size_t h = 0; all_items && h < mine.size(); ++h) mine_of(h);
      for (const auto& [user, theirs] : other.users) {
        if (!wanted(user)) continue;
        table& entries = users[user].entries;
        for (std::size_t j = 0; j < theirs.entries.size(); ++j)
          entries.find_or_add(layout, mine_of(theirs.entries.item(j)));
      }
      return mine;
    } catch (...) {
      for (const auto& [user, theirs] : other.users) {
        const auto at = users.find(user);
        if (at == users.end()) continue;
        table& entries = at->second.entries;
        entries.erase_if(layout, [&](std::size_t i) { return is_empty(entries, i); });
        if (entries.size() == 0) users.erase(at);
      }
      heat.erase_if(heat_layout, [&](std::size_t i) { return i >= items_before; });
      item_users.resize(items_before);
      items.truncate(items_before);
      throw;
    }
  }

  void add_user(user_state& state, const user_state& theirs, const std::vector<std::uint32_t>& mine, bool with_heat) {
    for (std::size_t j = 0; j < theirs.entries.size(); ++j) {
      const std::uint32_t handle = mine[theirs.entries.item(j)];
      const entry_row<T> row = state.entries.row(layout, state.entries.find(handle));
      const bool is_new = *row.count == 0 && theirs.entries.count(j) > 0;
      add_row(layout, row, layout, theirs.entries, j, no_time);
      state.entries.note_interest(layout, row);
      if (with_heat) add_row(heat_layout, heat.row(heat_layout, handle), layout, theirs.entries, j, theirs.first);
      item_users[handle] += is_new ? 1 : 0;
      entry_count += is_new ? 1 : 0;
    }
    if (theirs.first != no_time) note_time(state, theirs.first);
    if (theirs.newest != no_time) note_time(state, theirs.newest);
    state.events += theirs.events;
  }

  /// What the entries of one item, but for one user's, say about the newest and the first use by anybody.
  struct heat_times {
    std::uint32_t count = 0;
    ticks first = std::numeric_limits<ticks>::max();
    ticks recent[heat_recent];

    heat_times() noexcept { std::fill_n(recent, heat_recent, no_time); }
  };
  using found_times = std::unordered_map<std::uint32_t, heat_times>;

  /// The times of the items whose newest or first use may have been this user's, as all others' entries have them.
  [[nodiscard]] found_times find_heat_times(typename user_map::const_iterator gone) const {
    found_times wanted;
    const table& entries = gone->second.entries;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::uint32_t handle = entries.item(i);
      if (entries.count(i) == 0 || heat.count(handle) <= entries.count(i)) continue;
      const ticks* const heat_when = heat.times(heat_layout, handle);
      const ticks* const when = entries.times(layout, i);
      const bool is_first = layout.first_use && when[layout.first_time()] <= heat_when[heat_layout.first_time()];
      if (when[0] >= heat_when[0] || is_first) wanted.emplace(handle, heat_times{});
    }
    if (wanted.empty()) return wanted;
    for (auto at = users.begin(); at != users.end(); ++at)
      if (at != gone) note_times(at->second.entries, wanted);
    return wanted;
  }

  void note_times(const table& entries, found_times& wanted) const noexcept {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries.count(i) == 0) continue;
      const auto at = wanted.find(entries.item(i));
      if (at == wanted.end()) continue;
      const ticks* const when = entries.times(layout, i);
      heat_times& found = at->second;
      count_more(found.count, entries.count(i));
      if (layout.first_use) found.first = std::min(found.first, when[layout.first_time()]);
      for (int r = 0; r < kept_times(heat_layout, entries.count(i)); ++r)
        insert_recent(heat_layout, found.recent, when[std::min(r, layout.recent - 1)]);
    }
  }

  /// Takes an entry out of the heat.
  void subtract_heat(const table& entries, std::size_t i, const found_times& found) noexcept {
    const std::uint32_t handle = entries.item(i);
    if (heat.count(handle) == 0) return;
    const auto row = heat.row(heat_layout, handle);
    if (*row.count <= entries.count(i)) return clear_interest(heat_layout, row);
    double noise[max_lanes];
    subtract_row(heat_layout, row, layout, entries, i, noise);
    const auto at = found.find(handle);
    // Where some of its events were pruned, no entry has their times: the bounds stay.
    const bool is_all = at != found.end() && at->second.count == *row.count;
    settle_at(heat_layout, row, is_all ? at->second.recent : row.times, noise);
    if (is_all && layout.first_use) row.times[heat_layout.first_time()] = at->second.first;
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_STORE_STATE_HPP
