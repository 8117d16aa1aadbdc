// SPDX-License-Identifier: MIT
#include "ebb/json/explanation.hpp"

#include <chrono>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/decay.hpp"

namespace json_explanation_test {

using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE("explanations are written as JSON with their units", "[json_explanation]") {
  using item = ebb::recommendation<std::string>;
  CHECK(
      json(item{"jazz", 0.5, {{"interest", 1, 0.5, 0.5}}}) ==
      json::parse(
          R"({"item": "jazz", "score": 0.5, "why": [{"term": "interest", "weight": 1.0, "value": 0.5, "amount": 0.5}]})"));
  const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  const std::vector<ebb::past_event> events{{"bought", start, 2}};
  CHECK(json(ebb::explain_interest(events, ebb::exponential_decay<double>(24h), start + 48h)) ==
        json::parse(R"({"interest": 0.5, "events": [{"what": "bought", "age_seconds": 172800.0, "amount": 2.0,
                        "decay": 0.25, "contribution": 0.5}]})"));
  CHECK_THROWS_AS(json(item{"x", std::numeric_limits<double>::infinity(), {}}), std::invalid_argument);
}

}  // namespace json_explanation_test
