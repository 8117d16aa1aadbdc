// SPDX-License-Identifier: MIT
#ifndef EBB_INTEREST_STORE_HPP
#define EBB_INTEREST_STORE_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/lane_row.hpp"
#include "ebb/detail/name_index.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

namespace detail {
template <class Store>
class store_access;  // puts saved rows back; see snapshot.hpp
}

/// What can name a user or an item: a value with equality and a std::hash, such as an integer or a string.
template <class T>
concept identifier = std::copyable<T> && std::equality_comparable<T> && requires(const T& id) {
  { std::hash<T>{}(id) } -> std::convertible_to<std::size_t>;
};

/// An item with its interest. `log2_interest` orders also what is too old for `interest` to differ from zero.
template <class Item>
struct ranked_item {
  Item item;
  double interest;
  double log2_interest;
  time_point last;
};

/// How a use falls into the rhythm of earlier ones.
struct rhythm_match {
  double
      match;  ///< [−1, 1]: 1 when all earlier uses fell at this time of the period, −1 when all fell half a period away
  double strength;  ///< [0, 1]: 1 when all of them fell at one time of the period, whichever
};

/// Time-decayed interest of users in items, in constant memory per pair and without replaying history.
///
/// For each (user, item) it keeps K sums Σ amount · 2^(−age / h_k). Any `reading` of those K lanes is an interest; reading decays, nothing
/// sweeps. Late events land where they would have; two stores merge by addition; what one event did can be taken back.
///
/// Template: T, the type of the kept sums: float halves the memory; n events of an entry cost at most n/2 + 4 roundings of T. Lanes, the
///   number of half-lives when it is known at compile time, 0 when not (banks of 1, 4 and 8 are as fast either way).
/// Memory:   an entry takes 8 (recent + first_use + 2·dislikes) + sizeof(T) (lanes + dislikes + 2·rhythms) + 8 bytes, up to a quarter more for
///   growth, and 5 to 10 more above 64 items a user; a user about 90 bytes; heat 48 + 8·lanes bytes an item.
/// Complexity: observe O(K); interest O(K) plus a scan of at most 64 integers; top O(n·K + n log k) for a user with n items; K = lanes.
/// Threads:  const members may run at the same time; a writer needs the store for itself (see sharded_store).
/// Errors:   every member that throws leaves the store as it was, but for names without events that std::bad_alloc may leave behind.
/// Source:   forward decay over landmarks, Cormode et al., ICDE 2009.
template <identifier User, identifier Item, std::floating_point T = double, int Lanes = 0>
class interest_store {
  static_assert(std::same_as<T, float> || std::same_as<T, double>, "ebb::interest_store: T must be float or double");
  static_assert(Lanes >= 0 && Lanes <= detail::max_lanes, "ebb::interest_store: Lanes must be in [0, 32]");

 public:
  using user_type = User;
  using item_type = Item;
  using value_type = T;
  using table = detail::entry_table<T>;
  using heat_table = detail::entry_table<double>;
  using ticks = detail::lane_grid::ticks;

  /// What a user did as a whole.
  struct user_state {
    table entries;
    ticks first = detail::no_time;   ///< of all events; a lower bound after `retract` and `forget_item`
    ticks newest = detail::no_time;  ///< of all events and dislikes; no reading is answered before it
    std::uint64_t events = 0;
  };

  /// Errors: as `store_options`; std::invalid_argument when the bank has another number of lanes than `Lanes`.
  explicit interest_store(store_options options = {})
      : options_(std::move(options)),
        layout_(detail::entry_layout_of(options_)),
        heat_layout_(detail::heat_layout_of(options_)) {
    detail::require(Lanes == 0 || options_.lanes.size() == Lanes, "interest_store",
                    "the bank must have as many half-lives as the template says", options_.lanes.size());
  }

  // --- writing

