// SPDX-License-Identifier: MIT
#include "ebb/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace calibration_test {

namespace {

double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("the log-loss is least for the true probability and infinite for a wrong certainty", "[calibration]") {
  for (const double truth : {0.05, 0.4, 0.9})
    for (double p = 0.01; p < 1; p += 0.01) {
      const auto at = [&](double q) {
        return truth * ebb::log_losses(std::vector{q}, std::vector{1.0})[0] +
               (1 - truth) * ebb::log_losses(std::vector{q}, std::vector{0.0})[0];
      };
      CHECK(at(truth) <= at(p) + 1e-12);
    }
  CHECK(std::isinf(ebb::log_losses(std::vector{0.0}, std::vector{1.0})[0]));
  CHECK(ebb::log_losses(std::vector{0.0, 1.0}, std::vector{0.0, 1.0}) == std::vector{0.0, 0.0});
  CHECK_THROWS_AS(ebb::log_losses(std::vector{1.1}, std::vector{1.0}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::log_losses(std::vector{0.5}, std::vector{-0.1}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::log_losses(std::vector{0.5, 0.5}, std::vector{1.0}), std::invalid_argument);
}

TEST_CASE("a reliability table holds every prediction once, and equal ones together", "[calibration]") {
  ebb::random_engine random(1);
  std::vector<double> predicted, outcomes;
  for (int i = 0; i < 5000; ++i) {
    const double p = i % 3 == 0 ? 0.25 : random.uniform();
    predicted.push_back(p);
    outcomes.push_back(random.uniform() < p ? 1.0 : 0.0);
  }
  const auto table = ebb::reliability_table(predicted, outcomes, 8);
  CHECK(table.size() <= 8);
  std::size_t count = 0;
  double said = 0, happened = 0;
  int covered = 0;
  for (std::size_t b = 0; b < table.size(); ++b) {
    if (b > 0) CHECK(table[b].predicted > table[b - 1].predicted);
    CHECK(table[b].lo <= table[b].observed);
    CHECK(table[b].observed <= table[b].hi);
    covered += table[b].lo <= table[b].predicted && table[b].predicted <= table[b].hi;
    count += table[b].count;
    said += table[b].predicted * static_cast<double>(table[b].count);
    happened += table[b].observed * static_cast<double>(table[b].count);
  }
  CHECK(count == predicted.size());
  CHECK(said / 5000 == Approx(mean(predicted)));
  CHECK(happened / 5000 == Approx(mean(outcomes)));
  CHECK(covered >= static_cast<int>(table.size()) - 1);  // the predictions are the truth
  CHECK(ebb::reliability_table(std::vector(100, 0.5), std::vector(100, 1.0)).size() == 1);
  CHECK(ebb::reliability_table({}, {}).empty());
  CHECK_THROWS_AS(ebb::reliability_table(predicted, outcomes, 0), std::invalid_argument);
}

TEST_CASE("ties in a reliability table leave no crumbs behind them", "[calibration]") {
  for (const std::size_t tied : {0U, 99U, 500U, 540U, 560U, 599U, 950U, 995U})
    for (const std::size_t before : {0U, 3U}) {
      std::vector<double> predicted;
      for (std::size_t i = 0; i < 1000; ++i)
        predicted.push_back(i < before || i >= before + tied ? static_cast<double>(i) / 1000
                                                             : static_cast<double>(before) / 1000);
      const auto table = ebb::reliability_table(predicted, std::vector(1000, 0.0));
      INFO(tied << " after " << before);
      std::size_t count = 0;
      for (std::size_t b = 0; b < table.size(); ++b) {
        if (b + 1 < table.size()) CHECK(table[b].count > 50);
        count += table[b].count;
      }
      CHECK(count == 1000);
      CHECK(table.size() <= 10);
      if (tied == 500 && before == 0) {
        REQUIRE(table.size() == 6);
        CHECK(table[0].count == 500);
        for (std::size_t b = 1; b < 6; ++b) CHECK(table[b].count == 100);
      }
    }
  CHECK(ebb::reliability_table(std::vector{0.1, 0.2, 0.3}, std::vector{0.0, 0.0, 0.0}, 10).size() == 3);
}

TEST_CASE("isotonic calibration is the likeliest non-decreasing function", "[calibration]") {
  // Its closed form: max over a <= i of min over b >= i of the mean of y_a … y_b.
  ebb::random_engine random(2);
  for (int trial = 0; trial < 20; ++trial) {
    constexpr int n = 12;
    std::vector<double> y;
    for (int i = 0; i < n; ++i) y.push_back(std::clamp(0.08 * i + 0.3 * random.normal(), 0.0, 1.0));
    std::vector<double> scores, outcomes;
    for (int i = 0; i < n; ++i)
      for (int copy = 0; copy < 3000; ++copy) {  // so many that the halves added do not count
        scores.push_back(i);
        outcomes.push_back(y[static_cast<std::size_t>(i)]);
      }
    const ebb::isotonic_calibration learned(scores, outcomes);
    for (int i = 0; i < n; ++i) {
      double most = 0;
      for (int a = 0; a <= i; ++a) {
        double least = 1;
        double sum = 0;
        for (int b = a; b < n; ++b) {
          sum += y[static_cast<std::size_t>(b)];
          if (b >= i) least = std::min(least, sum / (b - a + 1));
        }
        most = std::max(most, least);
      }
      CHECK(learned(i) == Approx(most).margin(1e-3));
    }
  }
}

TEST_CASE("isotonic calibration never falls, is never certain, and recovers a known curve", "[calibration]") {
  ebb::random_engine random(3);
  std::vector<double> scores, outcomes;
  for (int i = 0; i < 20'000; ++i) {
    scores.push_back(3 * random.normal());
    outcomes.push_back(random.uniform() < sigmoid(scores.back()) ? 1.0 : 0.0);
  }
  const ebb::isotonic_calibration learned(scores, outcomes);
  double before = 0;
  for (double s = -20; s <= 20; s += 0.05) {
    const double p = learned(s);
    REQUIRE(p >= before);
    REQUIRE(p > 0);
    REQUIRE(p < 1);
    if (std::abs(s) < 6) CHECK(p == Approx(sigmoid(s)).margin(0.08));
    before = p;
  }
  constexpr double inf = std::numeric_limits<double>::infinity();
  const ebb::isotonic_calibration far(std::vector{-inf, 0.0, 1.0}, std::vector{0.0, 0.0, 1.0});
  CHECK(far(-inf) <= far(-5));
  CHECK(far(-5) <= far(1));
  CHECK(far(inf) == far(1));
  CHECK_THROWS_AS(far(std::nan("")), std::invalid_argument);
  CHECK_THROWS_AS(ebb::isotonic_calibration({}, {}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::isotonic_calibration(std::vector{std::nan("")}, std::vector{1.0}), std::invalid_argument);
}

TEST_CASE("logistic calibration recovers known weights and is the least of its loss", "[calibration]") {
  ebb::random_engine random(4);
  constexpr Eigen::Index n = 20'000;
  Eigen::MatrixXd x(2, n);
  std::vector<double> y;
  for (Eigen::Index i = 0; i < n; ++i) {
    x.col(i) << 5 + 2 * random.normal(), random.normal();
    y.push_back(random.uniform() < sigmoid(-4 + 0.5 * x(0, i) - 1.0 * x(1, i)) ? 1.0 : 0.0);
  }
  const auto learned = ebb::logistic_calibration::fit(x, y, {.ridge = 0});
  Eigen::MatrixXd at(2, 3);
  at << 5, 8, 2, 0, 1, -1;
  const Eigen::VectorXd p = learned(at);
  CHECK(p[0] == Approx(sigmoid(-1.5)).margin(0.015));
  CHECK(p[1] == Approx(sigmoid(-1)).margin(0.02));
  CHECK(p[2] == Approx(sigmoid(-2)).margin(0.02));

  const auto loss = [&](const ebb::logistic_state& state) {
    const Eigen::VectorXd all = ebb::logistic_calibration(state)(x);
    return mean(ebb::log_losses(std::vector<double>(all.begin(), all.end()), y));
  };
  const double least = loss(learned.state());
  for (int i = 0; i < 3; ++i)
    for (const double step : {-0.05, 0.05}) {
      ebb::logistic_state moved = learned.state();
      (i < 2 ? moved.weights[i] : moved.bias) += step;
      CHECK(loss(moved) > least);
    }
  // Averaged over the samples, what is predicted is what happened.
  const Eigen::VectorXd all = learned(x);
  CHECK(all.mean() == Approx(mean(y)).margin(1e-4));
}

TEST_CASE("where the logit of a feature is bent, its bends are found, and a straight one stays straight",
          "[calibration]") {
  ebb::random_engine random(5);
  constexpr Eigen::Index n = 60'000;
  const auto truth = [](double a, double b) { return -1 + 1.5 * std::abs(a) - 0.8 * b; };
  Eigen::MatrixXd x(2, n);
  std::vector<double> y;
  for (Eigen::Index i = 0; i < n; ++i) {
    x.col(i) << random.normal(), random.normal();
    y.push_back(random.uniform() < sigmoid(truth(x(0, i), x(1, i))) ? 1.0 : 0.0);
  }
  const auto straight = ebb::logistic_calibration::fit(x, y, {.ridge = 0});
  const auto bent = ebb::logistic_calibration::fit(x, y, {.ridge = 0, .bends = {-1, 0, 1}});
  Eigen::MatrixXd at(2, 25);
  for (Eigen::Index i = 0; i < 25; ++i)
    at.col(i) << 0.8 * static_cast<double>(i % 5 - 2), static_cast<double>(i / 5 - 2);
  const Eigen::VectorXd found = bent.logits(at);
  const Eigen::VectorXd p = bent(at);
  double off = 0;
  for (Eigen::Index i = 0; i < 25; ++i) {
    CHECK(found[i] == Approx(truth(at(0, i), at(1, i))).margin(0.2));
    CHECK(p[i] == Approx(sigmoid(found[i])));
    off = std::max(off, std::abs(straight.logits(at)[i] - truth(at(0, i), at(1, i))));
  }
  CHECK(off > 0.7);
  // The formula, from the state alone.
  const ebb::logistic_state& state = bent.state();
  REQUIRE(state.weights.size() == 8);
  for (Eigen::Index i = 0; i < 25; ++i) {
    double logit = state.bias;
    for (Eigen::Index f = 0; f < 2; ++f) {
      const double scale = std::sqrt(state.scaling.squares[f] / state.scaling.count[f]);
      const double z = (at(f, i) - state.scaling.mean[f]) / scale;
      logit += state.weights[f] * z;
      for (Eigen::Index b = 0; b < 3; ++b)
        logit += state.weights[2 * (b + 1) + f] * std::max(0.0, z - static_cast<double>(b - 1));
    }
    CHECK(found[i] == Approx(logit));
  }
  CHECK_THROWS_WITH(ebb::logistic_calibration::fit(x, y, {.bends = {1, 0}}), contains("bends must rise"));
  CHECK_THROWS_AS(ebb::logistic_calibration::fit(x, y, {.bends = {4}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::logistic_calibration::fit(x, y, {.bends = {std::nan("")}}), std::invalid_argument);
  ebb::logistic_state short_of_one = state;
  short_of_one.bends.pop_back();
  CHECK_THROWS_AS(ebb::logistic_calibration(short_of_one), std::invalid_argument);
}

TEST_CASE("isotonic calibration can be made again from its corners, and from nothing else", "[calibration]") {
  ebb::random_engine random(6);
  std::vector<double> scores, outcomes;
  for (int i = 0; i < 500; ++i) {
    scores.push_back(random.normal());
    outcomes.push_back(random.uniform() < sigmoid(scores.back()) ? 1.0 : 0.0);
  }
  const ebb::isotonic_calibration learned(scores, outcomes);
  const ebb::isotonic_calibration again(learned.state());
  for (double s = -5; s <= 5; s += 0.01) REQUIRE(again(s) == learned(s));
  const double nan = std::nan("");
  for (const ebb::isotonic_state& bad : std::vector<ebb::isotonic_state>{{{}, {}},
                                                                         {{1, 2}, {0.5}},
                                                                         {{1, 1}, {0.2, 0.5}},
                                                                         {{nan}, {0.5}},
                                                                         {{1, 2}, {0.5, 0.2}},
                                                                         {{1}, {0}},
                                                                         {{1}, {1}},
                                                                         {{1}, {nan}}})
    CHECK_THROWS_AS(ebb::isotonic_calibration(bad), std::invalid_argument);
}

TEST_CASE("logistic calibration is no surer than Platt's targets, whatever the outcomes", "[calibration]") {
  for (const std::size_t n : {3U, 100U, 5000U})
    for (const double kind : {0.0, 1.0})
      for (const double ridge : {0.0, 1e-3}) {
        const Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, static_cast<Eigen::Index>(n));
        const Eigen::VectorXd p = ebb::logistic_calibration::fit(x, std::vector(n, kind), {.ridge = ridge})(x);
        const double target = 1 / (static_cast<double>(n) + 2);
        for (const double one : p) CHECK((kind == 0 ? one : 1 - one) == Approx(target).epsilon(0.05));
      }
  // Outcomes that a threshold tells apart: the likeliest slope is infinite but for the targets.
  Eigen::MatrixXd x(1, 60);
  std::vector<double> y;
  for (Eigen::Index i = 0; i < 60; ++i) {
    x(0, i) = static_cast<double>(i % 2 == 0 ? 1 : -1);
    y.push_back(i % 2 == 0 ? 1.0 : 0.0);
  }
  const auto parted = ebb::logistic_calibration::fit(x, y, {.ridge = 0});
  const Eigen::VectorXd p = parted(x);
  for (Eigen::Index i = 0; i < 60; ++i) CHECK(p[i] == Approx(i % 2 == 0 ? 31.0 / 32 : 1.0 / 32).epsilon(0.01));
  Eigen::MatrixXd far(1, 2);
  far << -1e9, 1e9;
  ebb::logistic_state certain = parted.state();
  certain.weights[0] = 1e6;
  for (const auto& of : {parted, ebb::logistic_calibration(certain)}) {
    const Eigen::VectorXd beyond = of(far);
    for (const double one : beyond) {
      CHECK(one > 0);
      CHECK(one < 1);
    }
    for (const double loss : ebb::log_losses(std::vector(beyond.begin(), beyond.end()), std::vector{1.0, 0.0}))
      CHECK(std::isfinite(loss));
  }
}

TEST_CASE("logistic calibration learns from one kind of outcome, and refuses what does not fit", "[calibration]") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, 50);
  const Eigen::VectorXd none = ebb::logistic_calibration::fit(x, std::vector(50, 0.0))(x);
  CHECK(none.maxCoeff() < 0.05);
  CHECK(none.minCoeff() > 0);
  CHECK_THROWS_AS(ebb::logistic_calibration::fit(x, std::vector(49, 0.0)), std::invalid_argument);
  CHECK_THROWS_AS(ebb::logistic_calibration::fit(x, std::vector(50, 2.0)), std::invalid_argument);
  CHECK_THROWS_AS(ebb::logistic_calibration::fit(x, std::vector(50, 1.0), {.ridge = -1}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::logistic_calibration::fit(Eigen::MatrixXd(2, 0), {}), std::invalid_argument);
  ebb::logistic_state state = ebb::logistic_calibration::fit(x, std::vector(50, 0.0)).state();
  state.weights.resize(3);
  CHECK_THROWS_AS(ebb::logistic_calibration(state), std::invalid_argument);
}

}  // namespace calibration_test
