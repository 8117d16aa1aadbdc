// SPDX-License-Identifier: MIT
#include "ebb/return_samples.hpp"

#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "catch.hpp"

namespace return_samples_test {

namespace {

Eigen::MatrixXf numbered(Eigen::Index candidates, Eigen::Index features) {
  Eigen::MatrixXf values(candidates, features);
  for (Eigen::Index i = 0; i < candidates; ++i)
    for (Eigen::Index f = 0; f < features; ++f) values(i, f) = static_cast<float>(10 * i + f);
  return values;
}

}  // namespace

TEST_CASE("a moment keeps what was returned to first, and others once each", "[return_samples]") {
  ebb::return_samples samples({.negatives = 3});
  const std::uint32_t returned[] = {4, 1};
  samples.add(numbered(8, 2), Eigen::MatrixXd::Zero(8, 1), returned);
  const auto& moment = samples.moments().at(0);
  REQUIRE(moment.returned == 2);
  REQUIRE(moment.values.cols() == 5);
  REQUIRE(moment.weight == Approx(2.0));  // six others, three kept
  REQUIRE(moment.mean[1] == Approx(36.0));
  std::set<float> seen;
  for (Eigen::Index c = 0; c < 5; ++c) seen.insert(moment.values(0, c));
  REQUIRE(seen.size() == 5);
  REQUIRE(std::set<float>{moment.values(0, 0), moment.values(0, 1)} == std::set<float>{10.0F, 40.0F});
}

TEST_CASE("weighted sums over the kept negatives are unbiased", "[return_samples]") {
  ebb::return_samples samples({.negatives = 4, .moments = 100000, .seed = 3});
  const std::uint32_t returned[] = {0};
  const Eigen::MatrixXf values = numbered(20, 1);
  const int rounds = 20000;
  for (int i = 0; i < rounds; ++i) samples.add(values, Eigen::MatrixXd::Zero(20, 1), returned);
  double sum = 0;
  for (const auto& moment : samples.moments())
    sum += moment.weight * static_cast<double>(moment.values.rightCols(4).sum());
  // 19 others with values 10 … 190 add to 1,900; a draw of 4 of them has a standard error of about 2.3 over the rounds.
  REQUIRE(std::abs(sum / rounds - 1900) < 15);
}

TEST_CASE("the oldest moments go first, and one with nothing left to compare is passed over", "[return_samples]") {
  ebb::return_samples samples({.negatives = 2, .moments = 3});
  const std::uint32_t one[] = {0};
  const std::uint32_t all[] = {0, 1};
  samples.add(numbered(2, 1), Eigen::MatrixXd::Zero(2, 1), all);
  REQUIRE(samples.moments().empty());
  for (int i = 0; i < 5; ++i)
    samples.add(numbered(2, 1).array() + static_cast<float>(i), Eigen::MatrixXd::Zero(2, 1), one);
  REQUIRE(samples.moments().size() == 3);
  REQUIRE(samples.moments().front().values(0, 0) == 2.0F);
}

TEST_CASE("what does not fit is refused by name", "[return_samples]") {
  ebb::return_samples samples;
  const std::uint32_t far[] = {9};
  const std::uint32_t twice[] = {1, 1};
  const std::uint32_t fine[] = {1};
  const std::vector<std::uint32_t> none;
  REQUIRE_THROWS_AS(samples.add(numbered(3, 2), Eigen::MatrixXd::Zero(3, 1), far), std::invalid_argument);
  REQUIRE_THROWS_AS(samples.add(numbered(3, 2), Eigen::MatrixXd::Zero(3, 1), twice), std::invalid_argument);
  REQUIRE_THROWS_AS(samples.add(numbered(3, 2), Eigen::MatrixXd::Zero(3, 1), none), std::invalid_argument);
  REQUIRE_THROWS_AS(samples.add(numbered(3, 2), Eigen::MatrixXd::Zero(2, 1), fine), std::invalid_argument);
  samples.add(numbered(3, 2), Eigen::MatrixXd::Zero(3, 1), fine);
  REQUIRE_THROWS_AS(samples.add(numbered(3, 4), Eigen::MatrixXd::Zero(3, 1), fine), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::return_samples({.negatives = 0}), std::invalid_argument);
}

}  // namespace return_samples_test
