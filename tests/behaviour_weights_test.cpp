// SPDX-License-Identifier: MIT
#include "ebb/behaviour_weights.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/event_csv.hpp"
#include "ebb/random.hpp"

namespace behaviour_weights_test {

using namespace std::chrono_literals;

namespace {

struct kind {
  std::string name;
  double theta;
  double share;  // of the events
};

/// Users who come back in proportion to Σ θ_b · D(age), half-life two days.
ebb::event_log returning_log(std::uint64_t seed, const std::vector<kind>& kinds, int users = 60, int events = 250) {
  ebb::event_log log;
  const ebb::random_engine root(seed);
  for (int u = 0; u < users; ++u) {
    ebb::random_engine random = root.split(static_cast<std::uint64_t>(u));
    ebb::duration now = 400'000h;
    std::vector<double> sums;
    for (int i = 0; i < events; ++i) {
      const ebb::duration gap = -std::log1p(-random.uniform()) * 10h;
      now += gap + 1s;
      double total = 0;
      for (double& s : sums) total += s *= std::exp2(-((gap + 1s) / 48h));
      std::size_t item = 0;
      if (sums.size() < 2 || random.uniform() < 0.15) {
        item = sums.size();
        sums.push_back(0);
      } else {
        for (double left = random.uniform() * total - sums[0]; left > 0 && item + 1 < sums.size(); left -= sums[item])
          ++item;
      }
      double draw = random.uniform();
      std::size_t b = 0;
      while (b + 1 < kinds.size() && draw >= kinds[b].share) draw -= kinds[b++].share;
      sums[item] += kinds[b].theta;
      log.append("u" + std::to_string(u), "i" + std::to_string(item), ebb::to_time_point(now), kinds[b].name);
    }
  }
  log.sort();
  return log;
}

const ebb::behaviour_weight& of(const ebb::behaviour_weights& learned, const std::string& name) {
  for (const ebb::behaviour_weight& b : learned.behaviours)
    if (b.name == name) return b;
  throw std::out_of_range(name);
}

}  // namespace

TEST_CASE("a purchase, a click and a view get the weights by which users come back", "[behaviour_weights]") {
  const std::vector<kind> kinds{{"view", 0.05, 0.7}, {"click", 0.25, 0.22}, {"purchase", 1.0, 0.08}};
  int inside = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto learned = ebb::learn_behaviour_weights(returning_log(seed, kinds), ebb::reading(48h));
    CHECK(of(learned, "purchase").weight == 1);
    CHECK(of(learned, "click").weight == Approx(0.25).epsilon(0.3));
    CHECK(of(learned, "view").weight == Approx(0.05).epsilon(0.3));
    CHECK(learned.sharpness == Approx(1).epsilon(0.15));
    CHECK(learned.gain.lo > 0);
    CHECK(learned.returns > 5000);
    for (const kind& k : kinds) {
      const ebb::behaviour_weight& b = of(learned, k.name);
      CHECK(b.lo <= b.weight);
      CHECK(b.weight <= b.hi);
      CHECK(b.hi <= 1);
      inside += b.lo <= k.theta && k.theta <= b.hi;
    }
  }
  CHECK(inside >= 10);  // of 12, at 95 %
}

TEST_CASE("the order holds under a half-life that is off by far", "[behaviour_weights]") {
  const auto log = returning_log(5, {{"view", 0.05, 0.7}, {"click", 0.25, 0.22}, {"purchase", 1.0, 0.08}});
  for (const ebb::duration half_life : {ebb::duration(12h), ebb::duration(400h)}) {
    const auto learned = ebb::learn_behaviour_weights(log, ebb::reading(half_life));
    CHECK(of(learned, "purchase").weight > of(learned, "click").weight);
    CHECK(of(learned, "click").weight > of(learned, "view").weight);
  }
}

TEST_CASE("where behaviours say the same, there is no measurable gain", "[behaviour_weights]") {
  const auto learned =
      ebb::learn_behaviour_weights(returning_log(6, {{"a", 1, 0.5}, {"b", 1, 0.5}}), ebb::reading(48h));
  CHECK(of(learned, "a").weight > 0.8);
  CHECK(of(learned, "b").weight > 0.8);
  CHECK(learned.gain.lo <= 0);
  CHECK(std::abs(learned.gain.diff) < 0.002);
}

