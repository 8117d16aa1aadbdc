// SPDX-License-Identifier: MIT
#include "ebb/timescales.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "catch.hpp"
#include "ebb/decay_function.hpp"
#include "ebb/random.hpp"

namespace timescales_test {

using namespace std::chrono_literals;
using ebb::detail::lane_grid;

static_assert(ebb::decay_function<ebb::reading>);
static_assert(!ebb::semigroup_decay<ebb::reading>);

TEST_CASE("a reading is one at zero, half at its half-life, and only falls", "[timescales]") {
  ebb::random_engine random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const int lanes = 2 + static_cast<int>(random.below(20));
    const auto bank = ebb::timescales::log_spaced(1s, std::chrono::years(1 + random.below(50)), lanes);
    std::vector<double> weights;
    double sum = 0;
    for (int k = 0; k < lanes; ++k) sum += weights.emplace_back(random.uniform());
    for (double& w : weights) w /= sum;
    const ebb::reading how(bank, weights);
    CHECK(how(0s) == Approx(1.0).epsilon(1e-15));
    CHECK(how(how.half_life()) == Approx(0.5).epsilon(1e-10));
    double before = how(0s);
    for (double log_gap = -3; log_gap < 25; log_gap += 0.5) {
      const double now = how(ebb::duration(std::exp(log_gap)));
      CHECK((now <= before && now >= 0));
      before = now;
    }
  }
}

TEST_CASE("the simple readings are what they say", "[timescales]") {
  const ebb::timescales bank{1h, 24h, 720h};
  CHECK(ebb::reading(24h)(48h) == Approx(0.25));
  CHECK(ebb::reading::lane(bank, 1)(24h) == Approx(0.5));
  const auto inverse = ebb::reading::inverse_half_life(bank);
  CHECK(inverse.weights()[0] == Approx(24 * inverse.weights()[1]));
  CHECK(inverse.weights()[1] == Approx(30 * inverse.weights()[2]));
  CHECK(bank.half_life(2) == 720h);
  CHECK(bank == ebb::timescales{1h, 24h, 720h});
  CHECK_FALSE(bank == ebb::timescales{1h, 24h});
}

TEST_CASE("log-spaced half-lives keep one ratio and both ends", "[timescales]") {
  const auto bank = ebb::timescales::log_spaced(1min, std::chrono::years(4), 8);
  REQUIRE(bank.size() == 8);
  CHECK(bank.half_life(0) == 1min);
  CHECK(bank.half_life(7) == std::chrono::years(4));
  for (int k = 2; k < 8; ++k)
    CHECK(bank.half_life(k) / bank.half_life(k - 1) == Approx(bank.half_life(1) / bank.half_life(0)));
}

TEST_CASE("banks and readings that cannot be are refused by name", "[timescales]") {
  using ebb::reading;
  using ebb::timescales;
  CHECK_THROWS_WITH((timescales{0s}), contains("ebb::timescales: a half-life must be in [1 ms, 100 years]"));
  CHECK_THROWS_AS((timescales{std::chrono::years(101)}), std::invalid_argument);
  CHECK_THROWS_AS((timescales{ebb::duration(std::nan(""))}), std::invalid_argument);
  CHECK_THROWS_AS((timescales{2h, 1h}), std::invalid_argument);
  CHECK_THROWS_AS((timescales{1h, 1h}), std::invalid_argument);
  CHECK_THROWS_AS((timescales{1h, 1h + 1ns * 0.4}), std::invalid_argument);
  CHECK_THROWS_AS(timescales(std::vector<ebb::duration>{}), std::invalid_argument);
  CHECK_THROWS_AS(timescales::log_spaced(1s, 2h, 1), std::invalid_argument);
  CHECK_THROWS_AS(timescales::log_spaced(1s, 2h, 33), std::invalid_argument);
  CHECK_THROWS_AS(timescales::log_spaced(2h, 1h, 3), std::invalid_argument);
  const timescales bank{1h, 2h};
  CHECK_THROWS_AS(reading(bank, {1.0}), std::invalid_argument);
  CHECK_THROWS_AS(reading(bank, {0.5, 0.6}), std::invalid_argument);
  CHECK_THROWS_AS(reading(bank, {1.5, -0.5}), std::invalid_argument);
  CHECK_THROWS_AS(reading(bank, {std::nan(""), 1.0}), std::invalid_argument);
  CHECK_THROWS_AS(reading::lane(bank, 2), std::invalid_argument);
  CHECK_THROWS_AS(reading::lane(bank, 0)(-1s), std::domain_error);
  CHECK_THROWS_AS(reading::lane(bank, 0)(ebb::duration(std::nan(""))), std::domain_error);
}

TEST_CASE("every moment lies in a cell of its grid and cells follow one another", "[lane_grid]") {
  ebb::random_engine random(2);
  constexpr auto lowest = std::numeric_limits<lane_grid::ticks>::min();
  for (int trial = 0; trial < 20000; ++trial) {
    const auto half_life = static_cast<lane_grid::ticks>(std::exp(14 + random.uniform() * 28.6));
    const lane_grid grid({half_life});
    const auto t = trial % 100 == 0 ? lowest + static_cast<lane_grid::ticks>(random.below(1000))
                                    : static_cast<lane_grid::ticks>(random());
    const double fraction = grid.fraction(0, t);
    CHECK((fraction >= 0 && fraction < 2));
    // t = lowest + (index + fraction) · half_life, exactly up to the double's rounding of the fraction
    const long double back = static_cast<long double>(grid.index(0, t)) * static_cast<long double>(half_life) +
                             static_cast<long double>(fraction) * static_cast<long double>(half_life);
    const long double since = static_cast<long double>(t) - static_cast<long double>(lowest);
    CHECK(std::abs(back - since) <= static_cast<long double>(half_life) * 0x1p-51L + since * 0x1p-62L);
    if (t < std::numeric_limits<lane_grid::ticks>::max()) CHECK(grid.index(0, t + 1) >= grid.index(0, t));
  }
}

TEST_CASE("the exponential of a fraction is right to three ulps", "[lane_grid]") {
  for (int i = 0; i <= 200000; ++i) {
    const double x = i / 100000.0;
    const long double truth = exp2l(static_cast<long double>(x));
    const long double ulp = truth < 2 ? 0x1p-52L : 0x1p-51L;
    REQUIRE(std::abs(static_cast<long double>(ebb::detail::exp2_of_fraction(x)) - truth) <= 3 * ulp);
  }
}

TEST_CASE("powers of two are exact and end in zero", "[lane_grid]") {
  for (int e = 0; e >= -1022; --e) CHECK(ebb::detail::power_of_two(e) == std::ldexp(1.0, e));
  CHECK(ebb::detail::power_of_two(-1023) == 0.0);
  CHECK(ebb::detail::power_of_two(std::numeric_limits<std::int64_t>::min()) == 0.0);
}

TEST_CASE("the portable high product is the wide one", "[lane_grid]") {
  ebb::random_engine random(4);
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t a = random() >> random.below(64);
    const std::uint64_t b = random() >> random.below(64);
    CHECK(ebb::detail::multiply_high(a, b) == ebb::detail::multiply_high_portable(a, b));
  }
}

}  // namespace timescales_test
