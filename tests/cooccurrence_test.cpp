// SPDX-License-Identifier: MIT
#include "ebb/cooccurrence.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace cooccurrence_test {

using namespace std::chrono_literals;

namespace {

using pairs = ebb::cooccurrence<int, std::string>;

struct event {
  int user;
  std::string item;
  ebb::time_point time;
  double amount;
};

std::vector<event> random_events(std::uint64_t seed, int count, std::uint64_t users, std::uint64_t items,
                                 std::uint64_t hours) {
  ebb::random_engine random(seed);
  std::vector<event> out;
  for (int i = 0; i < count; ++i)
    out.push_back({static_cast<int>(random.below(users)), "i" + std::to_string(random.below(items)),
                   ebb::time_point(std::chrono::hours(random.below(hours))), 0.5 + random.uniform()});
  return out;
}

/// The sum over all pairs of events, straight from the definition.
double brute_force(const std::vector<event>& events, const ebb::cooccurrence_options& options, const std::string& from,
                   const std::string& to, ebb::time_point now) {
  double sum = 0;
  for (const event& a : events)
    for (const event& b : events) {
      if (a.user != b.user || a.item != from || b.item != to) continue;
      if (options.pairs == ebb::pairing::sequential && a.time > b.time) continue;
      const double gap = std::abs(ebb::duration(b.time - a.time) / options.gap_half_life);
      const double age = ebb::duration(now - std::max(a.time, b.time)) / options.half_life;
      sum += a.amount * b.amount * std::exp2(-gap) * std::exp2(-age);
    }
  return sum;
}

void observe(pairs& store, const std::vector<event>& events) {
  for (const event& e : events) store.observe(e.user, e.item, e.time, e.amount);
}

}  // namespace

TEST_CASE("strengths are the decayed sums over all pairs of events, in whatever order they came", "[cooccurrence]") {
  const auto kind = GENERATE(ebb::pairing::sequential, ebb::pairing::symmetric);
  const ebb::duration half_life = GENERATE(ebb::duration(20h), ebb::duration(std::numeric_limits<double>::infinity()));
  const ebb::cooccurrence_options options{
      .pairs = kind, .gap_half_life = 30h, .half_life = half_life, .window = 1000, .most = 100};
  std::vector<event> events = random_events(1, 150, 4, 8, 300);
  const ebb::time_point now(400h);
  ebb::random_engine random(2);
  for (int round = 0; round < 3; ++round) {
    pairs store(options);
    observe(store, events);
    for (int a = 0; a < 8; ++a) {
      const std::string from = "i" + std::to_string(a);
      double total = 0;
      for (int b = 0; b < 8; ++b) {
        const std::string to = "i" + std::to_string(b);
        const double expected = a == b ? 0 : brute_force(events, options, from, to, now);
        total += expected;
        CHECK(store.strength(from, to, now) == Approx(expected).epsilon(1e-9));
      }
      CHECK(store.total(from, now) == Approx(total).epsilon(1e-9));
    }
    random.shuffle(events.begin(), events.end());
  }
}

