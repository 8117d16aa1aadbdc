// SPDX-License-Identifier: MIT
#include "ebb/next_task.hpp"

#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"

namespace next_task_test {

using namespace std::chrono_literals;

namespace {

ebb::event_log random_log(std::uint64_t seed, int events, std::uint64_t users, std::uint64_t items,
                          std::uint64_t seconds) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < events; ++i)
    log.append("u" + std::to_string(random.below(users)), "i" + std::to_string(random.below(1 + random.below(items))),
               ebb::time_point(std::chrono::seconds(random.below(seconds))));
  log.sort();
  return log;
}

class by_number : public ebb::next_model {
 public:
  [[nodiscard]] std::string name() const override { return "by_number"; }
  void fit(const ebb::next_history& history) override { trained = history.events.size(); }
  void score(ebb::user_id user, std::span<const ebb::item_id> candidates, std::span<double> scores) override {
    for (std::size_t k = 0; k < scores.size(); ++k) scores[k] = (candidates[k] * 7 + user) % 5;
  }
  std::size_t trained = 0;
};

}  // namespace

TEST_CASE("users asked about and what they took up are those of the protocol read word for word", "[next_task]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const ebb::event_log log = random_log(seed, 200, 12, 60, 10'000);
    const ebb::next_task task(log);
    const ebb::next_history history = task.history();
    REQUIRE(history.events.size() == 160);
    CHECK(history.now == log[159].time);
    std::map<ebb::user_id, std::set<ebb::item_id>> wanted;
    std::set<std::pair<ebb::user_id, ebb::item_id>> cold;
    std::set<std::pair<ebb::user_id, ebb::item_id>> all_new;
    for (std::size_t i = 160; i < log.size(); ++i) {
      int trained = 0;
      bool had = false;
      bool known = false;
      for (std::size_t j = 0; j < 160; ++j) {
        trained += log[j].user == log[i].user;
        had = had || (log[j].user == log[i].user && log[j].item == log[i].item);
        known = known || log[j].item == log[i].item;
      }
      if (trained < 5 || had || log[i].time == log[159].time) continue;
      all_new.emplace(log[i].user, log[i].item);
      if (known)
        wanted[log[i].user].insert(log[i].item);
      else
        cold.emplace(log[i].user, log[i].item);
    }
    REQUIRE(task.queries().size() == wanted.size());
    for (const ebb::next_query& query : task.queries())
      CHECK(std::set(query.taken_up.begin(), query.taken_up.end()) == wanted.at(query.user));
    CHECK(task.cold_share() == Approx(static_cast<double>(cold.size()) / static_cast<double>(all_new.size())));
  }
}

