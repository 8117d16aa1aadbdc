// SPDX-License-Identifier: MIT
#include "ebb/loss.hpp"
#include "ebb/random.hpp"

#include "catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace loss_test {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
using indices = std::vector<Eigen::Index>;

template <class T>
matrix<T> random_matrix(Eigen::Index rows, Eigen::Index cols, std::uint64_t seed, double scale = 1.0) {
  ebb::random_engine random(seed);
  matrix<T> m(rows, cols);
  for (T& entry : m.reshaped()) entry = static_cast<T>(scale * random.normal());
  return m;
}

// Central differences of a loss of one matrix against the gradient it writes.
template <class Loss>
void check_gradient(const Loss& loss, Eigen::MatrixXd at) {
  Eigen::MatrixXd gradient(at.rows(), at.cols()), ignored(at.rows(), at.cols());
  loss(at, gradient);
  for (Eigen::Index i = 0; i < at.size(); ++i) {
    double& entry = at.reshaped()[i];
    const double kept = entry, step = 1e-6;
    entry = kept + step;
    const double above = loss(at, ignored);
    entry = kept - step;
    const double below = loss(at, ignored);
    entry = kept;
    CAPTURE(i);
    REQUIRE(gradient.reshaped()[i] == Approx((above - below) / (2.0 * step)).epsilon(1e-6).margin(1e-9));
  }
}

// The listwise loss and its gradient by the definition, without tricks, in long double.
double listwise_by_definition(const Eigen::RowVectorXd& logit, const indices& offsets,
                              const std::vector<double>& target, const std::vector<double>& correction,
                              Eigen::RowVectorXd& gradient) {
  long double loss = 0.0L, total = 0.0L;
  for (const double t : target) total += t;
  gradient.setZero(logit.cols());
  for (std::size_t g = 0; g + 1 < offsets.size(); ++g) {
    long double sum = 0.0L, weight = 0.0L;
    const auto score = [&](Eigen::Index j) {
      return static_cast<long double>(logit[j]) + (correction.empty() ? 0.0L : correction[static_cast<std::size_t>(j)]);
    };
    for (Eigen::Index j = offsets[g]; j < offsets[g + 1]; ++j) {
      sum += std::exp(score(j));
      weight += target[static_cast<std::size_t>(j)];
    }
    for (Eigen::Index j = offsets[g]; j < offsets[g + 1]; ++j) {
      const long double p = std::exp(score(j)) / sum, t = target[static_cast<std::size_t>(j)];
      if (t > 0.0L) loss -= t * std::log(p);
      gradient[j] = static_cast<double>((p * weight - t) / total);
    }
  }
  return static_cast<double>(loss / total);
}

}  // namespace

TEMPLATE_TEST_CASE("squared and logistic loss equal their definitions", "[loss]", float, double) {
  using T = TestType;
  const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  const matrix<T> output = random_matrix<T>(3, 41, 1, 2.0);
  const matrix<T> target = random_matrix<T>(3, 41, 2).array().square().min(T(1));
  matrix<T> gradient(3, 41);
  double squared = 0.0, logistic = 0.0;
  for (Eigen::Index i = 0; i < output.size(); ++i) {
    const double z = static_cast<double>(output.reshaped()[i]), y = static_cast<double>(target.reshaped()[i]);
    const double p = 1.0 / (1.0 + std::exp(-z));
    squared += (z - y) * (z - y) / 123.0;
    logistic -= (y * std::log(p) + (1.0 - y) * std::log(1.0 - p)) / 123.0;
  }
  REQUIRE(ebb::squared_loss(output, target, gradient) == Approx(squared).epsilon(tolerance));
  REQUIRE(ebb::logistic_loss(output, target, gradient) == Approx(logistic).epsilon(tolerance));
}

TEST_CASE("squared and logistic gradients equal finite differences", "[loss]") {
  const Eigen::MatrixXd output = random_matrix<double>(2, 9, 3, 3.0);
  const Eigen::MatrixXd target = random_matrix<double>(2, 9, 4).array().square().min(1.0);
  check_gradient([&](const auto& o, auto& g) { return ebb::squared_loss(o, target, g); }, output);
  check_gradient([&](const auto& o, auto& g) { return ebb::logistic_loss(o, target, g); }, output);
}

TEMPLATE_TEST_CASE("squared and logistic loss do not depend on how far columns stand apart", "[loss]", float, double) {
  using T = TestType;
  for (const Eigen::Index rows : {1, 2, 5}) {
    const matrix<T> z = random_matrix<T>(rows + 3, 37, 5), y = random_matrix<T>(rows + 2, 37, 6).cwiseAbs();
    const matrix<T> output = z.topRows(rows), target = y.topRows(rows);
    matrix<T> gradient(rows, 37), apart = matrix<T>::Constant(rows + 1, 37, T(7));
    const auto check = [&](const auto& loss) {
      const double together = loss(output, target, gradient);
      REQUIRE(loss(z.topRows(rows), y.topRows(rows), apart.topRows(rows)) == Approx(together).epsilon(1e-6));
      REQUIRE(apart.topRows(rows).isApprox(gradient, T(1e-6)));
      REQUIRE((apart.row(rows).array() == T(7)).all());
    };
    check([](const auto& o, const auto& t, auto&& g) { return ebb::squared_loss(o, t, g); });
    check([](const auto& o, const auto& t, auto&& g) { return ebb::logistic_loss(o, t, g); });
  }
}

