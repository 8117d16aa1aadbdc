// SPDX-License-Identifier: MIT
#include "ebb/store_options.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "ebb/interest_store.hpp"

namespace store_options_test {

using namespace std::chrono_literals;

namespace {

using store = ebb::interest_store<int, int>;

ebb::store_options with_recent(int recent) {
  ebb::store_options options;
  options.recent = recent;
  return options;
}

}  // namespace

TEST_CASE("a store is made of options in range alone", "[store_options]") {
  for (const int good : {1, 16}) CHECK_NOTHROW(store(with_recent(good)));
  for (const int bad : {-1, 0, 17})
    CHECK_THROWS_WITH(store(with_recent(bad)),
                      "ebb::interest_store: recent must be in [1, 16], got " + std::to_string(bad));
  CHECK_NOTHROW(store({.rhythms = {{1ms, 0}, {std::chrono::years(100), 7}}}));
  CHECK_THROWS_AS(store({.rhythms = {{24h, 8}}}), std::invalid_argument);
  CHECK_THROWS_AS(store({.rhythms = {{24h, -1}}}), std::invalid_argument);
  CHECK_THROWS_AS(store({.rhythms = {{ebb::duration(0.0009), 0}}}), std::invalid_argument);
  CHECK_THROWS_AS(store({.rhythms = {{std::chrono::years(101), 0}}}), std::invalid_argument);
  CHECK_THROWS_AS(store({.dislike_half_life = 0h}), std::invalid_argument);
  CHECK_THROWS_AS(store({.dislike_half_life = ebb::duration(std::numeric_limits<double>::quiet_NaN())}),
                  std::invalid_argument);
}

TEST_CASE("every option that changes what is kept is told apart, and named, when stores merge", "[store_options]") {
  const ebb::store_options base{.lanes = {1h, 24h}, .dislike_half_life = 24h};
  const auto refused = [&](auto change, const char* name) {
    ebb::store_options other = base;
    change(other);
    store a(base);
    store b(other);
    INFO(name);
    CHECK_THROWS_WITH(a.merge(b), Catch::Matchers::Contains(name));
    CHECK_THROWS_AS(b.merge(a), std::invalid_argument);
  };
  refused([](auto& o) { o.lanes = {1h, 25h}; }, "half-lives");
  refused([](auto& o) { o.rhythms = {{24h, 1}}; }, "rhythms");
  refused([](auto& o) { o.recent = 2; }, "recent");
  refused([](auto& o) { o.first_use = true; }, "first use");
  refused([](auto& o) { o.heat = false; }, "heat");
  refused([](auto& o) { o.dislike_half_life = std::nullopt; }, "dislikes");
  refused([](auto& o) { o.dislike_half_life = 25h; }, "dislike half-life");
  store a(base);
  CHECK_NOTHROW(a.merge(store(base)));
}

}  // namespace store_options_test
