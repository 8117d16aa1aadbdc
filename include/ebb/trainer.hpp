// SPDX-License-Identifier: MIT
#ifndef EBB_TRAINER_HPP
#define EBB_TRAINER_HPP

#include "ebb/detail/shape.hpp"
#include "ebb/loss.hpp"
#include "ebb/mlp.hpp"
#include "ebb/optimizer.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <Eigen/Core>

namespace ebb {

/// Which loss `fit` brings down: `squared_loss` of the outputs, or `logistic_loss` of the outputs as logits.
enum class loss_function : std::uint8_t { squared, logistic };

/// How one epoch of `fit` went.
struct epoch_report {
  int epoch = 0;                               ///< 1, 2, …
  double train_loss = 0.0;                     ///< mean over the epoch's samples, each as the parameters then stood
  std::optional<double> validation_loss = {};  ///< after the epoch, without dropout; none without a validation part
};

/// What `fit` does with the samples it is given; the learning rate suits networks of tens of units.
struct trainer_options {
  loss_function loss = loss_function::squared;
  std::variant<adam_options, sgd_options> optimizer = adam_options{.learning_rate = 1e-2};
  int epochs = 100;
  Eigen::Index batch = 32;
  double validation_share = 0.2;  ///< of the samples, in [0, 1): the last columns, so sort them by time
  bool shuffled_split = false;    ///< draw the validation part at random instead
  int patience = 0;               ///< stop after so many epochs without a better validation loss; 0: never
  std::uint64_t seed = 1;         ///< of the order of samples, of dropout and of a shuffled split
  std::function<bool(const epoch_report&)> on_epoch = {};  ///< called after each epoch; true stops the training
};

/// What `fit` did: one entry per epoch, and the epoch whose parameters the network has now.
struct training_report {
  std::vector<epoch_report> history;
  int best_epoch = 0;  ///< least validation loss, the earliest if tied; the last epoch without a validation part
  std::size_t train_samples = 0, validation_samples = 0;
};

namespace detail {

template <class Matrix>
void require_finite(const Matrix& m, const char* name) {
  if (m.allFinite()) return;
  for (Eigen::Index j = 0; j < m.cols(); ++j)
    for (Eigen::Index i = 0; i < m.rows(); ++i)
      if (!std::isfinite(m(i, j)))
        require(false, "fit",
                std::string(name) + " must be finite; in row " + std::to_string(i) + " of column " + std::to_string(j),
                m(i, j));
}

template <class Output, class Target, class Gradient>
double loss_of(loss_function kind, const Output& output, const Target& target, Gradient&& gradient) {
  return kind == loss_function::squared ? squared_loss(output, target, gradient)
                                        : logistic_loss(output, target, gradient);
}

/// How many of the samples the options put into the validation part: the nearest whole number.
inline Eigen::Index validation_count(Eigen::Index samples, const trainer_options& options) {
  require_share(options.validation_share, "fit", "validation_share must be in [0, 1)");
  return static_cast<Eigen::Index>(std::llround(options.validation_share * static_cast<double>(samples)));
}

/// Minibatches: chosen columns of a matrix, gathered into memory of their own.
template <std::floating_point T>
class gathered {
 public:
  using matrix = typename mlp<T>::matrix;
  using columns = Eigen::Block<matrix, Eigen::Dynamic, Eigen::Dynamic, true>;

  gathered(const Eigen::Ref<const matrix>& source, Eigen::Index most) : source_(source), memory_(source.rows(), most) {}

  columns operator()(const Eigen::Index* first, Eigen::Index count) {
    for (Eigen::Index j = 0; j < count; ++j) memory_.col(j) = source_.col(first[j]);
    return memory_.leftCols(count);
  }

