// SPDX-License-Identifier: MIT
#include "ebb/scaler.hpp"
#include "ebb/random.hpp"

#include "catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace scaler_test {

namespace {

template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// Three features of very different size, a tenth of the values missing.
template <class T>
matrix<T> samples(Eigen::Index n, std::uint64_t seed) {
  ebb::random_engine random(seed);
  matrix<T> x(3, n);
  for (Eigen::Index j = 0; j < n; ++j) {
    x(0, j) = static_cast<T>(random.normal());
    x(1, j) = static_cast<T>(1e4 + 50.0 * random.normal());
    x(2, j) = static_cast<T>(1e-6 * random.uniform());
    for (Eigen::Index i = 0; i < 3; ++i)
      if (random.uniform() < 0.1) x(i, j) = static_cast<T>(missing);
  }
  return x;
}

struct moments {
  double mean, scale;
};

// In two passes over the known values of a feature.
template <class T>
moments by_two_passes(const matrix<T>& x, Eigen::Index feature) {
  double sum = 0.0, squares = 0.0, count = 0.0;
  for (const T value : x.row(feature))
    if (!std::isnan(value)) {
      sum += static_cast<double>(value);
      count += 1.0;
    }
  for (const T value : x.row(feature))
    if (!std::isnan(value)) squares += std::pow(static_cast<double>(value) - sum / count, 2);
  return {sum / count, std::sqrt(squares / count)};
}

}  // namespace

TEMPLATE_TEST_CASE("mean and scale are those of the known values, however the data comes in", "[scaler]", float,
                   double) {
  using T = TestType;
  const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-12;
  const matrix<T> x = samples<T>(1000, 1);
  ebb::standard_scaler<T> whole(3), pieces(3);
  whole.observe(x);
  for (Eigen::Index start = 0; start < 1000; start += 130)
    pieces.observe(x.middleCols(start, std::min<Eigen::Index>(130, 1000 - start)));
  pieces.observe(x.leftCols(0));
  for (Eigen::Index i = 0; i < 3; ++i) {
    const moments truth = by_two_passes(x, i);
    REQUIRE(whole.mean()[i] == Approx(truth.mean).epsilon(tolerance).margin(tolerance));
    REQUIRE(whole.scale()[i] == Approx(truth.scale).epsilon(tolerance));
  }
  REQUIRE(whole.state().mean == pieces.state().mean);
  REQUIRE(whole.state().squares == pieces.state().squares);
  REQUIRE(whole.state().count == pieces.state().count);
}

TEMPLATE_TEST_CASE("scaled features have mean 0 and variance 1, and missing values are at the mean", "[scaler]", float,
                   double) {
  using T = TestType;
  const double tolerance = std::is_same_v<T, float> ? 2e-3 : 1e-9;
  const matrix<T> x = samples<T>(1000, 2);
  ebb::standard_scaler<T> scaler(3);
  scaler.observe(x);
  matrix<T> z(3, 1000), in_place = x;
  scaler.transform(x, z);
  scaler.transform(in_place);
  REQUIRE(in_place == z);
  for (Eigen::Index i = 0; i < 3; ++i) {
    double sum = 0.0, squares = 0.0, known = 0.0;
    for (Eigen::Index j = 0; j < 1000; ++j) {
      const double value = static_cast<double>(z(i, j));
      if (std::isnan(x(i, j))) {
        REQUIRE(value == 0.0);
        continue;
      }
      sum += value;
      squares += value * value;
      known += 1.0;
    }
    REQUIRE(std::abs(sum / known) < tolerance);
    REQUIRE(squares / known == Approx(1.0).epsilon(tolerance));
  }
}

TEST_CASE("inverse brings known values back and missing ones to the mean", "[scaler]") {
  const matrix<double> x = samples<double>(200, 3);
  ebb::standard_scaler<double> scaler(3);
  scaler.observe(x);
  matrix<double> back = x;
  scaler.transform(back);
  scaler.inverse(back);
  for (Eigen::Index j = 0; j < 200; ++j)
    for (Eigen::Index i = 0; i < 3; ++i)
      REQUIRE(back(i, j) == Approx(std::isnan(x(i, j)) ? scaler.mean()[i] : x(i, j)).epsilon(1e-12).margin(1e-18));
}

