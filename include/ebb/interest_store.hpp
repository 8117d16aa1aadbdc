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
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/entry_table.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// What can name a user or an item: a value with equality and a std::hash, such as an integer or a string.
template <class T>
concept identifier = std::copyable<T> && std::equality_comparable<T> && requires(const T& id) {
  { std::hash<T>{}(id) } -> std::convertible_to<std::size_t>;
};

/// A lane that also remembers when in the period an event fell: 2^(−age/h) · e^(−iω·age), ω = 2π/period.
struct rhythm {
  duration period;  ///< a day, a week, …; at least 1 ms
  int lane;         ///< the interest lane whose half-life it fades with
};

/// What an interest store keeps for each (user, item).
struct store_options {
  /// Half-lives of the lanes; every reading of the store is made of these. The default spans a minute to four years.
  timescales lanes = timescales::log_spaced(std::chrono::minutes(1), std::chrono::years(4), 8);
  std::vector<rhythm> rhythms = {};                ///< none, or two sums each
  int recent = 1;                                  ///< newest event times kept per entry, 1 to 16
  bool first_use = false;                          ///< keep the time of the first event too
  bool heat = true;                                ///< keep the same lanes per item over all users
  std::optional<duration> dislike_half_life = {};  ///< keep dislikes, fading at this speed
};

/// An item with its interest. `log2_interest` orders also what is too old for `interest` to differ from zero.
template <class Item>
struct ranked_item {
  Item item;
  double interest;
  double log2_interest;
  time_point last;
};

/// Time-decayed interest of users in items, in constant memory per pair and without replaying history.
///
/// For each (user, item) it keeps K sums Σ amount · 2^(−age / h_k). Any `reading` of those K lanes is an interest; reading decays, nothing
/// sweeps. Late events land where they would have; two stores merge by addition; what one event did can be taken back.
/// Template: T, the type of the kept sums. float halves the memory; n events of an entry cost at most n rounding steps of T.
/// Complexity: observe O(K); interest O(K); top O(n·K + n log k) for a user with n items; K = lanes.
/// Threads: const members may run at the same time; a writer needs the store for itself (see sharded_store).
/// Source: forward decay over landmarks, Cormode et al., ICDE 2009.
template <identifier User, identifier Item, std::floating_point T = double>
class interest_store {
 public:
  using user_type = User;
  using item_type = Item;
  using table = detail::entry_table<T>;
  using heat_table = detail::entry_table<double>;
  using ticks = detail::lane_grid::ticks;

  /// What a user did as a whole.
  struct user_state {
    table entries;
    ticks first = detail::no_time;
    ticks newest = detail::no_time;
    std::uint64_t events = 0;
  };

  /// Errors: std::invalid_argument for a rhythm whose lane does not exist or whose period is under 1 ms, for recent outside [1, 16], or a
  ///         dislike half-life outside [1 ms, 100 years].
  explicit interest_store(store_options options = {}) : options_(std::move(options)) {
    detail::require(options_.recent >= 1 && options_.recent <= 16, "interest_store", "recent must be in [1, 16]",
                    options_.recent);
    std::vector<ticks> half_lives;
    for (int k = 0; k < options_.lanes.size(); ++k) half_lives.push_back(to_ticks(options_.lanes.half_life(k)));
    if (options_.dislike_half_life) {
      detail::require(half_lives.size() < static_cast<std::size_t>(detail::max_lanes), "interest_store",
                      "with dislikes there may be at most 31 lanes", half_lives.size());
      half_lives.push_back(to_ticks(timescales{*options_.dislike_half_life}.half_life(0)));
    }
    layout_.grid = detail::lane_grid(half_lives);
    layout_.lanes = options_.lanes.size();
    layout_.recent = options_.recent;
    layout_.first_use = options_.first_use;
    layout_.dislike = options_.dislike_half_life.has_value();
    for (const rhythm& r : options_.rhythms) {
      detail::require(r.lane >= 0 && r.lane < layout_.lanes, "interest_store",
                      "a rhythm's lane must be one of the lanes", r.lane);
      detail::require(r.period >= std::chrono::milliseconds(1) && r.period <= std::chrono::years(100), "interest_store",
                      "a rhythm's period must be in [1 ms, 100 years]", r.period);
      layout_.rhythms.push_back({to_ticks(r.period), r.lane});
    }
    heat_layout_.grid = options_.lanes.grid();
    heat_layout_.lanes = layout_.lanes;
    heat_layout_.first_use = true;
  }

