// SPDX-License-Identifier: MIT
#ifndef EBB_OPTIMIZER_HPP
#define EBB_OPTIMIZER_HPP

#include "ebb/time.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <utility>

#include <Eigen/Core>

// Each optimiser walks one flat vector of parameters against its gradient. What it remembers between steps is a small
// public state, so that training can be saved and taken up again: `adam(options, saved)`.

namespace ebb {

namespace detail {

template <std::floating_point T>
using flat_vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// Checks that a step's vectors fit, and starts `memory` at zero if it has not been used yet.
template <std::floating_point T>
void require_step(const Eigen::Ref<flat_vector<T>>& parameters, const Eigen::Ref<const flat_vector<T>>& gradient,
                  flat_vector<T>& memory, const char* where) {
  require(gradient.size() == parameters.size(), where, "gradient must have one entry per parameter", gradient.size());
  if (memory.size() == 0) memory.setZero(parameters.size());
  require(memory.size() == parameters.size(), where, "the state must be of as many parameters", memory.size());
}

inline void require_rate(double rate, const char* where) {
  require(rate > 0.0 && std::isfinite(rate), where, "learning_rate must be finite and > 0", rate);
}
inline void require_decay(double decay, double rate, const char* where) {
  require(decay >= 0.0 && decay * rate < 1.0, where, "weight_decay must be in [0, 1 / learning_rate)", decay);
}
inline void require_share(double share, const char* where, const char* rule) {
  require(share >= 0.0 && share < 1.0, where, rule, share);
}

}  // namespace detail

struct sgd_options {
  double learning_rate = 1e-2;
  double momentum = 0.9;      ///< share of the velocity that is kept from step to step, in [0, 1)
  bool nesterov = false;      ///< take the gradient as if the velocity's next step were already made
  double weight_decay = 0.0;  ///< decoupled: each step shrinks the parameters by learning_rate · weight_decay
};

/// What `sgd` remembers between steps.
template <std::floating_point T = double>
struct sgd_state {
  detail::flat_vector<T> velocity;  ///< v; empty before the first step
};

/// Gradient descent with momentum.
///
///   v ← momentum · v + g        θ ← θ − rate · (v, or g + momentum · v with Nesterov, + weight_decay · θ)
///
/// O(parameters) a step; nothing is allocated after the first.
/// Errors: std::invalid_argument for options outside their range and sizes that do not fit.
/// Source: B. Polyak, Some methods of speeding up the convergence of iteration methods, USSR CMMP 4(5), 1964;
///         I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.
template <std::floating_point T = double>
class sgd {
 public:
  using vector = detail::flat_vector<T>;

  explicit sgd(sgd_options options = {}, sgd_state<T> state = {}) : options_(options), state_(std::move(state)) {
    detail::require_rate(options.learning_rate, "sgd");
    detail::require_share(options.momentum, "sgd", "momentum must be in [0, 1)");
    detail::require_decay(options.weight_decay, options.learning_rate, "sgd");
  }

  void step(Eigen::Ref<vector> parameters, const Eigen::Ref<const vector>& gradient) {
    detail::require_step<T>(parameters, gradient, state_.velocity, "sgd::step");
    const T rate = static_cast<T>(options_.learning_rate), momentum = static_cast<T>(options_.momentum);
    state_.velocity = momentum * state_.velocity + gradient;
    parameters *= static_cast<T>(1.0 - options_.learning_rate * options_.weight_decay);
    if (options_.nesterov)
      parameters -= rate * (gradient + momentum * state_.velocity);
    else
      parameters -= rate * state_.velocity;
  }

  [[nodiscard]] const sgd_options& options() const noexcept { return options_; }
  [[nodiscard]] const sgd_state<T>& state() const noexcept { return state_; }

 private:
  sgd_options options_;
  sgd_state<T> state_;
};

struct adam_options {
  double learning_rate = 1e-3;
  double beta1 = 0.9;    ///< share of the gradient's running mean kept from step to step, in [0, 1)
  double beta2 = 0.999;  ///< the same for the squared gradient's
  double epsilon = 1e-8;
  double weight_decay = 0.0;  ///< decoupled (AdamW): each step shrinks the parameters by learning_rate · weight_decay
};

/// What `adam` remembers between steps.
template <std::floating_point T = double>
struct adam_state {
  detail::flat_vector<T> mean;    ///< m; empty before the first step
  detail::flat_vector<T> square;  ///< v
  std::int64_t steps = 0;         ///< t
};

/// Adam with decoupled weight decay: each parameter's step is scaled by its own gradients so far.
///
///   m ← β1 m + (1 − β1) g        v ← β2 v + (1 − β2) g²
///   θ ← θ − rate · (m / (1 − β1^t) / (√(v / (1 − β2^t)) + ε) + weight_decay · θ)
///
/// O(parameters) a step; nothing is allocated after the first.
/// Errors: std::invalid_argument for options outside their range and sizes that do not fit.
/// Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1;
///         I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
template <std::floating_point T = double>
class adam {
 public:
  using vector = detail::flat_vector<T>;

