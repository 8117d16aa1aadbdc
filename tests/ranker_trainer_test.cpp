// SPDX-License-Identifier: MIT
#include "ebb/ranker_trainer.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/store_terms.hpp"
#include "store_oracle.hpp"

namespace ranker_trainer_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;
using ebb::normalisation;
using ebb::term_role;

const ebb::reading how(std::chrono::days(3));

/// Interest and popularity in their roles, a host's score, and a term that says 1 of everything.
ebb::ranker<store> made_ranker() {
  ebb::ranker<store> ranker({.prior_strength = 5});
  ranker.add(ebb::interest_term(how), {.weight = 1, .role = term_role::own})
      .add(ebb::heat_term(how), {.weight = 1, .scale = normalisation::logarithmic(), .role = term_role::prior})
      .add(
          ebb::function_term("host", [](int user, int item, ebb::time_point) { return std::sin(7 * user + 3 * item); }))
      .add(ebb::function_term("constant", [](int, int, ebb::time_point) { return 1.0; }), {.weight = 0.25});
  return ranker;
}

const std::vector<int> items = [] {
  std::vector<int> all(12);
  std::iota(all.begin(), all.end(), 0);
  return all;
}();

/// What one list was: the store is rebuilt for it from the events up to then.
struct asked_list {
  int user;
  ebb::time_point now;
  std::size_t chosen;
};

/// Users choose by the conditional logit of `truth`; the store learns each choice after it was made. `see` gets every list before that.
template <class See>
void simulate(const ebb::ranker<store>& truth, int lists, std::uint64_t seed, See see) {
  ebb::random_engine random(seed);
  store s({.lanes = how.bank()});
  ebb::time_point now = day(0);
  for (int n = 0; n < lists; ++n) {
    now += std::chrono::minutes(1 + random.below(600));
    const int user = static_cast<int>(random.below(6));
    const auto ranked = truth.rank(s, user, now, items, {.k = items.size()});
    double sum = 0;
    for (const auto& r : ranked) sum += std::exp(r.score);
    double draw = random.uniform() * sum;
    std::size_t place = 0;
    while (place + 1 < ranked.size() && draw >= std::exp(ranked[place].score)) draw -= std::exp(ranked[place++].score);
    const int chosen = ranked[place].item;
    see(s, asked_list{user, now, static_cast<std::size_t>(chosen)});
    s.observe(user, chosen, now);
  }
}

ebb::ranker<store> with_weights(const std::vector<double>& weights) {
  ebb::ranker<store> ranker = made_ranker();
  auto settings = ranker.settings();
  for (std::size_t j = 0; j < weights.size(); ++j) settings.terms[j].how.weight = weights[j];
  ranker.apply(settings);
  return ranker;
}

/// Mean −ln P(chosen) through the ranker's own scores, list by list, and the ridge with the spreads taken the long way.
struct slow_truth {
  std::vector<std::vector<std::vector<double>>> lists;  // list, candidate, term: factor · normalised value
  std::vector<std::size_t> chosen;

  void see(const store& s, const asked_list& asked) {
    const auto ranker = made_ranker();
    const auto ranked = ranker.rank(s, asked.user, asked.now, items, {.k = items.size()});
    const auto settings = ranker.settings();
    std::vector<std::vector<double>> list(items.size());
    for (const auto& r : ranked)
      for (std::size_t j = 0; j < r.why.size(); ++j)
        list[static_cast<std::size_t>(r.item)].push_back(r.why[j].amount / settings.terms[j].how.weight);
    lists.push_back(list);
    chosen.push_back(asked.chosen);
  }

  double loss(const std::vector<double>& w) const {
    double sum = 0;
    for (std::size_t n = 0; n < lists.size(); ++n) {
      double total = 0;
      double own = 0;
      for (std::size_t i = 0; i < lists[n].size(); ++i) {
        const double score = std::inner_product(w.begin(), w.end(), lists[n][i].begin(), 0.0);
        total += std::exp(score);
        if (i == chosen[n]) own = score;
      }
      sum += std::log(total) - own;
    }
    return sum;
  }

