// SPDX-License-Identifier: MIT
#ifndef EBB_SHARDED_STORE_HPP
#define EBB_SHARDED_STORE_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <utility>
#include <vector>

#include "ebb/interest_store.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

namespace detail {

/// A readers-and-writer lock that no stream of readers can keep a writer out of: who waits to write closes the door to new readers.
///
/// Locks as std::shared_mutex does.
class fair_mutex {
 public:
  void lock() {
    const std::lock_guard door(door_);
    room_.lock();
  }
  void unlock() { room_.unlock(); }
  void lock_shared() {
    const std::lock_guard door(door_);
    room_.lock_shared();
  }
  void unlock_shared() { room_.unlock_shared(); }

 private:
  std::mutex door_;
  std::shared_mutex room_;
};

}  // namespace detail

/// An interest store for many threads: users are dealt out to shards, each a store with a lock of its own. There is no lock on the whole.
///
/// What is guaranteed:
/// - Operations on one user (observe, dislike, retract, retract_dislike, interest, top, dislike_of, rhythm, forget_user, read, update) are
///   linearisable: each happens at one moment between call and return, and a read sees every write that returned before it began.
///   Readers of one shard run together; a writer waits for no more readers than were there before it.
/// - Operations on many users (heat, users, size, bytes, forget_item, prune, merge, snapshot) visit the shards one after another, each shard's
///   part at one moment: a snapshot has every user whole, as of some moment during the call, and never half an event.
/// - A function given to read, update or visit runs under the shard's lock: it must be brief and must not call back into the store.
/// - A reading `now` that another thread's newer event has overtaken is refused as in interest_store; `read` can look and then choose.
/// Memory: item names and heat are kept once a shard that meets the item.
/// Complexity: as interest_store; operations on many users times the number of shards.
template <identifier User, identifier Item, std::floating_point T = double, int Lanes = 0>
class sharded_store {
 public:
  using store_type = interest_store<User, Item, T, Lanes>;
  using user_type = User;
  using item_type = Item;

  /// Errors: std::invalid_argument unless 1 <= shards <= 65536; as interest_store.
  explicit sharded_store(const store_options& options = {}, std::size_t shards = 64) {
    detail::require(shards >= 1 && shards <= 65536, "sharded_store", "shards must be in [1, 65536]", shards);
    shards_.reserve(shards);
    for (std::size_t s = 0; s < shards; ++s)
      shards_.push_back(shards == 1 ? std::make_unique<shard>(store_type(options))
                                    : std::make_unique<shard>(store_type(options, detail::one_of_many())));
  }

  /// What a store holds (one loaded from a snapshot, say), dealt out to shards, as `merge` does.
  template <std::same_as<store_type> Store>  // no braces become a store: sharded_store({}, 16) is of default options
  explicit sharded_store(const Store& store, std::size_t shards = 64) : sharded_store(store.options(), shards) {
    merge(store);
  }

  // --- one user, one lock

  /// Calls f(const store_type&) while nobody writes to the user's shard: several reads as of one moment, or a ranking.
  ///
  /// What everybody or a friend did is not in that shard: see heat_table.hpp.
  template <std::invocable<const store_type&> Function>
  decltype(auto) read(const User& user, Function&& f) const {
    const shard& s = shard_of(user);
    const std::shared_lock lock(s.mutex);
    return std::invoke(std::forward<Function>(f), std::as_const(s.store));
  }

  /// Calls f(store_type&) while nobody else uses the user's shard: read and write as one step. f must touch no other user.
  template <std::invocable<store_type&> Function>
  decltype(auto) update(const User& user, Function&& f) {
    shard& s = shard_of(user);
    const std::unique_lock lock(s.mutex);
    return std::invoke(std::forward<Function>(f), s.store);
  }

