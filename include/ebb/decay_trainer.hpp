// SPDX-License-Identifier: MIT
#ifndef EBB_DECAY_TRAINER_HPP
#define EBB_DECAY_TRAINER_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/learned_decay.hpp"
#include "ebb/mlp.hpp"
#include "ebb/optimizer.hpp"
#include "ebb/random.hpp"
#include "ebb/return_samples.hpp"
#include "ebb/scaler.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

struct decay_training_options {
  std::vector<Eigen::Index> hidden = {16};
  int epochs = 40;
  int patience = 4;        ///< epochs without a better validation loss before it stops
  std::size_t batch = 64;  ///< moments a step
  double learning_rate = 3e-3;
  double weight_decay = 1e-3;
  std::uint64_t seed = 1;
};

/// A learned decay, and how it did on the newest fifth of the moments.
struct trained_decay {
  learned_decay decay;
  double start_loss = 0;  ///< mean −ln p a return, under π₀
  double loss = 0;        ///< the same under what was learned; never above start_loss
  int epochs = 0;         ///< of the parameters kept; 0: π₀ could not be improved on
};

namespace detail {

/// Listwise loss of a learned decay over moments, and its gradient.
class decay_objective {
 public:
  using matrix = Eigen::MatrixXf;

  /// x: the network's parameters and then ln β. Adds up −ln p over the moments' returns; `gradient` may be null.
  ///
  /// Each return competes with the candidates not returned to. logit_j = β ln Σ_k π_kj e^(L_kj); its derivative by output
  /// a_kj of the network is β (q_kj − π_kj), q the share of lane k in the sum.
  double operator()(const learned_decay& decay, mlp<float>& network, const Eigen::VectorXf& x,
                    const std::vector<const return_samples::moment*>& moments, Eigen::VectorXf* gradient) {
    const Eigen::Index count = network.parameter_count();
    network.parameters() = x.head(count);
    const double beta = std::exp(static_cast<double>(x[count]));
    Eigen::Index columns = 0;
    for (const auto* const m : moments) columns += m->values.cols();
    features_.resize(network.inputs(), columns);
    columns = 0;
    for (const auto* const m : moments) {
      features_.middleCols(columns, m->values.cols()) = m->values;
      columns += m->values.cols();
    }
    pi_ = network.forward(features_, memory_);
    decay.to_simplex(pi_);
    pull_.resize(pi_.rows(), columns);
    double loss = 0;
    double returns = 0;
    double by_beta = 0;
    columns = 0;
    for (const auto* const m : moments) {
      const Eigen::Index n = m->values.cols();
      loss += moment_loss(*m, beta, columns, by_beta);
      returns += static_cast<double>(m->returned);
      columns += n;
    }
    if (gradient != nullptr) {
      gradient->resize(count + 1);
      pull_ /= static_cast<float>(returns);
      network.backward(features_, pull_, memory_, gradient->head(count));
      (*gradient)[count] = static_cast<float>(by_beta / returns);
    }
    return loss;
  }

 private:
  double moment_loss(const return_samples::moment& m, double beta, Eigen::Index first, double& by_beta) {
    const Eigen::Index n = m.values.cols();
    const Eigen::Index others = n - m.returned;
    const Eigen::RowVectorXd highest = m.log_lanes.colwise().maxCoeff();
    parts_ = (m.log_lanes.rowwise() - highest).array().exp() * pi_.middleCols(first, n).array().cast<double>();
    const Eigen::ArrayXd sums = parts_.colwise().sum().transpose().max(1e-300);
    const Eigen::ArrayXd logits = beta * (highest.transpose().array() + sums.log());
    Eigen::ArrayXd e = logits;
    e.tail(others) += std::log(m.weight);
    e = (e - e.maxCoeff()).exp();
    const double against = e.tail(others).sum();
    Eigen::ArrayXd slope = Eigen::ArrayXd::Zero(n);
    double loss = 0;
    for (Eigen::Index j = 0; j < m.returned; ++j) {
      const double all = std::max(e[j] + against, 1e-300);
      loss -= std::log(std::max(e[j] / all, 1e-300));
      slope[j] += e[j] / all - 1;
      slope.tail(others) += e.tail(others) / all;
    }
    by_beta += (slope * logits).sum();
    for (Eigen::Index j = 0; j < n; ++j)
      pull_.col(first + j) = (beta * slope[j] * (parts_.col(j) / sums[j] - pi_.col(first + j).array().cast<double>()))
                                 .cast<float>()
                                 .matrix();
    return loss;
  }

