// SPDX-License-Identifier: MIT
#include <ebb/behaviour.hpp>
#include <ebb/random.hpp>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"

namespace behaviour_test {

using namespace std::chrono_literals;
using ebb::behaviour_model;
using ebb::channel;
using ebb::signal;
using ebb::value_rule;

TEST_CASE("a behaviour without a value says its weight, in its channel", "[behaviour]") {
  const behaviour_model model;
  CHECK(model("view") == signal{0.1, 0});
  CHECK(model("purchase") == signal{1, 0});
  CHECK(model("purchase", 12) == signal{1, 0});
  CHECK(model("dislike") == signal{0, 1});
  CHECK(model("hide") == signal{0, 0.5});
}

TEST_CASE("the default weights rise with what a behaviour costs its user", "[behaviour]") {
  const behaviour_model model;
  const char* const by_cost[] = {"view", "click", "search", "like", "comment", "share", "cart", "purchase"};
  double before = 0;
  for (const char* name : by_cost) {
    CAPTURE(name);
    CHECK(model(name).interest > before);
    before = model(name).interest;
  }
}

TEST_CASE("every signal is in [0, 1] and no stronger than its weight, whatever the value", "[behaviour]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 2000; ++round) {
    const double half = std::exp(20 * random.uniform() - 10);
    const double low = 10 * random.uniform() - 5;
    const double span = 0.1 + random.uniform();
    const double theta = random.uniform();
    const channel to = random.below(2) == 0 ? channel::interest : channel::dislike;
    behaviour_model model = behaviour_model::blank();
    const auto saturating = model.set("saturating", {theta, to, value_rule::saturating(half)});
    const auto logarithmic = model.set("logarithmic", {theta, to, value_rule::logarithmic(half)});
    const auto linear = model.set("linear", {theta, to, value_rule::linear(low, low + span)});
    const auto around = model.set("around", {theta, to, value_rule::around(low, low + 0.3 * span, low + span)});
    const double free = std::exp(60 * random.uniform() - 30);
    const double bounded = low + random.uniform() * span;
    for (const signal& s : {model(saturating, free), model(logarithmic, free), model(linear, bounded),
                            model(around, bounded), model(saturating, 0), model(logarithmic, 0)}) {
      CHECK(s.interest >= 0);
      CHECK(s.dislike >= 0);
      CHECK(s.interest <= theta);
      CHECK(s.dislike <= theta);
      CHECK((s.interest == 0 || s.dislike == 0));
    }
  }
}

TEST_CASE("saturating and logarithmic values reach one half at their half and rise towards one", "[behaviour]") {
  for (const value_rule& rule : {value_rule::saturating(40.0), value_rule::logarithmic(40.0)}) {
    CHECK(rule.share(0, "x") == 0);
    CHECK(rule.share(40, "x") == Approx(0.5));
    double before = -1;
    for (double v = 0; v < 1e9; v = 2 * v + 1) {
      CHECK(rule.share(v, "x") > before);
      before = rule.share(v, "x");
    }
    CHECK(before < 1);
    CHECK(before > 0.9);
  }
  CHECK(value_rule::saturating(40.0).share(120, "x") == Approx(0.75));
  CHECK(value_rule::logarithmic(40.0).share(120, "x") == Approx(2.0 / 3));
}

TEST_CASE("values at the end of double are shares like others", "[behaviour]") {
  const double most = std::numeric_limits<double>::max();
  const double least = std::numeric_limits<double>::denorm_min();
  for (const double half : {least, 1e-300, 0.5, 1.0, 1e300, most})
    for (const double v : {0.0, least, 1e-300, 1.0, 1e300, most}) {
      INFO("half " << half << ", value " << v);
      for (const auto& rule : {value_rule::saturating(half), value_rule::logarithmic(half)}) {
        const double share = rule.share(v, "view");
        CHECK(share >= 0);
        CHECK(share <= 1);
        if (v == half) CHECK(share == 0.5);
        if (v > half) CHECK(share > 0.5);
        if (v < half) CHECK(share < 0.5);
      }
    }
  CHECK_THROWS_AS(value_rule::linear(-most, most), std::invalid_argument);
  CHECK_THROWS_AS(value_rule::around(-most, 1e308, most), std::invalid_argument);
}

TEST_CASE("a scale is read linearly, in either direction, and around a neutral point in both channels", "[behaviour]") {
  behaviour_model model = behaviour_model::blank();
  const auto stars = model.set("stars", {.weight = 0.8, .value = value_rule::linear(1, 5)});
  const auto rank = model.set("rank", {.value = value_rule::linear(10, 0)});
  CHECK(model(stars, 1).interest == 0);
  CHECK(model(stars, 4).interest == Approx(0.6));
  CHECK(model(stars, 5).interest == Approx(0.8));
  CHECK(model(rank, 0).interest == 1);
  CHECK(model(rank, 7.5).interest == Approx(0.25));

  const behaviour_model defaults;
  CHECK(defaults("rating", 5) == signal{1, 0});
  CHECK(defaults("rating", 4) == signal{0.5, 0});
  CHECK(defaults("rating", 3) == signal{0, 0});
  CHECK(defaults("rating", 2) == signal{0, 0.5});
  CHECK(defaults("rating", 1) == signal{0, 1});
}