TEST_CASE("candidates are the most frequent items of the training events", "[next_task]") {
  const ebb::event_log log = random_log(6, 500, 10, 80, 10'000);
  const ebb::next_task task(log, nullptr, {.candidates = 15});
  std::map<ebb::item_id, int> count;
  for (const ebb::logged_event& event : task.history().events) ++count[event.item];
  const auto candidates = task.history().candidates;
  REQUIRE(candidates.size() == 15);
  for (std::size_t k = 1; k < candidates.size(); ++k) CHECK(count[candidates[k - 1]] >= count[candidates[k]]);
  for (const ebb::item_id item : candidates) count.erase(item);
  const int least = [&] {
    int n = 0;
    for (const ebb::logged_event& event : task.history().events) n += event.item == candidates.back();
    return n;
  }();
  for (const auto& [item, times] : count) CHECK(times <= least);
}

TEST_CASE("the inner task splits at 64 % and sees nothing of the outer test", "[next_task]") {
  const ebb::event_log log = random_log(7, 1000, 20, 80, 100'000);
  const ebb::next_task task(log);
  const ebb::next_task inner = task.history().inner();
  CHECK(inner.history().events.size() == 640);
  std::set<ebb::item_id> within;
  for (const ebb::logged_event& event : log.events().first(800)) within.insert(event.item);
  for (const ebb::next_query& query : inner.queries())
    for (const ebb::item_id item : query.taken_up) CHECK(within.count(item) == 1);
}

TEST_CASE("the best new items are those of a full sort without what the user has had", "[next_task]") {
  ebb::random_engine random(8);
  for (int round = 0; round < 100; ++round) {
    std::vector<ebb::item_id> candidates(30);
    for (std::size_t k = 0; k < candidates.size(); ++k) candidates[k] = static_cast<ebb::item_id>(k);
    random.shuffle(candidates.begin(), candidates.end());
    std::vector<double> scores;
    std::vector<ebb::item_id> had;
    for (ebb::item_id item = 0; item < 30; ++item) {
      scores.push_back(static_cast<double>(random.below(6)));
      if (random.below(2) == 0) had.push_back(item);
    }
    std::vector<std::pair<double, std::size_t>> sorted;
    for (std::size_t k = 0; k < candidates.size(); ++k)
      if (std::find(had.begin(), had.end(), candidates[k]) == had.end()) sorted.emplace_back(-scores[k], k);
    std::sort(sorted.begin(), sorted.end());
    const std::vector<ebb::item_id> best = ebb::best_new_items(candidates, scores, had, 10);
    REQUIRE(best.size() == std::min<std::size_t>(10, sorted.size()));
    for (std::size_t k = 0; k < best.size(); ++k) CHECK(best[k] == candidates[sorted[k].second]);
  }
  const std::vector<ebb::item_id> one{0};
  const std::vector<double> broken{std::nan("")};
  CHECK_THROWS_AS(ebb::best_new_items(one, broken, {}, 10), std::domain_error);
}

TEST_CASE("a model's metrics are the means of its users' lists", "[next_task]") {
  const ebb::event_log log = random_log(9, 2000, 30, 200, 100'000);
  const ebb::next_task task(log, nullptr, {.candidates = 50});
  by_number model;
  const ebb::next_result result = ebb::evaluate(model, task);
  CHECK(model.trained == 1600);
  double ndcg = 0;
  double recall = 0;
  std::set<ebb::item_id> shown;
  for (const ebb::next_query& query : task.queries()) {
    std::vector<double> scores(50);
    model.score(query.user, task.history().candidates, scores);
    const auto best = ebb::best_new_items(task.history().candidates, scores, task.had(query.user), 10);
    double gain = 0;
    double ideal = 0;
    double found = 0;
    for (std::size_t k = 0; k < 10; ++k) {
      const bool hit = std::find(query.taken_up.begin(), query.taken_up.end(), best[k]) != query.taken_up.end();
      gain += hit / std::log2(static_cast<double>(k) + 2);
      ideal += (k < query.taken_up.size()) / std::log2(static_cast<double>(k) + 2);
      found += hit;
      shown.insert(best[k]);
    }
    ndcg += gain / ideal;
    recall += found / static_cast<double>(query.taken_up.size());
  }
  const auto users = static_cast<double>(task.queries().size());
  REQUIRE(users > 5);
  CHECK(result.metrics.ndcg10 == Approx(ndcg / users));
  CHECK(result.metrics.recall10 == Approx(recall / users));
  CHECK(result.metrics.coverage == Approx(static_cast<double>(shown.size()) / 50));
  CHECK(ebb::compare(result, result, 1).diff == 0.0);
}

TEST_CASE("a measurement on a part of the users takes them evenly", "[next_task]") {
  const ebb::event_log log = random_log(9, 2000, 30, 200, 100'000);
  const ebb::next_task task(log);
  const std::size_t users = task.queries().size();
  REQUIRE(users > 10);
  for (std::size_t most = 1; most <= users + 1; ++most) {
    std::vector<ebb::user_id> asked;
    const auto measured = ebb::measure(
        task, [&](ebb::user_id user, auto, std::span<double>) { asked.push_back(user); }, most);
    CHECK(asked.size() <= most);
    CHECK(2 * asked.size() >= std::min(most, users));
    CHECK(measured.ndcg.size() == asked.size());
    CHECK(asked.front() == task.queries()[0].user);
  }
}

TEST_CASE("an empty log asks nothing, and an unsorted one is refused", "[next_task]") {
  ebb::event_log log;
  by_number model;
  CHECK(ebb::evaluate(model, ebb::next_task(log)).ndcg.empty());
  log.append("a", "i", ebb::time_point(2s));
  CHECK(ebb::evaluate(model, ebb::next_task(log)).ndcg.empty());
  log.append("a", "i", ebb::time_point(1s));
  CHECK_THROWS_AS(ebb::next_task(log), std::invalid_argument);
  log.sort();
  CHECK_THROWS_AS(ebb::next_task(log, nullptr, {.train_share = 0.0}), std::invalid_argument);
}

}  // namespace next_task_test
