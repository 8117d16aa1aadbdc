// SPDX-License-Identifier: MIT
#ifndef EBB_CONSTRAINTS_HPP
#define EBB_CONSTRAINTS_HPP

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <stdexcept>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ebb/time.hpp"

namespace ebb {

/// What may be shown at all, whatever its score. (What was used lately is `rank_options::not_seen_for`.)
template <class Item>
struct candidate_rules {
  std::optional<std::unordered_set<Item>> allowed = {};  ///< set: these and no other
  std::unordered_set<Item> denied = {};                  ///< never these
  /// An item whose decayed dislike is above this stays away until it has faded; > 0.
  double dislike_limit = std::numeric_limits<double>::infinity();
};

/// What passed, and how many did not because of which rule; each is counted once, by the first rule that it fails.
template <class Item>
struct permitted_items {
  std::vector<Item> items;  ///< in their order
  std::size_t not_allowed = 0;
  std::size_t denied = 0;
  std::size_t disliked = 0;
};

/// The candidates that the rules let through for this user at this moment.
///
/// Complexity: O(n).
/// Errors: std::invalid_argument unless dislike_limit is > 0; with a finite one, std::logic_error when the store keeps no dislikes and
///         std::domain_error when `now` is before the user's newest event.
template <class Store>
[[nodiscard]] permitted_items<typename Store::item_type> permitted(
    const Store& store, const typename Store::user_type& user, time_point now,
    const std::vector<typename Store::item_type>& candidates, const candidate_rules<typename Store::item_type>& rules) {
  detail::require(rules.dislike_limit > 0, "permitted", "dislike_limit must be > 0", rules.dislike_limit);
  const bool asks = std::isfinite(rules.dislike_limit);
  if (asks && !store.options().dislike_half_life)
    throw std::logic_error("ebb::permitted: dislike_limit needs a store that keeps dislikes, got one made without");
  permitted_items<typename Store::item_type> out;
  for (const auto& item : candidates) {
    if (rules.allowed && !rules.allowed->contains(item))
      ++out.not_allowed;
    else if (rules.denied.contains(item))
      ++out.denied;
    else if (asks && store.dislike_of(user, item, now) > rules.dislike_limit)
      ++out.disliked;
    else
      out.items.push_back(item);
  }
  return out;
}

}  // namespace ebb

#endif  // EBB_CONSTRAINTS_HPP
