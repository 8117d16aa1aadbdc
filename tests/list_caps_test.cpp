// SPDX-License-Identifier: MIT
#include "ebb/list_caps.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>

#include "catch.hpp"

namespace list_caps_test {

TEST_CASE("a candidate is full when any of its groups is", "[list_caps]") {
  const std::string topics = "aabb";
  const ebb::at_most topic(2, [&](std::size_t i) { return topics[i]; });
  const ebb::at_most author(1, [](std::size_t i) { return std::to_string(i % 3); });  // 0 and 3 are of one
  ebb::detail::group_caps caps(4, topic, author);
  const auto full = [&] {
    std::string out;
    for (std::size_t i = 0; i < 4; ++i) out += caps.full(i) ? 'x' : '.';
    return out;
  };
  CHECK(full() == "....");
  caps.take(0);
  CHECK(full() == "x..x");
  caps.take(1);
  CHECK(full() == "xx.x");
  caps.take(2);
  CHECK(full() == "xxxx");
}

TEST_CASE("without caps nothing is full, and a cap of none is refused", "[list_caps]") {
  ebb::detail::group_caps none(2);
  none.take(1);
  CHECK(!none.full(1));
  const auto any = [](std::size_t) { return 0; };
  CHECK_THROWS_WITH(ebb::at_most(0, any), contains("most must be >= 1, got 0"));
}

}  // namespace list_caps_test
