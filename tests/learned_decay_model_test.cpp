// SPDX-License-Identifier: MIT
#include "ebb/learned_decay_model.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/event_csv.hpp"
#include "ebb/synthetic_log.hpp"

namespace learned_decay_model_test {

using namespace std::chrono_literals;

namespace {

double mrr(ebb::repeat_model& model, const ebb::repeat_task& task) { return ebb::evaluate(model, task, 1).metrics.mrr; }

}  // namespace

TEST_CASE("the model ranks by the interest that each pair's own decay gives", "[learned_decay_model]") {
  const ebb::synthetic_log made =
      ebb::make_synthetic_log(1, {.groups = {{"a", 24h, 6}}, .span = std::chrono::days(60)});
  const ebb::repeat_task task(made.log);
  ebb::learned_decay_model model;
  model.fit(task.tuning());
  REQUIRE(model.decay());
  const ebb::replay_window window = task.testing();
  model.reset(window.users(), window.items());
  ebb::interest_store<ebb::user_id, ebb::item_id> store({.lanes = model.decay()->bank(), .first_use = true});
  std::vector<double> scores;
  int asked = 0;
  window.stream(
      [&](const ebb::repeat_query&, const ebb::repeat_question& question) {
        if (++asked % 10 != 0) return;
        scores.resize(question.candidates.size());
        model.score(question, scores);
        for (std::size_t i = 0; i < scores.size(); ++i) {
          const ebb::item_id item = question.candidates[i];
          const ebb::reading how = (*model.decay())(*ebb::decay_features(store, question.user, item));
          CHECK(std::exp(scores[i]) == Approx(store.interest(question.user, item, how, question.now)).epsilon(1e-4));
        }
      },
      [&](const ebb::logged_event& event, std::size_t slot) {
        model.observe(event, slot);
        store.observe(event.user, event.item, event.time);
      });
  CHECK(asked > 50);
}

TEST_CASE("the learned decay model runs on logs with nothing to learn, unfitted too", "[learned_decay_model]") {
  ebb::event_log log;
  for (int events = 0; events < 12; ++events) {
    const ebb::repeat_task task(log);
    ebb::learned_decay_model model;
    CHECK_NOTHROW(ebb::replay(model, task.testing(), 1));
    CHECK_NOTHROW(ebb::evaluate(model, task, 1));
    log.append("u", "i" + std::to_string(events % 2), ebb::time_point(std::chrono::seconds(events / 2)));
  }
}

TEST_CASE("on the open event sets the learned decay keeps up with the mixture, and beats it in shops",
          "[learned_decay_model]") {
  const char* folder = std::getenv("EBB_DATA_DIR");
  if (folder == nullptr) {
    WARN("skipped: EBB_DATA_DIR is not set");
    return;
  }
  for (const std::string set : {"foursquare_nyc", "online_retail", "git_sympy"}) {
    std::ifstream in(std::string(folder) + "/" + set + ".csv");
    REQUIRE(in);
    const ebb::event_log log = ebb::read_events(in).log;
    const ebb::repeat_task task(log);
    ebb::mixture_model mixture;
    ebb::learned_decay_model learned;
    INFO(set);
    CHECK(mrr(learned, task) > mrr(mixture, task) + (set == "online_retail" ? 0.003 : -0.002));
  }
}

}  // namespace learned_decay_model_test
