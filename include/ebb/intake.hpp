// SPDX-License-Identifier: MIT
#ifndef EBB_INTAKE_HPP
#define EBB_INTAKE_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <stdexcept>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ebb/behaviour.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// What to do with an event dated later than now + tolerance: a clock is wrong somewhere.
enum class future_policy {
  reject,  ///< do not record it
  clamp,   ///< record it as if it happened now
  hold     ///< keep it aside until its time has come
};

struct intake_options {
  duration tolerance =
      std::chrono::minutes(5);  ///< how far ahead of now an event may be dated and still be recorded as it is; >= 0
  future_policy on_future = future_policy::reject;
  std::size_t most_held = 100000;               ///< when so many are held, further ones are rejected
  duration id_window = std::chrono::hours(24);  ///< for how long after its arrival an event's id is remembered; >= 0
};

/// What became of an event.
enum class intake_result { recorded, clamped, held, rejected, duplicate };

/// How many events went which way; `recorded` includes those that were clamped and those that were held first.
struct intake_counts {
  std::uint64_t recorded = 0;
  std::uint64_t clamped = 0;
  std::uint64_t held = 0;  ///< ever held
  std::uint64_t rejected = 0;
  std::uint64_t duplicates = 0;
};

/// The door of a store: clock skew is caught by a policy and counted, redelivered events are recognised by their ids.
///
/// An event dated a year ahead would otherwise have to be older than "now" before its user can be read again. It changes no other score under
/// any policy: rejected and held ones touch nothing, a clamped one counts as what it is, something that just happened.
/// Duplicates: an id that was recorded, clamped or held within the last `id_window` is refused; one that was rejected may come again, so an
///   at-least-once stream can redeliver the event when its time has come. Time means the `now` that is passed in; one that runs backwards
///   counts as standing still.
/// Undo: `retract`, `forget_user` and `forget_item` of the intake reach what is held as well as what is stored; the store's own do not.
/// Reading: within the tolerance an event may be recorded that is newer than now; its user is then read at the user's newest event at the earliest.
///   A tolerance of zero rules that out.
/// Restart: ids and held events live here alone and are in no snapshot of the store. Resume the stream where the snapshot was taken, or what
///   is delivered twice across the restart counts twice.
/// Memory:     about 60 bytes an id in the window, and the held events.
/// Threads:    none of its own; one intake a thread or shard, or a lock around it.
/// Template:   Store is an interest_store or a sharded_store; Id is an integer or a string, or has a std::hash.
template <class Store, identifier Id = std::uint64_t>
class event_intake {
 public:
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;

  /// The store must outlive the intake.
  /// Errors: std::invalid_argument unless tolerance and id_window are finite and >= 0.
  explicit event_intake(Store& store, intake_options options = {}) : store_(&store), options_(options) {
    check_span("tolerance must be finite and in [0, 100 years]", options_.tolerance);
    check_span("id_window must be finite and in [0, 100 years]", options_.id_window);
  }

  /// Takes in what arrived at `now`; first records the held events whose time has come.
  ///
  /// Complexity: the store's observe, and O(log held).   Errors: as the store's observe; the event is then not counted and its id not kept.
  intake_result offer(const user_type& user, const item_type& item, time_point time, time_point now,
                      double amount = 1.0, const std::optional<Id>& id = std::nullopt) {
    return offer(channel::interest, user, item, time, now, amount, id);
  }

  /// The same for a dislike.   Errors: as the store's dislike.
  intake_result offer_dislike(const user_type& user, const item_type& item, time_point time, time_point now,
                              double amount = 1.0, const std::optional<Id>& id = std::nullopt) {
    return offer(channel::dislike, user, item, time, now, amount, id);
  }

  /// Undoes one event: drops it where it is held, else retracts it from the store. Returns whether there was one.
  ///
  /// Its id stays remembered.   Complexity: O(held), and the store's retract.   Errors: as the store's retract.
  bool retract(const user_type& user, const item_type& item, time_point time, double amount = 1.0) {
    return drop_held(channel::interest, user, item, time, amount) || store_->retract(user, item, time, amount);
  }

  /// The same for a dislike.   Errors: as the store's retract_dislike.
  bool retract_dislike(const user_type& user, const item_type& item, time_point time, double amount = 1.0) {
    return drop_held(channel::dislike, user, item, time, amount) || store_->retract_dislike(user, item, time, amount);
  }

  /// Forgets a user, held events included; returns whether anything was known.   Complexity: O(held), and the store's.
  bool forget_user(const user_type& user) {
    const auto dropped = std::erase_if(held_, [&](const held_event& e) { return e.user == user; });
    return store_->forget_user(user) || dropped > 0;
  }

  /// Forgets an item, held events included; returns whether anything was known.   Complexity: O(held), and the store's.
  bool forget_item(const item_type& item) {
    const auto dropped = std::erase_if(held_, [&](const held_event& e) { return e.item == item; });
    return store_->forget_item(item) || dropped > 0;
  }

