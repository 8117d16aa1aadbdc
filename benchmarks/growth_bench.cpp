// SPDX-License-Identifier: MIT
// Does an event cost the same however many there were, and an entry as many bytes however many there are? Names are
// growth_events/ebb/events and growth_entries/ebb/entries; the report sets each beside the first of its path.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/readings.hpp>
#include <memory>
#include <stdexcept>

#include "bench_size.hpp"

namespace {

using store_type = ebb::interest_store<std::uint32_t, std::uint32_t, float, 8>;

const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));

constexpr std::uint64_t users = 1000;
constexpr std::uint64_t items_of_a_user = 50;

/// Events three seconds apart, nothing kept of them: every user uses each item once, then at random.
class stream {
 public:
  void feed(store_type& store, std::int64_t events) {
    for (; events > 0; --events) {
      const std::uint64_t pair = fed_ < users * items_of_a_user ? fed_ : random_.below(users * items_of_a_user);
      store.observe(static_cast<std::uint32_t>(pair / items_of_a_user),
                    static_cast<std::uint32_t>(pair % items_of_a_user), start + std::chrono::seconds(3 * ++fed_));
    }
  }

 private:
  ebb::random_engine random_{1};
  std::uint64_t fed_ = 0;
};

/// The cost of the next events after state.range(0) of them.
void growth_events(benchmark::State& state) {
  constexpr std::int64_t at_a_time = 10'000;
  store_type store;
  stream events;
  events.feed(store, state.range(0));
  for (auto _ : state) events.feed(store, at_a_time);
  state.SetItemsProcessed(state.iterations() * at_a_time);
  std::uint64_t seen = 0;
  for (const auto& [user, of_user] : store.all_users()) seen += of_user.events;
  if (seen != static_cast<std::uint64_t>(state.range(0) + state.iterations() * at_a_time) ||
      store.size() != users * items_of_a_user)
    throw std::logic_error("events are missing");
}

/// Building a store of state.range(0) entries, fifty a user, one event each.
void growth_entries(benchmark::State& state) {
  const auto entries = static_cast<std::uint32_t>(state.range(0));
  const auto items = static_cast<std::uint32_t>(entries / items_of_a_user);
  double bytes = 0;
  for (auto _ : state) {
    auto store = std::make_unique<store_type>();
    for (std::uint32_t i = 0; i < entries; ++i) {
      const auto user = static_cast<std::uint32_t>(i / items_of_a_user);
      store->observe(user, (user * 7 + i) % items, start + std::chrono::seconds(i));
    }
    state.PauseTiming();
    if (store->size() != entries) throw std::logic_error("entries are missing");
    bytes = static_cast<double>(store->bytes()) / static_cast<double>(entries);
    store.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["bytes_per_entry"] = bytes;
}

BENCHMARK(growth_events)
    ->Name("growth_events/ebb")
    ->RangeMultiplier(10)
    ->Range(100'000, bench_size(1'000'000, 10'000'000, 100'000'000));
BENCHMARK(growth_entries)
    ->Name("growth_entries/ebb")
    ->RangeMultiplier(10)
    ->Range(10'000, bench_size(100'000, 1'000'000, 10'000'000));

}  // namespace
