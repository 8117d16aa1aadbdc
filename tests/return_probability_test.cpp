// SPDX-License-Identifier: MIT
#include "ebb/return_probability.hpp"

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/sharded_store.hpp"

namespace return_probability_test {

using namespace std::chrono_literals;

namespace {

using store = ebb::interest_store<std::string, std::string>;

const ebb::timescales lanes{1h, 24h, 96h, 400h, 1600h, 6400h};

ebb::return_probability_state state_of(ebb::duration horizon) {
  constexpr Eigen::Index n = ebb::return_probability::features;
  ebb::logistic_state learned{{Eigen::VectorXd::Ones(n), Eigen::VectorXd::Zero(n), Eigen::VectorXd::Zero(n)},
                              Eigen::VectorXd::LinSpaced(n, -0.2, 0.3),
                              -1.0};
  return {horizon, lanes, learned, {{-4, 0, 2}, {0.01, 0.2, 0.6}}, 1, 1};
}

}  // namespace

TEST_CASE("the features of a return are those of the raw events", "[return_probability]") {
  struct raw {
    std::string user, item;
    ebb::duration time;
  };
  ebb::random_engine random(1);
  std::vector<raw> events;
  store s({.lanes = lanes, .first_use = true});
  for (int i = 0; i < 120; ++i) {
    events.push_back({"u" + std::to_string(random.below(3)), "i" + std::to_string(random.below(6)),
                      400'000h + random.uniform() * 200h});
    s.observe(events.back().user, events.back().item, ebb::to_time_point(events.back().time));
  }
  const ebb::duration now = 400'201h;
  for (const auto& [user, state] : s.all_users()) {
    const Eigen::MatrixXd x =
        ebb::return_probability::read(s, state, ebb::to_time_point(now), lanes, ebb::duration(25h));
    REQUIRE(x.rows() == 11);
    for (Eigen::Index i = 0; i < x.cols(); ++i) {
      const std::string& item = s.item(state.entries.item(static_cast<std::size_t>(i)));
      const auto sum = [&](ebb::duration half_life, const std::string& of_user, const std::string& of_item) {
        double total = 0;
        for (const raw& e : events)
          if ((of_user.empty() || e.user == of_user) && (of_item.empty() || e.item == of_item))
            total += std::exp2(-((now - e.time) / half_life));
        return std::log(total);
      };
      double uses = 0;
      ebb::duration first{1e12}, last{0}, newest{0};
      for (const raw& e : events) {
        if (e.user != user) continue;
        newest = std::max(newest, e.time);
        if (e.item != item) continue;
        first = std::min(first, e.time);
        last = std::max(last, e.time);
        ++uses;
      }
      CHECK(x(0, i) == Approx(sum(24h, user, item)));
      CHECK(x(1, i) == Approx(sum(96h, user, item)));
      CHECK(x(2, i) == Approx(sum(400h, user, item)));
      CHECK(x(3, i) == Approx(sum(1600h, user, item)));
      CHECK(x(4, i) == Approx(sum(6400h, user, item)));
      CHECK(x(5, i) == Approx(std::log(uses / (now - first + 16 * ebb::duration(25h)).count())));
      CHECK(x(6, i) == Approx(std::log1p((now - last).count())));
      CHECK(x(7, i) == Approx(std::log1p((now - newest).count())));
      CHECK(x(8, i) == Approx(sum(24h, user, "")));
      CHECK(x(9, i) == Approx(sum(96h, user, "")));
      CHECK(x(10, i) == Approx(sum(96h, "", item)));
    }
  }
}

TEST_CASE("the probability of a pair is its place among all of the user's", "[return_probability]") {
  store s({.lanes = lanes, .first_use = true, .dislike_half_life = 24h});
  for (int i = 0; i < 20; ++i) s.observe("u", "i" + std::to_string(i % 4), ebb::time_point(std::chrono::hours(i * i)));
  s.dislike("u", "bad", ebb::time_point(400h));
  const ebb::return_probability model(state_of(24h));
  const std::vector<double> all = model.all(s, "u", ebb::time_point(401h));
  REQUIRE(all.size() == 5);
  for (int i = 0; i < 4; ++i) {
    const auto one = model(s, "u", "i" + std::to_string(i), ebb::time_point(401h));
    REQUIRE(one);
    CHECK(*one > 0);
    CHECK(*one < 1);
    CHECK(*one == all[s.find("u")->entries.find(*s.handle("i" + std::to_string(i)))]);
  }
  CHECK(all[s.find("u")->entries.find(*s.handle("bad"))] == 0);
  CHECK_FALSE(model(s, "u", "bad", ebb::time_point(401h)));
  CHECK_FALSE(model(s, "u", "new", ebb::time_point(401h)));
  CHECK_FALSE(model(s, "v", "i0", ebb::time_point(401h)));
  CHECK(model.all(s, "v", ebb::time_point(401h)).empty());
  for (const double p : model.all(s, "u", ebb::time_point(std::chrono::years(40)))) CHECK(std::isfinite(p));
}

TEST_CASE("the share weighs the log-odds of the learned and the plain part", "[return_probability]") {
  ebb::return_probability_state state = state_of(24h);
  Eigen::MatrixXd x = Eigen::MatrixXd::Random(ebb::return_probability::features, 40);
  const auto log_odds = [](double p) { return std::log(p / (1 - p)); };
  for (const double share : {0.0, 0.25, 1.0})
    for (const int lane : {0, 1, 4}) {
      state.share = share;
      state.plain_lane = lane;
      const Eigen::VectorXd p = ebb::return_probability(state)(x);
      for (Eigen::Index i = 0; i < x.cols(); ++i) {
        double learned = state.learned.bias;
        for (Eigen::Index f = 0; f < x.rows(); ++f) learned += state.learned.weights[f] * x(f, i);
        const double at = x(lane, i);  // between the corners −4 and 2
        const double plain = at < 0 ? 0.2 + at / 4 * 0.19 : 0.2 + at / 2 * 0.4;
        CHECK(log_odds(p[i]) == Approx(share * learned + (1 - share) * log_odds(plain)).margin(1e-9));
      }
    }
  state.share = 1.1;
  CHECK_THROWS_AS(ebb::return_probability(state), std::invalid_argument);
  state.share = std::nan("");
  CHECK_THROWS_AS(ebb::return_probability(state), std::invalid_argument);
  state = state_of(24h);
  state.plain_lane = 5;
  CHECK_THROWS_AS(ebb::return_probability(state), std::invalid_argument);
  state = state_of(24h);
  state.plain = {};
  CHECK_THROWS_AS(ebb::return_probability(state), std::invalid_argument);
}

TEST_CASE("a probability of return refuses other stores and other states", "[return_probability]") {
  store s({.lanes = lanes, .first_use = true});
  s.observe("u", "a", ebb::time_point(10h));
  const ebb::return_probability model(state_of(24h));
  CHECK_THROWS_AS(model.all(s, "u", ebb::time_point(9h)), std::domain_error);
  store other({.first_use = true});
  other.observe("u", "a", ebb::time_point(10h));
  CHECK_THROWS_AS(model.all(other, "u", ebb::time_point(11h)), std::invalid_argument);
  store cold({.lanes = lanes, .first_use = true, .heat = false});
  cold.observe("u", "a", ebb::time_point(10h));
  CHECK_THROWS_AS(model.all(cold, "u", ebb::time_point(11h)), std::invalid_argument);
  store brief({.lanes = lanes});
  brief.observe("u", "a", ebb::time_point(10h));
  CHECK_THROWS_WITH(model.all(brief, "u", ebb::time_point(11h)), contains("first uses"));
  ebb::sharded_store<std::string, std::string> shards({.lanes = lanes, .first_use = true}, 2);
  shards.observe("u", "a", ebb::time_point(10h));
  const auto ask = [&](const store& shard) { return model.all(shard, "u", ebb::time_point(11h)); };
  CHECK_THROWS_WITH(shards.read("u", ask), contains("one shard of several"));
  CHECK(ask(shards.snapshot()) == model.all(s, "u", ebb::time_point(11h)));
  CHECK_THROWS_AS(ebb::return_probability(state_of(0h)), std::invalid_argument);
  ebb::return_probability_state few = state_of(24h);
  few.learned = {
      {Eigen::VectorXd::Ones(2), Eigen::VectorXd::Zero(2), Eigen::VectorXd::Zero(2)}, Eigen::VectorXd::Ones(2), 0};
  CHECK_THROWS_AS(ebb::return_probability(few), std::invalid_argument);
}

TEST_CASE("another user's event a moment later does not stop a probability of return", "[return_probability]") {
  store s({.lanes = lanes, .first_use = true});
  s.observe("u", "a", ebb::time_point(10h));
  s.observe("v", "a", ebb::time_point(11h) + 30s);
  const ebb::return_probability model(state_of(24h));
  const auto early = model(s, "u", "a", ebb::time_point(11h));
  REQUIRE(early);
  CHECK(*early == Approx(*model(s, "u", "a", ebb::time_point(11h) + 30s)).epsilon(1e-3));
  CHECK_THROWS_AS(model.all(s, "u", ebb::time_point(11h) - 31s), std::domain_error);
}

}  // namespace return_probability_test
