// SPDX-License-Identifier: MIT
#include "ebb/next_blend.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace next_blend_test {

namespace {

struct question {
  Eigen::MatrixXf signals;  // (candidates, 3)
  Eigen::VectorXf of_user = Eigen::VectorXf::Zero(2);
  std::vector<bool> eligible;
  std::vector<std::size_t> taken_up;
};

/// Users who take up the candidate drawn with odds exp(2 s_0 − s_1); s_2 says nothing.
std::vector<question> planted(std::uint64_t seed, int users, Eigen::Index candidates) {
  ebb::random_engine random(seed);
  std::vector<question> out;
  for (int u = 0; u < users; ++u) {
    question q;
    q.signals.resize(candidates, 3);
    for (float& s : q.signals.reshaped()) s = static_cast<float>(random.normal());
    q.eligible.assign(static_cast<std::size_t>(candidates), true);
    q.of_user << static_cast<float>(random.normal()), 1.0F;
    double best = -1e9;
    q.taken_up = {0};
    for (Eigen::Index k = 0; k < candidates; ++k) {
      const double gumbel = -std::log(-std::log1p(-(random.uniform() + 1e-12) * (1 - 1e-9)));
      const double value = 2.0 * static_cast<double>(q.signals(k, 0)) - static_cast<double>(q.signals(k, 1)) + gumbel;
      if (value > best) q.taken_up = {static_cast<std::size_t>(k)};
      best = std::max(best, value);
    }
    out.push_back(std::move(q));
  }
  return out;
}

ebb::blend_samples samples_of(const std::vector<question>& questions, std::size_t best, std::size_t others) {
  ebb::blend_samples samples(best, others, 1);
  for (const question& q : questions) samples.add(q.signals, q.of_user, q.eligible, q.taken_up);
  return samples;
}

}  // namespace

TEST_CASE("the linear blend finds the weights that made the choices, from samples of the candidates too",
          "[next_blend]") {
  const std::vector<question> questions = planted(1, 3000, 60);
  for (const auto& [best, others] :
       {std::pair<std::size_t, std::size_t>(60, 0), std::pair<std::size_t, std::size_t>(4, 12)}) {
    ebb::next_blend blend(samples_of(questions, best, others), {.ridge = 1e-4, .hidden = {}});
    // A weight is per standardised signal: compare through scores of unit signals, less the score of none.
    Eigen::VectorXf score(4);
    Eigen::MatrixXf unit = Eigen::MatrixXf::Zero(4, 3);
    unit.topRows(3).setIdentity();
    blend.score(unit, Eigen::VectorXf::Zero(2), score);
    CHECK(score[0] - score[3] == Approx(2.0).margin(0.15));
    CHECK(score[1] - score[3] == Approx(-1.0).margin(0.15));
    CHECK(score[2] - score[3] == Approx(0.0).margin(0.15));
  }
}

TEST_CASE("a ridge pulls the weights towards zero", "[next_blend]") {
  const ebb::blend_samples samples = samples_of(planted(2, 200, 20), 20, 0);
  const ebb::next_blend free(samples, {.ridge = 1e-3, .hidden = {}});
  const ebb::next_blend pulled(samples, {.ridge = 1.0, .hidden = {}});
  const ebb::next_blend held(samples, {.ridge = 1e4, .hidden = {}});
  CHECK(pulled.weights().norm() < free.weights().norm());
  CHECK(held.weights().norm() < 1e-3F);
}

TEST_CASE("the networks learn what no weights can: a signal that speaks for one kind of user and against another",
          "[next_blend]") {
  std::vector<question> questions = planted(3, 1500, 20);
  for (question& q : questions) {
    q.taken_up = {0};
    for (std::size_t k = 0; k < q.eligible.size(); ++k)
      if (q.of_user[0] * q.signals(static_cast<Eigen::Index>(k), 2) >
          q.of_user[0] * q.signals(static_cast<Eigen::Index>(q.taken_up[0]), 2))
        q.taken_up = {k};
  }
  const std::vector<question> training(questions.begin(), questions.begin() + 1200);
  const ebb::blend_samples samples = samples_of(training, 20, 0);
  const auto hits = [&](ebb::next_blend blend) {
    int right = 0;
    for (std::size_t i = 1200; i < questions.size(); ++i) {
      Eigen::VectorXf score(20);
      blend.score(questions[i].signals, questions[i].of_user, score);
      Eigen::Index best = 0;
      score.maxCoeff(&best);
      right += static_cast<std::size_t>(best) == questions[i].taken_up[0];
    }
    return right;
  };
  const int linear = hits(ebb::next_blend(samples, {.hidden = {}}));
  const int network = hits(ebb::next_blend(samples, {.members = 1, .epochs = 20, .learning_rate = 1e-2}));
  CHECK(linear < 180);  // of 300: one kind of user at most
  CHECK(network > 220);
}

