// SPDX-License-Identifier: MIT
#include <ebb/decay.hpp>
#include <ebb/ema.hpp>
#include <ebb/random.hpp>

#include <cmath>
#include <limits>

#include "catch.hpp"

namespace ema_test {

using namespace std::chrono_literals;

namespace {

const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2024) / 3 / 1);

}  // namespace

TEST_CASE("the worked example: a decayed interest moves the weight half-way", "[ema]") {
  const auto decay = ebb::exponential_decay<>::from_rate(0.1, 1h);
  const double adjusted = 0.8 * decay(2h);
  const double weight = ebb::step_ema(0.5)(0.6, adjusted);
  CHECK(decay(2h) == Approx(0.818731).margin(5e-7));
  CHECK(adjusted == Approx(0.654985).margin(5e-7));
  CHECK(weight == Approx(0.627492).margin(5e-7));
}

TEMPLATE_TEST_CASE("an even step is the weighted mean, exact at both ends and between its inputs", "[ema]", float,
                   double) {
  using T = TestType;
  ebb::random_engine random(1);
  for (int round = 0; round < 1000; ++round) {
    const T alpha = static_cast<T>(random.uniform());
    const T previous = static_cast<T>(10 * random.uniform() - 5);
    const T interest = static_cast<T>(10 * random.uniform() - 5);
    const T weight = ebb::step_ema<T>(alpha)(previous, interest);
    CHECK(weight == Approx(alpha * interest + (1 - alpha) * previous).margin(10 * std::numeric_limits<T>::epsilon()));
    CHECK(weight >= std::min(previous, interest));
    CHECK(weight <= std::max(previous, interest));
    CHECK(ebb::step_ema<T>(0)(previous, interest) == previous);
    CHECK(ebb::step_ema<T>(1)(previous, interest) == interest);
    CHECK(ebb::step_ema<T>(alpha)(interest, interest) == interest);
  }
}

TEST_CASE("after its half-life in steps an even EMA has half of the old weight left", "[ema]") {
  for (const double steps : {0.5, 1.0, 7.0, 30.0, 1e6}) {
    const double alpha = ebb::step_ema<>::from_half_life_in_steps(steps).alpha();
    CHECK(std::pow(1 - alpha, steps) == Approx(0.5).epsilon(1e-9));
  }
}

TEMPLATE_TEST_CASE("a batch of even steps is each step alone", "[ema]", float, double) {
  using T = TestType;
  const ebb::step_ema<T> ema(T(0.3));
  Eigen::ArrayX<T> weights = Eigen::ArrayX<T>::LinSpaced(37, 0, 1);
  const Eigen::ArrayX<T> before = weights;
  const Eigen::ArrayX<T> interests = before.square().reverse();
  ema(weights, interests);
  for (Eigen::Index i = 0; i < weights.size(); ++i) {
    CHECK(weights(i) == Approx(ema(before(i), interests(i))).margin(2 * std::numeric_limits<T>::epsilon()));
  }
  Eigen::ArrayX<T> bad = interests;
  bad(5) = std::numeric_limits<T>::infinity();
  const Eigen::ArrayX<T> kept = weights;
  CHECK_THROWS_AS(ema(weights, bad), std::invalid_argument);
  CHECK_THROWS_AS(ema(weights, interests.head(3)), std::invalid_argument);
  CHECK((weights == kept).all());
}

