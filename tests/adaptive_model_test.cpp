// SPDX-License-Identifier: MIT
#include "ebb/adaptive_model.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/event_csv.hpp"
#include "ebb/random.hpp"
#include "ebb/synthetic_log.hpp"

namespace adaptive_model_test {

using namespace std::chrono_literals;

namespace {

double number(const ebb::model_parameters& params, const std::string& name) {
  for (const auto& [key, value] : params)
    if (key == name) return std::get<double>(value);
  FAIL("no parameter " << name);
  return 0;
}

/// The model's scores, by its formulas, from the raw events and in as many passes as it takes.
class slow_adaptive {
 public:
  slow_adaptive(const ebb::event_log& log, const ebb::model_parameters& params)
      : log_(log), beta_(number(params, "beta")), rate_(number(params, "rate")), share_(number(params, "share")) {
    for (int k = 0; k < 8; ++k) {
      half_lives_.push_back(number(params, "half_life_seconds_" + std::to_string(k)));
      prior_.push_back(number(params, "prior_" + std::to_string(k)));
    }
  }

  std::vector<double> scores(ebb::user_id user, ebb::time_point now) const {
    std::vector<double> w = prior_;
    std::set<ebb::time_point> seconds;
    for (const ebb::logged_event& e : log_.events())
      if (e.user == user) seconds.insert(std::chrono::floor<std::chrono::seconds>(e.time));
    for (const ebb::time_point second : seconds) {
      if (second >= now) break;
      const std::vector<ebb::item_id> items = items_before(user, second);
      std::vector<double> pull(8, 0.0);
      double returns = 0;
      for (std::size_t i = 0; i < items.size() && items.size() >= 2; ++i) {
        bool returned = false;
        for (const ebb::logged_event& e : log_.events())
          returned = returned || (e.user == user && e.item == items[i] &&
                                  std::chrono::floor<std::chrono::seconds>(e.time) == second);
        if (!returned) continue;
        double p = 0;
        for (std::size_t k = 0; k < 8; ++k) p += w[k] * chance(user, items, i, k, second);
        for (std::size_t k = 0; k < 8; ++k) pull[k] += chance(user, items, i, k, second) / p;
        ++returns;
      }
      if (returns > 0)
        for (std::size_t k = 0; k < 8; ++k)
          w[k] = (1 - share_) * w[k] * (1 - rate_ + rate_ * pull[k] / returns) + share_ * prior_[k];
    }
    const std::vector<ebb::item_id> items = items_before(user, now);
    std::vector<double> out(items.size(), 0.0);
    for (std::size_t i = 0; i < items.size(); ++i)
      for (std::size_t k = 0; k < 8; ++k) out[i] += w[k] * chance(user, items, i, k, now);
    return out;
  }

 private:
  std::vector<ebb::item_id> items_before(ebb::user_id user, ebb::time_point now) const {
    std::vector<ebb::item_id> items;
    for (const ebb::logged_event& e : log_.events())
      if (e.user == user && e.time < now && std::find(items.begin(), items.end(), e.item) == items.end())
        items.push_back(e.item);
    return items;
  }
  double chance(ebb::user_id user, const std::vector<ebb::item_id>& items, std::size_t i, std::size_t k,
                ebb::time_point now) const {
    const auto power = [&](ebb::item_id item) {
      double sum = 0;
      for (const ebb::logged_event& e : log_.events())
        if (e.user == user && e.item == item && e.time < now)
          sum += std::exp2(-(ebb::duration(now - e.time).count() / half_lives_[k]));
      return std::pow(sum, beta_);
    };
    double all = 0;
    for (const ebb::item_id item : items) all += power(item);
    return power(items[i]) / all;
  }

  const ebb::event_log& log_;
  double beta_, rate_, share_;
  std::vector<double> half_lives_, prior_;
};

double mrr(ebb::repeat_model& model, const ebb::repeat_task& task) { return ebb::evaluate(model, task, 1).metrics.mrr; }

}  // namespace

TEST_CASE("the adaptive model scores as its formulas say, from the raw events", "[adaptive_model]") {
  ebb::event_log log;
  ebb::random_engine random(1);
  ebb::duration now = 1e9s;
  for (int i = 0; i < 160; ++i) {
    if (random.uniform() < 0.7) now += ebb::duration(std::exp(5 + random.normal()));  // else the same second, or nearly
    now += 0.25s;
    log.append("u" + std::to_string(random.below(2)), "i" + std::to_string(random.below(7)), ebb::to_time_point(now));
  }
  const ebb::repeat_task task(log);
  ebb::adaptive_model model({.rate = 0.2, .share = 0.01});
  model.fit(task.tuning());
  const slow_adaptive slow(log, model.params());
  const ebb::replay_window window = task.testing();
  model.reset(window.users(), window.items());
  std::vector<double> scores;
  window.stream(
      [&](const ebb::repeat_query&, const ebb::repeat_question& question) {
        scores.resize(question.candidates.size());
        model.score(question, scores);
        const std::vector<double> expected = slow.scores(question.user, question.now);
        REQUIRE(scores.size() == expected.size());
        for (std::size_t i = 0; i < scores.size(); ++i) CHECK(std::exp(scores[i]) == Approx(expected[i]).epsilon(1e-6));
      },
      [&](const ebb::logged_event& event, std::size_t slot) { model.observe(event, slot); });
}

TEST_CASE("where users forget at different speeds, adapting ranks better than one mixture for all",
          "[adaptive_model]") {
  ebb::synthetic_options options;
  options.groups = {{"fast", 6h, 25}, {"slow", std::chrono::days(60), 25}};
  options.item_rhythm = 0;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const ebb::synthetic_log made = ebb::make_synthetic_log(seed, options);
    const ebb::repeat_task task(made.log);
    ebb::mixture_model mixture;
    ebb::adaptive_model adaptive;
    CHECK(mrr(adaptive, task) > mrr(mixture, task) + 0.01);
  }
}

TEST_CASE("the adaptive model runs on logs with nothing to learn, unfitted too", "[adaptive_model]") {
  ebb::event_log log;
  for (int events = 0; events < 12; ++events) {
    const ebb::repeat_task task(log);
    ebb::adaptive_model model;
    CHECK_NOTHROW(ebb::replay(model, task.testing(), 1));
    CHECK_NOTHROW(ebb::evaluate(model, task, 1));
    log.append("u", "i" + std::to_string(events % 2), ebb::time_point(std::chrono::seconds(events / 2)));
  }
}

TEST_CASE("on the open event sets the adaptive model is never worse than the mixture", "[adaptive_model]") {
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
    ebb::adaptive_model adaptive;
    INFO(set);
    CHECK(mrr(adaptive, task) > mrr(mixture, task) - 0.002);
  }
}

}  // namespace adaptive_model_test
