// SPDX-License-Identifier: MIT
#include "ebb/return_features.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace {

using namespace std::chrono_literals;
using store_type = ebb::interest_store<int, int>;
using feature_type = ebb::return_features<store_type>;

struct use {
  int user;
  int item;
  ebb::time_point time;
};

const ebb::time_point start{std::chrono::sys_days(std::chrono::year(2020) / 3 / 1)};

std::vector<use> made_log(std::uint64_t seed, std::size_t events) {
  ebb::random_engine random(seed);
  std::vector<use> log;
  ebb::time_point t = start;
  for (std::size_t i = 0; i < events; ++i) {
    t += std::chrono::seconds(random.below(4) == 0 ? 0 : random.below(9000));
    log.push_back({static_cast<int>(random.below(3)), static_cast<int>(random.below(12)), t});
  }
  return log;
}

store_type store_of(const std::vector<use>& log) {
  store_type store(ebb::return_store_options(ebb::timescales::log_spaced(1min, 24h * 200, 8)));
  for (const use& u : log) store.observe(u.user, u.item, u.time);
  return store;
}

bool same_bytes(const Eigen::MatrixXf& a, const Eigen::MatrixXf& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
}

std::vector<double> times_of(const std::vector<use>& log, int user, int item) {
  std::vector<double> out;
  for (const use& u : log)
    if ((user < 0 || u.user == user) && u.item == item) out.push_back(ebb::duration(u.time - start).count());
  std::sort(out.rbegin(), out.rend());
  return out;
}

float named(const feature_type& features, const std::string& name, Eigen::Index i) {
  const auto at = std::find(features.names().begin(), features.names().end(), name);
  REQUIRE(at != features.names().end());
  return features.values(i, at - features.names().begin());
}

}  // namespace

TEST_CASE("features equal what the raw events say", "[return_features]") {
  const std::vector<use> log = made_log(5, 400);
  const store_type store = store_of(log);
  feature_type features(store);
  const ebb::time_point now = log.back().time + 2h;
  const double t = ebb::duration(now - start).count();
  for (int user = 0; user < 3; ++user) {
    const auto& state = *store.find(user);
    features.compute(store, state, now);
    REQUIRE(features.values.allFinite());
    REQUIRE(features.values.cols() == features.size());
    std::vector<std::vector<double>> uses;
    for (std::size_t i = 0; i < state.entries.size(); ++i)
      uses.push_back(times_of(log, user, store.item(state.entries.item(i))));
    std::size_t lead = 0;
    for (std::size_t i = 1; i < uses.size(); ++i)
      if (uses[i][0] > uses[lead][0]) lead = i;
    for (std::size_t i = 0; i < uses.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      const auto& mine = uses[i];
      CHECK(named(features, "ln age", row) == Approx(std::log1p(t - mine[0])).margin(1e-4));
      CHECK(named(features, "ln gap 1", row) ==
            Approx(std::log1p(mine.size() > 1 ? mine[0] - mine[1] : t - mine[0])).margin(1e-4));
      CHECK(named(features, "has gap 3", row) == (mine.size() > 3 ? 1.0F : 0.0F));
      CHECK(named(features, "ln count", row) == Approx(std::log(static_cast<double>(mine.size()))).margin(1e-5));
      CHECK(named(features, "ln first age", row) == Approx(std::log1p(t - mine.back())).margin(1e-4));
      const auto newer = std::count_if(uses.begin(), uses.end(), [&](const auto& other) { return other[0] > mine[0]; });
      CHECK(named(features, "1 / recency rank", row) == Approx(1.0 / static_cast<double>(newer + 1)).margin(1e-6));
      const auto everybody = times_of(log, -1, store.item(state.entries.item(i)));
      CHECK(named(features, "ln popularity", row) ==
            Approx(std::log(static_cast<double>(everybody.size()))).margin(1e-5));
      CHECK(named(features, "used by another since", row) == (everybody[0] > mine[0] ? 1.0F : 0.0F));
      for (int k = 0; k < 8; ++k) {
        double lane = 0;
        for (const double use_time : mine) lane += std::exp2(-(t - use_time) / store.lanes().half_life(k).count());
        if (lane > 1e-290) CHECK(features.log_lanes(row, k) == Approx(std::log(lane)).epsilon(1e-9).margin(1e-9));
      }
      double plain = 0;
      double turned = 0;  // a day's rhythm on the slowest lane is rhythm 5: three lanes a period
      for (const double use_time : mine) {
        const double kept = std::exp2(-(t - use_time) / store.lanes().half_life(7).count());
        plain += kept;
        turned += kept * std::cos(2 * std::numbers::pi * (t - use_time) / 86400);
      }
      CHECK(named(features, "rhythm 5", row) ==
            Approx(std::log(std::max(0.01, 0.51 + 0.5 * turned / plain))).margin(1e-3));

      // What followed the lead's earlier uses, of the eight newest that are kept.
      double hour = 0;
      double together = 0;
      const std::size_t kept = std::min<std::size_t>(8, uses[lead].size());
      for (std::size_t r = 1; r < kept; ++r) {
        double after = -1;
        for (std::size_t q = 0; q < std::min<std::size_t>(8, mine.size()); ++q) {
          if (mine[q] > uses[lead][r]) after = mine[q] - uses[lead][r];
        }
        if (after >= 0 && after < 4 * 86400) hour += std::exp2(-after / 3600);
        if (std::find(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(8, mine.size())),
                      uses[lead][r]) !=
            mine.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(8, mine.size())))
          together += 1;
      }
      const double scale = kept > 1 ? 1.0 / static_cast<double>(kept - 1) : 0.0;
      CHECK(named(features, "followed within an hour", row) == Approx(hour * scale).margin(1e-4));
      CHECK(named(features, "used at the same time", row) == Approx(together * scale).margin(1e-5));
    }
  }
}

