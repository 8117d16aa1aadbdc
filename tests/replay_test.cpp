// SPDX-License-Identifier: MIT
#include "ebb/replay.hpp"

#include <chrono>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"

namespace replay_test {

using namespace std::chrono_literals;

namespace {

ebb::event_log random_log(std::uint64_t seed, int events, int seconds) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < events; ++i)
    log.append("u" + std::to_string(random.below(5)), "i" + std::to_string(random.below(8)),
               ebb::time_point(std::chrono::milliseconds(random.below(static_cast<std::uint64_t>(seconds) * 1000))));
  log.sort();
  return log;
}

std::chrono::sys_seconds second_of(const ebb::logged_event& event) {
  return std::chrono::floor<std::chrono::seconds>(event.time);
}

struct slow_query {
  std::size_t position;
  std::vector<ebb::item_id> candidates;
  ebb::item_id truth;
};

// The protocol read word for word, in quadratic time.
std::vector<slow_query> slow_queries(const ebb::event_log& log, double from, double to) {
  std::vector<slow_query> out;
  for (std::size_t i = 0; i < log.size(); ++i) {
    std::vector<ebb::item_id> had;
    for (std::size_t j = 0; j < log.size(); ++j)
      if (log[j].user == log[i].user && second_of(log[j]) < second_of(log[i]) &&
          std::find(had.begin(), had.end(), log[j].item) == had.end())
        had.push_back(log[j].item);
    bool asked = false;  // earlier in the same second
    std::size_t begin = i;
    for (std::size_t j = 0; j < i; ++j)
      if (second_of(log[j]) == second_of(log[i])) {
        asked = asked || (log[j].user == log[i].user && log[j].item == log[i].item);
        begin = std::min(begin, j);
      }
    const auto share = [&](std::size_t position) {
      return static_cast<double>(position) / static_cast<double>(log.size());
    };
    if (share(begin) < from || share(i) >= to || asked || had.size() < 2) continue;
    if (std::find(had.begin(), had.end(), log[i].item) == had.end()) continue;
    out.push_back({i, had, log[i].item});
  }
  return out;
}

/// Remembers what it was told, and scores by a fixed rule; refuses to be asked about the past.
class witness : public ebb::repeat_model {
 public:
  [[nodiscard]] std::string name() const override { return "witness"; }
  void fit(const ebb::replay_window& tuning) override { fitted_on = tuning.events().size(); }
  void reset(std::size_t users, std::size_t) override {
    told.clear();
    items.assign(users, {});
  }
  void observe(const ebb::logged_event& event, std::size_t slot) override {
    if (!told.empty()) REQUIRE(told.back().time <= event.time);
    told.push_back(event);
    REQUIRE(slot <= items[event.user].size());
    if (slot == items[event.user].size()) items[event.user].push_back(event.item);
    REQUIRE(items[event.user][slot] == event.item);
  }
  void score(const ebb::repeat_question& question, std::span<double> scores) override {
    for (const ebb::logged_event& event : told) REQUIRE(event.time < question.now);
    told_when_asked.push_back(told.size());
    REQUIRE(std::equal(question.candidates.begin(), question.candidates.end(), items[question.user].begin(),
                       items[question.user].end()));
    for (std::size_t k = 0; k < scores.size(); ++k) scores[k] = static_cast<double>(question.candidates[k] % 3);
  }

  std::size_t fitted_on = 0;
  std::vector<ebb::logged_event> told;
  std::vector<std::size_t> told_when_asked;
  std::vector<std::vector<ebb::item_id>> items;
};

}  // namespace

TEST_CASE("queries and candidates are those of the protocol read word for word", "[replay]") {
  for (const auto& [seed, seconds] : {std::pair{1, 400}, {2, 100}, {3, 30}, {4, 5}, {5, 1}}) {
    const ebb::event_log log = random_log(static_cast<std::uint64_t>(seed), 300, seconds);
    const ebb::repeat_task task(log);
    for (const bool testing : {false, true}) {
      const ebb::replay_window window = testing ? task.testing() : task.tuning();
      const std::vector<slow_query> wanted = testing ? slow_queries(log, 0.7, 2.0) : slow_queries(log, 0.5, 0.7);
      REQUIRE(window.queries().size() == wanted.size());
      for (std::size_t q = 0; q < wanted.size(); ++q) {
        const ebb::repeat_query& query = window.queries()[q];
        const ebb::repeat_question question = window.question(query);
        REQUIRE(query.position == wanted[q].position);
        REQUIRE(std::vector(question.candidates.begin(), question.candidates.end()) == wanted[q].candidates);
        REQUIRE(question.candidates[query.truth] == wanted[q].truth);
        REQUIRE(question.now == second_of(log[query.position]));
      }
    }
  }
}

