// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/json/return_network.hpp"
#include "ebb/random.hpp"
#include "ebb/return_samples.hpp"
#include "ebb/return_trainer.hpp"
#include "json_checks.hpp"

namespace json_returns_test {

namespace {

using namespace std::chrono_literals;
using ebb_test::round_trip;
using nlohmann::json;
using store_type = ebb::interest_store<int, int>;

const ebb::time_point start{std::chrono::sys_days(std::chrono::year(2020) / 3 / 1)};

ebb::store_options some_options() { return ebb::return_store_options(ebb::timescales::log_spaced(1min, 24h * 100, 4)); }

void fill(store_type& store) {
  ebb::random_engine random(9);
  ebb::time_point t = start;
  for (int i = 0; i < 300; ++i) {
    t += std::chrono::seconds(random.below(7000));
    store.observe(static_cast<int>(random.below(3)), static_cast<int>(random.below(20)), t);
  }
}

ebb::return_network made_network(const store_type& store, ebb::return_feature_set set = {}) {
  const ebb::return_features<store_type> features(store, set);
  ebb::return_network out{.lanes = store.lanes(),
                          .features = set,
                          .rhythms = store.options().rhythms,
                          .recent = store.options().recent,
                          .weights = {0.4, 0.3, 0.2, 0.1},
                          .sharpness = 1.3,
                          .blend = 0.75};
  ebb::random_engine random(2);
  out.mean.resize(features.size());
  out.scale.resize(features.size());
  for (Eigen::Index f = 0; f < features.size(); ++f) {
    out.mean[f] = static_cast<float>(random.normal());
    out.scale[f] = static_cast<float>(0.5 + random.uniform());
  }
  out.candidate_features = features.candidate_features();
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    ebb::return_network::member m{
        ebb::mlp<float>(out.inputs(), {.hidden = {8, 5}, .hidden_activation = ebb::activation::gelu, .seed = seed}),
        Eigen::VectorXf(out.inputs())};
    for (float& w : m.linear) w = static_cast<float>(0.1 * random.normal());
    out.members.push_back(m);
  }
  return out;
}

void check_same_scores(const store_type& store, const ebb::return_network& a, const ebb::return_network& b) {
  ebb::return_scorer<store_type> x(store, a);
  ebb::return_scorer<store_type> y(store, b);
  for (int user = 0; user < 3; ++user)
    for (const auto later : {1h, 24h * 7, 24h * 365}) {
      const auto& state = *store.find(user);
      const ebb::time_point now = start + 24h * 30 + later;
      const Eigen::VectorXd scores = x.score(state, now);
      CHECK(scores == y.score(state, now));
      CHECK(scores.allFinite());
    }
}

}  // namespace

TEST_CASE("a return network comes back and scores as before, to the last bit", "[json_returns]") {
  store_type store(some_options());
  fill(store);
  for (const ebb::return_feature_set set :
       {ebb::return_feature_set{}, {.heat = false}, {.rhythms = false, .sequence = false, .user = false}}) {
    const ebb::return_network network = made_network(store, set);
    const ebb::return_network back = round_trip(network);
    CHECK(back.features == network.features);
    CHECK(back.members[1].network.options().seed == 2);
    check_same_scores(store, network, back);
  }
}

TEST_CASE("a network that was trained comes back and scores as before", "[json_returns]") {
  store_type store(some_options());
  ebb::return_features<store_type> features(store);
  ebb::return_samples samples;
  ebb::random_engine random(4);
  ebb::time_point t = start;
  for (int i = 0; i < 1500; ++i) {
    t += 20min;
    const int user = static_cast<int>(random.below(3));
    const auto* state = store.find(user);
    const int item = static_cast<int>(random.below(12));
    const auto handle = store.handle(item);
    if (state != nullptr && handle)
      if (const std::size_t at = state->entries.find(*handle); at != store_type::table::npos) {
        features.compute(store, *state, t);
        samples.add(features.values(), features.log_lanes(), std::vector{static_cast<std::uint32_t>(at)});
      }
    store.observe(user, item, t);
  }
  ebb::return_network network =
      ebb::train_return_network(std::move(samples), store.lanes(), {}, features.candidate_features(),
                                {.hidden = {8}, .members = 2, .epochs = 2, .seed = 77});
  const ebb::return_network back = round_trip(network);
  CHECK(back.members.size() == network.members.size());
  check_same_scores(store, network, back);
}

