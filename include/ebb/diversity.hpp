// SPDX-License-Identifier: MIT
#ifndef EBB_DIVERSITY_HPP
#define EBB_DIVERSITY_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ebb/detail/score_scale.hpp"
#include "ebb/exploration.hpp"
#include "ebb/list_caps.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// How a ranked list is made less of the same.
struct diversity_options {
  std::size_t k = 10;
  double relevance = 0.7;  ///< λ in [0, 1]: 1 is the plain ranking, 0 looks at similarity alone
  /// The difference of scores that counts as much as a similarity of 1, finite and > 0. Unset: that of the highest and the lowest candidate, so
  /// that one hopeless candidate more makes the others look alike; set it where lists over different candidates are to be comparable.
  std::optional<double> score_range = {};
  std::size_t per_category = std::numeric_limits<std::size_t>::max();  ///< the most of one category, >= 1
  /// γ in (0, 1]: a score counts γ^c times where c of its category are picked already. A cap that bends: more of the same, but only for more.
  double repeat_decay = 1;
  /// Between two of one category there are at least so many others, as long as there are others; quotas come first.
  std::size_t apart = 0;
  /// At or above this similarity to an item already picked, an item is a near-duplicate and left out. Unset: nothing is.
  std::optional<double> duplicate = {};
  /// The pinch of randomness, in units of the score range: picks this far apart are e times as likely. 0: none.
  double temperature = 0;
  /// Of the randomness, and needed where there is some: another for each list, since lists of one seed err alike.
  std::optional<std::uint64_t> seed = {};
};

/// A pick and why it stands there: relevance · γ^c · score − (1 − relevance) · similarity was the highest, or was drawn.
struct diverse_pick {
  std::size_t index;  ///< of the candidate
  double
      score;  ///< in units of the score range: from 0, the lowest candidate, to 1, the highest, or over `score_range`
  double
      similarity;  ///< to the most similar item picked before it; 0 for the first, and where none is asked for (λ = 1, no `duplicate`)
};

/// A list and how likely it was.
struct diverse_list {
  std::vector<diverse_pick> picks;
  double log_propensity;  ///< ln of the probability of exactly these picks in this order; 0 where nothing was drawn
  std::size_t unmet =
      0;  ///< picks that quotas still ask for: their candidates ran out, were near-duplicates, or met a cap
};

/// The defaults of similarity, category and quota: none.
struct no_similarity {
  [[nodiscard]] double operator()(std::size_t, std::size_t) const noexcept { return 0; }
};
struct no_category {
  [[nodiscard]] std::size_t operator()(std::size_t candidate) const noexcept { return candidate; }
};
struct no_quota {
  template <class Category>
  [[nodiscard]] std::size_t operator()(const Category&) const noexcept {
    return 0;
  }
};

namespace detail {

/// What is left to choose from after some picks, and how good each is.
template <class Similarity, class Category>
class diversity_state {
 public:
  template <class Quota, class... Group>
  diversity_state(std::span<const double> scores, const diversity_options& options, const Similarity& similarity,
                  const Category& category, const Quota& quota, const at_most<Group>&... caps)
      : raw_(scores),
        options_(options),
        similarity_(similarity),
        scores_(on_scale(scores, options.score_range, "diversify")),
        caps_(scores.size(), caps...) {
    constexpr const char* where = "diversify";
    require(options.relevance >= 0 && options.relevance <= 1, where, "relevance must be in [0, 1]", options.relevance);
    require(options.per_category > 0, where, "per_category must be > 0", options.per_category);
    require(!options.duplicate || !std::isnan(*options.duplicate), where, "duplicate must be a number",
            options.duplicate.value_or(0));
    require(std::isfinite(options.temperature) && options.temperature >= 0, where,
            "temperature must be finite and >= 0", options.temperature);
    require(options.repeat_decay > 0 && options.repeat_decay <= 1, where, "repeat_decay must be in (0, 1]",
            options.repeat_decay);
    if (options.score_range && options.repeat_decay < 1)
      for (const double s : scores)
        require(s >= 0, where, "with a score_range and a repeat_decay a score must be >= 0", s);
    similar_.assign(scores.size(), none);
    compared_.assign(scores.size(), 0);
    left_.resize(scores.size());
    for (std::size_t i = 0; i < left_.size(); ++i) left_[i] = i;
    number_categories(category, quota);
    gains_.resize(scores.size());
    for (std::size_t i = 0; i < gains_.size(); ++i) update_gain(i);
    find_open();
    require(owed_ <= options.k, where, "the quotas of candidates there are must fit into k", owed_);
  }

  /// Candidates that may be picked next, in their order.
  [[nodiscard]] std::span<const std::size_t> open() const noexcept { return open_; }
  [[nodiscard]] diverse_pick pick(std::size_t i) const { return {i, scores_[i], similarity_to_picks(i)}; }

