// SPDX-License-Identifier: MIT
#include "ebb/return_trainer.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace return_trainer_test {

namespace {

using namespace std::chrono_literals;

const ebb::timescales bank = ebb::timescales::log_spaced(1h, 24h * 30, 3);

/// Moments of 12 candidates with four features; the one returned to is drawn by softmax of `pull` times feature 0.
ebb::return_samples made_samples(std::size_t moments, double pull, std::uint64_t seed) {
  ebb::random_engine random(seed);
  ebb::return_samples out({.negatives = 12, .moments = 100000});
  for (std::size_t i = 0; i < moments; ++i) {
    Eigen::MatrixXf values(12, 4);
    Eigen::MatrixXd lanes(12, 3);
    std::vector<double> odds;
    for (Eigen::Index c = 0; c < 12; ++c) {
      for (Eigen::Index f = 0; f < 4; ++f) values(c, f) = static_cast<float>(random.normal());
      for (Eigen::Index k = 0; k < 3; ++k) lanes(c, k) = random.normal();
      odds.push_back(std::exp(pull * static_cast<double>(values(c, 0))));
    }
    double at = random.uniform() * std::accumulate(odds.begin(), odds.end(), 0.0);
    std::uint32_t chosen = 0;
    while (chosen < 11 && (at -= odds[chosen]) > 0) ++chosen;
    const std::uint32_t returned[] = {chosen};
    out.add(values, lanes, returned);
  }
  return out;
}

ebb::return_trainer_options small(int threads = 1) {
  return {.hidden = {8}, .members = 2, .epochs = 4, .threads = threads};
}

ebb::return_network train(const ebb::return_samples& samples, const ebb::return_trainer_options& options) {
  return ebb::train_return_network(samples, bank, {}, 4, options);
}

}  // namespace

TEST_CASE("the same moments give the same bytes, however many threads", "[return_trainer]") {
  const ebb::return_samples samples = made_samples(600, 2.0, 1);
  const ebb::return_network once = train(samples, small());
  const ebb::return_network again = train(samples, small());
  const ebb::return_network threaded = train(samples, small(2));
  REQUIRE(once.members.size() == 2);
  for (const ebb::return_network* const other : {&again, &threaded}) {
    REQUIRE(once.weights == other->weights);
    REQUIRE(once.blend == other->blend);
    for (std::size_t m = 0; m < 2; ++m) {
      REQUIRE(once.members[m].network.parameters() == other->members[m].network.parameters());
      REQUIRE(once.members[m].linear == other->members[m].linear);
    }
  }
}

TEST_CASE("a planted preference is learned, and noise is not", "[return_trainer]") {
  double best_validation = 0;
  ebb::return_trainer_options options = small();
  options.on_epoch = [&](const ebb::return_epoch& e) {
    if (e.validation_mrr) best_validation = std::max(best_validation, *e.validation_mrr);
  };
  const ebb::return_network learned = train(made_samples(1500, 3.0, 2), options);
  REQUIRE(learned.blend > 0);
  REQUIRE(best_validation > 0.7);  // chance is H(12)/12 = 0.26
  best_validation = 0;
  static_cast<void>(train(made_samples(1500, 0.0, 3), options));
  REQUIRE(best_validation < 0.34);
}

TEST_CASE("the base recovers the lane that returns follow", "[return_trainer]") {
  ebb::random_engine random(8);
  ebb::return_samples samples({.negatives = 10, .moments = 100000});
  for (int i = 0; i < 3000; ++i) {
    Eigen::MatrixXd lanes(8, 3);
    std::vector<double> odds;
    for (Eigen::Index c = 0; c < 8; ++c) {
      for (Eigen::Index k = 0; k < 3; ++k) lanes(c, k) = 2 * random.normal();
      odds.push_back(std::exp(1.5 * lanes(c, 1)));
    }
    double at = random.uniform() * std::accumulate(odds.begin(), odds.end(), 0.0);
    std::uint32_t chosen = 0;
    while (chosen < 7 && (at -= odds[chosen]) > 0) ++chosen;
    const std::uint32_t returned[] = {chosen};
    samples.add(Eigen::MatrixXf::Zero(8, 1), lanes, returned);
  }
  const auto [weights, sharpness] =
      ebb::detail::fit_return_base(samples.moments(), ebb::reading::inverse_half_life(bank), 1e-6);
  REQUIRE(weights[1] > 0.95);
  REQUIRE(sharpness == Approx(1.5).epsilon(0.1));
}