  double objective(const std::vector<double>& w, double ridge) const {
    double out = loss(w);
    for (std::size_t j = 0; j < w.size(); ++j) {
      double variance = 0;
      for (const auto& list : lists) {
        double mean = 0;
        for (const auto& x : list) mean += x[j] / static_cast<double>(list.size());
        for (const auto& x : list) variance += (x[j] - mean) * (x[j] - mean) / static_cast<double>(list.size());
      }
      out += ridge / 2 * w[j] * w[j] * variance / static_cast<double>(lists.size());
    }
    return out;
  }
};

}  // namespace

TEST_CASE("values times weights are the scores", "[ranker_trainer]") {
  const auto ranker = with_weights({0.7, -0.4, 1.3, 2});
  simulate(ranker, 60, 3, [&](const store& s, const asked_list& asked) {
    const Eigen::MatrixXd x = ranker.values(s, asked.user, asked.now, items);
    REQUIRE(x.rows() == 12);
    REQUIRE(x.cols() == 4);
    const Eigen::VectorXd scores = x * Eigen::Vector4d(0.7, -0.4, 1.3, 2);
    for (const auto& r : ranker.rank(s, asked.user, asked.now, items, {.k = items.size()}))
      CHECK(scores[r.item] == Approx(r.score).margin(1e-12));
  });
}

TEST_CASE("the learned weights are the ones users chose by, within their errors", "[ranker_trainer]") {
  const std::vector<double> true_weights{1.5, 0.8, -1};
  ebb::ranker_trainer<store> trainer(made_ranker());
  simulate(with_weights(true_weights), 4000, 1, [&](const store& s, const asked_list& asked) {
    trainer.observe(s, asked.user, asked.now, items, asked.chosen);
  });
  REQUIRE(trainer.size() == 4000);
  const ebb::learned_weights learned = trainer.fit();
  for (std::size_t j = 0; j < 3; ++j) {
    INFO(learned.settings.terms[j].name << " error " << learned.errors[j]);
    CHECK(std::abs(learned.settings.terms[j].how.weight - true_weights[j]) < 4 * learned.errors[j]);
    CHECK(learned.errors[j] < 0.5);
  }
  CHECK(learned.loss < learned.loss_before);
  CHECK(learned.loss < learned.loss_of_chance);
  CHECK(learned.loss_of_chance == Approx(std::log(12)));
}

TEST_CASE("standard errors are the scatter of weights learned from logs of the same kind", "[ranker_trainer]") {
  std::vector<std::vector<double>> found(3);
  std::vector<double> told(3, 0);
  constexpr int logs = 40;
  for (int log = 0; log < logs; ++log) {
    ebb::ranker_trainer<store> trainer(made_ranker());
    simulate(with_weights({1, 0.5, 1}), 300, 100 + static_cast<std::uint64_t>(log),
             [&](const store& s, const asked_list& asked) {
               trainer.observe(s, asked.user, asked.now, items, asked.chosen);
             });
    const auto learned = trainer.fit({.ridge = 1e-3});
    for (std::size_t j = 0; j < 3; ++j) {
      found[j].push_back(learned.settings.terms[j].how.weight);
      told[j] += learned.errors[j] / logs;
    }
  }
  for (std::size_t j = 0; j < 3; ++j) {
    const double mean = std::accumulate(found[j].begin(), found[j].end(), 0.0) / logs;
    double variance = 0;
    for (const double w : found[j]) variance += (w - mean) * (w - mean) / (logs - 1);
    CHECK(std::sqrt(variance) == Approx(told[j]).epsilon(0.45));  // the scatter of 40 is known to 11 %: four of those
  }
}

