// SPDX-License-Identifier: MIT
#ifndef EBB_DECAY_FEATURES_HPP
#define EBB_DECAY_FEATURES_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <Eigen/Core>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/moment_reading.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// What a pair's speed of forgetting may depend on: how often and how regularly the user comes back, to this item and at
/// all, and how common the item is.
///
/// None of it changes as time passes, only when something happens: between events a decay chosen by these features is one
/// decay function, and interest only falls.
/// Units:  natural logarithms of counts and of 1 + seconds.
inline constexpr std::array<std::string_view, 9> decay_feature_names{"ln uses by the user",
                                                                     "ln mean gap between them",
                                                                     "used more than once",
                                                                     "ln user events",
                                                                     "ln user items",
                                                                     "ln mean gap between user events",
                                                                     "ln uses by anybody",
                                                                     "ln users of the item",
                                                                     "ln share of the user's events"};
inline constexpr Eigen::Index decay_feature_count = static_cast<Eigen::Index>(decay_feature_names.size());

namespace detail {

template <class Store>
void require_decay_columns(const Store& store) {
  require(store.options().heat && store.options().first_use, "decay_features",
          "the store must keep heat and first uses (store_options), first uses", store.options().first_use);
  refuse_shard(store, "decay_features");
}

/// The features of entry i.
template <class Store, class Column>
void write_decay_features(const Store& store, const typename Store::user_state& user, std::size_t i, Column&& out) {
  const auto seconds = [](lane_grid::ticks span) {
    return static_cast<double>(span) * time_point::period::num / time_point::period::den;
  };
  const auto mean_gap = [&](lane_grid::ticks first, lane_grid::ticks last, double events) {
    return std::log1p(std::max(0.0, seconds(last - first)) / std::max(events - 1, 1.0));
  };
  const entry_layout& layout = store.layout();
  const auto* const times = user.entries.times(layout, i);
  const std::uint32_t item = user.entries.item(i);
  const auto uses = static_cast<double>(user.entries.count(i));
  const auto events = static_cast<double>(user.events);
  const double user_gap = mean_gap(user.first, user.newest, events);
  const std::array<double, 9> values{std::log(uses),
                                     uses > 1 ? mean_gap(times[layout.first_time()], times[0], uses) : user_gap,
                                     uses > 1 ? 1.0 : 0.0,
                                     std::log(events),
                                     std::log(static_cast<double>(user.entries.size())),
                                     user_gap,
                                     std::log(static_cast<double>(store.heat_entries().count(item))),
                                     std::log(static_cast<double>(store.users_of(item))),
                                     std::log(uses / events)};
  for (std::size_t f = 0; f < values.size(); ++f) out[static_cast<Eigen::Index>(f)] = static_cast<float>(values[f]);
}

}  // namespace detail

/// The features of all of a user's entries.
///
/// Shape: (candidates, features), candidate i is entry i of the user; an entry of dislikes alone has those of one use.
/// Complexity: O(candidates).   Errors: std::invalid_argument unless the store keeps heat and first uses.
template <class Store>
[[nodiscard]] Eigen::MatrixXf decay_features(const Store& store, const typename Store::user_state& user) {
  detail::require_decay_columns(store);
  Eigen::MatrixXf out = Eigen::MatrixXf::Zero(static_cast<Eigen::Index>(user.entries.size()), decay_feature_count);
  for (std::size_t i = 0; i < user.entries.size(); ++i)
    if (user.entries.count(i) > 0) detail::write_decay_features(store, user, i, out.row(static_cast<Eigen::Index>(i)));
  return out;
}

/// The features of one pair; none for a pair never observed.
///
/// Shape: (features).   Errors: as above.
template <class Store>
[[nodiscard]] std::optional<Eigen::VectorXf> decay_features(const Store& store, const typename Store::user_type& user,
                                                            const typename Store::item_type& item) {
  detail::require_decay_columns(store);
  const auto* const state = store.find(user);
  const auto handle = store.handle(item);
  if (state == nullptr || !handle) return std::nullopt;
  const std::size_t i = state->entries.find(*handle);
  if (i == Store::table::npos || state->entries.count(i) == 0) return std::nullopt;
  Eigen::VectorXf out(decay_feature_count);
  detail::write_decay_features(store, *state, i, out);
  return out;
}

}  // namespace ebb

#endif  // EBB_DECAY_FEATURES_HPP
