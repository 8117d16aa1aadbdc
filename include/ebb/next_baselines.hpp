// SPDX-License-Identifier: MIT
#ifndef EBB_NEXT_BASELINES_HPP
#define EBB_NEXT_BASELINES_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ebb/next_task.hpp"
#include "ebb/time.hpp"

namespace ebb {

namespace detail {

/// From the first to the last event of a history, at least one hour.
[[nodiscard]] inline duration span_of(const next_history& history) {
  const duration span =
      history.events.empty() ? duration(0) : duration(history.events.back().time - history.events.front().time);
  return std::max<duration>(span, std::chrono::hours(1));
}

/// 2^(−age / h) of an event at the history's end; never 0, so that what all of a user's interest adds up to can be divided by.
[[nodiscard]] inline double fading(const next_history& history, const logged_event& event, duration half_life) {
  return std::exp2(-std::min(500.0, duration(history.now - event.time) / half_life));
}

/// Decayed number of events of each item at the history's end.
[[nodiscard]] inline std::vector<double> decayed_counts(const next_history& history, duration half_life) {
  std::vector<double> counts(history.items, 0.0);
  for (const logged_event& event : history.events) counts[event.item] += fading(history, event, half_life);
  return counts;
}

/// The half-life that gives `model` the best NDCG@10 on the history's inner split, of those from four times the span down to one hour,
/// each a `ratio`-th of the one before, measured on at most 500 users. `learn(inner history, half-life)` makes the model ready for one of them.
template <class Learn>
[[nodiscard]] duration best_half_life(const next_history& history, double ratio, next_model& model, Learn learn) {
  const next_task inner = history.inner();
  duration best = 4 * span_of(history);
  double best_ndcg = -1;
  for (duration h = best; h >= std::chrono::hours(1); h /= ratio) {
    learn(inner.history(), h);
    const double ndcg = measure(
                            inner,
                            [&](user_id user, std::span<const item_id> candidates, std::span<double> scores) {
                              model.score(user, candidates, scores);
                            },
                            500)
                            .metrics.ndcg10;
    if (ndcg > best_ndcg) best = h;
    best_ndcg = std::max(best_ndcg, ndcg);
  }
  return best;
}

}  // namespace detail

/// Recommends to everybody what has been used most: score = number of training events.
class popularity_model : public next_model {
 public:
  [[nodiscard]] std::string name() const override { return "popularity"; }
  void fit(const next_history& history) override {
    counts_.assign(history.items, 0.0);
    for (const logged_event& event : history.events) ++counts_[event.item];
  }
  void score(user_id, std::span<const item_id> candidates, std::span<double> scores) override {
    for (std::size_t k = 0; k < candidates.size(); ++k) scores[k] = counts_[candidates[k]];
  }

 private:
  std::vector<double> counts_;  // (items)
};

/// Recommends to everybody what is used now: score = Σ 2^(−age / h), h chosen by NDCG@10 on the inner split.
class decayed_popularity_model : public next_model {
 public:
  decayed_popularity_model() = default;
  /// With a half-life of one's own: none is chosen.
  explicit decayed_popularity_model(duration half_life) : half_life_(half_life), fixed_(true) {}

  [[nodiscard]] std::string name() const override { return "decayed_popularity"; }

  void fit(const next_history& history) override {
    if (!fixed_)
      half_life_ = detail::best_half_life(history, 2, *this, [&](const next_history& inner, duration h) {
        counts_ = detail::decayed_counts(inner, h);
      });
    counts_ = detail::decayed_counts(history, half_life_);
  }

  void score(user_id, std::span<const item_id> candidates, std::span<double> scores) override {
    for (std::size_t k = 0; k < candidates.size(); ++k) scores[k] = counts_[candidates[k]];
  }

  [[nodiscard]] model_parameters params() const override { return {{"half_life_seconds", half_life_.count()}}; }

 private:
  duration half_life_{0};
  bool fixed_ = false;
  std::vector<double> counts_;  // (items)
};

/// Recommends what the people around the user's own decayed interests are into: a walk from user to item to user to item.
///
///   score(u, j) = Σ_i I(u,i) Σ_v I(v,i) / I(·,i)^(1/2) · I(v,j) / I(v,·)^(1/2),   I(v,i) = Σ 2^(−age / h)
///
/// h is chosen by NDCG@10 on the inner split; where the walk reaches nothing, decayed popularity decides.
/// Complexity: a query costs the sum, over the user's items, of the items of everybody who had them.
/// Source: C. Cooper, S. H. Lee, T. Radzik, Y. Siantos, Random walks in recommender systems, WWW 2014 companion (P3).
class user_interest_model : public next_model {
 public:
  user_interest_model() = default;
  /// With a half-life of one's own: none is chosen.
  explicit user_interest_model(duration half_life) : half_life_(half_life), fixed_(true) {}

  [[nodiscard]] std::string name() const override { return "user_interest"; }

  void fit(const next_history& history) override {
    if (!fixed_)
      half_life_ =
          detail::best_half_life(history, 4, *this, [&](const next_history& inner, duration h) { learn(inner, h); });
    learn(history, half_life_);
  }

  void score(user_id user, std::span<const item_id> candidates, std::span<double> scores) override {
    std::vector<double>& reached = reached_;
    reached.assign(popularity_.size(), 0.0);
    for (const interest& mine : by_user_[user])
      for (const interest& theirs : by_item_[mine.of]) {
        const double strength = mine.value * theirs.value;
        for (const interest& next : by_user_[theirs.of]) reached[next.of] += strength * next.value;
      }
    for (std::size_t k = 0; k < candidates.size(); ++k)
      scores[k] = reached[candidates[k]] + 1e-9 * popularity_[candidates[k]];
  }

  [[nodiscard]] model_parameters params() const override { return {{"half_life_seconds", half_life_.count()}}; }

 private:
  struct interest {
    std::uint32_t of;  // item in a user's list, user in an item's
    double value;
  };

  void learn(const next_history& history, duration half_life) {
    by_user_.assign(history.users, {});
    by_item_.assign(history.items, {});
    popularity_ = detail::decayed_counts(history, half_life);
    for (const logged_event& event : history.events)
      by_user_[event.user].push_back({event.item, detail::fading(history, event, half_life)});
    for (user_id user = 0; user < history.users; ++user) {
      std::vector<interest>& own = by_user_[user];
      std::sort(own.begin(), own.end(), [](const interest& a, const interest& b) { return a.of < b.of; });
      std::size_t kept = 0;
      double sum = 0;
      for (const interest& next : own) {
        sum += next.value;
        if (kept > 0 && own[kept - 1].of == next.of)
          own[kept - 1].value += next.value;
        else
          own[kept++] = next;
      }
      own.resize(kept);
      for (interest& next : own) {
        next.value /= std::sqrt(sum);
        by_item_[next.of].push_back({user, next.value / std::sqrt(popularity_[next.of])});
      }
    }
  }

  duration half_life_{0};
  bool fixed_ = false;
  std::vector<std::vector<interest>> by_user_;  // user → items
  std::vector<std::vector<interest>> by_item_;  // item → users
  std::vector<double> popularity_;              // (items)
  std::vector<double> reached_;                 // (items)
};

}  // namespace ebb

#endif  // EBB_NEXT_BASELINES_HPP
