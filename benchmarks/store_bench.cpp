// SPDX-License-Identifier: MIT
// What do an update, a read and a top-k cost, beside the two things people write by hand? Per (user, item) those keep
//   naive_timestamps: every event's time, summed over on each read (exact for any decay, and it grows);
//   naive_pair:       a (value, time) pair, right for one exponential only.
// 1,000 users × 50 or 1,000 items; names are path/who/lanes/items. Every benchmark checks what it computed once against the raw events.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <unordered_map>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench_size.hpp"

#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/sharded_store.hpp"
#include "ebb/timescales.hpp"

namespace {

using namespace std::chrono_literals;
using id = std::uint32_t;

struct event {
  id user;
  id item;
  ebb::time_point time;
};

const auto events_an_entry = static_cast<std::size_t>(bench_size(2, 10, 10));  // events, for reads and rankings
const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2024) / 1 / 1);

/// In time order, three seconds apart on average; each user meets each of its items several times.
std::vector<event> make_log(id users, id items, std::size_t per_entry) {
  ebb::random_engine random(1);
  std::vector<event> log;
  ebb::time_point now = start;
  for (std::size_t i = 0; i < std::size_t{users} * items * per_entry; ++i) {
    now += std::chrono::milliseconds(random.below(6000));
    log.push_back({static_cast<id>(random.below(users)), static_cast<id>(random.below(items)), now});
  }
  return log;
}

ebb::timescales bank_of(int lanes) {
  return lanes == 1 ? ebb::timescales{24h} : ebb::timescales::log_spaced(1min, std::chrono::years(4), lanes);
}

class naive_timestamps {
 public:
  explicit naive_timestamps(const ebb::reading& how) : how_(how) {}
  void observe(id user, id item, ebb::time_point time) { users_[user][item].push_back(time); }
  [[nodiscard]] double interest(id user, id item, ebb::time_point now) const {
    double sum = 0;
    for (const auto time : users_.at(user).at(item)) sum += how_(now - time);
    return sum;
  }
  [[nodiscard]] std::vector<std::pair<double, id>> top(id user, std::size_t k, ebb::time_point now) const {
    std::vector<std::pair<double, id>> scores;
    for (const auto& [item, times] : users_.at(user)) scores.emplace_back(interest(user, item, now), item);
    std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(k), scores.end(), std::greater<>{});
    scores.resize(k);
    return scores;
  }

 private:
  ebb::reading how_;
  std::unordered_map<id, std::unordered_map<id, std::vector<ebb::time_point>>> users_;
};

class naive_pair {
 public:
  explicit naive_pair(const ebb::reading& how) : half_life_(how.bank().half_life(0)) {}
  void observe(id user, id item, ebb::time_point time) {
    auto& [value, last] = users_[user][item];
    value = value * std::exp2(-(ebb::duration(time - last) / half_life_)) + 1;
    last = time;
  }
  [[nodiscard]] double interest(id user, id item, ebb::time_point now) const {
    const auto& [value, last] = users_.at(user).at(item);
    return value * std::exp2(-(ebb::duration(now - last) / half_life_));
  }
  [[nodiscard]] std::vector<std::pair<double, id>> top(id user, std::size_t k, ebb::time_point now) const {
    std::vector<std::pair<double, id>> scores;
    for (const auto& [item, state] : users_.at(user)) scores.emplace_back(interest(user, item, now), item);
    std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(k), scores.end(), std::greater<>{});
    scores.resize(k);
    return scores;
  }

 private:
  ebb::duration half_life_;
  std::unordered_map<id, std::unordered_map<id, std::pair<double, ebb::time_point>>> users_;
};

/// The store with the same face as the naive ones.
template <class T, int Lanes, bool heat>
class ours {
 public:
  explicit ours(const ebb::reading& how) : how_(how), store_({.lanes = how.bank(), .heat = heat}) {}
  void observe(id user, id item, ebb::time_point time) { store_.observe(user, item, time); }
  [[nodiscard]] double interest(id user, id item, ebb::time_point now) const {
    return store_.interest(user, item, how_, now);
  }
  [[nodiscard]] auto top(id user, std::size_t k, ebb::time_point now) const { return store_.top(user, k, how_, now); }
  [[nodiscard]] const auto& store() const { return store_; }

 private:
  ebb::reading how_;
  ebb::interest_store<id, id, T, Lanes> store_;
};

template <class Store>
void check(const Store& store, const std::vector<event>& log, const ebb::reading& how, ebb::time_point now) {
  double truth = 0;
  for (const event& e : log)
    if (e.user == log[0].user && e.item == log[0].item) truth += how(now - e.time);
  const double value = store.interest(log[0].user, log[0].item, now);
  if (std::abs(value - truth) > 1e-5 * truth) {
    std::cerr << "wrong: " << value << " instead of " << truth << '\n';
    std::abort();
  }
}

