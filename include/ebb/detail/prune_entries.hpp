// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_PRUNE_ENTRIES_HPP
#define EBB_DETAIL_PRUNE_ENTRIES_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/store_state.hpp"

namespace ebb::detail {

/// An entry that was removed.
template <class User, class Item>
struct pruned_entry {
  User user;
  Item item;
  double interest;
};

/// All entries with events, the highest interest first.
template <int Lanes, std::floating_point T>
void sort_entries(const entry_layout& layout, const entry_table<T>& entries, const read_plan& plan,
                  std::vector<scored_entry>& out) {
  out.clear();
  with_lanes<Lanes>(layout.lanes, [&](auto lanes) {
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (entries.count(i) > 0)
        out.push_back(score_entry(layout, lanes, entries.sums(layout, i), entries.times(layout, i)[0], i, plan));
  });
  std::sort(out.begin(), out.end());
}

/// Removes the entries below `threshold` and, of each user, all but the `keep` highest; users with an event after `now` keep theirs.
///
/// All lists are made before anything is deleted.
template <int Lanes, class User, class Item, std::floating_point T>
std::vector<pruned_entry<User, Item>> prune_entries(store_state<User, Item, T>& kept, const read_plan& plan,
                                                    lane_grid::ticks now, double threshold, std::size_t keep) {
  struct part {
    typename store_state<User, Item, T>::user_map::iterator user;
    std::size_t begin;
  };
  std::vector<pruned_entry<User, Item>> removed;
  std::vector<std::uint32_t> positions;
  std::vector<part> parts;
  std::vector<scored_entry> scores;
  for (auto at = kept.users.begin(); at != kept.users.end(); ++at) {
    if (at->second.newest > now) continue;
    const entry_table<T>& entries = at->second.entries;
    const std::size_t begin = positions.size();
    sort_entries<Lanes>(kept.layout, entries, plan, scores);
    for (std::size_t r = 0; r < scores.size(); ++r) {
      const double interest = interest_of(scores[r]);
      if (r < keep && interest >= threshold) continue;
      removed.push_back({at->first, kept.items[entries.item(scores[r].position)], interest});
      positions.push_back(scores[r].position);
    }
    if (begin < positions.size()) parts.push_back({at, begin});
  }
  // From the last user back: one that goes leaves its place to one that is done already, and no other moves.
  for (std::size_t end = positions.size(); !parts.empty(); parts.pop_back()) {
    const part& p = parts.back();
    kept.remove_entries(p.user, std::span(positions).subspan(p.begin, end - p.begin));
    end = p.begin;
  }
  return removed;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_PRUNE_ENTRIES_HPP
