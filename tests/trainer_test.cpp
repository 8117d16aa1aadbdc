// SPDX-License-Identifier: MIT
#include "ebb/trainer.hpp"

#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

namespace trainer_test {

namespace {

template <class T>
using matrix = typename ebb::mlp<T>::matrix;

template <class T>
matrix<T> uniform_matrix(Eigen::Index rows, Eigen::Index cols, std::uint64_t seed) {
  ebb::random_engine random(seed);
  matrix<T> m(rows, cols);
  for (T& entry : m.reshaped()) entry = static_cast<T>(2.0 * random.uniform() - 1.0);
  return m;
}

// A smooth function of two inputs with a kink and an interaction.
template <class T>
matrix<T> known_function(const matrix<T>& x) {
  const auto a = x.row(0).array(), b = x.row(1).array();
  return ((T(2) * a).sin() + a * b - T(0.5) * b.abs()).matrix();
}

template <class T>
double mean_squared(const ebb::mlp<T>& network, const matrix<T>& x, const matrix<T>& y) {
  return static_cast<double>((network.predict(x) - y).array().square().mean());
}

}  // namespace

TEMPLATE_TEST_CASE("a network learns one batch by heart", "[trainer]", float, double) {
  using T = TestType;
  const matrix<T> x = uniform_matrix<T>(3, 24, 1), y = uniform_matrix<T>(2, 24, 2);
  for (const ebb::activation kind : {ebb::activation::relu, ebb::activation::tanh, ebb::activation::gelu}) {
    ebb::mlp<T> network(3, {.hidden = {64, 32}, .outputs = 2, .hidden_activation = kind});
    const ebb::training_report report = ebb::fit(network, x, y,
                                                 {.optimizer = ebb::adam_options{.learning_rate = 3e-3},
                                                  .epochs = 3000,
                                                  .validation_share = 0.0,
                                                  .on_epoch = [](const auto& e) { return e.train_loss < 1e-6; }});
    REQUIRE(report.history.back().train_loss < 1e-6);
    REQUIRE(mean_squared<T>(network, x, y) < 1e-5);  // the last step came after the loss was taken
  }
}

TEMPLATE_TEST_CASE("a network recovers a known function on samples it has not seen", "[trainer]", float, double) {
  using T = TestType;
  const matrix<T> x = uniform_matrix<T>(2, 2000, 3), fresh = uniform_matrix<T>(2, 500, 4);
  const matrix<T> y = known_function<T>(x), truth = known_function<T>(fresh);
  const double variance = static_cast<double>((truth.array() - truth.mean()).square().mean());
  const std::variant<ebb::adam_options, ebb::sgd_options> rules[] = {
      ebb::adam_options{.learning_rate = 5e-3}, ebb::sgd_options{.learning_rate = 0.02, .nesterov = true}};
  for (const auto& rule : rules) {
    ebb::mlp<T> network(2, {.hidden = {32}, .hidden_activation = ebb::activation::tanh});
    ebb::fit(network, x, y, {.optimizer = rule, .epochs = 60});
    REQUIRE(mean_squared<T>(network, fresh, truth) < 0.005 * variance);
  }
}

TEST_CASE("with logistic loss the outputs become the log odds the labels were drawn from", "[trainer]") {
  const Eigen::MatrixXd x = uniform_matrix<double>(1, 8000, 5);
  const auto probability = [](double at) { return 1.0 / (1.0 + std::exp(-(3.0 * at + 1.0))); };
  ebb::random_engine random(6);
  Eigen::MatrixXd y(1, x.cols());
  for (Eigen::Index j = 0; j < x.cols(); ++j) y(0, j) = random.uniform() < probability(x(0, j)) ? 1.0 : 0.0;
  ebb::mlp<double> network(1, {.hidden = {}});
  ebb::fit(network, x, y,
           {.loss = ebb::loss_function::logistic,
            .optimizer = ebb::adam_options{.learning_rate = 1e-2},
            .epochs = 40,
            .validation_share = 0.0});
  for (double at = -1.0; at <= 1.0; at += 0.1) {
    const double logit = network.predict(Eigen::MatrixXd::Constant(1, 1, at))(0, 0);
    REQUIRE(std::abs(1.0 / (1.0 + std::exp(-logit)) - probability(at)) < 0.04);
  }
}

TEMPLATE_TEST_CASE("the same seed gives the same parameters to the last bit", "[trainer]", float, double) {
  using T = TestType;
  const matrix<T> x = uniform_matrix<T>(4, 301, 7), y = uniform_matrix<T>(1, 301, 8);
  const auto trained = [&](std::uint64_t seed, bool shuffled) {
    ebb::mlp<T> network(4, {.hidden = {16, 8}, .hidden_activation = ebb::activation::gelu, .dropout = 0.2});
    ebb::fit(network, x, y, {.epochs = 5, .shuffled_split = shuffled, .seed = seed});
    return network.parameters().eval();
  };
  REQUIRE(trained(1, false) == trained(1, false));
  REQUIRE(trained(1, true) == trained(1, true));
  REQUIRE_FALSE(trained(1, false) == trained(2, false));
}

TEST_CASE("epoch losses are means over the samples, the validation part being the last columns", "[trainer]") {
  // With a learning rate too small to move anything, both losses have a closed form; 103 does not divide by 32.
  const Eigen::MatrixXd x = uniform_matrix<double>(2, 103, 9), y = uniform_matrix<double>(1, 103, 10);
  ebb::mlp<double> network(2, {});
  const ebb::training_report report =
      ebb::fit(network, x, y, {.optimizer = ebb::sgd_options{.learning_rate = 1e-300}, .epochs = 2});
  REQUIRE(report.train_samples == 82);
  REQUIRE(report.validation_samples == 21);
  for (const ebb::epoch_report& epoch : report.history) {
    REQUIRE(epoch.train_loss == Approx(mean_squared<double>(network, x.leftCols(82), y.leftCols(82))));
    REQUIRE(epoch.validation_loss.value() == Approx(mean_squared<double>(network, x.rightCols(21), y.rightCols(21))));
  }
  REQUIRE(report.best_epoch == 1);  // tied: the earliest
}

TEST_CASE("a shuffled split draws the validation part from everywhere", "[trainer]") {
  const Eigen::Index n = 1000;
  const Eigen::MatrixXd x = Eigen::MatrixXd::Zero(1, n);
  Eigen::MatrixXd y = Eigen::MatrixXd::Zero(1, n);
  y.rightCols(n / 5).setOnes();
  const auto validation_loss = [&](bool shuffled) {
    ebb::mlp<double> network(1, {.hidden = {}, .zero_output = true});
    return ebb::fit(network, x, y,
                    {.optimizer = ebb::sgd_options{.learning_rate = 1e-300}, .epochs = 1, .shuffled_split = shuffled})
        .history.front()
        .validation_loss.value();
  };
  REQUIRE(validation_loss(false) == 1.0);
  REQUIRE(std::abs(validation_loss(true) - 0.2) < 5.0 * std::sqrt(0.2 * 0.8 / 200.0));
}

TEST_CASE("early stopping restores the best epoch and stops after its patience", "[trainer]") {
  // Few noisy samples and a large network: the validation loss turns up again.
  const Eigen::MatrixXd x = uniform_matrix<double>(1, 40, 11);
  ebb::random_engine random(12);
  Eigen::MatrixXd y = (3.0 * x.array()).sin().matrix();
  for (double& entry : y.reshaped()) entry += 0.5 * random.normal();
  ebb::mlp<double> network(1, {.hidden = {128, 64}, .hidden_activation = ebb::activation::tanh});
  const ebb::training_report report = ebb::fit(
      network, x, y,
      {.optimizer = ebb::adam_options{.learning_rate = 1e-2}, .epochs = 2000, .validation_share = 0.3, .patience = 7});
  REQUIRE(static_cast<int>(report.history.size()) == report.best_epoch + 7);
  const double best = *report.history[static_cast<std::size_t>(report.best_epoch - 1)].validation_loss;
  for (const ebb::epoch_report& epoch : report.history) REQUIRE(*epoch.validation_loss >= best);
  REQUIRE(mean_squared<double>(network, x.rightCols(12), y.rightCols(12)) == Approx(best).epsilon(1e-10));
  REQUIRE(*report.history.back().validation_loss > best);
}

TEST_CASE("without a validation part the last epoch is kept", "[trainer]") {
  const Eigen::MatrixXd x = uniform_matrix<double>(1, 10, 13), y = uniform_matrix<double>(1, 10, 14);
  ebb::mlp<double> network(1, {});
  const ebb::training_report report = ebb::fit(network, x, y, {.epochs = 3, .validation_share = 0.0});
  REQUIRE(report.history.size() == 3);
  REQUIRE(report.best_epoch == 3);
  REQUIRE(report.validation_samples == 0);
  for (const ebb::epoch_report& epoch : report.history) REQUIRE_FALSE(epoch.validation_loss);
}

TEST_CASE("on_epoch sees every epoch in turn and can stop", "[trainer]") {
  const Eigen::MatrixXd x = uniform_matrix<double>(1, 10, 15), y = uniform_matrix<double>(1, 10, 16);
  ebb::mlp<double> network(1, {});
  std::vector<int> seen;
  const ebb::training_report report = ebb::fit(network, x, y, {.on_epoch = [&](const ebb::epoch_report& epoch) {
                                                 seen.push_back(epoch.epoch);
                                                 return epoch.epoch == 4;
                                               }});
  REQUIRE(seen == std::vector<int>{1, 2, 3, 4});
  REQUIRE(report.history.size() == 4);
}

TEST_CASE("a diverging loss is an error and leaves the best parameters before it", "[trainer]") {
  const Eigen::MatrixXd x = uniform_matrix<double>(1, 100, 17), y = uniform_matrix<double>(1, 100, 18);
  ebb::mlp<double> network(1, {});
  int epochs = 0;
  REQUIRE_THROWS_AS(ebb::fit(network, x, y,
                             {.optimizer = ebb::sgd_options{.learning_rate = 10.0},
                              .on_epoch =
                                  [&](const ebb::epoch_report& epoch) {
                                    epochs = epoch.epoch;
                                    return false;
                                  }}),
                    std::domain_error);
  REQUIRE(epochs < 100);
  REQUIRE(network.parameters().allFinite());
}

TEST_CASE("fit refuses what does not fit, naming it", "[trainer]") {
  Eigen::MatrixXd x = uniform_matrix<double>(3, 10, 19), y = uniform_matrix<double>(2, 10, 20);
  ebb::mlp<double> network(3, {.outputs = 2});
  const auto before = network.parameters().eval();
  REQUIRE_THROWS_WITH(ebb::fit(network, x.topRows(2), y),
                      "ebb::fit: x must have one row per input of the network, got 2");
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y.topRows(1)), contains("y must have one row per output"));
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y.leftCols(9)), contains("as many columns as x, got 9"));
  REQUIRE_THROWS_WITH(ebb::fit(network, x.leftCols(0), y.leftCols(0)), contains("there must be samples"));
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y, {.epochs = 0}), "ebb::fit: epochs must be > 0, got 0");
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y, {.batch = -1}), "ebb::fit: batch must be > 0, got -1");
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y, {.patience = -1}), contains("patience must be >= 0"));
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y, {.validation_share = 1.0}), contains("must be in [0, 1), got 1"));
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y, {.validation_share = 0.99}), contains("leave samples to train on"));
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y, {.validation_share = 0.0, .patience = 3}),
                      contains("patience needs a validation part"));
  REQUIRE_THROWS_AS(ebb::fit(network, x, y, {.optimizer = ebb::adam_options{.learning_rate = -1.0}}),
                    std::invalid_argument);
  for (const double beyond : {-0.01, 1.01, 5.0}) {
    Eigen::MatrixXd labels = Eigen::MatrixXd::Constant(2, 10, 0.5);
    REQUIRE_NOTHROW(ebb::fit(*std::make_unique<ebb::mlp<double>>(network), x, labels,
                             {.loss = ebb::loss_function::logistic, .epochs = 1}));
    labels(1, 3) = beyond;
    REQUIRE_THROWS_WITH(ebb::fit(network, x, labels, {.loss = ebb::loss_function::logistic}),
                        contains("y must be in [0, 1] for the logistic loss"));
  }
  x(1, 4) = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y), "ebb::fit: x must be finite; in row 1 of column 4, got nan");
  x(1, 4) = 0.0;
  y(0, 9) = std::numeric_limits<double>::infinity();
  REQUIRE_THROWS_WITH(ebb::fit(network, x, y), "ebb::fit: y must be finite; in row 0 of column 9, got inf");
  REQUIRE(network.parameters() == before);
}

}  // namespace trainer_test
