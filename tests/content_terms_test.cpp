// SPDX-License-Identifier: MIT
#include "ebb/content_terms.hpp"

#include <chrono>
#include <cmath>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/ranker.hpp"
#include "store_oracle.hpp"

namespace content_terms_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;

/// What one term alone says of each candidate.
template <class Term>
std::map<int, double> said(const store& s, int user, ebb::time_point now, const std::vector<int>& items, Term term) {
  ebb::ranker<store> ranker;
  ranker.add(std::move(term));
  std::map<int, double> values;
  for (const auto& r : ranker.rank(s, user, now, items, {.k = items.size()})) values[r.item] = r.score;
  return values;
}

std::vector<double> unit(std::vector<double> v) {
  double square = 0;
  for (const double x : v) square += x * x;
  for (double& x : v) x = square > 0 ? x / std::sqrt(square) : 0.0;
  return v;
}

/// v(candidate) · profile / (|profile| + shrink) with the profile summed over the raw events; long double, whose squares do not underflow.
double slow_truth(const std::vector<oracle::event>& log, int user, const ebb::reading& how, ebb::time_point now,
                  int candidate, double shrink, const std::map<int, std::vector<double>>& content) {
  std::vector<long double> profile(content.begin()->second.size(), 0.0L);
  for (const auto& e : log) {
    if (e.user != user) continue;
    const auto v = unit(content.at(e.item));
    for (std::size_t d = 0; d < v.size(); ++d) profile[d] += oracle::interest({e}, user, e.item, how, now) * v[d];
  }
  long double square = 0;
  long double dot = 0;
  const auto v = unit(content.at(candidate));
  for (std::size_t d = 0; d < v.size(); ++d) {
    square += profile[d] * profile[d];
    dot += profile[d] * v[d];
  }
  const long double length = std::sqrt(square) + shrink;
  // What is less than a double can hold is nothing to the store.
  return length > 1e-290L ? static_cast<double>(dot / length) : 0.0;
}

const std::vector<int> items{0, 1, 2, 3, 4, 5};

}  // namespace

TEST_CASE("both content terms equal the profile summed over the raw events", "[content_terms]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    ebb::random_engine random(seed);
    store s(oracle::random_options(random));
    const auto log = oracle::random_log(random, 40, 3, 5);
    oracle::replay(s, log);
    const auto now = oracle::newest(log) + 1h;
    const auto how = oracle::random_reading(random, s.lanes());
    const double shrink = random.below(2) == 0 ? 0.0 : random.uniform();

    std::map<int, std::vector<double>> tag_vectors;
    std::map<int, std::vector<std::string>> tags;
    std::map<int, std::vector<double>> embeddings;
    for (const int item : items) {
      for (int t = 0; t < 4; ++t) {
        const bool has = item != 3 && random.below(2) == 0;  // item 3 has no content
        tag_vectors[item].push_back(has ? 1 : 0);
        if (has) tags[item].push_back("tag" + std::to_string(t));
        embeddings[item].push_back(item == 3 ? 0 : random.normal());
      }
      tags[item];
    }
    for (int user = 0; user < 4; ++user) {
      const auto by_tag =
          said(s, user, now, items,
               ebb::tag_term(
                   how, [&](int item) -> const std::vector<std::string>& { return tags.at(item); }, shrink));
      const auto by_embedding =
          said(s, user, now, items,
               ebb::embedding_term(
                   4, how,
                   [&](int item) {
                     return item == 3 ? std::span<const double>() : std::span<const double>(embeddings.at(item));
                   },
                   shrink));
      for (const int item : items) {
        CHECK(by_tag.at(item) == Approx(slow_truth(log, user, how, now, item, shrink, tag_vectors)).margin(1e-12));
        CHECK(by_embedding.at(item) == Approx(slow_truth(log, user, how, now, item, shrink, embeddings)).margin(1e-12));
      }
    }
  }
}

TEST_CASE("without shrinkage a content term is the cosine", "[content_terms]") {
  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 0, day(0));
  const auto tags_of = [](int item) { return item == 0 ? std::vector<int>{1, 2} : std::vector<int>{item}; };
  const auto values = said(s, 1, day(90), {0, 1, 3}, ebb::tag_term(ebb::reading(24h), tags_of, 0));
  CHECK(values.at(0) == Approx(1));
  CHECK(values.at(1) == Approx(std::sqrt(0.5)));
  CHECK(values.at(3) == 0);
}

TEST_CASE("shrinkage makes a content term continuous where the interest ends", "[content_terms]") {
  const auto tags_of = [](int) { return std::vector<int>{1}; };
  const auto value = [&](double amount) {
    store s({.lanes = ebb::timescales{24h}});
    if (amount > 0) s.observe(1, 0, day(0), amount);
    return said(s, 1, day(0), {0}, ebb::tag_term(ebb::reading(24h), tags_of, 0.5)).at(0);
  };
  CHECK(value(0) == 0);
  for (double amount = 10; amount > 1e-15; amount /= 10) {
    CHECK(value(amount) == Approx(amount / (amount + 0.5)));
  }
}

TEST_CASE("a retracted event leaves the profile", "[content_terms]") {
  store s({.lanes = ebb::timescales{24h}});
  const auto tags_of = [](int item) { return std::vector<int>{item}; };
  const ebb::tag_term term(ebb::reading(24h), tags_of);
  s.observe(1, 0, day(0));
  const auto before = said(s, 1, day(2), {0, 1}, term);
  s.observe(1, 1, day(1));
  s.retract(1, 1, day(1));
  CHECK(said(s, 1, day(2), {0, 1}, term) == before);
}

TEST_CASE("embeddings of any number type, and only their direction counts", "[content_terms]") {
  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 0, day(0));
  const auto in_floats = [](int item) { return std::vector<float>{item == 0 ? 3e-30F : 0.F, item == 0 ? 0.F : 5.F}; };
  const auto in_doubles = [](int item) { return Eigen::Vector2d(item == 0 ? 1 : 0, item == 0 ? 0 : 1e200); };
  const ebb::reading how(24h);
  CHECK(said(s, 1, day(0), {0, 1}, ebb::embedding_term(2, how, in_floats, 1)) ==
        said(s, 1, day(0), {0, 1}, ebb::embedding_term(2, how, in_doubles, 1)));
}

TEST_CASE("content terms refuse what does not fit", "[content_terms]") {
  const ebb::reading how(24h);
  const auto three = [](int) { return std::vector<double>(3, 1.0); };
  CHECK_THROWS_WITH(ebb::tag_term(how, three, -1), contains("ebb::tag_term: shrink must be finite and >= 0, got -1"));
  CHECK_THROWS_WITH(ebb::embedding_term(0, how, three), contains("dimensions must be > 0, got 0"));
  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 0, day(0));
  CHECK_THROWS_WITH(said(s, 1, day(0), {0}, ebb::embedding_term(2, how, three)), contains("dimensions, got 3"));
  const auto broken = [](int) { return std::vector<double>{std::nan(""), 1.0}; };
  CHECK_THROWS_WITH(said(s, 1, day(0), {0}, ebb::embedding_term(2, how, broken)),
                    contains("ebb::embedding_term: an embedding must be finite"));
}

}  // namespace content_terms_test