  explicit adam(adam_options options = {}, adam_state<T> state = {}) : options_(options), state_(std::move(state)) {
    detail::require_rate(options.learning_rate, "adam");
    detail::require_share(options.beta1, "adam", "beta1 must be in [0, 1)");
    detail::require_share(options.beta2, "adam", "beta2 must be in [0, 1)");
    detail::require(options.epsilon > 0.0 && std::isfinite(options.epsilon), "adam", "epsilon must be finite and > 0",
                    options.epsilon);
    detail::require_decay(options.weight_decay, options.learning_rate, "adam");
    detail::require(state_.steps >= 0, "adam", "the state's steps must be >= 0", state_.steps);
  }

  void step(Eigen::Ref<vector> parameters, const Eigen::Ref<const vector>& gradient) {
    detail::require_step<T>(parameters, gradient, state_.mean, "adam::step");
    detail::require_step<T>(parameters, gradient, state_.square, "adam::step");
    const double t = static_cast<double>(++state_.steps);
    const T keep1 = static_cast<T>(options_.beta1), keep2 = static_cast<T>(options_.beta2);
    const T take1 = static_cast<T>(1.0 - options_.beta1), take2 = static_cast<T>(1.0 - options_.beta2);
    state_.mean = keep1 * state_.mean + take1 * gradient;
    state_.square.array() = keep2 * state_.square.array() + take2 * gradient.array().square();
    const T rate = static_cast<T>(options_.learning_rate / (1.0 - std::pow(options_.beta1, t)));
    const T unbias = static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(options_.beta2, t)));
    parameters *= static_cast<T>(1.0 - options_.learning_rate * options_.weight_decay);
    parameters.array() -=
        rate * state_.mean.array() / (unbias * state_.square.array().sqrt() + static_cast<T>(options_.epsilon));
  }

  [[nodiscard]] const adam_options& options() const noexcept { return options_; }
  [[nodiscard]] const adam_state<T>& state() const noexcept { return state_; }

 private:
  adam_options options_;
  adam_state<T> state_;
};

/// What `weight_average` remembers between updates.
template <std::floating_point T = double>
struct weight_average_state {
  detail::flat_vector<T> mean;  ///< empty before the first update
  std::int64_t updates = 0;
};

/// A running average of the parameters over the steps, which generalises better than the last step's.
///
///   mean ← mean + (1 − d) (θ − mean)        d = min(decay, (1 + t) / (10 + t)) at the t-th update, t = 1, 2, …
///
/// The first update takes θ as it is; the warm-up keeps the average from remembering the start for 1/(1 − decay) steps.
/// Errors: std::invalid_argument unless decay is in [0, 1); a later update of another size.
/// Source: B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30, 1992.
template <std::floating_point T = double>
class weight_average {
 public:
  using vector = detail::flat_vector<T>;

  explicit weight_average(double decay, weight_average_state<T> state = {}) : decay_(decay), state_(std::move(state)) {
    detail::require_share(decay, "weight_average", "decay must be in [0, 1)");
    detail::require(state_.updates >= 0, "weight_average", "the state's updates must be >= 0", state_.updates);
  }

  void update(const Eigen::Ref<const vector>& parameters) {
    if (state_.updates == 0) state_.mean = parameters;
    detail::require(parameters.size() == state_.mean.size(), "weight_average::update",
                    "parameters must have the average's size", parameters.size());
    const double t = static_cast<double>(++state_.updates);
    const double kept = std::min(decay_, (1.0 + t) / (10.0 + t));
    state_.mean += static_cast<T>(1.0 - kept) * (parameters - state_.mean);
  }

  /// The average; empty before the first update.
  [[nodiscard]] const vector& mean() const noexcept { return state_.mean; }
  [[nodiscard]] double decay() const noexcept { return decay_; }
  [[nodiscard]] const weight_average_state<T>& state() const noexcept { return state_; }

 private:
  double decay_;
  weight_average_state<T> state_;
};

/// Scales a gradient down to the norm `limit` if it is longer, and returns the norm it had.
///
/// A gradient whose norm is not finite is left as it is; the returned norm says so.
/// Errors: std::invalid_argument unless limit > 0.
/// Source: R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013.
template <std::floating_point T>
double clip_norm(Eigen::Matrix<T, Eigen::Dynamic, 1>& gradient, double limit) {
  detail::require(limit > 0.0, "clip_norm", "limit must be > 0", limit);
  const double norm = static_cast<double>(gradient.norm());
  if (std::isfinite(norm) && norm > limit) gradient *= static_cast<T>(limit / norm);
  return norm;
}

}  // namespace ebb

#endif  // EBB_OPTIMIZER_HPP
