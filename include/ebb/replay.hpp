// SPDX-License-Identifier: MIT
#ifndef EBB_REPLAY_HPP
#define EBB_REPLAY_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ebb/event_log.hpp"
#include "ebb/metrics.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// What a fitted model says about itself: names and values, for tables and JSON.
using model_parameters = std::vector<std::pair<std::string, std::variant<double, std::string>>>;

/// One question of the repeat task: to which of these items is this user coming back now?
struct repeat_question {
  user_id user;
  time_point now;                       ///< the start of the second asked about; every event told so far is older
  std::span<const item_id> candidates;  ///< all items the user has had, in order of first use; at least two
};

/// A question with its answer, as it stands in the log.
struct repeat_query {
  std::size_t position;  ///< of the event in the log
  user_id user;
  time_point now;
  std::uint32_t candidates;  ///< how many
  std::uint32_t truth;       ///< index of the item among the candidates
};

/// The positions that part the log into history, tuning and test, as shares of its length.
struct repeat_split {
  double tune_begin = 0.5;
  double test_begin = 0.7;
};

/// A stretch of a log from its beginning, with the queries in it: all that a model gets to see while it is fitted or tested.
///
/// It is a view: the `repeat_task` it came from must outlive it.
class replay_window {
 public:
  replay_window(std::span<const logged_event> events, std::span<const std::uint32_t> slots,
                std::span<const repeat_query> queries, std::span<const item_id> items_of_users,
                std::span<const std::size_t> first_item_of_user, std::size_t items)
      : events_(events),
        slots_(slots),
        queries_(queries),
        items_of_users_(items_of_users),
        first_item_of_user_(first_item_of_user),
        items_(items) {}

  [[nodiscard]] std::span<const logged_event> events() const noexcept { return events_; }
  [[nodiscard]] std::span<const repeat_query> queries() const noexcept { return queries_; }

  /// How many user and item numbers there are, those of later users and items included.
  [[nodiscard]] std::size_t users() const noexcept { return first_item_of_user_.size() - 1; }
  [[nodiscard]] std::size_t items() const noexcept { return items_; }

  [[nodiscard]] repeat_question question(const repeat_query& query) const {
    return {query.user, query.now, items_of_users_.subspan(first_item_of_user_[query.user], query.candidates)};
  }

  /// Test, then learn: second by second, `ask(query, question)` for its queries and then `tell(event, slot)` for its events.
  ///
  /// slot: the item's index among the user's candidates; it equals their number so far when the item is new to the user, so that a
  /// model can keep one growing vector of states a user.
  template <class Ask, class Tell>
  void stream(Ask ask, Tell tell) const {
    const auto second = [&](std::size_t i) { return std::chrono::floor<std::chrono::seconds>(events_[i].time); };
    std::size_t query = 0;
    for (std::size_t begin = 0, end = 0; begin < events_.size(); begin = end) {
      while (end < events_.size() && second(end) == second(begin)) ++end;
      for (; query < queries_.size() && queries_[query].position < end; ++query)
        ask(queries_[query], question(queries_[query]));
      for (std::size_t i = begin; i < end; ++i) tell(events_[i], std::size_t{slots_[i]});
    }
  }

 private:
  std::span<const logged_event> events_;
  std::span<const std::uint32_t> slots_;
  std::span<const repeat_query> queries_;
  std::span<const item_id> items_of_users_;
  std::span<const std::size_t> first_item_of_user_;
  std::size_t items_;
};

/// A log laid out for the repeat task: which of my items will I come back to?
///
/// A query is an event whose item its user already had before that second; candidates are all items that user had before it, and with
/// fewer than two there is no query. Events of one user in one second share the state before it, and each distinct item among them
/// is one query. A second belongs to the part in which it begins, and where a part ends in the middle of one, the rest of it asks nothing.
/// Nothing a model sees comes from the second asked about or later.
/// Complexity: O(n log n) time, about 60 bytes an event.
class repeat_task {
 public:
  /// Errors: std::invalid_argument unless the log is sorted and 0 <= tune_begin <= test_begin <= 1.
  explicit repeat_task(const event_log& log, repeat_split split = {}) : log_(&log) {
    detail::require(log.sorted(), "repeat_task", "the log must be sorted by time", "an unsorted one");
    detail::require(split.tune_begin >= 0 && split.tune_begin <= split.test_begin && split.test_begin <= 1,
                    "repeat_task", "0 <= tune_begin <= test_begin <= 1 must hold", split.test_begin);
    const auto position = [&](double share) {  // the nudge keeps 0.7 · 210 at 147
      return static_cast<std::size_t>(share * static_cast<double>(log.size()) + 1e-9);
    };
    test_begin_ = position(split.test_begin);
    lay_out_items(first_of_pair(log.events()));
    find_queries(position(split.tune_begin));
  }

