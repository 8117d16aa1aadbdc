// SPDX-License-Identifier: MIT
#include "ebb/adaptive.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"
#include "ebb/synthetic_log.hpp"

namespace adaptive_test {

using namespace std::chrono_literals;

namespace {

const ebb::timescales bank{1h, 24h, 240h};

using store = ebb::interest_store<std::string, std::string>;

}  // namespace

TEST_CASE("a store's chances are those of the raw events", "[adaptive]") {
  struct raw {
    std::string item;
    ebb::duration time;
  };
  std::vector<raw> events;
  ebb::random_engine random(5);
  store s({.lanes = bank});
  for (int i = 0; i < 60; ++i) {
    events.push_back({"i" + std::to_string(random.below(6)), 400'000h + random.uniform() * 300h});
    s.observe("u", events.back().item, ebb::to_time_point(events.back().time));
  }
  const ebb::duration now = 400'320h;
  const ebb::adaptive_timescales<std::string> adaptive(ebb::reading(bank, {0.5, 0.3, 0.2}), {}, 0.7);
  const std::vector<double> got = adaptive.chances("u", s, "u", ebb::to_time_point(now));
  const auto& entries = s.find("u")->entries;
  REQUIRE(got.size() == entries.size());
  const auto power = [&](const std::string& item, int k) {
    double sum = 0;
    for (const raw& e : events)
      if (e.item == item) sum += std::exp2(-((now - e.time) / bank.half_life(k)));
    return std::pow(sum, 0.7);
  };
  double all = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    double expected = 0;
    for (int k = 0; k < 3; ++k) {
      double total = 0;
      for (std::size_t j = 0; j < got.size(); ++j) total += power(s.item(entries.item(j)), k);
      expected += adaptive.prior().weights()[static_cast<std::size_t>(k)] * power(s.item(entries.item(i)), k) / total;
    }
    CHECK(got[i] == Approx(expected).epsilon(1e-9));
    all += got[i];
  }
  CHECK(all == Approx(1));
}

TEST_CASE("the decay a user has at a moment ranks the store as the chances do", "[adaptive]") {
  ebb::random_engine random(6);
  store s({.lanes = bank});
  ebb::adaptive_timescales<std::string> adaptive(ebb::reading(bank, {0.4, 0.3, 0.3}));
  ebb::time_point now{400'000h};
  for (int i = 0; i < 300; ++i) {
    now += std::chrono::minutes(random.below(2000));
    const std::vector<std::string> item{"i" + std::to_string(random.below(12))};
    adaptive.learn("u", s, "u", item, now);
    s.observe("u", item.front(), now);
  }
  CHECK(adaptive.of("u").state().rounds > 200);
  now += 5h;
  const std::vector<double> p = adaptive.chances("u", s, "u", now);
  const auto top = s.top("u", 12, adaptive.decay("u", s, "u", now), now);
  REQUIRE(top.size() == p.size());
  std::vector<double> in_order;
  for (const auto& ranked : top) in_order.push_back(p.at(s.find("u")->entries.find(*s.handle(ranked.item))));
  for (std::size_t r = 1; r < p.size(); ++r) CHECK(in_order[r - 1] >= in_order[r]);
  CHECK(in_order[0] / in_order[5] == Approx(top[0].interest / top[5].interest));
}

TEST_CASE("what is no return, or no choice, teaches nothing", "[adaptive]") {
  store s({.lanes = bank, .dislike_half_life = 24h});
  ebb::adaptive_timescales<std::string> adaptive(ebb::reading(bank, {0.4, 0.3, 0.3}));
  const std::vector<std::string> a{"a"};
  const std::vector<std::string> c{"c"};
  CHECK(adaptive.learn("u", s, "u", a, ebb::time_point(1h)) == 0);
  s.observe("u", "a", ebb::time_point(1h));
  CHECK(adaptive.learn("u", s, "u", a, ebb::time_point(2h)) == 0);
  s.observe("u", "b", ebb::time_point(2h));
  s.dislike("u", "c", ebb::time_point(2h));
  CHECK(adaptive.learn("u", s, "u", c, ebb::time_point(3h)) == 0);
  CHECK(adaptive.all().empty());
  CHECK(adaptive.learn("u", s, "u", a, ebb::time_point(3h)) > 0);
  CHECK(adaptive.all().size() == 1);
  CHECK(adaptive.chances("nobody", s, "nobody", ebb::time_point(3h)).empty());
  const ebb::reading fresh = adaptive.decay("nobody", s, "nobody", ebb::time_point(3h));
  CHECK(std::equal(fresh.weights().begin(), fresh.weights().end(), adaptive.prior().weights().begin()));
}

TEST_CASE("keys learn apart, and what they learned can be put away and taken up", "[adaptive]") {
  store s({.lanes = bank});
  ebb::adaptive_timescales<std::string> adaptive(ebb::reading(bank, {0.4, 0.3, 0.3}));
  const std::vector<std::string> items{"a"};
  s.observe("u", "a", ebb::time_point(1h));
  s.observe("u", "b", ebb::time_point(50h));
  for (int i = 0; i < 5; ++i) adaptive.learn("u, films", s, "u", items, ebb::time_point(std::chrono::hours(60 + i)));
  CHECK(adaptive.of("u, films").weights()[2] > 0.3);  // only the slow lane gave "a" a chance
  CHECK(adaptive.of("u, books").weights()[2] == 0.3);
  ebb::adaptive_timescales<std::string> copy(adaptive.prior());
  copy.restore("u, films", adaptive.of("u, films").state());
  CHECK(copy.of("u, films").weights()[2] == adaptive.of("u, films").weights()[2]);
  CHECK(copy.learn("u, films", s, "u", items, ebb::time_point(70h)) ==
        adaptive.learn("u, films", s, "u", items, ebb::time_point(70h)));
  CHECK(copy.forget("u, films"));
  CHECK_FALSE(copy.forget("u, films"));
  CHECK(copy.of("u, films").state().rounds == 0);
}

TEST_CASE("users' own half-lives are recovered", "[adaptive]") {
  ebb::synthetic_options options;
  options.groups = {{"fast", 12h, 15}, {"middle", std::chrono::days(3), 15}, {"slow", std::chrono::days(30), 15}};
  options.item_rhythm = 0;  // the chances do not know of it
  options.events_a_day = 4;
  const auto lanes = ebb::timescales::log_spaced(3h, std::chrono::days(192), 10);  // each 2.07 times the one before
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const ebb::synthetic_log made = ebb::make_synthetic_log(seed, options);
    ebb::interest_store<ebb::user_id, ebb::item_id> s({.lanes = lanes, .heat = false});
    ebb::adaptive_timescales<ebb::user_id> adaptive(ebb::reading(lanes, std::vector<double>(10, 0.1)), {.rate = 0.1});
    for (const ebb::logged_event& event : made.log.events()) {
      adaptive.learn(event.user, s, event.user, std::array{event.item}, event.time);
      s.observe(event.user, event.item, event.time);
    }
    std::vector<std::vector<double>> found(options.groups.size());
    for (const auto& [user, learner] : adaptive.all()) {
      double mean = 0;  // of ln h
      for (int k = 0; k < lanes.size(); ++k)
        mean += learner.weights()[static_cast<std::size_t>(k)] * std::log(lanes.half_life(k).count());
      found[made.users[user].group].push_back(std::exp(mean));
    }
    for (std::size_t g = 0; g < found.size(); ++g) {
      REQUIRE(found[g].size() == 15);
      std::nth_element(found[g].begin(), found[g].begin() + 7, found[g].end());
      const double off = found[g][7] / options.groups[g].half_life.count();
      INFO(options.groups[g].name << ' ' << off);
      CHECK(off < 1.5);
      CHECK(off > 1 / 1.5);
    }
  }
}

TEST_CASE("adaptive timescales refuse what they cannot mean", "[adaptive]") {
  CHECK_THROWS_AS(ebb::adaptive_timescales<int>(ebb::reading(bank, {0.4, 0.3, 0.3}), {}, 0), std::invalid_argument);
  ebb::adaptive_timescales<std::string> adaptive(ebb::reading(bank, {0.4, 0.3, 0.3}));
  store s({.lanes = bank});
  s.observe("u", "a", ebb::time_point(10h));
  CHECK_THROWS_AS(adaptive.chances("u", s, "u", ebb::time_point(9h)), std::domain_error);
  CHECK_THROWS_AS(adaptive.chances("u", store(), "u", ebb::time_point(9h)), std::invalid_argument);
}

}  // namespace adaptive_test