TEST_CASE("a constant, a single or an unseen feature has scale 1", "[scaler]") {
  matrix<double> x(3, 1000);
  x.row(0).setConstant(0.1);  // not a binary fraction: a sum over n of it is not n times it
  x.row(1).setConstant(missing);
  x.row(2).setConstant(missing);
  x(2, 7) = -3.0;
  ebb::standard_scaler<double> scaler(3);
  scaler.observe(x);
  REQUIRE(scaler.scale() == Eigen::Vector3d::Ones());
  REQUIRE(scaler.mean() == Eigen::Vector3d(0.1, 0.0, -3.0));
  scaler.transform(x);
  REQUIRE(x.isZero(0.0));
}

TEST_CASE("fill is in the feature's own unit and clip in scaled ones", "[scaler]") {
  matrix<double> x(1, 4);
  x << 1.0, 3.0, 5.0, missing;  // mean 3, variance 8/3
  ebb::standard_scaler<double> scaler(1, {.fill = 7.0, .clip = 2.0});
  scaler.observe(x);
  matrix<double> z = x;
  scaler.transform(z);
  REQUIRE(z(0, 0) == Approx(-2.0 / std::sqrt(8.0 / 3.0)));
  REQUIRE(z(0, 3) == 2.0);  // (7 − 3) / 1.633 = 2.45, clipped
  z << 1e6, -1e6, 3.0, missing;
  scaler.transform(z);
  REQUIRE(z == matrix<double>{{2.0, -2.0, 0.0, 2.0}});
}

TEST_CASE("a scaler restored from its state is the same and goes on", "[scaler]") {
  const matrix<double> x = samples<double>(100, 4);
  ebb::standard_scaler<double> straight(3, {.fill = 1.0, .clip = 3.0}), first(3, {.fill = 1.0, .clip = 3.0});
  straight.observe(x);
  first.observe(x.leftCols(50));
  ebb::standard_scaler<double> second(first.state(), first.options());
  second.observe(x.rightCols(50));
  REQUIRE(second.mean() == straight.mean());
  REQUIRE(second.scale() == straight.scale());
}

TEST_CASE("large offsets do not spoil the variance", "[scaler]") {
  matrix<double> x(1, 1000);
  for (Eigen::Index j = 0; j < 1000; ++j) x(0, j) = 1.7e9 + (j % 2 == 0 ? 0.5 : -0.5);  // seconds since 1970
  ebb::standard_scaler<double> scaler(1);
  scaler.observe(x);
  REQUIRE(scaler.scale()[0] == Approx(0.5).epsilon(1e-9));
}

TEST_CASE("scalers refuse what does not fit and leave their state alone", "[scaler]") {
  REQUIRE_THROWS_WITH(ebb::standard_scaler<double>(0), contains("at least one feature"));
  REQUIRE_THROWS_AS(ebb::standard_scaler<double>(2, {.clip = 0.0}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::standard_scaler<double>(2, {.fill = missing}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::standard_scaler<double>(ebb::scaler_state{Eigen::VectorXd::Zero(2), Eigen::VectorXd::Zero(2),
                                                                   Eigen::VectorXd::Zero(1)}),
                    std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::standard_scaler<double>(ebb::scaler_state{Eigen::VectorXd::Ones(1), Eigen::VectorXd::Zero(1),
                                                                   Eigen::VectorXd::Constant(1, -1.0)}),
                    std::invalid_argument);

  ebb::standard_scaler<double> scaler(3);
  scaler.observe(samples<double>(20, 5));
  const ebb::scaler_state before = scaler.state();
  matrix<double> bad = samples<double>(20, 6);
  bad(2, 11) = -std::numeric_limits<double>::infinity();
  REQUIRE_THROWS_WITH(scaler.observe(bad),
                      "ebb::standard_scaler::observe: values must be NaN or within ±1e150; in "
                      "feature 2 of sample 11, got -inf");
  REQUIRE_THROWS_AS(scaler.transform(bad), std::invalid_argument);
  REQUIRE_THROWS_AS(scaler.observe(matrix<double>::Zero(2, 2)), std::invalid_argument);
  matrix<double> z(3, 19);
  REQUIRE_THROWS_AS(scaler.transform(samples<double>(20, 7), z), std::invalid_argument);
  REQUIRE(scaler.state().mean == before.mean);
  REQUIRE(scaler.state().count == before.count);
}

}  // namespace scaler_test
