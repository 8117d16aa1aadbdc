// SPDX-License-Identifier: MIT
#include "ebb/readings.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <utility>

#include "catch.hpp"
#include "ebb/decay.hpp"
#include "ebb/random.hpp"
#include "store_oracle.hpp"

namespace readings_test {

using namespace std::chrono_literals;

namespace {

/// The largest relative error at random gaps, dense at every magnitude: a grid the fit has not seen.
template <class Decay>
double error_seen(const ebb::reading& how, const Decay& decay, ebb::duration horizon, double floor) {
  ebb::random_engine random(9);
  double worst = std::abs(how(horizon) - decay(horizon)) / std::max(decay(horizon), floor);
  for (int i = 0; i < 5000; ++i) {
    const ebb::duration gap = horizon * std::exp(-25 * random.uniform());
    worst = std::max(worst, std::abs(how(gap) - decay(gap)) / std::max(decay(gap), floor));
  }
  return worst;
}

/// A row of the documentation's table: largest errors in percent for 4 to 10 lanes, half-life a day, ten years.
void check_table_row(double exponent, const std::array<double, 7>& percent) {
  const ebb::duration horizon = std::chrono::years(10);
  const ebb::power_law_decay<> decay(24h, {exponent});
  for (int lanes = 4; lanes <= 10; ++lanes) {
    const auto fitted = ebb::fit_power_law(24h, {exponent}, horizon, lanes);
    CAPTURE(exponent, lanes);
    CHECK(fitted.reading.bank().size() == lanes);
    CHECK(fitted.max_relative_error <= percent[static_cast<std::size_t>(lanes - 4)] / 100);
    CHECK(error_seen(fitted.reading, decay, horizon, 0.0) <= fitted.max_relative_error);
    CHECK(fitted.reading(0s) == Approx(1.0).epsilon(1e-15));
  }
}

}  // namespace

TEST_CASE("the power law's table of lanes and errors holds for exponent 1/2", "[readings]") {
  check_table_row(0.5, {8.3, 3.1, 1.3, 0.52, 0.21, 0.08, 0.03});
}

TEST_CASE("the power law's table of lanes and errors holds for exponent 1", "[readings]") {
  check_table_row(1.0, {15, 5.5, 2.2, 0.88, 0.34, 0.11, 0.04});
}

TEST_CASE("the power law's table of lanes and errors holds for exponent 2", "[readings]") {
  check_table_row(2.0, {28, 12, 4.9, 1.7, 0.62, 0.23, 0.10});
}

TEST_CASE("a power law within a stated error takes as few lanes as reach it", "[readings]") {
  for (const auto& [exponent, error] : {std::pair(0.3, 0.01), std::pair(1.0, 0.03), std::pair(1.5, 0.03)}) {
    const ebb::duration horizon = 24h * 1000;
    const auto fitted = ebb::fit_power_law(6h, {exponent}, horizon, error);
    CHECK(fitted.max_relative_error <= error);
    CHECK(error_seen(fitted.reading, ebb::power_law_decay<>(6h, {exponent}), horizon, 0.0) <= error);
    CHECK(ebb::fit_power_law(6h, {exponent}, horizon, fitted.reading.bank().size() - 1).max_relative_error > error);
  }
}

TEST_CASE("a sum of events read through a mixture is off by no more than its stated error", "[readings]") {
  ebb::random_engine random(1);
  const ebb::power_law_decay<> decay(24h, {1.0});
  const auto fitted = ebb::fit_power_law(24h, {1.0}, std::chrono::years(5), 8);
  ebb::interest_store<int, int> store({.lanes = fitted.reading.bank()});
  const auto log = oracle::random_log(random, 2000, 3, 5);
  oracle::replay(store, log);
  const auto now = oracle::day(1100);
  for (const auto& [user, item] : oracle::pairs(log)) {
    double truth = 0;
    for (const auto& e : log)
      if (e.user == user && e.item == item) truth += e.amount * decay(now - e.time);
    const double value = store.interest(user, item, fitted.reading, now);
    CHECK(std::abs(value - truth) <= fitted.max_relative_error * truth);
  }
}

TEST_CASE("a decay made of the bank's own lanes is found again", "[readings]") {
  ebb::random_engine random(2);
  for (int trial = 0; trial < 20; ++trial) {
    const auto bank = ebb::timescales::log_spaced(1h, std::chrono::years(2), 2 + static_cast<int>(random.below(7)));
    const auto truth = oracle::random_reading(random, bank);
    const auto fitted = ebb::fit_reading(bank, truth, std::chrono::years(4));
    CHECK(fitted.max_relative_error < 1e-8);
    for (int k = 0; k < bank.size(); ++k)
      CHECK(fitted.reading.weights()[static_cast<std::size_t>(k)] ==
            Approx(truth.weights()[static_cast<std::size_t>(k)]).margin(1e-7));
  }
}

TEST_CASE("any decay is read from an existing bank with an honest error", "[readings]") {
  const auto bank = ebb::timescales::log_spaced(1h, std::chrono::years(2), 8);
  const auto check = [&](const auto& decay, double at_most) {
    const auto fitted = ebb::fit_reading(bank, decay, std::chrono::years(3), 1e-3);
    CHECK(error_seen(fitted.reading, decay, std::chrono::years(3), 1e-3) <= fitted.max_relative_error);
    CHECK(fitted.max_relative_error <= at_most);
  };
  check(ebb::power_law_decay<>(24h, {0.7}), 0.06);
  check(ebb::exponential_decay<>(24h * 7), 3.0);  // between two lanes: nothing of this bank falls so straight
  check(ebb::reading(24h * 7), 3.0);
  check(ebb::linear_decay<>(24h * 30), 1e3);
  const std::function<double(ebb::duration)> host = [](ebb::duration gap) { return 1 / (1 + std::sqrt(gap / 1h)); };
  check(host, 0.4);  // infinitely steep at zero, where the fastest lane has an hour
}

TEST_CASE("non-negative least squares meets its conditions of optimality", "[readings]") {
  ebb::random_engine random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const auto n = static_cast<Eigen::Index>(1 + random.below(8));
    Eigen::MatrixXd a(n + 10, n);
    Eigen::VectorXd b(n + 10);
    for (double& v : a.reshaped()) v = random.normal();
    for (double& v : b) v = random.normal();
    const Eigen::VectorXd x = ebb::detail::non_negative_least_squares(a, b);
    const Eigen::VectorXd gradient = a.transpose() * (b - a * x);
    CHECK((x.array() >= 0).all());
    for (Eigen::Index k = 0; k < n; ++k) {
      CHECK(gradient[k] <= 1e-9);                          // no coordinate wants to grow,
      if (x[k] > 0) CHECK(std::abs(gradient[k]) <= 1e-9);  // and those that are free rest
    }
  }
}

