// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_OBSERVE_BATCH_HPP
#define EBB_DETAIL_OBSERVE_BATCH_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "ebb/detail/store_state.hpp"

namespace ebb::detail {

/// Finds the entries of the events event(0) … event(size − 1) and calls for one after another add(event, user's state, item's handle,
/// entry's position), or add_new(event) where the user or the item is not known yet.
///
/// One add waits for half a dozen lines of memory, most of them only known from the one before. Here each step is taken for a whole group
/// of events and asks for what the next step reads, so that the waiting is shared.
template <class User, class Item, std::floating_point T, class EventOf, class Add, class AddNew>
void observe_batch(store_state<User, Item, T>& kept, std::size_t size, EventOf event, Add add, AddNew add_new) {
  using users = flat_map<User, kept_user<T>>;
  using items = name_index<Item>;
  using entries = entry_table<T>;
  constexpr std::size_t group = 32;  // about as many lines as a processor can wait for
  struct place {
    std::uint32_t user_hash;
    std::uint32_t item_hash;  // of its name, then of its handle
    const typename users::line* user_home;
    const typename items::line* item_home;
    std::uint32_t user;
    std::uint32_t item;
    std::uint32_t entry;
    const entries* of_user;  // null where there is nothing to find
  };
  place places[group];
  const bool with_heat = kept.options.heat;
  std::size_t from = 0;
  for (; from < size && (kept.users.size() == 0 || kept.items.size() == 0); ++from) add_new(event(from));
  for (; from < size; from += group) {
    const std::size_t n = std::min(group, size - from);
    for (std::size_t i = 0; i < n; ++i) {
      place& p = places[i];
      const auto& e = event(from + i);
      p.user_hash = users::hash_of(e.user);
      p.item_hash = items::hash_of(e.item);
      p.user_home = kept.users.home(p.user_hash);
      p.item_home = kept.items.home(p.item_hash);
    }
    for (std::size_t i = 0; i < n; ++i) {
      place& p = places[i];
      p.user = kept.users.guess(p.user_home, p.user_hash);
      p.item = kept.items.guess(p.item_home, p.item_hash);
    }
    for (std::size_t i = 0; i < n; ++i) {
      place& p = places[i];
      const auto& e = event(from + i);
      p.user = kept.users.place_of(e.user, p.user_hash, p.user);
      p.item = kept.items.find(e.item, p.item_hash, p.item);
      p.of_user = nullptr;
      if (p.item == items::npos) continue;
      if (with_heat) kept.heat.row(kept.heat_layout, p.item).prefetch();
      if (p.user == users::npos) continue;
      p.of_user = &kept.users.at(p.user).second.entries;
      p.item_hash = entries::hash_of(p.item);
      p.of_user->prefetch(p.item_hash);
    }
    for (std::size_t i = 0; i < n; ++i) {
      place& p = places[i];
      p.entry = p.of_user == nullptr ? entries::none : p.of_user->guess(p.item_hash);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const place& p = places[i];
      if (p.of_user != nullptr) {
        kept_user<T>& state =
            kept.users.at(p.user).second;  // not through the pointer: a new user may have moved others
        const std::size_t entry = state.entries.find(p.item, p.entry);
        add(event(from + i), state, p.item, entry != entries::npos ? entry : state.entries.add(kept.layout, p.item));
      } else {
        add_new(event(from + i));
      }
    }
  }
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_OBSERVE_BATCH_HPP
