// SPDX-License-Identifier: MIT
#ifndef EBB_STORE_ORACLE_HPP
#define EBB_STORE_ORACLE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numbers>
#include <set>
#include <utility>
#include <vector>

#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

/// The slow truth beside the store: the raw events, and every sum over them in long double.
namespace oracle {

struct event {
  int user;
  int item;
  ebb::time_point time;
  double amount;
  bool dislike = false;
};

inline ebb::time_point day(int n) { return ebb::time_point(std::chrono::sys_days(std::chrono::days(18000 + n))); }

/// Random events over about three years, in no order, many of them close together and some at the same moment.
inline std::vector<event> random_log(ebb::random_engine& random, std::size_t events, int users, int items,
                                     bool dislikes = false) {
  std::vector<event> log;
  ebb::time_point burst = day(0);
  for (std::size_t i = 0; i < events; ++i) {
    if (random.below(4) == 0) burst = day(static_cast<int>(random.below(1000)));
    const auto within = std::chrono::nanoseconds(static_cast<std::int64_t>(std::exp(random.uniform() * 32)));
    const ebb::time_point time = random.below(8) == 0 && !log.empty() ? log.back().time : burst + within;
    const double amount = random.below(3) == 0 ? 1.0 : 0.1 + random.uniform() * 5;
    log.push_back({static_cast<int>(random.below(static_cast<std::uint64_t>(users))),
                   static_cast<int>(random.below(static_cast<std::uint64_t>(items))), time, amount,
                   dislikes && random.below(5) == 0});
  }
  return log;
}

inline long double age(const event& e, ebb::time_point now) {
  return static_cast<long double>((now - e.time).count()) * ebb::time_point::period::num / ebb::time_point::period::den;
}

inline long double seconds(ebb::duration d) {
  return static_cast<long double>(ebb::to_time_point(d).time_since_epoch().count()) * ebb::time_point::period::num /
         ebb::time_point::period::den;
}

/// Σ amount · D(age) over the events for which `is_counted` holds.
template <class Predicate>
long double sum(const std::vector<event>& log, const ebb::reading& how, ebb::time_point now, Predicate is_counted) {
  long double total = 0;
  for (const event& e : log) {
    if (!is_counted(e)) continue;
    for (int k = 0; k < how.bank().size(); ++k)
      total += e.amount * how.weights()[static_cast<std::size_t>(k)] *
               exp2l(-age(e, now) / seconds(how.bank().half_life(k)));
  }
  return total;
}

inline long double interest(const std::vector<event>& log, int user, int item, const ebb::reading& how,
                            ebb::time_point now) {
  return sum(log, how, now, [&](const event& e) { return e.user == user && e.item == item && !e.dislike; });
}

inline long double heat(const std::vector<event>& log, int item, const ebb::reading& how, ebb::time_point now) {
  return sum(log, how, now, [&](const event& e) { return e.item == item && !e.dislike; });
}

inline long double dislike(const std::vector<event>& log, int user, int item, ebb::duration half_life,
                           ebb::time_point now) {
  return sum(log, ebb::reading(half_life), now,
             [&](const event& e) { return e.user == user && e.item == item && e.dislike; });
}

/// Σ amount · 2^(−age/h) · (cos, sin)(2π·age/period) of a pair.
inline std::pair<long double, long double> rhythm(const std::vector<event>& log, int user, int item,
                                                  ebb::duration half_life, ebb::duration period, ebb::time_point now) {
  std::pair<long double, long double> total{0, 0};
  for (const event& e : log) {
    if (e.user != user || e.item != item || e.dislike) continue;
    const long double part = e.amount * exp2l(-age(e, now) / seconds(half_life));
    const long double angle = 2 * std::numbers::pi_v<long double> * age(e, now) / seconds(period);
    total.first += part * cosl(angle);
    total.second += part * sinl(angle);
  }
  return total;
}

template <class Store>
void replay(Store& store, const std::vector<event>& log) {
  for (const event& e : log) {
    if (e.dislike)
      store.dislike(e.user, e.item, e.time, e.amount);
    else
      store.observe(e.user, e.item, e.time, e.amount);
  }
}

template <class Store>
bool retract(Store& store, const event& e) {
  return e.dislike ? store.retract_dislike(e.user, e.item, e.time, e.amount)
                   : store.retract(e.user, e.item, e.time, e.amount);
}

inline std::set<std::pair<int, int>> pairs(const std::vector<event>& log) {
  std::set<std::pair<int, int>> out;
  for (const event& e : log)
    if (!e.dislike) out.emplace(e.user, e.item);
  return out;
}

inline ebb::time_point newest(const std::vector<event>& log) {
  ebb::time_point out = log.front().time;
  for (const event& e : log) out = std::max(out, e.time);
  return out;
}

/// Random weights over the bank, some of them zero.
inline ebb::reading random_reading(ebb::random_engine& random, const ebb::timescales& bank) {
  std::vector<double> weights;
  double sum = 0;
  for (int k = 0; k < bank.size(); ++k) sum += weights.emplace_back(random.below(4) == 0 ? 0.0 : random.uniform());
  if (sum == 0) return ebb::reading::lane(bank, 0);
  for (double& w : weights) w /= sum;
  return {bank, weights};
}

/// A random shape of store: 1 to 9 lanes from seconds to decades, with or without everything optional.
inline ebb::store_options random_options(ebb::random_engine& random) {
  const int lanes = 1 + static_cast<int>(random.below(9));
  const ebb::duration first(std::exp(random.uniform() * 12));
  ebb::store_options options{
      .lanes = lanes == 1 ? ebb::timescales{first * 100}
                          : ebb::timescales::log_spaced(first, first * std::exp(2 + random.uniform() * 8), lanes),
      .recent = 1 + static_cast<int>(random.below(4)),
      .first_use = random.below(2) == 0};
  if (random.below(2) == 0) options.rhythms.push_back({std::chrono::hours(24), lanes - 1});
  if (random.below(2) == 0)
    options.rhythms.push_back({ebb::duration(1000 + random.uniform() * 1e6),
                               static_cast<int>(random.below(static_cast<std::uint64_t>(lanes)))});
  if (random.below(2) == 0) options.dislike_half_life = ebb::duration(std::exp(5 + random.uniform() * 12));
  return options;
}

}  // namespace oracle

#endif  // EBB_STORE_ORACLE_HPP
