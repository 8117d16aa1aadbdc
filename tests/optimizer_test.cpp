// SPDX-License-Identifier: MIT
#include "ebb/optimizer.hpp"
#include "ebb/random.hpp"

#include "catch.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace optimizer_test {

namespace {

template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

constexpr Eigen::Index size = 37;

template <class T>
vector<T> random_vector(ebb::random_engine& random) {
  vector<T> v(size);
  for (T& entry : v) entry = static_cast<T>(random.normal());
  return v;
}

// The rules as the papers print them, one number at a time.
struct plain_sgd {
  ebb::sgd_options o;
  double v = 0.0;
  double step(double theta, double g) {
    v = o.momentum * v + g;
    const double direction = o.nesterov ? g + o.momentum * v : v;
    return theta - o.learning_rate * (direction + o.weight_decay * theta);
  }
};

struct plain_adam {
  ebb::adam_options o;
  double m = 0.0, v = 0.0;
  int t = 0;
  double step(double theta, double g) {
    ++t;
    m = o.beta1 * m + (1.0 - o.beta1) * g;
    v = o.beta2 * v + (1.0 - o.beta2) * g * g;
    const double m_hat = m / (1.0 - std::pow(o.beta1, t)), v_hat = v / (1.0 - std::pow(o.beta2, t));
    return theta - o.learning_rate * (m_hat / (std::sqrt(v_hat) + o.epsilon) + o.weight_decay * theta);
  }
};

template <class T, class Rule, class Plain>
void check_against_plain(Rule rule, Plain plain, double tolerance) {
  ebb::random_engine random(1);
  vector<T> parameters = random_vector<T>(random);
  std::vector<double> truth(parameters.begin(), parameters.end());
  std::vector<Plain> rules(truth.size(), plain);
  for (int step = 0; step < 200; ++step) {
    const vector<T> gradient = random_vector<T>(random);
    rule.step(parameters, gradient);
    for (std::size_t i = 0; i < truth.size(); ++i) {
      truth[i] = rules[i].step(truth[i], static_cast<double>(gradient[static_cast<Eigen::Index>(i)]));
      REQUIRE(std::abs(static_cast<double>(parameters[static_cast<Eigen::Index>(i)]) - truth[i]) < tolerance);
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("sgd follows its rule with momentum, Nesterov and decay", "[optimizer]", float, double) {
  const double tolerance = std::is_same_v<TestType, float> ? 1e-4 : 1e-11;
  for (const ebb::sgd_options& options :
       {ebb::sgd_options{}, ebb::sgd_options{.momentum = 0.0}, ebb::sgd_options{.momentum = 0.8, .nesterov = true},
        ebb::sgd_options{.learning_rate = 0.05, .nesterov = true, .weight_decay = 0.1}})
    check_against_plain<TestType>(ebb::sgd<TestType>(options), plain_sgd{options}, tolerance);
}

TEMPLATE_TEST_CASE("adam follows its rule with and without decay", "[optimizer]", float, double) {
  const double tolerance = std::is_same_v<TestType, float> ? 1e-4 : 1e-11;
  for (const ebb::adam_options& options :
       {ebb::adam_options{}, ebb::adam_options{.learning_rate = 0.02, .weight_decay = 0.1},
        ebb::adam_options{.beta1 = 0.0, .beta2 = 0.5, .epsilon = 1e-3}})
    check_against_plain<TestType>(ebb::adam<TestType>(options), plain_adam{options}, tolerance);
}

TEST_CASE("weight decay is decoupled: without a gradient it shrinks by its share alone", "[optimizer]") {
  const vector<double> still = vector<double>::Zero(size);
  vector<double> by_adam = vector<double>::Ones(size), by_sgd = by_adam;
  ebb::adam<double> adam({.learning_rate = 0.1, .weight_decay = 0.2});
  ebb::sgd<double> sgd({.learning_rate = 0.1, .weight_decay = 0.2});
  for (int step = 0; step < 3; ++step) {
    adam.step(by_adam, still);
    sgd.step(by_sgd, still);
  }
  REQUIRE((by_adam.array() - 0.98 * 0.98 * 0.98).abs().maxCoeff() < 1e-15);
  REQUIRE((by_sgd.array() - 0.98 * 0.98 * 0.98).abs().maxCoeff() < 1e-15);
}

TEST_CASE("adam's first step is the learning rate whatever the gradient's size", "[optimizer]") {
  for (const double scale : {1e-4, 1.0, 1e6}) {
    vector<double> parameters = vector<double>::Zero(2);
    ebb::adam<double> adam({.learning_rate = 0.01});
    adam.step(parameters, vector<double>{{scale, -scale}});
    REQUIRE(parameters[0] == Approx(-0.01).epsilon(1e-3));
    REQUIRE(parameters[1] == Approx(0.01).epsilon(1e-3));
  }
}

TEST_CASE("training taken up from a saved state goes on as if never stopped", "[optimizer]") {
  ebb::random_engine random(2);
  vector<double> straight = random_vector<double>(random), resumed = straight;
  ebb::adam<double> one({.learning_rate = 0.1}), first({.learning_rate = 0.1});
  ebb::sgd<double> sgd_one({.nesterov = true}), sgd_first({.nesterov = true});
  std::vector<vector<double>> gradients;
  for (int step = 0; step < 20; ++step) gradients.push_back(random_vector<double>(random));
  for (const vector<double>& g : gradients) {
    one.step(straight, g);
    sgd_one.step(straight, g);
  }
  for (std::size_t step = 0; step < 10; ++step) {
    first.step(resumed, gradients[step]);
    sgd_first.step(resumed, gradients[step]);
  }
  ebb::adam<double> second(first.options(), first.state());
  ebb::sgd<double> sgd_second(sgd_first.options(), sgd_first.state());
  for (std::size_t step = 10; step < 20; ++step) {
    second.step(resumed, gradients[step]);
    sgd_second.step(resumed, gradients[step]);
  }
  REQUIRE(straight == resumed);
}

TEMPLATE_TEST_CASE("the weight average follows its rule and starts at the first weights", "[optimizer]", float,
                   double) {
  const double tolerance = std::is_same_v<TestType, float> ? 1e-5 : 1e-13;
  ebb::random_engine random(3);
  ebb::weight_average<TestType> average(0.9);
  REQUIRE(average.mean().size() == 0);
  std::vector<double> truth;
  for (int t = 1; t <= 120; ++t) {
    const vector<TestType> parameters = random_vector<TestType>(random);
    average.update(parameters);
    if (t == 1) {
      REQUIRE(average.mean() == parameters);
      truth.assign(parameters.begin(), parameters.end());
    }
    const double kept = std::min(0.9, (1.0 + t) / (10.0 + t));
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const Eigen::Index at = static_cast<Eigen::Index>(i);
      truth[i] = kept * truth[i] + (1.0 - kept) * static_cast<double>(parameters[at]);
      REQUIRE(std::abs(static_cast<double>(average.mean()[at]) - truth[i]) < tolerance);
    }
  }
}

TEST_CASE("clip_norm shortens long gradients, keeps their direction and leaves the rest", "[optimizer]") {
  vector<double> gradient{{3.0, 4.0}};
  REQUIRE(ebb::clip_norm(gradient, 5.0) == 5.0);
  REQUIRE(gradient == vector<double>{{3.0, 4.0}});
  REQUIRE(ebb::clip_norm(gradient, 1.0) == 5.0);
  REQUIRE(gradient[0] == Approx(0.6).epsilon(1e-15));
  REQUIRE(gradient[1] == Approx(0.8).epsilon(1e-15));
  gradient[0] = std::numeric_limits<double>::infinity();
  REQUIRE(std::isinf(ebb::clip_norm(gradient, 1.0)));
  REQUIRE(std::isinf(gradient[0]));
  REQUIRE_THROWS_AS(ebb::clip_norm(gradient, 0.0), std::invalid_argument);
}

TEST_CASE("optimisers refuse options and sizes that do not fit", "[optimizer]") {
  REQUIRE_THROWS_WITH(ebb::adam<double>({.learning_rate = 0.0}),
                      "ebb::adam: learning_rate must be finite and > 0, got 0");
  REQUIRE_THROWS_AS(ebb::adam<double>({.learning_rate = std::nan("")}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::adam<double>({.beta1 = 1.0}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::adam<double>({.beta2 = -0.1}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::adam<double>({.epsilon = 0.0}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::adam<double>({.learning_rate = 0.5, .weight_decay = 2.0}), std::invalid_argument);
  REQUIRE_THROWS_WITH(ebb::sgd<double>({.momentum = 1.0}), "ebb::sgd: momentum must be in [0, 1), got 1");
  REQUIRE_THROWS_AS(ebb::sgd<double>({.weight_decay = -1.0}), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::weight_average<double>(1.0), std::invalid_argument);

  vector<double> parameters = vector<double>::Zero(3);
  ebb::adam<double> adam;
  REQUIRE_THROWS_WITH(adam.step(parameters, vector<double>::Zero(2)),
                      "ebb::adam::step: gradient must have one entry per parameter, got 2");
  adam.step(parameters, vector<double>::Zero(3));
  vector<double> others = vector<double>::Zero(2);
  REQUIRE_THROWS_WITH(adam.step(others, vector<double>::Zero(2)),
                      "ebb::adam::step: the state must be of as many parameters, got 3");
  ebb::weight_average<double> average(0.5);
  average.update(parameters);
  REQUIRE_THROWS_AS(average.update(others), std::invalid_argument);
}

}  // namespace optimizer_test