TEST_CASE("under importances standard errors are the scatter, too", "[ranker_trainer]") {
  // Half the lists are seen once in twenty times, and count twenty times.
  ebb::ranker<store> ranker;
  for (const int j : {0, 1})
    ranker.add(ebb::function_term("host " + std::to_string(j), [j](int user, int item, ebb::time_point) {
      return std::sin((7 + 4 * j) * user + (3 + j) * item);
    }));
  const store s({.lanes = how.bank()});
  const std::vector<int> few(items.begin(), items.begin() + 6);
  constexpr int logs = 200;
  std::vector<std::vector<double>> found(2);
  std::vector<double> told(2, 0);
  for (int log = 0; log < logs; ++log) {
    ebb::random_engine random(1000 + static_cast<std::uint64_t>(log));
    ebb::ranker_trainer<store> trainer(ranker);
    for (int n = 0; n < 1500; ++n) {
      const int user = static_cast<int>(random.below(1000));
      const double propensity = user % 2 == 0 ? 1.0 : 0.05;
      std::size_t chosen = 0;
      double highest = -1e300;  // the conditional logit as the highest of scores with Gumbel noise
      for (const int i : few) {
        const double score = std::sin(7 * user + 3 * i) - 0.5 * std::sin(11 * user + 4 * i) -
                             std::log(-std::log1p(-random.uniform()) + 1e-300);
        if (score > highest) chosen = static_cast<std::size_t>(i);
        highest = std::max(highest, score);
      }
      if (random.uniform() < propensity) trainer.observe(s, user, day(1), few, chosen, 1 / propensity);
    }
    const auto learned = trainer.fit({.ridge = 1e-3});
    CHECK(learned.converged);
    for (std::size_t j = 0; j < 2; ++j) {
      found[j].push_back(learned.settings.terms[j].how.weight);
      told[j] += learned.errors[j] / logs;
    }
  }
  for (std::size_t j = 0; j < 2; ++j) {
    const double mean = std::accumulate(found[j].begin(), found[j].end(), 0.0) / logs;
    double variance = 0;
    for (const double w : found[j]) variance += (w - mean) * (w - mean) / (logs - 1);
    CHECK(std::abs(mean - (j == 0 ? 1.0 : -0.5)) < 4 * std::sqrt(variance / logs) + 0.02);
    CHECK(std::sqrt(variance) == Approx(told[j]).epsilon(0.2));  // the scatter of 200 is known to 5 %
  }
}

TEST_CASE("standard errors know no unit, neither the importances' nor a term's", "[ranker_trainer]") {
  const store s({.lanes = how.bank()});
  const auto learn = [&](double unit, double importance, double ridge) {
    ebb::ranker<store> r;
    r.add(ebb::function_term("host", [unit](int u, int i, ebb::time_point) { return unit * std::sin(7 * u + 3 * i); }));
    ebb::ranker_trainer<store> trainer(r);
    for (int n = 0; n < 100; ++n)
      trainer.observe(s, n, day(1), items, static_cast<std::size_t>(n * n % 12), importance);
    const auto learned = trainer.fit({.ridge = ridge});
    return std::pair(learned.settings.terms[0].how.weight * unit, learned.errors[0] * unit);
  };
  const auto plain = learn(1, 1, 1);
  for (const double times : {1e-6, 0.01, 100.0, 1e200}) {
    const auto counted = learn(1, times, times);
    CHECK(counted.first == Approx(plain.first).epsilon(1e-4));
    CHECK(counted.second == Approx(plain.second).epsilon(1e-4));
  }
  for (const double unit : {1e-280, 1e-200, 1e150, 1e160, 1e280}) {
    const auto other = learn(unit, 1, 1);
    CHECK(other.first == Approx(plain.first));
    CHECK(other.second == Approx(plain.second));
  }
  CHECK_THROWS_WITH(learn(1e300, 1, 1), contains("a term must spread by 0 or by 1e-290 to 1e290"));
  CHECK_THROWS_WITH(learn(1e-300, 1, 1), contains("a term must spread by 0 or by 1e-290 to 1e290"));
  CHECK_THROWS_WITH(learn(1, 1e300, 1), contains("importances must add up to 1e300 at most"));
}

TEST_CASE("a descent cut short says so", "[ranker_trainer]") {
  ebb::ranker<store> r;
  r.add(ebb::function_term("host", [](int u, int i, ebb::time_point) { return std::sin(7 * u + 3 * i); }));
  ebb::ranker_trainer<store> trainer(r);
  const store s({.lanes = how.bank()});
  for (int n = 0; n < 200; ++n) {
    std::size_t best = 0;
    for (const int i : items)
      if (std::sin(7 * n + 3 * i) > std::sin(7 * n + 3 * static_cast<int>(best))) best = static_cast<std::size_t>(i);
    trainer.observe(s, n, day(1), items, best);
  }
  CHECK(!trainer.fit({.steps = 1}).converged);
  CHECK(trainer.fit().converged);
}

