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
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ebb/detail/best_entries.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/entry_table.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/lane_row.hpp"
#include "ebb/detail/observe_batch.hpp"
#include "ebb/detail/prune_entries.hpp"
#include "ebb/detail/store_state.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

namespace detail {
template <class Store>
class store_access;  // puts saved rows back; see snapshot.hpp

struct one_of_many {};
}  // namespace detail

/// What can name a user or an item: a value with equality and a std::hash, neither of which throws, such as an integer or a string.
template <class T>
concept identifier = std::copyable<T> && std::equality_comparable<T> && requires(const T& id) {
  { std::hash<T>{}(id) } -> std::convertible_to<std::size_t>;
};

/// What a user did at one moment, worth `amount`: an event as a store takes many at a time.
template <class User, class Item>
struct use {
  User user;
  Item item;
  time_point time;
  double amount = 1.0;
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
/// Template: T, the type of the kept sums: float halves that of several lanes; n events of an entry cost at most n/2 + 4 roundings of T. Lanes, the
///   number of half-lives when it is known at compile time, 0 when not (banks of 1, 4 and 8 are as fast either way).
/// Memory:   an entry takes 8 (recent + first_use + 2·dislikes) + sizeof(T) (lanes + dislikes + 2·rhythms) + 8 bytes, rounded up to a multiple
///   of 8, and 3.4 to 6.4 more to be found (up to 16 items: a user's 8 or 16 in all; above 65,536: 8 to 10); for growth a user with n items
///   has room for up to n / 4 + 2 more, but no more than n. With room for more than 256 items what tells them apart in groups takes 4 bytes
///   a lane (of 4 or a multiple of 8, if several) and group: of 8 items, of 16 above 2,048, of 32 above 16,384. A user takes 79 to 87 bytes,
///   with an id of more than 8 bytes 63 to 71 and the id; heat 52 to 58 + 8·lanes bytes an item, and room for up to a quarter more items.
/// Complexity: observe O(K); interest O(K); top O(n·K + n log k) for a user with n items, and mostly a tenth of that or less for thousands;
///   K = lanes.
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

  /// What a user did as a whole: entries, first, newest, events.
  using user_state = detail::kept_user<T>;

  /// Errors: as `store_options`; std::invalid_argument when the bank has another number of lanes than `Lanes`.
  explicit interest_store(store_options options = {}) : kept_(std::move(options)) {
    detail::require(Lanes == 0 || kept_.options.lanes.size() == Lanes, "interest_store",
                    "the bank must have as many half-lives as the template says", kept_.options.lanes.size());
  }

  /// One of several stores among which the users of a service are dealt out. It is like any other, but says so where it would be asked
  /// for what everybody did.   Errors: as the other.
  interest_store(store_options options, detail::one_of_many) : interest_store(std::move(options)) { shard_ = true; }

  interest_store(const interest_store&) = default;
  interest_store(interest_store&&) noexcept = default;
  interest_store& operator=(interest_store&&) noexcept = default;
  ~interest_store() = default;
  /// A store that cannot be copied whole leaves this one as it was.
  interest_store& operator=(const interest_store& other) {
    interest_store copy(other);
    return *this = std::move(copy);
  }

  // --- writing

  /// Records that `user` did something worth `amount` to `item` at `time`. Order of arrival does not matter.
  ///
  /// Range:  amount 0 (a use without interest) or in [1e-18, 1e18], so that no sum over- or underflows. (Interest that is
  ///   outlived by uses without interest for more than 126 half-lives of a lane in float, 1022 in double, is zero on that lane; on the
  ///   slowest the smallest normal T stands for it, so that it still ranks before what never had any.)
  /// Errors: std::invalid_argument outside it, and for time_point::min().
  void observe(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_event("observe", time, amount);
    unit_.phases.reserve(kept_.layout.rhythms.size());  // what can fail comes first
    add(user, item, time, amount);
  }

