// SPDX-License-Identifier: MIT
#include <ebb/decay_mixture.hpp>
#include <ebb/random.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "catch.hpp"

namespace decay_mixture_test {

using namespace std::chrono_literals;
using std::chrono::days;

namespace {

template <class T>
ebb::mixture_decay<ebb::exponential_decay<T>> random_mixture(ebb::random_engine& random) {
  const auto n = 1 + random.below(8);
  std::vector<ebb::exponential_decay<T>> parts;
  std::vector<double> weights;
  double sum = 0;
  for (std::uint64_t k = 0; k < n; ++k) {
    parts.emplace_back(ebb::duration(std::exp(18 * random.uniform())));
    weights.push_back(random.uniform() + 1e-3);
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return {parts, weights};
}

}  // namespace

TEMPLATE_TEST_CASE("a mixture is the weighted mean of its parts, one by one and in a batch", "[decay_mixture]", float,
                   double) {
  using T = TestType;
  ebb::random_engine random(1);
  const double tolerance = 8 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (int round = 0; round < 50; ++round) {
    const auto mixture = random_mixture<T>(random);
    Eigen::ArrayX<T> minutes(40);
    for (auto& x : minutes) x = static_cast<T>(std::exp(14 * random.uniform()) - 1);
    const Eigen::ArrayX<T> batch = ebb::evaluate(mixture, minutes, 1min);
    for (Eigen::Index i = 0; i < minutes.size(); ++i) {
      const ebb::duration gap = static_cast<double>(minutes(i)) * ebb::duration(1min);
      double mean = 0;
      for (std::size_t k = 0; k < mixture.size(); ++k) {
        mean += mixture.weights()[k] * std::exp2(-(gap / mixture.parts()[k].half_life()));
      }
      CHECK(mixture(gap) == Approx(mean).margin(tolerance));
      CHECK(batch(i) == Approx(mean).margin(4 * tolerance));
      if (mean > 1e-30) CHECK(mixture.log2_at(gap) == Approx(std::log2(mean)).epsilon(4 * tolerance).margin(tolerance));
    }
    CHECK(mixture(0s) == Approx(1).epsilon(tolerance));
    CHECK(mixture(0s) <= 1);
  }
}

TEMPLATE_TEST_CASE("a mixture reads its half-life back, and can be stretched to any other", "[decay_mixture]", float,
                   double) {
  using T = TestType;
  const T tolerance = 8 * std::numeric_limits<T>::epsilon();
  ebb::random_engine random(2);
  for (int round = 0; round < 50; ++round) {
    const auto mixture = random_mixture<T>(random);
    CHECK(std::abs(mixture(mixture.half_life()) - T(0.5)) <= tolerance);
    const ebb::duration wanted(std::exp(16 * random.uniform()));
    const auto stretched = mixture.stretched_to(wanted);
    CHECK(std::abs(stretched(wanted) - T(0.5)) <= tolerance);
    // Stretching twice is stretching once, and only time is stretched: the value after x half-lives stays.
    CHECK(std::abs(stretched.stretched_to(days(1))(days(2)) - mixture(2 * mixture.half_life())) <= 16 * tolerance);
    CHECK(std::abs(ebb::evaluate(stretched, Eigen::ArrayX<T>::Constant(1, T(1)), wanted)(0) - T(0.5)) <= 2 * tolerance);
  }
}

TEST_CASE("a mixture's log survives where every part is zero", "[decay_mixture]") {
  const ebb::mixture_decay mixture({ebb::exponential_decay(1s), ebb::exponential_decay(2s)}, {0.5, 0.5});
  CHECK(mixture(10000s) == 0);
  CHECK(mixture.log2_at(10000s) == Approx(-5001));
  CHECK(ebb::mixture_decay<ebb::window_decay<>>({ebb::window_decay(1s)}, {1.0}).log2_at(2s) ==
        -std::numeric_limits<double>::infinity());
}

TEST_CASE("parts of different families mix as functions", "[decay_mixture]") {
  using any_decay = std::function<double(ebb::duration)>;
  const ebb::mixture_decay<any_decay> mixture({ebb::linear_decay(1h), ebb::power_law_decay(days(7))}, {0.25, 0.75});
  CHECK(mixture(1h) == Approx(0.125 + 0.75 * ebb::power_law_decay(days(7))(1h)));
  CHECK(mixture(days(7)) == Approx(0.375));
  CHECK(mixture.stretched_to(days(3))(days(3)) == Approx(0.5).epsilon(1e-12));
}

TEST_CASE("a delayed decay is flat up to its offset, then the inner decay", "[decay_mixture]") {
  // The (offset, scale, decay) spelling of search engines: 0.3 is left one scale after the offset.
  const ebb::delayed_decay exponential(2h, ebb::exponential_decay<>::from_remaining(0.3, 5h));
  const ebb::delayed_decay linear(2h, ebb::linear_decay<>::from_remaining(0.3, 5h));
  for (const auto gap : {0h, 1h, 2h}) {
    CHECK(exponential(gap) == 1);
    CHECK(linear(gap) == 1);
  }
  CHECK(exponential(7h) == Approx(0.3));
  CHECK(linear(7h) == Approx(0.3));
  CHECK(exponential(12h) == Approx(0.09));
  CHECK(exponential.log2_at(7h) == Approx(std::log2(0.3)));
  CHECK(exponential(exponential.half_life()) == Approx(0.5));
  CHECK_THROWS_AS(ebb::delayed_decay(-1s, ebb::linear_decay(1h)), std::invalid_argument);
  CHECK_THROWS_AS(exponential(-1s), std::domain_error);
}

TEST_CASE("a mixture refuses weights that are no mixture", "[decay_mixture]") {
  const std::vector<ebb::exponential_decay<>> two{ebb::exponential_decay(1h), ebb::exponential_decay(2h)};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  using mixture = ebb::mixture_decay<>;
  CHECK_THROWS_AS(mixture({}, {}), std::invalid_argument);
  CHECK_THROWS_AS(mixture(two, {1.0}), std::invalid_argument);
  CHECK_THROWS_AS(mixture(two, {0.5, 0.6}), std::invalid_argument);
  CHECK_THROWS_AS(mixture(two, {1.5, -0.5}), std::invalid_argument);
  CHECK_THROWS_AS(mixture(two, {nan, 0.5}), std::invalid_argument);
  CHECK_THROWS_AS(mixture(two, {0.5, 0.5})(-1s), std::domain_error);
  CHECK_THROWS_AS(mixture(two, {0.5, 0.5}).stretched_to(0s), std::invalid_argument);
}

}  // namespace decay_mixture_test
