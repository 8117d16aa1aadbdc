// SPDX-License-Identifier: MIT
#include "ebb/sharded_store.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "ebb/intake.hpp"
#include "store_oracle.hpp"

namespace sharded_store_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using plain = ebb::interest_store<int, int>;
using sharded = ebb::sharded_store<int, int>;

const ebb::reading how(24h);
const ebb::store_options options{.lanes = {24h}, .dislike_half_life = 24h};

void check_same(const plain& a, const plain& b, ebb::time_point now) {
  CHECK((a.users() == b.users() && a.size() == b.size()));
  for (const auto& [user, state] : b.all_users()) {
    CHECK(a.find(user)->events == state.events);
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const int item = b.item(state.entries.item(i));
      CHECK(a.interest(user, item, how, now) == Approx(b.interest(user, item, how, now)).epsilon(1e-13));
      CHECK(a.heat(item, how, now) == Approx(b.heat(item, how, now)).epsilon(1e-12).margin(1e-12));
      CHECK(a.dislike_of(user, item, now) == Approx(b.dislike_of(user, item, now)).epsilon(1e-13));
    }
  }
}

std::uint32_t count(const plain& s, int user, int item) {
  const auto* const state = s.find(user);
  const auto handle = s.handle(item);
  if (state == nullptr || !handle) return 0;
  const std::size_t i = state->entries.find(*handle);
  return i == plain::table::npos ? 0 : state->entries.count(i);
}

}  // namespace

TEST_CASE("a sharded store answers as one store does", "[sharded_store]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ebb::random_engine random(seed);
    const auto log = oracle::random_log(random, 400, 30, 10, true);
    plain one(options);
    sharded many(options, 1 + random.below(8));
    oracle::replay(one, log);
    oracle::replay(many, log);
    const auto now = day(1001);
    check_same(many.snapshot(), one, now);
    CHECK((many.users() == one.users() && many.size() == one.size() && many.bytes() > 0));
    for (const auto& [user, item] : oracle::pairs(log)) {
      CHECK(many.interest(user, item, how, now) == one.interest(user, item, how, now));
      CHECK(many.heat(item, how, now) == Approx(one.heat(item, how, now)));
      CHECK(many.top(user, 1, how, now)[0].item == one.top(user, 1, how, now)[0].item);
      CHECK(many.contains(user));
    }
    const auto& e = log[0];
    if (!e.dislike)
      CHECK(many.retract(e.user, e.item, e.time, e.amount) == one.retract(e.user, e.item, e.time, e.amount));
    CHECK(many.forget_user(1) == one.forget_user(1));
    CHECK(many.forget_item(2) == one.forget_item(2));
    check_same(many.snapshot(), one, now);
    CHECK(many.prune(how, now, 0.0, 3).size() == one.prune(how, now, 0.0, 3).size());
    CHECK(many.size() == one.size());
  }
}

TEST_CASE("a store dealt out to shards and joined again is the same", "[sharded_store]") {
  ebb::random_engine random(5);
  plain one(options);
  oracle::replay(one, oracle::random_log(random, 500, 40, 10, true));
  sharded many(one, 7);
  check_same(many.snapshot(), one, day(1001));
  many.merge(one);
  plain twice = one;
  twice.merge(one);
  check_same(many.snapshot(), twice, day(1001));
  CHECK(many.forget_user(3));
  CHECK(twice.forget_user(3));
  check_same(many.snapshot(), twice, day(1001));
  CHECK_THROWS_AS(many.merge(plain({.lanes = {25h}})), std::invalid_argument);
  CHECK_THROWS_AS(sharded(options, 0), std::invalid_argument);
}

