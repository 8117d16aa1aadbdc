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

/// What a `next_interest_model` has learned: all that has to be saved beside the log. The signals themselves, people alike and the item
/// regression included, are read from the log's events.
struct next_interest_state {
  next_signal_options how;                  ///< how the signals are read …
  std::vector<std::string> names;           ///< … and what they are, in the blend's order
  std::optional<next_blend_state> learned;  ///< nothing where there was nobody to learn from
  std::size_t learned_from = 0;             ///< users
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

  /// Takes up what was learned before: `fit` then reads the signals of the history and learns nothing anew.
  ///
  /// On the same history, with the same build, scores are those of the model that learned it.
  /// Errors: std::invalid_argument as `next_blend`, and when the blend does not have one weight a name.
  explicit next_interest_model(next_interest_state learned) : loaded_(std::move(learned)) {
    options_.signals = loaded_->how;
    learned_from_ = loaded_->learned_from;
    if (loaded_->learned) blend_.emplace(*loaded_->learned);
    detail::require(!blend_ || blend_->weights().size() == std::ssize(loaded_->names), "next_interest_model",
                    "there must be one name a signal of the blend", loaded_->names.size());
  }

  /// What `fit` has learned.   Errors: std::invalid_argument before `fit`.
  [[nodiscard]] next_interest_state learned() const {
    detail::require(signals_.has_value(), "next_interest_model::learned", "the model must be fitted first", "none");
    next_interest_state out{options_.signals, signals_->names(), std::nullopt, learned_from_};
    if (blend_) out.learned = blend_->state();
    return out;
  }

  [[nodiscard]] std::string name() const override { return "next_interest"; }

  /// Errors: std::invalid_argument as `next_signals`, and when it was made from what was learned of other signals.
  void fit(const next_history& history) override {
    if (!loaded_) {
      blend_.reset();
      learn(history.inner());
    }
    next_signals signals(history, options_.signals);
    detail::require(!loaded_ || signals.names() == loaded_->names, "next_interest_model::fit",
                    "the signals must be those that were learned from", "others");
    signals_ = std::move(signals);
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
  std::optional<next_interest_state> loaded_;
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
