// SPDX-License-Identifier: MIT
#ifndef EBB_RANKER_HPP
#define EBB_RANKER_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/moment_reading.hpp"
#include "ebb/ema.hpp"
#include "ebb/ranking_term.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Longer than any gap.
inline constexpr duration forever{std::numeric_limits<double>::infinity()};

/// How a term's weight follows what is known of the user: n events of their own against the strength m of the prior.
///
///   always  1                what holds for everybody alike: the host's score, a learned interest
///   own     n / (m + n)      what the user's own events say: nothing at first, all in the end
///   prior   m / (m + n)      what is true of most users, such as popularity: all at first, ever less
///
/// An unknown user is n = 0. `own` and `prior` add to 1, so the known, the sparse and the unknown user are one formula, continuous in n: the
/// posterior mean of a share whose prior is worth m events.
/// Source: Efron and Morris, Stein's estimation rule and its competitors, JASA 68, 1973, for the shrinkage; with a Dirichlet prior it is
///         MacKay and Bauman Peto, A hierarchical Dirichlet language model, Natural Language Engineering 1(3), 1995.
enum class term_role : std::uint8_t { always, own, prior };

/// The factor of a role for n events, n >= 0 and not necessarily whole, against a prior worth m > 0 of them.
[[nodiscard]] inline double role_factor(term_role role, double n, double m) noexcept {
  switch (role) {
    case term_role::own:
      return n / (m + n);
    case term_role::prior:
      return m / (m + n);
    case term_role::always:
      break;
  }
  return 1;
}

/// How a term enters the score: weight · factor of its role · normalised value.
struct term_options {
  double weight = 1;  ///< any finite number
  normalisation scale = normalisation::raw();
  term_role role = term_role::always;

  [[nodiscard]] friend bool operator==(const term_options&, const term_options&) = default;
};

/// What all terms of a ranker share.
struct ranker_options {
  double prior_strength = 10;  ///< m: with so many events, own and prior count alike; finite and > 0
  /// How the user's events are counted. Unset: each is one, whatever its amount and age, until it is retracted, forgotten or pruned. Set: each
  /// is its amount, decayed by this reading, so that a user who was away for long is met like somebody new, and pruning hardly matters.
  std::optional<reading> evidence = {};
};

/// What can be learned or kept in a file of a ranker: everything but the terms' code.
struct ranker_settings {
  struct term {
    std::string name;
    term_options how;
  };

  ranker_options options;
  std::vector<term> terms;
};

namespace detail {

inline void check_settings(const ranker_options& options) {
  require(std::isfinite(options.prior_strength) && options.prior_strength > 0, "ranker",
          "prior_strength must be finite and > 0", options.prior_strength);
}
inline void check_settings(const std::string& name, const term_options& how) {
  if (!std::isfinite(how.weight)) require(false, "ranker", "the weight of \"" + name + "\" must be finite", how.weight);
}

/// Everything but whether there are such terms.
inline void check_settings(const ranker_settings& settings) {
  check_settings(settings.options);
  for (auto t = settings.terms.begin(); t != settings.terms.end(); ++t) {
    const bool again = std::any_of(settings.terms.begin(), t, [&](const auto& other) { return other.name == t->name; });
    if (t->name.empty() || again)
      require(false, "ranker", "settings must name each term once, and none \"\"", "\"" + t->name + "\"");
    check_settings(t->name, t->how);
  }
}

}  // namespace detail

/// One ranking.
struct rank_options {
  std::size_t k = 10;
  /// Candidates the user used less than this long ago are left out: zero keeps all, `forever` leaves out all that were ever used.
  duration not_seen_for{0};
  /// Others go on while a user is ranked, and clocks differ: an item's or a friend's newest event may be this much later than `now`, and what
  /// is asked of it is then read as of that event. Finite and >= 0.
  duration ahead = std::chrono::minutes(1);
};

