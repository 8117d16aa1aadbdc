// SPDX-License-Identifier: MIT
#include "ebb/decay_features.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/sharded_store.hpp"

namespace decay_features_test {

using namespace std::chrono_literals;

namespace {

using store = ebb::interest_store<std::string, std::string>;

struct raw {
  std::string user, item;
  ebb::time_point time;
};

/// The features by their names, from the raw events.
std::vector<double> slow_features(const std::vector<raw>& events, const std::string& user, const std::string& item) {
  std::vector<double> own, all;  // times in seconds
  std::set<std::string> items, users;
  double anybody = 0;
  for (const raw& e : events) {
    const double t = ebb::duration(e.time.time_since_epoch()).count();
    if (e.user == user) {
      all.push_back(t);
      items.insert(e.item);
      if (e.item == item) own.push_back(t);
    }
    if (e.item == item) {
      ++anybody;
      users.insert(e.user);
    }
  }
  const auto gap = [](std::vector<double> times) {
    std::sort(times.begin(), times.end());
    double sum = 0;
    for (std::size_t i = 1; i < times.size(); ++i) sum += times[i] - times[i - 1];
    return std::log(1 + sum / std::max(1.0, static_cast<double>(times.size()) - 1));
  };
  const auto n = static_cast<double>(own.size());
  const auto m = static_cast<double>(all.size());
  return {std::log(n),       own.size() > 1 ? gap(own) : gap(all),        own.size() > 1 ? 1.0 : 0.0,
          std::log(m),       std::log(static_cast<double>(items.size())), gap(all),
          std::log(anybody), std::log(static_cast<double>(users.size())), std::log(n / m)};
}

}  // namespace

TEST_CASE("decay features are those of the raw events, in whatever order they arrive", "[decay_features]") {
  ebb::random_engine random(1);
  std::vector<raw> events;
  for (int i = 0; i < 200; ++i)
    events.push_back({"u" + std::to_string(random.below(5)), "i" + std::to_string(random.below(12)),
                      ebb::to_time_point(400'000h + random.uniform() * 500h)});
  store s({.first_use = true});
  for (const raw& e : events) s.observe(e.user, e.item, e.time);
  int pairs = 0;
  for (const auto& [user, state] : s.all_users()) {
    const Eigen::MatrixXf all = ebb::decay_features(s, state);
    REQUIRE(all.rows() == static_cast<Eigen::Index>(state.entries.size()));
    REQUIRE(all.cols() == ebb::decay_feature_count);
    for (Eigen::Index i = 0; i < all.rows(); ++i) {
      const std::string& item = s.item(state.entries.item(static_cast<std::size_t>(i)));
      const std::vector<double> expected = slow_features(events, user, item);
      const auto one = ebb::decay_features(s, user, item);
      REQUIRE(one);
      for (Eigen::Index f = 0; f < all.cols(); ++f) {
        CHECK(all(i, f) == Approx(expected[static_cast<std::size_t>(f)]).margin(1e-5));
        CHECK((*one)[f] == all(i, f));
      }
      ++pairs;
    }
  }
  CHECK(pairs > 40);
}

TEST_CASE("decay features need a pair that was observed, and a store that keeps what they read", "[decay_features]") {
  store s({.first_use = true, .dislike_half_life = 24h});
  s.observe("u", "a", ebb::time_point(1h));
  s.dislike("u", "b", ebb::time_point(1h));
  CHECK(ebb::decay_features(s, "u", "a"));
  CHECK_FALSE(ebb::decay_features(s, "u", "b"));
  CHECK_FALSE(ebb::decay_features(s, "u", "c"));
  CHECK_FALSE(ebb::decay_features(s, "v", "a"));
  CHECK(ebb::decay_features(s, *s.find("u")).allFinite());
  const store no_first;
  CHECK_THROWS_WITH(ebb::decay_features(no_first, "u", "a"), contains("first uses"));
  const store no_heat({.first_use = true, .heat = false});
  CHECK_THROWS_AS(ebb::decay_features(no_heat, "u", "a"), std::invalid_argument);
  const ebb::sharded_store<std::string, std::string> shards(s, 2);
  CHECK_THROWS_WITH(shards.read("u", [](const store& shard) { return ebb::decay_features(shard, "u", "a"); }),
                    contains("one shard of several"));
}

}  // namespace decay_features_test
