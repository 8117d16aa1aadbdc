// SPDX-License-Identifier: MIT
// Any allocation Eigen makes while the test forbids it throws, in release builds too.
#include <stdexcept>
#define EIGEN_RUNTIME_NO_MALLOC
#define eigen_assert(condition) \
  if (!(condition)) throw std::logic_error(#condition)

#include "ebb/loss.hpp"
#include "ebb/mlp.hpp"

#include "allocations.hpp"
#include "catch.hpp"

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace {

using ebb::activation;

constexpr activation all[] = {activation::identity, activation::relu, activation::tanh, activation::sigmoid,
                              activation::gelu};

template <class T>
typename ebb::mlp<T>::matrix random_matrix(Eigen::Index rows, Eigen::Index cols, std::uint64_t seed) {
  ebb::random_engine random(seed);
  typename ebb::mlp<T>::matrix m(rows, cols);
  for (T& entry : m.reshaped()) entry = static_cast<T>(random.normal());
  return m;
}

// A network whose biases are not zero, so that a test would see them missing.
template <class T = double>
ebb::mlp<T> shaken(Eigen::Index inputs, ebb::mlp_options options) {
  ebb::mlp<T> network(inputs, options);
  ebb::random_engine random(99);
  for (std::size_t l = 0; l < network.layers(); ++l)
    for (T& b : network.bias(l)) b = static_cast<T>(0.3 * random.normal());
  return network;
}

double phi(activation kind, double z) {
  switch (kind) {
    case activation::identity:
      return z;
    case activation::relu:
      return z > 0.0 ? z : 0.0;
    case activation::tanh:
      return std::tanh(z);
    case activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-z));
    case activation::gelu:
      return 0.5 * z * (1.0 + std::tanh(std::sqrt(2.0 / 3.14159265358979323846) * (z + 0.044715 * z * z * z)));
  }
  return 0.0;
}

// One sample through the network, by the definition, from the flat parameters.
template <class T>
std::vector<double> by_loops(const ebb::mlp<T>& network, std::vector<double> a) {
  const ebb::mlp_options& options = network.options();
  Eigen::Index at = 0;
  for (std::size_t l = 0; l < network.layers(); ++l) {
    const bool last = l + 1 == network.layers();
    const std::size_t units = static_cast<std::size_t>(last ? options.outputs : options.hidden[l]);
    std::vector<double> z(units, 0.0);
    for (std::size_t in = 0; in < a.size(); ++in)
      for (std::size_t out = 0; out < units; ++out) z[out] += static_cast<double>(network.parameters()[at++]) * a[in];
    for (std::size_t out = 0; out < units; ++out) z[out] += static_cast<double>(network.parameters()[at++]);
    a.clear();
    for (const double entry : z) a.push_back(phi(last ? options.output_activation : options.hidden_activation, entry));
  }
  REQUIRE(at == network.parameter_count());
  return a;
}

// A loss of the outputs: returns it and writes its gradient by them.
using output_loss = std::function<double(const Eigen::MatrixXd& output, Eigen::MatrixXd& gradient)>;

// Compares backward's gradients by parameters and inputs with central differences.
void check_gradients(ebb::mlp<double> network, Eigen::MatrixXd x, const output_loss& loss,
                     std::uint64_t mask_seed = 0) {
  ebb::mlp_workspace<double> memory;
  const auto evaluate = [&](Eigen::MatrixXd& output_gradient) {
    ebb::random_engine mask(mask_seed);  // the same units left out each time
    const Eigen::MatrixXd output = network.forward(x, memory, mask_seed > 0 ? &mask : nullptr);
    output_gradient.resize(output.rows(), output.cols());
    return loss(output, output_gradient);
  };
  Eigen::MatrixXd output_gradient, ignored;
  evaluate(output_gradient);
  Eigen::VectorXd gradient(network.parameter_count());
  Eigen::MatrixXd input_gradient(x.rows(), x.cols());
  network.backward(x, output_gradient, memory, gradient, input_gradient);

  const double step = 1e-6;
  const auto difference = [&](double& entry) {
    const double kept = entry;
    entry = kept + step;
    const double above = evaluate(ignored);
    entry = kept - step;
    const double below = evaluate(ignored);
    entry = kept;
    return (above - below) / (2.0 * step);
  };
  for (Eigen::Index i = 0; i < gradient.size(); ++i) {
    CAPTURE(i);
    REQUIRE(gradient[i] == Approx(difference(network.parameters()[i])).epsilon(1e-5).margin(2e-8));
  }
  for (Eigen::Index j = 0; j < x.cols(); j += std::max<Eigen::Index>(1, x.cols() / 7)) {
    CAPTURE(j);
    for (Eigen::Index i = 0; i < x.rows(); ++i)
      REQUIRE(input_gradient(i, j) == Approx(difference(x(i, j))).epsilon(1e-5).margin(2e-8));
  }
}