TEMPLATE_TEST_CASE("logistic loss is finite and exact for huge logits", "[loss]", float, double) {
  using T = TestType;
  const T huge = T(1e30);
  matrix<T> logit(1, 4), target(1, 4), gradient(1, 4);
  logit << huge, -huge, huge, -huge;
  target << 1, 0, 0, 1;
  const double loss = ebb::logistic_loss(logit, target, gradient);
  REQUIRE(loss == Approx(0.5 * 1e30).epsilon(1e-6));  // two right for nothing, two wrong by 1e30
  REQUIRE(gradient(0, 0) == T(0));
  REQUIRE(std::abs(gradient(0, 1)) < T(1e-30));
  REQUIRE(gradient(0, 2) == T(0.25));
  REQUIRE(gradient(0, 3) == T(-0.25));
}

TEST_CASE("listwise loss equals the definition with weights, corrections, lone candidates and empty groups", "[loss]") {
  ebb::random_engine random(5);
  for (int repeat = 0; repeat < 50; ++repeat) {
    indices offsets = {0};
    std::vector<double> target, correction;
    for (int g = 0; g < 8; ++g) {
      const std::uint64_t size = random.below(6);  // 0 and 1 among them
      for (std::uint64_t j = 0; j < size; ++j) {
        target.push_back(random.uniform() < 0.5 ? 0.0 : random.uniform());
        correction.push_back(3.0 * random.uniform());
      }
      offsets.push_back(static_cast<Eigen::Index>(target.size()));
    }
    offsets.push_back(offsets.back() + 1);
    target.push_back(1.0);
    correction.push_back(0.5);
    if (repeat % 2 == 0) correction.clear();

    const Eigen::MatrixXd logit = random_matrix<double>(1, offsets.back(), random(), 2.0);
    Eigen::RowVectorXd truth;
    Eigen::MatrixXd gradient(1, logit.cols());
    const double wanted = listwise_by_definition(logit.row(0), offsets, target, correction, truth);
    REQUIRE(ebb::listwise_loss(logit, offsets, target, gradient, correction) == Approx(wanted).epsilon(1e-12));
    REQUIRE((gradient.row(0) - truth).cwiseAbs().maxCoeff() < 1e-14);
    check_gradient([&](const auto& o, auto& g) { return ebb::listwise_loss(o, offsets, target, g, correction); },
                   logit);
  }
}

TEMPLATE_TEST_CASE("chosen candidates are targets of one", "[loss]", float, double) {
  using T = TestType;
  const indices offsets = {0, 3, 4, 11}, chosen = {2, 3, 7};
  std::vector<T> target(11, T(0)), correction(11, T(0));
  for (const Eigen::Index c : chosen) target[static_cast<std::size_t>(c)] = T(1);
  correction[0] = correction[5] = T(2.5);
  const matrix<T> logit = random_matrix<T>(1, 11, 6);
  matrix<T> by_choice(1, 11), by_target(1, 11);
  const double a = ebb::listwise_loss(logit, offsets, chosen, by_choice, correction);
  const double b = ebb::listwise_loss(logit, offsets, target, by_target, correction);
  REQUIRE(a == Approx(b).epsilon(1e-6));
  REQUIRE((by_choice - by_target).cwiseAbs().maxCoeff() < T(1e-7));
  REQUIRE(by_choice(0, 3) == T(0));  // alone in its group
}

TEST_CASE("a correction of ln m counts a candidate m times, and −∞ leaves it out", "[loss]") {
  // Negatives at logits 0.3 and −0.4, the first standing for four like it.
  const indices chosen = {0};
  Eigen::MatrixXd sampled(1, 3), full(1, 6), sampled_gradient(1, 3), full_gradient(1, 6);
  sampled << 1.0, 0.3, -0.4;
  full << 1.0, 0.3, 0.3, 0.3, 0.3, -0.4;
  const double by_correction = ebb::listwise_loss(sampled, indices{0, 3}, chosen, sampled_gradient,
                                                  std::vector<double>{0.0, std::log(4.0), 0.0});
  REQUIRE(by_correction == Approx(ebb::listwise_loss(full, indices{0, 6}, chosen, full_gradient)).epsilon(1e-14));
  REQUIRE(sampled_gradient(0, 1) == Approx(4.0 * full_gradient(0, 1)).epsilon(1e-14));

  Eigen::MatrixXd two(1, 2), two_gradient(1, 2);
  two << 1.0, -0.4;
  const std::vector<double> mask = {0.0, -infinity, 0.0};
  const double without = ebb::listwise_loss(two, indices{0, 2}, chosen, two_gradient);
  REQUIRE(ebb::listwise_loss(sampled, indices{0, 3}, chosen, sampled_gradient, mask) == Approx(without).epsilon(1e-14));
  REQUIRE(sampled_gradient(0, 1) == Approx(0.0).margin(1e-30));
  REQUIRE(ebb::listwise_loss(sampled, indices{0, 3}, std::vector<double>{1.0, 0.0, 0.0}, sampled_gradient, mask) ==
          Approx(without).epsilon(1e-14));
}

