// SPDX-License-Identifier: MIT
// What does one decayed add cost, from an empty store (build) and on entries that are there (steady), beside a hash map
// from (user, item) to (value, time), which is right for one exponential only and cannot list a user's items? And what from
// several threads (sharded), beside such maps with a mutex each? Names are path/who/users; items are events.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/sharded_store.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench_size.hpp"
#ifdef EBB_BENCH_BOOST
#include <boost/unordered/unordered_flat_map.hpp>
#endif
#ifdef EBB_BENCH_ABSL
#include <absl/container/flat_hash_map.h>
#endif
#ifdef EBB_BENCH_ROBIN_MAP
#include <tsl/robin_map.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

using namespace std::chrono_literals;
using id = std::uint32_t;

constexpr ebb::duration half_life = 24h;
constexpr std::uint64_t items_of_a_user = 200;
constexpr std::uint64_t catalogue = 100'000;
constexpr std::size_t shards = 64;
const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2024) / 1 / 1);

using event = ebb::use<id, id>;

/// In time order, three seconds apart on average. Users, and the 200 items of each, by Zipf's law; their names are no
/// row of small numbers.
const std::vector<event>& log_of(std::int64_t users) {
  static std::map<std::int64_t, std::vector<event>> made;
  std::vector<event>& log = made[users];
  if (!log.empty()) return log;
  ebb::random_engine random(1);
  const auto zipf = [&](std::int64_t n) {  // P(k) = ln((k + 2) / (k + 1)) / ln(n + 1), k = 0 … n − 1
    return static_cast<std::uint64_t>(std::exp(random.uniform() * std::log1p(static_cast<double>(n)))) - 1;
  };
  ebb::time_point now = start;
  for (std::int64_t i = bench_size(100'000, 2'000'000, 10'000'000); i > 0; --i) {
    now += std::chrono::milliseconds(random.below(6000));
    const std::uint64_t user = zipf(users);
    const std::uint64_t item = (user * 7919 + zipf(items_of_a_user) * 499) % catalogue;
    log.push_back({static_cast<id>(user * 2654435761U), static_cast<id>(item * 2654435761U), now});
  }
  return log;
}

/// An event's part in a sum kept as of its newest event.
double decayed(ebb::time_point from, ebb::time_point to) { return std::exp2((from - to) / half_life); }

struct mixed {
  using is_avalanching = void;
  std::size_t operator()(std::uint64_t key) const noexcept {
    key *= 0x9e3779b97f4a7c15U;
    return static_cast<std::size_t>(key ^ (key >> 32));
  }
};

struct kept {
  double value = 0;
  ebb::time_point last = start;
};

/// The least that keeps a user's items together: a table of users, each with a table of items, two lines of memory an event. It ranks
/// nothing, keeps no order and checks nothing: a mark for what a store of that kind can hope for.
class bare_blocks {
  struct row {
    id key = 0;
    bool used = false;
    kept second;
  };
  struct alignas(64) user {
    id key = 0;
    bool used = false;
    std::size_t size = 0;
    std::vector<row> rows;
  };

  /// Where the key is, or would be: linear probing in a table of 2^n slots that is never full.
  template <class Table>
  static auto& slot_of(Table& table, id key) {
    std::size_t at = mixed{}(key) & (table.size() - 1);
    while (table[at].used && table[at].key != key) at = (at + 1) & (table.size() - 1);
    return table[at];
  }
  template <class Slot>
  static Slot& find_or_add(std::vector<Slot>& table, std::size_t& size, id key) {
    if (table.empty()) table.resize(4);
    Slot* at = &slot_of(table, key);
    if (at->used) return *at;
    if (4 * (size + 1) > 3 * table.size()) {
      std::vector<Slot> grown(2 * table.size());
      for (Slot& slot : table)
        if (slot.used) slot_of(grown, slot.key) = std::move(slot);
      table.swap(grown);
      at = &slot_of(table, key);
    }
    ++size;
    at->key = key;
    at->used = true;
    return *at;
  }

 public:
  kept& operator[](std::uint64_t key) {
    user& u = find_or_add(users_, user_count_, static_cast<id>(key >> 32));
    const std::size_t before = u.size;
    kept& found = find_or_add(u.rows, u.size, static_cast<id>(key)).second;
    size_ += u.size - before;
    return found;
  }
  [[nodiscard]] const row* find(std::uint64_t key) const {
    return &slot_of(slot_of(users_, static_cast<id>(key >> 32)).rows, static_cast<id>(key));
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::vector<user> users_;
  std::size_t user_count_ = 0;
  std::size_t size_ = 0;
};

template <class Map>
class by_map {
 public:
  void observe(id user, id item, ebb::time_point time) {
    kept& k = map_[(std::uint64_t{user} << 32) | item];
    if (time >= k.last) {
      k.value = k.value * decayed(k.last, time) + 1;
      k.last = time;
    } else {
      k.value += decayed(time, k.last);
    }
  }
  [[nodiscard]] double interest(id user, id item, ebb::time_point now) const {
    const kept& k = map_.find((std::uint64_t{user} << 32) | item)->second;
    return k.value * decayed(k.last, now);
  }
  [[nodiscard]] std::size_t size() const { return map_.size(); }

 private:
  Map map_;
};

/// Users dealt out to maps, each with a mutex.
template <class Map>
class by_maps {
 public:
  void observe(id user, id item, ebb::time_point time) {
    shard& s = shards_[mixed{}(user) % shards];
    const std::lock_guard lock(s.mutex);
    s.map.observe(user, item, time);
  }
  [[nodiscard]] double interest(id user, id item, ebb::time_point now) const {
    return shards_[mixed{}(user) % shards].map.interest(user, item, now);
  }

 private:
  struct alignas(128) shard {
    std::mutex mutex;
    by_map<Map> map;
  };
  std::array<shard, shards> shards_;
};

/// Ours with the same face.
template <class Store>
class by_ebb {
 public:
  by_ebb() : store_(ebb::store_options{.lanes = bank(), .heat = false}) {}
  void observe(id user, id item, ebb::time_point time) { store_.observe(user, item, time); }
  [[nodiscard]] double interest(id user, id item, ebb::time_point now) const {
    return store_.interest(user, item, ebb::reading::lane(bank(), 0), now);
  }
  [[nodiscard]] std::size_t size() const { return store_.size(); }

 protected:
  static ebb::timescales bank() { return ebb::timescales{half_life}; }

  Store store_;
};

/// And many events at a time.
template <class Store>
class by_ebb_batch : public by_ebb<Store> {
 public:
  void observe(std::span<const event> events) { this->store_.observe(events); }
};

/// As many events at a time as a host may have at hand.
constexpr std::size_t batch = 512;

template <class Store>
concept takes_batches = requires(Store& store, std::span<const event> events) {
  store.observe(events);
};

template <class Store>
void observe_all(Store& store, const std::vector<event>& log) {
  if constexpr (takes_batches<Store>) {
    for (std::size_t i = 0; i < log.size(); i += batch)
      store.observe(std::span(log).subspan(i, std::min(batch, log.size() - i)));
  } else {
    for (const event& e : log) store.observe(e.user, e.item, e.time);
  }
}

/// A hundred entries against the raw events.
template <class Store>
void check(const Store& store, const std::vector<event>& log) {
  std::map<std::pair<id, id>, double> wanted;
  for (std::size_t i = 0; i < 100; ++i) {
    const event& e = log[i * 7919 % log.size()];
    wanted[{e.user, e.item}] = 0;
  }
  const ebb::time_point now = log.back().time + 1h;
  for (const event& e : log) {
    const auto at = wanted.find({e.user, e.item});
    if (at != wanted.end()) at->second += decayed(e.time, now);
  }
  for (const auto& [name, truth] : wanted)
    if (!(std::abs(store.interest(name.first, name.second, now) - truth) <= 1e-9 * truth))
      throw std::logic_error("the interest is wrong");
}

/// Bytes on the heap, where the C library tells.
double heap() {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  const struct mallinfo2 now = mallinfo2();
  return static_cast<double>(now.uordblks + now.hblkhd);
#else
  return NAN;
#endif
}

template <class Store>
void build(benchmark::State& state) {
  const std::vector<event>& log = log_of(state.range(0));
  double bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const double before = heap();
    auto store = std::make_unique<Store>();
    state.ResumeTiming();
    observe_all(*store, log);
    state.PauseTiming();
    bytes = (heap() - before) / static_cast<double>(store->size());
    store.reset();
    state.ResumeTiming();
  }
  state.counters["bytes_per_entry"] = bytes;
  state.SetItemsProcessed(state.iterations() * std::ssize(log));
}

/// A store with all of the log in it, checked; the same one for all repetitions, and for all threads.
template <class Store>
Store& filled(std::int64_t users) {
  static std::mutex mutex;
  static std::map<std::int64_t, std::unique_ptr<Store>> made;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Store>& store = made[users];
  if (store) return *store;
  store = std::make_unique<Store>();
  observe_all(*store, log_of(users));
  check(*store, log_of(users));
  return *store;
}

/// Goes through the log again and again, each thread from another place, as time goes on.
template <class Store>
void steady(benchmark::State& state) {
  Store& store = filled<Store>(state.range(0));
  const std::vector<event>& log = log_of(state.range(0));
  static thread_local ebb::time_point now = log.back().time;
  std::size_t i =
      log.size() / static_cast<std::size_t>(state.threads()) * static_cast<std::size_t>(state.thread_index());
  if constexpr (takes_batches<Store>) {
    std::vector<event> events;
    events.reserve(batch);
    for (auto _ : state) {  // what a host does to have them at hand counts too
      events.clear();
      for (std::size_t n = 0; n < batch; ++n) {
        events.push_back({log[i].user, log[i].item, now += 3s});
        i = i + 1 == log.size() ? 0 : i + 1;
      }
      store.observe(events);
    }
    state.SetItemsProcessed(state.iterations() * std::int64_t{batch});
  } else {
    for (auto _ : state) {
      const event& e = log[i];
      i = i + 1 == log.size() ? 0 : i + 1;
      store.observe(e.user, e.item, now += 3s);
    }
    state.SetItemsProcessed(state.iterations());
  }
}

template <class Store>
void add(const std::string& who) {
  for (const std::int64_t users : {100'000, 1'000'000}) {
    benchmark::RegisterBenchmark(("observe_build/" + who).c_str(), build<Store>)
        ->Arg(users)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("observe_steady/" + who).c_str(), steady<Store>)->Arg(users);
  }
}
template <class Store>
void add_sharded(const std::string& who) {
  for (const std::int64_t users : {100'000, 1'000'000})
    benchmark::RegisterBenchmark(("observe_sharded/" + who).c_str(), steady<Store>)
        ->Arg(users)
        ->Threads(2)
        ->UseRealTime();
}

[[maybe_unused]] const bool added = [] {
  add<by_ebb<ebb::interest_store<id, id, double, 1>>>("ebb");
  add<by_ebb_batch<ebb::interest_store<id, id, double, 1>>>("ebb_batch");
  add_sharded<by_ebb<ebb::sharded_store<id, id, double, 1>>>("ebb");
  add_sharded<by_ebb_batch<ebb::sharded_store<id, id, double, 1>>>("ebb_batch");
  add<by_map<bare_blocks>>("bare_blocks");
  using std_map = std::unordered_map<std::uint64_t, kept, mixed>;
  add<by_map<std_map>>("std");
  add_sharded<by_maps<std_map>>("std");
#ifdef EBB_BENCH_BOOST
  using boost_map = boost::unordered_flat_map<std::uint64_t, kept, mixed>;
  add<by_map<boost_map>>("boost");
  add_sharded<by_maps<boost_map>>("boost");
#endif
#ifdef EBB_BENCH_ABSL
  add<by_map<absl::flat_hash_map<std::uint64_t, kept>>>("absl");
#endif
#ifdef EBB_BENCH_ROBIN_MAP
  add<by_map<tsl::robin_map<std::uint64_t, kept, mixed>>>("robin_map");
#endif
  return true;
}();

}  // namespace