TEST_CASE("a network that has only learned a decay comes back", "[json_returns]") {
  store_type store(some_options());
  fill(store);
  const ebb::return_network network{.lanes = store.lanes(), .weights = {0.1, 0.2, 0.3, 0.4}, .sharpness = 0.3};
  check_same_scores(store, network, round_trip(network));
}

TEST_CASE("a network brings the rhythms and kept uses of its store along", "[json_returns]") {
  ebb::store_options options = some_options();
  options.rhythms = {{std::chrono::hours(6), 3}, {std::chrono::hours(24 * 30), 2}};
  options.recent = 5;
  store_type store(options);
  fill(store);
  const ebb::return_network network = made_network(store);
  const ebb::return_network back = round_trip(network);
  store_type same(back.served_from());
  fill(same);
  check_same_scores(same, network, back);

  const store_type usual(some_options());
  CHECK_THROWS_WITH((ebb::return_scorer<store_type>(usual, back)), contains("ebb::return_scorer: "));
  for (auto change : {std::function([](ebb::store_options& o) { o.rhythms[0].period = 12h; }),
                      std::function([](ebb::store_options& o) { o.rhythms[0].lane = 1; }),
                      std::function([](ebb::store_options& o) { o.recent = 8; })}) {
    ebb::store_options other = options;
    change(other);
    const store_type wrong(other);
    CHECK_THROWS_WITH((ebb::return_scorer<store_type>(wrong, back)), contains("the network was learned on"));
  }
}

TEST_CASE("a return network of another version, with other features or shapes is refused", "[json_returns]") {
  const store_type store(some_options());
  const ebb::return_network network = made_network(store);
  ebb_test::check_refusals(network);
  const json good = network;
  const auto refused = [&](const std::string& says, auto change) {
    json bad = good;
    change(bad);
    CHECK_THROWS_AS(bad.get<ebb::return_network>(), std::invalid_argument);
    CHECK_THROWS_WITH(bad.get<ebb::return_network>(), contains(says));
  };
  refused("\"version\" of ebb.return_network must be 1", [](json& j) { j["version"] = 2; });
  refused("entry 4 of \"feature_names\" of ebb.return_network must be \"ln age\", got \"age\"",
          [](json& j) { j["feature_names"][4] = "age"; });
  refused("must be no more, got \"more\"", [](json& j) { j["feature_names"].push_back("more"); });
  refused("\"feature_names\"", [](json& j) { j["feature_names"].erase(0); });
  refused("\"feature_names\"", [](json& j) { j["features"]["heat"] = false; });
  refused("\"feature_names\"", [](json& j) { j["rhythms"].erase(0); });
  refused("a rhythm's lane", [](json& j) { j["rhythms"][0]["lane"] = 4; });
  refused("recent must be in [1, 16]", [](json& j) { j["recent"] = 17; });
  refused("\"mean\" of ebb.return_network must have one entry a feature", [](json& j) { j["mean"].erase(0); });
  refused("mean and scale", [](json& j) { j["scale"].erase(0); });
  refused("\"candidate_features\" of ebb.return_network must be", [](json& j) { j["candidate_features"] = 3; });
  refused("one weight a lane", [](json& j) { j["weights"].erase(0); });
  refused("blend must be in [0, 1]", [](json& j) { j["blend"] = 1.5; });
  refused("one linear weight an input", [](json& j) { j["members"][1]["linear"].erase(0); });
  refused("\"parameters\" of ebb.mlp", [](json& j) { j["members"][1]["network"]["inputs"] = 3; });
  refused("a member must read the inputs", [](json& j) {
    j["members"][0]["network"] = ebb::mlp<float>(3, {.hidden = {8, 5}, .hidden_activation = ebb::activation::gelu});
  });
  refused("\"seeds\"", [](json& j) { j["members"][0]["seeds"] = 3; });

  ebb::return_network wrong = network;
  wrong.rhythms.pop_back();
  CHECK_THROWS_AS(json(wrong), std::invalid_argument);
}

}  // namespace json_returns_test