  /// Records that `user` did something worth `amount` to `item` at `time`. Order of arrival does not matter.
  ///
  /// Range:  amount 0 (a use without interest) or in [1e-18, 1e18], so that no sum over- or underflows.
  /// Errors: std::invalid_argument outside it, and for time_point::min().
  void observe(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_event("observe", time, amount);
    unit_.phases.reserve(layout_.rhythms.size());  // what can fail comes first
    const std::uint32_t handle = handle_of(item);
    user_state* state = nullptr;
    const detail::entry_row<T> row = row_of(user, handle, state);
    row.prefetch();  // the row is on its way while the exponentials are computed
    unit_.set(layout_, ticks_of(time));
    const bool is_new = *row.count == 0;
    detail::with_lanes<Lanes>(layout_.lanes, [&](auto lanes) {
      detail::add_event(layout_, lanes, row, unit_, amount);
      if (options_.heat) detail::add_event(heat_layout_, lanes, heat_.row(heat_layout_, handle), unit_, amount);
    });
    note_time(*state, unit_.time);
    ++state->events;
    item_users_[handle] += is_new ? 1 : 0;
    entries_ += is_new ? 1 : 0;
  }

  /// Records a dislike, kept apart from interest and fading with `dislike_half_life`.
  ///
  /// Errors: std::logic_error when the store keeps no dislikes; std::invalid_argument unless amount is in [1e-18, 1e18].
  void dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_dislikes("dislike");
    check_event("dislike", time, amount);
    detail::require(amount > 0, "interest_store::dislike", "amount must be > 0", amount);
    unit_.set(layout_, ticks_of(time));
    user_state* state = nullptr;
    const detail::entry_row<T> row = row_of(user, handle_of(item), state);
    detail::add_dislike(layout_, row, unit_, amount);
    note_time(*state, unit_.time);
  }

  /// Adds everything `other` saw: afterwards this store is what a replay of both logs would have made.
  ///
  /// Errors: std::invalid_argument unless both keep the same half-lives, rhythms and columns. Whatever is thrown, this store is unchanged.
  void merge(const interest_store& other) {
    if (&other == this) return merge(interest_store(other));
    const std::vector<std::uint32_t> mine = make_room(other, [](const User&) { return true; });
    if (options_.heat)
      for (std::size_t h = 0; h < mine.size(); ++h)
        detail::add_row(heat_layout_, heat_.row(heat_layout_, mine[h]), heat_layout_, other.heat_, h);
    for (const auto& [user, theirs] : other.users_) add_user(users_.find(user)->second, theirs, mine, false);
  }

  /// Adds what the users for which `wanted(user)` holds did, their heat included: how a store is split into shards.
  ///
  /// Heat comes from their entries; that of entries pruned long ago belongs to nobody and is not carried over.  Errors: as `merge`.
  template <std::predicate<const User&> Predicate>
  void merge_users(const interest_store& other, Predicate wanted) {
    if (&other == this) return merge_users(interest_store(other), wanted);
    const std::vector<std::uint32_t> mine = make_room(other, wanted);
    for (const auto& [user, theirs] : other.users_)
      if (wanted(user)) add_user(users_.find(user)->second, theirs, mine, options_.heat);
  }

  // --- taking back

  /// Takes one observed event back; false, and nothing changed, when the store cannot hold such an event.
  ///
  /// The host says what it takes back; the store checks that it could have been there: its time, and that its part fits into the slowest
  /// lane. (So it may also refuse an event that a newer, retracted one had drowned: 24 half-lives of the slowest lane later, 8 for
  /// float.) Afterwards every interest equals a replay without the event, to within 2n + 8 roundings of T of the largest value the lane
  /// has had over the entry's n events. Newest and first times go back exactly while the `recent` times kept reach; beyond that they stay,
  /// as bounds on which no interest depends.
  /// Complexity: O(K), and O(n) in the user's items when the entry goes or was the user's newest.
  bool retract(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_event("retract", time, amount);
    const auto at = users_.find(user);
    const std::uint32_t handle = items_.find(item);
    if (at == users_.end() || handle == items_.npos) return false;
    user_state& state = at->second;
    const std::size_t i = state.entries.find(handle);
    if (i == table::npos) return false;
    const auto row = state.entries.row(layout_, i);
    unit_.set(layout_, ticks_of(time));
    if (!detail::may_hold(layout_, row, unit_, amount)) return false;
    detail::take_back(layout_, row, unit_, amount);
    --state.events;
    if (*row.count == 0) {
      --item_users_[handle];
      --entries_;
    }
    if (options_.heat && heat_.count(handle) > 0)
      detail::take_back(heat_layout_, heat_.row(heat_layout_, handle), unit_, amount);
    drop_if_empty(at, i);
    return true;
  }

  /// Takes one dislike back; false, and nothing changed, when the store cannot hold it.
  ///
  /// Errors: as `dislike`.
  bool retract_dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_dislikes("retract_dislike");
    check_event("retract_dislike", time, amount);
    const auto at = users_.find(user);
    const std::uint32_t handle = items_.find(item);
    if (at == users_.end() || handle == items_.npos) return false;
    const std::size_t i = at->second.entries.find(handle);
    if (i == table::npos) return false;
    unit_.set(layout_, ticks_of(time));
    if (!detail::take_back_dislike(layout_, at->second.entries.row(layout_, i), unit_, amount)) return false;
    drop_if_empty(at, i);
    return true;
  }

  /// Forgets everything a user did, their part of the heat included; false for a user not known.
  ///
  /// What `prune` deleted before is no longer known as theirs and stays in the heat.
  /// Complexity: O(items of the user · K), and one pass over the store when the user was the newest or the first to use an item.
  bool forget_user(const User& user) {
    const auto at = users_.find(user);
    if (at == users_.end()) return false;
    const user_state gone = std::move(at->second);
    users_.erase(at);
    std::vector<std::uint32_t> bounds;
    for (std::size_t i = 0; i < gone.entries.size(); ++i) {
      if (gone.entries.count(i) == 0) continue;
      const std::uint32_t handle = gone.entries.item(i);
      --item_users_[handle];
      --entries_;
      if (options_.heat && subtract_heat(gone.entries, i)) bounds.push_back(handle);
    }
    if (!bounds.empty()) find_heat_times(bounds);
    return true;
  }

  /// Forgets an item for every user; false for an item not known. Complexity: O(users).
  bool forget_item(const Item& item) {
    const std::uint32_t handle = items_.find(item);
    if (handle == items_.npos) return false;
    bool found = false;
    for (auto at = users_.begin(); at != users_.end();) {
      user_state& state = at->second;
      const std::size_t i = state.entries.find(handle);
      if (i == table::npos) {
        ++at;
        continue;
      }
      found = true;
      state.events -= state.entries.count(i);
      entries_ -= state.entries.count(i) > 0 ? 1 : 0;
      state.entries.erase(layout_, i);
      refresh_newest(state);
      at = state.entries.size() == 0 ? users_.erase(at) : std::next(at);
    }
    item_users_[handle] = 0;
    if (options_.heat) heat_.clear(heat_layout_, handle);
    return found;
  }

  /// An entry that `prune` removed.
  struct pruned {
    User user;
    Item item;
    double interest;
  };

  /// Deletes the entries whose interest at `now` is below `threshold` and, of each user, all but the `keep` highest; returns them.
  ///
  /// Nothing else in ebb deletes. Heat stays: what many users once did is not undone by one user's tidying. Dislikes stay.
  /// Errors: as `interest`; std::invalid_argument unless threshold is >= 0.
  std::vector<pruned> prune(const reading& how, time_point now, double threshold,
                            std::size_t keep = std::numeric_limits<std::size_t>::max()) {
    detail::require(threshold >= 0, "interest_store::prune", "threshold must be >= 0", threshold);
    const detail::read_plan plan = plan_of(how, now);
    for (const auto& [user, state] : users_) check_now(state, now);
    std::vector<pruned> removed;
    std::vector<detail::scored_entry> scores;
    std::vector<char> goes;
    for (auto at = users_.begin(); at != users_.end();) {
      table& entries = at->second.entries;
      score_all(entries, plan, scores);
      std::sort(scores.begin(), scores.end());
      goes.assign(entries.size(), 0);
      for (std::size_t r = 0; r < scores.size(); ++r) {
        const double interest = interest_of(scores[r]);
        if (r < keep && interest >= threshold) continue;
        const std::size_t i = scores[r].position;
        removed.push_back({at->first, items_[entries.item(i)], interest});
        goes[i] = 1;
      }
      at = remove_marked(at, goes);
    }
    return removed;
  }

  // --- reading

  /// Interest of `user` in `item` at `now`: Σ amount · D(now − time); 0 for a pair never observed.
  ///
  /// Errors: std::invalid_argument when the reading is of another bank; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] double interest(const User& user, const Item& item, const reading& how, time_point now) const {
    const detail::read_plan plan = plan_of(how, now);
    const auto [state, i] = locate(user, item, now);
    return i == table::npos ? 0.0 : read(state->entries, layout_, i, plan);
  }

  /// Interest squeezed into [0, 1): 1 − e^(−interest); near interest itself while that is small.
  [[nodiscard]] double saturated_interest(const User& user, const Item& item, const reading& how,
                                          time_point now) const {
    return -std::expm1(-interest(user, item, how, now));
  }

  /// The user's `k` items of highest interest at `now`, highest first; ties go to the more recent, then to the first met.
  ///
  /// Items whose interest is too small for a double still come in the order exact arithmetic would give them.
  /// Errors: as `interest`. An unknown user has no items.
  [[nodiscard]] std::vector<ranked_item<Item>> top(const User& user, std::size_t k, const reading& how,
                                                   time_point now) const {
    std::vector<ranked_item<Item>> out;
    const detail::read_plan plan = plan_of(how, now);
    const user_state* const state = find(user);
    if (state == nullptr) return out;
    check_now(*state, now);
    std::vector<detail::scored_entry> scores;
    score_all(state->entries, plan, scores);
    const std::size_t kept = std::min(k, scores.size());
    std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(kept), scores.end());
    scores.resize(kept);
    out.reserve(kept);
    for (const detail::scored_entry& s : scores)
      out.push_back({items_[state->entries.item(s.position)], interest_of(s), s.value > 0 ? std::log2(s.value) : s.log2,
                     to_time(s.last)});
    return out;
  }

  /// Dislike of `item` at `now`, Σ amount · 2^(−age / dislike_half_life); 0 for a pair never disliked.
  ///
  /// Errors: std::logic_error when the store keeps no dislikes; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] double dislike_of(const User& user, const Item& item, time_point now) const {
    check_dislikes("dislike_of");
    const auto [state, i] = locate(user, item, now);
    if (i == table::npos) return 0.0;
    const int k = layout_.lanes;
    const ticks last = state->entries.times(layout_, i)[layout_.dislike_time()];
    return static_cast<double>(state->entries.sums(layout_, i)[k]) * layout_.grid.shift(k, last, ticks_of(now)) *
           std::exp2(-layout_.grid.fraction(k, ticks_of(now)));
  }

  /// How `now` falls into rhythm number `r` of the user's uses of the item, relative to the rhythm's plain lane.
  ///
  ///   match = Σ v 2^(−age/h) cos(2π·age/period) / Σ v 2^(−age/h),   strength = |Σ v 2^(−age/h) e^(−2πi·age/period)| / Σ v 2^(−age/h)
  ///
  /// Range:  both 0 for a pair never observed.
  /// Errors: std::invalid_argument for a rhythm the store does not keep; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] rhythm_match rhythm(const User& user, const Item& item, std::size_t r, time_point now) const {
    detail::require(r < layout_.rhythms.size(), "interest_store::rhythm", "the store must keep the rhythm", r);
    const auto [state, i] = locate(user, item, now);
    if (i == table::npos) return {0.0, 0.0};
    const T* const sums = state->entries.sums(layout_, i);
    const T* const turned = sums + layout_.rhythm_sum(static_cast<int>(r));
    const auto plain = static_cast<double>(sums[layout_.rhythms[r].lane]);
    if (!(plain > 0)) return {0.0, 0.0};
    const double x = static_cast<double>(turned[0]) / plain;
    const double y = static_cast<double>(turned[1]) / plain;
    const detail::phase at(ticks_of(now), layout_.rhythms[r].period);
    return {std::clamp(x * at.cos + y * at.sin, -1.0, 1.0), std::min(std::hypot(x, y), 1.0)};
  }

  /// Heat of `item` at `now`: the interest of all users together; 0 for an item never observed.
  ///
  /// Errors: std::logic_error when the store keeps no heat; std::domain_error when `now` is before the item's newest event.
  [[nodiscard]] double heat(const Item& item, const reading& how, time_point now) const {
    if (!options_.heat) throw std::logic_error("ebb::interest_store::heat: the store was made with heat = false");
    const detail::read_plan plan = plan_of(how, now);
    const std::uint32_t handle = items_.find(item);
    if (handle == items_.npos || heat_.count(handle) == 0) return 0.0;
    if (heat_.times(heat_layout_, handle)[0] > ticks_of(now))
      throw std::domain_error("ebb::interest_store::heat: now must not be before the item's newest event");
    return read(heat_, heat_layout_, handle, plan);
  }

  [[nodiscard]] std::size_t users() const noexcept { return users_.size(); }
  /// (user, item) pairs with at least one event.
  [[nodiscard]] std::size_t size() const noexcept { return entries_; }
  /// Distinct items ever named, forgotten ones included: their handles stay valid.
  [[nodiscard]] std::size_t items() const noexcept { return items_.size(); }
  [[nodiscard]] bool contains(const User& user) const { return users_.contains(user); }
  [[nodiscard]] const store_options& options() const noexcept { return options_; }
  [[nodiscard]] const timescales& lanes() const noexcept { return options_.lanes; }

  /// Bytes held, growth reserve and indexes included, names' own heap memory not.
  [[nodiscard]] std::size_t bytes() const noexcept {
    constexpr std::size_t node = 2 * sizeof(void*);  // a link, and the allocator's own word
    std::size_t sum = users_.bucket_count() * sizeof(void*) +
                      users_.size() * (sizeof(std::pair<const User, user_state>) + node) + items_.bytes() +
                      item_users_.capacity() * sizeof(std::uint32_t) + heat_.bytes();
    for (const auto& [user, state] : users_) sum += state.entries.bytes() + sizeof(void*);
    return sum;
  }

  // --- the state as columns, for what is built on the store in this library: features, snapshots, rankers

  [[nodiscard]] const user_state* find(const User& user) const {
    const auto at = users_.find(user);
    return at == users_.end() ? nullptr : &at->second;
  }
  [[nodiscard]] std::optional<std::uint32_t> handle(const Item& item) const {
    const std::uint32_t at = items_.find(item);
    return at == items_.npos ? std::nullopt : std::optional(at);
  }
  /// handle < items().
  [[nodiscard]] const Item& item(std::uint32_t handle) const { return items_[handle]; }
  [[nodiscard]] const detail::entry_layout& layout() const noexcept { return layout_; }
  [[nodiscard]] const detail::entry_layout& heat_layout() const noexcept { return heat_layout_; }
  /// Entry number `handle` is the item's.
  [[nodiscard]] const heat_table& heat_entries() const noexcept { return heat_; }
  /// Users who have the item now.
  [[nodiscard]] std::uint32_t users_of(std::uint32_t handle) const { return item_users_.at(handle); }
  [[nodiscard]] const std::unordered_map<User, user_state>& all_users() const noexcept { return users_; }

 private:
  friend class detail::store_access<interest_store>;
  using user_map = std::unordered_map<User, user_state>;

  [[nodiscard]] detail::read_plan plan_of(const reading& how, time_point now) const {
    if (!(how.bank() == options_.lanes))
      throw std::invalid_argument(
          "ebb::interest_store: the reading must be of the store's own half-lives, got another bank");
    return {options_.lanes.grid(), how, ticks_of(now)};
  }

  template <std::floating_point U>
  [[nodiscard]] static double read(const detail::entry_table<U>& entries, const detail::entry_layout& layout,
                                   std::size_t i, const detail::read_plan& plan) noexcept {
    return detail::with_lanes<Lanes>(layout.lanes, [&](auto lanes) {
      return detail::read_lanes(layout.grid, lanes, entries.sums(layout, i), entries.times(layout, i)[0], plan);
    });
  }

  void score_all(const table& entries, const detail::read_plan& plan, std::vector<detail::scored_entry>& out) const {
    out.resize(entries.size());
    std::size_t scored = 0;
    detail::with_lanes<Lanes>(layout_.lanes, [&](auto lanes) {
      for (std::size_t i = 0; i < entries.size(); ++i)
        if (entries.count(i) > 0)
          out[scored++] =
              detail::score_entry(layout_, lanes, entries.sums(layout_, i), entries.times(layout_, i)[0], i, plan);
    });
    out.resize(scored);
  }

  [[nodiscard]] static double interest_of(const detail::scored_entry& s) noexcept {
    return s.value > 0 ? s.value : std::exp2(s.log2);
  }

  /// The user's state and the entry's position, npos where either is unknown.
  [[nodiscard]] std::pair<const user_state*, std::size_t> locate(const User& user, const Item& item,
                                                                 time_point now) const {
    const user_state* const state = find(user);
    if (state == nullptr) return {nullptr, table::npos};
    check_now(*state, now);
    const std::uint32_t handle = items_.find(item);
    return {state, handle == items_.npos ? table::npos : state->entries.find(handle)};
  }

  std::uint32_t handle_of(const Item& item) {
    const std::uint32_t handle = items_.find_or_add(item);
    if (handle < item_users_.size()) return handle;
    try {
      if (options_.heat) heat_.find_or_add(heat_layout_, handle);
      item_users_.push_back(0);
    } catch (...) {
      items_.truncate(handle);
      if (heat_.size() > handle) heat_.erase(heat_layout_, handle);
      throw;
    }
    return handle;
  }

  /// The row of (user, item), made empty if there was none, and the user's `state`.
  detail::entry_row<T> row_of(const User& user, std::uint32_t handle, user_state*& state) {
    const auto [at, is_new] = users_.try_emplace(user);
    state = &at->second;
    try {
      return state->entries.row(layout_, state->entries.find_or_add(layout_, handle));
    } catch (...) {
      if (is_new) users_.erase(at);
      throw;
    }
  }

  static void note_time(user_state& state, ticks t) noexcept {
    if (state.first == detail::no_time || t < state.first) state.first = t;
    if (t > state.newest) state.newest = t;
  }

  void refresh_newest(user_state& state) const noexcept {
    state.newest = detail::no_time;
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const ticks* const times = state.entries.times(layout_, i);
      state.newest = std::max(state.newest, times[0]);
      if (layout_.dislike) state.newest = std::max(state.newest, times[layout_.dislike_time()]);
    }
  }

  [[nodiscard]] bool is_empty(const table& entries, std::size_t i) const noexcept {
    return entries.count(i) == 0 &&
           (!layout_.dislike || entries.times(layout_, i)[layout_.dislike_time()] == detail::no_time);
  }

  void drop_if_empty(typename user_map::iterator at, std::size_t i) {
    user_state& state = at->second;
    if (is_empty(state.entries, i)) state.entries.erase(layout_, i);
    if (state.entries.size() == 0)
      users_.erase(at);
    else
      refresh_newest(state);
  }

  typename user_map::iterator remove_marked(typename user_map::iterator at, const std::vector<char>& goes) {
    user_state& state = at->second;
    table& entries = state.entries;
    for (std::size_t i = 0; i < goes.size(); ++i) {
      if (goes[i] == 0) continue;
      state.events -= entries.count(i);
      --item_users_[entries.item(i)];
      --entries_;
      detail::clear_interest(layout_, entries.row(layout_, i));
    }
    entries.erase_if(layout_, [&](std::size_t i) { return goes[i] != 0 && is_empty(entries, i); });
    if (entries.size() == 0) return users_.erase(at);
    entries.shrink(layout_);
    return std::next(at);
  }

  /// Everything in a merge that can fail, before anything is added; returns this store's handle of each of the other's items.
  template <class Predicate>
  std::vector<std::uint32_t> make_room(const interest_store& other, Predicate wanted) {
    const char* const difference = detail::difference_of(options_, other.options_);
    if (difference != nullptr)
      throw std::invalid_argument(std::string("ebb::interest_store::merge: both stores must keep the same ") +
                                  difference + ", got different ones");
    const std::size_t items_before = items_.size();
    try {
      std::vector<std::uint32_t> mine(other.items_.size());
      for (std::size_t h = 0; h < mine.size(); ++h) mine[h] = handle_of(other.items_[h]);
      for (const auto& [user, theirs] : other.users_) {
        if (!wanted(user)) continue;
        table& entries = users_[user].entries;
        for (std::size_t j = 0; j < theirs.entries.size(); ++j)
          entries.find_or_add(layout_, mine[theirs.entries.item(j)]);
      }
      return mine;
    } catch (...) {
      for (const auto& [user, theirs] : other.users_) {
        const auto at = users_.find(user);
        if (at == users_.end()) continue;
        table& entries = at->second.entries;
        entries.erase_if(layout_, [&](std::size_t i) { return is_empty(entries, i); });
        if (entries.size() == 0) users_.erase(at);
      }
      heat_.erase_if(heat_layout_, [&](std::size_t i) { return i >= items_before; });
      item_users_.resize(items_before);
      items_.truncate(items_before);
      throw;
    }
  }

  void add_user(user_state& state, const user_state& theirs, const std::vector<std::uint32_t>& mine, bool with_heat) {
    for (std::size_t j = 0; j < theirs.entries.size(); ++j) {
      const std::uint32_t handle = mine[theirs.entries.item(j)];
      const detail::entry_row<T> row = state.entries.row(layout_, state.entries.find(handle));
      const bool is_new = *row.count == 0 && theirs.entries.count(j) > 0;
      detail::add_row(layout_, row, layout_, theirs.entries, j);
      if (with_heat) detail::add_row(heat_layout_, heat_.row(heat_layout_, handle), layout_, theirs.entries, j);
      item_users_[handle] += is_new ? 1 : 0;
      entries_ += is_new ? 1 : 0;
    }
    if (theirs.first != detail::no_time) note_time(state, theirs.first);
    if (theirs.newest != detail::no_time) note_time(state, theirs.newest);
    state.events += theirs.events;
  }

  /// Takes an entry out of the heat; true when the heat's newest or first time is now only a bound.
  bool subtract_heat(const table& entries, std::size_t i) {
    const std::uint32_t handle = entries.item(i);
    if (heat_.count(handle) == 0) return false;
    const auto row = heat_.row(heat_layout_, handle);
    const ticks newest = row.times[0];
    const ticks first = row.times[heat_layout_.first_time()];
    const ticks* const times = entries.times(layout_, i);
    detail::subtract_row(heat_layout_, row, layout_, entries, i);
    const ticks entry_first = layout_.first_use ? times[layout_.first_time()] : times[layout_.recent - 1];
    return *row.count > 0 && (times[0] >= newest || entry_first <= first || entry_first == detail::no_time);
  }

  /// Newest and first use by anybody, found again from the entries, where every event of the heat still has its entry.
  void find_heat_times(const std::vector<std::uint32_t>& handles) {
    struct seen {
      std::uint64_t count = 0;
      ticks first = std::numeric_limits<ticks>::max();
      std::vector<ticks> recent;
    };
    std::unordered_map<std::uint32_t, seen> wanted;
    for (const std::uint32_t handle : handles) wanted.emplace(handle, seen{});
    for (const auto& [user, state] : users_) {
      for (std::size_t i = 0; i < state.entries.size(); ++i) {
        if (state.entries.count(i) == 0) continue;
        const auto at = wanted.find(state.entries.item(i));
        if (at == wanted.end()) continue;
        const ticks* const times = state.entries.times(layout_, i);
        at->second.count += state.entries.count(i);
        at->second.first = std::min(at->second.first, times[layout_.first_use ? layout_.first_time() : 0]);
        at->second.recent.push_back(times[0]);
      }
    }
    for (auto& [handle, found] : wanted) {
      if (found.count != heat_.count(handle)) continue;  // some of its events were pruned: the bounds stay
      const auto row = heat_.row(heat_layout_, handle);
      const ticks newest = *std::max_element(found.recent.begin(), found.recent.end());
      if (newest < row.times[0]) {
        detail::move_anchor(heat_layout_, row, row.times[0], newest);
        std::fill_n(row.times, heat_layout_.recent, newest);
      }
      if (layout_.first_use) row.times[heat_layout_.first_time()] = found.first;
    }
  }

  [[nodiscard]] static ticks ticks_of(time_point t) noexcept { return t.time_since_epoch().count(); }
  [[nodiscard]] static time_point to_time(ticks t) noexcept { return time_point(time_point::duration(t)); }

  static void check_event(const char* where, time_point time, double amount) {
    if (!detail::is_amount(amount))
      detail::require(false, std::string("interest_store::") + where, "amount must be 0 or in [1e-18, 1e18]", amount);
    if (ticks_of(time) == detail::no_time)
      detail::require(false, std::string("interest_store::") + where, "time must not be", "time_point::min()");
  }
  void check_dislikes(const char* where) const {
    if (!layout_.dislike)
      throw std::logic_error(std::string("ebb::interest_store::") + where +
                             ": the store was made without dislike_half_life");
  }
  static void check_now(const user_state& state, time_point now) {
    if (ticks_of(now) < state.newest)
      throw std::domain_error("ebb::interest_store: now must not be before the user's newest event, got " +
                              std::to_string(duration(to_time(state.newest) - now).count()) + " s before it");
  }

  store_options options_;
  detail::entry_layout layout_;
  detail::entry_layout heat_layout_;
  user_map users_;
  detail::name_index<Item> items_;
  std::vector<std::uint32_t> item_users_;  // (items)
  heat_table heat_;                        // (items)
  std::size_t entries_ = 0;
  detail::unit_event unit_;
};

}  // namespace ebb

#endif  // EBB_INTEREST_STORE_HPP
