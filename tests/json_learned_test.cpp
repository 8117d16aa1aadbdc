// SPDX-License-Identifier: MIT
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/json/adaptive.hpp"
#include "ebb/json/behaviour.hpp"
#include "ebb/json/behaviour_weights.hpp"
#include "ebb/json/learned_decay.hpp"
#include "ebb/json/return_probability.hpp"
#include "ebb/random.hpp"
#include "json_checks.hpp"

namespace json_learned_test {

namespace {

using namespace std::chrono_literals;
using ebb_test::check_refusals;
using ebb_test::round_trip;
using ebb_test::same_bits;
using nlohmann::json;
using store_type = ebb::interest_store<std::string, int>;

ebb::timescales some_bank() { return ebb::timescales::log_spaced(1min, 24h * 100, 5); }

ebb::time_point at(int event) { return ebb::time_point(std::chrono::minutes(137) * event); }

void tell(store_type& store, ebb::random_engine& random, int event) {
  store.observe("user " + std::to_string(random.below(4)), static_cast<int>(random.below(9)), at(event));
}

ebb::scaler_state random_scaling(Eigen::Index features) {
  ebb::random_engine random(3);
  Eigen::MatrixXd x(features, 40);
  for (double& v : x.reshaped()) v = random.normal() * 3 + 1;
  ebb::standard_scaler<double> scaler(features, {});
  scaler.observe(x);
  return scaler.state();
}

ebb::learned_decay some_decay() {
  ebb::learned_decay_state state{ebb::reading::inverse_half_life(some_bank()), 1.25, random_scaling(3), {6, 4}};
  ebb::random_engine random(8);
  state.parameters.resize(3 * 6 + 6 + 6 * 4 + 4 + 4 * 5 + 5);
  for (float& w : state.parameters) w = static_cast<float>(random.normal());
  return ebb::learned_decay(state);
}

ebb::return_probability some_probability() {
  Eigen::VectorXd weights(2 * ebb::return_probability::features);
  ebb::random_engine random(8);
  for (double& w : weights) w = random.normal();
  return ebb::return_probability({24h * 7,
                                  some_bank(),
                                  {random_scaling(ebb::return_probability::features), weights, -1 / 3.0, {0.1}},
                                  {{-3, -0.7, 1 / 7.0}, {0.01, 1 / 3.0, 1 / 3.0}},
                                  2,
                                  0.9});
}

ebb::behaviour_weights some_weights() {
  return {{{"view", 0.1, 0.05, 0.3, 1000}, {"purchase", 1, 1, 1, 7}}, 0.7, 320, {0.01, -0.002, 0.03}};
}

template <class Change>
void refused(json bad, const std::string& says, Change change) {
  change(bad);
  CHECK_THROWS_AS(bad.get<ebb::behaviour_model>(), std::invalid_argument);
  CHECK_THROWS_WITH(bad.get<ebb::behaviour_model>(), contains(says));
}

}  // namespace

TEST_CASE("adaptive weights come back and go on learning as before", "[json_learned]") {
  ebb::adaptive_weights learner({0.2, 0.3, 0.5}, {.rate = 0.3, .share = 0.01});
  ebb::random_engine random(1);
  const auto learn = [&](ebb::adaptive_weights& one, std::vector<double> chances) { return one.learn(chances); };
  for (int i = 0; i < 50; ++i) learn(learner, {random.uniform(), random.uniform(), random.uniform()});
  ebb::adaptive_weights back = round_trip(learner);
  for (int i = 0; i < 50; ++i) {
    const std::vector<double> chances{random.uniform(), random.uniform(), random.uniform()};
    CHECK(same_bits(learn(learner, chances), learn(back, chances)));
  }
  CHECK(back.state().rounds == 100);
  CHECK(same_bits(back.state().loss, learner.state().loss));
  check_refusals(learner);
  json bad = learner;
  bad["weights"].erase(0);
  CHECK_THROWS_WITH(bad.get<ebb::adaptive_weights>(), contains("as many timescales as the prior"));
}

TEST_CASE("all users' adaptive timescales come back and go on learning as before", "[json_learned]") {
  store_type store({.lanes = some_bank()});
  ebb::random_engine random(2);
  for (int i = 0; i < 60; ++i) tell(store, random, i);
  ebb::adaptive_timescales<std::string> learner(ebb::reading::inverse_half_life(some_bank()), {.rate = 0.2}, 0.8);
  const auto learn = [&](auto& one, int event) {
    double sum = 0;
    for (int u = 0; u < 4; ++u) {
      const std::string user = "user " + std::to_string(u);
      sum += one.learn(user, store, user, std::vector{event % 9}, at(event));
    }
    return sum;
  };
  for (int i = 60; i < 90; ++i) learn(learner, i);
  auto back = round_trip(learner);
  CHECK(back.all().size() == 4);
  for (int i = 90; i < 120; ++i) CHECK(same_bits(learn(learner, i), learn(back, i)));
  CHECK(learner.chances("user 1", store, "user 1", at(200)) == back.chances("user 1", store, "user 1", at(200)));
  CHECK(learner.chances("new", store, "user 1", at(200)) == back.chances("new", store, "user 1", at(200)));

  check_refusals(learner);
  json bad = learner;
  bad["learners"].push_back(bad["learners"][0]);
  CHECK_THROWS_WITH(bad.get<ebb::adaptive_timescales<std::string>>(), contains("must stand there once"));
  ebb::adaptive_timescales<std::uint8_t> numbers(ebb::reading::inverse_half_life(some_bank()));
  numbers.restore(200, numbers.of(0).state());
  CHECK(round_trip(numbers).all().contains(200));
  bad = numbers;
  bad["learners"][0]["key"] = 256;
  CHECK_THROWS_WITH(bad.get<ebb::adaptive_timescales<std::uint8_t>>(), contains("\"key\""));
}

TEST_CASE("a learned decay comes back and chooses as before", "[json_learned]") {
  const ebb::learned_decay decay = some_decay();
  const ebb::learned_decay back = round_trip(decay);
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 50) * 5;
  Eigen::MatrixXf a(5, 50);
  Eigen::MatrixXf b(5, 50);
  decay.weights(x, a);
  back.weights(x, b);
  CHECK(a == b);
  CHECK(same_bits(decay(x.col(0))(24h), back(x.col(0))(24h)));
  CHECK(back.state().sharpness == 1.25);

