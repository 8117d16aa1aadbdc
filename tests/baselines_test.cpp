// SPDX-License-Identifier: MIT
#include "ebb/baselines.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/event_csv.hpp"
#include "ebb/random.hpp"

namespace baselines_test {

using namespace std::chrono_literals;

namespace {

/// Users who come back, at gaps from seconds to weeks, mostly to what they used last.
ebb::event_log returning_log(std::uint64_t seed, int events) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  ebb::duration now = 1e9s;
  std::vector<std::vector<std::string>> history(6);
  for (int i = 0; i < events; ++i) {
    now += ebb::duration(std::exp(3.0 + 3.0 * random.normal()));
    const std::size_t user = random.below(history.size());
    std::vector<std::string>& own = history[user];
    const bool again = !own.empty() && random.uniform() < 0.8;
    const auto back = static_cast<std::size_t>(static_cast<double>(own.size()) * std::pow(random.uniform(), 3.0));
    own.push_back(again ? own[own.size() - 1 - std::min(back, own.size() - 1)]
                        : "i" + std::to_string(random.below(40)));
    log.append("u" + std::to_string(user), own.back(), ebb::to_time_point(now));
  }
  log.sort();
  return log;
}

/// Σ D(age) over the raw events of the pair before `now`: what every reading must equal.
double slow_interest(const ebb::event_log& log, ebb::user_id user, ebb::item_id item, ebb::time_point now,
                     const std::function<double(ebb::duration)>& decay) {
  double sum = 0;
  for (const ebb::logged_event& event : log.events())
    if (event.user == user && event.item == item && event.time < now) sum += decay(now - event.time);
  return sum;
}

/// Replays the log through the model; `check(question, scores, truth)` sees every test query.
void each_query(ebb::repeat_model& model, const ebb::replay_window& window,
                const std::function<void(const ebb::repeat_question&, std::span<const double>, std::size_t)>& check) {
  model.reset(window.users(), window.items());
  std::vector<double> scores;
  window.stream(
      [&](const ebb::repeat_query& query, const ebb::repeat_question& question) {
        scores.resize(question.candidates.size());
        model.score(question, scores);
        check(question, scores, query.truth);
      },
      [&](const ebb::logged_event& event, std::size_t slot) { model.observe(event, slot); });
}

double mrr_of(ebb::repeat_model& model, const ebb::replay_window& window) {
  double sum = 0;
  for (const std::size_t rank : ebb::replay(model, window, 1).ranks) sum += 1.0 / static_cast<double>(rank);
  return sum / static_cast<double>(window.queries().size());
}

/// The mean of −ln softmax(β · ln 2 · score)[truth], for scores that are log2 of an interest.
double listwise_loss(ebb::repeat_model& model, const ebb::replay_window& window, double beta) {
  double total = 0;
  each_query(model, window, [&](const ebb::repeat_question&, std::span<const double> scores, std::size_t truth) {
    double norm = 0;
    for (const double score : scores) norm += std::exp(beta * std::log(2.0) * (score - scores[truth]));
    total += std::log(norm);
  });
  return total / static_cast<double>(window.queries().size());
}

class fixed_reading : public ebb::reading_model {
 public:
  explicit fixed_reading(const ebb::reading& how) : reading_model(how) {}
  [[nodiscard]] std::string name() const override { return "fixed"; }
};

double number(const ebb::model_parameters& params, const std::string& name) {
  for (const auto& [key, value] : params)
    if (key == name) return std::get<double>(value);
  FAIL("no parameter " << name);
  return 0;
}

}  // namespace