TEMPLATE_TEST_CASE("listwise loss is finite for huge logits", "[loss]", float, double) {
  using T = TestType;
  matrix<T> logit(1, 5), gradient(1, 5);
  logit << T(1e30), T(-1e30), T(3e4), T(3e4), T(3e4);
  const indices offsets = {0, 2, 5};
  REQUIRE(ebb::listwise_loss(logit, offsets, indices{0, 3}, gradient) == Approx(0.5 * std::log(3.0)).epsilon(1e-6));
  REQUIRE(gradient(0, 0) == T(0));
  REQUIRE(gradient(0, 3) == Approx(-1.0 / 3.0).epsilon(1e-6));
  REQUIRE(ebb::listwise_loss(logit, offsets, indices{1, 3}, gradient) == Approx(1e30).epsilon(1e-6));
  REQUIRE(gradient(0, 1) == T(-0.5));
}

TEST_CASE("losses of float logits stay finite up to the largest float", "[loss]") {
  matrix<float> logit(1, 4), gradient(1, 4);
  logit << 3e38F, -3e38F, 0.0F, 1.0F;
  const indices offsets = {0, 4};
  REQUIRE(ebb::listwise_loss(logit, offsets, indices{1}, gradient) == Approx(6e38).epsilon(1e-6));
  const std::vector<float> half = {0.0F, 0.5F, 0.5F, 0.0F};
  REQUIRE(ebb::listwise_loss(logit, offsets, std::span<const float>(half), gradient) == Approx(4.5e38).epsilon(1e-6));
  REQUIRE(gradient.allFinite());
  logit.setConstant(2e38F);
  REQUIRE(ebb::logistic_loss(logit, matrix<float>::Zero(1, 4), gradient) == Approx(2e38).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("a NaN shows in every loss", "[loss]", float, double) {
  using T = TestType;
  for (const Eigen::Index size : {1, 3, 4, 16, 19}) {
    matrix<T> output = random_matrix<T>(1, size, 7), gradient(1, size);
    const matrix<T> target = matrix<T>::Constant(1, size, T(0.5));
    output(0, size / 2) = std::numeric_limits<T>::quiet_NaN();
    CAPTURE(size);
    REQUIRE(std::isnan(ebb::squared_loss(output, target, gradient)));
    REQUIRE(std::isnan(ebb::logistic_loss(output, target, gradient)));
    for (Eigen::Index at = 0; at < size; ++at)
      REQUIRE(std::isnan(ebb::listwise_loss(output, indices{0, size}, indices{at}, gradient)));
  }
}

TEST_CASE("losses refuse what does not fit", "[loss]") {
  const Eigen::MatrixXd output = Eigen::MatrixXd::Zero(1, 4);
  Eigen::MatrixXd gradient(1, 4), narrow(1, 3);
  REQUIRE_THROWS_WITH(ebb::squared_loss(output, Eigen::MatrixXd::Zero(2, 2), gradient),
                      "ebb::squared_loss: target must be like output, got (2, 2)");
  REQUIRE_THROWS_WITH(ebb::logistic_loss(output, output, narrow),
                      "ebb::logistic_loss: gradient must be like logit, got (1, 3)");
  REQUIRE_THROWS_AS(ebb::squared_loss(output.leftCols(0), output.leftCols(0), gradient.leftCols(0)),
                    std::invalid_argument);

  const indices one = {0, 4};
  const std::vector<double> fine = {0.0, 1.0, 0.0, 0.0};
  REQUIRE_NOTHROW(ebb::listwise_loss(output, one, fine, gradient));
  REQUIRE_THROWS_WITH(ebb::listwise_loss(Eigen::MatrixXd::Zero(2, 4), one, fine, gradient),
                      "ebb::listwise_loss: logit must be (1, batch), got (2, 4)");
  for (const indices& offsets : {indices{}, indices{0}, indices{1, 4}, indices{0, 3}, indices{0, 3, 2, 4}})
    REQUIRE_THROWS_AS(ebb::listwise_loss(output, offsets, fine, gradient), std::invalid_argument);
  for (const std::vector<double>& target :
       {std::vector<double>{1.0}, std::vector<double>{0.0, 0.0, 0.0, 0.0}, std::vector<double>{2.0, -1.0, 0.0, 0.0},
        std::vector<double>{std::nan(""), 1.0, 0.0, 0.0}})
    REQUIRE_THROWS_AS(ebb::listwise_loss(output, one, target, gradient), std::invalid_argument);
  for (const indices& chosen : {indices{4}, indices{-1}, indices{}, indices{0, 1}})
    REQUIRE_THROWS_AS(ebb::listwise_loss(output, one, chosen, gradient), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::listwise_loss(output, one, fine, narrow), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::listwise_loss(output, one, fine, gradient, std::vector<double>(3)), std::invalid_argument);
}

}  // namespace loss_test
