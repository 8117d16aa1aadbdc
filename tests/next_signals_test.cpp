// SPDX-License-Identifier: MIT
#include "ebb/next_signals.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace next_signals_test {

namespace {

constexpr double day = 86400;

ebb::event_log random_log(std::uint64_t seed, int events, std::uint64_t users, std::uint64_t items) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < events; ++i)
    log.append("u" + std::to_string(random.below(users)), "i" + std::to_string(random.below(1 + random.below(items))),
               ebb::time_point(std::chrono::seconds(random.below(40 * 86400))));
  log.sort();
  return log;
}

/// First uses straight from the log: age in days by (user, item).
std::map<std::pair<ebb::user_id, ebb::item_id>, double> first_uses(const ebb::next_history& history) {
  std::map<std::pair<ebb::user_id, ebb::item_id>, double> out;
  for (const ebb::logged_event& e : history.events)
    out.try_emplace({e.user, e.item}, ebb::duration(history.now - e.time).count() / day);
  return out;
}

Eigen::Index column(const ebb::next_signals& signals, const std::string& name) {
  const auto found = std::find(signals.names().begin(), signals.names().end(), name);
  REQUIRE(found != signals.names().end());
  return found - signals.names().begin();
}

/// A raw score in the form (s − mean) / deviation over the fresh candidates.
std::vector<double> deviations(std::vector<double> scores, const std::vector<bool>& fresh) {
  double sum = 0;
  double squares = 0;
  double n = 0;
  for (std::size_t k = 0; k < scores.size(); ++k)
    if (fresh[k]) {
      sum += scores[k];
      squares += scores[k] * scores[k];
      ++n;
    }
  const double deviation = std::sqrt(squares / n - sum / n * sum / n);
  for (double& s : scores) s = (s - sum / n) / deviation;
  return scores;
}

}  // namespace

TEST_CASE("heat is the decayed number of events, and of first uses, in logarithms", "[next_signals]") {
  const ebb::event_log log = random_log(1, 600, 12, 30);
  const ebb::next_task task(log);
  const ebb::next_history history = task.history();
  ebb::next_signals signals(history, {.half_lives = {std::chrono::days(2)}});
  ebb::next_signals::matrix values;
  ebb::next_signals::vector of_user;
  signals.compute(0, values, of_user);
  std::vector<double> heat(history.items, 0.0);
  std::vector<double> uptake(history.items, 0.0);
  for (const ebb::logged_event& e : history.events)
    heat[e.item] += std::exp2(-ebb::duration(history.now - e.time).count() / day / 2);
  for (const auto& [pair, age] : first_uses(history)) uptake[pair.second] += std::exp2(-age / 2);
  for (const auto& [name, sums] : {std::pair("heat 2 d", heat), std::pair("uptake 2 d", uptake)}) {
    double mean = 0;
    for (const ebb::item_id item : history.candidates)
      mean += sums[item] / static_cast<double>(history.candidates.size());
    std::vector<double> logs;
    double center = 0;
    for (const ebb::item_id item : history.candidates) center += logs.emplace_back(std::log(sums[item] + 0.02 * mean));
    for (std::size_t k = 0; k < logs.size(); ++k)
      CHECK(values(static_cast<Eigen::Index>(k), column(signals, name)) ==
            Approx(logs[k] - center / static_cast<double>(logs.size())).margin(1e-4));
  }
}

