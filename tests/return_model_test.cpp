// SPDX-License-Identifier: MIT
#include "ebb/return_model.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/baselines.hpp"
#include "ebb/random.hpp"

namespace return_model_test {

namespace {

using namespace std::chrono_literals;

/// Users with ten items each who, after each use of item j, return soon to item j + 1: an order no decay can see.
ebb::event_log circling_log(std::uint64_t seed) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int user = 0; user < 12; ++user) {
    ebb::time_point t{std::chrono::sys_days(std::chrono::year(2021) / 1 / 1)};
    std::uint64_t at = random.below(10);
    for (int i = 0; i < 400; ++i) {
      log.append("u" + std::to_string(user), "i" + std::to_string(at), t);
      at = random.below(10) == 0 ? random.below(10) : (at + 1 + 6 * (random.below(3) == 0 ? 1 : 0)) % 10;
      t += std::chrono::seconds(600 + random.below(20000));
    }
  }
  log.sort();
  return log;
}

}  // namespace

TEST_CASE("the listwise ranking learns an order that no decay can see", "[return_model]") {
  const ebb::event_log log = circling_log(4);
  const ebb::repeat_task task(log);
  ebb::return_model_options options = ebb::listwise_return_options(1);
  options.training.hidden = {16};
  options.training.members = 1;
  ebb::return_model learned(options);
  ebb::exponential_model decay;
  const auto with = evaluate(learned, task, 1);
  const auto without = evaluate(decay, task, 1);
  REQUIRE(learned.network()->blend > 0);
  REQUIRE(with.metrics.mrr > without.metrics.mrr + 0.1);
  REQUIRE(compare(with, without, task, 1).lo > 0);
}

TEST_CASE("replaying a log and serving it live give the same scores, to the last bit", "[return_model]") {
  const ebb::event_log log = circling_log(5);
  const ebb::repeat_task task(log);
  ebb::return_model_options options = ebb::listwise_return_options(1);
  options.training.hidden = {8};
  options.training.members = 2;
  options.training.epochs = 2;
  ebb::return_model replayed(options);
  replayed.fit(task.tuning());
  replayed.reset(log.users().size(), log.items().size());

  // Live, users and items go by their names, more of them are about, and questions come in between, of users who are not asked about in
  // the replay, too.
  using store_type = ebb::interest_store<std::string, std::string>;
  store_type live(replayed.network()->served_from());
  live.observe("somebody", "something else", log[0].time);
  live.observe("somebody", "something", log[0].time);
  ebb::return_scorer<store_type> served(live, *replayed.network());
  std::size_t asked = 0;
  task.testing().stream(
      [&](const ebb::repeat_query& query, const ebb::repeat_question& question) {
        std::vector<double> scores(query.candidates);
        replayed.score(question, scores);
        static_cast<void>(served.score(*live.find("somebody"), question.now));
        const Eigen::VectorXd& now = served.score(*live.find(log.users()[question.user]), question.now);
        REQUIRE(static_cast<std::size_t>(now.size()) == scores.size());
        REQUIRE(std::memcmp(now.data(), scores.data(), scores.size() * sizeof(double)) == 0);
        ++asked;
      },
      [&](const ebb::logged_event& event, std::size_t slot) {
        replayed.observe(event, slot);
        live.observe(log.users()[event.user], log.items()[event.item], event.time);
      });
  REQUIRE(replayed.network()->blend > 0);
  REQUIRE(asked == task.testing().queries().size());
}

TEST_CASE("half-lives come from the gaps and the span, whatever the log", "[return_model]") {
  std::vector<ebb::duration> gaps(100, ebb::duration(24h));
  const ebb::timescales bank = ebb::suggest_timescales(gaps, 24h * 100, 8);
  REQUIRE(bank.half_life(0) == ebb::duration(24h));
  REQUIRE(bank.half_life(7).count() == Approx(200.0 * 86400));
  REQUIRE(ebb::suggest_timescales({}, 0s).size() == 8);
  REQUIRE(ebb::suggest_timescales({0s, 0s}, 1s).half_life(0) == ebb::duration(1min));
  REQUIRE(ebb::suggest_timescales({24h * 365 * 90}, 24h * 365 * 90).half_life(7) <=
          ebb::duration(std::chrono::years(100)));
  for (const int years : {1, 12, 13, 40, 99, 1000}) {
    const ebb::duration gap = std::chrono::years(years);
    for (const ebb::duration span : {gap, 3 * gap}) {
      const ebb::timescales slow = ebb::suggest_timescales({gap, gap, gap}, span, 8);
      INFO(years);
      REQUIRE(slow.half_life(7) <= ebb::duration(std::chrono::years(100)));
      REQUIRE(slow.half_life(7) / slow.half_life(0) == Approx(8).margin(0.01).scale(0));
      REQUIRE(slow.half_life(0) == std::min<ebb::duration>(gap, std::chrono::years(100) / 8.0));
    }
  }
}

TEST_CASE("a log with nothing to tune on is still ranked", "[return_model]") {
  ebb::event_log log;
  const ebb::time_point t{std::chrono::sys_days(std::chrono::year(2021) / 1 / 1)};
  for (int i = 0; i < 4; ++i) log.append("u", "i" + std::to_string(i % 3), t + std::chrono::hours(i));
  const ebb::repeat_task task(log);
  ebb::return_model model;
  const auto result = evaluate(model, task, 1);
  REQUIRE(model.network()->blend == 0);
  REQUIRE(result.ranks.size() == task.testing().queries().size());
}

}  // namespace return_model_test