TEST_CASE("the same samples give the same blend, another seed another network but the same weights", "[next_blend]") {
  const std::vector<question> questions = planted(4, 60, 15);
  const auto scored = [&](std::uint64_t seed) {
    ebb::next_blend blend(samples_of(questions, 5, 5), {.epochs = 2, .seed = seed});
    Eigen::VectorXf score(15);
    blend.score(questions[0].signals, questions[0].of_user, score);
    return std::pair(score, blend.weights());
  };
  CHECK(scored(1).first == scored(1).first);
  CHECK(scored(1).first != scored(2).first);
  CHECK(scored(1).second == scored(2).second);
}

TEST_CASE("samples keep what was taken up and each signal's best, and stand for all eligible candidates",
          "[next_blend]") {
  const std::vector<question> questions = planted(5, 20, 50);
  for (question q : questions) {
    for (std::size_t k = 0; k < 50; k += 7) q.eligible[k] = false;
    q.taken_up = {3, 4, 0, 3};  // 0 is not eligible, 3 comes twice
    ebb::blend_samples samples(3, 6, 9);
    samples.add(q.signals, q.of_user, q.eligible, q.taken_up);
    REQUIRE(samples.groups().size() == 1);
    const ebb::blend_samples::group& g = samples.groups()[0];
    double stands_for = 0;
    double target = 0;
    std::set<float> kept;
    for (std::size_t j = 0; j < g.target.size(); ++j) {
      stands_for += std::exp(static_cast<double>(g.correction[j]));
      target += static_cast<double>(g.target[j]);
      kept.insert(g.signals(0, static_cast<Eigen::Index>(j)));
      if (g.target[j] > 0) CHECK(g.correction[j] == 0.0F);
    }
    CHECK(stands_for == Approx(42).epsilon(1e-5));
    CHECK(target == Approx(1));
    CHECK(std::count(g.target.begin(), g.target.end(), 0.5F) == 2);
    CHECK(kept.count(q.signals(0, 0)) == 0);
    float best = -100;
    for (Eigen::Index k = 0; k < 50; ++k)
      if (q.eligible[static_cast<std::size_t>(k)]) best = std::max(best, q.signals(k, 0));
    CHECK(kept.count(best) == 1);
  }
}

TEST_CASE("users who took up nothing or everything teach nothing", "[next_blend]") {
  question q = planted(6, 1, 3)[0];
  ebb::blend_samples samples(2, 2, 1);
  samples.add(q.signals, q.of_user, q.eligible, {});
  samples.add(q.signals, q.of_user, q.eligible, std::vector<std::size_t>{0, 1, 2});
  samples.add(q.signals, q.of_user, {false, false, false}, std::vector<std::size_t>{0});
  CHECK(samples.groups().empty());
  CHECK_THROWS_WITH(ebb::next_blend(samples), "ebb::next_blend: there must be samples, got 0");
  CHECK_THROWS_AS(samples.add(q.signals, q.of_user, {true}, q.taken_up), std::invalid_argument);
  CHECK_THROWS_AS(samples.add(q.signals, q.of_user, q.eligible, std::vector<std::size_t>{3}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::blend_samples(0, 1, 1), std::invalid_argument);
  samples.add(q.signals, q.of_user, q.eligible, std::vector<std::size_t>{0});
  CHECK_THROWS_AS(ebb::next_blend(samples, {.ridge = 0}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::next_blend(samples, {.batch = 0}), std::invalid_argument);
  CHECK_THROWS_AS(samples.add(q.signals.leftCols(2), q.of_user, q.eligible, std::vector<std::size_t>{0}),
                  std::invalid_argument);
  ebb::next_blend blend(samples, {.epochs = 1});
  Eigen::VectorXf score(2);
  CHECK_THROWS_AS(blend.score(q.signals, q.of_user, score), std::invalid_argument);
}

}  // namespace next_blend_test
