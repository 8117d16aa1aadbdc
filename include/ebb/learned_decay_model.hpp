// SPDX-License-Identifier: MIT
#ifndef EBB_LEARNED_DECAY_MODEL_HPP
#define EBB_LEARNED_DECAY_MODEL_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/baselines.hpp"
#include "ebb/decay_features.hpp"
#include "ebb/decay_trainer.hpp"
#include "ebb/detail/log_lanes.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/learned_decay.hpp"
#include "ebb/replay.hpp"
#include "ebb/return_samples.hpp"

namespace ebb {

/// A decay for every pair, chosen by a network from how the user and the item have behaved (`decay_features`).
///
///   score of i = ln Σ_k π_k(features of i) S_k(i)
///
/// The bank, and what the network starts from, are those of the learned mixture; it learns from the tuning queries.
/// Memory: that of an interest_store of eight lanes with heat and first uses.
class learned_decay_model : public repeat_model {
 public:
  explicit learned_decay_model(std::uint64_t seed = 1, decay_training_options options = {})
      : options_(std::move(options)) {
    options_.seed = seed;
  }

  [[nodiscard]] std::string name() const override { return "learned_decay"; }

  void fit(const replay_window& tuning) override {
    mixture_model mixture;
    mixture.fit(tuning);
    // Every lane keeps some weight, or no pair could be given it.
    const timescales& bank = mixture.how().bank();
    std::vector<double> weights;
    for (const double w : mixture.how().weights()) weights.push_back(0.98 * w + 0.02 / bank.size());
    const reading start(bank, std::move(weights));
    double sharpness = 1;
    for (const auto& [key, value] : mixture.params())
      if (key == "beta") sharpness = std::get<double>(value);
    trained_.reset();
    decay_.emplace(untrained(start, sharpness));
    reset(0, 0);
    return_samples samples({.negatives = 32, .moments = 20'000, .seed = options_.seed});
    collect(tuning, samples);
    if (samples.moments().empty()) return;
    trained_.emplace(train_learned_decay(std::move(samples), start, sharpness, options_));
    decay_.emplace(trained_->decay);
  }

  void reset(std::size_t, std::size_t) override {
    if (!decay_) decay_.emplace(untrained(reading::inverse_half_life(store_options{}.lanes), 1));
    store_ = std::make_unique<store>(store_options{.lanes = decay_->bank(), .first_use = true});
  }

  void observe(const logged_event& event, std::size_t) override { store_->observe(event.user, event.item, event.time); }

  void score(const repeat_question& question, std::span<double> scores) override {
    const auto& user = *store_->find(question.user);
    detail::log_lanes(*store_, user, question.now, lanes_);
    const Eigen::MatrixXf features = decay_features(*store_, user).transpose();
    pi_.resize(lanes_.rows(), lanes_.cols());
    decay_->weights(features, pi_);
    for (Eigen::Index c = 0; c < lanes_.cols(); ++c) {
      const double most = lanes_.col(c).maxCoeff();
      const double rest = ((lanes_.col(c) - most).exp() * pi_.col(c).array().cast<double>()).sum();
      scores[static_cast<std::size_t>(c)] = most + std::log(std::max(rest, 1e-300));
    }
  }

  [[nodiscard]] model_parameters params() const override {
    if (!trained_) return {};
    return {{"sharpness", decay_->state().sharpness},
            {"epochs", static_cast<double>(trained_->epochs)},
            {"start_loss", trained_->start_loss},
            {"loss", trained_->loss}};
  }

  /// What was learned; nothing before `fit`.
  [[nodiscard]] const std::optional<learned_decay>& decay() const noexcept { return decay_; }

 private:
  using store = interest_store<user_id, item_id>;

  [[nodiscard]] static learned_decay untrained(const reading& start, double sharpness) {
    const Eigen::VectorXd none = Eigen::VectorXd::Zero(decay_feature_count);
    return learned_decay({start, sharpness, {none, none, none}});
  }

  /// One moment for each user and second that is asked about.
  void collect(const replay_window& tuning, return_samples& samples) {
    std::map<user_id, std::vector<std::uint32_t>> asked;
    time_point second;
    const auto learn = [&] {
      for (const auto& [user, returned] : asked) {
        const auto& state = *store_->find(user);
        detail::log_lanes(*store_, state, second, lanes_);
        samples.add(decay_features(*store_, state), lanes_.matrix().transpose(), returned);
      }
      asked.clear();
    };
    tuning.stream(
        [&](const repeat_query& query, const repeat_question&) {
          second = query.now;
          asked[query.user].push_back(query.truth);
        },
        [&](const logged_event& event, std::size_t slot) {
          learn();
          observe(event, slot);
        });
    learn();
  }

  decay_training_options options_;
  std::optional<learned_decay> decay_;
  std::optional<trained_decay> trained_;
  std::unique_ptr<store> store_;
  Eigen::ArrayXXd lanes_;  // (K, candidates), ln
  Eigen::MatrixXf pi_;     // (K, candidates)
};

}  // namespace ebb

#endif  // EBB_LEARNED_DECAY_MODEL_HPP
