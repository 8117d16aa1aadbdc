// SPDX-License-Identifier: MIT
#ifndef EBB_HOST_TERMS_HPP
#define EBB_HOST_TERMS_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "ebb/decay_function.hpp"
#include "ebb/detail/moment_reading.hpp"
#include "ebb/ranking_term.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// Terms that need something only the host knows: when an item came out, and what was shown to whom.

namespace ebb {

/// How new the item itself is: D(now − published).
///
/// `published_of(item)` → std::optional<time_point>, empty where it is not known, which counts 0. What is dated after now counts 1: it is
/// out, or it would not be a candidate, and some clock is ahead.   Range: [0, 1].
template <decay_function Decay, class PublishedOf>
class freshness_term {
 public:
  freshness_term(Decay decay, PublishedOf published_of, std::string name = "freshness")
      : decay_(std::move(decay)), published_of_(std::move(published_of)), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    static_assert(
        std::is_invocable_r_v<std::optional<time_point>, const PublishedOf&, const typename Store::item_type&>,
        "ebb::freshness_term: published_of must be std::optional<time_point>(item), callable while const");
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::optional<time_point> published = published_of_(question.items[i]);
      values[i] = !published                   ? 0.0
                  : *published >= question.now ? 1.0
                                               : static_cast<double>(decay_(detail::elapsed(*published, question.now)));
    }
  }

 private:
  Decay decay_;
  PublishedOf published_of_;
  std::string name_;
};

struct fatigue_options {
  double expected_rate =
      0.05;             ///< p in (0, 1]: uses that so many showings lead to, for an item the user does not tire of
  double patience = 1;  ///< m > 0, in uses: p · S = m showings without any bring the term to −ln 2
};

/// Shown often, never used: what a user keeps passing over sinks, and rises again as the showings are forgotten.
///
///   value = min(0, ln((m + C) / (m + p · S)))
///
/// with S the user's decayed showings of the item, in a store of their own where each showing is an event of amount 1, and C their decayed
/// interest in it. 0 while there are as many uses as so many showings should have brought, and never above: it is not a second interest.
/// `shows` must outlive the term, and not change while it is read.   Complexity: one look-up and O(lanes) a candidate.
/// Errors: std::invalid_argument for options out of range, or a reading of another bank than its store's; std::domain_error for a moment
///         before the user's newest showing by more than `rank_options::ahead`; within it, showings are read as of the newest.
template <class ShowStore>
class fatigue_term {
 public:
  /// `shown` reads `shows`, `used` the ranked store.
  fatigue_term(const ShowStore& shows, reading shown, reading used, const fatigue_options& options = {},
               std::string name = "fatigue")
      : shows_(&shows), shown_(std::move(shown)), used_(std::move(used)), options_(options), name_(std::move(name)) {
    detail::require(options.expected_rate > 0 && options.expected_rate <= 1, "fatigue_term",
                    "expected_rate must be in (0, 1]", options.expected_rate);
    detail::require(std::isfinite(options.patience) && options.patience > 0, "fatigue_term",
                    "patience must be finite and > 0", options.patience);
  }
  fatigue_term(ShowStore&&, reading, reading, const fatigue_options& = {}, std::string = {}) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    static_assert(std::same_as<typename ShowStore::user_type, typename Store::user_type> &&
                      std::same_as<typename ShowStore::item_type, typename Store::item_type>,
                  "ebb::fatigue_term: the store of showings must name users and items as the ranked store does");
    const detail::moment_reading<Store> used(question.store, used_, question.now, name_);
    std::fill(values.begin(), values.end(), 0.0);
    const auto* const state = shows_->find(question.user);
    if (state == nullptr) return;
    const time_point moment =
        detail::moment_of(state->newest, question.now, question.ahead, "the user's showings", "fatigue_term", name_);
    const detail::moment_reading<ShowStore> shown(*shows_, shown_, moment, name_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto handle = shows_->handle(question.items[i]);
      const std::size_t entry = handle ? state->entries.find(*handle) : ShowStore::table::npos;
      if (entry == ShowStore::table::npos) continue;
      const double showings = shown.interest(*state, entry);
      const double uses =
          question.entries[i] == question.no_entry ? 0.0 : used.interest(*question.state, question.entries[i]);
      const double expected = options_.expected_rate * showings;
      if (expected > uses) values[i] = std::log((options_.patience + uses) / (options_.patience + expected));
    }
  }

 private:
  const ShowStore* shows_;
  reading shown_;
  reading used_;
  fatigue_options options_;
  std::string name_;
};

}  // namespace ebb

#endif  // EBB_HOST_TERMS_HPP
