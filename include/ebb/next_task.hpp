// SPDX-License-Identifier: MIT
#ifndef EBB_NEXT_TASK_HPP
#define EBB_NEXT_TASK_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ebb/event_log.hpp"
#include "ebb/metrics.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"

namespace ebb {

struct next_options {
  double train_share = 0.8;       ///< of the events, from the beginning
  std::size_t candidates = 6000;  ///< so many of the most frequent items can be recommended
  std::size_t least_events = 5;   ///< a user with fewer training events is not asked about
  std::size_t places = 10;        ///< length of a recommendation
};

class next_task;

/// What a model of new items may learn from: the events before the split, and nothing else.
///
/// It is a view: log and catalogue must outlive it.
struct next_history {
  std::span<const logged_event> events;  ///< in time order
  std::size_t users = 0;                 ///< numbers are below this; some may have no event here
  std::size_t items = 0;
  time_point now{};                           ///< the moment of recommending: the newest training event's
  std::span<const item_id> candidates;        ///< the items that can be recommended, most frequent first
  const item_catalogue* catalogue = nullptr;  ///< titles and tags, where the host has them
  next_options options;

  /// The same task one level down, for choosing parameters: trains on the first 64 % of the log, validates on what is left of 80 %.
  [[nodiscard]] next_task inner() const;
};

/// A user to recommend to, with what the log says the user took up later.
struct next_query {
  user_id user;
  std::vector<item_id> taken_up;  ///< sorted; new to the user, known from the training events
};

/// A log laid out for the next-new task: what new thing will this user take up?
///
/// Everything is trained on the first `train_share` of the log. A user is asked about who has at least `least_events` training events and a
/// later event on an item that is new to the user and occurs in training; ten items the user has not had are recommended, once, from
/// the most frequent ones. What is left of the second in which training ends is not asked about.
/// Complexity: O(n log n).
class next_task {
 public:
  /// Errors: std::invalid_argument unless the log is sorted and 0 < train_share <= 1.
  explicit next_task(const event_log& log, const item_catalogue* catalogue = nullptr, const next_options& options = {})
      : next_task(sorted_events(log), log.users().size(), log.items().size(), catalogue, options) {}

  next_task(std::span<const logged_event> events, std::size_t users, std::size_t items, const item_catalogue* catalogue,
            const next_options& options)
      : options_(options), users_(users), items_(items), catalogue_(catalogue) {
    detail::require(options.train_share > 0 && options.train_share <= 1, "next_task", "train_share must be in (0, 1]",
                    options.train_share);
    const auto end = static_cast<std::size_t>(options.train_share * static_cast<double>(events.size()) + 1e-9);
    training_ = events.first(end);
    find_candidates();
    find_queries(events);
  }

  [[nodiscard]] next_history history() const {
    return {training_,   users_,     items_,  training_.empty() ? time_point{} : training_.back().time,
            candidates_, catalogue_, options_};
  }

  [[nodiscard]] std::span<const next_query> queries() const noexcept { return queries_; }

  /// The items the user has had in training, sorted.
  [[nodiscard]] std::span<const item_id> had(user_id user) const { return had_.at(user); }

  /// Of the users' new items after the split, the share that does not occur in training, so that nobody could recommend it.
  [[nodiscard]] double cold_share() const noexcept { return cold_share_; }

 private:
  [[nodiscard]] static std::span<const logged_event> sorted_events(const event_log& log) {
    detail::require(log.sorted(), "next_task", "the log must be sorted by time", "an unsorted one");
    return log.events();
  }

  void find_candidates() {
    std::vector<std::size_t> count(items_, 0);
    for (const logged_event& event : training_) ++count[event.item];
    for (item_id item = 0; item < items_; ++item)
      if (count[item] > 0) candidates_.push_back(item);
    known_.assign(items_, false);
    for (const item_id item : candidates_) known_[item] = true;
    std::stable_sort(candidates_.begin(), candidates_.end(), [&](item_id a, item_id b) { return count[a] > count[b]; });
    candidates_.resize(std::min(candidates_.size(), options_.candidates));
  }

  void find_queries(std::span<const logged_event> events) {
    const auto sort_unique = [](std::vector<item_id>& ids) {
      std::sort(ids.begin(), ids.end());
      ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    };
    std::vector<std::size_t> trained(users_, 0);
    had_.resize(users_);
    for (const logged_event& event : training_) {
      ++trained[event.user];
      had_[event.user].push_back(event.item);
    }
    for (std::vector<item_id>& items : had_) sort_unique(items);

    std::vector<std::vector<item_id>> later(users_);
    for (const logged_event& event : events.subspan(training_.size())) {
      const bool same_second =
          !training_.empty() && std::chrono::floor<std::chrono::seconds>(event.time) ==
                                    std::chrono::floor<std::chrono::seconds>(training_.back().time);
      if (trained[event.user] < options_.least_events || same_second) continue;
      if (!std::binary_search(had_[event.user].begin(), had_[event.user].end(), event.item))
        later[event.user].push_back(event.item);
    }
    std::size_t fresh = 0;
    std::size_t cold = 0;
    for (user_id user = 0; user < users_; ++user) {
      sort_unique(later[user]);
      fresh += later[user].size();
      cold += std::erase_if(later[user], [&](item_id item) { return !known_[item]; });
      if (!later[user].empty()) queries_.push_back({user, std::move(later[user])});
    }
    cold_share_ = fresh == 0 ? 0.0 : static_cast<double>(cold) / static_cast<double>(fresh);
  }

