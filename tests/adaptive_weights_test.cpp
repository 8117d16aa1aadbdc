// SPDX-License-Identifier: MIT
#include "ebb/adaptive_weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace adaptive_weights_test {

namespace {

using chances = std::vector<std::vector<double>>;  // round → timescale

/// Σ −ln Σ_k w_k x_k for weights that stay as they are.
double fixed_loss(const chances& rounds, const std::vector<double>& w) {
  double loss = 0;
  for (const auto& x : rounds) {
    double p = 0;
    for (std::size_t k = 0; k < w.size(); ++k) p += w[k] * x[k];
    loss -= std::log(p);
  }
  return loss;
}

/// Every weighting of three timescales in steps of 1/50.
std::vector<std::vector<double>> simplex() {
  std::vector<std::vector<double>> all;
  for (int i = 0; i <= 50; ++i)
    for (int j = 0; i + j <= 50; ++j) all.push_back({i / 50.0, j / 50.0, (50 - i - j) / 50.0});
  return all;
}

/// Chances as an adversary might choose them: from even to all or nothing.
chances hostile(ebb::random_engine& random, int rounds, double spread) {
  chances all;
  for (int t = 0; t < rounds; ++t) {
    std::vector<double> x;
    for (int k = 0; k < 3; ++k) x.push_back(std::exp(-spread * random.uniform()) * (random.uniform() < 0.2 ? 0 : 1));
    if (*std::max_element(x.begin(), x.end()) == 0) x[random.below(3)] = 1;
    all.push_back(x);
  }
  return all;
}

}  // namespace

TEST_CASE("adaptive weights never lose more to the best fixed weights in hindsight than promised",
          "[adaptive_weights]") {
  ebb::random_engine random(1);
  for (const double rate : {0.01, 0.05, 0.2, 0.5})
    for (const double share : {0.0, 0.001, 0.05})
      for (const int rounds : {1, 10, 100, 1000})
        for (const double spread : {0.5, 5.0, 50.0}) {
          const chances x = hostile(random, rounds, spread);
          ebb::adaptive_weights learner({0.5, 0.3, 0.2}, {.rate = rate, .share = share});
          for (const auto& round : x) learner.learn(round);
          REQUIRE(learner.state().rounds == static_cast<std::uint64_t>(rounds));
          for (const std::vector<double>& fixed : simplex())
            if (const double loss = fixed_loss(x, fixed); std::isfinite(loss))
              REQUIRE(learner.state().loss - loss <= learner.regret_bound(fixed, x.size()) + 1e-9);
        }
}

TEST_CASE("the promise is worth something: with the best rate the loss nears the best fixed weights'",
          "[adaptive_weights]") {
  ebb::random_engine random(2);
  chances x;
  for (int t = 0; t < 4000; ++t) x.push_back({random.uniform(), random.uniform(), 0.3 * random.uniform()});
  ebb::adaptive_weights learner({1 / 3.0, 1 / 3.0, 1 / 3.0}, {.rate = std::sqrt(std::log(3.0) / 12000), .share = 0});
  for (const auto& round : x) learner.learn(round);
  double least = 1e300;
  for (const auto& fixed : simplex()) least = std::min(least, fixed_loss(x, fixed));
  CHECK(learner.regret_bound(std::vector{0.5, 0.5, 0.0}, 4000) < 0.1 * least);
  CHECK(learner.state().loss - least < 0.02 * least);
}

TEST_CASE("against one timescale the loss is at most its own plus the prior's doubt", "[adaptive_weights]") {
  ebb::random_engine random(3);
  const std::vector<double> prior{0.6, 0.3, 0.1};
  for (const double rate : {0.02, 0.3})
    for (const double share : {0.0, 0.01}) {
      chances x = hostile(random, 500, 20);
      for (auto& round : x) round[2] = std::max(round[2], 1e-3);
      ebb::adaptive_weights learner(prior, {.rate = rate, .share = share});
      for (const auto& round : x) learner.learn(round);
      const double doubt = (std::log(1 / prior[2]) + 500 * std::log(1 / (1 - share))) / rate;
      CHECK(learner.state().loss <= fixed_loss(x, {0, 0, 1}) + doubt + 1e-9);
    }
}

