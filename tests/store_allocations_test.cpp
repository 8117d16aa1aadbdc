// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <vector>

#include "allocations.hpp"
#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/sharded_store.hpp"

namespace {

using namespace std::chrono_literals;
using store_type = ebb::interest_store<int, int>;

const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));
const ebb::time_point now = start + 24h * 100;

const ebb::store_options options{.lanes = ebb::timescales::log_spaced(1min, std::chrono::years(4), 8),
                                 .rhythms = {{24h, 7}},
                                 .dislike_half_life = 24h};

store_type filled(int items) {
  store_type store(options);
  for (int item = 0; item < items; ++item) {
    store.observe(1, item, start + item * 1min);
    store.dislike(1, item, start + item * 1min);
  }
  return store;
}

template <class Function>
int allocations_of(Function f) {
  const int before = allocations;
  f();
  return allocations - before;
}

struct counts {
  std::size_t users;
  std::size_t entries;
  std::uint64_t events;
  friend bool operator==(const counts&, const counts&) = default;
};

template <class Store>
counts of(const Store& store) {
  std::uint64_t events = 0;
  for (const auto& [user, state] : store.all_users()) events += state.events;
  return {store.users(), store.size(), events};
}

}  // namespace

TEST_CASE("reading allocates nothing, and a ranking its list alone", "[store_allocations]") {
  double sum = 0;
  for (const int items : {5, 50, 1000, 5000}) {
    const store_type store = filled(items);
    const ebb::reading how = ebb::reading::lane(options.lanes, 5);
    CHECK(allocations_of([&] {
            sum += store.interest(1, 3, how, now) + store.saturated_interest(1, 3, how, now) + store.heat(3, how, now) +
                   store.dislike_of(1, 3, now) + store.rhythm(1, 3, 0, now).match + store.interest(2, 3, how, now);
          }) == 0);
    CHECK(allocations_of([&] { sum += store.top(1, 10, how, now).front().interest; }) == 1);
    CHECK(allocations_of([&] { sum += static_cast<double>(store.top(2, 10, how, now).size()); }) == 0);
  }
  const ebb::sharded_store<int, int> sharded(filled(50), 4);
  const ebb::reading how = ebb::reading::lane(options.lanes, 5);
  CHECK(allocations_of([&] { sum += sharded.interest(1, 3, how, now); }) == 0);
  CHECK(sum > 0);
}

TEST_CASE("events of known pairs allocate nothing", "[store_allocations]") {
  store_type store = filled(300);
  std::vector<ebb::use<int, int>> uses;
  for (int i = 0; i < 500; ++i) uses.push_back({1, i * 7 % 300, now + i * 1s});
  CHECK(allocations_of([&] {
          store.observe(1, 7, now);
          store.dislike(1, 7, now);
          store.observe(uses);
        }) == 0);
  CHECK(of(store).events == 801);
}

TEST_CASE("whichever allocation fails, an event is there wholly or not at all", "[store_allocations]") {
  // A user's entries are moved to a larger block, an item gets its number, its heat and its first user, a user comes.
  for (const int items : {0, 1, 2, 7, 14, 16, 19, 255, 257}) {
    for (const auto& [user, item] : {std::pair(1, 5000), std::pair(2, 0), std::pair(2, 5000)}) {
      for (int fuse = 0;; ++fuse) {
        store_type store = filled(items);
        const counts before = of(store);
        until_failure = fuse;
        bool is_done = true;
        try {
          store.observe(user, item, now);
        } catch (const std::bad_alloc&) {
          is_done = false;
        }
        until_failure = std::numeric_limits<int>::max();
        if (!is_done) {
          REQUIRE(of(store) == before);
          store.observe(user, item, now);
        }
        const bool is_new_user = items == 0 || user == 2;
        REQUIRE(of(store) == counts{before.users + (is_new_user ? 1 : 0), before.entries + 1, before.events + 1});
        const ebb::reading how = ebb::reading::lane(options.lanes, 7);
        REQUIRE(store.interest(user, item, how, now) == Approx(1.0));
        if (is_done) break;
      }
    }
  }
}

TEST_CASE("whichever allocation fails, a batch has recorded its first events and no part of others",
          "[store_allocations]") {
  std::vector<ebb::use<int, int>> uses;
  for (int i = 0; i < 120; ++i) uses.push_back({i % 11, i * 13 % 90, start + i * 1h});
  const ebb::reading how = ebb::reading::lane(options.lanes, 7);
  for (int fuse = 0;; ++fuse) {
    store_type store = filled(20);
    until_failure = fuse;
    bool is_done = true;
    try {
      store.observe(uses);
    } catch (const std::bad_alloc&) {
      is_done = false;
    }
    until_failure = std::numeric_limits<int>::max();
    const std::uint64_t recorded = of(store).events - 20;
    store_type truth = filled(20);
    for (std::size_t i = 0; i < recorded; ++i) truth.observe(uses[i].user, uses[i].item, uses[i].time);
    REQUIRE(of(store) == of(truth));
    for (int user = 0; user < 11; ++user)
      for (int item = 0; item < 90; item += 7)
        REQUIRE(store.interest(user, item, how, now) == truth.interest(user, item, how, now));
    if (is_done) break;
  }
}
