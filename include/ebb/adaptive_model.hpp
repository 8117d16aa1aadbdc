// SPDX-License-Identifier: MIT
#ifndef EBB_ADAPTIVE_MODEL_HPP
#define EBB_ADAPTIVE_MODEL_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/adaptive_weights.hpp"
#include "ebb/baselines.hpp"
#include "ebb/detail/lbfgs.hpp"
#include "ebb/detail/log_lanes.hpp"
#include "ebb/detail/slot_lanes.hpp"
#include "ebb/detail/tuning.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// Timescales weighted for each user by the returns seen so far (`adaptive_weights`), on the bank of the learned mixture.
///
///   score of i = ln Σ_k w_k x_k(i),   x_k(i) = S_k(i)^β / Σ_j S_k(j)^β
///
/// β and the weights that all users start from minimise the mean −ln p over the tuning queries. The weights go on moving
/// while the log is replayed: all the returns of one second are one round, learned when the second is over.
/// Memory: 8·K + 16 bytes a pair, 8·K + 16 bytes a user.
class adaptive_model : public repeat_model {
 public:
  explicit adaptive_model(adaptive_options options = {}) : options_(options) {}

  [[nodiscard]] std::string name() const override { return "adaptive"; }

  void fit(const replay_window& tuning) override {
    mixture_model mixture;
    mixture.fit(tuning);
    use(mixture.how().bank());
    std::vector<sample> samples;
    detail::visit_queries(tuning, lanes_, std::size_t{2'000'000}, [&](const Eigen::ArrayXXd& log2, Eigen::Index truth) {
      samples.push_back({(log2 * std::numbers::ln2).cast<float>(), truth});
    });
    if (samples.empty()) return;
    const auto count = static_cast<Eigen::Index>(prior_.size());
    const Eigen::VectorXd x = detail::minimise([&](const Eigen::VectorXd& at,
                                                   Eigen::VectorXd& gradient) { return loss(samples, at, gradient); },
                                               Eigen::VectorXd::Zero(count + 1), 60, 1e-6)
                                  .x;
    const Eigen::ArrayXd weights = softmax(x.head(count));
    // Every timescale keeps some weight, or a user who needs it could not learn it.
    for (Eigen::Index k = 0; k < count; ++k)
      prior_[static_cast<std::size_t>(k)] = 0.98 * weights[k] + 0.02 / static_cast<double>(count);
    beta_ = std::exp(x[count]);
  }

  void reset(std::size_t users, std::size_t) override {
    if (prior_.empty()) use(timescales::log_spaced(std::chrono::hours(1), std::chrono::years(1), 8));
    lanes_.reset(users);
    weights_.assign(users, adaptive_weights(prior_, options_));
    waiting_.assign(users, {});
  }

  void observe(const logged_event& event, std::size_t slot) override {
    second& now = waiting_[event.user];
    const time_point begin = std::chrono::floor<std::chrono::seconds>(event.time);
    if (begin != now.begin) finish(event.user);
    now.begin = begin;
    now.events.emplace_back(event, slot);
  }

  void score(const repeat_question& question, std::span<double> scores) override {
    finish(question.user);
    read_shares(question.user, question.now);
    const auto weights = weights_[question.user].weights();
    const Eigen::Map<const Eigen::VectorXd> w(weights.data(), std::ssize(weights));
    likelihoods_.noalias() = shares_.matrix().transpose() * w;
    // One by one: a packet's logarithm differs in the last bit, and equal chances must stay equal wherever they lie.
    for (Eigen::Index i = 0; i < likelihoods_.size(); ++i)
      scores[static_cast<std::size_t>(i)] = std::log(likelihoods_[i]);
  }

  [[nodiscard]] model_parameters params() const override {
    model_parameters out{{"beta", beta_}, {"rate", options_.rate}, {"share", options_.share}};
    for (std::size_t k = 0; k < prior_.size(); ++k) {
      out.emplace_back("half_life_seconds_" + std::to_string(k), half_lives_[k].count());
      out.emplace_back("prior_" + std::to_string(k), prior_[k]);
    }
    return out;
  }