/// A term's part in a score.
struct contribution {
  std::string term;
  double weight;  ///< the term's weight times the factor of its role for this user
  double value;   ///< what the term said of the item, normalised
  double amount;  ///< weight · value
};

/// A ranked item and why it is there: `score` is the sum of the amounts, added in their order, to the last bit.
template <class Item>
struct recommendation {
  Item item;
  double score;
  std::vector<contribution> why;  ///< one a term, in the order the terms were added
};

/// Ranks candidates by a sum of terms, and says of each ranked item why.
///
///   score(u, i, t) = Σ_j weight_j · factor_j(u, t) · normalised_j(term_j(u, i, t))
///
/// The ranker holds terms and numbers but no store: one serves any number of stores, and since ranking is const, any number of threads, as
/// far as the terms' own functions do. A user or an item the store has never met is ranked like any other.
/// Complexity: what the terms take for n candidates, and O(terms · n + n log k); memory O(terms · n).
template <class Store>
class ranker {
  static_assert(
      requires(const Store& store, const typename Store::user_type& user) {
        { store.find(user) } -> std::convertible_to<const typename Store::user_state*>;
        store.layout();
      },
      "ebb::ranker: Store must be an interest_store");

 public:
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;

  /// Errors: std::invalid_argument unless prior_strength is finite and > 0.
  explicit ranker(ranker_options options = {}) : options_(std::move(options)) { detail::check_settings(options_); }

  /// Adds a term; the sum is taken in the order of adding.
  ///
  /// Errors: std::invalid_argument for an empty name, one that is there already, or a weight that is not finite.
  template <class Term>
  ranker& add(Term term, const term_options& how = {}) {
    static_assert(ranking_term<Term, Store>,
                  "ebb::ranker: Term must be copyable and have name() and fill(const ranking_question<Store>&, "
                  "std::span<double>), both const");
    std::string name(term.name());
    detail::require(!name.empty() && find(name) == terms_.end(), "ranker", "a term's name must be new and not empty",
                    "\"" + name + "\"");
    detail::check_settings(name, how);
    terms_.push_back({std::move(name), how, [term = std::move(term)](const question& asked, std::span<double> values) {
                        term.fill(asked, values);
                      }});
    return *this;
  }

  /// The `k` best of the candidates, best first; ties go to the one given first.
  ///
  /// A candidate given twice is ranked twice. See candidates.hpp for where candidates come from.
  /// Errors: std::domain_error when `now` is before the user's newest event, or by more than options.ahead before that of an item or a friend
  ///         that a term reads; std::invalid_argument when there is no term, not_seen_for is negative or NaN, ahead is not in [0, ∞), a term
  ///         says something that is not finite (naming it), or the evidence is read by another bank; std::logic_error from terms that ask for
  ///         what the store does not keep.
  [[nodiscard]] std::vector<recommendation<item_type>> rank(const Store& store, const user_type& user, time_point now,
                                                            std::span<const item_type> candidates,
                                                            const rank_options& options = {}) const {
    return rank(store, user, now, candidates, options,
                [&](std::span<const item_type>, std::span<const double> scores) { return highest(scores, options.k); });
  }

  /// The same where the list is not simply the best: `choose(items, scores)` → the places to show, as a range of std::size_t, in that order.
  ///
  /// `items` are the candidates without those left out. Only what was chosen is explained, which makes this the cheap way to
  /// diversify or explore; `options.k` does not matter.   Errors: as the other, and std::out_of_range for a place that is not there.
  template <class Choose>
  requires std::invocable<Choose&, std::span<const item_type>, std::span<const double>>
  [[nodiscard]] std::vector<recommendation<item_type>> rank(const Store& store, const user_type& user, time_point now,
                                                            std::span<const item_type> candidates,
                                                            const rank_options& options, Choose choose) const {
    detail::require(options.not_seen_for >= duration(0), "ranker", "not_seen_for must be >= 0", options.not_seen_for);
    detail::check_ahead(options.ahead, "ranker");
    const found all = look_up(store, user, now, candidates, options.not_seen_for);
    return best(
        {store, user, all.state, now, all.all_kept ? candidates : all.unseen, all.handles, all.entries, options.ahead},
        choose);
  }

