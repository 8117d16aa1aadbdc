// SPDX-License-Identifier: MIT
#include "ebb/diversity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"
#include "list_policy.hpp"

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

std::vector<double> random_scores(ebb::random_engine& random, std::size_t n) {
  std::vector<double> scores(n);
  for (double& s : scores) s = random.below(3) == 0 ? static_cast<double>(random.below(4)) : random.normal();
  return scores;
}

/// Points on a line: near ones are similar.
struct line {
  std::vector<double> at;
  double operator()(std::size_t a, std::size_t b) const { return std::exp(-std::abs(at[a] - at[b])); }
};

std::vector<std::size_t> order_of(const ebb::diverse_list& list) {
  std::vector<std::size_t> order;
  for (const auto& pick : list.picks) order.push_back(pick.index);
  return order;
}

/// Every sequence of different candidates of every length up to k.
template <class Visit>
void each_order(std::size_t n, std::size_t k, const Visit& visit) {
  for (std::size_t length = 0; length <= std::min(n, k); ++length) list_policy::each_list(n, length, visit);
}

}  // namespace

TEST_CASE("with relevance 1 and no caps the picks are the plain top k", "[diversity]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 100; ++round) {
    const auto scores = random_scores(random, 1 + random.below(30));
    std::vector<std::size_t> sorted(scores.size());
    std::iota(sorted.begin(), sorted.end(), std::size_t{0});
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    sorted.resize(std::min<std::size_t>(sorted.size(), 7));
    const auto similar = [](std::size_t, std::size_t) { return 1.0; };
    const auto list = ebb::diversify(scores, {.k = 7, .relevance = 1}, similar);
    CHECK(order_of(list) == sorted);
    CHECK(list.log_propensity == 0);
  }
}

TEST_CASE("scores too near or too far apart for their range still sort", "[diversity]") {
  const double tiny = std::numeric_limits<double>::denorm_min();
  CHECK(order_of(ebb::diversify(std::vector<double>{0.0, tiny}, {.relevance = 1})) == std::vector<std::size_t>{1, 0});
  const double huge = std::numeric_limits<double>::max();
  CHECK(order_of(ebb::diversify(std::vector<double>{-huge, 0, huge}, {.relevance = 1})) ==
        std::vector<std::size_t>{2, 1, 0});
  const double next = std::nextafter(1.0, 2.0);
  CHECK(order_of(ebb::diversify(std::vector<double>{-1e9, 1.0, next}, {.relevance = 1})) ==
        std::vector<std::size_t>{2, 1, 0});
}

TEST_CASE("each pick is the best of what was left, by brute force", "[diversity]") {
  ebb::random_engine random(2);
  for (int round = 0; round < 100; ++round) {
    const std::size_t n = 2 + random.below(12);
    const auto scores = random_scores(random, n);
    line similarity;
    for (std::size_t i = 0; i < n; ++i) similarity.at.push_back(3 * random.uniform());
    const double lambda = random.uniform();
    const auto list = ebb::diversify(scores, {.k = n, .relevance = lambda}, similarity);
    REQUIRE(list.picks.size() == n);
    const double lowest = *std::min_element(scores.begin(), scores.end());
    const double highest = *std::max_element(scores.begin(), scores.end());
    const auto gain = [&](std::size_t i, std::size_t picked) {
      double similar = picked == 0 ? 0.0 : -infinite;
      for (std::size_t p = 0; p < picked; ++p) similar = std::max(similar, similarity(i, list.picks[p].index));
      const double score = highest > lowest ? (scores[i] - lowest) / (highest - lowest) : 0.0;
      return lambda * score - (1 - lambda) * similar;
    };
    for (std::size_t p = 0; p < n; ++p) {
      const auto& pick = list.picks[p];
      CHECK(lambda * pick.score - (1 - lambda) * pick.similarity == Approx(gain(pick.index, p)).margin(1e-12));
      for (std::size_t later = p + 1; later < n; ++later)
        CHECK(gain(pick.index, p) >= gain(list.picks[later].index, p) - 1e-12);
    }
  }
}