output_loss squared_against(const Eigen::MatrixXd& target) {
  return [target](const Eigen::MatrixXd& output, Eigen::MatrixXd& gradient) {
    return ebb::squared_loss(output, target, gradient);
  };
}

}  // namespace

TEST_CASE("gradients equal finite differences for every activation and every loss", "[mlp]") {
  const Eigen::Index batch = 7;
  const Eigen::MatrixXd x = random_matrix<double>(4, batch, 1);
  const Eigen::MatrixXd target = random_matrix<double>(1, batch, 2).array().square().min(1.0);
  const std::vector<Eigen::Index> offsets = {0, 3, 4, 7};
  const std::vector<Eigen::Index> chosen = {1, 3, 6};
  const std::vector<double> weights = {0.5, 0.0, 2.0, 1.0, 0.0, 0.0, 1.5};
  const std::vector<double> correction = {0.0, 2.5, 0.0, 1.0, 0.7, 3.0, 0.0};
  const output_loss losses[] = {
      squared_against(target),
      [&](const Eigen::MatrixXd& o, Eigen::MatrixXd& g) { return ebb::logistic_loss(o, target, g); },
      [&](const Eigen::MatrixXd& o, Eigen::MatrixXd& g) { return ebb::listwise_loss(o, offsets, chosen, g); },
      [&](const Eigen::MatrixXd& o, Eigen::MatrixXd& g) {
        return ebb::listwise_loss(o, offsets, weights, g, correction);
      }};
  for (const activation hidden : all)
    for (const activation output : all)
      for (const output_loss& loss : losses) {
        CAPTURE(static_cast<int>(hidden), static_cast<int>(output), &loss - losses);
        check_gradients(
            shaken(4, {.hidden = {5, 3}, .hidden_activation = hidden, .output_activation = output, .seed = 3}), x,
            loss);
      }
}

TEST_CASE("gradients are right for no hidden layer, many outputs, and batches of several blocks", "[mlp]") {
  check_gradients(shaken(3, {.hidden = {}, .outputs = 2}), random_matrix<double>(3, 5, 4),
                  squared_against(random_matrix<double>(2, 5, 5)));
  for (const Eigen::Index batch : {1, 255, 256, 257, 600})
    check_gradients(shaken(2, {.hidden = {4}, .outputs = 3, .hidden_activation = activation::gelu}),
                    random_matrix<double>(2, batch, 6), squared_against(random_matrix<double>(3, batch, 7)));
}

TEST_CASE("gradients are right through dropout", "[mlp]") {
  for (const activation hidden : {activation::gelu, activation::identity})
    for (const Eigen::Index batch : {6, 300})
      check_gradients(shaken(3, {.hidden = {9, 5}, .hidden_activation = hidden, .dropout = 0.4}),
                      random_matrix<double>(3, batch, 8), squared_against(random_matrix<double>(1, batch, 9)), 17);
}