TEST_CASE("after a store is dealt out events are taken back as before", "[sharded_store]") {
  plain one(options);
  for (const int d : {1, 2, 3}) one.observe(1, 1, day(d));
  for (const int d : {1, 2}) one.observe(2, 1, day(d));
  sharded many(one, 4);
  REQUIRE(many.retract(1, 1, day(3)));
  CHECK(many.heat(1, how, day(3)) == Approx(0.75 + 0.75));
  REQUIRE(many.forget_user(2));
  CHECK(many.heat(1, how, day(3)) == Approx(0.75));
  REQUIRE(many.retract(1, 1, day(2)));
  CHECK(many.heat(1, how, day(3)) == Approx(0.25));
}

TEST_CASE("a dealt out store is taken back from in any order as one store is", "[sharded_store]") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ebb::random_engine random(seed);
    auto wanted = options;
    wanted.recent = 1 + static_cast<int>(random.below(3));
    wanted.lanes = ebb::timescales::log_spaced(24h, 2400h, 1 + 1 + static_cast<int>(random.below(3)));
    const auto reading = ebb::reading::inverse_half_life(wanted.lanes);
    plain one(wanted);
    auto log = oracle::random_log(random, 60, 5, 4, true);
    oracle::replay(one, log);
    const auto now = oracle::newest(log);
    const bool prunes = random.below(2) == 0;
    if (prunes) one.prune(reading, now, 0.01);
    sharded many(one, 1 + random.below(5));
    const auto check = [&] {
      for (int item = 0; item < 4; ++item)
        CHECK(many.heat(item, reading, now) == Approx(one.heat(item, reading, now)).epsilon(1e-9).margin(1e-11));
    };
    CAPTURE(seed, prunes);
    check();
    for (int step = 0; step < 30; ++step) {
      if (log.empty()) break;
      const std::size_t i = random.below(log.size());
      const auto e = log[i];
      const std::uint64_t what = random.below(12);
      CAPTURE(step, what);
      if (what < 9) {
        const bool taken = oracle::retract(one, e);
        CHECK(oracle::retract(many, e) == taken);
        if (taken) log.erase(log.begin() + static_cast<std::ptrdiff_t>(i));
      } else if (what == 9) {
        CHECK(many.forget_user(e.user) == one.forget_user(e.user));
        std::erase_if(log, [&](const auto& other) { return other.user == e.user; });
      } else {
        many = sharded(many.snapshot(), 1 + random.below(5));  // a restart
      }
      check();
    }
  }
}

TEST_CASE("the heat of pruned entries survives a restart", "[sharded_store]") {
  sharded live(options, 4);
  for (int user = 0; user < 100; ++user) {
    live.observe(user, 7, day(1));
    live.observe(user, 8, day(3));
  }
  CHECK(live.prune(how, day(3), 0.3).size() == 100);
  const sharded restored(live.snapshot(), 4);
  CHECK(live.heat(7, how, day(3)) == Approx(25));
  CHECK(restored.heat(7, how, day(3)) == Approx(25));
  CHECK(restored.heat(8, how, day(3)) == Approx(100));
  CHECK(sharded(restored.snapshot(), 3).heat(7, how, day(3)) == Approx(25));
}

TEST_CASE("a shard gets the items its users have and no others", "[sharded_store]") {
  sharded live({}, 64);
  for (int user = 0; user < 1000; ++user)
    for (int i = 0; i < 20; ++i) live.observe(user, user * 20 + i, day(1));
  const sharded restored(live.snapshot(), 64);
  CHECK(restored.bytes() < live.bytes() * 5 / 4);
}

TEST_CASE("pruning a sharded store does not stop at a newer event", "[sharded_store]") {
  sharded s(options, 8);
  for (int user = 0; user < 800; ++user) s.observe(user, 1, day(0));
  s.observe(12345, 1, day(10) + 1s);
  CHECK(s.prune(how, day(10), 0.5).size() == 800);
  CHECK(s.size() == 1);
}

TEST_CASE("braces mean default options, never a store", "[sharded_store]") { CHECK(sharded({}, 16).shards() == 16); }