  /// What each term says of each candidate before its weight: score_i = Σ_j values(i, j) · weight_j, to rounding.
  ///
  /// Returns (candidates, terms): factor of the term's role · normalised value, the terms in the order they were added. It is what
  /// weights are learned from: see ranker_trainer.hpp.   Errors: as `rank` with the default options.
  [[nodiscard]] Eigen::MatrixXd values(const Store& store, const user_type& user, time_point now,
                                       std::span<const item_type> candidates) const {
    const found all = look_up(store, user, now, candidates, duration(0));
    const question asked{store, user, all.state, now, candidates, all.handles, all.entries, rank_options().ahead};
    const double events = evidence(asked);
    Eigen::MatrixXd out(static_cast<Eigen::Index>(candidates.size()), static_cast<Eigen::Index>(terms_.size()));
    for (std::size_t j = 0; j < terms_.size(); ++j) {
      const std::span<double> said(out.col(static_cast<Eigen::Index>(j)).data(), candidates.size());
      say(terms_[j], asked, said);
      out.col(static_cast<Eigen::Index>(j)) *= role_factor(terms_[j].how.role, events, options_.prior_strength);
    }
    return out;
  }

  /// Weights, roles, normalisations and the prior's strength.
  [[nodiscard]] ranker_settings settings() const {
    ranker_settings out{options_, {}};
    for (const held_term& t : terms_) out.terms.push_back({t.name, t.how});
    return out;
  }

  /// Takes over other numbers for the same terms, whose order stays.
  ///
  /// Errors: std::invalid_argument, with nothing changed, unless the settings name each term once and no other, and are in range.
  void apply(const ranker_settings& settings) {
    detail::check_settings(settings);
    detail::require(settings.terms.size() == terms_.size(), "ranker::apply", "settings must name each term once",
                    settings.terms.size());
    std::vector<held_term> changed = terms_;
    for (const ranker_settings::term& t : settings.terms) {
      const auto place = static_cast<std::size_t>(find(t.name) - terms_.begin());
      detail::require(place < changed.size(), "ranker::apply", "settings must name each term once and no other",
                      "\"" + t.name + "\"");
      changed[place].how = t.how;
    }
    options_ = settings.options;
    terms_ = std::move(changed);
  }

 private:
  using question = ranking_question<Store>;

  struct held_term {
    std::string name;
    term_options how;
    std::function<void(const question&, std::span<double>)> fill;
  };

  /// The user's state and the candidates' numbers, those seen of late left out.
  struct found {
    const typename Store::user_state* state;
    std::vector<std::uint32_t> handles;
    std::vector<std::size_t> entries;
    std::vector<item_type> unseen;  // only where some candidates are left out
    bool all_kept = true;
  };

