// SPDX-License-Identifier: MIT
#include "ebb/next_interest.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/event_csv.hpp"
#include "ebb/next_baselines.hpp"
#include "ebb/random.hpp"

namespace next_interest_test {

namespace {

/// Users of two kinds that take up items of their own kind, of which the later ones are newer.
ebb::event_log two_kinds(std::uint64_t seed, int events) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < events; ++i) {
    const std::uint64_t user = random.below(80);
    const std::uint64_t kind = random.uniform() < 0.9 ? user % 2 : random.below(2);
    const std::uint64_t newest = 20 + static_cast<std::uint64_t>(i) / 40;
    const std::uint64_t item = 2 * (newest - random.below(20)) + kind;
    log.append("u" + std::to_string(user), "i" + std::to_string(item), ebb::time_point(std::chrono::hours(i)));
  }
  return log;
}

}  // namespace

TEST_CASE("it finds both whom a user is like and what is new, better than heat alone", "[next_interest]") {
  const ebb::event_log log = two_kinds(1, 6000);
  const ebb::next_task task(log);
  ebb::decayed_popularity_model heat;
  ebb::next_interest_model model;
  const ebb::next_result base = ebb::evaluate(heat, task);
  const ebb::next_result result = ebb::evaluate(model, task);
  CHECK(result.metrics.ndcg10 > base.metrics.ndcg10 + 0.05);
  CHECK(result.name == "next_interest");
  CHECK(result.params.size() > 1);
}

TEST_CASE("the same log and seed give the same scores, and fitting again starts afresh", "[next_interest]") {
  const ebb::event_log log = two_kinds(2, 2000);
  const ebb::event_log other = two_kinds(3, 1500);
  const ebb::next_task task(log);
  const ebb::next_task other_task(other);
  ebb::next_interest_model first;
  ebb::next_interest_model second;
  second.fit(other_task.history());
  first.fit(task.history());
  second.fit(task.history());
  const auto candidates = task.history().candidates;
  std::vector<double> a(candidates.size());
  std::vector<double> b(candidates.size());
  for (const ebb::next_query& query : task.queries()) {
    first.score(query.user, candidates, a);
    second.score(query.user, candidates, b);
    CHECK(a == b);
  }
}

TEST_CASE("with nobody to learn from it falls back to people alike and popularity", "[next_interest]") {
  ebb::event_log log;
  const auto at = [](int hour) { return ebb::time_point(std::chrono::hours(hour)); };
  int hour = 0;
  for (const char* item : {"a", "b", "c"}) log.append("one", item, at(hour++));
  for (const char* item : {"x", "y"}) log.append("two", item, at(hour++));
  log.append("three", "x", at(hour++));
  const ebb::next_task task(log, nullptr, {.train_share = 1.0});
  ebb::next_interest_model model;
  const auto candidates = task.history().candidates;
  std::vector<double> scores(candidates.size());
  CHECK_THROWS_AS(model.score(0, candidates, scores), std::invalid_argument);
  model.fit(task.history());
  model.score(*log.users().find("three"), candidates, scores);
  const std::vector<ebb::item_id> best =
      ebb::best_new_items(candidates, scores, std::vector<ebb::item_id>{*log.items().find("x")}, 1);
  CHECK(log.items()[best[0]] == "y");
  CHECK_THROWS_AS(model.score(0, std::vector<ebb::item_id>{99}, scores), std::invalid_argument);
  CHECK_THROWS_AS(ebb::next_interest_model({.users = 0}), std::invalid_argument);
}

TEST_CASE("an empty log can be fitted", "[next_interest]") {
  const ebb::event_log log;
  ebb::next_interest_model model;
  CHECK(ebb::evaluate(model, ebb::next_task(log)).ndcg.empty());
}

TEST_CASE("on film ratings it is well above decayed popularity", "[next_interest]") {
  const char* folder = std::getenv("EBB_DATA_DIR");
  std::ifstream events(std::string(folder == nullptr ? "" : folder) + "/ml100k.csv");
  if (folder == nullptr || !events) {
    WARN("skipped: EBB_DATA_DIR names no folder with ml100k.csv");
    return;
  }
  const ebb::event_log log = ebb::read_events(events).log;
  const ebb::next_task task(log);
  ebb::next_interest_model model;
  CHECK(ebb::evaluate(model, task).metrics.ndcg10 > 0.25);  // decayed popularity: 0.217
}

}  // namespace next_interest_test