TEMPLATE_TEST_CASE("forward and predict equal the definition, sample by sample", "[mlp]", float, double) {
  using T = TestType;
  const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-12;
  for (const activation kind : all) {
    const ebb::mlp<T> network = shaken<T>(
        6, {.hidden = {17, 9, 4}, .outputs = 3, .hidden_activation = kind, .output_activation = activation::tanh});
    const typename ebb::mlp<T>::matrix x = random_matrix<T>(6, 531, 10);
    ebb::mlp_workspace<T> memory;
    const typename ebb::mlp<T>::matrix forward = network.forward(x, memory), predicted = network.predict(x);
    for (Eigen::Index j = 0; j < x.cols(); ++j) {
      std::vector<double> sample;
      for (Eigen::Index i = 0; i < x.rows(); ++i) sample.push_back(static_cast<double>(x(i, j)));
      const std::vector<double> truth = by_loops(network, sample);
      for (Eigen::Index i = 0; i < 3; ++i) {
        REQUIRE(std::abs(static_cast<double>(forward(i, j)) - truth[static_cast<std::size_t>(i)]) < tolerance);
        REQUIRE(std::abs(static_cast<double>(predicted(i, j)) - truth[static_cast<std::size_t>(i)]) < tolerance);
      }
    }
  }
}

TEST_CASE("one workspace serves networks and batches of any shape in turn", "[mlp]") {
  const ebb::mlp<double> small = shaken(2, {.hidden = {3}}), large = shaken(5, {.hidden = {40, 30, 20}, .outputs = 4});
  ebb::mlp_workspace<double> shared;
  for (const Eigen::Index batch : {700, 3, 0, 350}) {
    for (const ebb::mlp<double>* network : {&small, &large}) {
      const Eigen::MatrixXd x = random_matrix<double>(network->inputs(), batch, 11);
      const Eigen::MatrixXd output = network->forward(x, shared);
      REQUIRE(output.rows() == network->outputs());
      REQUIRE(output.cols() == batch);
      REQUIRE(output.isApprox(network->predict(x), 1e-12));
      Eigen::VectorXd gradient(network->parameter_count()), fresh_gradient(network->parameter_count());
      network->backward(x, Eigen::MatrixXd::Ones(network->outputs(), batch), shared, gradient);
      ebb::mlp_workspace<double> fresh;
      network->forward(x, fresh);
      network->backward(x, Eigen::MatrixXd::Ones(network->outputs(), batch), fresh, fresh_gradient);
      REQUIRE(gradient == fresh_gradient);
    }
  }
}

TEMPLATE_TEST_CASE("passes allocate nothing once the largest batch has been seen", "[mlp]", float, double) {
  using T = TestType;
  const ebb::mlp<T> network(173, {.hidden_activation = activation::gelu, .dropout = 0.1});
  const typename ebb::mlp<T>::matrix x = random_matrix<T>(173, 3000, 12);
  typename ebb::mlp<T>::matrix output(1, x.cols()), by_input(x.rows(), x.cols());
  typename ebb::mlp<T>::vector gradient(network.parameter_count());
  ebb::mlp_workspace<T> memory;
  ebb::random_engine random(1);
  const auto pass = [&](Eigen::Index batch) {
    network.forward(x.leftCols(batch), memory, &random);
    network.backward(x.leftCols(batch), output.leftCols(batch), memory, gradient, by_input.leftCols(batch));
    network.predict(x.leftCols(batch), output.leftCols(batch), memory);
  };
  output.setOnes();
  pass(3000);
  Eigen::internal::set_is_malloc_allowed(false);
  REQUIRE_THROWS_AS(Eigen::VectorXd(10), std::logic_error);  // the guard works
  for (const Eigen::Index batch : {3000, 17, 4, 1, 2999}) {
    const int before = allocations;
    bool refused = false;
    try {
      pass(batch);
    } catch (const std::logic_error&) {
      refused = true;
    }
    const int after = allocations;
    REQUIRE_FALSE(refused);
    REQUIRE(after == before);
  }
  Eigen::internal::set_is_malloc_allowed(true);
}