TEST_CASE("the gradient of the loss is that of finite differences", "[behaviour_weights]") {
  ebb::random_engine random(7);
  ebb::detail::behaviour_returns returns;
  for (int q = 0; q < 5; ++q) {
    Eigen::MatrixXf parts(3, 6);
    for (float& v : parts.reshaped()) v = static_cast<float>(random.uniform());
    Eigen::ArrayXf levels(6);
    for (float& v : levels) v = static_cast<float>(random.normal());
    returns.queries.push_back({0, static_cast<Eigen::Index>(random.below(6)), parts, levels});
  }
  Eigen::VectorXd x(4);
  x << 0.3, -1.0, 0.5, 0.2;
  Eigen::VectorXd gradient, unused;
  (void)returns.mean(x, gradient);
  for (Eigen::Index i = 0; i < 4; ++i) {
    Eigen::VectorXd up = x, down = x;
    up[i] += 1e-5;
    down[i] -= 1e-5;
    CHECK(gradient[i] == Approx((returns.mean(up, unused) - returns.mean(down, unused)) / 2e-5).epsilon(1e-6));
  }
}

TEST_CASE("interest is kept apart by behaviour as the raw events say", "[behaviour_weights]") {
  ebb::random_engine random(8);
  const ebb::reading how(ebb::timescales{1h, 30h}, {0.6, 0.4});
  ebb::detail::behaviour_lanes lanes(how, 3);
  lanes.reset(1);
  std::vector<ebb::logged_event> events;
  std::vector<double> amounts;
  ebb::time_point now{400'000h};
  std::vector<std::size_t> slots;
  for (int i = 0; i < 50; ++i) {
    now += std::chrono::minutes(random.below(300));
    const std::size_t slot = i < 4 ? static_cast<std::size_t>(i) : random.below(4);
    events.push_back({0, static_cast<ebb::item_id>(slot), static_cast<ebb::behaviour_id>(random.below(3)), now});
    amounts.push_back(random.uniform());
    lanes.observe(events.back(), slot, amounts.back());
  }
  now += 7h;
  Eigen::ArrayXXd parts;
  Eigen::ArrayXd levels;
  lanes.read(0, now, parts, levels);
  for (Eigen::Index i = 0; i < 4; ++i)
    for (Eigen::Index b = 0; b < 3; ++b) {
      double sum = 0;
      for (std::size_t e = 0; e < events.size(); ++e)
        if (events[e].item == i && events[e].behaviour == b) sum += amounts[e] * how(now - events[e].time);
      CHECK(std::exp(levels[i]) * parts(b, i) == Approx(sum));
    }
  lanes.read(0, now + std::chrono::years(10), parts, levels);  // e^(level) is far below a double
  CHECK(levels.isFinite().all());
  CHECK((parts.colwise().sum() > 0).all());
}

TEST_CASE("only the returns asked for count, and values count as the model says", "[behaviour_weights]") {
  // Views lead to views, purchases to purchases: what predicts depends on what is asked for.
  ebb::event_log log;
  ebb::random_engine random(9);
  for (int u = 0; u < 40; ++u) {
    std::string last[2];
    for (int i = 0; i < 120; ++i) {
      const std::size_t buys = random.below(2);
      if (last[buys].empty() || random.uniform() < 0.3)
        last[buys] = (buys ? "b" : "v") + std::to_string(random.below(5));
      log.append("u" + std::to_string(u), last[buys],
                 ebb::time_point(std::chrono::hours(3 * i) + std::chrono::minutes(u)), buys ? "purchase" : "view", 30);
    }
  }
  log.sort();
  const auto bought = ebb::learn_behaviour_weights(log, ebb::reading(48h), {.returns = {"purchase"}});
  const auto viewed = ebb::learn_behaviour_weights(log, ebb::reading(48h), {.returns = {"view"}});
  CHECK(of(bought, "view").weight < 0.2);
  CHECK(of(viewed, "purchase").weight < 0.2);
  CHECK(bought.returns + viewed.returns == ebb::learn_behaviour_weights(log, ebb::reading(48h)).returns);

  ebb::behaviour_model model = ebb::behaviour_model::blank();
  model.set("view", {.value = ebb::value_rule::saturating(30.0)});  // a half for each
  model.set("purchase", {});
  const auto halved = ebb::learn_behaviour_weights(log, ebb::reading(48h), {.shares = &model});
  const auto whole = ebb::learn_behaviour_weights(log, ebb::reading(48h));
  const auto ratio = [](const ebb::behaviour_weights& w) { return of(w, "view").weight / of(w, "purchase").weight; };
  CHECK(ratio(halved) == Approx(2 * ratio(whole)).epsilon(0.05));

  bought.apply_to(model);
  CHECK(model.weights()[0] == of(bought, "view").weight);
  ebb::behaviour_model other = ebb::behaviour_model::blank();
  bought.apply_to(other);
  CHECK(other("purchase").interest == 1);
}

TEST_CASE("what a model has configured survives a log that teaches nothing", "[behaviour_weights]") {
  ebb::event_log log;
  log.append("u", "a", ebb::time_point(1h), "view");
  log.append("u", "b", ebb::time_point(2h), "never heard of");
  const ebb::behaviour_model before;
  ebb::behaviour_model model;
  ebb::learn_behaviour_weights(log).apply_to(model);
  CHECK(std::ranges::equal(model.weights(), before.weights()));
  CHECK_FALSE(model.knows("never heard of"));
}

TEST_CASE("dislikes keep their weight, and are neither learned from nor returns", "[behaviour_weights]") {
  const std::vector<kind> kinds{{"view", 0.1, 0.6}, {"purchase", 1.0, 0.3}, {"dislike", 0.0, 0.1}};
  const auto log = returning_log(10, kinds);
  const ebb::behaviour_model model;
  const auto learned = ebb::learn_behaviour_weights(log, ebb::reading(48h), {.shares = &model});
  CHECK_THROWS_AS(of(learned, "dislike"), std::out_of_range);
  CHECK(learned.behaviours.size() == 2);
  CHECK(of(learned, "view").weight == Approx(0.1).epsilon(0.4));
  const auto named = ebb::learn_behaviour_weights(log, ebb::reading(48h), {.returns = {"view", "purchase"}});
  CHECK(learned.returns == named.returns);
  std::size_t views = 0;
  for (const ebb::logged_event& e : log.events()) views += log.behaviours()[e.behaviour] == "view";
  CHECK(of(learned, "view").events == views);

  for (const auto& weights : {learned, ebb::learn_behaviour_weights(log, ebb::reading(48h))}) {
    ebb::behaviour_model taught;
    weights.apply_to(taught);
    CHECK(taught.rule(taught.id("dislike")).weight == 1);
    CHECK(taught.rule(taught.id("dislike")).to == ebb::channel::dislike);
    CHECK(taught.rule(taught.id("view")).weight == of(weights, "view").weight);
  }

  ebb::event_log only;
  for (int i = 0; i < 9; ++i) only.append("u", "i" + std::to_string(i % 2), ebb::time_point(i * 1h), "dislike");
  CHECK(ebb::learn_behaviour_weights(only, ebb::reading(48h), {.shares = &model}).behaviours.empty());
}

TEST_CASE("logs with nothing to learn leave the weights equal, and names must be known", "[behaviour_weights]") {
  ebb::event_log log;
  CHECK(ebb::learn_behaviour_weights(log, ebb::reading(48h)).behaviours.empty());
  log.append("u", "a", ebb::time_point(1h), "view");
  const auto learned = ebb::learn_behaviour_weights(log, ebb::reading(48h));
  CHECK(learned.returns == 0);
  CHECK(of(learned, "view").weight == 1);
  CHECK_THROWS_WITH(ebb::learn_behaviour_weights(log, ebb::reading(48h), {.returns = {"buy"}}), contains("in the log"));
  log.append("u", "a", ebb::time_point(0h), "view");
  CHECK_THROWS_AS(ebb::learn_behaviour_weights(log, ebb::reading(48h)), std::invalid_argument);
}

TEST_CASE("adding a file, editing and deleting it are told apart in a real history", "[behaviour_weights]") {
  const char* folder = std::getenv("EBB_DATA_DIR");
  if (folder == nullptr) {
    WARN("skipped: EBB_DATA_DIR is not set");
    return;
  }
  std::ifstream in(std::string(folder) + "/git_sympy.csv");
  REQUIRE(in);
  const auto learned = ebb::learn_behaviour_weights(ebb::read_events(in).log);
  CHECK(of(learned, "delete").hi < of(learned, "edit").lo);  // a file that is gone is not edited again
  CHECK(of(learned, "edit").hi < of(learned, "add").lo);     // and one's own new file is
  CHECK(learned.gain.lo > 0);
}

}  // namespace behaviour_weights_test
