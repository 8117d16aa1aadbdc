// SPDX-License-Identifier: MIT
#ifndef EBB_COOCCURRENCE_HPP
#define EBB_COOCCURRENCE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/time.hpp"

namespace ebb {

/// Which pairs of items a `cooccurrence` counts.
enum class pairing {
  sequential,  ///< from → to where the same user used `to` after `from`, or in the same tick of the clock
  symmetric,   ///< both ways, whatever came first
};

struct cooccurrence_options {
  pairing pairs = pairing::sequential;
  duration gap_half_life = std::chrono::days(7);  ///< a pair this far apart counts half
  duration half_life = std::chrono::days(90);     ///< what was seen this long ago counts half; infinite: never fades
  std::size_t window = 20;                        ///< an event is paired with so many newest events of its user
  std::size_t most = 200;  ///< an item's companions are cut back to so many when they are twice as many
};

/// An item and how strongly it goes with another.
template <class Item>
struct companion {
  Item item;
  double strength;

  [[nodiscard]] friend bool operator==(const companion&, const companion&) = default;
};

/// Which items go with which, or are taken up after which, as decayed counts kept up event by event.
///
///   c(i → j, now) = Σ_users Σ_(a on i, b on j, a before b) v_a v_b 2^(−(t_b − t_a) / gap_half_life) 2^(−(now − t_b) / half_life)
///
/// `symmetric` adds c(j → i). Pairs of one item with itself are not counted. Late events land where they would have: with at most `window`
/// events a user and 2 · `most` companions an item the sums are exact, and a shuffled log gives the sorted log's. Past that, an event is
/// paired with its user's `window` newest events only, and an item keeps its `most` strongest companions.
///
/// Memory: O(items · most + users · window).   observe: O(window) amortised look-ups.   A read decays; nothing is ever swept.
/// Errors: std::invalid_argument for half-lives that are not > 0 (gap_half_life also finite), window or most of 0, an amount that is negative or
///         not finite; std::domain_error for a read before the newest event of the item asked about.
/// Threads: const members may run at once with one another.
/// Source: G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, Forward decay, ICDE 2009 (sums relative to a landmark).
template <class User, class Item, class UserHash = std::hash<User>, class ItemHash = std::hash<Item>>
class cooccurrence {
 public:
  explicit cooccurrence(const cooccurrence_options& options = {}) : options_(options) {
    detail::require(options.gap_half_life.count() > 0 && std::isfinite(options.gap_half_life.count()), "cooccurrence",
                    "gap_half_life must be finite and > 0", options.gap_half_life);
    detail::require(options.half_life.count() > 0, "cooccurrence", "half_life must be > 0", options.half_life);
    detail::require(options.window > 0, "cooccurrence", "window must be > 0", options.window);
    detail::require(options.most > 0, "cooccurrence", "most must be > 0", options.most);
  }

  [[nodiscard]] const cooccurrence_options& options() const noexcept { return options_; }

  /// Takes in that `user` used `item`; `amount` is v above.
  void observe(const User& user, const Item& item, time_point time, double amount = 1) {
    detail::require(amount >= 0 && std::isfinite(amount), "cooccurrence::observe", "amount must be finite and >= 0",
                    amount);
    if (amount == 0) return;
    std::deque<event>& recent = recent_[user];
    for (const event& other : recent) {
      if (other.item == item) continue;
      const duration gap = time > other.time ? duration(time - other.time) : duration(other.time - time);
      const double weight = amount * other.amount * std::exp2(-(gap / options_.gap_half_life));
      if (weight == 0) continue;
      const time_point later = std::max(time, other.time);
      if (options_.pairs == pairing::symmetric || other.time <= time) add(other.item, item, later, weight);
      if (options_.pairs == pairing::symmetric || time <= other.time) add(item, other.item, later, weight);
    }
    const auto place = std::upper_bound(recent.begin(), recent.end(), time,
                                        [](time_point t, const event& other) { return t < other.time; });
    recent.insert(place, {item, time, amount});
    if (recent.size() > options_.window) recent.pop_front();
  }

  /// c(from → to, now); 0 for items never seen together.
  [[nodiscard]] double strength(const Item& from, const Item& to, time_point now) const {
    const auto found = rows_.find(from);
    if (found == rows_.end()) return 0;
    const auto cell = found->second.cells.find(to);
    const double scale = scale_at(found->second, now);
    return cell == found->second.cells.end() ? 0 : cell->second * scale;
  }

  /// Σ_j c(from → j, now) over the companions kept.
  [[nodiscard]] double total(const Item& from, time_point now) const {
    double sum = 0;
    for_each(from, now, [&](const Item&, double strength) { sum += strength; });
    return sum;
  }