TEST_CASE("caps are never broken, and near-duplicates never stand together", "[diversity]") {
  ebb::random_engine random(3);
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = 1 + random.below(30);
    const auto scores = random_scores(random, n);
    line similarity;
    std::vector<std::string> category;
    for (std::size_t i = 0; i < n; ++i) {
      similarity.at.push_back(5 * random.uniform());
      category.push_back("category " + std::to_string(random.below(4)));
    }
    const ebb::diversity_options options{.k = 1 + random.below(20),
                                         .relevance = random.uniform(),
                                         .per_category = 1 + random.below(3),
                                         .duplicate = 0.5 + random.uniform() / 2,
                                         .temperature = random.below(2) == 0 ? 0.0 : 1.0,
                                         .seed = random()};
    const auto category_of = [&](std::size_t i) -> const std::string& { return category[i]; };
    const auto order = order_of(ebb::diversify(scores, options, similarity, category_of));
    CHECK(order.size() <= options.k);
    std::map<std::string, std::size_t> count;
    for (std::size_t a = 0; a < order.size(); ++a) {
      CHECK(++count[category[order[a]]] <= options.per_category);
      for (std::size_t b = 0; b < a; ++b) CHECK(similarity(order[a], order[b]) < *options.duplicate);
    }
    if (order.size() == options.k) continue;
    for (std::size_t i = 0; i < n; ++i) {  // a short list is one to which nothing can be added
      const bool picked = std::find(order.begin(), order.end(), i) != order.end();
      const bool full = count[category[i]] == options.per_category;
      const bool twin = std::any_of(order.begin(), order.end(),
                                    [&](std::size_t j) { return similarity(i, j) >= *options.duplicate; });
      CHECK((picked || full || twin));
    }
  }
}

