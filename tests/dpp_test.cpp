// SPDX-License-Identifier: MIT
#include "ebb/dpp.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <vector>

#include <Eigen/LU>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace dpp_test {

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

TEST_CASE("caps hold inside the greedy choice, each pick the best of what they allow", "[dpp]") {
  ebb::random_engine random(4);
  for (int round = 0; round < 100; ++round) {
    const std::size_t n = 2 + random.below(10);
    const directions similarity(random, 12, static_cast<Eigen::Index>(n));
    const auto scores = random_scores(random, n);
    std::vector<std::size_t> topic;
    std::vector<std::size_t> author;
    for (std::size_t i = 0; i < n; ++i) {
      topic.push_back(random.below(3));
      author.push_back(random.below(6));
    }
    const std::size_t of_topic = 1 + random.below(3);
    const double lambda = random.below(4) == 0 ? 1.0 : 0.95 * random.uniform();
    const auto value = [&](const std::vector<std::size_t>& set) {
      double sum = 0;
      for (const std::size_t i : set) sum += lambda * scores[i];
      return lambda == 1 ? sum : sum + (1 - lambda) * std::log(std::max(determinant(set, similarity), 1e-300));
    };
    const auto fits = [&](const std::vector<std::size_t>& set) {
      std::vector<std::size_t> topics(3, 0);
      std::vector<std::size_t> authors(6, 0);
      for (const std::size_t i : set)
        if (++topics[topic[i]] > of_topic || ++authors[author[i]] > 1) return false;
      return true;
    };
    const auto picks = ebb::greedy_dpp(scores, {.k = n, .relevance = lambda, .least_new = 1e-3}, similarity,
                                       ebb::at_most(of_topic, [&](std::size_t i) { return topic[i]; }),
                                       ebb::at_most(1, [&](std::size_t i) { return author[i]; }));
    std::vector<std::size_t> set;
    for (std::size_t p = 0; p <= picks.size(); ++p) {
      double best = -std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; i < n; ++i) {
        auto with = set;
        with.push_back(i);
        if (std::find(set.begin(), set.end(), i) != set.end() || !fits(with)) continue;
        if (lambda < 1 && determinant(with, similarity) <= 1e-3 * determinant(set, similarity)) continue;
        best = std::max(best, value(with));
      }
      if (p == picks.size()) {
        CHECK(best == -std::numeric_limits<double>::infinity());  // nothing more would have fitted
        break;
      }
      set.push_back(picks[p].index);
      REQUIRE(fits(set));
      CHECK(value(set) == Approx(best).epsilon(1e-6).margin(1e-9));
      CHECK((picks[p].novelty <= 1 && (lambda < 1 || picks[p].novelty == 1)));
    }
  }
}

TEST_CASE("with a score range set, a candidate no set would take changes no set", "[dpp]") {
  const auto similarity = [](std::size_t a, std::size_t b) { return a == b ? 1.0 : a + b == 1 ? 0.8 : 0.1; };
  const auto order = [&](const std::vector<double>& scores, std::optional<double> range) {
    std::vector<std::size_t> indices;
    for (const auto& pick : ebb::greedy_dpp(scores, {.k = 2, .relevance = 0.6, .score_range = range}, similarity))
      indices.push_back(pick.index);
    return indices;
  };
  const std::vector<double> three{1.0, 0.9, 0.5};
  const std::vector<double> four{1.0, 0.9, 0.5, -10};
  CHECK(order(three, {}) == std::vector<std::size_t>{0, 1});
  CHECK(order(three, 0.5) == order(four, 0.5));
  CHECK(order(three, 5.0) == order(four, 5.0));
  CHECK(order(three, 0.1) != order(three, 5.0));
  CHECK_THROWS_AS(order(three, -1.0), std::invalid_argument);
}

TEST_CASE("all of many may be asked for where few are new", "[dpp]") {
  ebb::random_engine random(5);
  const directions similarity(random, 3, 20000);  // rows for 20,000 picks would be 3.2 GB
  const std::vector<double> scores(20000, 1.0);
  const auto picks =
      ebb::greedy_dpp(scores, {.k = std::numeric_limits<std::size_t>::max(), .relevance = 0.5}, similarity);
  CHECK(picks.size() == 3);
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

}  // namespace dpp_test
