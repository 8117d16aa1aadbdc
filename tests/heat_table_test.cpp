// SPDX-License-Identifier: MIT
#include "ebb/heat_table.hpp"

#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/candidates.hpp"
#include "ebb/ranker.hpp"
#include "ebb/sharded_store.hpp"
#include "ebb/store_terms.hpp"
#include "store_oracle.hpp"

namespace heat_table_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;
using shards = ebb::sharded_store<int, int>;
using table = ebb::heat_table<int>;

}  // namespace

TEST_CASE("a table of everybody is the sum over the raw events, from one store and from shards", "[heat_table]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    ebb::random_engine random(seed);
    const ebb::store_options options{.lanes = ebb::timescales{200h, 2000h}};
    store whole(options);
    shards many(options, 1 + random.below(5));
    const auto log = oracle::random_log(random, 80, 6, 12);
    oracle::replay(whole, log);
    for (const auto& e : log) many.observe(e.user, e.item, e.time, e.amount);
    const auto now = oracle::newest(log) + 1h;
    const auto how = oracle::random_reading(random, options.lanes);
    const table a = table::of_everybody(whole, how, now);
    const table b = table::of_everybody(many, how, now);
    std::set<int> used;
    for (const auto& e : log) used.insert(e.item);
    CHECK(a.size() == used.size());
    CHECK(b.size() == used.size());
    for (int item = 0; item < 14; ++item) {
      const auto truth = Approx(static_cast<double>(oracle::heat(log, item, how, now))).epsilon(1e-12);
      CHECK(a.heat(item) == truth);
      CHECK(b.heat(item) == truth);
    }
    CHECK(a.hottest(5) == ebb::hottest_items(whole, 5, how, now));
    const std::vector<int> users{1, 3, 99, 1};
    const table some = table::of_users(whole, users, how, now);
    const table same = table::of_users(many, users, how, now);
    for (int item = 0; item < 14; ++item) {
      long double sum = 0;
      for (const int user : users) sum += oracle::interest(log, user, item, how, now);
      CHECK(some.heat(item) == Approx(static_cast<double>(sum)).epsilon(1e-12));
      CHECK(same.heat(item) == Approx(static_cast<double>(sum)).epsilon(1e-12));
    }
  }
}

TEST_CASE("the hottest come first, ties by the more recent use", "[heat_table]") {
  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 10, day(0), 2);
  s.observe(1, 11, day(1), 1);
  s.observe(1, 12, day(1), 1.5);
  const table t = table::of_everybody(s, ebb::reading(24h), day(2));
  CHECK(t.heat(10) == t.heat(11));
  CHECK(t.hottest(10) == std::vector<int>{12, 11, 10});
  CHECK(t.hottest(1) == std::vector<int>{12});
  CHECK(table().hottest(3).empty());
  CHECK(table().heat(10) == 0);
}

TEST_CASE("a ranking beside shards scores popularity and friends as one beside the whole store", "[heat_table]") {
  const ebb::reading how(24h);
  store whole({.lanes = how.bank()});
  shards many({.lanes = how.bank()}, 4);
  ebb::random_engine random(5);
  const auto log = oracle::random_log(random, 200, 20, 10);
  oracle::replay(whole, log);
  for (const auto& e : log) many.observe(e.user, e.item, e.time, e.amount);
  const auto now = oracle::newest(log) + 1h;
  const auto friends_of = [](int user) { return std::vector<int>{(user + 1) % 20, (user + 7) % 20}; };

  ebb::ranker<store> by_store;
  by_store.add(ebb::heat_term(how)).add(ebb::friends_term(how, friends_of));
  const auto everybody = std::make_shared<const table>(table::of_everybody(many, how, now));
  for (int user = 0; user < 20; ++user) {
    const auto friends = std::make_shared<const table>(table::of_users(many, friends_of(user), how, now));
    ebb::ranker<store> by_table;
    by_table.add(ebb::heat_table_term([&](int) { return everybody; }))
        .add(ebb::heat_table_term([&](int) { return friends; }, "friends"));
    const std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 77};
    const auto a = by_store.rank(whole, user, now, items);
    const auto b = many.read(user, [&](const store& shard) { return by_table.rank(shard, user, now, items); });
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].item == b[i].item);
      for (std::size_t j = 0; j < 2; ++j) CHECK(a[i].why[j].amount == Approx(b[i].why[j].amount).epsilon(1e-12));
    }
  }
  ebb::ranker<store> of_nobody;
  of_nobody.add(ebb::heat_table_term([](int) { return std::shared_ptr<const table>(); }));
  CHECK(of_nobody.rank(whole, 1, now, std::vector<int>{1}).front().score == 0);
}

TEST_CASE("a table refuses what the store cannot answer", "[heat_table]") {
  const ebb::reading how(24h);
  shards many({.lanes = how.bank()}, 4);
  many.observe(1, 10, day(3));
  CHECK(table::of_everybody(many, how, day(3) - 1min).heat(10) == 1);
  CHECK(table::of_users(many, std::vector<int>{1}, how, day(3) - 1min).heat(10) == 1);
  CHECK_THROWS_AS(table::of_everybody(many, how, day(3) - 61s), std::domain_error);
  CHECK_THROWS_AS(table::of_users(many, std::vector<int>{1}, how, day(3) - 61s), std::domain_error);
  CHECK_THROWS_AS(table::of_everybody(many, ebb::reading(48h), day(4)), std::invalid_argument);
  CHECK_THROWS_WITH(table::of_everybody(many, how, day(4), -1s), contains("ahead must be finite and >= 0"));
  const store without({.lanes = how.bank(), .heat = false});
  CHECK_THROWS_WITH(table::of_everybody(without, how, day(4)), contains("must keep heat"));
  many.read(1, [&](const store& shard) {
    CHECK_THROWS_WITH(table::of_everybody(shard, how, day(4)), contains("one shard of several"));
    CHECK_THROWS_AS(table::of_users(shard, std::vector<int>{1}, how, day(4)), std::logic_error);
  });
}

}  // namespace heat_table_test