TEST_CASE("fits that cannot be are refused by name", "[readings]") {
  CHECK_THROWS_AS(ebb::fit_power_law(24h, {1.0}, 0h, 8), std::invalid_argument);
  CHECK_THROWS_AS(ebb::fit_power_law(24h, {1.0}, 24h, 0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::fit_power_law(24h, {1.0}, 24h, 33), std::invalid_argument);
  CHECK_THROWS_AS(ebb::fit_power_law(24h, {1.0}, 24h, 1.5), std::invalid_argument);
  CHECK_THROWS_AS(ebb::fit_power_law(0h, {1.0}, 24h, 8), std::invalid_argument);
  const ebb::timescales bank{1h, 24h};
  CHECK_THROWS_AS(ebb::fit_reading(bank, ebb::reading(1h), -1h), std::invalid_argument);
  CHECK_THROWS_AS(ebb::fit_reading(bank, ebb::reading(1h), 1h, 0.0), std::invalid_argument);
}

TEST_CASE("a fit keeps its half-lives within what a bank may have", "[readings]") {
  const auto check = [](const ebb::fitted_reading& fitted, double error) {
    CHECK(fitted.max_relative_error <= error);
    const auto& bank = fitted.reading.bank();
    CHECK((bank.half_life(0) >= 1ms && bank.half_life(bank.size() - 1) <= std::chrono::years(100)));
  };
  check(ebb::fit_power_law(24h, {1}, 1h, 1e-6), 1e-6);
  check(ebb::fit_power_law(24h, {1}, 1h, 5), 1e-5);
  CHECK_THROWS_WITH(ebb::fit_power_law(24h, {1}, 1h, 1e-8), contains("max_relative_error must be within reach"));
  check(ebb::fit_power_law(24h, {1}, std::chrono::years(200), 8), 0.05);
  check(ebb::fit_power_law(24h, {1}, std::chrono::years(900), 8), 1.0);
  check(ebb::fit_power_law(10ms, {2}, 1h, 12), 1.0);
}

}  // namespace readings_test
