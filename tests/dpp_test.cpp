// SPDX-License-Identifier: MIT
#include "ebb/dpp.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <Eigen/LU>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace {

/// Random directions in a few dimensions, some of them repeated, and their cosines.
struct directions {
  Eigen::MatrixXd v;

  directions(ebb::random_engine& random, Eigen::Index dimensions, Eigen::Index n) : v(dimensions, n) {
    for (Eigen::Index i = 0; i < n; ++i) {
      for (Eigen::Index d = 0; d < dimensions; ++d) v(d, i) = random.normal();
      v.col(i).normalize();
      if (i > 0 && random.below(5) == 0) v.col(i) = v.col(static_cast<Eigen::Index>(random.below(std::uint64_t(i))));
    }
  }
  double operator()(std::size_t a, std::size_t b) const {
    return a == b ? 1.0 : v.col(static_cast<Eigen::Index>(a)).dot(v.col(static_cast<Eigen::Index>(b)));
  }
};

std::vector<double> random_scores(ebb::random_engine& random, std::size_t n) {
  std::vector<double> scores(n);
  for (double& s : scores) s = random.uniform();
  scores[0] = 0;
  scores[n - 1] = 1;  // the scale is the scores' own
  return scores;
}

template <class Similarity>
double determinant(const std::vector<std::size_t>& picks, const Similarity& similarity) {
  const auto n = static_cast<Eigen::Index>(picks.size());
  Eigen::MatrixXd s(n, n);
  for (Eigen::Index a = 0; a < n; ++a)
    for (Eigen::Index b = 0; b < n; ++b)
      s(a, b) = similarity(picks[static_cast<std::size_t>(a)], picks[static_cast<std::size_t>(b)]);
  return s.determinant();
}

}  // namespace

TEST_CASE("each pick raises the determinant as no other would, by brute force", "[dpp]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 100; ++round) {
    const std::size_t n = 2 + random.below(10);
    const directions similarity(random, 6, static_cast<Eigen::Index>(n));
    const auto scores = random_scores(random, n);
    const double lambda = 0.95 * random.uniform();
    const auto value = [&](const std::vector<std::size_t>& set) {
      double sum = 0;
      for (const std::size_t i : set) sum += scores[i];
      const double det = determinant(set, similarity);
      return det > 1e-9 ? lambda * sum + (1 - lambda) * std::log(det) : -std::numeric_limits<double>::infinity();
    };
    const auto picks = ebb::greedy_dpp(scores, {.k = n, .relevance = lambda}, similarity);
    std::vector<std::size_t> set;
    double product = 1;
    for (const auto& pick : picks) {
      double best = -std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; i < n; ++i) {
        auto with = set;
        with.push_back(i);
        if (std::find(set.begin(), set.end(), i) == set.end()) best = std::max(best, value(with));
      }
      set.push_back(pick.index);
      product *= pick.novelty;
      CHECK(product == Approx(determinant(set, similarity)).epsilon(1e-6).margin(1e-10));
      if (product < 1e-6) break;  // below, the determinant itself is rounding
      CHECK(value(set) == Approx(best).epsilon(1e-6));
    }
    CHECK(picks.size() <= 6);  // no more directions than there are dimensions
  }
}

TEST_CASE("the greedy set is near the best there is", "[dpp]") {
  ebb::random_engine random(2);
  double greedy_sum = 0;
  double best_sum = 0;
  for (int round = 0; round < 50; ++round) {
    const directions similarity(random, 8, 9);
    const std::vector<double> scores(9, 0.0);
    const auto picks = ebb::greedy_dpp(scores, {.k = 3, .relevance = 0}, similarity);
    std::vector<std::size_t> set;
    for (const auto& pick : picks) set.push_back(pick.index);
    double best = 0;
    for (std::size_t a = 0; a < 9; ++a)
      for (std::size_t b = 0; b < a; ++b)
        for (std::size_t c = 0; c < b; ++c) best = std::max(best, determinant({a, b, c}, similarity));
    const double greedy = determinant(set, similarity);
    CHECK(greedy <= best + 1e-12);
    greedy_sum += greedy;
    best_sum += best;
  }
  CHECK(greedy_sum > 0.85 * best_sum);
}

TEST_CASE("with relevance 1, or with nothing alike, the picks are the top k", "[dpp]") {
  ebb::random_engine random(3);
  for (int round = 0; round < 30; ++round) {
    const std::size_t n = 2 + random.below(20);
    const auto scores = random_scores(random, n);
    std::vector<std::size_t> sorted(n);
    std::iota(sorted.begin(), sorted.end(), std::size_t{0});
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    const auto all_alike = [](std::size_t, std::size_t) { return 1.0; };
    const auto none_alike = [](std::size_t a, std::size_t b) { return a == b ? 1.0 : 0.0; };
    const auto plain = ebb::greedy_dpp(scores, {.k = 5, .relevance = 1}, all_alike);
    const auto apart = ebb::greedy_dpp(scores, {.k = 5, .relevance = 0.5}, none_alike);
    REQUIRE(plain.size() == std::min<std::size_t>(5, n));
    REQUIRE(apart.size() == plain.size());
    for (std::size_t j = 0; j < plain.size(); ++j) {
      CHECK(plain[j].index == sorted[j]);
      CHECK(apart[j].index == sorted[j]);
    }
    CHECK(ebb::greedy_dpp(scores, {.k = 5, .relevance = 0.5}, all_alike).size() == 1);
  }
}

TEST_CASE("greedy_dpp answers nothing for nothing and refuses nonsense", "[dpp]") {
  const std::vector<double> scores{1, 2};
  const auto none = [](std::size_t a, std::size_t b) { return a == b ? 1.0 : 0.0; };
  const auto too_much = [](std::size_t, std::size_t) { return 2.0; };
  const auto broken = [](std::size_t, std::size_t) { return std::nan(""); };
  CHECK(ebb::greedy_dpp({}, {}, none).empty());
  CHECK(ebb::greedy_dpp(scores, {.k = 0}, none).empty());
  CHECK_THROWS_WITH(ebb::greedy_dpp(scores, {.relevance = 2}, none), contains("relevance must be in [0, 1], got 2"));
  CHECK_THROWS_AS(ebb::greedy_dpp(scores, {.least_new = 0}, none), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::greedy_dpp(scores, {}, too_much), contains("positive semidefinite"));
  CHECK_THROWS_WITH(ebb::greedy_dpp(scores, {}, broken), contains("a similarity must be finite"));
  CHECK_THROWS_AS(ebb::greedy_dpp(std::vector<double>{std::nan("")}, {}, none), std::invalid_argument);
}
