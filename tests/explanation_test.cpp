// SPDX-License-Identifier: MIT
#include "ebb/explanation.hpp"

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/decay.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"

namespace explanation_test {

using namespace std::chrono_literals;

namespace {

const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);

}  // namespace

TEST_CASE("the events' contributions add up to the interest, and to what the store says", "[explanation]") {
  ebb::random_engine random(1);
  const ebb::timescales bank{6h, 48h, 1000h};
  const auto how = ebb::reading::inverse_half_life(bank);
  for (int round = 0; round < 50; ++round) {
    ebb::interest_store<int, int> store({.lanes = bank});
    std::vector<ebb::past_event> events;
    const std::uint64_t n = 1 + random.below(20);
    for (std::uint64_t i = 0; i < n; ++i) {
      events.push_back({std::to_string(i), start + std::chrono::minutes(random.below(9000)), 0.1 + random.uniform()});
      store.observe(1, 2, events.back().time, events.back().amount);
    }
    const auto why = ebb::explain_interest(events, how, start + 200h);
    double sum = 0;
    for (const auto& e : why.events) {
      sum += e.contribution;
      CHECK(e.contribution == e.amount * e.decay);
      CHECK(e.decay == how(e.age));
    }
    CHECK(sum == why.interest);
    CHECK(why.interest == Approx(store.interest(1, 2, how, start + 200h)).epsilon(1e-12));
    for (std::size_t j = 1; j < why.events.size(); ++j)
      CHECK(why.events[j].contribution <= why.events[j - 1].contribution);
  }
}

TEST_CASE("events are explained over the whole range of the clock", "[explanation]") {
  const ebb::exponential_decay<double> slow(std::chrono::years(100));
  const auto first = ebb::time_point::min() + std::chrono::seconds(1);
  const auto last = ebb::time_point::max();
  const auto why = ebb::explain_interest(std::vector<ebb::past_event>{{"used", first, 1}}, slow, last);
  const double years = std::exp2(64) / 1e9 / (365.2425 * 86400);  // the clock counts nanoseconds in 64 bits
  CHECK(why.interest == Approx(std::exp2(-years / 100)));
}

TEST_CASE("an interest explains itself in one line", "[explanation]") {
  const ebb::exponential_decay<double> week(168h);
  const std::vector<ebb::past_event> events{
      {"viewed", start + 13 * 24h, 0.2}, {"bought", start, 1}, {"viewed", start + 12 * 24h, 0.2}};
  const auto why = ebb::explain_interest(events, week, start + 14 * 24h);
  CHECK(
      ebb::one_line(why) ==
      "0.595 = bought 0.25 (1 × 0.25, 2 weeks ago) + viewed 0.181 (0.2 × 0.906, 1 day ago) + viewed 0.164 (0.2 × 0.82, "
      "2 days ago)");
  CHECK(ebb::one_line(why, 1) == "0.595 = bought 0.25 (1 × 0.25, 2 weeks ago) + 2 more 0.345");
  CHECK(ebb::one_line(ebb::explain_interest({}, week, start)) == "0 = no events");
  CHECK_THROWS_AS(ebb::explain_interest(events, week, start), std::domain_error);
  const std::vector<ebb::past_event> broken{{"viewed", start, std::nan("")}};
  CHECK_THROWS_AS(ebb::explain_interest(broken, week, start), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::explain_interest(
                        events, [](ebb::duration) { return std::nan(""); }, start + 8760h),
                    contains("decay must be in [0, 1]"));
  const std::vector<ebb::past_event> huge{{"a", start, 1e308}, {"b", start, 1e308}};
  CHECK_THROWS_WITH(ebb::explain_interest(huge, week, start), contains("interest must be finite"));
}

TEST_CASE("a recommendation explains itself in one line", "[explanation]") {
  using item = ebb::recommendation<std::string>;
  CHECK(ebb::one_line(
            item{"jazz", 0.6, {{"popularity", 1, 0.1, 0.1}, {"interest", 1, 0.8, 0.8}, {"dislike", 1, -0.3, -0.3}}}) ==
        "jazz 0.6 = interest 0.8 − dislike 0.3 + popularity 0.1");
  CHECK(ebb::one_line(item{"tea", -0.5, {{"fatigue", 1, -0.5, -0.5}, {"interest", 1, 0, 0}}}) ==
        "tea -0.5 = −fatigue 0.5");
  CHECK(ebb::one_line(item{"hit", 12345, {{"popularity", 1, 12345, 12345}}}) == "hit 12345 = popularity 12345");
  CHECK(ebb::one_line(item{"new", 0, {{"interest", 1, 0, 0}}}) == "new 0 = nothing known");
  CHECK(ebb::one_line(item{"old", 0.5, {{"popularity", 1, 0.5, 0.5}, {"interest", 1, 1e-18, 1e-18}}}) ==
        "old 0.5 = popularity 0.5");
}

TEST_CASE("lengths of time are said in their largest unit", "[explanation]") {
  CHECK(ebb::in_words(0s) == "0 s");
  CHECK(ebb::in_words(40s) == "40 s");
  CHECK(ebb::in_words(59.9s) == "1 min");
  CHECK(ebb::in_words(3min) == "3 min");
  CHECK(ebb::in_words(5h + 30min) == "5.5 h");
  CHECK(ebb::in_words(24h) == "1 day");
  CHECK(ebb::in_words(60h) == "2.5 days");
  CHECK(ebb::in_words(24h * 21) == "3 weeks");
  CHECK(ebb::in_words(std::chrono::years(150)) == "150 years");
  CHECK(ebb::in_words(ebb::duration(1e27)) == "3.2e+19 years");
  CHECK_THROWS_AS(ebb::in_words(-1s), std::invalid_argument);
}

}  // namespace explanation_test