TEST_CASE("the propensities of all possible lists add up to 1", "[diversity]") {
  ebb::random_engine random(4);
  for (int round = 0; round < 40; ++round) {
    const std::size_t n = 1 + random.below(5);
    const auto scores = random_scores(random, n);
    line similarity;
    std::vector<int> category;
    for (std::size_t i = 0; i < n; ++i) {
      similarity.at.push_back(3 * random.uniform());
      category.push_back(static_cast<int>(random.below(3)));
    }
    ebb::diversity_options options{.k = 1 + random.below(5),
                                   .relevance = random.uniform(),
                                   .temperature = random.below(5) == 0 ? 0.0 : 0.05 + random.uniform()};
    if (random.below(2) == 0) options.per_category = 1;
    if (random.below(2) == 0) options.duplicate = 0.6;
    const auto category_of = [&](std::size_t i) { return category[i]; };
    double sum = 0;
    each_order(n, options.k, [&](const auto& order) {
      sum += std::exp(ebb::log_propensity(order, scores, options, similarity, category_of));
    });
    CHECK(sum == Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("without caps the draws are Plackett and Luce's", "[diversity]") {
  const std::vector<double> scores{2.0, 0.0, 1.0, 1.5};  // on the scale from 0 to 1: half of it
  const double temperature = 0.4;
  const ebb::diversity_options options{.k = 3, .relevance = 1, .temperature = temperature};
  each_order(4, 3, [&](const auto& order) {
    double expected = 0;
    double left = 0;
    for (const double s : scores) left += std::exp(s / 2 / temperature);
    for (const std::size_t i : order) {
      expected += scores[i] / 2 / temperature - std::log(left);
      left -= std::exp(scores[i] / 2 / temperature);
    }
    if (order.size() < 3) expected = -infinite;
    CHECK(ebb::log_propensity(order, scores, options) == Approx(expected));
  });
}

TEST_CASE("lists are drawn as often as their propensity says", "[diversity]") {
  const std::vector<double> scores{0.3, 1.0, 0.7, 0.0};
  const line similarity{{0.0, 0.2, 2.0, 0.1}};
  ebb::diversity_options options{.k = 2, .relevance = 0.6, .temperature = 0.3};
  std::map<std::vector<std::size_t>, int> count;
  const int draws = 40000;
  for (int i = 0; i < draws; ++i) {
    options.seed = static_cast<std::uint64_t>(i);
    const auto list = ebb::diversify(scores, options, similarity);
    ++count[order_of(list)];
    if (i < 200) CHECK(list.log_propensity == ebb::log_propensity(order_of(list), scores, options, similarity));
  }
  double chi_square = 0;
  for (const auto& [order, times] : count) {
    const double expected = draws * std::exp(ebb::log_propensity(order, scores, options, similarity));
    chi_square += (times - expected) * (times - expected) / expected;
  }
  CHECK(count.size() == 12);
  CHECK(chi_square < 31.26);  // 99.9 % of chi-square with 11 degrees of freedom
}

TEST_CASE("one seed gives one list, and a small temperature nearly the best one", "[diversity]") {
  ebb::random_engine random(5);
  const auto scores = random_scores(random, 50);
  ebb::diversity_options options{.k = 10, .relevance = 1, .temperature = 0.5, .seed = 99};
  const auto first = ebb::diversify(scores, options);
  CHECK(order_of(first) == order_of(ebb::diversify(scores, options)));
  CHECK(first.log_propensity < 0);
  options.seed = 100;
  CHECK(order_of(first) != order_of(ebb::diversify(scores, options)));
  const std::vector<double> apart{1, 5, 3, 4, 2};
  for (const double temperature : {1e-4, 1e-300}) {
    const auto cold = ebb::diversify(apart, {.relevance = 1, .temperature = temperature, .seed = 3});
    CHECK(order_of(cold) == std::vector<std::size_t>{1, 3, 2, 4, 0});
    CHECK(cold.log_propensity == Approx(0).margin(1e-12));
  }
}

TEST_CASE("diversify answers nothing for nothing and refuses nonsense", "[diversity]") {
  const std::vector<double> scores{1, 2};
  CHECK(ebb::diversify({}, {}).picks.empty());
  CHECK(ebb::diversify(scores, {.k = 0}).picks.empty());
  CHECK_THROWS_WITH(ebb::diversify(scores, {.relevance = 1.5}), contains("relevance must be in [0, 1], got 1.5"));
  CHECK_THROWS_AS(ebb::diversify(scores, {.relevance = std::nan("")}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::diversify(scores, {.per_category = 0}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::diversify(scores, {.duplicate = std::nan("")}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::diversify(scores, {.temperature = -1}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::diversify(std::vector<double>{1, infinite}, {}), std::invalid_argument);
  const auto broken = [](std::size_t, std::size_t) { return std::nan(""); };
  CHECK_THROWS_WITH(ebb::diversify(scores, {}, broken), contains("a similarity must be finite"));
  const std::vector<std::size_t> unknown{7};
  CHECK(ebb::log_propensity(unknown, scores, {.k = 1}) == -infinite);
}

TEST_CASE("scores of a category fade down the list", "[diversity]") {
  const std::vector<double> scores{1.0, 0.9, 0.8, 0.3, 0.0};
  const std::vector<char> author{'a', 'a', 'a', 'b', 'c'};
  const auto of = [&](std::size_t i) { return author[i]; };
  const auto order = [&](double decay) {
    return order_of(ebb::diversify(scores, {.relevance = 1, .repeat_decay = decay}, ebb::no_similarity{}, of));
  };
  CHECK(order(1) == std::vector<std::size_t>{0, 1, 2, 3, 4});
  CHECK(order(0.5) == std::vector<std::size_t>{0, 1, 3, 2, 4});  // 1, 0.45, 0.3 against 0.8 / 4
  CHECK(order(0.2) == std::vector<std::size_t>{0, 3, 1, 2, 4});
}

TEST_CASE("two of a category stand apart while there are others", "[diversity]") {
  ebb::random_engine random(6);
  for (int round = 0; round < 200; ++round) {
    const std::size_t n = 1 + random.below(20);
    const auto scores = random_scores(random, n);
    std::vector<std::size_t> category;
    for (std::size_t i = 0; i < n; ++i) category.push_back(random.below(4));
    const auto of = [&](std::size_t i) { return category[i]; };
    const std::size_t apart = 1 + random.below(3);
    const ebb::diversity_options options{.k = n, .relevance = 1, .apart = apart};
    const auto order = order_of(ebb::diversify(scores, options, ebb::no_similarity{}, of));
    REQUIRE(order.size() == n);
    const auto near = [&](std::size_t i, std::size_t place) {
      for (std::size_t p = place - std::min(place, apart); p < place; ++p)
        if (category[order[p]] == category[i]) return true;
      return false;
    };
    for (std::size_t place = 0; place < n; ++place) {
      const bool gave_way = near(order[place], place);
      for (std::size_t later = place + 1; later < n; ++later) {
        if (gave_way) CHECK(near(order[later], place));  // no other would have been further away
        if (!near(order[later], place)) CHECK(scores[order[place]] >= scores[order[later]]);
      }
    }
  }
}

TEST_CASE("quotas are met as far as there are candidates, and change no more than they must", "[diversity]") {
  ebb::random_engine random(7);
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = 1 + random.below(20);
    const auto scores = random_scores(random, n);
    std::vector<std::size_t> category;
    std::vector<std::size_t> there(4, 0);
    for (std::size_t i = 0; i < n; ++i) ++there[category.emplace_back(random.below(4))];
    const auto of = [&](std::size_t i) { return category[i]; };
    std::vector<std::size_t> least(4);
    std::size_t owed = 0;
    for (std::size_t c = 0; c < 4; ++c) owed += std::min(least[c] = random.below(3), there[c]);
    const auto quota = [&](std::size_t c) { return least[c]; };
    const std::size_t k = std::max<std::size_t>(owed, 1 + random.below(8));
    const ebb::diversity_options options{.k = k, .relevance = 1, .temperature = random.below(2) == 0 ? 0.0 : 0.5};
    const auto order = order_of(ebb::diversify(scores, options, ebb::no_similarity{}, of, quota));
    REQUIRE(order.size() == std::min(k, n));
    std::vector<std::size_t> count(4, 0);
    for (const std::size_t i : order) ++count[category[i]];
    bool met_anyway = true;
    const auto plain = order_of(ebb::diversify(scores, options, ebb::no_similarity{}, of));
    std::vector<std::size_t> plain_count(4, 0);
    for (const std::size_t i : plain) ++plain_count[category[i]];
    for (std::size_t c = 0; c < 4; ++c) {
      CHECK(count[c] >= std::min(least[c], there[c]));
      met_anyway = met_anyway && plain_count[c] >= std::min(least[c], there[c]);
    }
    if (met_anyway && options.temperature == 0) CHECK(order == plain);
  }
  const auto two_each = [](std::size_t) -> std::size_t { return 1; };
  CHECK_THROWS_WITH(
      ebb::diversify(std::vector<double>{1, 2, 3}, {.k = 2}, ebb::no_similarity{}, ebb::no_category{}, two_each),
      contains("the quotas must fit into k, got 3"));
  CHECK_THROWS_WITH(ebb::diversify(std::vector<double>{1}, {.repeat_decay = 0}), contains("repeat_decay must be in"));
}

TEST_CASE("propensities add up to 1 under quotas, distance and fading too", "[diversity]") {
  ebb::random_engine random(8);
  for (int round = 0; round < 40; ++round) {
    const std::size_t n = 1 + random.below(5);
    const auto scores = random_scores(random, n);
    std::vector<std::size_t> category;
    for (std::size_t i = 0; i < n; ++i) category.push_back(random.below(3));
    const auto of = [&](std::size_t i) { return category[i]; };
    const auto quota = [](std::size_t c) { return static_cast<std::size_t>(c == 1 ? 2 : 0); };
    const ebb::diversity_options options{.k = 2 + random.below(3),
                                         .relevance = 1,
                                         .repeat_decay = 0.2 + 0.8 * random.uniform(),
                                         .apart = random.below(3),
                                         .temperature = 0.3};
    double sum = 0;
    each_order(n, options.k, [&](const auto& order) {
      sum += std::exp(ebb::log_propensity(order, scores, options, ebb::no_similarity{}, of, quota));
    });
    CHECK(sum == Approx(1).epsilon(1e-12));
    const auto list = ebb::diversify(scores, options, ebb::no_similarity{}, of, quota);
    CHECK(list.log_propensity ==
          Approx(ebb::log_propensity(order_of(list), scores, options, ebb::no_similarity{}, of, quota)).margin(1e-12));
  }
}