template <class Store>
struct setup {
  ebb::reading how;
  std::vector<event> log;
  Store store;
  ebb::time_point now;

  setup(int lanes, id users, id items, std::size_t per_entry)
      : how(ebb::reading::inverse_half_life(bank_of(lanes))), log(make_log(users, items, per_entry)), store(how) {
    for (const event& e : log) store.observe(e.user, e.item, e.time);
    now = log.back().time + 1h;
    check(store, log, how, now);
  }
};

template <class Store>
void update(benchmark::State& state) {
  setup<Store> s(static_cast<int>(state.range(0)), 1000, 50, 2);
  std::size_t i = 0;
  auto time = s.now;
  for (auto _ : state) {
    const event& e = s.log[i];
    i = i + 1 == s.log.size() ? 0 : i + 1;
    s.store.observe(e.user, e.item, time += 3s);
  }
}

template <class Store>
void read(benchmark::State& state) {
  const setup<Store> s(static_cast<int>(state.range(0)), 1000, 50, events_an_entry);
  std::size_t i = 0;
  for (auto _ : state) {
    const event& e = s.log[i];
    i = i + 1 == s.log.size() ? 0 : i + 1;
    benchmark::DoNotOptimize(s.store.interest(e.user, e.item, s.now));
  }
}

/// Ten best of a user with state.range(1) items; `per_item` is the figure to look at.
template <class Store>
void top10(benchmark::State& state) {
  const auto items = static_cast<id>(state.range(1));
  const id users = items > 100 ? 50 : 1000;
  const setup<Store> s(static_cast<int>(state.range(0)), users, items, events_an_entry);
  id user = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.store.top(user, 10, s.now));
    user = user + 1 == users ? 0 : user + 1;
  }
  state.counters["per_item"] = benchmark::Counter(
      static_cast<double>(items), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class Store>
void memory(benchmark::State& state) {
  const auto bank = bank_of(static_cast<int>(state.range(0)));
  double bytes = 0;
  for (auto _ : state) {
    Store s(ebb::reading::inverse_half_life(bank));
    for (id user = 0; user < bench_size(5000, 100000, 100000); ++user)
      for (id item = 0; item < 50; ++item) s.observe(user, item, start + std::chrono::seconds(user));
    bytes = static_cast<double>(s.store().bytes()) / static_cast<double>(s.store().size());
  }
  state.counters["bytes_per_entry"] = bytes;
}

void sharded_update(benchmark::State& state) {
  static ebb::sharded_store<id, id, float, 8> store({.lanes = bank_of(8)});
  static const auto log = make_log(1000, 50, 2);
  std::size_t i = static_cast<std::size_t>(state.thread_index()) * 7919;
  for (auto _ : state) {
    const event& e = log[i++ % log.size()];
    store.observe(e.user, e.item, e.time);
  }
}

BENCHMARK(update<naive_pair>)->Name("update/pair")->Arg(1);
BENCHMARK(update<naive_timestamps>)->Name("update/timestamps")->Arg(8);
BENCHMARK(update<ours<double, 1, false>>)->Name("update/ebb")->Arg(1);
BENCHMARK(update<ours<float, 8, false>>)->Name("update/ebb")->Arg(8);
BENCHMARK(update<ours<float, 0, false>>)->Name("update/ebb_lanes_at_run_time")->Arg(8)->Arg(7)->Arg(16);
BENCHMARK(update<ours<float, 8, true>>)->Name("update/ebb_heat")->Arg(8);

BENCHMARK(read<naive_pair>)->Name("read/pair")->Arg(1);
BENCHMARK(read<naive_timestamps>)->Name("read/timestamps")->Arg(8);
BENCHMARK(read<ours<double, 1, false>>)->Name("read/ebb")->Arg(1);
BENCHMARK(read<ours<float, 8, false>>)->Name("read/ebb")->Arg(8);

BENCHMARK(top10<naive_pair>)->Name("top10/pair")->Args({1, 50})->Args({1, 1000});
BENCHMARK(top10<naive_timestamps>)->Name("top10/timestamps")->Args({8, 50})->Args({8, 1000});
BENCHMARK(top10<ours<double, 1, false>>)->Name("top10/ebb")->Args({1, 50})->Args({1, 1000});
BENCHMARK(top10<ours<float, 8, false>>)->Name("top10/ebb")->Args({8, 50})->Args({8, 1000});
BENCHMARK(top10<ours<float, 0, false>>)
    ->Name("top10/ebb_lanes_at_run_time")
    ->Args({8, 50})
    ->Args({8, 1000})
    ->Args({16, 1000});

BENCHMARK(memory<ours<double, 1, true>>)->Name("memory/ebb")->Arg(1)->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK(memory<ours<float, 8, true>>)->Name("memory/ebb")->Arg(8)->Iterations(1)->Unit(benchmark::kSecond);

BENCHMARK(sharded_update)->Name("sharded_update/ebb")->Threads(1)->Threads(2);

}  // namespace
