// SPDX-License-Identifier: MIT
#ifndef EBB_LIST_CAPS_HPP
#define EBB_LIST_CAPS_HPP

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/time.hpp"

namespace ebb {

/// A cap for a list: at most so many picks of one group. As many of them hold at once as are given, say three of a topic and one of an author.
///
/// `group(candidate)` → for a candidate's index, a value with std::hash.   Errors: std::invalid_argument unless most >= 1.
template <class Group>
struct at_most {
  std::size_t most;
  Group group;

  at_most(std::size_t most_picks, Group group_of) : most(most_picks), group(std::move(group_of)) {
    detail::require(most >= 1, "at_most", "most must be >= 1", most);
  }
};

namespace detail {

/// How many more picks each group of each cap has room for.
class group_caps {
 public:
  /// For candidates 0 … n − 1.
  template <class... Group>
  explicit group_caps([[maybe_unused]] std::size_t n, const at_most<Group>&... caps) {
    (add(n, caps), ...);
  }

  [[nodiscard]] bool empty() const noexcept { return groupings_.empty(); }

  void take(std::size_t candidate) {
    for (grouping& g : groupings_) --g.room[g.group[candidate]];
  }

  /// Whether one of the candidate's groups has no room left.   Complexity: O(caps).
  [[nodiscard]] bool full(std::size_t candidate) const {
    return std::any_of(groupings_.begin(), groupings_.end(),
                       [candidate](const grouping& g) { return g.room[g.group[candidate]] == 0; });
  }

 private:
  struct grouping {
    std::vector<std::size_t> group;  // (candidates), the number of each one's group
    std::vector<std::size_t> room;   // (groups)
  };

  template <class Group>
  void add(std::size_t n, const at_most<Group>& cap) {
    std::unordered_map<std::remove_cvref_t<std::invoke_result_t<const Group&, std::size_t>>, std::size_t> numbers;
    grouping made;
    for (std::size_t i = 0; i < n; ++i)
      made.group.push_back(numbers.try_emplace(cap.group(i), numbers.size()).first->second);
    made.room.assign(numbers.size(), cap.most);
    groupings_.push_back(std::move(made));
  }

  std::vector<grouping> groupings_;
};

}  // namespace detail

}  // namespace ebb

#endif  // EBB_LIST_CAPS_HPP
