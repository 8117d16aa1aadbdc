// SPDX-License-Identifier: MIT
#ifndef EBB_EVENT_LOG_HPP
#define EBB_EVENT_LOG_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ebb/time.hpp"

namespace ebb {

/// Numbers that stand for names in an `event_log`: 0, 1, 2 … in order of first appearance, with no gaps.
using user_id = std::uint32_t;
using item_id = std::uint32_t;
using behaviour_id = std::uint32_t;

/// Names and the dense numbers that stand for them.
///
/// Complexity: one hash look-up a call.   Errors: std::invalid_argument after 2^32 − 1 names.
class name_table {
 public:
  /// The number of `name`, which is the next free one when the name is new.
  std::uint32_t intern(std::string_view name) {
    if (const auto known = ids_.find(name); known != ids_.end()) return known->second;
    detail::require(names_.size() < std::numeric_limits<std::uint32_t>::max(), "name_table",
                    "there must be fewer than 2^32 names", names_.size());
    const auto id = static_cast<std::uint32_t>(names_.size());
    names_.emplace_back(name);
    ids_.emplace(names_.back(), id);
    return id;
  }

  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name) const {
    const auto known = ids_.find(name);
    return known == ids_.end() ? std::nullopt : std::optional(known->second);
  }

  /// The name with this number; std::out_of_range when there is none.
  [[nodiscard]] const std::string& operator[](std::uint32_t id) const { return names_.at(id); }

  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }

 private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };

  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t, hash, std::equal_to<>> ids_;
};

/// One line of a log: who did what to which item, when, and how much.
struct logged_event {
  user_id user = 0;
  item_id item = 0;
  behaviour_id behaviour = 0;
  time_point time{};
  double value = 1;

  [[nodiscard]] friend bool operator==(const logged_event&, const logged_event&) = default;
};

/// A log of events in memory, in order of time; names are kept once each.
///
/// Events may be appended in any order; `sort` brings them into time order, and equal times keep the order they came in.
/// Size: 32 bytes an event.
class event_log {
 public:
  /// Errors: std::invalid_argument when a name is empty or `value` is not finite.
  void append(std::string_view user, std::string_view item, time_point time, std::string_view behaviour = "event",
              double value = 1) {
    detail::require(!user.empty() && !item.empty() && !behaviour.empty(), "event_log",
                    "user, item and behaviour must not be empty", user);
    detail::require(std::isfinite(value), "event_log", "a value must be finite", value);
    sorted_ = sorted_ && (events_.empty() || events_.back().time <= time);
    events_.push_back({users_.intern(user), items_.intern(item), behaviours_.intern(behaviour), time, value});
  }

  /// Brings the events into time order, stably; returns whether they were in it already.
  bool sort() {
    const bool was_sorted = sorted_;
    if (!sorted_)
      std::stable_sort(events_.begin(), events_.end(),
                       [](const logged_event& a, const logged_event& b) { return a.time < b.time; });
    sorted_ = true;
    return was_sorted;
  }

  [[nodiscard]] bool sorted() const noexcept { return sorted_; }
  [[nodiscard]] bool empty() const noexcept { return events_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }
  [[nodiscard]] const logged_event& operator[](std::size_t position) const { return events_[position]; }
  [[nodiscard]] std::span<const logged_event> events() const noexcept { return events_; }

  [[nodiscard]] const name_table& users() const noexcept { return users_; }
  [[nodiscard]] const name_table& items() const noexcept { return items_; }
  [[nodiscard]] const name_table& behaviours() const noexcept { return behaviours_; }

 private:
  std::vector<logged_event> events_;
  name_table users_;
  name_table items_;
  name_table behaviours_;
  bool sorted_ = true;
};

/// For every event the position of the first event with the same user and item: itself where the pair is new.
///
/// Complexity: O(n log n) time, O(n) memory.
[[nodiscard]] inline std::vector<std::size_t> first_of_pair(std::span<const logged_event> events) {
  std::vector<std::size_t> order(events.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto pair = [&](std::size_t i) { return (std::uint64_t{events[i].user} << 32) | events[i].item; };
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return pair(a) != pair(b) ? pair(a) < pair(b) : a < b; });
  std::vector<std::size_t> first(events.size());
  for (std::size_t k = 0; k < order.size(); ++k)
    first[order[k]] = k > 0 && pair(order[k]) == pair(order[k - 1]) ? first[order[k - 1]] : order[k];
  return first;
}

/// Share of the events whose user had done something to the same item earlier in the log; 0 for an empty log.
[[nodiscard]] inline double repeat_share(std::span<const logged_event> events) {
  const std::vector<std::size_t> first = first_of_pair(events);
  std::size_t repeats = 0;
  for (std::size_t i = 0; i < first.size(); ++i) repeats += first[i] != i;
  return events.empty() ? 0.0 : static_cast<double>(repeats) / static_cast<double>(events.size());
}

/// What a catalogue says about the items of a log: a title and tags (genre, category, folder …) for each item_id.
struct item_catalogue {
  std::vector<std::string> titles;               // one an item, "" where unknown
  std::vector<std::vector<std::uint32_t>> tags;  // one list an item, numbers in `tag_names`
  name_table tag_names;
};

}  // namespace ebb

#endif  // EBB_EVENT_LOG_HPP
