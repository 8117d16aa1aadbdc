// SPDX-License-Identifier: MIT
#include "ebb/next_baselines.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/event_csv.hpp"

namespace next_baselines_test {

using namespace std::chrono_literals;

namespace {

ebb::event_log random_log(std::uint64_t seed, int events) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < events; ++i)
    log.append("u" + std::to_string(random.below(12)), "i" + std::to_string(random.below(1 + random.below(60))),
               ebb::time_point(std::chrono::minutes(random.below(40'000))));
  log.sort();
  return log;
}

}  // namespace

TEST_CASE("popularity counts, decayed popularity adds up what is left of every event", "[next_baselines]") {
  const ebb::event_log log = random_log(1, 800);
  const ebb::next_task task(log);
  const ebb::next_history history = task.history();
  const ebb::duration h = std::chrono::hours(30);
  ebb::popularity_model plain;
  ebb::decayed_popularity_model decayed(h);
  plain.fit(history);
  decayed.fit(history);
  std::vector<double> counts(history.candidates.size());
  std::vector<double> sums(history.candidates.size());
  plain.score(0, history.candidates, counts);
  decayed.score(0, history.candidates, sums);
  for (std::size_t k = 0; k < counts.size(); ++k) {
    double count = 0;
    double sum = 0;
    for (const ebb::logged_event& event : history.events)
      if (event.item == history.candidates[k]) {
        ++count;
        sum += std::exp2(-((history.now - event.time) / h));
      }
    CHECK(counts[k] == count);
    CHECK(sums[k] == Approx(sum));
  }
}

TEST_CASE("the half-life chosen is the best on the inner split", "[next_baselines]") {
  const ebb::event_log log = random_log(2, 4000);
  const ebb::next_task task(log);
  ebb::decayed_popularity_model chosen;
  chosen.fit(task.history());
  const auto ndcg = [&](ebb::duration h) {
    ebb::decayed_popularity_model model(h);
    return ebb::evaluate(model, task.history().inner()).metrics.ndcg10;
  };
  const ebb::duration own(std::get<double>(chosen.params().at(0).second));
  const auto events = task.history().events;
  for (ebb::duration h = 4 * ebb::duration(events.back().time - events.front().time); h >= 1h; h /= 2)
    CHECK(ndcg(own) >= ndcg(h));
}

TEST_CASE("the walk from one's interests equals the sum over all paths", "[next_baselines]") {
  const ebb::event_log log = random_log(3, 300);
  const ebb::next_task task(log);
  const ebb::next_history history = task.history();
  const ebb::duration h = std::chrono::hours(100);
  std::map<std::pair<ebb::user_id, ebb::item_id>, double> interest;
  std::map<ebb::user_id, double> of_user;
  std::map<ebb::item_id, double> of_item;
  for (const ebb::logged_event& event : history.events) {
    const double left = std::exp2(-((history.now - event.time) / h));
    interest[{event.user, event.item}] += left;
    of_user[event.user] += left;
    of_item[event.item] += left;
  }
  ebb::user_interest_model model(h);
  model.fit(history);
  std::vector<double> scores(history.candidates.size());
  for (const ebb::next_query& query : task.queries()) {
    model.score(query.user, history.candidates, scores);
    for (std::size_t k = 0; k < scores.size(); ++k) {
      double sum = 0;
      for (const auto& [mine, value] : interest) {
        if (mine.first != query.user) continue;
        for (const auto& [theirs, other] : interest) {
          if (theirs.second != mine.second) continue;
          const auto next = interest.find({theirs.first, history.candidates[k]});
          if (next == interest.end()) continue;
          sum += value / std::sqrt(of_user[query.user]) * other /
                 std::sqrt(of_user[theirs.first] * of_item[mine.second]) * next->second /
                 std::sqrt(of_user[theirs.first]);
        }
      }
      REQUIRE(scores[k] == Approx(sum).epsilon(1e-6).margin(1e-6));
    }
  }
}

TEST_CASE("models of new items fit and run on logs with nothing to learn", "[next_baselines]") {
  std::vector<std::unique_ptr<ebb::next_model>> models;
  models.push_back(std::make_unique<ebb::popularity_model>());
  models.push_back(std::make_unique<ebb::decayed_popularity_model>());
  models.push_back(std::make_unique<ebb::user_interest_model>());
  ebb::event_log log;
  for (int events = 0; events < 12; ++events) {
    const ebb::next_task task(log);
    for (const auto& model : models) CHECK_NOTHROW(ebb::evaluate(*model, task));
    log.append("u", "i" + std::to_string(events), ebb::time_point(std::chrono::days(4000 * events)));
  }
}

TEST_CASE("popularity gives the protocol's figures on the open event sets", "[next_baselines]") {
  const char* folder = std::getenv("EBB_DATA_DIR");
  if (folder == nullptr) {
    WARN("skipped: EBB_DATA_DIR is not set");
    return;
  }
  struct expectation {
    std::string set;
    std::size_t users;
    double popularity, decayed;
  };
  for (const expectation& e :
       {expectation{"foursquare_nyc", 856, 0.0346, 0.0260}, expectation{"online_retail", 1'404, 0.0373, 0.1036},
        expectation{"ml100k", 106, 0.1449, 0.2171}}) {
    std::ifstream in(std::string(folder) + "/" + e.set + ".csv");
    REQUIRE(in);
    const ebb::event_log log = ebb::read_events(in).log;
    const ebb::next_task task(log);
    CHECK(task.queries().size() == e.users);
    ebb::popularity_model plain;
    ebb::decayed_popularity_model decayed;
    CHECK(ebb::evaluate(plain, task).metrics.ndcg10 == Approx(e.popularity).margin(0.005));
    CHECK(ebb::evaluate(decayed, task).metrics.ndcg10 == Approx(e.decayed).margin(0.005));
  }
}

}  // namespace next_baselines_test
