// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_MOMENT_READING_HPP
#define EBB_DETAIL_MOMENT_READING_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ebb/detail/lane_grid.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb::detail {

/// Refuses an `ahead` that is no length of time.
inline void check_ahead(duration ahead, const char* who) {
  require(std::isfinite(ahead.count()) && ahead >= duration(0), who, "ahead must be finite and >= 0", ahead);
}

/// The moment at which something of others is read: `now`, or that of the newest thing known of `whose` where it is a little later.
///
/// Further back an answer would have to forget what is stored: std::domain_error.
[[nodiscard]] inline time_point moment_of(lane_grid::ticks newest, time_point now, duration ahead,
                                          std::string_view whose, std::string_view who, std::string_view term = {}) {
  const time_point last{time_point::duration(newest)};
  if (last <= now) return now;
  if (elapsed(now, last) <= ahead) return last;
  throw std::domain_error("ebb::" + std::string(who) + (term.empty() ? "" : " \"" + std::string(term) + "\"") +
                          ": now must not be before the newest event of " + std::string(whose) +
                          " by more than `ahead`");
}

/// Refuses one of several shards where what all users did is asked for.
template <class Store>
void refuse_shard(const Store& store, const char* who) {
  if (store.is_shard())
    throw std::logic_error("ebb::" + std::string(who) +
                           ": the store must hold all users, got one shard of several; see heat_table.hpp");
}

/// One reading of a store at one moment: K exponentials once, then O(K) an entry, with no look-up by name.
template <class Store>
class moment_reading {
 public:
  moment_reading(const Store& store, const reading& how, time_point now, const std::string& term)
      : store_(store), how_(how), now_(now), plan_(checked(store, how, term), how, now.time_since_epoch().count()) {}

  /// Interest held in entry number i of a user's.
  [[nodiscard]] double interest(const typename Store::user_state& state, std::size_t i) const {
    return state.entries.count(i) == 0 ? 0.0 : read(store_.layout(), state.entries, i, plan_);
  }

  /// Heat of the item with this number, as of its newest use where that is up to `ahead` later.
  [[nodiscard]] double heat(std::uint32_t handle, duration ahead, std::string_view who,
                            std::string_view term = {}) const {
    const auto& entries = store_.heat_entries();
    if (entries.count(handle) == 0) return 0.0;
    const time_point at = moment_of(entries.times(store_.heat_layout(), handle)[0], now_, ahead, "an item", who, term);
    if (at == now_) return read(store_.heat_layout(), entries, handle, plan_);
    return read(store_.heat_layout(), entries, handle,
                read_plan(store_.lanes().grid(), how_, at.time_since_epoch().count()));
  }

 private:
  [[nodiscard]] static const lane_grid& checked(const Store& store, const reading& how, const std::string& term) {
    if (!(how.bank() == store.lanes()))
      throw std::invalid_argument("ebb::ranker: in term \"" + term +
                                  "\", the reading must be of the store's own half-lives, got another bank");
    return store.lanes().grid();
  }

  template <class Table>
  [[nodiscard]] static double read(const entry_layout& layout, const Table& entries, std::size_t i,
                                   const read_plan& plan) {
    return with_lanes<0>(layout.lanes, [&](auto lanes) {
      return read_lanes(layout.grid, lanes, entries.sums(layout, i), entries.times(layout, i)[0], plan);
    });
  }

  const Store& store_;
  const reading& how_;
  time_point now_;
  read_plan plan_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_MOMENT_READING_HPP