TEST_CASE("the weights are the minimum of the stated sum", "[ranker_trainer]") {
  slow_truth slow;
  ebb::ranker_trainer<store> trainer(made_ranker());
  simulate(with_weights({2, 1, 0.5}), 120, 5, [&](const store& s, const asked_list& asked) {
    slow.see(s, asked);
    trainer.observe(s, asked.user, asked.now, items, asked.chosen);
  });
  for (const double ridge : {0.1, 1.0, 30.0}) {
    const auto learned = trainer.fit({.ridge = ridge});
    std::vector<double> w;
    for (const auto& t : learned.settings.terms) w.push_back(t.how.weight);
    CHECK(learned.loss * 120 == Approx(slow.loss(w)));
    const double least = slow.objective(w, ridge);
    for (std::size_t j = 0; j < 3; ++j)
      for (const double step : {-1e-3, 1e-3}) {
        auto moved = w;
        moved[j] += step;
        CHECK(slow.objective(moved, ridge) > least - 1e-9);
      }
  }
}

TEST_CASE("a term that says the same of everything keeps its weight", "[ranker_trainer]") {
  ebb::ranker_trainer<store> trainer(made_ranker());
  simulate(with_weights({1, 1, 1}), 50, 7, [&](const store& s, const asked_list& asked) {
    trainer.observe(s, asked.user, asked.now, items, asked.chosen);
  });
  const auto learned = trainer.fit();
  CHECK(learned.settings.terms[3].how.weight == 0.25);
  CHECK(learned.errors[3] == std::numeric_limits<double>::infinity());
  auto ranker = made_ranker();
  ranker.apply(learned.settings);
  CHECK(ranker.settings().terms[0].how == learned.settings.terms[0].how);
}

TEST_CASE("importance counts as so many equal lists, and a term's unit does not matter", "[ranker_trainer]") {
  const auto in_unit = [](double unit) {
    ebb::ranker<store> r;
    r.add(ebb::function_term("host", [unit](int u, int i, ebb::time_point) { return unit * std::sin(7 * u + 3 * i); }));
    return r;
  };
  ebb::ranker_trainer<store> repeated(in_unit(1));
  ebb::ranker_trainer<store> weighted(in_unit(1));
  ebb::ranker_trainer<store> rescaled(in_unit(1e6));
  const store s({.lanes = how.bank()});
  for (int n = 0; n < 20; ++n) {
    const auto chosen = static_cast<std::size_t>(n * n % 12);
    const int times = 1 + n % 3;
    for (int k = 0; k < times; ++k) {
      repeated.observe(s, n, day(1), items, chosen);
      rescaled.observe(s, n, day(1), items, chosen);
    }
    weighted.observe(s, n, day(1), items, chosen, times);
  }
  const double w = repeated.fit().settings.terms[0].how.weight;
  CHECK(weighted.fit().settings.terms[0].how.weight == Approx(w));
  CHECK(rescaled.fit().settings.terms[0].how.weight * 1e6 == Approx(w));
  CHECK(weighted.fit().loss == Approx(repeated.fit().loss));
}

TEST_CASE("the trainer refuses what cannot be learned from", "[ranker_trainer]") {
  ebb::ranker_trainer<store> trainer(made_ranker());
  const store s({.lanes = how.bank()});
  CHECK_THROWS_WITH(trainer.fit(), "ebb::ranker_trainer: there must be a list, got 0");
  CHECK_THROWS_AS(trainer.observe(s, 1, day(0), items, 12), std::invalid_argument);
  CHECK_THROWS_AS(trainer.observe(s, 1, day(0), std::vector<int>{}, 0), std::invalid_argument);
  for (const double bad : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_AS(trainer.observe(s, 1, day(0), items, 0, bad), std::invalid_argument);
  CHECK(trainer.size() == 0);
  trainer.observe(s, 1, day(0), items, 0);
  CHECK_THROWS_AS(trainer.fit({.ridge = 0}), std::invalid_argument);
  CHECK_THROWS_AS(trainer.fit({.steps = 0}), std::invalid_argument);
}

}  // namespace ranker_trainer_test