  matrix features_;        // (features, columns)
  matrix pi_;              // (lanes, columns)
  matrix pull_;            // (lanes, columns), d loss / d output
  Eigen::ArrayXXd parts_;  // (lanes, candidates of a moment)
  mlp_workspace<float> memory_;
};

}  // namespace detail

/// Learns which decay suits which features from returns, listwise: −ln softmax(β ln Σ_k π_k S_k) of what was returned to.
///
/// samples: features and ln lanes of the moments, oldest first; they are used up. start, sharpness: the reading and β that
/// hold for all, which is what the network begins with and falls back to.
/// Deterministic for the same samples, options, build and kind of processor.   Complexity: O(epochs · candidates · parameters).
/// Errors: std::invalid_argument unless the samples are of the start's lanes; options outside their range.
[[nodiscard]] inline trained_decay train_learned_decay(return_samples samples, reading start, double sharpness,
                                                       const decay_training_options& options = {}) {
  constexpr const char* where = "train_learned_decay";
  auto& moments = samples.moments();
  detail::require(!moments.empty(), where, "there must be moments to learn from", moments.size());
  detail::require(samples.lanes() == start.bank().size(), where, "the samples must be of the start's lanes",
                  samples.lanes());
  detail::require(options.epochs >= 0 && options.batch >= 1, where, "epochs must be >= 0 and batch >= 1",
                  options.batch);
  const std::size_t training = moments.size() - moments.size() / 5;
  standard_scaler<float> scaler(samples.features(), {.clip = 4});
  for (std::size_t i = 0; i < training; ++i) scaler.observe(moments[i].values);
  for (auto& m : moments) scaler.transform(m.values);

  learned_decay decay({std::move(start), sharpness, scaler.state(), options.hidden});
  mlp<float> network = decay.network();
  const random_engine root(options.seed);
  Eigen::VectorXf x(network.parameter_count() + 1);
  {
    mlp_options fresh = network.options();
    fresh.seed = options.seed;
    x.head(network.parameter_count()) = mlp<float>(network.inputs(), fresh).parameters();
  }
  x[x.size() - 1] = static_cast<float>(std::log(sharpness));

  detail::decay_objective objective;
  std::vector<const return_samples::moment*> batch;
  const auto validation = [&](const Eigen::VectorXf& at) {
    double loss = 0;
    double returns = 0;
    for (std::size_t i = training; i < moments.size(); i += options.batch) {
      batch.clear();
      for (std::size_t j = i; j < std::min(i + options.batch, moments.size()); ++j) {
        batch.push_back(&moments[j]);
        returns += static_cast<double>(moments[j].returned);
      }
      loss += objective(decay, network, at, batch, nullptr);
    }
    return loss / std::max(returns, 1.0);
  };

  const double start_loss = validation(x);
  double least = start_loss;
  Eigen::VectorXf best = x;
  int best_epoch = 0;
  adam<float> optimizer({.learning_rate = options.learning_rate, .weight_decay = options.weight_decay});
  weight_average<float> average(0.99);
  std::vector<std::size_t> order(training);
  std::iota(order.begin(), order.end(), std::size_t{0});
  random_engine shuffling = root.split(0);
  Eigen::VectorXf gradient(x.size());
  for (int epoch = 1; epoch <= options.epochs && epoch - best_epoch <= options.patience; ++epoch) {
    shuffling.shuffle(order.begin(), order.end());
    for (std::size_t i = 0; i < training; i += options.batch) {
      batch.clear();
      for (std::size_t j = i; j < std::min(i + options.batch, training); ++j) batch.push_back(&moments[order[j]]);
      objective(decay, network, x, batch, &gradient);
      clip_norm(gradient, 1.0);
      optimizer.step(x, gradient);
      average.update(x);
    }
    const double loss = validation(average.mean());
    if (!(loss < least)) continue;
    least = loss;
    best = average.mean();
    best_epoch = epoch;
  }
  learned_decay_state learned = decay.state();
  learned.parameters = best.head(best.size() - 1);
  learned.sharpness = std::exp(static_cast<double>(best[best.size() - 1]));
  return {learned_decay(std::move(learned)), start_loss, least, best_epoch};
}

}  // namespace ebb

#endif  // EBB_DECAY_TRAINER_HPP