  /// The `count` strongest companions of `from`, strongest first; which of several equally strong ones is unspecified.
  [[nodiscard]] std::vector<companion<Item>> strongest(const Item& from, std::size_t count, time_point now) const {
    std::vector<companion<Item>> all;
    for_each(from, now, [&](const Item& item, double strength) { all.push_back({item, strength}); });
    const std::size_t kept = std::min(count, all.size());
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
                      [](const companion<Item>& a, const companion<Item>& b) { return a.strength > b.strength; });
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(kept), all.end());
    return all;
  }

  /// Calls visit(to, c(from → to, now)) for every companion of `from`, in no particular order.
  template <class Visit>
  void for_each(const Item& from, time_point now, Visit visit) const {
    const auto found = rows_.find(from);
    if (found == rows_.end()) return;
    const double scale = scale_at(found->second, now);
    for (const auto& [to, sum] : found->second.cells) visit(to, sum * scale);
  }

  /// Adds what another has seen, as when users are split between stores; events of one user in both stores are not paired with each other.
  ///
  /// Errors: std::invalid_argument unless both have the same options.
  void merge(const cooccurrence& other) {
    const bool alike = options_.pairs == other.options_.pairs &&
                       options_.gap_half_life == other.options_.gap_half_life &&
                       options_.half_life == other.options_.half_life && options_.window == other.options_.window &&
                       options_.most == other.options_.most;
    detail::require(alike, "cooccurrence::merge", "both must have the same options", "different ones");
    if (this == &other) {
      const cooccurrence copy = other;
      return merge(copy);
    }
    for (const auto& [from, row] : other.rows_) {
      const double scale = scale_at(row, row.newest);
      for (const auto& [to, sum] : row.cells) add(from, to, row.newest, sum * scale);
    }
    for (const auto& [user, events] : other.recent_) {
      std::deque<event>& mine = recent_[user];
      std::deque<event> both;
      std::merge(mine.begin(), mine.end(), events.begin(), events.end(), std::back_inserter(both),
                 [](const event& a, const event& b) { return a.time < b.time; });
      if (both.size() > options_.window)
        both.erase(both.begin(), both.end() - static_cast<std::ptrdiff_t>(options_.window));
      mine = std::move(both);
    }
  }

  /// Forgets the user's recent events, so that none is paired any more; what they added to the sums stays, and fades.
  bool forget_user(const User& user) { return recent_.erase(user) > 0; }

  /// Forgets an item everywhere.   Complexity: O(items + users · window).
  bool forget_item(const Item& item) {
    bool known = rows_.erase(item) > 0;
    for (auto& [from, row] : rows_) known = row.cells.erase(item) > 0 || known;
    for (auto& [user, events] : recent_)
      known = std::erase_if(events, [&](const event& e) { return e.item == item; }) > 0 || known;
    return known;
  }

  /// Items that have companions.
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  /// Companions kept of `from`, at most 2 · most.
  [[nodiscard]] std::size_t companions(const Item& from) const {
    const auto found = rows_.find(from);
    return found == rows_.end() ? 0 : found->second.cells.size();
  }

 private:
  struct event {
    Item item;
    time_point time;
    double amount;
  };

  /// Sums relative to a landmark: Σ weight · 2^((t − landmark) / half_life).
  struct ledger {
    time_point landmark;
    time_point newest;
    std::unordered_map<Item, double, ItemHash> cells;
  };

  [[nodiscard]] double scale_at(const ledger& from, time_point now) const {
    if (now < from.newest)
      throw std::domain_error("ebb::cooccurrence: now must not be before the item's newest pair, which is " +
                              std::to_string(duration(from.newest - now).count()) + " s later");
    return std::exp2(-(duration(now - from.landmark) / options_.half_life));
  }

  void add(const Item& from, const Item& to, time_point time, double weight) {
    const auto [found, fresh] = rows_.try_emplace(from, ledger{time, time, {}});
    ledger& mine = found->second;
    mine.newest = std::max(mine.newest, time);
    double steps = duration(time - mine.landmark) / options_.half_life;
    if (steps > 64) {
      move_landmark(mine, std::floor(steps));
      steps = duration(time - mine.landmark) / options_.half_life;
    }
    mine.cells[to] += weight * std::exp2(steps);
    if (mine.cells.size() > 2 * options_.most) cut_back(mine);
  }

  /// Moves by whole half-lives, so that every sum changes by an exact power of two.
  void move_landmark(ledger& mine, double half_lives) const {
    mine.landmark += std::chrono::duration_cast<time_point::duration>(half_lives * options_.half_life);
    const int steps = static_cast<int>(std::min(half_lives, 4096.0));
    for (auto& [to, sum] : mine.cells) sum = std::ldexp(sum, -steps);
  }

  void cut_back(ledger& mine) const {
    std::vector<double> sums;
    for (const auto& [to, sum] : mine.cells) sums.push_back(sum);
    const auto least = sums.begin() + static_cast<std::ptrdiff_t>(options_.most - 1);
    std::nth_element(sums.begin(), least, sums.end(), std::greater<>());
    const double bar = *least;
    std::size_t above = 0;
    for (const double sum : sums) above += sum > bar;
    std::size_t level = options_.most - above;  // so many of those exactly at the bar may stay
    std::erase_if(mine.cells, [&](const auto& cell) {
      if (cell.second > bar) return false;
      if (cell.second < bar || level == 0) return true;
      --level;
      return false;
    });
  }

  cooccurrence_options options_;
  std::unordered_map<User, std::deque<event>, UserHash> recent_;  // the newest `window` events, in time order
  std::unordered_map<Item, ledger, ItemHash> rows_;
};

}  // namespace ebb

#endif  // EBB_COOCCURRENCE_HPP