TEST_CASE("a dwell time is a duration in any unit, never a bare number", "[behaviour]") {
  const behaviour_model model;
  CHECK(model("dwell", 30s).interest == Approx(0.25));
  CHECK(model("dwell", 30000ms) == model("dwell", 30s));
  CHECK(model("dwell", 0.5min) == model("dwell", 30s));
  CHECK_THROWS_WITH(model("dwell", 30), contains("\"dwell\" must be a length of time, got 30"));
  CHECK_THROWS_WITH(model("rating", 5s), contains("\"rating\" must be a plain number, got 5 s"));
}

TEST_CASE("an event is read by its own behaviour and value", "[behaviour]") {
  const behaviour_model model;
  const ebb::event<std::string, int> bought{.user = "ann", .item = 7, .time = {}, .behaviour = "purchase"};
  const ebb::event<std::string, int> read{.user = "ann", .item = 7, .time = {}, .behaviour = "dwell", .value = 90s};
  CHECK(model(bought).interest == 1);
  CHECK(model(read).interest == Approx(0.375));
  CHECK_FALSE(read.id.has_value());
}

TEST_CASE("an unknown behaviour is refused by name, or read as \"*\" if the host says so", "[behaviour]") {
  behaviour_model model;
  CHECK_FALSE(model.knows("hover"));
  CHECK_THROWS_AS(model("hover"), std::invalid_argument);
  CHECK_THROWS_WITH(model("hover"), contains("hover") && contains("purchase"));
  CHECK_THROWS_WITH(model.set_weight("hover", 0.5), contains("hover"));
  model.set("*", {.weight = 0.05});
  CHECK(model("hover") == signal{0.05, 0});
  CHECK(model.id("hover") == model.id("scroll"));
  CHECK(model("view") == signal{0.1, 0});
}

TEST_CASE("weights are set by name and learned as one vector, and handles stay good", "[behaviour]") {
  behaviour_model model;
  const auto click = model.id("click");
  model.set_weight("click", 0.9);
  CHECK(model(click) == signal{0.9, 0});
  CHECK(model.rule(click).weight == 0.9);
  CHECK(model.name(click) == "click");
  const auto custom = model.set("unboxing", {.weight = 0.4});
  CHECK(model.set("unboxing", {.weight = 0.5}) == custom);
  CHECK(model(click) == signal{0.9, 0});

  std::vector<double> theta(model.weights().begin(), model.weights().end());
  REQUIRE(theta.size() == model.size());
  for (double& weight : theta) weight /= 2;
  model.set_weights(theta);
  CHECK(model("click").interest == 0.45);
  CHECK(model("unboxing").interest == 0.25);
  theta[3] = 1.25;
  CHECK_THROWS_AS(model.set_weights(theta), std::invalid_argument);
  theta.pop_back();
  CHECK_THROWS_AS(model.set_weights(theta), std::invalid_argument);
  CHECK(model("click").interest == 0.45);
}

TEST_CASE("the share is the signal's derivative by its weight", "[behaviour]") {
  behaviour_model model;
  const auto dwell = model.id("dwell");
  const double before = model(dwell, 50s).interest;
  model.set_weight("dwell", 0.5 + 0.25);
  CHECK((model(dwell, 50s).interest - before) / 0.25 == Approx(model.share(dwell, 50s).interest));
}

TEST_CASE("NaN, negative and off-scale values and bad rules are refused with the behaviour's name", "[behaviour]") {
  behaviour_model model;
  model.set("watch", {.value = value_rule::logarithmic(std::chrono::minutes(5))});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinity, -1.0}) {
    CHECK_THROWS_AS(model("view", bad), std::invalid_argument);
    CHECK_THROWS_AS(model("dwell", ebb::duration(bad)), std::invalid_argument);
    CHECK_THROWS_AS(model("watch", ebb::duration(bad)), std::invalid_argument);
    CHECK_THROWS_AS(model("rating", bad), std::invalid_argument);
  }
  CHECK_THROWS_WITH(model("rating", 6), "ebb::behaviour_model: the value of \"rating\" must be on its scale, got 6");
  CHECK_THROWS_WITH(model("dwell", -2s), "ebb::behaviour_model: the value of \"dwell\" must be >= 0, got -2 s");

  for (const double bad : {-0.1, 1.1, nan}) {
    CHECK_THROWS_WITH(model.set("view", {.weight = bad}), contains("\"view\"") && contains("[0, 1]"));
    CHECK_THROWS_AS(model.set_weight("view", bad), std::invalid_argument);
  }
  CHECK(model("view").interest == 0.1);
  CHECK_THROWS_AS(model.set("", {}), std::invalid_argument);
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    CHECK_THROWS_AS(value_rule::saturating(bad), std::invalid_argument);
    CHECK_THROWS_AS(value_rule::logarithmic(ebb::duration(bad)), std::invalid_argument);
  }
  CHECK_THROWS_AS(value_rule::linear(2, 2), std::invalid_argument);
  CHECK_THROWS_AS(value_rule::linear(0, infinity), std::invalid_argument);
  CHECK_THROWS_AS(value_rule::around(1, 5, 5), std::invalid_argument);
  CHECK_THROWS_AS(value_rule::around(1, nan, 5), std::invalid_argument);
  CHECK_THROWS_AS(behaviour_model::blank()(behaviour_model::handle(0)), std::out_of_range);
}

}  // namespace behaviour_test
