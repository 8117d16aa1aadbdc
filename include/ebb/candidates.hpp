// SPDX-License-Identifier: MIT
#ifndef EBB_CANDIDATES_HPP
#define EBB_CANDIDATES_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/moment_reading.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// The `k` items with the highest heat at `now`, hottest first, ties by the more recent use, then by the first met.
///
/// The same for every user: ask once in a while, keep the answer, and add each user's own items to it. An item used up to `ahead` later than
/// `now` is read as of that use: others go on meanwhile.
/// Complexity: O(items of the store · lanes + items log k).
/// Errors: std::logic_error for a store without heat, and for one shard of several (see heat_table.hpp); std::invalid_argument for a reading
///         of another bank; std::domain_error when `now` is before an item's newest event by more than `ahead`.
template <class Store>
[[nodiscard]] std::vector<typename Store::item_type> hottest_items(const Store& store, std::size_t k,
                                                                   const reading& how, time_point now,
                                                                   duration ahead = std::chrono::minutes(1)) {
  if (!store.options().heat)
    throw std::logic_error("ebb::hottest_items: the store must keep heat, got one made with heat = false");
  detail::refuse_shard(store, "hottest_items");
  detail::require(how.bank() == store.lanes(), "hottest_items", "the reading must be of the store's own half-lives",
                  "another bank");
  detail::check_ahead(ahead, "hottest_items");
  const detail::entry_layout& layout = store.heat_layout();
  const auto& heat = store.heat_entries();
  const detail::lane_grid& grid = store.lanes().grid();
  const detail::read_plan plan(grid, how, now.time_since_epoch().count());
  std::vector<detail::scored_entry> scores;
  for (std::size_t h = 0; h < heat.size(); ++h) {
    if (heat.count(h) == 0) continue;
    const detail::lane_grid::ticks last = heat.times(layout, h)[0];
    const time_point at = detail::moment_of(last, now, ahead, "an item", "hottest_items");
    const auto score = [&](const detail::read_plan& read) {
      return detail::score_entry(layout, layout.lanes, heat.sums(layout, h), last, h, read);
    };
    scores.push_back(at == now ? score(plan) : score(detail::read_plan(grid, how, at.time_since_epoch().count())));
  }
  const std::size_t kept = std::min(k, scores.size());
  std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(kept), scores.end());
  std::vector<typename Store::item_type> items;
  items.reserve(kept);
  for (std::size_t i = 0; i < kept; ++i) items.push_back(store.item(scores[i].position));
  return items;
}

/// The user's own items, the most recently used first, and after them those of `items` that are not among them.
///
/// An unknown user has none: what comes back is `items`, in which an item given twice stays twice.
/// Complexity: O(n log n) in the user's items and one look-up for each of the others.
template <class Store>
[[nodiscard]] std::vector<typename Store::item_type> with_own_items(
    const Store& store, const typename Store::user_type& user, const std::vector<typename Store::item_type>& items) {
  const auto* const state = store.find(user);
  if (state == nullptr) return items;
  const auto& entries = state->entries;
  std::vector<std::size_t> own;
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries.count(i) > 0) own.push_back(i);
  const auto order = [&](std::size_t i) { return std::tuple(-entries.times(store.layout(), i)[0], entries.item(i)); };
  std::sort(own.begin(), own.end(), [&](std::size_t a, std::size_t b) { return order(a) < order(b); });
  std::vector<typename Store::item_type> all;
  all.reserve(own.size() + items.size());
  for (const std::size_t i : own) all.push_back(store.item(entries.item(i)));
  for (const auto& item : items) {
    const auto handle = store.handle(item);
    const std::size_t i = handle ? entries.find(*handle) : Store::table::npos;
    if (i == Store::table::npos || entries.count(i) == 0) all.push_back(item);
  }
  return all;
}

}  // namespace ebb

#endif  // EBB_CANDIDATES_HPP