  /// What a model may be fitted on: the events before the test begins and the queries of the tuning part.
  [[nodiscard]] replay_window tuning() const { return window(test_begin_, tuning_); }

  /// The whole log with the queries of the test part.
  [[nodiscard]] replay_window testing() const { return window(log_->size(), testing_); }

  /// What could be asked about `user` after the log: all the user's items, in the second behind the last event.
  [[nodiscard]] repeat_question at_end(user_id user) const {
    const auto items = std::span(items_).subspan(offsets_.at(user), offsets_.at(user + 1) - offsets_[user]);
    const time_point last = log_->empty() ? time_point{} : (*log_)[log_->size() - 1].time;
    return {user, std::chrono::floor<std::chrono::seconds>(last) + std::chrono::seconds(1), items};
  }

  [[nodiscard]] const event_log& log() const noexcept { return *log_; }

 private:
  [[nodiscard]] replay_window window(std::size_t end, std::span<const repeat_query> queries) const {
    return {log_->events().first(end), std::span(slots_).first(end), queries, items_, offsets_, log_->items().size()};
  }

  void lay_out_items(const std::vector<std::size_t>& first) {
    const auto events = log_->events();
    offsets_.assign(log_->users().size() + 1, 0);
    for (std::size_t i = 0; i < events.size(); ++i)
      if (first[i] == i) ++offsets_[events[i].user + 1];
    for (std::size_t u = 1; u < offsets_.size(); ++u) offsets_[u] += offsets_[u - 1];
    items_.resize(offsets_.back());
    slots_.resize(events.size());
    std::vector<std::uint32_t> used(log_->users().size(), 0);
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (first[i] == i) {
        slots_[i] = used[events[i].user]++;
        items_[offsets_[events[i].user] + slots_[i]] = events[i].item;
      } else {
        slots_[i] = slots_[first[i]];
      }
    }
  }

  void find_queries(std::size_t tune_begin) {
    const auto events = log_->events();
    const auto second = [&](std::size_t i) { return std::chrono::floor<std::chrono::seconds>(events[i].time); };
    std::vector<std::uint32_t> had(log_->users().size(), 0);  // items of the user before this second
    std::vector<std::size_t> asked(items_.size(), 0);  // end of the second in which the pair was last asked about
    for (std::size_t begin = 0, end = 0; begin < events.size(); begin = end) {
      while (end < events.size() && second(end) == second(begin)) ++end;
      const bool tested = begin >= test_begin_;
      for (std::size_t i = begin; begin >= tune_begin && i < (tested ? end : std::min(end, test_begin_)); ++i) {
        const logged_event& event = events[i];
        std::size_t& last_asked = asked[offsets_[event.user] + slots_[i]];
        if (had[event.user] < 2 || slots_[i] >= had[event.user] || last_asked == end) continue;
        last_asked = end;
        (tested ? testing_ : tuning_).push_back({i, event.user, time_point(second(i)), had[event.user], slots_[i]});
      }
      for (std::size_t i = begin; i < end; ++i) had[events[i].user] = std::max(had[events[i].user], slots_[i] + 1);
    }
  }

  const event_log* log_;
  std::size_t test_begin_ = 0;
  std::vector<std::size_t> offsets_;  // user → first of its items in items_; one more entry at the end
  std::vector<item_id> items_;        // every user's items in order of first use
  std::vector<std::uint32_t> slots_;  // event → index of its item among the user's
  std::vector<repeat_query> tuning_;
  std::vector<repeat_query> testing_;
};

/// A model of returning: it is told events in time order and asked to score a user's items.
class repeat_model {
 public:
  repeat_model() = default;
  repeat_model(const repeat_model&) = delete;
  repeat_model& operator=(const repeat_model&) = delete;
  virtual ~repeat_model() = default;

  [[nodiscard]] virtual std::string name() const = 0;

