// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_MOMENT_READING_HPP
#define EBB_DETAIL_MOMENT_READING_HPP

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "ebb/detail/lane_grid.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb::detail {

/// Refuses a moment before the newest thing known of `whose`: an answer would have to forget what is stored.
inline void check_moment(lane_grid::ticks newest, time_point now, const std::string& term, const char* whose) {
  if (newest <= now.time_since_epoch().count()) return;
  throw std::domain_error("ebb::ranker: in term \"" + term + "\", now must not be before the newest event of " + whose);
}

/// One reading of a store at one moment: K exponentials once, then O(K) an entry, with no look-up by name.
template <class Store>
class moment_reading {
 public:
  moment_reading(const Store& store, const reading& how, time_point now, const std::string& term)
      : store_(store), now_(now), plan_(checked(store, how, term), how, now.time_since_epoch().count()) {}

  /// Interest held in entry number i of a user's.
  [[nodiscard]] double interest(const typename Store::user_state& state, std::size_t i) const {
    return state.entries.count(i) == 0 ? 0.0 : read(store_.layout(), state.entries, i);
  }

  /// Heat of the item with this number.
  [[nodiscard]] double heat(std::uint32_t handle, const std::string& term) const {
    const auto& entries = store_.heat_entries();
    if (entries.count(handle) == 0) return 0.0;
    check_moment(entries.times(store_.heat_layout(), handle)[0], now_, term, "an item");
    return read(store_.heat_layout(), entries, handle);
  }

 private:
  [[nodiscard]] static const lane_grid& checked(const Store& store, const reading& how, const std::string& term) {
    if (!(how.bank() == store.lanes()))
      throw std::invalid_argument("ebb::ranker: in term \"" + term +
                                  "\", the reading must be of the store's own half-lives, got another bank");
    return store.lanes().grid();
  }

  template <class Table>
  [[nodiscard]] double read(const entry_layout& layout, const Table& entries, std::size_t i) const {
    return with_lanes<0>(layout.lanes, [&](auto lanes) {
      return read_lanes(layout.grid, lanes, entries.sums(layout, i), entries.times(layout, i)[0], plan_);
    });
  }

  const Store& store_;
  time_point now_;
  read_plan plan_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_MOMENT_READING_HPP