TEST_CASE("walks are the sums over shared items and people, straight from the log", "[next_signals]") {
  const ebb::event_log log = random_log(2, 500, 15, 40);
  const ebb::next_task task(log);
  const ebb::next_history history = task.history();
  ebb::next_signals signals(history);
  const auto first = first_uses(history);
  std::map<ebb::item_id, double> users_of;
  std::map<ebb::user_id, double> items_of;
  for (const auto& [pair, age] : first) {
    ++users_of[pair.second];
    ++items_of[pair.first];
  }
  ebb::next_signals::matrix values;
  ebb::next_signals::vector of_user;
  for (ebb::user_id user = 0; user < 5; ++user) {
    signals.compute(user, values, of_user);
    double newest = 1e9;
    for (const auto& [pair, age] : first)
      if (pair.first == user) newest = std::min(newest, age);
    std::vector<double> walk(history.candidates.size(), 0.0);
    std::vector<double> to_lately = walk;
    std::vector<double> from_lately = walk;
    for (ebb::user_id other = 0; other < history.users; ++other) {
      if (other == user) continue;
      double shared = 0;
      double lately = 0;
      for (const auto& [pair, age] : first)
        if (pair.first == user && first.count({other, pair.second}) == 1) {
          shared += 1 / users_of[pair.second];
          lately += std::exp2(-(age - newest) / 7) / users_of[pair.second];
        }
      for (std::size_t k = 0; k < walk.size(); ++k)
        if (const auto has = first.find({other, history.candidates[k]}); has != first.end()) {
          walk[k] += shared / std::sqrt(items_of[other]);
          to_lately[k] += shared / std::sqrt(items_of[other]) * std::exp2(-has->second / 7);
          from_lately[k] += lately / std::sqrt(items_of[other]);
        }
    }
    for (std::size_t k = 0; k < walk.size(); ++k)
      CHECK(signals.fresh()[k] == (first.count({user, history.candidates[k]}) == 0));
    for (const auto& [name, scores] : {std::pair("walk", walk), std::pair("walk to lately", to_lately),
                                       std::pair("walk from lately", from_lately)}) {
      const std::vector<double> expected = deviations(scores, signals.fresh());
      for (std::size_t k = 0; k < walk.size(); ++k)
        CHECK(values(static_cast<Eigen::Index>(k), column(signals, std::string(name) + ": deviation")) ==
              Approx(expected[k]).margin(1e-3));
    }
  }
}

TEST_CASE("titles and tags in common are seen, whatever the case of letters", "[next_signals]") {
  ebb::event_log log;
  const auto at = [](int hours) { return ebb::time_point(std::chrono::hours(hours)); };
  for (const char* item : {"a", "b", "c", "d"}) log.append("other", item, at(1));
  log.append("user", "a", at(2));
  ebb::item_catalogue catalogue;
  catalogue.titles = {"Red lunch bag", "LUNCH box", "Teapot", ""};
  const auto metal = catalogue.tag_names.intern("metal");
  catalogue.tags = {{metal}, {}, {}, {metal}};
  const ebb::next_task task(log, &catalogue, {.train_share = 1.0});
  ebb::next_signals signals(task.history());
  ebb::next_signals::matrix values;
  ebb::next_signals::vector of_user;
  signals.compute(*log.users().find("user"), values, of_user);
  const auto row = [&](const char* name) {
    const auto candidates = task.history().candidates;
    return std::find(candidates.begin(), candidates.end(), *log.items().find(name)) - candidates.begin();
  };
  const Eigen::Index words = column(signals, "words: share");
  CHECK(values(row("b"), words) > values(row("c"), words));
  CHECK(values(row("c"), words) == values(row("d"), words));
  const Eigen::Index tags = column(signals, "tags: share");
  CHECK(values(row("d"), tags) > values(row("b"), tags));
}

TEST_CASE("every signal is a number for every user, also for one without a past", "[next_signals]") {
  ebb::event_log log = random_log(3, 300, 8, 25);
  log.append("late", "i1", ebb::time_point(std::chrono::days(41)));
  const ebb::next_task task(log);
  ebb::next_signals signals(task.history(), {.neighbours = 2});
  ebb::next_signals::matrix values;
  ebb::next_signals::vector of_user;
  for (ebb::user_id user = 0; user < log.users().size(); ++user) {
    signals.compute(user, values, of_user);
    CHECK(values.rows() == signals.candidates());
    CHECK(values.cols() == signals.size());
    CHECK(of_user.size() == ebb::next_signals::user_size());
    CHECK(values.allFinite());
    CHECK(of_user.allFinite());
  }
  CHECK_THROWS_AS(signals.compute(1000, values, of_user), std::out_of_range);
  const ebb::event_log nothing;
  const ebb::next_task empty(nothing);
  CHECK(ebb::next_signals(empty.history()).candidates() == 0);
}

TEST_CASE("options that make no sense are refused", "[next_signals]") {
  const ebb::event_log log = random_log(4, 50, 5, 10);
  const ebb::next_task task(log);
  const ebb::next_history history = task.history();
  CHECK_THROWS_AS(ebb::next_signals(history, {.half_lives = {ebb::duration(0)}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::next_signals(history, {.ridge = 0}), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::next_signals(history, {.neighbours = 0}), "ebb::next_signals: neighbours must be > 0, got 0");
}

}  // namespace next_signals_test