  /// Records the held events dated no later than now + tolerance; returns how many.
  std::size_t release(time_point now) {
    clock_ = started_ ? std::max(clock_, now) : now;
    started_ = true;
    std::size_t released = 0;
    for (; !held_.empty() && !is_ahead(held_.begin()->time); ++released) {
      const held_event& next = *held_.begin();
      record(next.to, next.user, next.item, next.time, next.amount);
      ++counts_.recorded;
      held_.erase(held_.begin());
    }
    return released;
  }

  [[nodiscard]] const intake_counts& counts() const noexcept { return counts_; }
  /// Events waiting for their time.
  [[nodiscard]] std::size_t waiting() const noexcept { return held_.size(); }
  /// Ids remembered.
  [[nodiscard]] std::size_t ids() const noexcept { return seen_.size(); }
  [[nodiscard]] const intake_options& options() const noexcept { return options_; }

 private:
  struct held_event {
    channel to;
    user_type user;
    item_type item;
    time_point time;
    double amount;
    std::uint64_t number;  // events of one moment leave in the order they came

    [[nodiscard]] friend bool operator<(const held_event& a, const held_event& b) noexcept {
      return a.time != b.time ? a.time < b.time : a.number < b.number;
    }
  };

  intake_result offer(channel to, const user_type& user, const item_type& item, time_point time, time_point now,
                      double amount, const std::optional<Id>& id) {
    release(now);
    forget_old_ids();
    if (id && seen_.contains(*id)) {
      ++counts_.duplicates;
      return intake_result::duplicate;
    }
    const intake_result result = take(to, user, item, time, amount);
    if (id && result != intake_result::rejected) remember(*id);
    return result;
  }

  void record(channel to, const user_type& user, const item_type& item, time_point time, double amount) {
    if (to == channel::interest) {
      store_->observe(user, item, time, amount);
    } else {
      store_->dislike(user, item, time, amount);
    }
  }

  /// What is held must be recordable later.
  void check_dislike(double amount) const {
    if (!store_->options().dislike_half_life)
      throw std::logic_error("ebb::event_intake: the store must keep dislikes, got one made without dislike_half_life");
    detail::require(amount > 0, "event_intake", "a dislike's amount must be > 0", amount);
  }

  bool drop_held(channel from, const user_type& user, const item_type& item, time_point time, double amount) {
    const auto same = std::find_if(held_.begin(), held_.end(), [&](const held_event& e) {
      return e.to == from && e.time == time && e.amount == amount && e.user == user && e.item == item;
    });
    if (same == held_.end()) return false;
    held_.erase(same);
    return true;
  }

  static void check_span(const char* rule, duration span) {
    detail::require(span.count() >= 0 && span <= std::chrono::years(100), "event_intake", rule, span);
  }

  // Subtracted as seconds, not as ticks: a date at the end of the clock's range must not overflow.
  [[nodiscard]] static duration apart(time_point from, time_point to) noexcept {
    return duration(to.time_since_epoch()) - duration(from.time_since_epoch());
  }

  [[nodiscard]] bool is_ahead(time_point time) const noexcept {
    if (time <= clock_) return false;
    const duration ahead = apart(clock_, time);
    return ahead > duration(1e9) ? ahead > options_.tolerance : duration(time - clock_) > options_.tolerance;
  }

  intake_result take(channel to, const user_type& user, const item_type& item, time_point time, double amount) {
    if (!is_ahead(time)) {
      record(to, user, item, time, amount);
      ++counts_.recorded;
      return intake_result::recorded;
    }
    if (options_.on_future == future_policy::clamp) {
      record(to, user, item, clock_, amount);
      ++counts_.recorded;
      ++counts_.clamped;
      return intake_result::clamped;
    }
    if (options_.on_future == future_policy::hold && held_.size() < options_.most_held) {
      detail::require(detail::is_amount(amount), "event_intake", "amount must be 0 or in [1e-18, 1e18]", amount);
      if (to == channel::dislike) check_dislike(amount);
      held_.insert({to, user, item, time, amount, counts_.held});
      ++counts_.held;
      return intake_result::held;
    }
    ++counts_.rejected;
    return intake_result::rejected;
  }

  void remember(const Id& id) {
    seen_.insert(id);
    try {
      arrivals_.emplace_back(clock_, id);
    } catch (...) {
      seen_.erase(id);
      throw;
    }
  }

  void forget_old_ids() {
    while (!arrivals_.empty() && apart(arrivals_.front().first, clock_) > options_.id_window) {
      seen_.erase(arrivals_.front().second);
      arrivals_.pop_front();
    }
  }

  Store* store_;
  intake_options options_;
  intake_counts counts_;
  time_point clock_{};
  bool started_ = false;
  std::set<held_event> held_;
  std::unordered_set<Id> seen_;
  std::deque<std::pair<time_point, Id>> arrivals_;
};

}  // namespace ebb

#endif  // EBB_INTAKE_HPP