TEST_CASE("sums stay right over thousands of half-lives", "[cooccurrence]") {
  const ebb::cooccurrence_options options{.gap_half_life = 5h, .half_life = 1h, .window = 1000};
  std::vector<event> events = random_events(3, 200, 1, 3, 100'000);
  std::sort(events.begin(), events.end(), [](const event& a, const event& b) { return a.time < b.time; });
  for (int i = 0; i < 20; ++i)
    events.push_back({0, "i" + std::to_string(i % 3), ebb::time_point(100'000h + i * 20min), 1.0});
  pairs store(options);
  observe(store, events);
  const ebb::time_point now(100'010h);
  CHECK(store.strength("i0", "i1", now) == Approx(brute_force(events, options, "i0", "i1", now)).epsilon(1e-9));
  CHECK(store.strength("i2", "i1", now) > 0);
}

TEST_CASE("an event is paired with the newest of its user's window", "[cooccurrence]") {
  pairs store({.gap_half_life = 1h, .window = 2});
  for (int i = 0; i < 5; ++i) store.observe(1, "i" + std::to_string(i), ebb::time_point(i * 1h));
  const ebb::time_point now(10h);
  CHECK(store.strength("i3", "i4", now) > 0);
  CHECK(store.strength("i2", "i4", now) > 0);
  CHECK(store.strength("i1", "i4", now) == 0);
  CHECK(store.strength("i4", "i3", now) == 0);
}

TEST_CASE("events of one moment are paired both ways", "[cooccurrence]") {
  pairs store;
  store.observe(1, "a", ebb::time_point(1h), 2.0);
  store.observe(1, "b", ebb::time_point(1h), 3.0);
  CHECK(store.strength("a", "b", ebb::time_point(1h)) == Approx(6.0));
  CHECK(store.strength("b", "a", ebb::time_point(1h)) == Approx(6.0));
}

TEST_CASE("a crowded item keeps its strongest companions, and its memory is bounded", "[cooccurrence]") {
  pairs store({.half_life = std::chrono::days(1), .window = 1000, .most = 10});
  const ebb::time_point start(0h);
  for (int user = 0; user < 300; ++user) {
    store.observe(user, "hub", start);
    for (int n = 0; n <= user % 100; ++n) store.observe(user, "i" + std::to_string(user % 100), start);
    CHECK(store.companions("hub") <= 20);
  }
  const auto best = store.strongest("hub", 5, start);
  REQUIRE(best.size() == 5);
  for (std::size_t k = 0; k < best.size(); ++k) {
    CHECK(best[k].item == "i" + std::to_string(99 - k));
    CHECK(best[k].strength == Approx(store.strength("hub", best[k].item, start)));
  }
  CHECK(store.strongest("nobody", 5, start).empty());
}

TEST_CASE("merging parts of the users equals having seen all", "[cooccurrence]") {
  const ebb::cooccurrence_options options{.pairs = ebb::pairing::symmetric, .half_life = 50h, .window = 1000};
  const std::vector<event> events = random_events(5, 200, 6, 6, 300);
  pairs all(options);
  pairs odd(options);
  pairs even(options);
  observe(all, events);
  for (const event& e : events) (e.user % 2 == 0 ? even : odd).observe(e.user, e.item, e.time, e.amount);
  odd.merge(even);
  const ebb::time_point now(301h);
  // What comes later is paired as well.
  for (pairs* store : {&all, &odd}) store->observe(2, "new", now);
  for (int a = 0; a < 6; ++a)
    for (const std::string& to : {std::string("i0"), std::string("i3"), std::string("new")}) {
      const std::string from = "i" + std::to_string(a);
      CHECK(odd.strength(from, to, now) == Approx(all.strength(from, to, now)).epsilon(1e-9));
    }
  CHECK_THROWS_AS(odd.merge(pairs{}), std::invalid_argument);
  const double before = odd.strength("i0", "i1", now);
  odd.merge(odd);
  CHECK(odd.strength("i0", "i1", now) == Approx(2 * before));
}

TEST_CASE("a forgotten item has no companions and is nobody's", "[cooccurrence]") {
  pairs store({.pairs = ebb::pairing::symmetric});
  const std::vector<event> events = random_events(6, 100, 3, 5, 50);
  observe(store, events);
  pairs without({.pairs = ebb::pairing::symmetric, .window = 1000});
  const ebb::time_point now(60h);
  CHECK(store.forget_item("i0"));
  CHECK_FALSE(store.forget_item("i0"));
  CHECK(store.total("i0", now) == 0);
  CHECK(store.strength("i1", "i0", now) == 0);
  CHECK(store.strength("i1", "i2", now) > 0);
  store.observe(0, "i1", now);
  CHECK(store.strength("i1", "i0", now) == 0);
}

TEST_CASE("a forgotten user's events are paired no more", "[cooccurrence]") {
  pairs store;
  store.observe(1, "a", ebb::time_point(1h));
  CHECK(store.forget_user(1));
  CHECK_FALSE(store.forget_user(1));
  store.observe(1, "b", ebb::time_point(2h));
  CHECK(store.size() == 0);
}

TEST_CASE("what a cooccurrence cannot work with is refused", "[cooccurrence]") {
  CHECK_THROWS_AS(pairs({.gap_half_life = 0h}), std::invalid_argument);
  CHECK_THROWS_AS(pairs({.gap_half_life = ebb::duration(std::numeric_limits<double>::infinity())}),
                  std::invalid_argument);
  CHECK_THROWS_AS(pairs({.half_life = -1h}), std::invalid_argument);
  CHECK_THROWS_AS(pairs({.window = 0}), std::invalid_argument);
  CHECK_THROWS_WITH(pairs({.most = 0}), "ebb::cooccurrence: most must be > 0, got 0");
  pairs store;
  CHECK_THROWS_AS(store.observe(1, "a", ebb::time_point(1h), -1.0), std::invalid_argument);
  CHECK_THROWS_AS(store.observe(1, "a", ebb::time_point(1h), std::nan("")), std::invalid_argument);
  store.observe(1, "a", ebb::time_point(1h), 0.0);
  store.observe(1, "a", ebb::time_point(1h));
  store.observe(1, "b", ebb::time_point(3h));
  CHECK_THROWS_AS(store.strength("a", "b", ebb::time_point(2h)), std::domain_error);
  CHECK(store.strength("b", "a", ebb::time_point(2h)) == 0);
}

}  // namespace cooccurrence_test