  /// What a user's weights are after the events so far.
  [[nodiscard]] const adaptive_weights& of(user_id user) {
    finish(user);
    return weights_.at(user);
  }

 private:
  struct sample {
    Eigen::ArrayXXf lanes;  // (K, candidates), ln
    Eigen::Index truth;
  };
  struct second {
    time_point begin{};
    std::vector<std::pair<logged_event, std::size_t>> events;
  };

  void use(const timescales& bank) {
    half_lives_.clear();
    for (int k = 0; k < bank.size(); ++k) half_lives_.push_back(bank.half_life(k));
    prior_.assign(half_lives_.size(), 1.0 / static_cast<double>(half_lives_.size()));
    lanes_ = detail::slot_lanes(half_lives_);
  }

  void read_shares(user_id user, time_point now) {
    lanes_.log2_at(user, now, shares_);
    detail::to_shares(shares_, beta_ * std::numbers::ln2);
  }

  /// Learns from the user's last second and then takes in its events.
  void finish(user_id user) {
    second& over = waiting_[user];
    if (over.events.empty()) return;
    const std::size_t had = lanes_.last(user).size();
    std::vector<std::size_t> returns;
    for (const auto& [event, slot] : over.events)
      if (slot < had && std::find(returns.begin(), returns.end(), slot) == returns.end()) returns.push_back(slot);
    if (had >= 2 && !returns.empty()) {
      read_shares(user, over.begin);
      chances_.clear();
      for (const std::size_t slot : returns) {
        const auto column = shares_.col(static_cast<Eigen::Index>(slot));
        chances_.insert(chances_.end(), column.begin(), column.end());
      }
      weights_[user].learn(chances_, returns.size());
    }
    for (const auto& [event, slot] : over.events) lanes_.observe(event, slot);
    over.events.clear();
  }

  [[nodiscard]] static Eigen::ArrayXd softmax(const Eigen::VectorXd& x) {
    const Eigen::ArrayXd e = (x.array() - x.maxCoeff()).exp();
    return e / e.sum();
  }

  // x: (K + 1), logits of the prior and ln β.
  [[nodiscard]] static double loss(const std::vector<sample>& samples, const Eigen::VectorXd& x,
                                   Eigen::VectorXd& gradient) {
    const Eigen::Index lanes = x.size() - 1;
    const Eigen::ArrayXd w = softmax(x.head(lanes));
    const double beta = std::exp(x[lanes]);
    double total = 0;
    double by_beta = 0;
    Eigen::ArrayXd by_w = Eigen::ArrayXd::Zero(lanes);
    Eigen::ArrayXXd logs;
    Eigen::ArrayXXd shares;
    for (const sample& s : samples) {
      shares = logs = s.lanes.cast<double>();
      detail::to_shares(shares, beta);
      const Eigen::ArrayXd chance = shares.col(s.truth).max(1e-30);
      const double p = (w * chance).sum();
      total -= std::log(p);
      by_w -= chance / p;
      by_beta -= (w * chance / p * (logs.col(s.truth) - (shares * logs).rowwise().sum())).sum();
    }
    const double scale = 1.0 / static_cast<double>(samples.size());
    gradient.resize(x.size());
    gradient.head(lanes) = (scale * w * (by_w - (w * by_w).sum())).matrix();
    gradient[lanes] = scale * beta * by_beta;
    return scale * total;
  }

  adaptive_options options_;
  std::vector<duration> half_lives_;  // (K)
  std::vector<double> prior_;         // (K)
  double beta_ = 1;
  detail::slot_lanes lanes_;
  std::vector<adaptive_weights> weights_;  // user
  std::vector<second> waiting_;            // user → the events of the second that may not be over yet
  Eigen::ArrayXXd shares_;                 // (K, candidates)
  Eigen::VectorXd likelihoods_;            // (candidates)
  std::vector<double> chances_;
};

}  // namespace ebb

#endif  // EBB_ADAPTIVE_MODEL_HPP