  /// Records many events as if one after another, in a fraction of the time: while one waits for memory, others do so too.
  ///
  /// Errors: as the other, with nothing recorded; std::bad_alloc, or what copying a name throws, when a first part of the events was, each wholly.
  void observe(std::span<const use<User, Item>> uses) {
    observe_all(uses.size(), [uses](std::size_t i) -> const use<User, Item>& { return uses[i]; });
  }

  /// The same for the events uses[which[0]], uses[which[1]], …
  ///
  /// Errors: as the other; std::out_of_range for a number that is no event's, with nothing recorded.
  void observe(std::span<const use<User, Item>> uses, std::span<const std::uint32_t> which) {
    for (const std::uint32_t w : which)
      if (w >= uses.size()) throw std::out_of_range("ebb::interest_store::observe: which must be numbers of uses");
    observe_all(which.size(), [=](std::size_t i) -> const use<User, Item>& { return uses[which[i]]; });
  }

  /// Refuses what `observe` would, for who must know before anything is recorded.   Errors: as there.
  static void check_use(const use<User, Item>& u) { check_event("observe", u.time, u.amount); }

  /// Records a dislike, kept apart from interest and fading with `dislike_half_life`.
  ///
  /// Errors: std::logic_error when the store keeps no dislikes; std::invalid_argument unless amount is in [1e-18, 1e18].
  void dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_dislikes("dislike");
    check_event("dislike", time, amount);
    detail::require(amount > 0, "interest_store::dislike", "amount must be > 0", amount);
    unit_.set(kept_.layout, ticks_of(time));
    const auto [state, handle, row] = row_of(user, item);
    detail::add_dislike(kept_.layout, row, unit_, amount);
    kept_.note_time(*state, unit_.time);
  }

  /// Adds everything `other` saw: afterwards this store is what a replay of both logs would have made.
  ///
  /// A sum or a count at the end of its range stays there.
  /// Errors: std::invalid_argument unless both keep the same half-lives, rhythms and columns. Whatever is thrown, this store is unchanged.
  void merge(const interest_store& other) {
    if (&other == this) return merge(interest_store(other));
    kept_.merge(
        other.kept_, [](const User&) { return true; }, detail::merged_heat::whole);
  }

  /// Adds what the users for which `wanted(user)` holds did, their heat included: how a store is split into shards.
  ///
  /// Heat comes from their entries, to within n/2 + 4 roundings of T, and an item's first time from the users' where the store keeps no first
  /// use. The heat of entries pruned long ago belongs to nobody: `merge_pruned_heat` brings it.  Errors: as `merge`.
  template <std::predicate<const User&> Predicate>
  void merge_users(const interest_store& other, Predicate wanted) {
    if (&other == this) return merge_users(interest_store(other), wanted);
    kept_.merge(other.kept_, wanted, detail::merged_heat::of_users);
  }

  /// Adds the heat of entries that `other` has pruned: what merge_users, for all of its users, leaves behind.
  ///
  /// Errors: std::invalid_argument as `merge`, with nothing changed; std::bad_alloc may leave the heat of some items added.
  void merge_pruned_heat(const interest_store& other) { kept_.merge_pruned_heat(other.kept_); }

  // --- taking back

  /// Takes one observed event back; false, and nothing changed, when the store cannot hold such an event.
  ///
  /// The host says what it takes back; the store checks that it could have been there: its time, and that its part fits into the slowest
  /// lane. (So it may also refuse an event that a newer, retracted one had drowned: 24 half-lives of the slowest lane later, 8 for
  /// float.) Afterwards every interest and heat read at the event's moment or later equals a replay without it, to within 2n + 8 roundings
  /// of T of the largest value the lane has had over the entry's n events. Going back before that moment, these roundings grow with the lane,
  /// 2^(gap / h): what an event drowned on a fast lane does not come up again when it is taken back.
  /// Newest and first times go back exactly while the `recent` times kept reach. Beyond that the newest stays, as a bound: reads before it are
  /// still refused (a mistaken event of next year with recent = 1: for that year, or until the user is forgotten), no later one depends on it.
  /// The first stays as well, as a bound from below, where not all the times left are known.
  /// Complexity: O(K), and O(n) in the user's items when the entry goes or was the user's newest.
  bool retract(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_event("retract", time, amount);
    const auto at = kept_.users.find(user);
    const std::uint32_t handle = kept_.items.find(item);
    if (at == kept_.users.end() || handle == kept_.items.npos) return false;
    user_state& state = at->second;
    const std::size_t i = state.entries.find(handle);
    if (i == table::npos) return false;
    const auto row = state.entries.row(kept_.layout, i);
    unit_.set(kept_.layout, ticks_of(time));
    if (!detail::may_hold(kept_.layout, row, unit_, amount)) return false;
    detail::take_back(kept_.layout, row, unit_, amount);
    --state.events;
    if (*row.count == 0) {
      --kept_.item_users[handle];
      --kept_.entry_count;
    }
    if (kept_.options.heat) {
      const auto heat = kept_.heat.row(kept_.heat_layout, handle);
      if (*heat.count > 0 && unit_.time <= heat.times[0]) detail::take_back(kept_.heat_layout, heat, unit_, amount);
    }
    kept_.drop_if_empty(at, i);
    return true;
  }

  /// Takes one dislike back; false, and nothing changed, when the store cannot hold it.
  ///
  /// While others are left, the newest one's moment stays as a bound: reads before it are still refused.
  /// Errors: as `dislike`.
  bool retract_dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_dislikes("retract_dislike");
    check_event("retract_dislike", time, amount);
    const auto at = kept_.users.find(user);
    const std::uint32_t handle = kept_.items.find(item);
    if (at == kept_.users.end() || handle == kept_.items.npos) return false;
    const std::size_t i = at->second.entries.find(handle);
    if (i == table::npos) return false;
    unit_.set(kept_.layout, ticks_of(time));
    if (!detail::take_back_dislike(kept_.layout, at->second.entries.row(kept_.layout, i), unit_, amount)) return false;
    kept_.drop_if_empty(at, i);
    return true;
  }

  /// Forgets everything a user did, their part of the heat included; false for a user not known.
  ///
  /// What `prune` deleted before is no longer known as theirs and stays in the heat. Of the heat of others 2n + 8 roundings of T, of the item's
  /// heat before, may be lost or left over, n the events of the user on it; heat is refused before the item's newest event, or a later moment
  /// where retract or prune left no more than a bound.
  /// Complexity: O(items of the user · K), and one pass over the store when the user was the newest or the first to use an item.
  bool forget_user(const User& user) { return kept_.forget_user(user); }

  /// Forgets an item for every user, its heat included; false for one nobody did anything to. Complexity: O(users).
  bool forget_item(const Item& item) { return kept_.forget_item(item); }

  /// An entry that `prune` removed: user, item, interest.
  using pruned = detail::pruned_entry<User, Item>;

  /// Deletes the entries whose interest at `now` is below `threshold` and, of each user, all but the `keep` highest; returns them.
  ///
  /// Nothing else in ebb deletes. Heat stays: what many users once did is not undone by one user's tidying. Dislikes stay. A user with an
  /// event after `now` is left alone, for a later call: others may go on writing, and one wrong clock deletes nothing.
  /// Errors: std::invalid_argument when the reading is of another bank, or unless threshold is >= 0.
  std::vector<pruned> prune(const reading& how, time_point now, double threshold,
                            std::size_t keep = std::numeric_limits<std::size_t>::max()) {
    detail::require(threshold >= 0, "interest_store::prune", "threshold must be >= 0", threshold);
    return detail::prune_entries<Lanes>(kept_, plan_of(how, now), ticks_of(now), threshold, keep);
  }

  // --- reading

  /// Interest of `user` in `item` at `now`: Σ amount · D(now − time); 0 for a pair never observed.
  ///
  /// Errors: std::invalid_argument when the reading is of another bank; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] double interest(const User& user, const Item& item, const reading& how, time_point now) const {
    const detail::read_plan plan = plan_of(how, now);
    const auto [state, i] = locate(user, item, now);
    return i == table::npos ? 0.0 : read(state->entries, kept_.layout, i, plan);
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
    detail::with_lanes<Lanes>(kept_.layout.lanes, [&](auto lanes) {
      detail::best_entries best(kept_.layout, lanes, state->entries, k, plan);
      const std::span<const detail::scored_entry> found = best.find(state->newest);
      out.reserve(found.size());
      for (const detail::scored_entry& s : found)
        out.push_back({kept_.items[state->entries.item(s.position)], detail::interest_of(s),
                       s.value > 0 ? std::log2(s.value) : s.log2, to_time(s.last)});
    });
    return out;
  }

  /// Dislike of `item` at `now`, Σ amount · 2^(−age / dislike_half_life); 0 for a pair never disliked.
  ///
  /// Errors: std::logic_error when the store keeps no dislikes; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] double dislike_of(const User& user, const Item& item, time_point now) const {
    check_dislikes("dislike_of");
    const auto [state, i] = locate(user, item, now);
    if (i == table::npos) return 0.0;
    const int k = kept_.layout.lanes;
    const ticks last = state->entries.times(kept_.layout, i)[kept_.layout.dislike_time()];
    return static_cast<double>(state->entries.sums(kept_.layout, i)[k]) *
           kept_.layout.grid.shift(k, last, ticks_of(now)) * std::exp2(-kept_.layout.grid.fraction(k, ticks_of(now)));
  }

  /// How `now` falls into rhythm number `r` of the user's uses of the item, relative to the rhythm's plain lane.
  ///
  ///   match = Σ v 2^(−age/h) cos(2π·age/period) / Σ v 2^(−age/h),   strength = |Σ v 2^(−age/h) e^(−2πi·age/period)| / Σ v 2^(−age/h)
  ///
  /// Range:  both 0 for a pair never observed.
  /// Errors: std::invalid_argument for a rhythm the store does not keep; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] rhythm_match rhythm(const User& user, const Item& item, std::size_t r, time_point now) const {
    detail::require(r < kept_.layout.rhythms.size(), "interest_store::rhythm", "the store must keep the rhythm", r);
    const auto [state, i] = locate(user, item, now);
    if (i == table::npos) return {0.0, 0.0};
    const T* const sums = state->entries.sums(kept_.layout, i);
    const T* const turned = sums + kept_.layout.rhythm_sum(static_cast<int>(r));
    const auto plain = static_cast<double>(sums[kept_.layout.rhythms[r].lane]);
    if (!(plain > 0)) return {0.0, 0.0};
    const double x = static_cast<double>(turned[0]) / plain;
    const double y = static_cast<double>(turned[1]) / plain;
    const detail::phase at(ticks_of(now), kept_.layout.rhythms[r].period);
    return {std::clamp(x * at.cos + y * at.sin, -1.0, 1.0), std::min(std::hypot(x, y), 1.0)};
  }

  /// Heat of `item` at `now`: the interest of all users together; 0 for an item never observed.
  ///
  /// Errors: std::logic_error when the store keeps no heat; std::domain_error when `now` is before the item's newest event.
  [[nodiscard]] double heat(const Item& item, const reading& how, time_point now) const {
    if (!kept_.options.heat) throw std::logic_error("ebb::interest_store::heat: the store was made with heat = false");
    const detail::read_plan plan = plan_of(how, now);
    const std::uint32_t handle = kept_.items.find(item);
    if (handle == kept_.items.npos || kept_.heat.count(handle) == 0) return 0.0;
    if (kept_.heat.times(kept_.heat_layout, handle)[0] > ticks_of(now))
      throw std::domain_error("ebb::interest_store::heat: now must not be before the item's newest event");
    return read(kept_.heat, kept_.heat_layout, handle, plan);
  }

  [[nodiscard]] std::size_t users() const noexcept { return kept_.users.size(); }
  /// (user, item) pairs with at least one event.
  [[nodiscard]] std::size_t size() const noexcept { return kept_.entry_count; }
  /// Distinct items ever named, forgotten ones included: their handles stay valid.
  [[nodiscard]] std::size_t items() const noexcept { return kept_.items.size(); }
  [[nodiscard]] bool contains(const User& user) const { return kept_.users.contains(user); }
  [[nodiscard]] const store_options& options() const noexcept { return kept_.options; }
  [[nodiscard]] const timescales& lanes() const noexcept { return kept_.options.lanes; }
  /// Whether other stores hold other users of the same service, so that heat is not everybody's.
  [[nodiscard]] bool is_shard() const noexcept { return shard_; }

  /// Bytes held, growth reserve and indexes included, names' own heap memory not.
  [[nodiscard]] std::size_t bytes() const noexcept { return kept_.bytes(); }

  // --- the state itself, for what is built on the store in this library: features, snapshots, rankers

  /// Null for a user not known. As references into `all_users`, it holds until the next user comes or goes.
  [[nodiscard]] const user_state* find(const User& user) const {
    const auto at = kept_.users.find(user);
    return at == kept_.users.end() ? nullptr : &at->second;
  }
  [[nodiscard]] std::optional<std::uint32_t> handle(const Item& item) const {
    const std::uint32_t at = kept_.items.find(item);
    return at == kept_.items.npos ? std::nullopt : std::optional(at);
  }
  /// handle < items().
  [[nodiscard]] const Item& item(std::uint32_t handle) const { return kept_.items[handle]; }
  [[nodiscard]] const detail::entry_layout& layout() const noexcept { return kept_.layout; }
  [[nodiscard]] const detail::entry_layout& heat_layout() const noexcept { return kept_.heat_layout; }
  /// Entry number `handle` is the item's.
  [[nodiscard]] const heat_table& heat_entries() const noexcept { return kept_.heat; }
  /// Users who have the item now.
  [[nodiscard]] std::uint32_t users_of(std::uint32_t handle) const { return kept_.item_users.at(handle); }
  /// Pairs of a user and what they did.
  [[nodiscard]] const auto& all_users() const noexcept { return kept_.users; }

 private:
  friend class detail::store_access<interest_store>;

  template <class UseOf>
  void observe_all(std::size_t size, UseOf use_of) {
    for (std::size_t i = 0; i < size; ++i) check_event("observe", use_of(i).time, use_of(i).amount);
    unit_.phases.reserve(kept_.layout.rhythms.size());
    detail::with_lanes<Lanes>(kept_.layout.lanes, [&](auto lanes) {
      detail::observe_batch(
          kept_, size, use_of,
          [&](const auto& u, user_state& state, std::uint32_t handle, std::size_t entry) EBB_ALWAYS_INLINE {
            add_to(lanes, state, handle, state.entries.row(kept_.layout, entry), u.time, u.amount);
          },
          [&](const auto& u) { add(u.user, u.item, u.time, u.amount); });
    });
  }

  void add(const User& user, const Item& item, time_point time, double amount) {
    const found_row found = row_of(user, item);
    found.state->entries.prefetch_keys(found.row);
    found.row.prefetch();  // it is on its way while the exponentials are computed
    detail::with_lanes<Lanes>(kept_.layout.lanes,
                              [&](auto lanes) { add_to(lanes, *found.state, found.handle, found.row, time, amount); });
  }

  struct found_row {
    user_state* state;
    std::uint32_t handle;
    detail::entry_row<T> row;
  };
  /// The row of (user, item), made empty if there was none.
  found_row row_of(const User& user, const Item& item) {
    user_state* state = nullptr;
    std::uint32_t handle = kept_.items.find(item);
    if (handle != kept_.items.npos) {
      const detail::entry_row<T> row = kept_.row_of(user, handle, state);
      return {state, handle, row};
    }
    const User name(user);  // which may itself be the name of an item, and those move when another comes
    handle = kept_.handle_of(item);
    const detail::entry_row<T> row = kept_.row_of(name, handle, state);
    return {state, handle, row};
  }

  template <class LaneCount>
  EBB_INLINE void add_to(LaneCount lanes, user_state& state, std::uint32_t handle, const detail::entry_row<T>& row,
                         time_point time, double amount) noexcept {
    const bool is_new = *row.count == 0;
    if (kept_.layout.dislike)
      unit_.set(kept_.layout, ticks_of(time));  // whose lane is one more
    else
      unit_.set(kept_.layout, lanes, ticks_of(time));
    detail::add_event(kept_.layout, lanes, row, unit_, amount);
    state.entries.note_event(kept_.layout, lanes, row, unit_);
    if (kept_.options.heat)
      detail::add_event(kept_.heat_layout, lanes, kept_.heat.row(kept_.heat_layout, handle), unit_, amount);
    kept_.note_time(state, unit_.time);
    ++state.events;
    if (!is_new) return;
    ++kept_.item_users[handle];
    ++kept_.entry_count;
  }

  [[nodiscard]] detail::read_plan plan_of(const reading& how, time_point now) const {
    if (!(how.bank() == kept_.options.lanes))
      throw std::invalid_argument(
          "ebb::interest_store: the reading must be of the store's own half-lives, got another bank");
    return {kept_.options.lanes.grid(), how, ticks_of(now)};
  }

  template <std::floating_point U>
  [[nodiscard]] static double read(const detail::entry_table<U>& entries, const detail::entry_layout& layout,
                                   std::size_t i, const detail::read_plan& plan) noexcept {
    return detail::with_lanes<Lanes>(layout.lanes, [&](auto lanes) {
      return detail::read_lanes(layout.grid, lanes, entries.sums(layout, i), entries.times(layout, i)[0], plan);
    });
  }

  /// The user's state and the entry's position, npos where either is unknown.
  [[nodiscard]] std::pair<const user_state*, std::size_t> locate(const User& user, const Item& item,
                                                                 time_point now) const {
    const user_state* const state = find(user);
    if (state == nullptr) return {nullptr, table::npos};
    check_now(*state, now);
    const std::uint32_t handle = kept_.items.find(item);
    return {state, handle == kept_.items.npos ? table::npos : state->entries.find(handle)};
  }

  [[nodiscard]] static ticks ticks_of(time_point t) noexcept { return t.time_since_epoch().count(); }
  [[nodiscard]] static time_point to_time(ticks t) noexcept { return time_point(time_point::duration(t)); }

  static void refuse_event(const char* where, double amount) {
    const std::string who = std::string("interest_store::") + where;
    detail::require(detail::is_amount(amount), who, "amount must be 0 or in [1e-18, 1e18]", amount);
    detail::require(false, who, "time must not be", "time_point::min()");
  }
  static void check_event(const char* where, time_point time, double amount) {
    if (detail::is_amount(amount) && ticks_of(time) != detail::no_time) [[likely]]
      return;
    refuse_event(where, amount);
  }
  void check_dislikes(const char* where) const {
    if (!kept_.layout.dislike)
      throw std::logic_error(std::string("ebb::interest_store::") + where +
                             ": the store was made without dislike_half_life");
  }
  static void check_now(const user_state& state, time_point now) {
    if (ticks_of(now) >= state.newest) return;
    // Subtracted as seconds: at the ends of the clock's range ticks would overflow.
    const duration apart = duration(to_time(state.newest).time_since_epoch()) - duration(now.time_since_epoch());
    throw std::domain_error("ebb::interest_store: now must not be before the user's newest event, got " +
                            std::to_string(apart.count()) + " s before it");
  }

  detail::store_state<User, Item, T> kept_;
  detail::unit_event unit_;
  bool shard_ = false;
};

}  // namespace ebb

#endif  // EBB_INTEREST_STORE_HPP
