// SPDX-License-Identifier: MIT
#ifndef EBB_LEARNED_DECAY_HPP
#define EBB_LEARNED_DECAY_HPP

#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/activation.hpp"
#include "ebb/mlp.hpp"
#include "ebb/scaler.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// A learned decay in full: all that has to be saved.
struct learned_decay_state {
  reading start;                            ///< π₀, what the network corrects
  double sharpness = 1;                     ///< β of the logits it was learned under; it does not change the decay
  scaler_state scaling;                     ///< of the features
  std::vector<Eigen::Index> hidden = {16};  ///< hidden units of the network
  mlp<float>::vector parameters = {};       ///< of the network; empty: none learned yet
};

/// A decay function chosen by features: a small network turns them into the weights of a bank of timescales.
///
///   π = softmax(ln π₀ + MLP(features)),   D(gap) = Σ_k π_k 2^(−gap / h_k)
///
/// Whatever the network says, π is on the simplex and D a valid decay: D(0) = 1, never rising. Untrained it is π₀. Features
/// can be any that do not change with time alone, such as `decay_features`.
///
/// Shapes: features (features) or (features, candidates); a lane with π₀ = 0 stays out.
/// Complexity: O(parameters) a reading, some 300 multiplications as made.   Threads: const members may run at the same time.
/// Errors: std::invalid_argument for shapes that do not fit and features beyond ±1e150; NaN counts as the feature's mean.
class learned_decay {
 public:
  using matrix = Eigen::MatrixXf;

  explicit learned_decay(learned_decay_state state)
      : state_(std::move(state)),
        scaler_(state_.scaling, {.clip = 4}),
        network_(scaler_.features(), {.hidden = state_.hidden,
                                      .outputs = state_.start.bank().size(),
                                      .hidden_activation = activation::gelu,
                                      .zero_output = true}) {
    detail::require(std::isfinite(state_.sharpness) && state_.sharpness > 0, "learned_decay",
                    "sharpness must be finite and > 0", state_.sharpness);
    if (state_.parameters.size() == 0) state_.parameters = network_.parameters();
    detail::require(state_.parameters.size() == network_.parameter_count() && state_.parameters.allFinite(),
                    "learned_decay", "there must be as many finite parameters as the network has, got entries",
                    state_.parameters.size());
    network_.parameters() = state_.parameters;
    for (const double w : state_.start.weights()) log_start_.push_back(static_cast<float>(std::log(w)));
  }

  /// The decay for one set of features.
  [[nodiscard]] reading operator()(const Eigen::Ref<const Eigen::VectorXf>& features) const {
    matrix pi(state_.start.bank().size(), 1);
    weights(features, pi);
    std::vector<double> out(pi.data(), pi.data() + pi.size());
    const double sum = std::accumulate(out.begin(), out.end(), 0.0);
    for (double& w : out) w /= sum;
    return reading(state_.start.bank(), std::move(out));
  }

  /// π of many at once: features (features, candidates) → pi (lanes, candidates), columns adding to 1 within float rounding.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): an output, as Eigen writes them
  void weights(const Eigen::Ref<const matrix>& features, Eigen::Ref<matrix> pi) const {
    matrix z = features;
    scaler_.transform(z);
    mlp_workspace<float> memory;
    network_.predict(z, pi, memory);
    to_simplex(pi);
  }

  [[nodiscard]] const timescales& bank() const noexcept { return state_.start.bank(); }
  [[nodiscard]] const learned_decay_state& state() const noexcept { return state_; }

  /// π from the network's outputs, in place; (lanes, candidates).
  void to_simplex(Eigen::Ref<matrix> outputs) const {
    const Eigen::Map<const Eigen::ArrayXf> start(log_start_.data(), static_cast<Eigen::Index>(log_start_.size()));
    for (Eigen::Index j = 0; j < outputs.cols(); ++j) {
      outputs.col(j).array() += start;
      outputs.col(j).array() -= outputs.col(j).maxCoeff();
      // The vectorised exponential of −∞ is only nearly zero.
      outputs.col(j) = (outputs.col(j).array() > -80.0F).select(outputs.col(j).array().exp(), 0.0F);
      outputs.col(j) /= outputs.col(j).sum();
    }
  }

  /// The network on scaled features, and the scaling, for training.
  [[nodiscard]] const mlp<float>& network() const noexcept { return network_; }
  [[nodiscard]] const standard_scaler<float>& scaler() const noexcept { return scaler_; }

 private:
  learned_decay_state state_;
  standard_scaler<float> scaler_;
  mlp<float> network_;
  std::vector<float> log_start_;  // (lanes)
};

}  // namespace ebb

#endif  // EBB_LEARNED_DECAY_HPP