TEST_CASE("shares among the candidates add to one", "[return_features]") {
  const std::vector<use> log = made_log(6, 300);
  const store_type store = store_of(log);
  feature_type features(store);
  features.compute(store, *store.find(1), log.back().time);
  const auto n = features.values.rows();
  double share = 0;
  double heat = 0;
  for (Eigen::Index i = 0; i < n; ++i) {
    share += std::exp(static_cast<double>(named(features, "ln share of lane 7", i)));
    heat += std::exp(static_cast<double>(named(features, "ln share of heat, lane 7", i)));
  }
  REQUIRE(share == Approx(1.0).margin(1e-3));
  REQUIRE(heat == Approx(1.0).margin(1e-3));
}

TEST_CASE("a replayed log and a live store give the same bytes, and the future changes nothing", "[return_features]") {
  const std::vector<use> log = made_log(7, 300);
  store_type live(ebb::return_store_options(ebb::timescales::log_spaced(1min, 24h * 200, 8)));
  for (std::size_t cut = 1; cut < log.size(); ++cut) {
    live.observe(log[cut - 1].user, log[cut - 1].item, log[cut - 1].time);
    if (cut % 37 != 0) continue;
    const std::vector<use> prefix(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(cut));
    const store_type replayed = store_of(prefix);
    const store_type copied = live;
    for (int user = 0; user < 3; ++user) {
      if (live.find(user) == nullptr) continue;
      feature_type a(live);
      feature_type b(replayed);
      feature_type c(copied);
      a.compute(live, *live.find(user), log[cut].time);
      b.compute(replayed, *replayed.find(user), log[cut].time);
      c.compute(copied, *copied.find(user), log[cut].time);
      REQUIRE(same_bytes(a.values, b.values));
      REQUIRE(same_bytes(a.values, c.values));
      REQUIRE(a.log_lanes == b.log_lanes);
    }
  }
}

TEST_CASE("an item that was only disliked has finite features", "[return_features]") {
  ebb::store_options options = ebb::return_store_options(ebb::timescales::log_spaced(1min, 24h * 200, 8));
  options.dislike_half_life = 24h;
  store_type store(options);
  store.observe(1, 1, start);
  store.dislike(1, 2, start + 1h);
  feature_type features(store);
  features.compute(store, *store.find(1), start + 2h);
  REQUIRE(features.values.rows() == 2);
  REQUIRE(features.values.allFinite());
}

TEST_CASE("a store that keeps too little, and a moment in the past, are refused", "[return_features]") {
  const store_type plain;
  REQUIRE_THROWS_AS(feature_type(plain), std::invalid_argument);
  store_type store = store_of({{1, 1, start}, {1, 2, start + 1h}, {2, 1, start + 3h}});
  feature_type features(store);
  REQUIRE_THROWS_AS(features.compute(store, *store.find(1), start), std::domain_error);
  REQUIRE_THROWS_AS(features.compute(store, *store.find(1), start + 2h), std::domain_error);  // item 1 was used later
}