 private:
  Eigen::Ref<const matrix> source_;
  matrix memory_;
};

}  // namespace detail

/// Trains a network on samples by minibatches, and leaves it with the parameters of the best epoch.
///
/// x: (inputs, samples), y: (outputs, samples), a column is a sample; all finite (`standard_scaler` fills what is missing),
/// y in [0, 1] for the logistic loss.
/// Every epoch goes through the training part once in a new order. Where there is a validation part, the parameters kept
/// are those after the epoch with the least validation loss; without one, the last.
/// Deterministic: the same samples, options and build give the same parameters to the last bit on
/// machines whose processors have the same vector instructions; on others they are rounded differently.
///
/// O(epochs · samples · parameters); memory for one minibatch and two copies of the parameters.
/// Errors: std::invalid_argument for shapes that do not fit, values that are not finite (naming the place), and options
///         outside their range; std::domain_error when the loss stops being finite, the network then having the best
///         parameters before that.
/// Source: L. Prechelt, Early stopping — but when?, Neural Networks: Tricks of the Trade, Springer 1998.
template <std::floating_point T>
training_report fit(mlp<T>& network, const Eigen::Ref<const typename mlp<T>::matrix>& x,
                    const Eigen::Ref<const typename mlp<T>::matrix>& y, const trainer_options& options = {}) {
  using matrix = typename mlp<T>::matrix;
  using vector = typename mlp<T>::vector;
  detail::require(x.rows() == network.inputs(), "fit", "x must have one row per input of the network", x.rows());
  detail::require(y.rows() == network.outputs(), "fit", "y must have one row per output of the network", y.rows());
  detail::require(x.cols() == y.cols(), "fit", "y must have as many columns as x", y.cols());
  detail::require(x.cols() > 0, "fit", "there must be samples", x.cols());
  detail::require(options.epochs > 0, "fit", "epochs must be > 0", options.epochs);
  detail::require(options.batch > 0, "fit", "batch must be > 0", options.batch);
  detail::require(options.patience >= 0, "fit", "patience must be >= 0", options.patience);
  detail::require_finite(x, "x");
  detail::require_finite(y, "y");
  if (options.loss == loss_function::logistic)
    detail::require(y.minCoeff() >= T(0) && y.maxCoeff() <= T(1), "fit", "y must be in [0, 1] for the logistic loss",
                    y.minCoeff() < T(0) ? y.minCoeff() : y.maxCoeff());

  const Eigen::Index samples = x.cols();
  const Eigen::Index validation = detail::validation_count(samples, options), training = samples - validation;
  detail::require(training > 0, "fit", "validation_share must leave samples to train on", options.validation_share);
  detail::require(options.patience == 0 || validation > 0, "fit", "patience needs a validation part, samples in it",
                  validation);

  const random_engine root(options.seed);
  random_engine split = root.split(0), order = root.split(1), dropout = root.split(2);
  std::vector<Eigen::Index> index(static_cast<std::size_t>(samples));  // training samples first
  std::iota(index.begin(), index.end(), Eigen::Index{0});
  if (options.shuffled_split) split.shuffle(index.begin(), index.end());

  const Eigen::Index batch = std::min(options.batch, std::max(training, validation));
  detail::gathered<T> inputs(x, batch), targets(y, batch);
  matrix output_gradient(y.rows(), batch);
  vector gradient(network.parameter_count()), best = network.parameters();
  mlp_workspace<T> memory;
  std::variant<adam<T>, sgd<T>> optimizer = std::visit(
      [](const auto& chosen) -> std::variant<adam<T>, sgd<T>> {
        if constexpr (std::is_same_v<std::decay_t<decltype(chosen)>, adam_options>)
          return adam<T>(chosen);
        else
          return sgd<T>(chosen);
      },
      options.optimizer);

  // Mean loss over samples index[first … first + count), taking a step after each minibatch if `learn`.
  const auto pass = [&](Eigen::Index first, Eigen::Index count, bool learn) {
    double sum = 0.0;
    for (Eigen::Index done = 0; done < count; done += batch) {
      const Eigen::Index size = std::min(batch, count - done);
      const Eigen::Index* const chosen = index.data() + first + done;
      const typename detail::gathered<T>::columns in = inputs(chosen, size), out = targets(chosen, size);
      const Eigen::Map<const matrix> output = network.forward(in, memory, learn ? &dropout : nullptr);
      sum += static_cast<double>(size) * detail::loss_of(options.loss, output, out, output_gradient.leftCols(size));
      if (!learn) continue;
      network.backward(in, output_gradient.leftCols(size), memory, gradient);
      std::visit([&](auto& rule) { rule.step(network.parameters(), gradient); }, optimizer);
    }
    return sum / static_cast<double>(count);
  };
  const auto require_sane = [&](double loss, const char* name, int epoch) {
    if (std::isfinite(loss)) return;
    network.parameters() = best;
    std::ostringstream text;
    text << "ebb::fit: the " << name << " loss must stay finite (a smaller learning rate may help), got " << loss
         << " in epoch " << epoch;
    throw std::domain_error(text.str());
  };

  training_report report;
  report.train_samples = static_cast<std::size_t>(training);
  report.validation_samples = static_cast<std::size_t>(validation);
  double least = std::numeric_limits<double>::infinity();
  for (int epoch = 1; epoch <= options.epochs; ++epoch) {
    order.shuffle(index.begin(), index.begin() + training);
    epoch_report now{epoch, pass(0, training, true), std::nullopt};
    require_sane(now.train_loss, "training", epoch);
    if (validation > 0) now.validation_loss = pass(training, validation, false);
    if (now.validation_loss) require_sane(*now.validation_loss, "validation", epoch);
    report.history.push_back(now);
    if (!now.validation_loss || *now.validation_loss < least) {
      least = now.validation_loss.value_or(least);
      report.best_epoch = epoch;
      best = network.parameters();
    }
    if (options.on_epoch && options.on_epoch(now)) break;
    if (options.patience > 0 && epoch - report.best_epoch >= options.patience) break;
  }
  network.parameters() = best;
  return report;
}

}  // namespace ebb

#endif  // EBB_TRAINER_HPP
