// SPDX-License-Identifier: MIT
#include "ebb/list_measures.hpp"

#include <cmath>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace list_measures_test {

using list_type = std::vector<int>;

TEST_CASE("intra-list diversity is the mean over pairs", "[list_measures]") {
  const auto same_parity = [](int a, int b) { return a % 2 == b % 2 ? 1.0 : 0.0; };
  const auto of = [&](const list_type& list) {
    return ebb::intra_list_diversity(std::span<const int>(list), same_parity);
  };
  CHECK(of({}) == 0);
  CHECK(of({1}) == 0);
  CHECK(of({1, 3, 5}) == 0);
  CHECK(of({1, 2}) == 1);
  CHECK(of({1, 2, 3, 4}) == Approx(4.0 / 6));  // two pairs of six are alike
  const auto broken = [](int, int) { return std::nan(""); };
  CHECK_THROWS_AS(ebb::intra_list_diversity(std::span<const int>(list_type{1, 2}), broken), std::invalid_argument);
}

TEST_CASE("novelty counts bits, serendipity what is right and not expected", "[list_measures]") {
  const list_type list{0, 1, 2, 3};
  const std::span<const int> view(list);
  CHECK(ebb::list_novelty(view, [](int i) { return std::exp2(-i); }) == Approx(1.5));
  CHECK(ebb::list_novelty(view.first(0), [](int) { return 0.5; }) == 0);
  CHECK_THROWS_WITH(ebb::list_novelty(view, [](int) { return 0.0; }), contains("a share must be in (0, 1], got 0"));
  const auto relevant = [](int i) { return i >= 1; };
  CHECK(ebb::serendipity(view, relevant, [](int i) { return i == 1; }) == 0.5);
  CHECK(ebb::serendipity(view, relevant, [](int) { return true; }) == 0);
  CHECK(ebb::serendipity(view.first(0), relevant, [](int) { return true; }) == 0);
}

TEST_CASE("coverage counts each item once", "[list_measures]") {
  const std::vector<list_type> lists{{1, 2, 3}, {2, 3, 4}, {}};
  CHECK(ebb::catalogue_coverage(std::span<const list_type>(lists), 8) == 0.5);
  CHECK(ebb::catalogue_coverage(std::span<const list_type>(), 8) == 0);
  CHECK_THROWS_AS(ebb::catalogue_coverage(std::span<const list_type>(lists), 3), std::invalid_argument);
}

TEST_CASE("the Gini index equals its definition by all pairs and its closed forms", "[list_measures]") {
  CHECK(ebb::gini_index({}) == 0);
  CHECK(ebb::gini_index(std::vector<double>{0, 0}) == 0);
  CHECK(ebb::gini_index(std::vector<double>{3, 3, 3}) == Approx(0).margin(1e-15));
  CHECK(ebb::gini_index(std::vector<double>{0, 0, 0, 7}) == Approx(3.0 / 4));
  std::vector<double> steps;
  for (int i = 1; i <= 100; ++i) steps.push_back(i);
  CHECK(ebb::gini_index(steps) == Approx(99.0 / 300));  // 1 … n: (n − 1) / 3n
  ebb::random_engine random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> x(1 + random.below(20));
    double sum = 1e-3;
    for (double& v : x) sum += v = random.uniform();
    x[0] += 1e-3;
    double apart = 0;
    for (const double a : x)
      for (const double b : x) apart += std::abs(a - b);
    CHECK(ebb::gini_index(x) == Approx(apart / (2 * static_cast<double>(x.size()) * sum)).margin(1e-14));
  }
  for (const double unit : {1e308, 1e-320})  // in units that overflow or underflow
    CHECK(ebb::gini_index(std::vector<double>{0, unit, unit, 0}) == Approx(0.5));
  CHECK_THROWS_AS(ebb::gini_index(std::vector<double>{-1, 2}), std::invalid_argument);
}

}  // namespace list_measures_test