TEST_CASE("an intake may stand before a sharded store", "[sharded_store]") {
  sharded s(options);
  ebb::event_intake<sharded> door(s);
  CHECK(door.offer(1, 1, day(1), day(1)) == ebb::intake_result::recorded);
  CHECK(s.interest(1, 1, how, day(2)) == Approx(0.5));
}

TEST_CASE("many writers at once lose nothing and double nothing", "[sharded_store]") {
  constexpr int writers = 6;
  constexpr int events = 3000;
  sharded s(options, 4);
  std::vector<std::vector<oracle::event>> logs;
  for (int w = 0; w < writers; ++w) {
    ebb::random_engine random(static_cast<std::uint64_t>(w));
    logs.push_back(oracle::random_log(random, events, 20, 10, true));
  }
  std::vector<std::thread> threads;
  for (const auto& log : logs)
    threads.emplace_back([&s, &log] {
      oracle::replay(s, log);
      for (std::size_t i = 0; i < log.size(); i += 10)  // and take some of it back
        if (!log[i].dislike) s.retract(log[i].user, log[i].item, log[i].time, log[i].amount);
    });
  for (auto& t : threads) t.join();
  plain truth(options);
  for (auto& log : logs) {
    std::vector<oracle::event> kept;
    for (std::size_t i = 0; i < log.size(); ++i)
      if (i % 10 != 0 || log[i].dislike) kept.push_back(log[i]);
    oracle::replay(truth, kept);
  }
  const auto now = day(1001);
  const auto whole = s.snapshot();
  CHECK(whole.size() == truth.size());
  for (const auto& [user, state] : truth.all_users()) {
    CHECK(whole.find(user)->events == state.events);
    for (int item = 0; item < 10; ++item)
      CHECK(whole.interest(user, item, how, now) == Approx(truth.interest(user, item, how, now)).margin(1e-9));
  }
}

TEST_CASE("readers, writers, forgetters and snapshots together see each user at one moment", "[sharded_store]") {
  // Each writer owns users and gives item 1, then item 2, one event each in two steps, and items 3 and 4 in one step.
  // So whoever looks at one moment sees count(2) <= count(1) <= count(2) + 1 and count(3) == count(4), and counts only grow.
  constexpr int writers = 3;
  constexpr int users = 4;  // per writer
  constexpr int least_rounds = 200;
  sharded s(options, 3);
  std::atomic<int> writing{writers};
  std::atomic<int> wrong{0};
  std::atomic<int> snapshots{0};
  std::atomic<long> reads{0};
  const auto is_consistent = [](const plain& store, int user) {
    const auto one = count(store, user, 1);
    const auto two = count(store, user, 2);
    return two <= one && one <= two + 1 && count(store, user, 3) == count(store, user, 4);
  };
  std::vector<std::uint32_t> rounds(writers, 0);
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      int round = 0;
      // On until the others have had their turns, however the threads are scheduled.
      for (; round < least_rounds || snapshots < 5 || reads < 200; ++round)
        for (int u = w * users; u < (w + 1) * users; ++u) {
          s.observe(u, 1, day(round % 1000));
          s.observe(u, 2, day(round % 1000));
          s.update(u, [&](plain& store) {
            store.observe(u, 3, day(round % 1000));
            store.observe(u, 4, day(round % 1000));
          });
        }
      rounds[static_cast<std::size_t>(w)] = static_cast<std::uint32_t>(round);
      --writing;
    });
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&, r] {
      std::vector<std::uint32_t> before(writers * users, 0);
      for (int u = r; writing > 0; u = (u + 1) % (writers * users)) {
        const auto now = s.read(u, [&](const plain& store) {
          if (!is_consistent(store, u)) ++wrong;
          return count(store, u, 1);
        });
        if (now < before[static_cast<std::size_t>(u)]) ++wrong;
        before[static_cast<std::size_t>(u)] = now;
        if (s.top(u, 2, how, day(1000)).size() > 2) ++wrong;
        if (!(s.heat(1, how, day(1000)) >= 0)) ++wrong;
        ++reads;
      }
    });
  threads.emplace_back([&] {
    while (writing > 0) {
      const auto whole = s.snapshot();
      for (int u = 0; u < writers * users; ++u)
        if (!is_consistent(whole, u)) ++wrong;
      ++snapshots;
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; writing > 0; ++i) {  // users of nobody else, come and gone
      s.observe(1000 + i % 50, 1, day(0));
      s.dislike(1000 + i % 50, 5, day(0));
      s.forget_user(1000 + (i + 25) % 50);
    }
    for (int i = 0; i < 50; ++i) s.forget_user(1000 + i);
  });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
  const auto end = s.snapshot();
  CHECK(end.users() == writers * users);
  for (int u = 0; u < writers * users; ++u)
    for (int item = 1; item <= 4; ++item) CHECK(count(end, u, item) == rounds[static_cast<std::size_t>(u / users)]);
  CHECK(end.heat_entries().count(*end.handle(1)) == users * std::accumulate(rounds.begin(), rounds.end(), 0U));
}

