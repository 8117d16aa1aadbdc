// SPDX-License-Identifier: MIT
#include <ebb/decay.hpp>
#include <ebb/random.hpp>

#include <cmath>
#include <limits>
#include <numbers>

#include "catch.hpp"

namespace decay_test {

using namespace std::chrono_literals;
using std::chrono::days;

namespace {

/// Log-uniform between the two.
double between(ebb::random_engine& random, double low, double high) {
  return low * std::pow(high / low, random.uniform());
}

/// Calls check(decay) for every family, with random half-lives from a second to ten years and random shapes.
template <class T, class Check>
void for_random_decays(std::uint64_t seed, int rounds, Check check) {
  ebb::random_engine random(seed);
  for (int round = 0; round < rounds; ++round) {
    const ebb::duration h(between(random, 1, 3e8));
    check(ebb::exponential_decay<T>(h));
    check(ebb::power_law_decay<T>(h, {.exponent = between(random, 1.0 / 64, 1e4)}));
    check(ebb::stretched_exponential_decay<T>(h, {.stretch = between(random, 0.05, 8)}));
    check(ebb::gaussian_decay<T>(h, {.offset = 0.95 * random.uniform() * h}));
    check(ebb::step_decay<T>(h, {.steps_per_half_life = 1 + static_cast<int>(random.below(24))}));
    check(ebb::linear_decay<T>(h));
    check(ebb::window_decay<T>(h));
  }
}

template <class T>
constexpr T epsilon = std::numeric_limits<T>::epsilon();

}  // namespace

TEMPLATE_TEST_CASE("every family keeps the calibration law: all at once, half at the half-life", "[decay]", float,
                   double) {
  using T = TestType;
  for_random_decays<T>(1, 200, [](const auto& decay) {
    INFO(decay.name << " with half-life " << decay.half_life().count() << " s");
    CHECK(decay(0s) == T(1));
    CHECK(std::abs(decay(decay.half_life()) - T(0.5)) <= 4 * epsilon<T>);
  });
}

TEMPLATE_TEST_CASE("every family falls monotonically within [0, 1], from nanoseconds to beyond centuries", "[decay]",
                   float, double) {
  using T = TestType;
  for_random_decays<T>(2, 40, [](const auto& decay) {
    INFO(decay.name << " with half-life " << decay.half_life().count() << " s");
    T before = 1;
    bool in_range = true;
    T worst_rise = 0;
    for (double gap = 1e-9; gap < 1e12; gap *= 1.07) {
      const T now = decay(ebb::duration(gap));
      in_range = in_range && now >= 0 && now <= 1;  // false for NaN
      // Neighbours may differ by a rounding of exp or log.
      worst_rise = std::max(worst_rise, now - before * (1 + 8 * epsilon<T>));
      before = now;
    }
    CHECK(in_range);
    CHECK(worst_rise <= 0);
    CHECK(decay(ebb::duration(std::numeric_limits<double>::infinity())) == T(0));
  });
}

TEMPLATE_TEST_CASE("the families are their closed forms", "[decay]", float, double) {
  using T = TestType;
  const auto near = [](double expected) { return Approx(expected).epsilon(static_cast<double>(8 * epsilon<T>)); };
  ebb::random_engine random(3);
  for (int round = 0; round < 200; ++round) {
    const double h = between(random, 1, 1e7);
    const double t = h * between(random, 1e-3, 10);
    const double x = t / h;
    const ebb::duration half_life(h);
    const ebb::duration gap(t);
    CAPTURE(h, t);
    CHECK(ebb::exponential_decay<T>(half_life)(gap) == near(std::exp(-std::numbers::ln2 * x)));
    const double p = between(random, 0.1, 10);
    const double scale = h / (std::pow(2, 1 / p) - 1);
    // The textbook scale itself loses digits where 2^(1/p) is near 1.
    CHECK(ebb::power_law_decay<T>(half_life, {.exponent = p})(gap) ==
          Approx(std::pow(1 + t / scale, -p)).epsilon(1e-14 + 16 * double(epsilon<T>)));
    const double beta = between(random, 0.2, 1);
    CHECK(ebb::stretched_exponential_decay<T>(half_life, {.stretch = beta})(gap) ==
          near(std::pow(0.5, std::pow(x, beta))));
    CHECK(ebb::linear_decay<T>(half_life)(gap) == Approx(x < 2 ? 1 - x / 2 : 0).margin(double(epsilon<T>)));
    CHECK(ebb::window_decay<T>(half_life)(gap) == (x < 1 ? 1 : 0));
  }
  const ebb::gaussian_decay<T> gaussian(10h, {.offset = 2h});
  CHECK(gaussian(1h) == T(1));
  CHECK(gaussian(2h) == T(1));
  const double sigma = 8 / std::sqrt(2 * std::numbers::ln2);
  CHECK(gaussian(7h) == near(std::exp(-25 / (2 * sigma * sigma))));
  const ebb::step_decay<T> step(days(7), {.steps_per_half_life = 7});
  CHECK(step(23h) == T(1));
  CHECK(step(days(1)) == near(std::exp2(-1.0 / 7)));
  CHECK(step(47h) == step(days(1)));
  CHECK(step(days(14)) == T(0.25));
}

TEST_CASE("the worked example's decay is 0.818731", "[decay]") {
  const auto decay = ebb::exponential_decay<>::from_rate(0.1, 1h);
  CHECK(decay(2h) == Approx(0.8187307530779818).epsilon(1e-15));
}

TEST_CASE("only the exponential is a semigroup, in its type and in its numbers", "[decay]") {
  const auto worst_defect = [](const auto& decay) {
    double worst = 0;
    for (double a = 0.117; a < 4; a += 0.283) {
      for (double b = 0.117; b < 4; b += 0.283) {
        const auto h = decay.half_life();
        worst = std::max(worst, std::abs(decay(a * h) * decay(b * h) - decay((a + b) * h)));
      }
    }
    return worst;
  };
  for_random_decays<double>(4, 20, [&](const auto& decay) {
    using family = std::decay_t<decltype(decay)>;
    INFO(decay.name);
    if constexpr (ebb::semigroup_decay<family>) {
      CHECK(worst_defect(decay) < 1e-15);
    } else if constexpr (!std::is_same_v<family, ebb::power_law_decay<>> &&
                         !std::is_same_v<family, ebb::stretched_exponential_decay<>>) {
      CHECK(worst_defect(decay) > 1e-3);
    }
  });
  CHECK(worst_defect(ebb::power_law_decay(days(7))) > 0.05);
  CHECK(worst_defect(ebb::stretched_exponential_decay(days(7))) > 0.05);
}

TEST_CASE("a power law's limits: a large exponent is the exponential, a small one keeps a tail", "[decay]") {
  const ebb::power_law_decay steep(days(1), {.exponent = 1e6});
  const ebb::exponential_decay exponential(days(1));
  for (int hours = 0; hours < 240; ++hours) {
    CHECK(steep(std::chrono::hours(hours)) == Approx(exponential(std::chrono::hours(hours))).epsilon(1e-4));
  }
  const ebb::power_law_decay hyperbola(days(1));
  CHECK(hyperbola(days(99)) == Approx(0.01));
  CHECK(ebb::stretched_exponential_decay(days(1), {.stretch = 1})(days(3)) == Approx(0.125));
}

TEST_CASE("named constructors hit the point they name", "[decay]") {
  ebb::random_engine random(5);
  for (int round = 0; round < 100; ++round) {
    const ebb::duration t(between(random, 1, 1e8));
    const double left = 0.01 + 0.98 * random.uniform();
    const double p = between(random, 0.1, 20);
    const double beta = between(random, 0.1, 4);
    CAPTURE(t.count(), left, p, beta);
    const auto near = [](double expected) { return Approx(expected).epsilon(1e-12); };
    CHECK(ebb::exponential_decay<>::from_remaining(left, t)(t) == near(left));
    CHECK(ebb::power_law_decay<>::from_remaining(left, t, {.exponent = p})(t) == near(left));
    CHECK(ebb::stretched_exponential_decay<>::from_remaining(left, t, {.stretch = beta})(t) == near(left));
    CHECK(ebb::gaussian_decay<>::from_remaining(left, t)(t) == near(left));
    CHECK(ebb::linear_decay<>::from_remaining(left, t)(t) == near(left));
    CHECK(ebb::gaussian_decay<>::from_offset_scale(0.3 * t, t, left)(1.3 * t) == near(left));
    CHECK(ebb::exponential_decay<>::from_time_constant(t)(t) == near(1 / std::numbers::e));
    CHECK(ebb::stretched_exponential_decay<>::from_time_constant(t, {.stretch = beta})(t) == near(1 / std::numbers::e));
    CHECK(ebb::power_law_decay<>::from_scale(t, {.exponent = p})(t) == near(std::pow(2, -p)));
    CHECK(ebb::power_law_decay<>::from_scale(t, {.exponent = p}).scale() / t == near(1));
  }
  CHECK(ebb::exponential_decay<>::from_remaining(0.25, days(14)).half_life() / days(7) == Approx(1));
  CHECK(ebb::power_law_decay<>::from_rate(0.5, 1h)(6h) == Approx(1.0 / 4));  // I₀/(1 + kt), k = 0.5 an hour
  CHECK(ebb::linear_decay<>::from_lifetime(days(10))(days(10)) == 0);
  CHECK(ebb::linear_decay<>::from_lifetime(days(10))(days(9)) == Approx(0.1));
  CHECK(ebb::gaussian_decay<>::from_offset_scale(1h, 2h).half_life() / 3h == Approx(1));
}

TEMPLATE_TEST_CASE("a batch is its numbers one by one, in a new array, in place and in a part of a larger one",
                   "[decay]", float, double) {
  using T = TestType;
  ebb::random_engine random(6);
  Eigen::ArrayX<T> hours(301);
  for (auto& x : hours) x = static_cast<T>(between(random, 1e-4, 1e7));
  hours(0) = 0;
  for_random_decays<T>(7, 20, [&](const auto& decay) {
    INFO(decay.name << " with half-life " << decay.half_life().count() << " s");
    const Eigen::ArrayX<T> batch = ebb::evaluate(decay, hours, 1h);
    T worst = 0;
    for (Eigen::Index i = 0; i < hours.size(); ++i) {
      const T one = decay(static_cast<double>(hours(i)) * ebb::duration(1h));
      // At a jump the two may round to different sides of it.
      const bool jumps = std::string(decay.name) == "step_decay" || std::string(decay.name) == "window_decay";
      if (!jumps) worst = std::max(worst, std::abs(batch(i) - one));
      if (jumps && std::abs(batch(i) - one) > 8 * epsilon<T>) {
        const auto x = static_cast<double>(hours(i)) * ebb::duration(1h);
        CHECK(decay(x * (1 + 1e-6)) <= batch(i) + 8 * epsilon<T>);
        CHECK(decay(x * (1 - 1e-6)) >= batch(i) - 8 * epsilon<T>);
      }
    }
    CHECK(worst <= 32 * epsilon<T>);

    Eigen::ArrayX<T> in_place = hours;
    ebb::evaluate(decay, in_place, 1h, in_place);
    CHECK((in_place == batch).all());
    Eigen::ArrayX<T> larger = Eigen::ArrayX<T>::Constant(hours.size() + 16, T(-1));
    ebb::evaluate(decay, hours, 1h, larger.segment(8, hours.size()));
    CHECK((larger.segment(8, hours.size()) - batch).abs().maxCoeff() <= 8 * epsilon<T>);
    CHECK((larger.head(8) == T(-1)).all());
    CHECK((larger.tail(8) == T(-1)).all());
  });
}

TEMPLATE_TEST_CASE("in a batch an older gap never comes out above a newer one, however old both are", "[decay]", float,
                   double) {
  using T = TestType;
  const Eigen::ArrayX<T> gaps = Eigen::ArrayX<T>::LinSpaced(1003, 0, T(3000));
  for_random_decays<T>(8, 10, [&](const auto& decay) {
    INFO(decay.name);
    const Eigen::ArrayX<T> batch = ebb::evaluate(decay, gaps, decay.half_life());
    const Eigen::Index n = batch.size();
    CHECK((batch.head(n - 1) * (1 + 8 * epsilon<T>) >= batch.tail(n - 1)).all());
    CHECK((batch >= 0).all());
  });
  CHECK((ebb::evaluate(ebb::exponential_decay<T>(1s), gaps.tail(600), 1s) == T(0)).all());
}

TEST_CASE("the log of a decay is finite and exact where the decay itself is zero", "[decay]") {
  const ebb::exponential_decay second(1s);
  CHECK(second(days(365)) == 0);
  CHECK(second.log2_at(days(365)) == -86400.0 * 365);
  CHECK(ebb::log2_of(second, 0s) == 0);
  CHECK_FALSE(std::signbit(ebb::log2_of(second, 0s)));
  const ebb::power_law_decay steep(1s, {.exponent = 1000});
  CHECK(std::isfinite(steep.log2_at(days(36500))));
  CHECK(ebb::log2_of(ebb::window_decay(1s), 2s) == -std::numeric_limits<double>::infinity());
  for_random_decays<double>(9, 50, [](const auto& decay) {
    INFO(decay.name);
    for (double x = 0; x < 1.9; x += 0.11) {
      const ebb::duration gap = x * decay.half_life();
      const double value = decay(gap);
      if (value > 0) CHECK(ebb::log2_of(decay, gap) == Approx(std::log2(value)).margin(1e-13));
    }
  });
}

TEST_CASE("bad half-lives, shapes, points and gaps are refused with name, rule and value", "[decay]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    const ebb::duration h(bad);
    CHECK_THROWS_AS(ebb::exponential_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::power_law_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::stretched_exponential_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::gaussian_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::step_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::linear_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::window_decay(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::power_law_decay(1h, {.exponent = bad * 1e9}), std::invalid_argument);
    CHECK_THROWS_AS(ebb::stretched_exponential_decay(1h, {.stretch = bad}), std::invalid_argument);
    CHECK_THROWS_AS(ebb::exponential_decay<>::from_rate(bad, 1h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::exponential_decay<>::from_time_constant(h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::exponential_decay<>::from_remaining(0.5, h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::power_law_decay<>::from_scale(h), std::invalid_argument);
  }
  for (const double bad : {0.0, 1.0, -0.5, 1.5, nan}) {
    CHECK_THROWS_AS(ebb::exponential_decay<>::from_remaining(bad, 1h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::linear_decay<>::from_remaining(bad, 1h), std::invalid_argument);
    CHECK_THROWS_AS(ebb::gaussian_decay<>::from_offset_scale(0s, 1h, bad), std::invalid_argument);
  }
  CHECK_THROWS_AS(ebb::gaussian_decay(1h, {.offset = 1h}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::gaussian_decay(1h, {.offset = -1s}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::gaussian_decay(1h, {.offset = ebb::duration(nan)}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::step_decay(1h, {.steps_per_half_life = 0}), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::exponential_decay(-2s), "ebb::exponential_decay: half_life must be finite and > 0, got -2 s");

  for_random_decays<double>(10, 1, [&](const auto& decay) {
    INFO(decay.name);
    CHECK_THROWS_AS(decay(-1ns), std::domain_error);
    CHECK_THROWS_AS(decay(ebb::duration(nan)), std::domain_error);
    CHECK_THROWS_AS(ebb::log2_of(decay, -1s), std::domain_error);
    CHECK_THROWS_AS(ebb::evaluate(decay, Eigen::Array3d(1, nan, 2), 1s), std::domain_error);
    CHECK_THROWS_AS(ebb::evaluate(decay, Eigen::Array3d(1, -1, 2), 1s), std::domain_error);
    CHECK_THROWS_AS(ebb::evaluate(decay, Eigen::Array3d(1, 1, 2), 0s), std::invalid_argument);
    Eigen::ArrayXd two(2);
    CHECK_THROWS_AS(ebb::evaluate(decay, Eigen::Array3d(1, 1, 2), 1s, two), std::invalid_argument);
  });
  CHECK_THROWS_WITH(ebb::power_law_decay(1h)(-3s), "ebb::power_law_decay: gap must be >= 0, got -3 s");
}

TEMPLATE_TEST_CASE("jumps come where they are said to, one by one and in a batch, in any unit", "[decay]", float,
                   double) {
  using T = TestType;
  for (int d = 1; d <= 400; ++d) {
    const ebb::duration half_life = std::chrono::days(d);
    INFO("half-life of " << d << " days");
    const ebb::window_decay<T> window(half_life);
    CHECK(window(half_life) == T(0.5));
    const ebb::step_decay<T> step(half_life, {7});
    CHECK(step(half_life) == T(0.5));
    for (const ebb::duration unit : {ebb::duration(1), ebb::duration(3600), ebb::duration(86400)}) {
      Eigen::ArrayX<T> gap(9);  // long enough for a vector and a rest
      gap.setConstant(static_cast<T>(half_life / unit));
      CHECK((ebb::evaluate(window, gap, unit) == T(0.5)).all());
      CHECK((ebb::evaluate(step, gap, unit) == T(0.5)).all());
    }
  }
  // Every whole hour at which an n-th part of n hours ends: the lower value holds.
  for (int n = 1; n <= 30; ++n)
    for (int hour = 0; hour <= 3 * n; ++hour) {
      const ebb::step_decay<T> step(std::chrono::hours(n), {n});
      const T expected = std::exp2(-static_cast<T>(hour) / static_cast<T>(n));
      INFO(n << " steps in as many hours, gap " << hour);
      CHECK(step(std::chrono::hours(hour)) == Approx(expected));
      Eigen::ArrayX<T> gap(5);
      gap.setConstant(static_cast<T>(hour));
      CHECK(ebb::evaluate(step, gap, std::chrono::hours(1)).maxCoeff() == Approx(expected));
    }
}

TEST_CASE("shapes that float cannot tell from the edge are refused, and nothing has passed yet counts whole",
          "[decay]") {
  const ebb::duration day = std::chrono::hours(24);
  CHECK_THROWS_AS(ebb::gaussian_decay<float>(day, {.offset = day - std::chrono::milliseconds(1)}),
                  std::invalid_argument);
  CHECK(ebb::gaussian_decay<double>(day, {.offset = day - std::chrono::milliseconds(1)})(day) == Approx(0.5));
  CHECK_THROWS_AS(ebb::stretched_exponential_decay<float>(day, {1e-50}), std::invalid_argument);
  Eigen::ArrayXd gaps(2);
  gaps << 0, 1;
  const Eigen::ArrayXd left = ebb::evaluate(ebb::linear_decay<>(ebb::duration(1e-310)), gaps, std::chrono::hours(1));
  CHECK(left(0) == 1);
  CHECK(left(1) == 0);
}

}  // namespace decay_test
