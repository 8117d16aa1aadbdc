// SPDX-License-Identifier: MIT
#include "ebb/event_log.hpp"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace event_log_test {

using namespace std::chrono_literals;

namespace {

ebb::time_point at(std::chrono::seconds since_epoch) { return ebb::time_point(since_epoch); }

ebb::event_log random_log(std::uint64_t seed, int events) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < events; ++i)
    log.append("u" + std::to_string(random.below(7)), "i" + std::to_string(random.below(9)),
               at(std::chrono::seconds(random.below(50))), "view", i);
  return log;
}

}  // namespace

TEST_CASE("names get dense numbers in order of first appearance", "[event_log]") {
  ebb::name_table names;
  CHECK(names.intern("b") == 0);
  CHECK(names.intern("a") == 1);
  CHECK(names.intern("b") == 0);
  CHECK(names.size() == 2);
  CHECK(names[1] == "a");
  CHECK(names.find("a") == 1U);
  CHECK_FALSE(names.find("c").has_value());
  CHECK_THROWS_AS(names[2], std::out_of_range);
}

TEST_CASE("sorting a log is by time and stable", "[event_log]") {
  ebb::event_log log = random_log(1, 500);
  CHECK_FALSE(log.sorted());
  CHECK_FALSE(log.sort());
  CHECK(log.sorted());
  CHECK(log.sort());
  for (std::size_t i = 1; i < log.size(); ++i) {
    const bool ordered =
        log[i - 1].time < log[i].time || (log[i - 1].time == log[i].time && log[i - 1].value < log[i].value);
    REQUIRE(ordered);
  }
}

TEST_CASE("a log refuses empty names and values that are not finite", "[event_log]") {
  ebb::event_log log;
  CHECK_THROWS_AS(log.append("", "i", at(1s)), std::invalid_argument);
  CHECK_THROWS_AS(log.append("u", "", at(1s)), std::invalid_argument);
  CHECK_THROWS_AS(log.append("u", "i", at(1s), ""), std::invalid_argument);
  CHECK_THROWS_WITH(log.append("u", "i", at(1s), "view", std::nan("")), contains("a value must be finite"));
  CHECK(log.empty());
  CHECK(log.users().size() == 0);
}

TEST_CASE("the first event of each pair and the repeat share equal a count with sets", "[event_log]") {
  ebb::event_log log = random_log(2, 300);
  log.sort();
  std::map<std::pair<ebb::user_id, ebb::item_id>, std::size_t> seen;
  std::size_t repeats = 0;
  const std::vector<std::size_t> first = ebb::first_of_pair(log.events());
  for (std::size_t i = 0; i < log.size(); ++i) {
    const auto [known, is_new] = seen.try_emplace({log[i].user, log[i].item}, i);
    repeats += !is_new;
    REQUIRE(first[i] == known->second);
  }
  CHECK(ebb::repeat_share(log.events()) == Approx(static_cast<double>(repeats) / 300));
  CHECK(ebb::repeat_share(ebb::event_log{}.events()) == 0.0);
}

}  // namespace event_log_test