  [[nodiscard]] found look_up(const Store& store, const user_type& user, time_point now,
                              std::span<const item_type> candidates, duration not_seen_for) const {
    detail::require(!terms_.empty(), "ranker", "there must be a term", terms_.size());
    found all{store.find(user), {}, {}, {}};
    if (all.state != nullptr && all.state->newest > now.time_since_epoch().count())
      throw std::domain_error("ebb::ranker: now must not be before the user's newest event");
    all.handles.reserve(candidates.size());
    all.entries.reserve(candidates.size());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const auto handle = store.handle(candidates[i]);
      const std::size_t entry = handle && all.state != nullptr ? all.state->entries.find(*handle) : question::no_entry;
      if (entry != question::no_entry && was_seen(store, *all.state, entry, now, not_seen_for)) {
        if (std::exchange(all.all_kept, false)) all.unseen.assign(candidates.begin(), at(candidates.begin(), i));
        continue;
      }
      all.handles.push_back(handle.value_or(question::no_handle));
      all.entries.push_back(entry);
      if (!all.all_kept) all.unseen.push_back(candidates[i]);
    }
    return all;
  }

  /// The term's normalised values.
  static void say(const held_term& term, const question& asked, std::span<double> values) {
    term.fill(asked, values);
    check_finite(values, term.name, "values");
    term.how.scale(values);
  }

  [[nodiscard]] auto find(const std::string& name) const {
    return std::find_if(terms_.begin(), terms_.end(), [&](const held_term& t) { return t.name == name; });
  }

  template <class Iterator>
  [[nodiscard]] static Iterator at(Iterator first, std::size_t i) {
    return first + static_cast<std::ptrdiff_t>(i);
  }

  [[nodiscard]] static bool was_seen(const Store& store, const typename Store::user_state& state, std::size_t i,
                                     time_point now, duration within) {
    if (within == duration(0) || state.entries.count(i) == 0) return false;
    if (within == forever) return true;
    const time_point last{time_point::duration(state.entries.times(store.layout(), i)[0])};
    return detail::elapsed(last, now) < within;
  }

  /// n: how much of their own the user has shown.
  [[nodiscard]] double evidence(const question& asked) const {
    if (options_.evidence) {
      const detail::moment_reading<Store> at(asked.store, *options_.evidence, asked.now, "evidence");
      double sum = 0;
      for (std::size_t i = 0; asked.state != nullptr && i < asked.state->entries.size(); ++i)
        sum += at.interest(*asked.state, i);
      return sum;
    }
    return asked.state == nullptr ? 0.0 : static_cast<double>(asked.state->events);
  }

  [[nodiscard]] static std::vector<std::size_t> highest(std::span<const double> scores, std::size_t k) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto kept = at(order.begin(), std::min(k, order.size()));
    std::partial_sort(order.begin(), kept, order.end(), [&](std::size_t a, std::size_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    });
    order.erase(kept, order.end());
    return order;
  }

  template <class Choose>
  [[nodiscard]] std::vector<recommendation<item_type>> best(const question& asked, Choose&& choose) const {
    const std::size_t n = asked.size();
    const double events = evidence(asked);
    std::vector<double> values(terms_.size() * n);
    std::vector<double> weights;
    std::vector<double> amounts(n);
    std::vector<double> scores(n, 0.0);
    for (std::size_t j = 0; j < terms_.size(); ++j) {
      const held_term& term = terms_[j];
      const std::span<double> said(values.data() + j * n, n);
      say(term, asked, said);
      weights.push_back(term.how.weight * role_factor(term.how.role, events, options_.prior_strength));
      // Each product is rounded in a loop of its own: fused into the sum it would not be the amount that is told.
      for (std::size_t i = 0; i < n; ++i) amounts[i] = weights[j] * said[i];
      check_finite(amounts, term.name, "weighted values");
      for (std::size_t i = 0; i < n; ++i) scores[i] += amounts[i];
      check_finite(scores, term.name, "scores up to that");
    }

    std::vector<recommendation<item_type>> out;
    for (const std::size_t i : choose(asked.items, std::span<const double>(scores))) {
      if (i >= n)
        throw std::out_of_range("ebb::ranker: a chosen place must be one of the candidates, got " + std::to_string(i));
      out.push_back({asked.items[i], scores[i], {}});
      out.back().why.reserve(terms_.size());
      for (std::size_t j = 0; j < terms_.size(); ++j) {
        const double value = values[j * n + i];
        out.back().why.push_back({terms_[j].name, weights[j], value, weights[j] * value});
      }
    }
    return out;
  }

  static void check_finite(std::span<const double> values, const std::string& term, const char* what) {
    for (const double v : values)
      if (!std::isfinite(v))
        detail::require(false, "ranker", std::string("the ") + what + " of term \"" + term + "\" must be finite", v);
  }

  ranker_options options_;
  std::vector<held_term> terms_;
};

}  // namespace ebb

#endif  // EBB_RANKER_HPP
