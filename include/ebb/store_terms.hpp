// SPDX-License-Identifier: MIT
#ifndef EBB_STORE_TERMS_HPP
#define EBB_STORE_TERMS_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "ebb/detail/moment_reading.hpp"
#include "ebb/ema.hpp"
#include "ebb/ranking_term.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// The terms an interest store answers by itself. Each takes n candidates in one call: the exponentials are computed once, so a candidate
// costs O(lanes). A reading of another bank than the store's is refused with std::invalid_argument. Others go on while a user is ranked:
// what a friend or an item was last used for up to `rank_options::ahead` after the moment counts as of that use; later,
// std::domain_error. What all users or a friend did is not in one shard of a sharded_store: heat and friends are then std::logic_error,
// and heat_table.hpp has the terms for it.

namespace ebb {

/// The user's decayed interest, Σ amount · D(now − time).
class interest_term {
 public:
  explicit interest_term(reading how, std::string name = "interest") : how_(std::move(how)), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    const detail::moment_reading<Store> at(question.store, how_, question.now, name_);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = question.entries[i] == question.no_entry ? 0.0 : at.interest(*question.state, question.entries[i]);
  }

 private:
  reading how_;
  std::string name_;
};

/// Everybody's decayed interest: the popularity of now, or with a slow reading that of always.
///
/// Errors: std::logic_error for a store without heat, and for one shard of several.
class heat_term {
 public:
  explicit heat_term(reading how, std::string name = "popularity") : how_(std::move(how)), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    if (!question.store.options().heat)
      throw std::logic_error("ebb::heat_term: the store must keep heat, got one made with heat = false");
    detail::refuse_shard(question.store, "heat_term");
    const detail::moment_reading<Store> at(question.store, how_, question.now, name_);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = question.handles[i] == question.no_handle
                      ? 0.0
                      : at.heat(question.handles[i], question.ahead, "heat_term", name_);
  }

 private:
  reading how_;
  std::string name_;
};

/// The user's decayed dislike, with a minus sign: like every term it speaks for an item by being larger.
///
/// Errors: std::logic_error for a store that keeps no dislikes.
class dislike_term {
 public:
  explicit dislike_term(std::string name = "dislike") : name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    if (!question.store.options().dislike_half_life)
      throw std::logic_error("ebb::dislike_term: the store must keep dislikes, got one made without dislike_half_life");
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = question.entries[i] == question.no_entry
                      ? 0.0
                      : 0.0 - question.store.dislike_of(question.user, question.items[i], question.now);
  }

 private:
  std::string name_;
};

/// The EMA weight as an update at this moment would make it; the state kept by the host stays as it is.
///
///   W = α(now − last) · I(now) + (1 − α(now − last)) · W_last,   and I(now) where the state is still empty
///
/// `state_of(user, item)` → ema_state<double>, an empty one where there is none.
/// Errors: std::invalid_argument when a state is newer than the moment asked about.
template <class StateOf>
class ema_term {
 public:
  ema_term(timed_ema<double> ema, reading how, StateOf state_of, std::string name = "weight")
      : ema_(ema), interest_(std::move(how), std::move(name)), state_of_(std::move(state_of)) {}

  [[nodiscard]] const std::string& name() const noexcept { return interest_.name(); }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    static_assert(std::is_invocable_r_v<ema_state<double>, const StateOf&, const typename Store::user_type&,
                                        const typename Store::item_type&>,
                  "ebb::ema_term: state_of must be ema_state<double>(user, item), callable while const");
    interest_.fill(question, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ema_state<double> state = state_of_(question.user, question.items[i]);
      values[i] = ema_.update(state, values[i], question.now);
    }
  }

 private:
  timed_ema<double> ema_;
  interest_term interest_;
  StateOf state_of_;
};

/// What the user's friends are into: the sum of their decayed interests.
///
/// `friends_of(user)` → a range of users; those the store does not know add nothing.   Complexity: O(friends · n · lanes).
/// Errors: std::logic_error for one shard of several.
template <class FriendsOf>
class friends_term {
 public:
  friends_term(reading how, FriendsOf friends_of, std::string name = "friends")
      : how_(std::move(how)), friends_of_(std::move(friends_of)), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    detail::refuse_shard(question.store, "friends_term");
    const detail::moment_reading<Store> on_time(question.store, how_, question.now, name_);
    std::fill(values.begin(), values.end(), 0.0);
    auto&& friends = friends_of_(question.user);
    for (const typename Store::user_type& other : friends) {
      const auto* const state = question.store.find(other);
      if (state == nullptr) continue;
      const time_point moment =
          detail::moment_of(state->newest, question.now, question.ahead, "a friend", "friends_term", name_);
      const detail::moment_reading<Store> at =
          moment == question.now ? on_time : detail::moment_reading<Store>(question.store, how_, moment, name_);
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (question.handles[i] == question.no_handle) continue;
        const std::size_t entry = state->entries.find(question.handles[i]);
        if (entry != question.no_entry) values[i] += at.interest(*state, entry);
      }
    }
  }

 private:
  reading how_;
  FriendsOf friends_of_;
  std::string name_;
};

}  // namespace ebb

#endif  // EBB_STORE_TERMS_HPP