  /// Picks the quotas still ask for, whether there are candidates or not.
  [[nodiscard]] std::size_t unmet() const {
    std::size_t sum = 0;
    for (const group& g : groups_) sum += g.quota - std::min(g.quota, g.taken);
    return sum;
  }

  /// The most useful candidate; ties by score, then by order.
  [[nodiscard]] std::size_t best() {
    std::size_t best = open_.front();
    double highest = looked_at(best);
    for (const std::size_t i : open_) {
      if (gains_[i] < highest) continue;  // a gain not looked at since some picks is too high, if anything
      const double x = looked_at(i);
      if (x < highest || (x == highest && (raw_[i] != raw_[best] ? raw_[i] < raw_[best] : i >= best))) continue;
      best = i;
      highest = x;
    }
    return best;
  }

  /// ln P(i is next) = gain_i/τ − ln Σ_open e^(gain_j/τ), τ > 0.
  [[nodiscard]] double log_probability(std::size_t i) const {
    const double highest = highest_gain();
    double sum = 0;
    for (const std::size_t j : open_) sum += std::exp((gains_[j] - highest) / options_.temperature);
    return (gains_[i] - highest) / options_.temperature - std::log(sum);
  }

  /// One draw with those probabilities: the highest of gain_j/τ + a Gumbel draw of its own.
  [[nodiscard]] std::size_t draw(random_engine& random) const {
    const double highest = highest_gain();
    double top = none;
    std::size_t drawn = open_.front();
    for (const std::size_t j : open_) {
      const double value = (gains_[j] - highest) / options_.temperature + gumbel(random);
      if (value > top) {
        top = value;
        drawn = j;
      }
    }
    return drawn;
  }

  /// Picks i: it, its near-duplicates, and what is of a category or group that is full are no longer left.
  void take(std::size_t i) {
    group& own = groups_[group_[i]];
    const bool full = ++own.taken >= options_.per_category;
    own.factor *= options_.repeat_decay;
    own.last = ++picked_;
    caps_.take(i);
    if (!caps_.empty()) std::erase_if(left_, [this](std::size_t j) { return caps_.full(j); });
    taken_.push_back(i);
    const bool looks = (options_.relevance < 1 || options_.duplicate) && !(is_lazy() && picked_ > 1);
    const double duplicate = options_.duplicate.value_or(std::numeric_limits<double>::infinity());
    const std::size_t full_group = full ? group_[i] : groups_.size();
    std::erase_if(left_, [&](std::size_t j) {
      if (j == i || group_[j] == full_group) return true;
      if (!looks) {
        if (group_[j] == group_[i]) update_gain(j);
        return false;
      }
      return look(j) >= duplicate;
    });
    find_open();
  }

 private:
  struct group {
    std::size_t quota = 0;
    std::size_t taken = 0;
    std::size_t left = 0;  // where there are quotas
    std::size_t last = 0;  // the place of its newest pick, from 1; 0 for none
    double factor = 1;     // γ^taken
    bool may = true;       // whether its turn now leaves room for the debts

    [[nodiscard]] std::size_t owed() const { return std::min(quota - std::min(quota, taken), left); }
  };

  /// Whether only those that may be the best need be compared with each pick. From the first on similarity to the picks only rises, and a gain only
  /// falls; before it, it is 0, which may be more than what follows or less.
  [[nodiscard]] bool is_lazy() const noexcept { return !options_.duplicate && options_.temperature == 0; }

  /// Compares j with the picks it has not been compared with; the last similarity.
  double look(std::size_t j) {
    double s = none;
    for (; compared_[j] < taken_.size(); ++compared_[j]) {
      s = similarity_(j, taken_[compared_[j]]);
      if (!std::isfinite(s)) require(false, "diversify", "a similarity must be finite", s);
      similar_[j] = std::max(similar_[j], s);
    }
    update_gain(j);
    return s;
  }

  [[nodiscard]] double looked_at(std::size_t j) {
    if (options_.relevance < 1 && compared_[j] < taken_.size()) look(j);
    return gains_[j];
  }

  /// λ · γ^c · score − (1 − λ) · similarity.
  void update_gain(std::size_t i) {
    const double factor = options_.repeat_decay < 1 ? groups_[group_[i]].factor : 1.0;
    gains_[i] = options_.relevance * factor * scores_[i] - (1 - options_.relevance) * similarity_to_picks(i);
  }

  static constexpr double none = -std::numeric_limits<double>::infinity();

