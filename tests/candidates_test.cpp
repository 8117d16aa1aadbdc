// SPDX-License-Identifier: MIT
#include "ebb/candidates.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "store_oracle.hpp"

namespace candidates_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;

}  // namespace

TEST_CASE("the hottest items are those of a full sort by heat", "[candidates]") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    ebb::random_engine random(seed);
    store s(oracle::random_options(random));
    const auto log = oracle::random_log(random, 80, 4, 20);
    oracle::replay(s, log);
    const auto now = oracle::newest(log) + 1h;
    const auto how = oracle::random_reading(random, s.lanes());
    std::set<int> items;
    for (const auto& e : log) items.insert(e.item);
    const auto all = ebb::hottest_items(s, 1000, how, now);
    CHECK(std::set<int>(all.begin(), all.end()) == items);
    for (std::size_t i = 1; i < all.size(); ++i) CHECK(s.heat(all[i - 1], how, now) >= s.heat(all[i], how, now));
    const auto five = ebb::hottest_items(s, 5, how, now);
    CHECK(five == std::vector<int>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(five.size())));
  }
}

TEST_CASE("items too old for any heat still come in the order of exact arithmetic", "[candidates]") {
  store s({.lanes = ebb::timescales{1s}});
  for (const int item : {3, 1, 2}) s.observe(1, item, day(item));
  const ebb::reading how(1s);
  CHECK(s.heat(3, how, day(400)) == 0);
  CHECK(ebb::hottest_items(s, 3, how, day(400)) == std::vector<int>{3, 2, 1});
}

TEST_CASE("own items come first, the most recent ones before, and nothing twice", "[candidates]") {
  store s({.lanes = ebb::timescales{24h}, .dislike_half_life = 24h});
  s.observe(1, 10, day(3));
  s.observe(1, 11, day(1));
  s.observe(1, 12, day(2));
  s.observe(1, 11, day(4));
  s.dislike(1, 13, day(4));  // disliked, never used
  s.observe(2, 14, day(1));
  CHECK(ebb::with_own_items(s, 1, {14, 10, 13, 99}) == std::vector<int>{11, 10, 12, 14, 13, 99});
  CHECK(ebb::with_own_items(s, 3, {14, 10}) == std::vector<int>{14, 10});
  CHECK(ebb::with_own_items(s, 2, {}) == std::vector<int>{14});
}

TEST_CASE("hottest items refuse what the store cannot answer", "[candidates]") {
  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 10, day(3));
  CHECK(ebb::hottest_items(s, 0, ebb::reading(24h), day(3)).empty());
  CHECK_THROWS_AS(ebb::hottest_items(s, 3, ebb::reading(24h), day(2)), std::domain_error);
  CHECK(ebb::hottest_items(s, 3, ebb::reading(24h), day(3) - 1min) ==
        ebb::hottest_items(s, 3, ebb::reading(24h), day(3)));
  CHECK_THROWS_AS(ebb::hottest_items(s, 3, ebb::reading(1h), day(3)), std::invalid_argument);
  CHECK_THROWS_AS(ebb::hottest_items(store({.heat = false}), 3, ebb::reading(24h), day(3)), std::logic_error);
  CHECK(ebb::hottest_items(store({.lanes = ebb::timescales{24h}}), 3, ebb::reading(24h), day(2)).empty());
}

}  // namespace candidates_test