TEMPLATE_TEST_CASE("the score of one sample allocates nothing after the first", "[mlp]", float, double) {
  using T = TestType;
  for (const activation kind : all)
    for (const std::vector<Eigen::Index>& hidden : {std::vector<Eigen::Index>{}, {10}, {32, 16}, {64, 64}}) {
      const ebb::mlp<T> network = shaken<T>(16, {.hidden = hidden, .hidden_activation = kind});
      const typename ebb::mlp<T>::matrix x = random_matrix<T>(16, 1, 16);
      typename ebb::mlp<T>::matrix output(1, 1);
      ebb::mlp_workspace<T> memory;
      network.predict(x, output, memory);
      const std::vector<double> truth = by_loops(network, std::vector<double>(x.data(), x.data() + 16));
      REQUIRE(static_cast<double>(output(0, 0)) == Approx(truth[0]).epsilon(1e-4).margin(1e-4));
      Eigen::internal::set_is_malloc_allowed(false);
      const int before = allocations;
      network.predict(x, output, memory);
      const int after = allocations;
      Eigen::internal::set_is_malloc_allowed(true);
      REQUIRE(after == before);
    }
}

TEMPLATE_TEST_CASE("a column's output is the same alone, among few and among many", "[mlp]", float, double) {
  using T = TestType;
  const ebb::mlp<T> network = shaken<T>(5, {.hidden = {33, 64}, .outputs = 3});
  const typename ebb::mlp<T>::matrix x = random_matrix<T>(5, 200, 17), together = network.predict(x);
  for (const Eigen::Index batch : {1, 2, 4, 5, 16, 63, 65, 130}) {
    const typename ebb::mlp<T>::matrix some = network.predict(x.middleCols(7, batch));
    REQUIRE((some - together.middleCols(7, batch)).cwiseAbs().maxCoeff() < 100 * std::numeric_limits<T>::epsilon());
  }
}

TEST_CASE("one sample scores the same bytes wherever a copy of the network stands", "[mlp]") {
  const ebb::mlp<float> network = shaken<float>(16, {.hidden = {64, 64}});
  const Eigen::MatrixXf x = random_matrix<float>(16, 1, 17), score = network.predict(x);
  std::vector<ebb::mlp<float>> copies;
  std::vector<std::vector<char>> between;
  for (std::size_t i = 0; i < 20; ++i) {
    between.emplace_back(17 + 16 * i);
    copies.push_back(network);
    REQUIRE(copies.back().predict(x) == score);
  }
}

TEST_CASE("relu's gradient is right through dropout", "[mlp]") {
  // Where a unit's z is within a step of 0 differences would see the bend; with these seeds none is.
  for (const Eigen::Index batch : {6, 70})
    check_gradients(shaken(3, {.hidden = {9, 5}, .dropout = 0.4}), random_matrix<double>(3, batch, 8),
                    squared_against(random_matrix<double>(1, batch, 9)), 17);
}

