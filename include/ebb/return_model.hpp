// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_MODEL_HPP
#define EBB_RETURN_MODEL_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ebb/interest_store.hpp"
#include "ebb/replay.hpp"
#include "ebb/return_features.hpp"
#include "ebb/return_network.hpp"
#include "ebb/return_samples.hpp"
#include "ebb/return_trainer.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Half-lives for a log: `lanes` of them, log-spaced from the 5 % quantile of its return gaps (at least a minute) to twice its span,
/// but at least eight times the first; at most 100 years.
///
/// gaps: times between a user's successive uses of one item; those of zero do not count. Complexity: O(gaps).
/// Errors: std::invalid_argument unless 2 <= lanes <= 32.
[[nodiscard]] inline timescales suggest_timescales(std::vector<duration> gaps, duration span, int lanes = 8) {
  std::erase_if(gaps, [](duration gap) { return !(gap.count() > 0); });
  duration first = std::chrono::minutes(1);
  if (!gaps.empty()) {
    const auto at = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 20);
    std::nth_element(gaps.begin(), at, gaps.end());
    first = std::max(first, *at);
  }
  constexpr duration longest = std::chrono::years(100);
  first = std::min(first, longest / 8);  // leaves room for the longest, however long the gaps
  return timescales::log_spaced(first, std::clamp(2 * span, 8 * first, longest), lanes);
}

struct return_model_options {
  std::string name = "listwise";
  int lanes = 8;
  return_feature_set features = {};
  return_samples_options samples = {};
  return_trainer_options training = {};
};

/// The learned ranking in the repeat task: fitted test-then-learn on the tuning queries, then served from the store.
class return_model : public repeat_model {
 public:
  explicit return_model(return_model_options options = {}) : options_(std::move(options)) {}

  /// A model that has been learned already: `fit` leaves it as it is.
  return_model(return_network learned, return_model_options options)
      : options_(std::move(options)), network_(std::move(learned)), given_(true) {}

  [[nodiscard]] std::string name() const override { return options_.name; }

  void fit(const replay_window& tuning) override {
    if (given_) return;
    network_ = return_network{.lanes = timescales_of(tuning)};
    network_->features = options_.features;
    make_store();
    return_features<store_type> features(*store_, options_.features);
    return_samples samples(options_.samples);
    std::map<user_id, std::vector<std::uint32_t>> asked;  // of the second at hand
    time_point second;
    const auto learn = [&] {
      for (const auto& [user, returned] : asked) {
        features.compute(*store_, *store_->find(user), second);
        samples.add(features.values(), features.log_lanes(), returned);
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
    network_ = train_return_network(std::move(samples), network_->lanes, options_.features,
                                    features.candidate_features(), options_.training);
  }

  void reset(std::size_t /*users*/, std::size_t /*items*/) override { make_store(); }

  void observe(const logged_event& event, std::size_t /*slot*/) override {
    scored_ = std::nullopt;
    store_->observe(event.user, event.item, event.time);
  }

  void score(const repeat_question& question, std::span<double> scores) override {
    const std::pair asked(question.user, question.now);
    if (scored_ != asked) {  // the items of one basket are asked about one by one
      if (!scorer_) scorer_.emplace(*store_, *network_);
      last_ = &scorer_->score(*store_->find(question.user), question.now);
      scored_ = asked;
    }
    std::copy(last_->begin(), last_->end(), scores.begin());
  }

  [[nodiscard]] model_parameters params() const override {
    if (!network_) return {};
    return {{"lanes", static_cast<double>(network_->lanes.size())},
            {"shortest_half_life_days", network_->lanes.half_life(0).count() / 86400},
            {"longest_half_life_days", network_->lanes.half_life(network_->lanes.size() - 1).count() / 86400},
            {"sharpness", network_->sharpness},
            {"blend", network_->blend},
            {"features", static_cast<double>(network_->mean.size())},
            {"members", static_cast<double>(network_->members.size())}};
  }

  /// What was learned; nothing before `fit`.
  [[nodiscard]] const std::optional<return_network>& network() const noexcept { return network_; }

 private:
  using store_type = interest_store<user_id, item_id>;

  void make_store() {
    scorer_.reset();
    scored_ = std::nullopt;
    store_ =
        std::make_unique<store_type>(network_ ? network_->served_from() : return_store_options(store_options{}.lanes));
  }

  [[nodiscard]] timescales timescales_of(const replay_window& tuning) const {
    std::vector<duration> gaps;
    std::vector<std::vector<time_point>> last(tuning.users());
    const auto events = tuning.events();
    tuning.stream([](const repeat_query&, const repeat_question&) {},
                  [&](const logged_event& event, std::size_t slot) {
                    auto& mine = last[event.user];
                    if (slot < mine.size()) {
                      gaps.push_back(event.time - mine[slot]);
                      mine[slot] = event.time;
                    } else {
                      mine.push_back(event.time);
                    }
                  });
    const duration span = events.empty() ? duration(0) : duration(events.back().time - events.front().time);
    return suggest_timescales(std::move(gaps), span, options_.lanes);
  }

  return_model_options options_;
  std::optional<return_network> network_;
  bool given_ = false;
  std::unique_ptr<store_type> store_;
  std::optional<return_scorer<store_type>> scorer_;
  std::optional<std::pair<user_id, time_point>> scored_;
  const Eigen::VectorXd* last_ = nullptr;
};

/// The `mlp` of the repeat task: lanes, gaps, ranks and heat through one small network.
[[nodiscard]] inline return_model_options mlp_return_options(std::uint64_t seed, int threads = 1) {
  return_model_options options{.name = "mlp", .features = {.rhythms = false, .sequence = false, .user = false}};
  options.training.members = 1;
  options.training.seed = options.samples.seed = seed;
  options.training.threads = threads;
  return options;
}

/// The `rhythm` of the repeat task: a log-linear score of lanes, gaps and day and week rhythms.
[[nodiscard]] inline return_model_options rhythm_return_options(std::uint64_t seed, int threads = 1) {
  return_model_options options{.name = "rhythm", .features = {.heat = false, .sequence = false, .user = false}};
  options.training.hidden = {};
  options.training.members = 1;
  options.training.seed = options.samples.seed = seed;
  options.training.threads = threads;
  return options;
}

/// The `listwise` of the repeat task, the default recommendation: every feature, three networks averaged.
[[nodiscard]] inline return_model_options listwise_return_options(std::uint64_t seed, int threads = 1) {
  return_model_options options;
  options.training.seed = options.samples.seed = seed;
  options.training.threads = threads;
  return options;
}

}  // namespace ebb

#endif  // EBB_RETURN_MODEL_HPP
