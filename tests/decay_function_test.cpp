// SPDX-License-Identifier: MIT
#include <ebb/decay.hpp>
#include <ebb/decay_function.hpp>

#include <cmath>
#include <functional>
#include <string>

#include "catch.hpp"

namespace decay_function_test {

using namespace std::chrono_literals;
using std::chrono::days;

namespace {

/// A host's own decay: full weight on the first day, then a tenth less each day.
struct shop_decay {
  double operator()(ebb::duration gap) const {
    const double day = std::floor(gap / ebb::duration(days(1)));
    return std::pow(0.9, day);
  }
};

/// A host's own exponential, by another name; it claims the semigroup and so may step stored values.
struct radioactive_decay {
  static constexpr bool is_semigroup = true;
  double operator()(ebb::duration gap) const { return std::exp(-gap.count() / 100); }
};

}  // namespace

TEST_CASE("anything that maps a duration to a floating-point share is a decay function", "[decay_function]") {
  STATIC_REQUIRE(ebb::decay_function<shop_decay>);
  STATIC_REQUIRE(ebb::decay_function<std::function<float(ebb::duration)>>);
  STATIC_REQUIRE(ebb::decay_function<decltype([](ebb::duration) { return 1.0; })>);
  STATIC_REQUIRE_FALSE(ebb::decay_function<decltype([](ebb::duration) { return 1; })>);
  STATIC_REQUIRE_FALSE(ebb::decay_function<decltype([](std::string) { return 1.0; })>);
  STATIC_REQUIRE_FALSE(ebb::decay_function<double>);
  STATIC_REQUIRE(ebb::semigroup_decay<radioactive_decay>);
  STATIC_REQUIRE_FALSE(ebb::semigroup_decay<shop_decay>);
}

TEST_CASE("a host's own decay gets batches, logs and its half-life without writing any of them", "[decay_function]") {
  const shop_decay decay;
  const Eigen::ArrayXd gaps = Eigen::ArrayXd::LinSpaced(50, 0, 400);
  const Eigen::ArrayXd batch = ebb::evaluate(decay, gaps, 1h);
  for (Eigen::Index i = 0; i < gaps.size(); ++i) CHECK(batch(i) == decay(gaps(i) * ebb::duration(1h)));
  CHECK(ebb::log2_of(decay, days(3)) == Approx(3 * std::log2(0.9)));
  CHECK_THROWS_AS(ebb::log2_of(decay, -1s), std::domain_error);
  CHECK_THROWS_AS(ebb::evaluate(decay, Eigen::Array2d(1, -1), 1h), std::domain_error);
  // 0.9^7 is the first below one half.
  CHECK(ebb::half_life_of(decay) / days(7) == Approx(1).epsilon(1e-12));
  CHECK(ebb::half_life_of(radioactive_decay{}).count() == Approx(100 * std::log(2)).epsilon(1e-12));
  CHECK(ebb::half_life_of(ebb::linear_decay(5h)) == ebb::duration(5h));
  CHECK_THROWS_AS(ebb::half_life_of([](ebb::duration) { return 1.0; }), std::domain_error);
}

TEST_CASE("stepping a stored sum equals decaying its events, for a semigroup", "[decay_function]") {
  const ebb::exponential_decay decay(days(3));
  const double ages[] = {400, 30, 29, 7, 0.5};  // hours before now
  double stored = 0;
  double last = ages[0];
  for (const double age : ages) {
    stored = ebb::advance(stored, decay, ebb::duration((last - age) * 3600)) + 1;
    last = age;
  }
  stored = ebb::advance(stored, decay, ebb::duration(last * 3600));
  double direct = 0;
  for (const double age : ages) direct += decay(ebb::duration(age * 3600));
  CHECK(stored == Approx(direct).epsilon(1e-14));
  CHECK(ebb::advance(8.0f, radioactive_decay{}, 0s) == 8.0f);
  CHECK_THROWS_AS(ebb::advance(1.0, decay, -1s), std::domain_error);
  CHECK_THROWS_AS(ebb::advance(1.0, radioactive_decay{}, -1s), std::domain_error);
}

}  // namespace decay_function_test
