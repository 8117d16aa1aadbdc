// SPDX-License-Identifier: MIT
#include "ebb/synthetic_log.hpp"

#include <chrono>
#include <cmath>
#include <numbers>

#include "catch.hpp"

namespace synthetic_log_test {

using namespace std::chrono_literals;

namespace {

double turns(ebb::time_point time, ebb::duration peak, ebb::duration period) {
  return 2.0 * std::numbers::pi * ((ebb::duration(time.time_since_epoch()) - peak) / period);
}

}  // namespace

TEST_CASE("a seed gives the same log every time, another seed another one", "[synthetic_log]") {
  const ebb::synthetic_log a = ebb::make_synthetic_log(1);
  const ebb::synthetic_log b = ebb::make_synthetic_log(1);
  const ebb::synthetic_log c = ebb::make_synthetic_log(2);
  REQUIRE(a.log.size() == b.log.size());
  bool same = true;
  for (std::size_t i = 0; i < a.log.size(); ++i) same = same && a.log[i] == b.log[i];
  CHECK(same);
  CHECK(a.log.size() != c.log.size());
  CHECK(a.log.sorted());
  CHECK(a.users.size() == a.log.users().size());
  CHECK(a.catalogue.titles.size() == a.log.items().size());
  CHECK(a.catalogue.tags.size() == a.log.items().size());
  CHECK(a.catalogue.tag_names.size() == 10);
}

TEST_CASE("as many events come as the rate says, and as many of them are new", "[synthetic_log]") {
  const ebb::synthetic_options options{
      .groups = {{"a", 1h, 30}, {"b", std::chrono::days(30), 30}}, .events_a_day = 2.0, .explore = 0.2};
  const ebb::synthetic_log made = ebb::make_synthetic_log(3, options);
  const double expected = 60 * 180 * 2.0;
  const auto events = static_cast<double>(made.log.size());
  CHECK(std::abs(events - expected) < 4 * std::sqrt(expected) + 0.001 * expected);  // less what fell into one second
  const double fresh = 1 - ebb::repeat_share(made.log.events());
  const double first = 60 / events;  // a user's first event is always new
  CHECK(fresh == Approx(0.2 + 0.8 * first).margin(4 * std::sqrt(0.16 / events)));
}

TEST_CASE("users are active around their peaks as strongly as was asked", "[synthetic_log]") {
  const ebb::synthetic_log made = ebb::make_synthetic_log(4, {.day_rhythm = 0.8, .week_rhythm = 0.4});
  double by_day = 0;
  double by_week = 0;
  for (const ebb::logged_event& event : made.log.events()) {
    by_day += std::cos(turns(event.time, made.users[event.user].peak_of_day, std::chrono::days(1)));
    by_week += std::cos(turns(event.time, made.users[event.user].peak_of_week, std::chrono::weeks(1)));
  }
  const auto n = static_cast<double>(made.log.size());
  CHECK(by_day / n == Approx(0.8 / 2).margin(4 * std::sqrt(0.5 / n)));          // E cos = strength / 2
  CHECK(by_week / n == Approx(0.4 / 2).margin(0.01 + 4 * std::sqrt(0.5 / n)));  // the span is not whole weeks
}

TEST_CASE("options outside their ranges are refused", "[synthetic_log]") {
  CHECK_THROWS_AS(ebb::make_synthetic_log(1, {.groups = {}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::make_synthetic_log(1, {.groups = {{"a", 0s}}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::make_synthetic_log(1, {.span = 1h}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::make_synthetic_log(1, {.events_a_day = std::nan("")}), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::make_synthetic_log(1, {.explore = 1.5}), contains("must be in [0, 1], got 1.5"));
  CHECK_THROWS_AS(ebb::make_synthetic_log(1, {.items = 3}), std::invalid_argument);
}

TEST_CASE("everybody may be new, or nobody after the first event", "[synthetic_log]") {
  const ebb::synthetic_options base{.groups = {{"a", 1h, 3}}, .span = std::chrono::days(20)};
  ebb::synthetic_options never = base;
  never.explore = 0;
  const ebb::synthetic_log made = ebb::make_synthetic_log(5, never);
  CHECK(1 - ebb::repeat_share(made.log.events()) == Approx(3.0 / static_cast<double>(made.log.size())));
  ebb::synthetic_options few = base;
  few.explore = 1;
  few.items = 10;  // the shelves run empty
  CHECK_NOTHROW(ebb::make_synthetic_log(6, few));
}

}  // namespace synthetic_log_test