TEST_CASE("weights start with the variance of He or Glorot, by activation, and biases at zero", "[mlp]") {
  for (const activation kind : all) {
    CAPTURE(static_cast<int>(kind));
    const ebb::mlp<double> network(200, {.hidden = {300}, .hidden_activation = kind, .seed = 4});
    const bool rectified = kind == activation::relu || kind == activation::gelu;
    const double variance = rectified ? 2.0 / 200.0 : 2.0 / (200.0 + 300.0);
    const Eigen::Map<const Eigen::MatrixXd> weight = network.weight(0);
    REQUIRE(weight.rows() == 300);
    REQUIRE(weight.cols() == 200);
    REQUIRE(std::abs(weight.mean()) < 5.0 * std::sqrt(variance / 60'000.0));
    REQUIRE(weight.squaredNorm() / 60'000.0 == Approx(variance).epsilon(0.03));
    if (!rectified) REQUIRE(weight.cwiseAbs().maxCoeff() <= std::sqrt(3.0 * variance));
    REQUIRE(network.bias(0).isZero(0.0));
    REQUIRE(network.bias(1).isZero(0.0));
  }
}

TEST_CASE("the seed fixes the starting weights", "[mlp]") {
  const auto start = [](std::uint64_t seed) { return ebb::mlp<float>(5, {.seed = seed}).parameters().eval(); };
  REQUIRE(start(7) == start(7));
  REQUIRE_FALSE(start(7) == start(8));
}

TEST_CASE("zero_output starts at φ(0) and still learns", "[mlp]") {
  ebb::mlp<double> network(3, {.hidden = {8}, .output_activation = activation::sigmoid, .zero_output = true});
  const Eigen::MatrixXd x = random_matrix<double>(3, 20, 13);
  REQUIRE((network.predict(x).array() == 0.5).all());
  ebb::mlp_workspace<double> memory;
  Eigen::VectorXd gradient(network.parameter_count());
  network.forward(x, memory);
  network.backward(x, Eigen::MatrixXd::Ones(1, 20), memory, gradient);
  REQUIRE(gradient.tail(9).cwiseAbs().minCoeff() > 0.0);
}

TEST_CASE("parameters are one vector: per layer the weights by column, then the biases", "[mlp]") {
  ebb::mlp<double> network(2, {.hidden = {3}, .outputs = 2});
  REQUIRE(network.parameter_count() == (2 + 1) * 3 + (3 + 1) * 2);
  for (Eigen::Index i = 0; i < network.parameter_count(); ++i) network.parameters()[i] = static_cast<double>(i);
  REQUIRE(network.weight(0)(2, 1) == 5.0);
  REQUIRE(network.bias(0)[0] == 6.0);
  REQUIRE(network.weight(1)(1, 2) == 14.0);
  REQUIRE(network.bias(1)[1] == 16.0);

  // A network is its inputs, options and parameters.
  ebb::mlp<double> copy(network.inputs(), network.options());
  copy.parameters() = network.parameters();
  const Eigen::MatrixXd x = random_matrix<double>(2, 9, 14);
  REQUIRE(copy.predict(x) == network.predict(x));
}

TEST_CASE("dropout leaves out its share and keeps the mean", "[mlp]") {
  const double share = 0.3;
  ebb::mlp<double> network(1, {.hidden = {64}, .hidden_activation = activation::identity, .dropout = share});
  network.parameters().setZero();
  network.bias(0).setOnes();
  network.weight(1).setOnes();  // output = the sum of 64 ones, each kept or not
  const Eigen::Index batch = 4000;
  const Eigen::MatrixXd x = Eigen::MatrixXd::Zero(1, batch);
  ebb::mlp_workspace<double> memory;
  ebb::random_engine random(3);
  const Eigen::ArrayXXd kept = network.forward(x, memory, &random).array() * (1.0 - share);
  REQUIRE((kept - kept.round()).abs().maxCoeff() < 1e-9);
  const double mean = kept.mean(), variance = (kept - mean).square().mean();
  const double binomial = 64.0 * share * (1.0 - share);
  REQUIRE(std::abs(mean - 64.0 * (1.0 - share)) < 5.0 * std::sqrt(binomial / static_cast<double>(batch)));
  REQUIRE(variance == Approx(binomial).epsilon(0.15));

  REQUIRE((network.forward(x, memory).array() == 64.0).all());  // no engine, no dropout
  REQUIRE((network.predict(x).array() == 64.0).all());
}

TEST_CASE("a NaN input comes out as NaN", "[mlp]") {
  for (const activation kind : all) {
    const ebb::mlp<double> network = shaken(3, {.hidden = {8, 8}, .hidden_activation = kind});
    Eigen::MatrixXd x = random_matrix<double>(3, 4, 15);
    x(1, 2) = std::numeric_limits<double>::quiet_NaN();
    const Eigen::MatrixXd output = network.predict(x);
    REQUIRE(std::isnan(output(0, 2)));
    REQUIRE(std::isfinite(output(0, 1)));
  }
}

TEMPLATE_TEST_CASE("an infinity makes no NaN of samples that are not there", "[mlp]", float, double) {
  using T = TestType;
  using vector = typename ebb::mlp<T>::vector;
  using matrix = typename ebb::mlp<T>::matrix;
  const T infinity = std::numeric_limits<T>::infinity();
  for (const Eigen::Index batch : {1, 5, 15, 16, 17, 63, 65, 130, 300}) {
    CAPTURE(batch);
    matrix x = random_matrix<T>(2, batch, 18).cwiseAbs(), ones = matrix::Ones(1, batch), by_input(2, batch);
    x.array() += T(0.5);
    ebb::mlp_workspace<T> memory;
    ebb::mlp<T> plain(2, {.hidden = {}}), deep(2, {.hidden = {3}});
    plain.parameters().setOnes();
    deep.parameters().setOnes();
    vector by_plain(3), by_deep(deep.parameter_count());

    deep.weight(1).setConstant(infinity);  // every sample's ∂ loss / ∂ z is infinite
    deep.forward(x, memory);
    deep.backward(x, ones, memory, by_deep, by_input);
    REQUIRE((by_deep.head(9).array() == infinity).all());
    REQUIRE((by_input.array() == infinity).all());

    x(1, batch - 1) = infinity;
    REQUIRE(plain.forward(x, memory)(0, batch - 1) == infinity);
    plain.backward(x, ones, memory, by_plain);
    REQUIRE(by_plain[0] == Approx(x.row(0).sum()));
    REQUIRE(by_plain[1] == infinity);
    REQUIRE(by_plain[2] == static_cast<T>(batch));
    deep.parameters().setOnes();
    deep.forward(x, memory);
    deep.backward(x, ones, memory, by_deep, by_input);
    REQUIRE(by_deep[0] == Approx(x.row(0).sum()));
    REQUIRE(by_deep[3] == infinity);
    REQUIRE(by_deep[6] == static_cast<T>(batch));
    REQUIRE((by_input.array() == T(3)).all());
  }
}

TEMPLATE_TEST_CASE("predict may write over its input", "[mlp]", float, double) {
  using T = TestType;
  using matrix = typename ebb::mlp<T>::matrix;
  for (const std::vector<Eigen::Index>& hidden : {std::vector<Eigen::Index>{}, {7}, {33, 20}})
    for (const Eigen::Index outputs : {1, 20})
      for (const Eigen::Index batch : {1, 3, 4, 5, 64, 200}) {
        CAPTURE(hidden.size(), outputs, batch);
        const ebb::mlp<T> network = shaken<T>(20, {.hidden = hidden, .outputs = outputs});
        const matrix x = random_matrix<T>(20, batch, 19), truth = network.predict(x);
        ebb::mlp_workspace<T> memory;
        std::vector<T> numbers(static_cast<std::size_t>(20 * (batch + 2)));
        for (const Eigen::Index shift : {0, 1, 20, 40}) {  // where the output begins, and x in the middle
          Eigen::Map<matrix> in(numbers.data() + 20, 20, batch), out(numbers.data() + shift, outputs, batch);
          in = x;
          network.predict(in, out, memory);
          REQUIRE(out == truth);
        }
        matrix rows(20 + outputs, batch);  // side by side
        rows.topRows(20) = x;
        network.predict(rows.topRows(20), rows.bottomRows(outputs), memory);
        REQUIRE(rows.topRows(20) == x);
        REQUIRE(rows.bottomRows(outputs) == truth);
      }
}

TEST_CASE("bad shapes and options are refused by name", "[mlp]") {
  REQUIRE_THROWS_WITH(ebb::mlp<double>(0), "ebb::mlp: inputs must be > 0, got 0");
  REQUIRE_THROWS_WITH(ebb::mlp<double>(1, {.hidden = {4, 0}}), "ebb::mlp: hidden sizes must be > 0, got 0");
  REQUIRE_THROWS_WITH(ebb::mlp<double>(1, {.outputs = -1}), "ebb::mlp: outputs must be > 0, got -1");
  REQUIRE_THROWS_WITH(ebb::mlp<double>(1, {.dropout = 1.0}), "ebb::mlp: dropout must be in [0, 1), got 1");
  REQUIRE_THROWS_AS(ebb::mlp<double>(1, {.dropout = std::nan("")}), std::invalid_argument);

  const ebb::mlp<double> network(3, {.hidden = {4}, .outputs = 2});
  const ebb::mlp<double> twin(3, {.hidden = {4}, .outputs = 2});
  const Eigen::MatrixXd x = Eigen::MatrixXd::Ones(3, 5), out_gradient = Eigen::MatrixXd::Ones(2, 5);
  Eigen::MatrixXd output(2, 5);
  Eigen::VectorXd gradient(network.parameter_count());
  ebb::mlp_workspace<double> memory;
  REQUIRE_THROWS_WITH(network.forward(Eigen::MatrixXd::Ones(2, 5), memory),
                      "ebb::mlp: x must have as many rows as the network has inputs, got 2");
  REQUIRE_THROWS_WITH(network.predict(x, output.leftCols(4), memory),
                      "ebb::mlp::predict: output must have (outputs, batch) entries, got (2, 4)");
  const std::string stale =
      "ebb::mlp::backward: the workspace must hold this network's forward pass over x, columns, got ";
  REQUIRE_THROWS_WITH(network.backward(x, out_gradient, memory, gradient), stale + "0");
  network.forward(x, memory);
  REQUIRE_NOTHROW(network.backward(x, out_gradient, memory, gradient));
  REQUIRE_THROWS_WITH(twin.backward(x, out_gradient, memory, gradient), stale + "5");
  ebb::mlp<double> changing(3, {.hidden = {4}, .outputs = 2});
  for (const std::vector<Eigen::Index>& hidden : {std::vector<Eigen::Index>{400}, {4, 4}, {}}) {
    changing = ebb::mlp<double>(3, {.hidden = {4}, .outputs = 2});
    changing.forward(x, memory);
    changing = ebb::mlp<double>(3, {.hidden = hidden, .outputs = 2});  // stands where the other one stood
    Eigen::VectorXd its(changing.parameter_count());
    REQUIRE_THROWS_WITH(changing.backward(x, out_gradient, memory, its), stale + "5");
  }
  for (const ebb::activation kind : {ebb::activation::gelu, ebb::activation::tanh}) {
    changing = ebb::mlp<double>(3, {.hidden = {4}, .outputs = 2});
    changing.forward(x, memory);
    changing = ebb::mlp<double>(3, {.hidden = {4}, .outputs = 2, .hidden_activation = kind});  // needs slopes
    Eigen::VectorXd its(changing.parameter_count());
    REQUIRE_THROWS_WITH(changing.backward(x, out_gradient, memory, its), stale + "5");
  }
  network.forward(x, memory);
  REQUIRE_THROWS_WITH(network.backward(x.leftCols(4), out_gradient.leftCols(4), memory, gradient), stale + "5");
  REQUIRE_THROWS_WITH(network.backward(x, out_gradient.topRows(1), memory, gradient),
                      "ebb::mlp::backward: output_gradient must have (outputs, batch) entries, got (1, 5)");
  REQUIRE_THROWS_WITH(network.backward(x, out_gradient, memory, gradient.head(3)),
                      "ebb::mlp::backward: gradient must have parameter_count entries, got 3");
  REQUIRE_THROWS_WITH(network.backward(x, out_gradient, memory, gradient, output),
                      "ebb::mlp::backward: input_gradient must have the shape of x, got (2, 5)");
}

TEST_CASE("a forward pass that runs out of memory is none that backward follows", "[mlp]") {
  const ebb::mlp<double> network(3, {.hidden = {4, 5}, .outputs = 2, .hidden_activation = activation::tanh});
  const Eigen::MatrixXd few = Eigen::MatrixXd::Ones(3, 16), many = Eigen::MatrixXd::Ones(3, 500);
  const Eigen::MatrixXd output_gradient = Eigen::MatrixXd::Ones(2, 500);
  Eigen::VectorXd gradient(network.parameter_count());
  int failures = 0;
  for (int fuse = 0;; ++fuse) {
    ebb::mlp_workspace<double> memory;
    network.forward(few, memory);
    bool failed = false;
    until_failure = fuse;
    try {
      network.forward(many, memory);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    until_failure = std::numeric_limits<int>::max();
    if (!failed) break;
    ++failures;
    REQUIRE_THROWS_AS(network.backward(many, output_gradient, memory, gradient), std::invalid_argument);
    REQUIRE_THROWS_AS(network.backward(few, output_gradient.leftCols(16), memory, gradient), std::invalid_argument);
  }
  REQUIRE(failures ==
          7);  // x, two activations' values and slopes each, the last layer's values, the output; scratch had its size
}