TEST_CASE("a model is told exactly the events before the second it is asked about", "[replay]") {
  const ebb::event_log log = random_log(7, 300, 60);
  const ebb::repeat_task task(log);
  witness model;
  const ebb::repeat_result result = ebb::evaluate(model, task, 11);
  CHECK(model.fitted_on == 210);
  CHECK(model.told.size() == log.size());
  const auto queries = task.testing().queries();
  REQUIRE(!queries.empty());
  REQUIRE(result.ranks.size() == queries.size());
  for (std::size_t q = 0; q < queries.size(); ++q) {
    std::size_t before = 0;
    while (second_of(log[before]) < second_of(log[queries[q].position])) ++before;
    REQUIRE(model.told_when_asked[q] == before);
  }
}

TEST_CASE("the future changes nothing: tuning data and answers are those of the log cut short", "[replay]") {
  const ebb::event_log log = random_log(8, 400, 200);
  ebb::event_log other;  // the same first 70 %, then something else
  for (std::size_t i = 0; i < log.size(); ++i) {
    const ebb::logged_event& e = log[i];
    if (i < 280)
      other.append(log.users()[e.user], log.items()[e.item], e.time);
    else
      other.append("u" + std::to_string(i % 9), "i" + std::to_string(i % 11), e.time);
  }
  const ebb::repeat_task a(log);
  const ebb::repeat_task b(other);
  REQUIRE(a.tuning().events().size() == b.tuning().events().size());
  REQUIRE(a.tuning().queries().size() == b.tuning().queries().size());
  for (std::size_t q = 0; q < a.tuning().queries().size(); ++q) {
    const auto candidates = a.tuning().question(a.tuning().queries()[q]).candidates;
    const auto others = b.tuning().question(b.tuning().queries()[q]).candidates;
    REQUIRE(candidates.size() == others.size());
    for (std::size_t k = 0; k < candidates.size(); ++k) REQUIRE(log.items()[candidates[k]] == other.items()[others[k]]);
  }
}

TEST_CASE("ranks and metrics are those of the scores, under draws that depend on the seed alone", "[replay]") {
  const ebb::event_log log = random_log(9, 400, 200);
  const ebb::repeat_task task(log);
  witness model;
  const ebb::repeat_result result = ebb::evaluate(model, task, 3);
  const std::vector<double> draws = ebb::tie_draws(3, result.ranks.size());
  double sum = 0;
  for (std::size_t q = 0; q < result.ranks.size(); ++q) {
    const ebb::repeat_query& query = task.testing().queries()[q];
    const auto candidates = task.testing().question(query).candidates;
    std::size_t above = 0;
    std::size_t tied = 0;
    for (const ebb::item_id item : candidates) {
      above += item % 3 > candidates[query.truth] % 3;
      tied += item % 3 == candidates[query.truth] % 3;
    }
    REQUIRE(result.ranks[q] == 1 + above + static_cast<std::size_t>(draws[q] * static_cast<double>(tied)));
    sum += 1.0 / static_cast<double>(result.ranks[q]);
  }
  CHECK(result.metrics.mrr == Approx(sum / static_cast<double>(result.ranks.size())));
  witness again;
  CHECK(ebb::evaluate(again, task, 3).ranks == result.ranks);
  CHECK(ebb::compare(result, result, task, 1).diff == 0.0);
}

TEST_CASE("after the log, each user can be asked about all of the user's items", "[replay]") {
  const ebb::event_log log = random_log(10, 200, 100);
  const ebb::repeat_task task(log);
  witness model;
  (void)ebb::evaluate(model, task, 1);
  for (ebb::user_id user = 0; user < log.users().size(); ++user) {
    const ebb::repeat_question question = task.at_end(user);
    std::vector<double> scores(question.candidates.size());
    model.score(question, scores);  // the witness compares candidates and times with what it was told
  }
}

TEST_CASE("logs without queries are no trouble", "[replay]") {
  ebb::event_log log;
  for (int events = 0; events < 4; ++events) {
    const ebb::repeat_task task(log);
    witness model;
    CHECK(ebb::evaluate(model, task, 1).ranks.empty());
    log.append("alone", "i", ebb::time_point(std::chrono::seconds(events)));
  }
}

TEST_CASE("an unsorted log and an impossible split are refused", "[replay]") {
  ebb::event_log log;
  log.append("a", "i", ebb::time_point(2s));
  log.append("a", "i", ebb::time_point(1s));
  CHECK_THROWS_WITH(ebb::repeat_task(log), contains("ebb::repeat_task: the log must be sorted by time"));
  log.sort();
  CHECK_THROWS_AS(ebb::repeat_task(log, {.tune_begin = 0.8, .test_begin = 0.7}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::repeat_task(log, {.tune_begin = std::nan(""), .test_begin = 0.7}), std::invalid_argument);
}

}  // namespace replay_test