TEST_CASE("the loss and gradient of a return are those of the slow formula, however far apart the logits",
          "[return_trainer]") {
  ebb::random_engine random(11);
  for (const double gap : {0.0, 5.0, 80.0, 110.0, 2000.0, -110.0, -2000.0})
    for (const Eigen::Index returned : {1, 2, 3}) {
      const double weight = 1 + 10 * random.uniform();
      Eigen::RowVectorXf logit(9);
      for (float& z : logit) z = static_cast<float>(random.normal());
      logit[0] += static_cast<float>(gap);  // the other returns stay with the rest
      // The slow one: each return's softmax with the others alone, scaled by its own largest, in long double.
      double loss = 0;
      Eigen::RowVectorXd slope = Eigen::RowVectorXd::Zero(9);
      for (Eigen::Index j = 0; j < returned; ++j) {
        long double top = logit[j];
        for (Eigen::Index c = returned; c < 9; ++c) top = std::max<long double>(top, logit[c]);
        long double all = std::exp(logit[j] - top);
        for (Eigen::Index c = returned; c < 9; ++c) all += weight * std::exp(logit[c] - top);
        loss += static_cast<double>(top + std::log(all) - logit[j]);
        slope[j] = static_cast<double>(std::exp(logit[j] - top) / all - 1);
        for (Eigen::Index c = returned; c < 9; ++c)
          slope[c] += static_cast<double>(weight * std::exp(logit[c] - top) / all);
      }
      Eigen::RowVectorXf gradient(9);
      INFO("gap " << gap << ", returned " << returned);
      CHECK(ebb::detail::return_loss(logit, returned, weight, gradient) == Approx(loss).epsilon(1e-5).margin(1e-6));
      for (Eigen::Index c = 0; c < 9; ++c)
        CHECK(static_cast<double>(gradient[c]) == Approx(slope[c]).epsilon(1e-4).margin(1e-6));
    }
}

TEST_CASE("one moment with a strong and a next to impossible return spoils nothing", "[return_trainer]") {
  ebb::return_samples samples = made_samples(600, 3.0, 12);
  Eigen::MatrixXf values = Eigen::MatrixXf::Zero(4, 4);
  Eigen::MatrixXd lanes = Eigen::MatrixXd::Constant(4, 3, -690);
  lanes.row(0).setZero();
  const std::uint32_t returned[] = {0, 1};
  samples.add(values, lanes, returned);
  std::vector<double> losses;
  ebb::return_trainer_options options = small();
  options.on_epoch = [&](const ebb::return_epoch& e) { losses.push_back(e.loss); };
  const ebb::return_network learned = train(samples, options);
  for (const double loss : losses) CHECK(std::isfinite(loss));
  CHECK(learned.blend > 0);
  CHECK_NOTHROW(learned.check());
}

TEST_CASE("the base stands returns that lie 1,000 apart", "[return_trainer]") {
  ebb::return_samples samples({.negatives = 10});
  for (int i = 0; i < 20; ++i) {
    Eigen::MatrixXd lanes = Eigen::MatrixXd::Constant(5, 3, -1000 - i);
    lanes.row(0).setZero();
    const std::uint32_t returned[] = {0, 1};
    samples.add(Eigen::MatrixXf::Zero(5, 1), lanes, returned);
  }
  const auto [weights, sharpness] =
      ebb::detail::fit_return_base(samples.moments(), ebb::reading::inverse_half_life(bank), 0.1);
  CHECK(std::isfinite(sharpness));
  CHECK(sharpness > 0);
  for (const double w : weights) CHECK(std::isfinite(w));
}

TEST_CASE("a network that answers NaN ranks last, not first, and training to it is an error", "[return_trainer]") {
  ebb::return_samples samples = made_samples(50, 1.0, 13);
  const std::vector<Eigen::VectorXf> base(50, Eigen::VectorXf::Zero(12));
  const ebb::return_trainer_options options = small();
  const ebb::detail::return_member_trainer trainer(samples.moments(), base, 4, options);
  auto broken = trainer.make(1);
  broken.linear.setConstant(std::nanf(""));
  const double one[] = {1.0};
  CHECK(trainer.mrr(broken, 0, one)[0] == Approx(1.0 / 12));
  CHECK_THROWS_AS(train(made_samples(400, 1.0, 14), {.hidden = {8}, .learning_rate = 1e30, .weight_decay = 0}),
                  std::domain_error);
}

TEST_CASE("every share in (0, 1) leaves something to learn from and something to choose on", "[return_trainer]") {
  for (const double share : {1e-17, 1e-3, 0.999, 0.9999999})
    for (const std::size_t moments : {1U, 2U, 3U, 30U}) {
      ebb::return_trainer_options options = small();
      options.validation_share = share;
      options.fewest_moments = 1;
      options.on_epoch = [](const ebb::return_epoch& e) {
        CHECK(std::isfinite(e.loss));
        if (e.validation_mrr) CHECK(std::isfinite(*e.validation_mrr));
      };
      const ebb::return_network learned = train(made_samples(moments, 3.0, 15), options);
      CHECK_NOTHROW(learned.check());
      if (moments < 2) CHECK(learned.members.empty());
    }
}

TEST_CASE("with too little to learn from only the reading speaks", "[return_trainer]") {
  REQUIRE(train(ebb::return_samples{}, small()).blend == 0);
  const ebb::return_network few = train(made_samples(20, 3.0, 4), small());
  REQUIRE(few.blend == 0);
  REQUIRE(few.members.empty());
  REQUIRE_NOTHROW(few.check());
}

TEST_CASE("options out of range and moments of other lanes are refused", "[return_trainer]") {
  const ebb::return_samples samples = made_samples(20, 1.0, 5);
  REQUIRE_THROWS_AS(train(samples, {.members = 0}), std::invalid_argument);
  REQUIRE_THROWS_AS(train(samples, {.epochs = 0}), std::invalid_argument);
  REQUIRE_THROWS_AS(train(samples, {.validation_share = 1.0}), std::invalid_argument);
  REQUIRE_THROWS_AS(train(samples, {.threads = 0}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::train_return_network(samples, ebb::timescales{1h}, {}, 4), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::train_return_network(samples, bank, {}, 5), std::invalid_argument);
}

}  // namespace return_trainer_test