  template <class Quota>
  void number_categories(const Category& category, const Quota& quota) {
    if constexpr (std::is_same_v<Category, no_category> && std::is_same_v<Quota, no_quota>) {
      groups_.resize(raw_.size());  // each its own, found without a table
      group_ = left_;
      return;
    }
    std::unordered_map<std::remove_cvref_t<std::invoke_result_t<const Category&, std::size_t>>, std::size_t> numbers;
    for (std::size_t i = 0; i < raw_.size(); ++i) {
      const auto& of = category(i);
      const auto [at, is_new] = numbers.try_emplace(of, groups_.size());
      if (is_new) groups_.push_back({.quota = std::min(quota(at->first), options_.per_category)});
      has_quotas_ = has_quotas_ || groups_[at->second].quota > 0;
      group_.push_back(at->second);
    }
  }

  /// Of those left: where the places that remain are all owed to quotas, those of these categories. Of them those far enough from their like
  /// that leave room for what is owed to be so, too; where there are none, those far enough from their like.
  void find_open() {
    open_ = left_;
    if (has_quotas_) {
      count_debts();
      if (owed_ > 0 && picked_ + owed_ >= options_.k)
        std::erase_if(open_, [this](std::size_t j) { return groups_[group_[j]].owed() == 0; });
    }
    if (options_.apart == 0) return;
    const auto far = [this](std::size_t j) {
      const std::size_t last = groups_[group_[j]].last;
      return last == 0 || picked_ - last >= options_.apart;
    };
    const auto narrow = [this](const auto& allowed) {
      if (std::none_of(open_.begin(), open_.end(), allowed)) return false;
      std::erase_if(open_, [&](std::size_t j) { return !allowed(j); });
      return true;
    };
    if (is_tight()) {
      const bool others_may = leaves_room(groups_.size());
      for (const debt& d : debts_) groups_[d.group].may = leaves_room(d.group);
      if (narrow([&](std::size_t j) {
            const group& own = groups_[group_[j]];
            return far(j) && (own.owed() > 0 ? own.may : others_may);
          }))
        return;
    }
    narrow(far);
  }

  /// What a category is owed, and the place from which on it may be paid without standing near its like.
  struct debt {
    std::size_t group;
    std::size_t owed;
    std::size_t from;
  };

  void count_debts() {
    for (group& g : groups_) g.left = 0;
    for (const std::size_t j : left_) ++groups_[group_[j]].left;
    owed_ = 0;
    debts_.clear();
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const std::size_t owed = groups_[g].owed();
      if (owed == 0) continue;
      owed_ += owed;
      debts_.push_back({g, owed, groups_[g].last == 0 ? 0 : groups_[g].last + stride()});
    }
  }

  [[nodiscard]] std::size_t places() const { return std::min(options_.k, picked_ + left_.size()); }
  [[nodiscard]] std::size_t stride() const { return std::min(options_.apart, scores_.size()) + 1; }

  /// Whether the debts might not fit if each took a stride of its own.
  [[nodiscard]] bool is_tight() const { return owed_ > 0 && places() - picked_ < (owed_ + 1) * stride(); }

  /// Whether all debts can still be paid with like apart when the next place goes to the category `taken`, or to one that is owed nothing: at
  /// each place the one of which most is left, for it has the earliest last moment.
  [[nodiscard]] bool leaves_room(std::size_t taken) const {
    const std::size_t next = picked_ + 1;
    std::vector<debt> debts = debts_;
    for (debt& d : debts)
      if (d.group == taken) d = {taken, d.owed - 1, next + stride()};
    for (std::size_t place = next + 1;; ++place) {
      std::erase_if(debts, [](const debt& d) { return d.owed == 0; });
      if (debts.empty()) return true;
      debt* most = nullptr;
      for (debt& d : debts) {
        if (place + (d.owed - 1) * stride() > places()) return false;
        if (d.from <= place && (most == nullptr || d.owed > most->owed)) most = &d;
      }
      if (most != nullptr) *most = {most->group, most->owed - 1, place + stride()};
    }
  }

  [[nodiscard]] double similarity_to_picks(std::size_t i) const { return similar_[i] == none ? 0.0 : similar_[i]; }

  [[nodiscard]] double highest_gain() const {
    double highest = none;
    for (const std::size_t j : open_) highest = std::max(highest, gains_[j]);
    return highest;
  }

  std::span<const double> raw_;
  const diversity_options& options_;
  const Similarity& similarity_;
  std::vector<double> scores_;  // (n), in units of the score range
  group_caps caps_;
  std::vector<double> gains_;          // (n), of those left
  std::vector<double> similar_;        // (n), the highest similarity to a pick
  std::vector<std::size_t> taken_;     // the picks, in order
  std::vector<std::size_t> compared_;  // (n), with how many of them each has been compared
  std::vector<std::size_t> left_;
  std::vector<std::size_t> open_;   // of those left, what may come next
  std::vector<std::size_t> group_;  // (n), the number of each one's category
  std::vector<group> groups_;       // (categories)
  std::size_t picked_ = 0;
  std::vector<debt> debts_;  // of categories that are owed something
  std::size_t owed_ = 0;     // to candidates that are left
  bool has_quotas_ = false;
};

}  // namespace detail