  check_refusals(decay);
  json bad = decay;
  bad["hidden"] = {6, 1'000'000'000'000};
  CHECK_THROWS_WITH(bad.get<ebb::learned_decay>(), contains("\"parameters\" of ebb.learned_decay must have as many"));
  bad = decay;
  bad["hidden"] = {6, -4};
  CHECK_THROWS_WITH(bad.get<ebb::learned_decay>(), contains("\"hidden\" of ebb.learned_decay must be > 0"));
}

TEST_CASE("a probability of return comes back and predicts as before", "[json_learned]") {
  store_type store({.lanes = some_bank(), .first_use = true});
  ebb::random_engine random(2);
  for (int i = 0; i < 100; ++i) tell(store, random, i);
  const ebb::return_probability chance = some_probability();
  const ebb::return_probability back = round_trip(chance);
  for (int u = 0; u < 4; ++u) {
    const std::string user = "user " + std::to_string(u);
    CHECK(chance.all(store, user, at(150)) == back.all(store, user, at(150)));
  }
  check_refusals(chance);
  json bad = chance;
  bad["feature_names"][3] = "ln uses";
  CHECK_THROWS_WITH(bad.get<ebb::return_probability>(), contains("\"feature_names\""));
  bad = chance;
  bad["learned"]["weights"].erase(0);
  CHECK_THROWS_WITH(bad.get<ebb::return_probability>(), contains("one finite weight a feature"));
  bad = chance;
  bad["plain_lane"] = 5;
  CHECK_THROWS_WITH(bad.get<ebb::return_probability>(), contains("plain_lane must be in [0, 5)"));
  bad = chance;
  bad["share"] = 1.5;
  CHECK_THROWS_WITH(bad.get<ebb::return_probability>(), contains("share must be in [0, 1]"));
  check_refusals(ebb::logistic_calibration(chance.state().learned));
}

TEST_CASE("an isotonic calibration comes back and predicts as before", "[json_learned]") {
  ebb::random_engine random(4);
  std::vector<double> scores, outcomes;
  for (int i = 0; i < 300; ++i) {
    scores.push_back(random.normal());
    outcomes.push_back(random.uniform() < 0.5 + 0.2 * scores.back() ? 1.0 : 0.0);
  }
  const ebb::isotonic_calibration rising(scores, outcomes);
  const ebb::isotonic_calibration back = round_trip(rising);
  for (const double score : scores) CHECK(same_bits(back(score + 0.01), rising(score + 0.01)));
  check_refusals(rising);
  json bad = rising;
  bad["scores"][1] = -100;
  CHECK_THROWS_WITH(bad.get<ebb::isotonic_calibration>(), contains("scores must rise"));
  bad = rising;
  bad["probabilities"].erase(0);
  CHECK_THROWS_WITH(bad.get<ebb::isotonic_calibration>(), contains("one probability each"));
  const double inf = std::numeric_limits<double>::infinity();
  const ebb::isotonic_calibration far(std::vector{-inf, 0.0}, std::vector{0.0, 1.0});
  CHECK_THROWS_WITH(json(far), contains("\"scores\" must be finite"));
}

