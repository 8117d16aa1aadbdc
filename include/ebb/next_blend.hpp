// SPDX-License-Identifier: MIT
#ifndef EBB_NEXT_BLEND_HPP
#define EBB_NEXT_BLEND_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/activation.hpp"
#include "ebb/detail/lbfgs.hpp"
#include "ebb/detail/shape.hpp"
#include "ebb/loss.hpp"
#include "ebb/mlp.hpp"
#include "ebb/optimizer.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// Candidates of many users with what they took up, to learn a blend of signals from.
///
/// All candidates that any of the signals ranks among its `best`, all taken up, and `others` of the rest by chance, which stand for
/// all of the rest (ln(rest / others) is added to their logits).
class blend_samples {
 public:
  using matrix = Eigen::MatrixXf;

  struct group {
    matrix signals;                 ///< (signals, kept): a column is a candidate
    Eigen::VectorXf of_user;        ///< (of_user)
    std::vector<float> target;      ///< (kept): adds to 1 over what was taken up
    std::vector<float> correction;  ///< (kept)
  };

  /// Errors: std::invalid_argument unless best >= 1.
  explicit blend_samples(std::size_t best, std::size_t others, std::uint64_t seed)
      : best_(best), others_(others), random_(seed) {
    detail::require(best >= 1, "blend_samples", "best must be >= 1", best);
  }

  /// Adds one user's candidates; nothing where none or all of the eligible ones were taken up.
  ///
  /// signals: (candidates, signals), finite; eligible: which candidates count, one each; taken_up: positions of candidates.
  /// Errors: std::invalid_argument when the shapes do not fit or differ from those before.
  void add(const Eigen::Ref<const matrix>& signals, const Eigen::Ref<const Eigen::VectorXf>& of_user,
           const std::vector<bool>& eligible, std::span<const std::size_t> taken_up) {
    constexpr const char* where = "blend_samples::add";
    const auto count = static_cast<std::size_t>(signals.rows());
    detail::require(eligible.size() == count, where, "eligible must have one entry a candidate", eligible.size());
    detail::require(groups_.empty() || signals.cols() == groups_.front().signals.rows(), where,
                    "all users must have the same signals", signals.cols());
    detail::require(groups_.empty() || of_user.size() == groups_.front().of_user.size(), where,
                    "all users must be described alike", of_user.size());
    enum : char { out, rest, kept, wanted };
    std::vector<char> state(count, out);
    std::vector<std::size_t> open;
    for (std::size_t k = 0; k < count; ++k)
      if (eligible[k]) {
        state[k] = rest;
        open.push_back(k);
      }
    const std::size_t best = std::min(best_, open.size());
    for (Eigen::Index s = 0; s < signals.cols() && best > 0; ++s) {
      const auto stronger = [&](std::size_t a, std::size_t b) {
        const float x = signals(static_cast<Eigen::Index>(a), s);
        const float y = signals(static_cast<Eigen::Index>(b), s);
        return x != y ? x > y : a < b;
      };
      std::nth_element(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(best - 1), open.end(), stronger);
      for (std::size_t j = 0; j < best; ++j) state[open[j]] = kept;
    }
    std::size_t positives = 0;
    for (const std::size_t k : taken_up) {
      detail::require(k < count, where, "what was taken up must be a candidate", k);
      if (state[k] == out || state[k] == wanted) continue;
      state[k] = wanted;
      ++positives;
    }
    if (positives == 0 || positives == open.size()) return;
    std::vector<std::size_t> left;
    for (std::size_t k = 0; k < count; ++k)
      if (state[k] == rest) left.push_back(k);
    random_.shuffle(left.begin(), left.end());
    const std::size_t drawn = std::min(others_, left.size());
    const float correction =
        drawn == 0 ? 0.0F : static_cast<float>(std::log(static_cast<double>(left.size()) / static_cast<double>(drawn)));
    left.resize(drawn);
    std::vector<std::pair<std::size_t, float>> chosen;
    for (const std::size_t k : left) chosen.emplace_back(k, correction);
    for (std::size_t k = 0; k < count; ++k)
      if (state[k] >= kept) chosen.emplace_back(k, 0.0F);

    group added;
    added.signals.resize(signals.cols(), std::ssize(chosen));
    added.of_user = of_user;
    for (std::size_t j = 0; j < chosen.size(); ++j) {
      const auto k = chosen[j].first;
      added.signals.col(static_cast<Eigen::Index>(j)) = signals.row(static_cast<Eigen::Index>(k)).transpose();
      added.target.push_back(state[k] == wanted ? 1 / static_cast<float>(positives) : 0.0F);
      added.correction.push_back(chosen[j].second);
    }
    groups_.push_back(std::move(added));
  }

  [[nodiscard]] std::span<const group> groups() const noexcept { return groups_; }

 private:
  std::size_t best_;
  std::size_t others_;
  random_engine random_;
  std::vector<group> groups_;
};