  /// Records that `user` did something worth `amount` to `item` at `time`. Order of arrival does not matter.
  ///
  /// Range:  amount >= 0; an amount of 0 counts as a use without interest.
  /// Errors: std::invalid_argument unless amount is finite and >= 0.
  void observe(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_amount("observe", amount);
    unit_.set(layout_, ticks_of(time));
    user_state& state = users_[user];
    const std::uint32_t handle = handle_of(item);
    const std::size_t i = state.entries.find_or_add(layout_, handle);
    const bool is_new = state.entries.count(i) == 0;
    state.entries.add(layout_, i, unit_, amount);
    note_user_time(state, unit_.time);
    ++state.events;
    if (options_.heat) heat_.add(heat_layout_, handle, unit_, amount);
    if (is_new) ++item_users_[handle];
    entries_ += is_new ? 1 : 0;
  }

  /// Records a dislike, kept apart from interest and fading with `dislike_half_life`.
  ///
  /// Errors: std::logic_error when the store keeps no dislikes; std::invalid_argument unless amount is finite and > 0.
  void dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_dislikes("dislike");
    check_amount("dislike", amount);
    unit_.set(layout_, ticks_of(time));
    user_state& state = users_[user];
    state.entries.add_dislike(layout_, state.entries.find_or_add(layout_, handle_of(item)), unit_, amount);
    note_user_time(state, unit_.time);
  }

  /// Interest of `user` in `item` at `now`: Σ amount · D(now − time); 0 for a pair never observed.
  ///
  /// Errors: std::invalid_argument when the reading is of another bank; std::domain_error when `now` is before the user's newest event.
  [[nodiscard]] double interest(const User& user, const Item& item, const reading& how, time_point now) const {
    const plan p = prepare(how, now);
    const auto [state, i] = locate(user, item);
    if (state == nullptr) return 0.0;
    check_now(*state, now);
    return i == table::npos ? 0.0 : value_of(state->entries, layout_, i, p);
  }

  /// Interest squeezed into [0, 1): 1 − e^(−interest); near interest itself while that is small.
  [[nodiscard]] double saturated_interest(const User& user, const Item& item, const reading& how,
                                          time_point now) const {
    return -std::expm1(-interest(user, item, how, now));
  }

  /// Dislike of `item` at `now`, Σ amount · 2^(−age / dislike_half_life); 0 for a pair never disliked. Errors: as `interest`.
  [[nodiscard]] double dislike_of(const User& user, const Item& item, time_point now) const {
    check_dislikes("dislike_of");
    const auto [state, i] = locate(user, item);
    if (state == nullptr) return 0.0;
    check_now(*state, now);
    if (i == table::npos) return 0.0;
    const ticks last = state->entries.times(layout_, i)[layout_.dislike_time()];
    if (last == detail::no_time) return 0.0;
    const int k = layout_.lanes;
    return static_cast<double>(state->entries.sums(layout_, i)[k]) * layout_.grid.shift(k, last, ticks_of(now)) *
           std::exp2(-layout_.grid.fraction(k, ticks_of(now)));
  }

  /// The user's `k` items of highest interest at `now`, highest first; ties go to the more recent, then to the first met.
  ///
  /// Items whose interest is too small for a double still come in the order exact arithmetic would give them.
  /// Errors: as `interest`. An unknown user has no items.
  [[nodiscard]] std::vector<ranked_item<Item>> top(const User& user, std::size_t k, const reading& how,
                                                   time_point now) const {
    std::vector<ranked_item<Item>> out;
    const plan p = prepare(how, now);
    const auto at = users_.find(user);
    if (at == users_.end()) return out;
    check_now(at->second, now);
    const table& entries = at->second.entries;
    std::vector<scored> scores;
    scores.reserve(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (entries.count(i) > 0) scores.push_back(score(entries, i, p));
    const std::size_t kept = std::min(k, scores.size());
    std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(kept), scores.end(), before);
    out.reserve(kept);
    for (const scored& s : std::span(scores).first(kept)) {
      const double log2 = s.value > 0 ? std::log2(s.value) : s.log2;
      out.push_back({items_[entries.item(s.position)], s.plain, log2, to_time(s.last)});
    }
    return out;
  }

  /// Heat of `item` at `now`: the interest of all users together; 0 for an item never observed.
  ///
  /// Errors: std::logic_error when the store keeps no heat; std::domain_error when `now` is before the item's newest event.
  [[nodiscard]] double heat(const Item& item, const reading& how, time_point now) const {
    if (!options_.heat) throw std::logic_error("ebb::interest_store::heat: the store was made with heat = false");
    const plan p = prepare(how, now);
    const auto at = handles_.find(item);
    if (at == handles_.end() || heat_.count(at->second) == 0) return 0.0;
    if (heat_.times(heat_layout_, at->second)[0] > ticks_of(now))
      throw std::domain_error("ebb::interest_store::heat: now must not be before the item's newest event");
    return value_of(heat_, heat_layout_, at->second, p);
  }

  /// Adds everything `other` saw: afterwards this store is what a replay of both logs would have made.
  ///
  /// Errors: std::invalid_argument, with this store unchanged, unless both keep the same half-lives, rhythms and columns.
  void merge(const interest_store& other) {
    check_same_shape(other);
    if (&other == this) return merge(interest_store(other));
    std::vector<std::uint32_t> mine(other.items_.size());
    for (std::size_t h = 0; h < other.items_.size(); ++h) {
      mine[h] = handle_of(other.items_[h]);
      if (options_.heat && other.heat_.count(h) > 0)
        heat_.merge(heat_layout_, mine[h], other.heat_layout_, other.heat_, h);
    }
    for (const auto& [user, theirs] : other.users_) {
      user_state& state = users_[user];
      for (std::size_t j = 0; j < theirs.entries.size(); ++j) {
        const std::uint32_t handle = mine[theirs.entries.item(j)];
        const std::size_t i = state.entries.find_or_add(layout_, handle);
        if (state.entries.count(i) == 0 && theirs.entries.count(j) > 0) {
          ++item_users_[handle];
          ++entries_;
        }
        state.entries.merge(layout_, i, other.layout_, theirs.entries, j);
      }
      if (theirs.first != detail::no_time) note_user_time(state, theirs.first);
      if (theirs.newest != detail::no_time) note_user_time(state, theirs.newest);
      state.events += theirs.events;
    }
  }

  /// Takes one observed event back; false, and nothing changed, when the store cannot hold such an event.
  ///
  /// Afterwards every interest equals a replay without the event, to within rounding of the largest value the lane has had. The last use
  /// goes back exactly while the `recent` times kept reach; beyond that it stays as an upper bound, which no interest depends on.
  /// Complexity: O(K), and O(n) in the user's items for the user's newest time.
  bool retract(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_amount("retract", amount);
    const auto at = users_.find(user);
    const auto handle = handles_.find(item);
    if (at == users_.end() || handle == handles_.end()) return false;
    user_state& state = at->second;
    const std::size_t i = state.entries.find(handle->second);
    unit_.set(layout_, ticks_of(time));
    if (i == table::npos || !state.entries.may_retract(layout_, i, unit_, amount)) return false;
    const bool last_of_entry = state.entries.count(i) == 1;
    state.entries.retract(layout_, i, unit_, amount);
    --state.events;
    if (options_.heat) heat_.retract(heat_layout_, handle->second, unit_, amount);
    if (last_of_entry) drop_entry(state, handle->second);
    if (options_.heat) refresh_heat_times({handle->second});
    if (state.entries.size() == 0) {
      users_.erase(at);
    } else {
      refresh_user_times(state);
    }
    return true;
  }

  /// Takes one dislike back; false when the store cannot hold it.
  bool retract_dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    check_dislikes("retract_dislike");
    check_amount("retract_dislike", amount);
    const auto at = users_.find(user);
    const auto handle = handles_.find(item);
    if (at == users_.end() || handle == handles_.end()) return false;
    unit_.set(layout_, ticks_of(time));
    return at->second.entries.retract_dislike(layout_, at->second.entries.find(handle->second), unit_, amount);
  }

  /// Forgets everything a user did, their part of the heat included; false for a user not known.
  ///
  /// Complexity: O(items of the user · K), and one pass over the store when the user was the first or the last to use an item.
  bool forget_user(const User& user) {
    const auto at = users_.find(user);
    if (at == users_.end()) return false;
    const user_state gone = std::move(at->second);
    users_.erase(at);
    for (std::size_t i = 0; i < gone.entries.size(); ++i) {
      if (gone.entries.count(i) == 0) continue;
      const std::uint32_t handle = gone.entries.item(i);
      --item_users_[handle];
      --entries_;
      if (options_.heat) heat_.subtract(heat_layout_, handle, layout_, gone.entries, i);
    }
    if (options_.heat) refresh_heat_times(gone.entries.items());
    return true;
  }

  /// Forgets an item for every user; false for an item not known. Complexity: O(users).
  bool forget_item(const Item& item) {
    const auto handle = handles_.find(item);
    if (handle == handles_.end()) return false;
    bool found = false;
    for (auto at = users_.begin(); at != users_.end();) {
      user_state& state = at->second;
      const std::size_t i = state.entries.find(handle->second);
      if (i == table::npos) {
        ++at;
        continue;
      }
      found = true;
      state.events -= state.entries.count(i);
      drop_entry(state, handle->second);
      if (state.entries.size() == 0) {
        at = users_.erase(at);
      } else {
        refresh_user_times(state);
        ++at;
      }
    }
    if (options_.heat) heat_.reset(heat_layout_, handle->second);
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
  /// Nothing else in ebb deletes. Heat stays: what many users once did is not undone by one user's tidying.
  /// Errors: as `interest`; std::invalid_argument unless threshold is >= 0.
  std::vector<pruned> prune(const reading& how, time_point now, double threshold,
                            std::size_t keep = std::numeric_limits<std::size_t>::max()) {
    detail::require(threshold >= 0, "interest_store::prune", "threshold must be >= 0", threshold);
    const plan p = prepare(how, now);
    for (const auto& [user, state] : users_) check_now(state, now);
    std::vector<pruned> removed;
    std::vector<scored> scores;
    std::vector<char> keeps;
    for (auto at = users_.begin(); at != users_.end();) {
      table& entries = at->second.entries;
      scores.clear();
      for (std::size_t i = 0; i < entries.size(); ++i) scores.push_back(score(entries, i, p));
      std::sort(scores.begin(), scores.end(), before);
      keeps.assign(entries.size(), 0);
      for (std::size_t r = 0; r < scores.size() && r < keep; ++r)
        keeps[scores[r].position] = scores[r].plain >= threshold ? 1 : 0;
      for (std::size_t i = 0; i < entries.size(); ++i) {
        if (keeps[i] != 0 || entries.count(i) == 0) continue;
        removed.push_back({at->first, items_[entries.item(i)], value_of(entries, layout_, i, p)});
        at->second.events -= entries.count(i);
        --item_users_[entries.item(i)];
        --entries_;
      }
      entries.erase_if(layout_, [&](std::size_t i) { return keeps[i] == 0 && entries.count(i) > 0; });
      at = entries.size() == 0 ? users_.erase(at) : std::next(at);
    }
    return removed;
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
    constexpr std::size_t node = 2 * sizeof(void*);
    std::size_t sum = users_.bucket_count() * sizeof(void*) +
                      users_.size() * (sizeof(std::pair<const User, user_state>) + node) +
                      handles_.bucket_count() * sizeof(void*) +
                      handles_.size() * (sizeof(std::pair<const Item, std::uint32_t>) + node) +
                      items_.capacity() * sizeof(Item) + item_users_.capacity() * sizeof(std::uint32_t) + heat_.bytes();
    for (const auto& [user, state] : users_) sum += state.entries.bytes();
    return sum;
  }

  // The state as columns, for what is built on the store in this library: features, snapshots, rankers.

  [[nodiscard]] const user_state* find(const User& user) const {
    const auto at = users_.find(user);
    return at == users_.end() ? nullptr : &at->second;
  }
  [[nodiscard]] std::optional<std::uint32_t> handle(const Item& item) const {
    const auto at = handles_.find(item);
    return at == handles_.end() ? std::nullopt : std::optional(at->second);
  }
  [[nodiscard]] const Item& item(std::uint32_t handle) const { return items_.at(handle); }
  [[nodiscard]] const detail::entry_layout& layout() const noexcept { return layout_; }
  [[nodiscard]] const detail::entry_layout& heat_layout() const noexcept { return heat_layout_; }
  [[nodiscard]] const heat_table& heat_entries() const noexcept { return heat_; }
  /// Users who have the item now.
  [[nodiscard]] std::uint32_t users_of(std::uint32_t handle) const { return item_users_.at(handle); }
  [[nodiscard]] const std::unordered_map<User, user_state>& all_users() const noexcept { return users_; }

  /// The K factors of one read at `now`, shared by all entries: what makes ranking n items K exponentials, not n·K.
  struct plan {
    std::vector<double> weights;      // π_k · 2^(−(now − L_k)/h_k)
    std::vector<std::int64_t> cells;  // now's cell of lane k
  };

  [[nodiscard]] plan prepare(const reading& how, time_point now) const {
    if (!(how.bank() == options_.lanes))
      throw std::invalid_argument(
          "ebb::interest_store: the reading must be of the store's own half-lives, got another bank");
    plan p;
    for (int k = 0; k < layout_.lanes; ++k) {
      p.weights.push_back(how.weights()[static_cast<std::size_t>(k)] *
                          std::exp2(-layout_.grid.fraction(k, ticks_of(now))));
      p.cells.push_back(layout_.grid.index(k, ticks_of(now)));
    }
    return p;
  }

 private:
  struct scored {
    double plain;  // interest
    double value;  // interest where a normal double holds it, else 0
    double log2;   // where value is 0
    ticks last;
    std::size_t position;
  };

  [[nodiscard]] static bool before(const scored& a, const scored& b) noexcept {
    return std::tuple(a.value, a.log2, a.last, b.position) > std::tuple(b.value, b.log2, b.last, a.position);
  }

  template <std::floating_point U>
  [[nodiscard]] static double value_of(const detail::entry_table<U>& entries, const detail::entry_layout& layout,
                                       std::size_t i, const plan& p) {
    const U* const row = entries.sums(layout, i);
    const ticks last = entries.times(layout, i)[0];
    double sum = 0;
    for (int k = 0; k < layout.lanes; ++k) {
      const auto n = static_cast<std::size_t>(k);
      sum += p.weights[n] * static_cast<double>(row[k]) * detail::power_of_two(layout.grid.index(k, last) - p.cells[n]);
    }
    return sum;
  }

  [[nodiscard]] scored score(const table& entries, std::size_t i, const plan& p) const {
    const double value = value_of(entries, layout_, i, p);
    const ticks last = entries.times(layout_, i)[0];
    if (value >= 0x1p-1000) return {value, value, 0.0, last, i};
    return {value, 0.0, log2_value(entries, i, p), last, i};
  }

  /// log2 of an interest of any size: the sum is taken relative to its largest lane.
  [[nodiscard]] double log2_value(const table& entries, std::size_t i, const plan& p) const {
    const T* const row = entries.sums(layout_, i);
    const ticks last = entries.times(layout_, i)[0];
    double logs[detail::max_lanes];
    double highest = -std::numeric_limits<double>::infinity();
    for (int k = 0; k < layout_.lanes; ++k) {
      const auto n = static_cast<std::size_t>(k);
      const double part = p.weights[n] * static_cast<double>(row[k]);
      logs[k] = part > 0 ? std::log2(part) + static_cast<double>(layout_.grid.index(k, last) - p.cells[n])
                         : -std::numeric_limits<double>::infinity();
      highest = std::max(highest, logs[k]);
    }
    if (!std::isfinite(highest)) return highest;
    double sum = 0;
    for (int k = 0; k < layout_.lanes; ++k) sum += std::exp2(logs[k] - highest);
    return highest + std::log2(sum);
  }

  [[nodiscard]] std::pair<const user_state*, std::size_t> locate(const User& user, const Item& item) const {
    const user_state* const state = find(user);
    const auto at = handles_.find(item);
    return {state, state == nullptr || at == handles_.end() ? table::npos : state->entries.find(at->second)};
  }

  std::uint32_t handle_of(const Item& item) {
    const auto [at, is_new] = handles_.try_emplace(item, static_cast<std::uint32_t>(items_.size()));
    if (is_new) {
      items_.push_back(item);
      item_users_.push_back(0);
      if (options_.heat) heat_.find_or_add(heat_layout_, at->second);
    }
    return at->second;
  }

  void drop_entry(user_state& state, std::uint32_t handle) {
    --item_users_[handle];
    --entries_;
    state.entries.erase_if(layout_, [&](std::size_t j) { return state.entries.item(j) == handle; });
  }

  static void note_user_time(user_state& state, ticks t) noexcept {
    if (state.first == detail::no_time || t < state.first) state.first = t;
    if (t > state.newest) state.newest = t;
  }

  void refresh_user_times(user_state& state) const {
    state.newest = detail::no_time;
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      state.newest = std::max(state.newest, state.entries.times(layout_, i)[0]);
      if (layout_.dislike)
        state.newest = std::max(state.newest, state.entries.times(layout_, i)[layout_.dislike_time()]);
    }
  }

  /// First and last use by anybody, found again from the entries, where every event of the heat still has its entry.
  void refresh_heat_times(const std::vector<std::uint32_t>& handles) {
    struct seen {
      std::uint64_t count = 0;
      ticks first = std::numeric_limits<ticks>::max();
      ticks last = detail::no_time;
    };
    std::unordered_map<std::uint32_t, seen> wanted;
    for (const std::uint32_t handle : handles) {
      if (heat_.count(handle) > 0)
        wanted.emplace(handle, seen{});
      else
        heat_.reset(heat_layout_, handle);
    }
    if (wanted.empty()) return;
    for (const auto& [user, state] : users_) {
      for (std::size_t i = 0; i < state.entries.size(); ++i) {
        const auto at = wanted.find(state.entries.item(i));
        if (at == wanted.end() || state.entries.count(i) == 0) continue;
        const ticks* const times = state.entries.times(layout_, i);
        at->second.count += state.entries.count(i);
        at->second.last = std::max(at->second.last, times[0]);
        at->second.first = std::min(at->second.first, times[layout_.first_use ? layout_.first_time() : 0]);
      }
    }
    for (const auto& [handle, s] : wanted) {
      if (s.count != heat_.count(handle)) continue;
      const ticks first = layout_.first_use ? s.first : heat_.times(heat_layout_, handle)[heat_layout_.first_time()];
      heat_.set_times(heat_layout_, handle, first, s.last);
    }
  }

  void check_same_shape(const interest_store& other) const {
    const bool same = options_.lanes == other.options_.lanes && options_.recent == other.options_.recent &&
                      options_.first_use == other.options_.first_use && options_.heat == other.options_.heat &&
                      options_.dislike_half_life == other.options_.dislike_half_life &&
                      std::equal(options_.rhythms.begin(), options_.rhythms.end(), other.options_.rhythms.begin(),
                                 other.options_.rhythms.end(), [](const rhythm& a, const rhythm& b) {
                                   return a.period == b.period && a.lane == b.lane;
                                 });
    if (!same)
      throw std::invalid_argument(
          "ebb::interest_store::merge: both stores must keep the same half-lives, rhythms and columns, got another "
          "shape");
  }

  [[nodiscard]] static ticks ticks_of(time_point t) noexcept { return t.time_since_epoch().count(); }
  [[nodiscard]] static time_point to_time(ticks t) noexcept { return time_point(time_point::duration(t)); }
  [[nodiscard]] static ticks to_ticks(duration d) { return ticks_of(to_time_point(d)); }

  static void check_amount(const char* where, double amount) {
    if (!(std::isfinite(amount) && amount >= 0))
      detail::require(false, std::string("interest_store::") + where, "amount must be finite and >= 0", amount);
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
  std::unordered_map<User, user_state> users_;
  std::unordered_map<Item, std::uint32_t> handles_;
  std::vector<Item> items_;
  std::vector<std::uint32_t> item_users_;
  heat_table heat_;
  std::size_t entries_ = 0;
  detail::unit_event unit_;
};

}  // namespace ebb

#endif  // EBB_INTEREST_STORE_HPP