TEST_CASE("a behaviour model comes back with its handles, rules and weights", "[json_learned]") {
  using ebb::value_rule;
  ebb::behaviour_model model;
  model.set_weight("click", 0.1 + 0.2);
  model.set("price", {.weight = 0.9, .value = value_rule::logarithmic(20)});
  model.set("watch", {.weight = 0.3, .value = value_rule::logarithmic(5min)});
  model.set("plays", {.weight = 0.3, .value = value_rule::saturating(3)});
  model.set("annoyance \"é\"", {.weight = 1 / 3.0, .to = ebb::channel::dislike, .value = value_rule::linear(10, 0)});
  model.set("*", {.weight = 0.05});
  const ebb::behaviour_model back = round_trip(model);
  REQUIRE(back.size() == model.size());
  for (std::size_t i = 0; i < model.size(); ++i) {
    const auto handle = static_cast<ebb::behaviour_model::handle>(i);
    CHECK(back.name(handle) == model.name(handle));
    CHECK(same_bits(back.weights()[i], model.weights()[i]));
    const value_rule rule = model.rule(handle).value;
    CHECK(back.rule(handle).value.how() == rule.how());
    for (const double value : {1.0, 2.5, 5.0}) {
      const ebb::event_value given = rule.is_timed() ? ebb::event_value(ebb::duration(value)) : ebb::event_value(value);
      CHECK(back(handle, given) == model(handle, given));
    }
  }
  CHECK(round_trip(ebb::behaviour_model::blank()).size() == 0);
}

TEST_CASE("a behaviour model that makes no sense is refused", "[json_learned]") {
  const json good = ebb::behaviour_model();
  check_refusals(ebb::behaviour_model());
  refused(good, "must stand there once", [](json& j) { j["behaviours"].push_back(j["behaviours"][0]); });
  refused(good, "the weight of \"view\" must be in [0, 1]", [](json& j) { j["behaviours"][0]["weight"] = 1.5; });
  refused(good, "\"channel\" of", [](json& j) { j["behaviours"][0]["channel"] = "likes"; });
  refused(good, "\"rule\" of", [](json& j) { j["behaviours"][0]["value"]["rule"] = "cubic"; });
  refused(good, "\"half\"", [](json& j) { j["behaviours"][0]["value"]["half"] = 3; });
  refused(good, "half must be finite and > 0", [](json& j) {
    j["behaviours"][0]["value"] = {{"rule", "saturating"}, {"half", 0}};
  });
  refused(good, "neutral must lie between", [](json& j) {
    j["behaviours"][0]["value"] = {{"rule", "around"}, {"low", 0}, {"neutral", 0}, {"high", 1}};
  });
  refused(good, "must not be empty", [](json& j) { j["behaviours"][0]["name"] = ""; });
}

TEST_CASE("learned behaviour weights come back", "[json_learned]") {
  const ebb::behaviour_weights weights = some_weights();
  const ebb::behaviour_weights back = round_trip(weights);
  CHECK(back.behaviours[0].events == 1000);
  CHECK(back.gain.lo == weights.gain.lo);
  ebb::behaviour_model model;
  back.apply_to(model);
  CHECK(model("view").interest == 0.1);
  check_refusals(weights);
  json bad = weights;
  bad["behaviours"][0]["weight"] = 2;
  CHECK_THROWS_WITH(bad.get<ebb::behaviour_weights>(), contains("\"weight\" of \"view\" must be in [0, 1]"));
  bad = weights;
  bad["behaviours"][0]["lo"] = 0.9;
  CHECK_THROWS_AS(bad.get<ebb::behaviour_weights>(), std::invalid_argument);
  bad = weights;
  bad["behaviours"][0]["name"] = "";  // which no behaviour model takes
  CHECK_THROWS_WITH(bad.get<ebb::behaviour_weights>(), contains("\"name\" of an entry"));
}

}  // namespace json_learned_test