  void observe(const User& user, const Item& item, time_point time, double amount = 1.0) {
    update(user, [&](store_type& s) { s.observe(user, item, time, amount); });
  }
  /// Records many events as interest_store does, one shard after another, that of the first event first: each is locked once, and has its part at one moment.
  ///
  /// Complexity: as interest_store; 8 bytes an event and 8 a shard of memory while it runs.
  /// Errors: as interest_store; std::bad_alloc when some of the events were recorded, each wholly.
  void observe(std::span<const use<User, Item>> uses) {
    detail::require(uses.size() < std::numeric_limits<std::uint32_t>::max(), "sharded_store::observe",
                    "there must be fewer than 2^32 − 1 uses at a time", uses.size());
    for (const use<User, Item>& u : uses) store_type::check_use(u);
    std::vector<std::uint32_t> numbers(uses.size());
    std::vector<std::size_t> ends(shards_.size() + 1);  // of each shard's part, once all are dealt out
    for (std::size_t i = 0; i < uses.size(); ++i) {
      numbers[i] = static_cast<std::uint32_t>(number_of(uses[i].user));
      ++ends[numbers[i] + 1];
    }
    for (std::size_t n = 1; n < ends.size(); ++n) ends[n] += ends[n - 1];
    std::vector<std::uint32_t> dealt(uses.size());
    for (std::size_t i = 0; i < uses.size(); ++i) dealt[ends[numbers[i]]++] = static_cast<std::uint32_t>(i);
    if (uses.empty()) return;
    std::size_t n = numbers[0];  // not all threads begin with the same shard, to follow one another from lock to lock
    for (std::size_t left = shards_.size(); left > 0; --left, n = n + 1 == shards_.size() ? 0 : n + 1) {
      const std::size_t from = n == 0 ? 0 : ends[n - 1];
      if (from == ends[n]) continue;
      update_shard(n, [&](store_type& s) { s.observe(uses, std::span(dealt).subspan(from, ends[n] - from)); });
    }
  }
  void dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    update(user, [&](store_type& s) { s.dislike(user, item, time, amount); });
  }
  bool retract(const User& user, const Item& item, time_point time, double amount = 1.0) {
    return update(user, [&](store_type& s) { return s.retract(user, item, time, amount); });
  }
  bool retract_dislike(const User& user, const Item& item, time_point time, double amount = 1.0) {
    return update(user, [&](store_type& s) { return s.retract_dislike(user, item, time, amount); });
  }
  bool forget_user(const User& user) {
    return update(user, [&](store_type& s) { return s.forget_user(user); });
  }
  [[nodiscard]] double interest(const User& user, const Item& item, const reading& how, time_point now) const {
    return read(user, [&](const store_type& s) { return s.interest(user, item, how, now); });
  }
  [[nodiscard]] std::vector<ranked_item<Item>> top(const User& user, std::size_t k, const reading& how,
                                                   time_point now) const {
    return read(user, [&](const store_type& s) { return s.top(user, k, how, now); });
  }
  [[nodiscard]] double dislike_of(const User& user, const Item& item, time_point now) const {
    return read(user, [&](const store_type& s) { return s.dislike_of(user, item, now); });
  }
  [[nodiscard]] rhythm_match rhythm(const User& user, const Item& item, std::size_t r, time_point now) const {
    return read(user, [&](const store_type& s) { return s.rhythm(user, item, r, now); });
  }
  [[nodiscard]] bool contains(const User& user) const {
    return read(user, [&](const store_type& s) { return s.contains(user); });
  }

  // --- all users, one shard after another

  /// Calls f(const store_type&) for one shard after another, nobody writing to that shard meanwhile.
  template <std::invocable<const store_type&> Function>
  void visit(Function f) const {
    for (const auto& s : shards_) {
      const std::shared_lock lock(s->mutex);
      std::invoke(f, std::as_const(s->store));
    }
  }

  /// Heat of `item` at `now`, the sum over the shards.  Errors: as interest_store.
  [[nodiscard]] double heat(const Item& item, const reading& how, time_point now) const {
    double sum = 0;
    visit([&](const store_type& s) { sum += s.heat(item, how, now); });
    return sum;
  }
  [[nodiscard]] std::size_t users() const {
    std::size_t sum = 0;
    visit([&](const store_type& s) { sum += s.users(); });
    return sum;
  }
  /// (user, item) pairs with at least one event.
  [[nodiscard]] std::size_t size() const {
    std::size_t sum = 0;
    visit([&](const store_type& s) { sum += s.size(); });
    return sum;
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = shards_.size() * sizeof(shard);
    visit([&](const store_type& s) { sum += s.bytes(); });
    return sum;
  }

  bool forget_item(const Item& item) {
    bool found = false;
    for (const auto& s : shards_) {
      const std::unique_lock lock(s->mutex);
      found = s->store.forget_item(item) || found;
    }
    return found;
  }

  /// As interest_store's, one shard after another: a user with an event after `now` is left alone.
  ///
  /// Errors: as interest_store, with nothing deleted; only std::bad_alloc may leave some shards pruned, and their list lost.
  std::vector<typename store_type::pruned> prune(const reading& how, time_point now, double threshold,
                                                 std::size_t keep = std::numeric_limits<std::size_t>::max()) {
    std::vector<typename store_type::pruned> removed;
    for (const auto& s : shards_) {
      const std::unique_lock lock(s->mutex);
      auto part = s->store.prune(how, now, threshold, keep);
      removed.insert(removed.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    }
    return removed;
  }

  /// Adds everything a store saw, each user to its shard with the heat that is theirs; that of entries pruned before goes to the first shard.
  ///
  /// Heat is then the store's to within n/2 + 4 roundings of T, n the events of an entry.
  /// Memory: a copy of the store's heat while it runs. Each shard gets the names of the items its users have.
  /// Errors: std::invalid_argument for a store of another shape, with nothing changed; std::bad_alloc may leave some shards merged.
  void merge(const store_type& other) {
    for (std::size_t n = 0; n < shards_.size(); ++n) {
      const std::unique_lock lock(shards_[n]->mutex);
      shards_[n]->store.merge_users(other, [&](const User& user) { return number_of(user) == n; });
    }
    update_shard(0, [&](store_type& s) { s.merge_pruned_heat(other); });
  }

  /// All shards as one store, while others go on writing: each shard is copied under its lock, and joined without it.
  ///
  /// Memory: the result and one shard's copy.
  [[nodiscard]] store_type snapshot() const {
    store_type whole(options());
    for (std::size_t n = 0; n < shards_.size(); ++n) whole.merge(copy_of_shard(n));
    return whole;
  }

  /// One shard's users and their heat at one moment; n in [0, shards()).   (To a file: `save_snapshot` takes the sharded store itself.)
  ///
  /// It says that it is one shard, even when others are merged into it: `snapshot` makes a whole.
  [[nodiscard]] store_type copy_of_shard(std::size_t n) const {
    detail::require(n < shards_.size(), "sharded_store::copy_of_shard", "n must be below shards()", n);
    const std::shared_lock lock(shards_[n]->mutex);
    return shards_[n]->store;
  }

  [[nodiscard]] std::size_t shards() const noexcept { return shards_.size(); }
  [[nodiscard]] const store_options& options() const noexcept { return shards_.front()->store.options(); }
  [[nodiscard]] const timescales& lanes() const noexcept { return options().lanes; }

 private:
  friend class detail::store_access<store_type>;

  // A cache line and its neighbour: no two shards' locks share what a processor fetches at once.
  struct alignas(128) shard {
    explicit shard(store_type empty) : store(std::move(empty)) {}

    mutable detail::fair_mutex mutex;
    store_type store;
  };

  template <class Function>
  void update_shard(std::size_t n, Function&& f) {
    const std::unique_lock lock(shards_[n]->mutex);
    std::invoke(std::forward<Function>(f), shards_[n]->store);
  }

  [[nodiscard]] std::size_t number_of(const User& user) const {
    // Other bits than the hash tables use, or each shard's tables would see only every n-th hash.
    const std::uint64_t mixed = std::uint64_t{std::hash<User>{}(user)} * 0xd6e8feb86659fd93U;
    return static_cast<std::size_t>((mixed ^ (mixed >> 32)) >> 16) % shards_.size();
  }
  [[nodiscard]] shard& shard_of(const User& user) { return *shards_[number_of(user)]; }
  [[nodiscard]] const shard& shard_of(const User& user) const { return *shards_[number_of(user)]; }

  std::vector<std::unique_ptr<shard>> shards_;
};

}  // namespace ebb

#endif  // EBB_SHARDED_STORE_HPP