  /// Chooses all parameters; the window ends where the test begins.
  virtual void fit(const replay_window& /*tuning*/) {}

  /// Forgets every event (not the parameters) and makes ready for users 0 … users − 1 and items 0 … items − 1.
  virtual void reset(std::size_t users, std::size_t items) = 0;

  /// Takes in one event, of the same time as the last or later; `slot` as in replay_window::stream.
  virtual void observe(const logged_event& event, std::size_t slot) = 0;

  /// Writes one score a candidate, higher is likelier. Use logarithms: sums that underflow to equal zeros are ties.
  virtual void score(const repeat_question& question, std::span<double> scores) = 0;

  [[nodiscard]] virtual model_parameters params() const { return {}; }
};

/// One draw in [0, 1) a query, to break ties with: the same for every model under the same seed.
[[nodiscard]] inline std::vector<double> tie_draws(std::uint64_t seed, std::size_t queries) {
  random_engine random(seed);
  std::vector<double> draws(queries);
  for (double& r : draws) r = random.uniform();
  return draws;
}

/// Called now and then with the share of the work that is done, in [0, 1].
using progress_callback = std::function<void(double)>;

/// The rank of the true item in each query of the window, and the time scoring took.
struct replay_ranks {
  std::vector<std::size_t> ranks;
  duration scoring{0};
};

/// Replays the window through `model` from an empty state.
[[nodiscard]] inline replay_ranks replay(repeat_model& model, const replay_window& window, std::uint64_t seed,
                                         const progress_callback& progress = {}) {
  const std::vector<double> draws = tie_draws(seed, window.queries().size());
  replay_ranks out;
  out.ranks.reserve(draws.size());
  std::vector<double> scores;
  std::size_t told = 0;
  model.reset(window.users(), window.items());
  window.stream(
      [&](const repeat_query& query, const repeat_question& question) {
        scores.resize(question.candidates.size());
        const auto start = std::chrono::steady_clock::now();
        model.score(question, scores);
        out.scoring += std::chrono::steady_clock::now() - start;
        out.ranks.push_back(rank_of(scores, query.truth, draws[out.ranks.size()]));
      },
      [&](const logged_event& event, std::size_t slot) {
        model.observe(event, slot);
        if (progress && ++told % 4096 == 0)
          progress(static_cast<double>(told) / static_cast<double>(window.events().size()));
      });
  return out;
}

/// How a model did in the test part of the repeat task.
struct repeat_result {
  std::string name;
  model_parameters params;
  std::vector<std::size_t> ranks;  ///< one a test query
  repeat_metrics metrics;
  duration training{0};
  duration per_query{0};  ///< mean time to score one query's candidates
};

/// Fits `model` on the tuning part and replays the whole log through it, asking the queries of the test part.
[[nodiscard]] inline repeat_result evaluate(repeat_model& model, const repeat_task& task, std::uint64_t seed,
                                            const progress_callback& progress = {}) {
  repeat_result result;
  const auto start = std::chrono::steady_clock::now();
  model.fit(task.tuning());
  result.training = std::chrono::steady_clock::now() - start;
  const replay_window window = task.testing();
  replay_ranks replayed = replay(model, window, seed, progress);
  std::vector<std::uint32_t> users;
  for (const repeat_query& query : window.queries()) users.push_back(query.user);
  result.name = model.name();
  result.params = model.params();
  result.metrics = summarize(replayed.ranks, users);
  result.ranks = std::move(replayed.ranks);
  if (!result.ranks.empty()) result.per_query = replayed.scoring / static_cast<double>(result.ranks.size());
  return result;
}

/// The MRR of `result` minus that of `base` on the same queries, with its interval over users (see paired_bootstrap).
[[nodiscard]] inline difference compare(const repeat_result& result, const repeat_result& base, const repeat_task& task,
                                        std::uint64_t seed) {
  std::vector<std::uint32_t> users;
  for (const repeat_query& query : task.testing().queries()) users.push_back(query.user);
  const auto reciprocal = [](const std::vector<std::size_t>& ranks) {
    std::vector<double> out;
    for (const std::size_t rank : ranks) out.push_back(1.0 / static_cast<double>(rank));
    return out;
  };
  return paired_bootstrap(reciprocal(result.ranks), reciprocal(base.ranks), users, seed);
}

}  // namespace ebb

#endif  // EBB_REPLAY_HPP