  next_options options_;
  std::size_t users_;
  std::size_t items_;
  const item_catalogue* catalogue_;
  std::span<const logged_event> training_;
  std::vector<item_id> candidates_;
  std::vector<bool> known_;  // item occurs in training
  std::vector<std::vector<item_id>> had_;
  std::vector<next_query> queries_;
  double cold_share_ = 0;
};

inline next_task next_history::inner() const { return {events, users, items, catalogue, options}; }

/// A model of what is new: fitted once, then asked user by user at the end of the training events.
class next_model {
 public:
  next_model() = default;
  next_model(const next_model&) = delete;
  next_model& operator=(const next_model&) = delete;
  virtual ~next_model() = default;

  [[nodiscard]] virtual std::string name() const = 0;

  /// Learns from the history alone; parameters are chosen on `history.inner()`.
  virtual void fit(const next_history& history) = 0;

  /// Writes one score a candidate, higher is likelier, for `user` at the end of the history; the user's own items may get any score.
  virtual void score(user_id user, std::span<const item_id> candidates, std::span<double> scores) = 0;

  [[nodiscard]] virtual model_parameters params() const { return {}; }
};

/// Means over the users asked about, and the share of the candidates that anybody was recommended; all in [0, 1].
struct next_metrics {
  double ndcg10 = 0;
  double recall10 = 0;
  double coverage = 0;
};

/// How one way of scoring did: its metrics, NDCG@10 a user, and the time the scoring took.
struct next_measurement {
  next_metrics metrics;
  std::vector<double> ndcg;
  duration scoring{0};
};

/// The best `places` of the candidates that are not in `had` (sorted), best first; ties go to the earlier candidate.
///
/// Errors: std::domain_error when a score is not a number.
[[nodiscard]] inline std::vector<item_id> best_new_items(std::span<const item_id> candidates,
                                                         std::span<const double> scores, std::span<const item_id> had,
                                                         std::size_t places) {
  std::vector<std::size_t> order;
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    if (std::isnan(scores[k])) throw std::domain_error("ebb::best_new_items: a score must be a number, got nan");
    if (!std::binary_search(had.begin(), had.end(), candidates[k])) order.push_back(k);
  }
  const std::size_t kept = std::min(places, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
      [&](std::size_t a, std::size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  std::vector<item_id> best;
  for (std::size_t k = 0; k < kept; ++k) best.push_back(candidates[order[k]]);
  return best;
}

/// Recommends to the users of the task by `score(user, candidates, scores)` and measures against what they took up.
///
/// When there are more than `most_users` of them it is every second user, every third … evenly, until there are not.
template <class Score>
[[nodiscard]] next_measurement measure(const next_task& task, Score score,
                                       std::size_t most_users = std::numeric_limits<std::size_t>::max()) {
  const next_history history = task.history();
  const std::size_t stride = task.queries().empty() ? 1 : (task.queries().size() - 1) / most_users + 1;
  next_measurement out;
  std::vector<double> scores(history.candidates.size());
  std::vector<bool> shown(history.items, false);
  std::size_t distinct = 0;
  for (std::size_t q = 0; q < task.queries().size(); q += stride) {
    const next_query& query = task.queries()[q];
    const auto start = std::chrono::steady_clock::now();
    score(query.user, history.candidates, std::span(scores));
    out.scoring += std::chrono::steady_clock::now() - start;
    std::vector<bool> hits;
    for (const item_id item :
         best_new_items(history.candidates, scores, task.had(query.user), history.options.places)) {
      hits.push_back(std::binary_search(query.taken_up.begin(), query.taken_up.end(), item));
      distinct += !shown[item];
      shown[item] = true;
    }
    out.ndcg.push_back(ndcg_of_hits(hits, query.taken_up.size(), history.options.places));
    out.metrics.recall10 += recall_of_hits(hits, query.taken_up.size(), history.options.places);
  }
  if (out.ndcg.empty()) return out;
  const auto users = static_cast<double>(out.ndcg.size());
  out.metrics.ndcg10 = std::accumulate(out.ndcg.begin(), out.ndcg.end(), 0.0) / users;
  out.metrics.recall10 /= users;
  out.metrics.coverage = static_cast<double>(distinct) / static_cast<double>(history.candidates.size());
  return out;
}

/// How a model did in the next-new task.
struct next_result {
  std::string name;
  model_parameters params;
  next_metrics metrics;
  std::vector<double> ndcg;  ///< one a user asked about
  duration training{0};
  duration per_query{0};  ///< mean time to score one user's candidates
};

/// Fits `model` on the training events and measures what it recommends.
[[nodiscard]] inline next_result evaluate(next_model& model, const next_task& task) {
  next_result result;
  const auto start = std::chrono::steady_clock::now();
  model.fit(task.history());
  result.training = std::chrono::steady_clock::now() - start;
  next_measurement measured = measure(task, [&](user_id user, std::span<const item_id> candidates,
                                                std::span<double> scores) { model.score(user, candidates, scores); });
  result.name = model.name();
  result.params = model.params();
  result.metrics = measured.metrics;
  result.ndcg = std::move(measured.ndcg);
  if (!result.ndcg.empty()) result.per_query = measured.scoring / static_cast<double>(result.ndcg.size());
  return result;
}

/// The NDCG@10 of `result` minus that of `base` over the same users, with its interval (see paired_bootstrap).
[[nodiscard]] inline difference compare(const next_result& result, const next_result& base, std::uint64_t seed) {
  std::vector<std::uint32_t> users(result.ndcg.size());
  std::iota(users.begin(), users.end(), std::uint32_t{0});
  return paired_bootstrap(result.ndcg, base.ndcg, users, seed);
}

}  // namespace ebb

#endif  // EBB_NEXT_TASK_HPP
