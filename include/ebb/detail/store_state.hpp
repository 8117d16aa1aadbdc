// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_STORE_STATE_HPP
#define EBB_DETAIL_STORE_STATE_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/lane_row.hpp"
#include "ebb/detail/name_index.hpp"
#include "ebb/store_options.hpp"

namespace ebb::detail {

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
  using user_map = std::unordered_map<User, user_state>;

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

  typename user_map::iterator remove_marked(typename user_map::iterator at, const std::vector<char>& goes) {
    user_state& state = at->second;
    table& entries = state.entries;
    for (std::size_t i = 0; i < goes.size(); ++i) {
      if (goes[i] == 0) continue;
      state.events -= entries.count(i);
      --item_users[entries.item(i)];
      --entry_count;
      clear_interest(layout, entries.row(layout, i));
    }
    entries.erase_if(layout, [&](std::size_t i) { return goes[i] != 0 && is_empty(entries, i); });
    if (entries.size() == 0) return users.erase(at);
    entries.shrink(layout);
    return std::next(at);
  }

  /// False for a user not known.
  bool forget_user(const User& user) {
    const auto at = users.find(user);
    if (at == users.end()) return false;
    const user_state gone = std::move(at->second);
    users.erase(at);
    std::vector<std::uint32_t> bounds;
    for (std::size_t i = 0; i < gone.entries.size(); ++i) {
      if (gone.entries.count(i) == 0) continue;
      const std::uint32_t handle = gone.entries.item(i);
      --item_users[handle];
      --entry_count;
      if (options.heat && subtract_heat(gone.entries, i)) bounds.push_back(handle);
    }
    if (!bounds.empty()) find_heat_times(bounds);
    return true;
  }

  /// False for an item not known.
  bool forget_item(const Item& item) {
    const std::uint32_t handle = items.find(item);
    if (handle == items.npos) return false;
    bool found = false;
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
      at = state.entries.size() == 0 ? users.erase(at) : std::next(at);
    }
    item_users[handle] = 0;
    if (options.heat) heat.clear(heat_layout, handle);
    return found;
  }

  /// Bytes held, growth reserve and indexes included, names' own heap memory not.
  [[nodiscard]] std::size_t bytes() const noexcept {
    constexpr std::size_t node = 2 * sizeof(void*);  // a link, and the allocator's own word
    std::size_t sum = users.bucket_count() * sizeof(void*) +
                      users.size() * (sizeof(std::pair<const User, user_state>) + node) + items.bytes() +
                      item_users.capacity() * sizeof(std::uint32_t) + heat.bytes();
    for (const auto& [user, state] : users) sum += state.entries.bytes() + sizeof(void*);
    return sum;
  }

  /// Adds what the users for which `wanted(user)` holds did; their part of the heat too, unless the heat comes whole.
  template <class Predicate>
  void merge(const store_state& other, Predicate wanted, bool whole_heat) {
    const std::vector<std::uint32_t> mine = make_room(other, wanted);
    if (options.heat && whole_heat)
      for (std::size_t h = 0; h < mine.size(); ++h)
        add_row(heat_layout, heat.row(heat_layout, mine[h]), heat_layout, other.heat, h);
    for (const auto& [user, theirs] : other.users)
      if (wanted(user)) add_user(users.find(user)->second, theirs, mine, options.heat && !whole_heat);
  }

 private:
  /// Everything in a merge that can fail, before anything is added; returns this store's handle of each of the other's items.
  template <class Predicate>
  std::vector<std::uint32_t> make_room(const store_state& other, Predicate wanted) {
    const char* const difference = difference_of(options, other.options);
    if (difference != nullptr)
      throw std::invalid_argument(std::string("ebb::interest_store::merge: both stores must keep the same ") +
                                  difference + ", got different ones");
    const std::size_t items_before = items.size();
    try {
      std::vector<std::uint32_t> mine(other.items.size());
      for (std::size_t h = 0; h < mine.size(); ++h) mine[h] = handle_of(other.items[h]);
      for (const auto& [user, theirs] : other.users) {
        if (!wanted(user)) continue;
        table& entries = users[user].entries;
        for (std::size_t j = 0; j < theirs.entries.size(); ++j)
          entries.find_or_add(layout, mine[theirs.entries.item(j)]);
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
      add_row(layout, row, layout, theirs.entries, j);
      if (with_heat) add_row(heat_layout, heat.row(heat_layout, handle), layout, theirs.entries, j);
      item_users[handle] += is_new ? 1 : 0;
      entry_count += is_new ? 1 : 0;
    }
    if (theirs.first != no_time) note_time(state, theirs.first);
    if (theirs.newest != no_time) note_time(state, theirs.newest);
    state.events += theirs.events;
  }

  /// Takes an entry out of the heat; true when the heat's newest or first time is now only a bound.
  bool subtract_heat(const table& entries, std::size_t i) {
    const std::uint32_t handle = entries.item(i);
    if (heat.count(handle) == 0) return false;
    const auto row = heat.row(heat_layout, handle);
    const ticks newest = row.times[0];
    const ticks first = row.times[heat_layout.first_time()];
    const ticks* const times = entries.times(layout, i);
    subtract_row(heat_layout, row, layout, entries, i);
    const ticks entry_first = layout.first_use ? times[layout.first_time()] : times[layout.recent - 1];
    return *row.count > 0 && (times[0] >= newest || entry_first <= first || entry_first == no_time);
  }

  /// Newest and first use by anybody, found again from the entries, where every event of the heat still has its entry.
  void find_heat_times(const std::vector<std::uint32_t>& handles) {
    struct seen {
      std::uint64_t count = 0;
      ticks first = std::numeric_limits<ticks>::max();
      std::vector<ticks> recent;
    };
    std::unordered_map<std::uint32_t, seen> wanted;
    for (const std::uint32_t handle : handles) wanted.emplace(handle, seen{});
    for (const auto& [user, state] : users) {
      for (std::size_t i = 0; i < state.entries.size(); ++i) {
        if (state.entries.count(i) == 0) continue;
        const auto at = wanted.find(state.entries.item(i));
        if (at == wanted.end()) continue;
        const ticks* const times = state.entries.times(layout, i);
        at->second.count += state.entries.count(i);
        at->second.first = std::min(at->second.first, times[layout.first_use ? layout.first_time() : 0]);
        at->second.recent.push_back(times[0]);
      }
    }
    for (auto& [handle, found] : wanted) {
      if (found.count != heat.count(handle)) continue;  // some of its events were pruned: the bounds stay
      const auto row = heat.row(heat_layout, handle);
      const ticks newest = *std::max_element(found.recent.begin(), found.recent.end());
      if (newest < row.times[0]) {
        move_anchor(heat_layout, row, row.times[0], newest);
        std::fill_n(row.times, heat_layout.recent, newest);
      }
      if (layout.first_use) row.times[heat_layout.first_time()] = found.first;
    }
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_STORE_STATE_HPP