TEST_CASE("recency and frequency score by last use and count of the raw events", "[baselines]") {
  const ebb::event_log log = returning_log(1, 600);
  const ebb::repeat_task task(log);
  ebb::lru_model lru;
  each_query(lru, task.testing(),
             [&](const ebb::repeat_question& question, std::span<const double> scores, std::size_t) {
               for (std::size_t k = 0; k < scores.size(); ++k) {
                 ebb::duration age(1e18);
                 for (const ebb::logged_event& event : log.events())
                   if (event.user == question.user && event.item == question.candidates[k] && event.time < question.now)
                     age = question.now - event.time;
                 REQUIRE(scores[k] == -age.count());
               }
             });
  ebb::lfu_model lfu;
  each_query(lfu, task.testing(),
             [&](const ebb::repeat_question& question, std::span<const double> scores, std::size_t) {
               for (std::size_t k = 0; k < scores.size(); ++k)
                 REQUIRE(scores[k] == slow_interest(log, question.user, question.candidates[k], question.now,
                                                    [](ebb::duration) { return 1.0; }));
             });
}

TEST_CASE("random order ranks every candidate equally often first", "[baselines]") {
  const ebb::event_log log = returning_log(2, 6000);
  const ebb::repeat_task task(log);
  ebb::random_model model;
  double expected = 0;
  double variance = 0;
  for (const ebb::repeat_query& query : task.testing().queries()) {
    const double p = 1.0 / query.candidates;
    expected += p;
    variance += p * (1 - p);
  }
  const ebb::repeat_result result = ebb::evaluate(model, task, 5);
  const double hits = result.metrics.hit1 * static_cast<double>(result.ranks.size());
  CHECK(std::abs(hits - expected) < 4 * std::sqrt(variance));
}

TEST_CASE("a reading's score is the log2 of the decayed sum over the raw events", "[baselines]") {
  const ebb::event_log log = returning_log(3, 500);
  const ebb::repeat_task task(log);
  const ebb::timescales bank = ebb::timescales::log_spaced(1min, std::chrono::weeks(8), 5);
  for (const ebb::reading& how : {ebb::reading(std::chrono::hours(3)), ebb::reading(bank, {0.1, 0.2, 0.0, 0.3, 0.4})}) {
    fixed_reading model(how);
    each_query(
        model, task.testing(), [&](const ebb::repeat_question& question, std::span<const double> scores, std::size_t) {
          for (std::size_t k = 0; k < scores.size(); ++k)
            REQUIRE(std::exp2(scores[k]) ==
                    Approx(slow_interest(log, question.user, question.candidates[k], question.now, how)).epsilon(1e-9));
        });
  }
}