TEST_CASE("a stream of readers does not keep a writer out", "[sharded_store]") {
  sharded s(options, 1);
  s.observe(1, 1, day(0));
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int r = 0; r < 4; ++r)
    readers.emplace_back([&] {
      while (!done) s.read(1, [](const plain& store) { return store.users(); });
    });
  for (int i = 0; i < 1000; ++i) s.observe(1, 1, day(i));
  done = true;
  for (auto& t : readers) t.join();
  CHECK(s.read(1, [](const plain& store) { return count(store, 1, 1); }) == 1001);
}

TEST_CASE("a batch dealt out to shards leaves what one store would have", "[sharded_store]") {
  ebb::random_engine random(5);
  std::vector<ebb::use<int, int>> uses;
  for (int i = 0; i < 3000; ++i)
    uses.push_back({static_cast<int>(random.below(90)), static_cast<int>(random.below(60)),
                    day(0) + std::chrono::minutes(random.below(100'000)), 0.5 + random.uniform()});
  for (const std::size_t shards : {1U, 2U, 7U, 64U}) {
    ebb::sharded_store<int, int> dealt({}, shards);
    ebb::interest_store<int, int> whole;
    for (std::size_t i = 0; i < uses.size(); i += 250) dealt.observe(std::span(uses).subspan(i, 250));
    for (const auto& u : uses) whole.observe(u.user, u.item, u.time, u.amount);
    const ebb::reading lane = ebb::reading::lane(whole.lanes(), 5);
    CHECK(dealt.size() == whole.size());
    for (int user = 0; user < 90; ++user)
      for (int item = 0; item < 60; ++item)
        REQUIRE(dealt.interest(user, item, lane, day(100)) == whole.interest(user, item, lane, day(100)));
  }
  ebb::sharded_store<int, int> store({}, 4);
  uses.back().amount = -1;
  CHECK_THROWS_AS(store.observe(uses), std::invalid_argument);
  CHECK(store.users() == 0);
}

TEST_CASE("batches from several threads all arrive, while others read", "[sharded_store]") {
  ebb::sharded_store<int, int> store({.lanes = {24h}}, 8);
  constexpr int threads = 3;
  constexpr int batches = 40;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t)
    running.emplace_back([&store, t] {
      std::vector<ebb::use<int, int>> uses;
      for (int b = 0; b < batches; ++b) {
        uses.clear();
        for (int i = 0; i < 50; ++i) uses.push_back({i % 23, (i * 7 + b + t) % 31, day(b)});
        store.observe(uses);
        static_cast<void>(store.top(b % 23, 3, ebb::reading(24h), day(1000)));
      }
    });
  for (std::thread& thread : running) thread.join();
  std::uint64_t events = 0;
  store.visit([&](const auto& shard) {
    for (const auto& [user, state] : shard.all_users()) events += state.events;
  });
  CHECK(events == std::uint64_t{threads} * batches * 50);
}

}  // namespace sharded_store_test