/// Picks up to `k` candidates one after another, each for its score and for being unlike those picked before it.
///
///   next = argmax over those left of   λ · γ^c_i · score_i − (1 − λ) · max_{j picked} similarity(i, j)
///
/// Scores are taken in units of their range first, so that λ and the temperature τ mean the same whatever their unit. Near-duplicates of
/// a pick and what is of a full category or group leave at once, so there may be fewer than k picks. Quotas are met as far as
/// there are candidates: when no more places remain than are owed, only those categories are open. A near-duplicate is left out even where a quota
/// wants it, and a cap holds; what is lacking then is told by `unmet`. Where `apart` would leave what is owed no room to stand apart, the owed
/// come in time; where no order would do, or others run out, like stands beside like. With τ > 0 the next pick is drawn instead:
///
///   P(next = i) = e^(gain_i/τ) / Σ_open e^(gain_j/τ),   propensity = Π P(pick)
///
/// With λ = 1 and no caps that is the Plackett–Luce distribution over orders. The propensity is exact for what was picked: reorder or filter
/// before, not after, and keep it with the list for off-policy evaluation.
///
/// `similarity(a, b)` → a finite number for two candidates' indices, at most 1 by custom; `category(a)` → a value with std::hash;
/// `quota(category)` → the least of it in the list, a std::size_t (the cap, if that is less); `caps` → `at_most(most, group)` for other
/// groups than the category, as many as need be, all of which hold at once.
/// Complexity: O(k · n), of which up to k · n similarities (none when λ = 1 and duplicates are kept; with τ = 0 and no near-duplicates to leave
/// out mostly n and a few); with quotas and `apart`
/// O(k · categories² · k) more at worst. Same seed, same list.
/// Errors: std::invalid_argument for a score that is not finite, or a similarity that is asked for and not, λ outside [0, 1], a range not > 0, a cap of 0, a
///         negative temperature, τ > 0 without a seed, γ outside (0, 1], scores < 0 where γ < 1 and a range is set, or more
///         owed to candidates there are than k.
/// Source: Carbonell and Goldstein, The use of MMR, diversity-based reranking …, SIGIR 1998; Plackett, The analysis of permutations, Applied
///         Statistics 24, 1975; Yellott, The relationship between Luce's choice axiom …, J. Math. Psychology 15, 1977, for the Gumbel draws.
template <class Similarity = no_similarity, class Category = no_category, class Quota = no_quota, class... Group>
[[nodiscard]] diverse_list diversify(std::span<const double> scores, const diversity_options& options,
                                     const Similarity& similarity = {}, const Category& category = {},
                                     const Quota& quota = {}, const at_most<Group>&... caps) {
  detail::diversity_state<Similarity, Category> state(scores, options, similarity, category, quota, caps...);
  const bool draws = options.temperature > 0;
  detail::require(options.seed || !draws, "diversify", "a temperature > 0 needs a seed", "none");
  random_engine random(options.seed.value_or(0));
  diverse_list list{{}, 0.0};
  while (list.picks.size() < options.k && !state.open().empty()) {
    const std::size_t next = draws ? state.draw(random) : state.best();
    if (draws) list.log_propensity += state.log_probability(next);
    list.picks.push_back(state.pick(next));
    state.take(next);
  }
  list.unmet = state.unmet();
  return list;
}

/// ln of the probability that `diversify` with these options, whatever the seed, picks exactly `order`; −∞ where it cannot.
///
/// Complexity: as `diversify`.   Errors: as `diversify`, but it asks for no seed.
template <class Similarity = no_similarity, class Category = no_category, class Quota = no_quota, class... Group>
[[nodiscard]] double log_propensity(std::span<const std::size_t> order, std::span<const double> scores,
                                    const diversity_options& options, const Similarity& similarity = {},
                                    const Category& category = {}, const Quota& quota = {},
                                    const at_most<Group>&... caps) {
  constexpr double never = detail::never;
  detail::diversity_state<Similarity, Category> state(scores, options, similarity, category, quota, caps...);
  double sum = 0;
  for (const std::size_t next : order) {
    if (std::find(state.open().begin(), state.open().end(), next) == state.open().end()) return never;
    if (options.temperature > 0)
      sum += state.log_probability(next);
    else if (next != state.best())
      return never;
    state.take(next);
  }
  // The list ends when it is full or when nothing is left, and not before.
  return order.size() == options.k || (order.size() < options.k && state.open().empty()) ? sum : never;
}

}  // namespace ebb

#endif  // EBB_DIVERSITY_HPP
