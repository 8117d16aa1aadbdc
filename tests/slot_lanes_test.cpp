// SPDX-License-Identifier: MIT
#include "ebb/detail/slot_lanes.hpp"

#include "catch.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <vector>

namespace slot_lanes_test {

namespace {

using namespace std::chrono;

const std::vector<ebb::duration> half_lives = {hours(5), hours(31), days(9), days(40), days(77), days(300), days(2000)};

ebb::logged_event used(ebb::user_id user, int hour) {
  ebb::logged_event event{};
  event.user = user;
  event.time = ebb::time_point(hours(hour));
  return event;
}

}  // namespace

TEST_CASE("levels are the logarithms of the decayed sums over raw events") {
  const std::vector<int> uses = {3, 4, 90, 91, 600, 4000};
  ebb::detail::slot_lanes lanes(half_lives);
  lanes.reset(1);
  for (const int hour : uses) lanes.observe(used(0, hour), 0);
  Eigen::ArrayXXd read;
  lanes.log2_at(0, ebb::time_point(hours(5000)), read);
  for (std::size_t k = 0; k < half_lives.size(); ++k) {
    double sum = 0;
    for (const int hour : uses) sum += std::exp2(-(ebb::duration(hours(5000 - hour)) / half_lives[k]));
    CHECK(read(static_cast<Eigen::Index>(k), 0) == Approx(std::log2(sum)).epsilon(1e-12));
  }
}

TEST_CASE("pairs with the same history have the same bits, wherever in memory they lie") {
  constexpr std::size_t slots = 9;
  for (std::size_t count = 1; count <= half_lives.size(); ++count) {
    ebb::detail::slot_lanes lanes({half_lives.begin(), half_lives.begin() + static_cast<std::ptrdiff_t>(count)});
    lanes.reset(2);
    for (int use = 0; use < 200; ++use)
      for (std::size_t slot = 0; slot < slots; ++slot)
        for (const ebb::user_id user : {0U, 1U}) lanes.observe(used(user, use * use / 3), slot);
    const auto first = lanes.levels(0).col(0).eval();
    for (const ebb::user_id user : {0U, 1U})
      for (Eigen::Index slot = 0; slot < static_cast<Eigen::Index>(slots); ++slot)
        CHECK((lanes.levels(user).col(slot) == first).all());
  }
}

}  // namespace slot_lanes_test