struct blend_options {
  double ridge = 0.1;                       ///< pull of the linear weights towards 0
  std::vector<Eigen::Index> hidden = {24};  ///< units of the network's hidden layers; none learns a log-linear blend
  int members = 2;                          ///< networks averaged
  int epochs = 6;
  std::size_t batch = 16;  ///< users a step
  double dropout = 0.2;
  double learning_rate = 2e-3;  ///< of AdamW
  double weight_decay = 1e-3;   ///< of AdamW
  double average = 0.99;        ///< share of the running mean of the weights kept a step
  std::uint64_t seed = 1;
};

/// What a `next_blend` has learned: all that has to be saved.
struct next_blend_state {
  Eigen::VectorXf scale;                  ///< (signals), > 0: root mean squares in training
  Eigen::VectorXf user_mean;              ///< (of_user)
  Eigen::VectorXf user_scale;             ///< (of_user), > 0
  Eigen::VectorXf linear;                 ///< w, (signals)
  std::vector<mlp<float>> networks = {};  ///< the members: (signals + of_user) → 1; may be none
};

/// A learned blend of signals: what a candidate's odds of being taken up are.
///
///   score_k = w · z_k + mean over members of mlp(z_k, user),   P(k is taken up) = softmax over the user's candidates
///
/// z: signals over their root mean square in training, clipped to ±6. w minimises the listwise loss + ridge/2 ‖w‖² first (convex, so there is one
/// answer); the networks, which also read the user's description, then learn what is left, starting from zero.
/// The same samples, options and build give the same blend.
///
/// Errors: std::invalid_argument when there are no samples, for options outside their range, and for a state whose shapes do not fit, whose
///         numbers are not finite, or a scale in it not > 0.
class next_blend {
 public:
  using matrix = Eigen::MatrixXf;
  using vector = Eigen::VectorXf;

  static constexpr float clip = 6.0F;

  explicit next_blend(const blend_samples& samples, const blend_options& options = {}) : options_(options) {
    constexpr const char* where = "next_blend";
    detail::require(!samples.groups().empty(), where, "there must be samples", samples.groups().size());
    detail::require(options.ridge > 0 && std::isfinite(options.ridge), where, "ridge must be finite and > 0",
                    options.ridge);
    detail::require(options.members >= 0, where, "members must be >= 0", options.members);
    detail::require(options.epochs >= 0, where, "epochs must be >= 0", options.epochs);
    detail::require(options.batch >= 1, where, "batch must be >= 1", options.batch);
    measure_scales(samples);
    std::vector<matrix> inputs;
    for (const blend_samples::group& g : samples.groups()) inputs.push_back(standardised(g.signals, g.of_user));
    fit_linear(samples, inputs);
    if (options_.hidden.empty()) return;
    for (int m = 0; m < options_.members; ++m)
      fit_member(samples, inputs, options_.seed + static_cast<std::uint64_t>(m));
  }

  explicit next_blend(next_blend_state state) : state_(std::move(state)) {
    constexpr const char* where = "next_blend";
    const Eigen::Index n = state_.scale.size();
    detail::require(n > 0 && state_.linear.size() == n, where, "there must be signals, with one weight and scale each",
                    state_.linear.size());
    detail::require(state_.user_mean.size() == state_.user_scale.size(), where,
                    "user_mean and user_scale must have one size", state_.user_scale.size());
    detail::require(state_.scale.allFinite() && state_.linear.allFinite() && state_.user_mean.allFinite() &&
                        state_.user_scale.allFinite(),
                    where, "the state must be finite", "NaN or infinity");
    detail::require((state_.scale.array() > 0).all() && (state_.user_scale.array() > 0).all(), where,
                    "a scale must be > 0", "0 or less");
    for (const mlp<float>& network : state_.networks) {
      detail::require(network.inputs() == n + state_.user_mean.size() && network.outputs() == 1, where,
                      "a network must read the signals and the user, and give one number", network.inputs());
      detail::require(network.parameters().allFinite(), where, "a network's parameters must be finite",
                      "NaN or infinity");
    }
  }

  [[nodiscard]] const next_blend_state& state() const noexcept { return state_; }

  /// w: one weight a standardised signal.
  [[nodiscard]] const vector& weights() const noexcept { return state_.linear; }

  /// score: (candidates), for signals (candidates, signals) and the user's description.
  void score(const Eigen::Ref<const matrix>& signals, const Eigen::Ref<const vector>& of_user,
             Eigen::Ref<vector> score) {
    detail::require(signals.cols() == state_.linear.size() && of_user.size() == state_.user_mean.size(),
                    "next_blend::score", "the signals must be those it was trained on", detail::shape(signals));
    detail::require(score.size() == signals.rows(), "next_blend::score", "score must have one entry a candidate",
                    score.size());
    const matrix x = standardised(signals.transpose(), of_user);
    score.noalias() = x.topRows(state_.linear.size()).transpose() * state_.linear;
    matrix out(1, x.cols());
    for (const mlp<float>& network : state_.networks) {
      network.predict(x, out, memory_);
      score += out.row(0).transpose() / static_cast<float>(state_.networks.size());
    }
  }

