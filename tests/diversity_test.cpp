// SPDX-License-Identifier: MIT
#include "ebb/diversity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"
#include "list_policy.hpp"

namespace diversity_test {

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
    const ebb::diversity_options options{
        .k = k, .relevance = 1, .temperature = random.below(2) == 0 ? 0.0 : 0.5, .seed = random()};
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
      contains("the quotas of candidates there are must fit into k, got 3"));
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
                                         .temperature = 0.3,
                                         .seed = random()};
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

TEST_CASE("with a score range set, a candidate nobody would pick changes nothing", "[diversity]") {
  const auto similarity = [](std::size_t a, std::size_t b) { return a + b == 1 ? 0.8 : 0.1; };
  const std::vector<double> three{1.0, 0.9, 0.5};
  const std::vector<double> four{1.0, 0.9, 0.5, -10};
  const auto order = [&](const std::vector<double>& scores, std::optional<double> range) {
    return order_of(ebb::diversify(scores, {.k = 2, .relevance = 0.5, .score_range = range}, similarity));
  };
  CHECK(order(three, {}) != order(four, {}));  // by the range of the candidates it does
  ebb::random_engine random(9);
  for (int round = 0; round < 200; ++round) {
    const std::size_t n = 2 + random.below(10);
    auto scores = random_scores(random, n);
    line alike;
    for (std::size_t i = 0; i <= n; ++i) alike.at.push_back(3 * random.uniform());
    const ebb::diversity_options options{
        .k = 1 + random.below(n), .relevance = 0.1 + 0.9 * random.uniform(), .score_range = 0.1 + random.uniform()};
    const auto before = ebb::diversify(scores, options, alike);
    for (const auto& pick : before.picks) CHECK(pick.score == Approx(scores[pick.index] / *options.score_range));
    scores.push_back(-1e6);
    CHECK(order_of(ebb::diversify(scores, options, alike)) == order_of(before));
  }
  // A range that is the candidates' own is the default, but for where 0 lies.
  CHECK(order(three, 0.5) == order(three, {}));
  const std::vector<double> scores{-1, 2};
  CHECK_THROWS_WITH(ebb::diversify(scores, {.score_range = 0.0}),
                    contains("score_range must be finite and > 0, got 0"));
  CHECK_THROWS_AS(ebb::diversify(scores, {.score_range = infinite}), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::diversify(std::vector<double>{1e300}, {.score_range = 1e-300}),
                    contains("a score over score_range must be finite"));
  CHECK_THROWS_WITH(ebb::diversify(scores, {.score_range = 1.0, .repeat_decay = 0.5}),
                    contains("a score must be >= 0, got -1"));
}

TEST_CASE("randomness needs a seed", "[diversity]") {
  const std::vector<double> scores{1, 2};
  CHECK_THROWS_WITH(ebb::diversify(scores, {.temperature = 0.1}), contains("a temperature > 0 needs a seed, got none"));
  CHECK(ebb::diversify(scores, {.temperature = 0.1, .seed = 0}).picks.size() == 2);
  const std::vector<std::size_t> order{0, 1};
  CHECK(ebb::log_propensity(order, scores, {.k = 2, .temperature = 0.1}) < 0);  // holds for any seed
}

TEST_CASE("caps on several groupings hold at once, and the picks are the best they allow", "[diversity]") {
  ebb::random_engine random(10);
  for (int round = 0; round < 200; ++round) {
    const std::size_t n = 1 + random.below(12);
    const auto scores = random_scores(random, n);
    std::vector<std::size_t> topic;
    std::vector<std::string> author;
    for (std::size_t i = 0; i < n; ++i) {
      topic.push_back(random.below(3));
      author.push_back("author " + std::to_string(random.below(5)));
    }
    const auto topic_of = [&](std::size_t i) { return topic[i]; };
    const auto author_of = [&](std::size_t i) { return author[i]; };
    const std::size_t of_topic = 1 + random.below(3);
    const std::size_t of_author = 1 + random.below(2);
    const ebb::diversity_options options{
        .k = 1 + random.below(8), .relevance = 1, .per_category = random.below(2) == 0 ? of_topic : n};
    const auto list = ebb::diversify(scores, options, ebb::no_similarity{}, topic_of, ebb::no_quota{},
                                     ebb::at_most(of_topic, topic_of), ebb::at_most(of_author, author_of));
    // Down the plain ranking, whatever still fits.
    std::vector<std::size_t> sorted(n);
    std::iota(sorted.begin(), sorted.end(), std::size_t{0});
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    std::map<std::size_t, std::size_t> topics;
    std::map<std::string, std::size_t> authors;
    std::vector<std::size_t> expected;
    for (const std::size_t i : sorted) {
      if (expected.size() == options.k || topics[topic[i]] == of_topic || authors[author[i]] == of_author) continue;
      ++topics[topic[i]];
      ++authors[author[i]];
      expected.push_back(i);
    }
    CHECK(order_of(list) == expected);
  }
  const std::vector<double> scores{0.1, 0.4, 0.2, 0.3};
  const ebb::at_most odd(1, [](std::size_t i) { return i % 2; });
  double sum = 0;
  each_order(4, 3, [&](const auto& order) {
    sum += std::exp(ebb::log_propensity(order, scores, {.k = 3, .temperature = 0.5}, ebb::no_similarity{},
                                        ebb::no_category{}, ebb::no_quota{}, odd));
  });
  CHECK(sum == Approx(1).epsilon(1e-12));
}

