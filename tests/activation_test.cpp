// SPDX-License-Identifier: MIT
#include "ebb/activation.hpp"

#include "catch.hpp"

#include <cmath>
#include <limits>
#include <numbers>

namespace activation_test {

namespace {

using ebb::activation;

constexpr activation all[] = {activation::identity, activation::relu, activation::tanh, activation::sigmoid,
                              activation::gelu};

double by_formula(activation kind, double z) {
  switch (kind) {
    case activation::identity:
      return z;
    case activation::relu:
      return z > 0.0 ? z : 0.0;
    case activation::tanh:
      return std::tanh(z);
    case activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-z));
    case activation::gelu:
      return 0.5 * z * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double slope_by_difference(activation kind, double z) {
  const double step = 1e-5;
  return (by_formula(kind, z + step) - by_formula(kind, z - step)) / (2.0 * step);
}

template <class T>
using lanes = Eigen::Array<T, Eigen::Dynamic, 1>;

}  // namespace

TEMPLATE_TEST_CASE("each activation and its slope follow the formula", "[activation]", float, double) {
  using T = TestType;
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-9;
  // 1003 values: the last three do not fill a SIMD register. None is 0, where relu has no slope.
  const lanes<T> z = lanes<T>::LinSpaced(1003, T(-12), T(12.01));
  for (const activation kind : all) {
    lanes<T> value(z.size()), slope(z.size()), in_place = z, scratch(z.size());
    ebb::activate<T>(kind, z, value, slope);
    ebb::activate<T>(kind, in_place, scratch);
    for (Eigen::Index i = 0; i < z.size(); ++i) {
      CAPTURE(static_cast<int>(kind), z[i]);
      const double at = static_cast<double>(z[i]);
      const double size = std::max(1.0, std::abs(at));
      REQUIRE(std::abs(static_cast<double>(value[i]) - by_formula(kind, at)) <= tolerance * size);
      REQUIRE(std::abs(static_cast<double>(slope[i]) - slope_by_difference(kind, at)) <= 10.0 * tolerance * size);
      REQUIRE(in_place[i] == value[i]);
    }
  }
}

TEST_CASE("gelu is within 5e-4 of z times the normal distribution function", "[activation]") {
  const lanes<double> z = lanes<double>::LinSpaced(2001, -10.0, 10.0);
  lanes<double> value(z.size()), slope(z.size());
  ebb::activate<double>(activation::gelu, z, value, slope);
  for (Eigen::Index i = 0; i < z.size(); ++i)
    REQUIRE(std::abs(value[i] - z[i] * 0.5 * std::erfc(-z[i] / std::numbers::sqrt2)) < 5e-4);
}

TEMPLATE_TEST_CASE("huge inputs stay finite and NaN stays NaN", "[activation]", float, double) {
  using T = TestType;
  const T huge = T(1e30), nan = std::numeric_limits<T>::quiet_NaN();
  for (const activation kind : all)
    for (const Eigen::Index size : {1, 8, 17}) {  // scalar and SIMD paths
      CAPTURE(static_cast<int>(kind), size);
      lanes<T> value(size), slope(size);
      ebb::activate<T>(kind, lanes<T>::Constant(size, huge), value, slope);
      const bool grows = kind == activation::identity || kind == activation::relu || kind == activation::gelu;
      REQUIRE((value == (grows ? huge : T(1))).all());
      REQUIRE((slope == (grows ? T(1) : T(0))).all());

      ebb::activate<T>(kind, lanes<T>::Constant(size, -huge), value, slope);
      const T low = kind == activation::identity ? -huge : kind == activation::tanh ? T(-1) : T(0);
      REQUIRE(((value - low).abs() < T(1e-6)).all());
      REQUIRE(((slope - (kind == activation::identity ? T(1) : T(0))).abs() < T(1e-6)).all());

      if (kind == activation::gelu) {
        ebb::activate<T>(kind, lanes<T>::Constant(size, T(-1e38)), value, slope);
        REQUIRE((value == T(0)).all());
        REQUIRE((slope == T(0)).all());
      }

      ebb::activate<T>(kind, lanes<T>::Constant(size, nan), value, slope);
      REQUIRE(value.isNaN().all());
    }
}

TEST_CASE("relu is flat at zero", "[activation]") {
  lanes<double> value(1), slope(1);
  ebb::activate<double>(activation::relu, lanes<double>::Zero(1), value, slope);
  REQUIRE(value[0] == 0.0);
  REQUIRE(slope[0] == 0.0);
}

}  // namespace activation_test
