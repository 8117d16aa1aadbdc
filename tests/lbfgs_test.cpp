// SPDX-License-Identifier: MIT
#include "ebb/detail/lbfgs.hpp"

#include <Eigen/Dense>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace lbfgs_test {

TEST_CASE("a quadratic's minimum is the solution of its linear system", "[lbfgs]") {
  ebb::random_engine random(1);
  Eigen::MatrixXd a(12, 12);
  Eigen::VectorXd b(12);
  for (Eigen::Index i = 0; i < 12; ++i) {
    b[i] = random.normal();
    for (Eigen::Index j = 0; j < 12; ++j) a(i, j) = random.normal();
  }
  const Eigen::MatrixXd curvature = a * a.transpose() + Eigen::MatrixXd::Identity(12, 12);
  const auto f = [&](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
    gradient = curvature * x - b;
    return 0.5 * x.dot(curvature * x) - b.dot(x);
  };
  const auto found = ebb::detail::minimise(f, Eigen::VectorXd::Zero(12), 200, 1e-15);
  const Eigen::VectorXd exact = curvature.ldlt().solve(b);
  CHECK((found.x - exact).norm() < 1e-5 * exact.norm());
}

TEST_CASE("the banana valley leads to its end", "[lbfgs]") {
  const auto f = [](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
    const double across = x[1] - x[0] * x[0];
    gradient[0] = -2 * (1 - x[0]) - 400 * x[0] * across;
    gradient[1] = 200 * across;
    return (1 - x[0]) * (1 - x[0]) + 100 * across * across;
  };
  Eigen::VectorXd start(2);
  start << -1.2, 1.0;
  const auto found = ebb::detail::minimise(f, start, 200, 1e-14);
  CHECK(found.x[0] == Approx(1.0).epsilon(1e-4));
  CHECK(found.x[1] == Approx(1.0).epsilon(1e-4));
  CHECK(found.steps < 100);
}

TEST_CASE("a start at the minimum stays there", "[lbfgs]") {
  const auto f = [](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
    gradient = 2 * x;
    return x.squaredNorm();
  };
  const auto found = ebb::detail::minimise(f, Eigen::VectorXd::Zero(3));
  CHECK(found.x.norm() == 0.0);
  CHECK(found.steps == 0);
}

}  // namespace lbfgs_test