TEST_CASE("quotas and distance hold together wherever any list keeps both", "[diversity]") {
  const std::string kinds = "BBBAA";
  const auto kind = [&](std::size_t i) { return kinds[i]; };
  const auto two_a = [](char c) -> std::size_t { return c == 'A' ? 2 : 0; };
  const std::vector<double> falling{10, 9, 8, 1, 0.9};
  CHECK(order_of(ebb::diversify(falling, {.k = 3, .relevance = 1, .apart = 1}, ebb::no_similarity{}, kind, two_a)) ==
        std::vector<std::size_t>{3, 0, 4});

  // Categories 0 to 2 with quotas; the others, of which there are enough, are each alone of their kind.
  ebb::random_engine random(11);
  int possible = 0;
  int greedy_fails = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t k = 2 + random.below(6);
    const std::size_t apart = random.below(4);
    std::vector<std::size_t> category;
    std::vector<std::size_t> least(3);
    std::size_t owed = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t there = random.below(4);
      category.insert(category.end(), there, c);
      owed += least[c] = std::min(random.below(4), there);
    }
    if (owed > k) continue;
    for (std::size_t i = 0; i < k; ++i) category.push_back(3 + i);
    const std::size_t n = category.size();
    std::vector<double> scores(n);
    for (double& s : scores) s = random.uniform();
    const auto of = [&](std::size_t i) { return category[i]; };
    const auto quota = [&](std::size_t c) { return c < 3 ? least[c] : std::size_t{0}; };

    // Whether any sequence of categories will do; 3 stands for one alone of its kind.
    const auto keeps = [&](const std::vector<std::size_t>& list) {
      std::vector<std::size_t> count(4, 0);
      for (std::size_t p = 0; p < list.size(); ++p) {
        ++count[std::min<std::size_t>(list[p], 3)];
        for (std::size_t q = p - std::min(p, apart); q < p && list[p] < 3; ++q)
          if (list[q] == list[p]) return false;
      }
      for (std::size_t c = 0; c < 3; ++c)
        if (count[c] < least[c]) return false;
      return true;
    };
    bool any = false;
    std::vector<std::size_t> sequence(k, 0);
    for (std::size_t code = 0; code < std::size_t{1} << (2 * k) && !any; ++code) {
      for (std::size_t p = 0; p < k; ++p) sequence[p] = code >> (2 * p) & 3;
      any = keeps(sequence);  // a category's cap is no matter: more of it than there is are never needed
    }
    const bool draws = random.below(2) == 0;
    const ebb::diversity_options options{
        .k = k, .relevance = 1, .apart = apart, .temperature = draws ? 0.5 : 0.0, .seed = random()};
    const auto list = ebb::diversify(scores, options, ebb::no_similarity{}, of, quota);
    REQUIRE(list.picks.size() == k);
    CHECK(list.unmet == 0);
    std::vector<std::size_t> found;
    for (const auto& pick : list.picks) found.push_back(category[pick.index]);
    CHECK(keeps(found) == any);
    possible += any ? 1 : 0;
    greedy_fails += any ? 0 : 1;
  }
  CHECK(possible > 100);
  CHECK(greedy_fails > 20);
}

TEST_CASE("a list says what its quotas lack", "[diversity]") {
  // The one A is the best B's near-duplicate.
  const std::string kinds = "BAB";
  const auto kind = [&](std::size_t i) { return kinds[i]; };
  const auto one_a = [](char c) -> std::size_t { return c == 'A' ? 1 : 0; };
  const auto alike = [](std::size_t a, std::size_t b) { return a + b == 1 ? 1.0 : 0.0; };
  const std::vector<double> scores{3, 1, 2};
  const auto lost = ebb::diversify(scores, {.k = 2, .relevance = 1, .duplicate = 0.9}, alike, kind, one_a);
  CHECK(order_of(lost) == std::vector<std::size_t>{0, 2});
  CHECK(lost.unmet == 1);
  CHECK(ebb::diversify(scores, {.k = 2, .relevance = 1}, alike, kind, one_a).unmet == 0);
  // By a cap of another grouping, and for want of candidates.
  const auto all_one = ebb::at_most(1, [](std::size_t) { return 0; });
  const auto three_b = [](char c) -> std::size_t { return c == 'B' ? 3 : 0; };
  CHECK(ebb::diversify(scores, {.k = 3}, ebb::no_similarity{}, kind, three_b, all_one).unmet == 2);
  CHECK(ebb::diversify(scores, {.k = 3}, ebb::no_similarity{}, kind, three_b).unmet == 1);
  CHECK(ebb::diversify(scores, {.k = 3}).unmet == 0);
}

}  // namespace diversity_test