TEST_CASE("what has faded beyond a double still ranks by recency", "[baselines]") {
  ebb::event_log log;
  for (int i = 0; i < 20; ++i) log.append("u", "i" + std::to_string(i), ebb::time_point(std::chrono::days(100 * i)));
  log.append("u", "i0", ebb::time_point(std::chrono::days(10'000)));
  const ebb::repeat_task task(log);
  ebb::exponential_model model(1s);
  each_query(model, task.testing(), [&](const ebb::repeat_question&, std::span<const double> scores, std::size_t) {
    for (std::size_t k = 1; k < scores.size(); ++k) CHECK(scores[k] > scores[k - 1]);
  });
}

TEST_CASE("a power law read from a bank keeps within 2 % of the closed form", "[baselines]") {
  const ebb::timescales bank = ebb::timescales::log_spaced(500ms, std::chrono::years(30), 28);
  for (const ebb::duration tau : {ebb::duration(1min), ebb::duration(3h), ebb::duration(std::chrono::days(60))})
    for (const double p : {0.3, 0.5, 1.0, 1.5, 2.5}) {
      const ebb::reading how(bank, ebb::detail::power_law_weights(bank, tau, p));
      for (double gap = 1; gap < 4e7; gap *= 1.7) {
        const double exact = std::pow(1 + gap / tau.count(), -p);
        CHECK(how(ebb::duration(gap)) == Approx(exact).epsilon(0.02));
      }
    }
}

TEST_CASE("the fitted half-life beats others on the tuning queries", "[baselines]") {
  const ebb::event_log log = returning_log(4, 4000);
  const ebb::repeat_task task(log);
  ebb::exponential_model fitted;
  fitted.fit(task.tuning());
  const double best = mrr_of(fitted, task.tuning());
  for (ebb::duration h = std::chrono::hours(1); h < std::chrono::days(4000); h *= 1.5) {
    ebb::exponential_model other(h);
    CHECK(best > mrr_of(other, task.tuning()) - 0.004);  // the grid is coarser, and ties fall differently
  }
}

TEST_CASE("the learned mixture has the least listwise loss on the tuning queries", "[baselines]") {
  const ebb::event_log log = returning_log(5, 3000);
  const ebb::repeat_task task(log);
  ebb::mixture_model fitted;
  fitted.fit(task.tuning());
  const ebb::reading how = fitted.how();
  const double beta = number(fitted.params(), "beta");
  const double least = listwise_loss(fitted, task.tuning(), beta);
  CHECK(least <= listwise_loss(fitted, task.tuning(), beta * 1.05));
  CHECK(least <= listwise_loss(fitted, task.tuning(), beta / 1.05));
  for (int k = 0; k < how.bank().size(); ++k)
    for (const double moved : {0.05, 1.0}) {  // weight moved onto one lane: the loss is convex enough to tell
      std::vector<double> weights(how.weights().begin(), how.weights().end());
      for (double& w : weights) w *= 1 - moved;
      weights[static_cast<std::size_t>(k)] += moved;
      fixed_reading other(ebb::reading(how.bank(), weights));
      CHECK(least <= listwise_loss(other, task.tuning(), beta) + 1e-6);
    }
}

TEST_CASE("models fit and run on logs with nothing to learn", "[baselines]") {
  std::vector<std::unique_ptr<ebb::repeat_model>> models;
  models.push_back(std::make_unique<ebb::exponential_model>());
  models.push_back(std::make_unique<ebb::power_law_model>());
  models.push_back(std::make_unique<ebb::actr_model>());
  models.push_back(std::make_unique<ebb::mixture_model>());
  ebb::event_log log;
  for (int events = 0; events < 12; ++events) {
    const ebb::repeat_task task(log);
    for (const auto& model : models) CHECK_NOTHROW(ebb::evaluate(*model, task, 1));
    log.append("u", "i" + std::to_string(events % 2), ebb::time_point(std::chrono::seconds(events / 2)));
  }
  log.append("u", "i0", ebb::time_point(std::chrono::years(250)));
  log.append("u", "i1", ebb::time_point(std::chrono::years(251)));
  const ebb::repeat_task centuries(log, {.tune_begin = 0.5, .test_begin = 0.95});
  for (const auto& model : models) CHECK_NOTHROW(ebb::evaluate(*model, centuries, 1));
}

TEST_CASE("the baselines give the protocol's figures on the open event sets", "[baselines]") {
  const char* folder = std::getenv("EBB_DATA_DIR");
  if (folder == nullptr) {
    WARN("skipped: EBB_DATA_DIR is not set");
    return;
  }
  struct expectation {
    std::string set;
    std::size_t queries;
    double random, lru, lfu, exponential, mixture;
  };
  for (const expectation& e : {expectation{"foursquare_nyc", 43'158, 0.0793, 0.2431, 0.3604, 0.3904, 0.3883},
                               expectation{"online_retail", 45'167, 0.0465, 0.0641, 0.0796, 0.0828, 0.0831},
                               expectation{"git_sympy", 22'162, 0.1351, 0.4280, 0.2713, 0.4371, 0.4427}}) {
    std::ifstream in(std::string(folder) + "/" + e.set + ".csv");
    REQUIRE(in);
    const ebb::event_log log = ebb::read_events(in).log;
    const ebb::repeat_task task(log);
    const auto mrr = [&](ebb::repeat_model&& model) { return ebb::evaluate(model, task, 1).metrics.mrr; };
    CHECK(task.testing().queries().size() == e.queries);
    CHECK(mrr(ebb::random_model()) == Approx(e.random).margin(0.003));
    CHECK(mrr(ebb::lru_model()) == Approx(e.lru).margin(0.003));
    CHECK(mrr(ebb::lfu_model()) == Approx(e.lfu).margin(0.003));
    CHECK(mrr(ebb::exponential_model()) == Approx(e.exponential).margin(0.004));
    CHECK(mrr(ebb::mixture_model()) == Approx(e.mixture).margin(0.005));
  }
}

}  // namespace baselines_test