 private:
  void measure_scales(const blend_samples& samples) {
    const Eigen::Index signals = samples.groups().front().signals.rows();
    const Eigen::Index of_user = samples.groups().front().of_user.size();
    Eigen::VectorXd squares = Eigen::VectorXd::Zero(signals);
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(of_user);
    Eigen::VectorXd user_squares = Eigen::VectorXd::Zero(of_user);
    double kept = 0;
    for (const blend_samples::group& g : samples.groups()) {
      squares += g.signals.rowwise().squaredNorm().cast<double>();
      kept += static_cast<double>(g.signals.cols());
      sum += g.of_user.cast<double>();
      user_squares += g.of_user.cast<double>().cwiseAbs2();
    }
    const auto users = static_cast<double>(samples.groups().size());
    state_.scale = (squares / kept).cwiseSqrt().cwiseMax(1e-6).cast<float>();
    state_.user_mean = (sum / users).cast<float>();
    state_.user_scale = (user_squares / users - (sum / users).cwiseAbs2()).cwiseMax(1e-8).cwiseSqrt().cast<float>();
  }

  /// (signals, kept) and the user → (signals + user, kept)
  [[nodiscard]] matrix standardised(const Eigen::Ref<const matrix>& signals,
                                    const Eigen::Ref<const vector>& of_user) const {
    matrix x(signals.rows() + of_user.size(), signals.cols());
    x.topRows(signals.rows()) = (signals.array().colwise() / state_.scale.array()).max(-clip).min(clip);
    const vector user = ((of_user - state_.user_mean).array() / state_.user_scale.array()).max(-clip / 2).min(clip / 2);
    x.bottomRows(of_user.size()).colwise() = user;
    return x;
  }

  void fit_linear(const blend_samples& samples, const std::vector<matrix>& inputs) {
    const Eigen::Index n = state_.scale.size();
    const auto users = static_cast<double>(inputs.size());
    matrix logit;
    matrix slope;
    const auto loss = [&](const Eigen::VectorXd& w, Eigen::VectorXd& gradient) {
      const vector weights = w.cast<float>();
      gradient.setZero();
      double sum = 0;
      for (std::size_t g = 0; g < inputs.size(); ++g) {
        const blend_samples::group& from = samples.groups()[g];
        logit.noalias() = weights.transpose() * inputs[g].topRows(n);
        slope.resize(1, logit.cols());
        const Eigen::Index ends[] = {0, logit.cols()};
        sum += listwise_loss(logit, ends, std::span<const float>(from.target), slope,
                             std::span<const float>(from.correction));
        gradient += (inputs[g].topRows(n) * slope.transpose()).cast<double>();
      }
      gradient = gradient / users + options_.ridge * w;
      return sum / users + options_.ridge / 2 * w.squaredNorm();
    };
    state_.linear = detail::minimise(loss, Eigen::VectorXd::Zero(n), 60, 1e-6).x.cast<float>();
  }

  void fit_member(const blend_samples& samples, const std::vector<matrix>& inputs, std::uint64_t seed) {
    const Eigen::Index n = state_.scale.size();
    mlp<float> network(inputs.front().rows(), {.hidden = options_.hidden,
                                               .hidden_activation = activation::gelu,
                                               .dropout = options_.dropout,
                                               .zero_output = true,
                                               .seed = seed});
    adam<float> optimiser({.learning_rate = options_.learning_rate, .weight_decay = options_.weight_decay});
    weight_average<float> average(options_.average);
    random_engine order = random_engine(seed).split(1);
    random_engine dropout = random_engine(seed).split(2);
    std::vector<std::size_t> index(inputs.size());
    std::iota(index.begin(), index.end(), std::size_t{0});
    vector gradient(network.parameter_count());
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      order.shuffle(index.begin(), index.end());
      for (std::size_t first = 0; first < index.size(); first += options_.batch) {
        const std::size_t last = std::min(index.size(), first + options_.batch);
        std::vector<Eigen::Index> ends{0};
        std::vector<float> target;
        std::vector<float> correction;
        for (std::size_t i = first; i < last; ++i) {
          const blend_samples::group& from = samples.groups()[index[i]];
          ends.push_back(ends.back() + inputs[index[i]].cols());
          target.insert(target.end(), from.target.begin(), from.target.end());
          correction.insert(correction.end(), from.correction.begin(), from.correction.end());
        }
        matrix x(network.inputs(), ends.back());
        for (std::size_t i = first; i < last; ++i)
          x.middleCols(ends[i - first], inputs[index[i]].cols()) = inputs[index[i]];
        matrix logit = network.forward(x, memory_, &dropout);
        logit.noalias() += state_.linear.transpose() * x.topRows(n);
        matrix slope(1, x.cols());
        listwise_loss(logit, ends, std::span<const float>(target), slope, std::span<const float>(correction));
        network.backward(x, slope, memory_, gradient);
        optimiser.step(network.parameters(), gradient);
        average.update(network.parameters());
      }
    }
    if (average.mean().size() > 0) network.parameters() = average.mean();
    state_.networks.push_back(std::move(network));
  }

  blend_options options_;
  next_blend_state state_;
  mlp_workspace<float> memory_;
};

}  // namespace ebb

#endif  // EBB_NEXT_BLEND_HPP