TEMPLATE_TEST_CASE("an uneven step's alpha is what the half-life says", "[ema]", float, double) {
  using T = TestType;
  const ebb::timed_ema<T> ema(24h);
  CHECK(ema.alpha(0s) == T(0));
  CHECK(ema.alpha(24h) == Approx(0.5));
  CHECK(ema.alpha(48h) == Approx(0.75));
  CHECK(ema.alpha(ebb::duration(std::numeric_limits<double>::infinity())) == T(1));
  // Where 1 − 2^(−x) would cancel to nothing.
  CHECK(ema.alpha(1ns) == Approx(std::log(2) * 1e-9 / 86400).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("however often the same interest is fed in, the weight is that of one step", "[ema]", float,
                   double) {
  using T = TestType;
  ebb::random_engine random(2);
  for (int round = 0; round < 50; ++round) {
    const ebb::timed_ema<T> ema(ebb::duration(3600 * (1 + 100 * random.uniform())));
    const T interest = static_cast<T>(random.uniform());
    const T initial = static_cast<T>(random.uniform());
    ebb::ema_state<T> once{initial, start};
    ebb::ema_state<T> often{initial, start};
    ebb::time_point now = start;
    for (int step = 0; step < 40; ++step) {
      now += std::chrono::seconds(random.below(20000));
      ema.update(often, interest, now);
    }
    ema.update(once, interest, now);
    CHECK(often.value == Approx(once.value).margin(100 * std::numeric_limits<T>::epsilon()));
    CHECK(often.last == once.last);
  }
}

TEST_CASE("an uneven EMA equals the weighted mean of all it has seen", "[ema]") {
  const ebb::exponential_decay decay(5h);
  const ebb::timed_ema ema(5h);
  ebb::ema_state state;
  CHECK(state.empty());
  const double interests[] = {0.9, 0.1, 0.4, 1.0, 0.0};
  const std::chrono::minutes times[] = {0min, 10min, 400min, 401min, 3000min};
  for (int i = 0; i < 5; ++i) ema.update(state, interests[i], start + times[i]);
  CHECK_FALSE(state.empty());
  // Each input held since the one before it; the first since ever.
  double direct = interests[0] * decay(times[4]);
  for (int i = 1; i < 5; ++i) {
    direct += interests[i] * (decay(times[4] - times[i]) - decay(times[4] - times[i - 1]));
  }
  CHECK(state.value == Approx(direct).margin(1e-15));
}

TEST_CASE("the first update takes the interest as it is, one at the same moment changes nothing", "[ema]") {
  const ebb::timed_ema ema(1h);
  ebb::ema_state state;
  CHECK(ema.update(state, 0.7, start) == 0.7);
  CHECK(ema.update(state, 0.1, start) == 0.7);
  CHECK(ema.update(state, 0.1, start + 1h) == Approx(0.4));
}

TEST_CASE("the ends of the clock are no trouble", "[ema]") {
  const ebb::timed_ema ema(1h);
  ebb::ema_state state{0.2, ebb::time_point::min() + 1s};
  CHECK(ema.update(state, 0.9, ebb::time_point::max()) == 0.9);
}

TEST_CASE("bad parameters, inputs and times are refused, and the state stays as it was", "[ema]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {-0.001, 1.5, nan}) CHECK_THROWS_AS(ebb::step_ema(bad), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::step_ema(1.5), "ebb::step_ema: alpha must be in [0, 1], got 1.5");
  CHECK_THROWS_AS(ebb::step_ema<>::from_half_life_in_steps(0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::step_ema(0.5)(nan, 1), std::invalid_argument);
  CHECK_THROWS_AS(ebb::step_ema(0.5)(1, nan), std::invalid_argument);
  for (const double bad : {0.0, -5.0, nan}) {
    CHECK_THROWS_AS(ebb::timed_ema(ebb::duration(bad)), std::invalid_argument);
  }
  const ebb::timed_ema ema(1h);
  CHECK_THROWS_AS(ema.alpha(-1s), std::invalid_argument);
  ebb::ema_state state{0.6, start};
  CHECK_THROWS_AS(ema.update(state, nan, start + 1h), std::invalid_argument);
  CHECK_THROWS_WITH(ema.update(state, 1.0, start - 90s), contains("before the state's last update") && contains("-90"));
  CHECK(state.value == 0.6);
  CHECK(state.last == start);
}

}  // namespace ema_test