TEST_CASE("a habit that changes is followed, as the bound over a stretch of rounds says", "[adaptive_weights]") {
  const std::vector<double> prior{1 / 3.0, 1 / 3.0, 1 / 3.0};
  const ebb::adaptive_options options{.rate = 0.1, .share = 0.005};
  ebb::adaptive_weights learner(prior, options);
  for (int t = 0; t < 2000; ++t) learner.learn(std::vector{0.5, 0.01, 0.01});
  CHECK(learner.weights()[0] > 0.9);
  const double before = learner.state().loss;
  for (int t = 0; t < 200; ++t) learner.learn(std::vector{0.01, 0.5, 0.01});
  CHECK(learner.weights()[1] > 0.9);
  const double doubt = (std::log(3 / options.share) - 200 * std::log1p(-options.share)) / options.rate;
  CHECK(learner.state().loss - before <= 200 * std::log(2.0) + doubt);
}

TEST_CASE("weights stay on the simplex and move by the step written down", "[adaptive_weights]") {
  ebb::random_engine random(4);
  const std::vector<double> prior{0.2, 0.5, 0.3};
  ebb::adaptive_weights learner(prior, {.rate = 0.1, .share = 0.01});
  std::vector<double> slow = prior;
  for (const auto& x : hostile(random, 2000, 10)) {
    double p = 0;
    for (std::size_t k = 0; k < 3; ++k) p += slow[k] * x[k];
    for (std::size_t k = 0; k < 3; ++k) slow[k] = 0.99 * slow[k] * (0.9 + 0.1 * x[k] / p) + 0.01 * prior[k];
    CHECK(learner.learn(x) == Approx(-std::log(p)));
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      REQUIRE(learner.weights()[k] == Approx(slow[k]).epsilon(1e-9));
      sum += learner.weights()[k];
    }
    REQUIRE(sum == Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("a basket is one round, in whatever order its items stand", "[adaptive_weights]") {
  ebb::adaptive_weights one({0.5, 0.5});
  ebb::adaptive_weights other({0.5, 0.5});
  const double loss = one.learn(std::vector{0.1, 0.3, 0.4, 0.2}, 2);
  CHECK(loss == Approx(other.learn(std::vector{0.4, 0.2, 0.1, 0.3}, 2)));
  CHECK(loss == Approx(-(std::log(0.2) + std::log(0.3)) / 2));
  CHECK(one.weights()[0] == Approx(other.weights()[0]));
  CHECK(one.state().rounds == 1);
}

TEST_CASE("a return that no timescale foresaw teaches nothing", "[adaptive_weights]") {
  ebb::adaptive_weights learner({0.5, 0.5});
  CHECK(learner.learn(std::vector{0.0, 0.0}) == std::numeric_limits<double>::infinity());
  CHECK(learner.weights()[0] == 0.5);
  CHECK(learner.state().rounds == 0);
}

TEST_CASE("adaptive weights refuse what they cannot mean", "[adaptive_weights]") {
  const std::vector<double> prior{0.5, 0.5};
  for (const double rate : {0.0, -0.1, 0.51, std::nan("")})
    CHECK_THROWS_WITH(ebb::adaptive_weights(prior, {.rate = rate}), contains("rate must be in (0, 1/2]"));
  for (const double share : {-0.1, 1.0, std::nan("")})
    CHECK_THROWS_WITH(ebb::adaptive_weights(prior, {.share = share}), contains("share must be in [0, 1)"));
  CHECK_THROWS_AS(ebb::adaptive_weights({}), std::invalid_argument);
  CHECK_THROWS_WITH(ebb::adaptive_weights({1.0, 0.0}), contains("could never be learned"));
  CHECK_THROWS_AS(ebb::adaptive_weights({0.5, 0.4}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::adaptive_weights(prior, {}, {{0.5, 0.3, 0.2}}), std::invalid_argument);
  ebb::adaptive_weights learner(prior);
  CHECK_THROWS_AS(learner.learn(std::vector{0.5}), std::invalid_argument);
  CHECK_THROWS_AS(learner.learn(std::vector{0.5, -0.1}), std::invalid_argument);
  CHECK_THROWS_AS(learner.learn(std::vector{0.5, std::nan("")}), std::invalid_argument);
}

}  // namespace adaptive_weights_test
