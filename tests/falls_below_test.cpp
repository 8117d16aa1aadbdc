// SPDX-License-Identifier: MIT
#include "ebb/falls_below.hpp"

#include <chrono>
#include <cmath>
#include <stdexcept>

#include "catch.hpp"
#include "ebb/decay.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"

namespace falls_below_test {

using namespace std::chrono_literals;

namespace {

using store = ebb::interest_store<int, int>;
const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);

}  // namespace

TEST_CASE("one event falls below a level after the half-lives that takes", "[falls_below]") {
  const ebb::exponential_decay<double> exponential(24h);
  CHECK(ebb::falls_below(exponential, 8, 1)->count() == Approx(3 * 86400));
  CHECK(ebb::falls_below(exponential, 1, 1) == ebb::duration(0));
  CHECK(ebb::falls_below(exponential, 0, 1) == ebb::duration(0));
  // (1 + gap/scale)^-1 = 1/1000
  const ebb::power_law_decay<double> power(24h, {1.0});
  CHECK(ebb::falls_below(power, 10, 0.01)->count() == Approx(999 * power.scale().count()).epsilon(1e-12));
  const ebb::linear_decay<double> linear(24h);
  CHECK(ebb::falls_below(linear, 4, 1)->count() == Approx(0.75 * 48 * 3600));
  const ebb::window_decay<double> window(24h);
  CHECK(ebb::falls_below(window, 4, 1)->count() == Approx(86400));
  CHECK(ebb::falls_below(exponential, 1e300, 1e-300)->count() == Approx(86400 * 600 / std::log10(2.0)));
  const ebb::exponential_decay<double> slow(ebb::duration(1e18));
  CHECK_FALSE(ebb::falls_below(slow, 8, 1));
  CHECK_FALSE(ebb::falls_below([&](ebb::duration gap) { return slow(gap); }, 8, 1));
  const auto never = [](ebb::duration) { return 1.0; };
  CHECK_FALSE(ebb::falls_below(never, 2, 1));
  ebb::random_engine random(1);
  for (int i = 0; i < 100; ++i) {  // root finding against the closed form
    const ebb::duration half_life(std::exp(20 * random.uniform() - 4));
    const ebb::exponential_decay<double> closed(half_life);
    const auto same = [&](ebb::duration gap) { return closed(gap); };
    const double amount = std::exp(8 * random.uniform());
    CHECK(ebb::falls_below(same, amount, 0.5)->count() ==
          Approx(ebb::falls_below(closed, amount, 0.5)->count()).epsilon(1e-9));
  }
}

TEST_CASE("a stored interest is below the level from that tick on, and not before", "[falls_below]") {
  ebb::random_engine random(2);
  const ebb::timescales bank{6h, 48h, 1000h};
  for (int round = 0; round < 100; ++round) {
    store s({.lanes = bank});
    const std::uint64_t events = 1 + random.below(10);
    for (std::uint64_t i = 0; i < events; ++i)
      s.observe(1, 2, start + std::chrono::minutes(random.below(9000)), 0.1 + random.uniform());
    const ebb::time_point now = start + 200h;
    const auto how = round % 2 == 0 ? ebb::reading::lane(bank, static_cast<int>(random.below(3)))
                                    : ebb::reading::inverse_half_life(bank);
    const double before = s.interest(1, 2, how, now);
    const double level = before * std::exp(-10 * random.uniform());
    const auto when = ebb::falls_below(s, 1, 2, how, now, level);
    REQUIRE(when);
    CHECK(s.interest(1, 2, how, *when) < level);
    CHECK(s.interest(1, 2, how, *when - ebb::time_point::duration(1)) >= level);
    CHECK(ebb::falls_below(s, 1, 2, how, now, 2 * before) == now);
  }
}

TEST_CASE("with one lane the moment is the closed form's", "[falls_below]") {
  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 2, start, 4);
  const ebb::reading how(24h);
  CHECK(ebb::duration(*ebb::falls_below(s, 1, 2, how, start + 1h, 0.5) - start).count() == Approx(3 * 86400));
  CHECK(ebb::falls_below(s, 1, 3, how, start, 0.5) == start);  // never used
  store slow({.lanes = ebb::timescales{std::chrono::years(100)}});
  slow.observe(1, 2, start, 1e6);
  CHECK_FALSE(ebb::falls_below(slow, 1, 2, ebb::reading(std::chrono::years(100)), start, 1.0));
  CHECK_THROWS_WITH(ebb::falls_below(s, 1, 2, how, start, 0), contains("level must be finite and > 0, got 0"));
  CHECK_THROWS_AS(ebb::falls_below(s, 1, 2, how, start - 1h, 0.5), std::domain_error);
  CHECK_THROWS_AS(ebb::falls_below(ebb::exponential_decay<double>(24h), -1, 0.5), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::falls_below([](ebb::duration gap) { return gap > 1h ? std::nan("") : 1.0; }, 1, 0.5),
                    contains("decay must be a number"));
}

}  // namespace falls_below_test
