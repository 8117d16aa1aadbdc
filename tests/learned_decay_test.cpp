// SPDX-License-Identifier: MIT
#include "ebb/learned_decay.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/decay_function.hpp"
#include "ebb/random.hpp"

namespace learned_decay_test {

using namespace std::chrono_literals;

namespace {

const auto bank = ebb::timescales::log_spaced(1h, 10'000h, 6);
constexpr Eigen::Index features = 5;

ebb::learned_decay_state fresh(const ebb::reading& start) {
  Eigen::VectorXd count(features), mean(features), squares(features);
  count.setConstant(100);
  mean << 1, -2, 3, 0, 10;
  squares.setConstant(400);
  return {start, 1.0, {count, mean, squares}};
}

Eigen::VectorXf draw(ebb::random_engine& random, Eigen::Index n, double size) {
  Eigen::VectorXf x(n);
  for (float& v : x) v = static_cast<float>(size * random.normal());
  return x;
}

}  // namespace

TEST_CASE("whatever its parameters, a learned decay is a decay function", "[learned_decay]") {
  static_assert(ebb::decay_function<decltype(std::declval<ebb::learned_decay>()(Eigen::VectorXf()))>);
  ebb::random_engine random(1);
  for (int trial = 0; trial < 60; ++trial) {
    ebb::learned_decay_state state = fresh(ebb::reading::inverse_half_life(bank));
    const Eigen::Index count = ebb::learned_decay(state).network().parameter_count();
    state.parameters = draw(random, count, std::pow(10.0, trial % 4 - 1));
    const ebb::learned_decay decay(state);
    const ebb::reading how = decay(draw(random, features, 10));
    CHECK(how(0s) == Approx(1).epsilon(1e-12));
    double before = how(0s);
    for (ebb::duration gap = 1s; gap < std::chrono::years(50); gap *= 1.7) {
      REQUIRE(how(gap) >= 0);
      REQUIRE(how(gap) <= before);
      before = how(gap);
    }
  }
}

TEST_CASE("untrained, every pair has the decay it starts from, and a lane left out stays out", "[learned_decay]") {
  const ebb::reading start(bank, {0.5, 0, 0.2, 0, 0.3, 0});
  ebb::learned_decay_state state = fresh(start);
  ebb::random_engine random(2);
  const ebb::learned_decay decay(state);
  const ebb::reading how = decay(draw(random, features, 10));
  for (std::size_t k = 0; k < 6; ++k) CHECK(how.weights()[k] == Approx(start.weights()[k]).margin(1e-6));
  state.parameters = draw(random, decay.network().parameter_count(), 3);
  const ebb::reading moved = ebb::learned_decay(state)(draw(random, features, 10));
  CHECK(moved.weights()[1] == 0);
  CHECK(moved.weights()[3] == 0);
}

TEST_CASE("many at once are each as if alone, missing features count as their mean", "[learned_decay]") {
  ebb::random_engine random(3);
  ebb::learned_decay_state state = fresh(ebb::reading::inverse_half_life(bank));
  state.parameters = draw(random, ebb::learned_decay(state).network().parameter_count(), 0.5);
  const ebb::learned_decay decay(state);
  Eigen::MatrixXf x(features, 7);
  for (Eigen::Index j = 0; j < x.cols(); ++j) x.col(j) = draw(random, features, 5);
  x(2, 3) = std::numeric_limits<float>::quiet_NaN();
  Eigen::MatrixXf pi(bank.size(), 7);
  decay.weights(x, pi);
  for (Eigen::Index j = 0; j < x.cols(); ++j) {
    const ebb::reading one = decay(x.col(j));
    for (Eigen::Index k = 0; k < pi.rows(); ++k)
      CHECK(pi(k, j) == Approx(one.weights()[static_cast<std::size_t>(k)]).margin(1e-5));
  }
  Eigen::VectorXf at_mean = x.col(3);
  at_mean[2] = 3;
  CHECK(decay(at_mean).weights()[0] == Approx(decay(x.col(3)).weights()[0]).margin(1e-6));
}

TEST_CASE("a learned decay is its state", "[learned_decay]") {
  ebb::random_engine random(4);
  ebb::learned_decay_state state = fresh(ebb::reading::inverse_half_life(bank));
  state.parameters = draw(random, ebb::learned_decay(state).network().parameter_count(), 0.5);
  const ebb::learned_decay decay(state);
  const ebb::learned_decay copy(decay.state());
  const Eigen::VectorXf x = draw(random, features, 5);
  for (std::size_t k = 0; k < 6; ++k) CHECK(copy(x).weights()[k] == decay(x).weights()[k]);
}

TEST_CASE("a learned decay refuses a state and features that do not fit", "[learned_decay]") {
  ebb::learned_decay_state state = fresh(ebb::reading::inverse_half_life(bank));
  state.parameters = Eigen::VectorXf::Zero(3);
  CHECK_THROWS_AS(ebb::learned_decay(state), std::invalid_argument);
  state.parameters = {};
  state.sharpness = 0;
  CHECK_THROWS_AS(ebb::learned_decay(state), std::invalid_argument);
  state.sharpness = 1;
  const ebb::learned_decay decay(state);
  CHECK_THROWS_AS(decay(Eigen::VectorXf::Zero(features + 1)), std::invalid_argument);
  state.parameters = Eigen::VectorXf::Constant(decay.network().parameter_count(), std::nanf(""));
  CHECK_THROWS_AS(ebb::learned_decay(state), std::invalid_argument);
}

}  // namespace learned_decay_test
