// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_UPTAKES_HPP
#define EBB_DETAIL_UPTAKES_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ebb/event_log.hpp"
#include "ebb/time.hpp"

namespace ebb::detail {

/// The first use of an item by a user: that something new was taken up.
struct uptake {
  std::uint32_t of;  ///< the item in a user's list, the user in an item's
  duration age;      ///< of the first use
  float lately;      ///< 2^(−age / recent)
  float uses;        ///< ln(1 + uses until now)
};

/// All first uses in a part of a log, by user and by item, oldest first.
struct uptakes {
  std::vector<std::vector<uptake>> of_user;
  std::vector<std::vector<uptake>> of_item;
  std::size_t count = 0;

  /// events: in time order, none after `now`.
  uptakes(std::span<const logged_event> events, std::size_t users, std::size_t items, time_point now, duration recent)
      : of_user(users), of_item(items) {
    const std::vector<std::size_t> first = first_of_pair(events);
    std::vector<std::uint32_t> uses(events.size(), 0);
    for (const std::size_t i : first) ++uses[i];
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (first[i] != i) continue;
      const duration age = now - events[i].time;
      const auto lately = static_cast<float>(std::exp2(-(age / recent)));
      const auto often = static_cast<float>(std::log1p(uses[i]));
      of_user[events[i].user].push_back({events[i].item, age, lately, often});
      of_item[events[i].item].push_back({events[i].user, age, lately, often});
      ++count;
    }
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_UPTAKES_HPP
