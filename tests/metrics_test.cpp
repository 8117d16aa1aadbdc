// SPDX-License-Identifier: MIT
#include "ebb/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "catch.hpp"

namespace metrics_test {

TEST_CASE("a rank is the place in the sorted order, ties spread evenly over their places", "[metrics]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> scores;
    for (std::uint64_t n = 1 + random.below(12); n > 0; --n) scores.push_back(static_cast<double>(random.below(4)));
    const std::size_t truth = random.below(scores.size());
    std::vector<double> sorted = scores;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const auto [best, worst] = std::equal_range(sorted.begin(), sorted.end(), scores[truth], std::greater<>());
    const auto first = static_cast<std::size_t>(best - sorted.begin()) + 1;
    const auto tied = static_cast<std::size_t>(worst - best);
    for (std::size_t place = 0; place < tied; ++place)  // the middle of each of the `tied` equal parts of [0, 1)
      CHECK(ebb::rank_of(scores, truth, (static_cast<double>(place) + 0.5) / static_cast<double>(tied)) ==
            first + place);
  }
}

TEST_CASE("infinite scores rank, a score that is not a number is refused", "[metrics]") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> scores{-infinity, 0.0, infinity};
  CHECK(ebb::rank_of(scores, 0, 0.9) == 3);
  CHECK(ebb::rank_of(scores, 2, 0.9) == 1);
  const std::vector<double> broken{0.0, std::nan("")};
  CHECK_THROWS_AS(ebb::rank_of(broken, 0, 0.5), std::domain_error);
  CHECK_THROWS_AS(ebb::rank_of(scores, 3, 0.5), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::rank_of(scores, 0, 1.0), "ebb::rank_of: r must be in [0, 1), got 1");
}

TEST_CASE("NDCG of one item is that of a list with one hit", "[metrics]") {
  for (std::size_t rank = 1; rank <= 15; ++rank) {
    std::vector<bool> hits(15, false);
    hits[rank - 1] = true;
    CHECK(ebb::ndcg_of_rank(rank, 10) == Approx(ebb::ndcg_of_hits(hits, 1, 10)));
  }
  CHECK(ebb::ndcg_of_rank(1, 10) == 1.0);
  CHECK(ebb::ndcg_of_rank(3, 10) == Approx(0.5));
  CHECK(ebb::ndcg_of_rank(11, 10) == 0.0);
}

TEST_CASE("NDCG is 1 exactly for lists whose hits come first, and recall counts hits", "[metrics]") {
  CHECK(ebb::ndcg_of_hits({true, true, false}, 2, 10) == 1.0);
  CHECK(ebb::ndcg_of_hits({true, true, true, true}, 50, 3) == 1.0);  // ideal = min(k, relevant)
  CHECK(ebb::ndcg_of_hits({true, false, true}, 2, 10) == Approx(1.5 / (1 + 1 / std::log2(3.0))));
  CHECK(ebb::ndcg_of_hits({false, false}, 2, 10) == 0.0);
  CHECK(ebb::ndcg_of_hits({}, 0, 10) == 0.0);
  CHECK(ebb::recall_of_hits({true, false, true}, 4, 10) == 0.5);
  CHECK(ebb::recall_of_hits({true, false, true}, 4, 2) == 0.25);
  CHECK(ebb::recall_of_hits({}, 0, 10) == 0.0);
}

TEST_CASE("the repeat metrics are means over queries, and one over users", "[metrics]") {
  const std::vector<std::size_t> ranks{1, 2, 4, 20};
  const std::vector<std::uint32_t> users{7, 7, 3, 7};
  const ebb::repeat_metrics m = ebb::summarize(ranks, users);
  CHECK(m.mrr == Approx((1 + 0.5 + 0.25 + 0.05) / 4));
  CHECK(m.hit1 == 0.25);
  CHECK(m.hit10 == 0.75);
  CHECK(m.ndcg10 == Approx((1 + 1 / std::log2(3.0) + 1 / std::log2(5.0)) / 4));
  CHECK(m.mrr_user_mean == Approx(((1 + 0.5 + 0.05) / 3 + 0.25) / 2));
  CHECK(ebb::summarize({}, {}).mrr == 0.0);
  CHECK_THROWS_AS(ebb::summarize(ranks, std::vector<std::uint32_t>{1}), std::invalid_argument);
}

TEST_CASE("the bootstrap's interval is that of the normal limit when users have one query each", "[metrics]") {
  ebb::random_engine random(5);
  std::vector<double> a;
  std::vector<double> b;
  std::vector<std::uint32_t> users;
  double sum = 0;
  double squares = 0;
  constexpr int n = 2000;
  for (std::uint32_t u = 0; u < n; ++u) {
    a.push_back(random.normal() + 0.1);
    b.push_back(random.normal());
    users.push_back(u);
    sum += a.back() - b.back();
    squares += (a.back() - b.back()) * (a.back() - b.back());
  }
  const double mean = sum / n;
  const double error = std::sqrt((squares / n - mean * mean) / n);
  const ebb::difference d = ebb::paired_bootstrap(a, b, users, 9);
  CHECK(d.diff == Approx(mean));
  CHECK(d.lo == Approx(mean - 1.96 * error).margin(0.15 * error));
  CHECK(d.hi == Approx(mean + 1.96 * error).margin(0.15 * error));
}

TEST_CASE("the bootstrap draws users, not queries", "[metrics]") {
  // Ten users with 500 queries each that all agree within a user: the interval is that of ten observations, not of 5000.
  std::vector<double> a;
  std::vector<std::uint32_t> users;
  for (std::uint32_t u = 0; u < 10; ++u)
    for (int q = 0; q < 500; ++q) {
      a.push_back(u % 2);
      users.push_back(u);
    }
  const std::vector<double> b(a.size(), 0.0);
  const ebb::difference d = ebb::paired_bootstrap(a, b, users, 1);
  CHECK(d.diff == Approx(0.5));
  CHECK(d.hi - d.lo > 0.5);  // binomial(10, ½)/10: about ±0.3

  const ebb::difference none = ebb::paired_bootstrap(a, a, users, 1);
  CHECK(none.diff == 0.0);
  CHECK(none.lo == 0.0);
  CHECK(none.hi == 0.0);
  const ebb::difference again = ebb::paired_bootstrap(a, b, users, 1);
  CHECK(again.lo == d.lo);
  CHECK(again.hi == d.hi);
}

}  // namespace metrics_test
