// SPDX-License-Identifier: MIT
#include <ebb/time.hpp>

#include <limits>
#include <string>

#include "catch.hpp"

namespace time_test {

using namespace std::chrono_literals;

TEST_CASE("every chrono duration is a duration, a bare number is not", "[time]") {
  STATIC_REQUIRE(std::is_convertible_v<std::chrono::milliseconds, ebb::duration>);
  STATIC_REQUIRE(std::is_convertible_v<std::chrono::days, ebb::duration>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<double, ebb::duration>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<int, ebb::duration>);
  CHECK(ebb::duration(std::chrono::days(1)).count() == 86400.0);
}

TEST_CASE("to_time_point lands on the moment the calendar names", "[time]") {
  CHECK(ebb::to_time_point(0s) == ebb::time_point{});
  const std::chrono::sys_days day = std::chrono::year(2012) / 4 / 3;
  CHECK(ebb::to_time_point(day.time_since_epoch()) == day);
  CHECK(ebb::to_time_point(-1500ms) == ebb::time_point{} - 1500ms);
}

TEST_CASE("to_time_point refuses what the clock cannot hold and says so", "[time]") {
  CHECK_THROWS_AS(ebb::to_time_point(ebb::duration(std::numeric_limits<double>::quiet_NaN())), std::invalid_argument);
  CHECK_THROWS_AS(ebb::to_time_point(ebb::duration(std::numeric_limits<double>::infinity())), std::invalid_argument);
  CHECK_THROWS_AS(ebb::to_time_point(std::chrono::years(1000)), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::to_time_point(ebb::duration(1e12)), contains("ebb::to_time_point") && contains("1e+12 s"));
}

}  // namespace time_test
