// SPDX-License-Identifier: MIT
#ifndef EBB_NEXT_INTEREST_HPP
#define EBB_NEXT_INTEREST_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/next_blend.hpp"
#include "ebb/next_signals.hpp"
#include "ebb/next_task.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

struct next_interest_options {
  next_signal_options signals = {};
  blend_options blend = {};
  std::size_t best = 40;     ///< candidates that each signal brings into a user's sample
  std::size_t others = 150;  ///< more of them, by chance
  std::size_t users = 1500;  ///< learned from, at most, chosen by chance
  std::uint64_t seed = 1;    ///< of all chance
};

/// Recommends what is new to a user by everything that decayed behaviour says about it, blended as it predicted best so far.
///
/// The blend is learned on the inner split: signals from the first 64 % of the log, targets from what users took up until 80 %. The signals
/// are then read again from everything before 80 %. Where the inner split has nobody to learn from, the walk over people alike decides,
/// and where that reaches nothing, popularity.
/// Scores are logits: exp(score) is proportional to the odds of being taken up, within one user.
class next_interest_model : public next_model {
 public:
  explicit next_interest_model(next_interest_options options = {}) : options_(std::move(options)) {
    detail::require(options_.users > 0, "next_interest_model", "users must be > 0", options_.users);
  }

  [[nodiscard]] std::string name() const override { return "next_interest"; }

  void fit(const next_history& history) override {
    blend_.reset();
    learn(history.inner());
    signals_.emplace(history, options_.signals);
    index_.clear();
    for (std::size_t k = 0; k < history.candidates.size(); ++k) index_.emplace(history.candidates[k], k);
  }

  /// Errors: std::invalid_argument before `fit`, and for an item that is not one of the history's candidates.
  void score(user_id user, std::span<const item_id> candidates, std::span<double> scores) override {
    detail::require(signals_.has_value(), "next_interest_model::score", "the model must be fitted first", "none");
    signals_->compute(user, values_, of_user_);
    blended_.resize(values_.rows());
    if (blend_)
      blend_->score(values_, of_user_, blended_);
    else
      blended_ = values_.col(column("walk: share")) + 0.01F * values_.col(column("users"));
    for (std::size_t k = 0; k < candidates.size(); ++k) {
      const auto found = index_.find(candidates[k]);
      detail::require(found != index_.end(), "next_interest_model::score", "an item must be one of the candidates",
                      candidates[k]);
      scores[k] = static_cast<double>(blended_[static_cast<Eigen::Index>(found->second)]);
    }
  }

  /// How many users it learned from, and the weight of every signal in the linear part.
  [[nodiscard]] model_parameters params() const override {
    model_parameters out{{"users", static_cast<double>(learned_from_)}};
    if (signals_ && blend_)
      for (std::size_t s = 0; s < signals_->names().size(); ++s)
        out.emplace_back(signals_->names()[s], static_cast<double>(blend_->weights()[static_cast<Eigen::Index>(s)]));
    return out;
  }

 private:
  [[nodiscard]] Eigen::Index column(const std::string& name) const {
    const std::vector<std::string>& names = signals_->names();
    return std::find(names.begin(), names.end(), name) - names.begin();
  }

  void learn(const next_task& task) {
    learned_from_ = 0;
    std::vector<std::size_t> asked(task.queries().size());
    std::iota(asked.begin(), asked.end(), std::size_t{0});
    random_engine(options_.seed).shuffle(asked.begin(), asked.end());
    asked.resize(std::min(asked.size(), options_.users));
    if (asked.empty()) return;
    const next_history history = task.history();
    next_signals signals(history, options_.signals);
    blend_samples samples(options_.best, options_.others, options_.seed);
    for (const std::size_t q : asked) {
      const next_query& query = task.queries()[q];
      signals.compute(query.user, values_, of_user_);
      std::vector<std::size_t> taken_up;
      for (std::size_t k = 0; k < history.candidates.size(); ++k)
        if (std::binary_search(query.taken_up.begin(), query.taken_up.end(), history.candidates[k]))
          taken_up.push_back(k);
      samples.add(values_, of_user_, signals.fresh(), taken_up);
    }
    learned_from_ = samples.groups().size();
    blend_options options = options_.blend;
    options.seed = options_.seed;
    if (learned_from_ > 0) blend_.emplace(samples, options);
  }

  next_interest_options options_;
  std::optional<next_signals> signals_;
  std::optional<next_blend> blend_;
  std::unordered_map<item_id, std::size_t> index_;
  std::size_t learned_from_ = 0;
  next_signals::matrix values_;
  next_signals::vector of_user_;
  next_signals::vector blended_;
};

}  // namespace ebb

#endif  // EBB_NEXT_INTEREST_HPP
