// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_FEATURES_HPP
#define EBB_RETURN_FEATURES_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/competition_rank.hpp"
#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/lane_shares.hpp"
#include "ebb/detail/moment_reading.hpp"
#include "ebb/detail/padded_columns.hpp"
#include "ebb/detail/use_sequence.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Which groups of features are read, beside lanes, gaps, counts and ranks.
struct return_feature_set {
  bool heat = true;      ///< what all users do with the item
  bool rhythms = true;   ///< when in the day and week the item was used
  bool sequence = true;  ///< what the user did after earlier uses of the item used last
  bool user = true;      ///< the user's own activity, and the hour and weekday

  [[nodiscard]] friend bool operator==(const return_feature_set&, const return_feature_set&) = default;
};

/// The store that all return features can be read from: heat, first and eight newest uses, day and week rhythms.
///
/// The rhythms (12 hours, a day, half a week, a week) fade with the three slowest lanes.
[[nodiscard]] inline store_options return_store_options(timescales lanes) {
  store_options options{.lanes = std::move(lanes), .recent = 8, .first_use = true};
  const int count = options.lanes.size();
  for (const auto period :
       {std::chrono::hours(12), std::chrono::hours(24), std::chrono::hours(84), std::chrono::hours(168)})
    for (int k = std::max(0, count - 3); k < count; ++k) options.rhythms.push_back({period, k});
  return options;
}

namespace detail {

/// Stands for a lane's sum of zero (only dislikes, or uses worth nothing) where its logarithm is taken: below any real one.
inline constexpr double no_interest = 1e-300;

}  // namespace detail

/// Everything about one user's items at one moment that says whether the user will come back to them, read from state alone.
///
/// One definition serves training and serving: the same store, user and moment give the same bytes.
/// Shapes: `values()` (candidates, features) and `log_lanes()` (candidates, lanes); candidate i is entry i of the user.
/// Units:  natural logarithms of seconds (plus one), of counts and of decayed sums; `names()` says which is which.
template <class Store>
class return_features {
 public:
  using user_state = typename Store::user_state;
  using ticks = detail::lane_grid::ticks;

  /// Errors: std::invalid_argument unless the store keeps the first and at least the four newest uses, and heat where it is read.
  explicit return_features(const Store& store, return_feature_set set = {}) : set_(set) {
    const store_options& options = store.options();
    detail::require(options.first_use && options.recent >= 4 && (options.heat || !set.heat), "return_features",
                    "the store must be made with return_store_options (first use, 4 recent uses, heat), recent uses",
                    options.recent);
    lanes_ = options.lanes.size();
    recent_ = options.recent;
    rhythms_ = set.rhythms ? static_cast<int>(options.rhythms.size()) : 0;
    slowest_ = lanes_;
    for (const rhythm& r : options.rhythms) slowest_ = std::min(slowest_, r.lane);
    describe();
  }

  [[nodiscard]] Eigen::Index size() const noexcept { return static_cast<Eigen::Index>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  /// Features 0 … candidate_features() − 1 differ between a user's items; the rest are the user's own.
  [[nodiscard]] Eigen::Index candidate_features() const noexcept { return candidate_features_; }

  /// Computes `values()` and `log_lanes()` for all entries of `user` at `now`.
  ///
  /// Complexity: O(n (features + log n)) for n entries; no allocation once the largest user was seen.
  /// Errors: std::domain_error when `now` is before the newest event of the user or of one of the user's items; std::logic_error for one shard of
  ///         several, whose heat is not everybody's.
  void compute(const Store& store, const user_state& user, time_point now) {
    compute_values(store, user, now);
    compute_log_lanes(store.layout(), user);
  }

  /// Computes `values()` alone, which is all that ranking takes.   Complexity, errors: as `compute`.
  void compute_values(const Store& store, const user_state& user, time_point now) {
    now_ = now.time_since_epoch().count();
    if (now_ < user.newest)
      throw std::domain_error("ebb::return_features: now must not be before the user's newest event");
    n_ = static_cast<Eigen::Index>(user.entries.size());
    values_.resize(n_, size());
    log_lanes_.resize(0, lanes_);
    column_ = 0;
    if (n_ == 0) return;
    read_entries(store.layout(), user);
    for (int k = 0; k < lanes_; ++k) shares_.write(k, values_, column_++);
    add_gaps();
    add_ranks(user);
    if (set_.heat) add_heat(store, user);
    if (set_.rhythms) add_rhythms(store.layout(), user);
    if (set_.sequence) {
      sequence_.read(ages_, recent_, newest_, values_, column_);
      column_ += detail::use_sequence::size;
    }
    if (set_.user) add_user(user);
  }

  /// What was computed last, valid until the next time: (candidates, features).
  [[nodiscard]] detail::padded_columns<float>::view values() const noexcept { return values_.values(); }
  /// The same with the padding, for what goes on to vectorise over the candidates.
  [[nodiscard]] const detail::padded_columns<float>& columns() const noexcept { return values_; }
  /// ln Σ amount · 2^(−age / h_k), (candidates, lanes); a sum of zero counts as 1e-300. Empty after `compute_values`.
  [[nodiscard]] detail::padded_columns<double>::view log_lanes() const noexcept { return log_lanes_.values(); }

 private:
  using value_type = typename Store::value_type;
  // What is read of an entry, a column each.
  enum raw : Eigen::Index {
    age,
    first_age,
    gap,
    has_gap = gap + 3,
    mean_gap = has_gap + 3,
    uses,
    log_uses,
    rank,
    tied,
    raws
  };
  enum raw_heat : Eigen::Index { last_by_any, first_by_any, popularity, owners, is_used_since, raw_heats };

  [[nodiscard]] float seconds_since(ticks t) const noexcept {
    return detail::to_seconds(detail::ticks_between(t, now_));
  }

  /// The next feature is f(candidate).
  template <class Function>
  void add(Function f) {
    values_.fill(column_++, f);
  }

  /// The next feature is ln f(candidate), f > 0. The logarithm is a pass of its own: joined to a branch in f the loop would not vectorise.
  template <class Function>
  void add_log(Function f) {
    values_.fill(column_, f);
    values_.log(column_++);
  }

  void describe() {
    const auto add = [&](std::initializer_list<const char*> names) {
      names_.insert(names_.end(), names.begin(), names.end());
    };
    const auto add_each = [&](const std::string& name, int count) {
      for (int k = 0; k < count; ++k) names_.push_back(name + ' ' + std::to_string(k));
    };
    add_each("ln share of lane", lanes_);
    add({"ln age", "ln gap 1", "ln gap 2", "ln gap 3", "ln age / gap 1", "has gap 1", "has gap 2", "has gap 3",
         "ln mean gap", "ln age / mean gap", "ln count", "ln first age"});
    add({"ln recency rank", "1 / recency rank", "recency rank / items", "ln frequency rank", "1 / frequency rank",
         "ln share of events", "ln items last used together"});
    if (set_.heat) {
      add_each("ln share of heat, lane", lanes_);
      add({"ln age of the last use by anybody", "ln age of the first use by anybody", "ln popularity", "ln users",
           "ln own share of uses", "used by another since"});
    }
    add_each("rhythm", rhythms_);
    if (set_.sequence)
      add({"followed within 10 minutes", "followed within an hour", "followed within 6 hours", "followed within a day",
           "followed after as long", "used at the same time"});
    candidate_features_ = size();
    if (set_.user)
      add({"ln events", "ln items", "ln time since the last event", "ln mean time between events", "repeat share",
           "hour, cos", "hour, sin", "weekday, cos", "weekday, sin"});
  }

  /// An item that was only disliked has no use; the user's first event stands for it.
  void read_entries(const detail::entry_layout& layout, const user_state& user) {
    raw_.resize(n_, raws);
    ages_.resize(n_, recent_);
    last_.resize(static_cast<std::size_t>(n_));
    shares_.start(n_, layout.grid, lanes_, user.newest);
    detail::with_lanes<0>(lanes_, [&](auto lanes) { read_rows(layout, lanes, user); });
    for (Eigen::Index r = 0; r < recent_; ++r) ages_.pad(r);
    for (const Eigen::Index c : {age, first_age, mean_gap, uses}) raw_.pad(c);
    const float* const seconds = raw_[age];
    for (Eigen::Index r = 0; r < 3; ++r) {  // where there is no gap yet, the age stands for it
      const double* const newer = ages_[r];
      const double* const older = ages_[r + 1];
      raw_.fill(has_gap + r, [&](Eigen::Index i) { return older[i] < detail::never_used ? 1.0F : 0.0F; });
      raw_.fill(gap + r, [&](Eigen::Index i) {
        const float between = detail::to_seconds(older[i] - newer[i]);
        return older[i] < detail::never_used ? between : seconds[i];
      });
    }
    const float* const counts = raw_[uses];
    raw_.fill(log_uses, [&](Eigen::Index i) { return counts[i]; });
    raw_.log(log_uses);
  }

  template <class Lanes>
  void read_rows(const detail::entry_layout& layout, Lanes lanes, const user_state& user) {
    newest_ = n_;
    for (Eigen::Index i = 0; i < n_; ++i) {
      const auto e = static_cast<std::size_t>(i);
      const ticks* const times = user.entries.times(layout, e);
      const value_type* const sums = user.entries.sums(layout, e);
      const bool is_used = times[0] != detail::no_time;
      const ticks last = is_used ? times[0] : user.first;
      const ticks first = is_used ? times[layout.first_time()] : user.first;
      if (is_used && (newest_ == n_ || last > last_[static_cast<std::size_t>(newest_)])) newest_ = i;
      last_[e] = last;
      shares_.set(i, layout.grid, lanes, sums, last);
      for (Eigen::Index r = 0; r < recent_; ++r)
        ages_[r][i] = times[r] == detail::no_time ? detail::never_used : detail::ticks_between(times[r], now_);
      const float count = static_cast<float>(std::max(std::uint32_t{1}, user.entries.count(e)));
      const float seconds = seconds_since(last);
      const float mean = detail::to_seconds(detail::ticks_between(first, last)) / std::max(count - 1, 1.0F);
      raw_[age][i] = seconds;
      raw_[first_age][i] = seconds_since(first);
      raw_[mean_gap][i] = count > 1 ? mean : seconds;
      raw_[uses][i] = count;
    }
  }

  void add_gaps() {
    const float* const ages = raw_[age];
    const float* const firsts = raw_[first_age];
    const float* const log_counts = raw_[log_uses];
    const auto add_log_seconds = [&](const float* seconds) {
      add_log([&](Eigen::Index i) { return seconds[i] + 1.0F; });
    };
    const float* const log_ages = values_[column_];
    add_log_seconds(ages);
    const float* const log_gaps = values_[column_];
    for (Eigen::Index r = 0; r < 3; ++r) add_log_seconds(raw_[gap + r]);
    add([&](Eigen::Index i) { return log_ages[i] - log_gaps[i]; });
    for (Eigen::Index r = 0; r < 3; ++r) {
      const float* const has = raw_[has_gap + r];
      add([&](Eigen::Index i) { return has[i]; });
    }
    const float* const log_means = values_[column_];
    add_log_seconds(raw_[mean_gap]);
    add([&](Eigen::Index i) { return log_ages[i] - log_means[i]; });
    add([&](Eigen::Index i) { return log_counts[i]; });
    add_log_seconds(firsts);
  }

  void add_ranks(const user_state& user) {
    const float* const ranks = raw_[rank];
    const float* const ties = raw_[tied];
    const float* const log_counts = raw_[log_uses];
    const auto items = static_cast<float>(n_);
    const float log_events = detail::log_of_positive(static_cast<float>(std::max<std::uint64_t>(1, user.events)));
    const auto rank_by = [&](const std::vector<ticks>& keys) {
      ranking_(keys, raw_[rank], raw_[tied]);
      raw_.pad(rank);
      raw_.pad(tied);
    };
    rank_by(last_);
    const Eigen::Index together = column_ + 6;
    values_.fill(together, [&](Eigen::Index i) { return ties[i]; });
    values_.log(together);
    add_log([&](Eigen::Index i) { return ranks[i]; });
    add([&](Eigen::Index i) { return 1 / ranks[i]; });
    add([&](Eigen::Index i) { return ranks[i] / items; });
    counts_.resize(last_.size());
    for (std::size_t e = 0; e < counts_.size(); ++e) counts_[e] = user.entries.count(e);
    rank_by(counts_);
    add_log([&](Eigen::Index i) { return ranks[i]; });
    add([&](Eigen::Index i) { return 1 / ranks[i]; });
    add([&](Eigen::Index i) { return log_counts[i] - log_events; });
    ++column_;
  }

  void add_heat(const Store& store, const user_state& user) {
    detail::refuse_shard(store, "return_features");
    const detail::entry_layout& layout = store.heat_layout();
    const auto& heat = store.heat_entries();
    heat_.resize(n_, raw_heats);
    ticks newest = detail::no_time;
    for (std::size_t e = 0; e < last_.size(); ++e) {
      newest = std::max(newest, heat.times(layout, user.entries.item(e))[0]);
    }
    if (newest > now_) throw std::domain_error("ebb::return_features: now must not be before an item's newest event");
    heat_shares_.start(n_, layout.grid, lanes_, newest);
    detail::with_lanes<0>(lanes_, [&](auto lanes) {
      for (Eigen::Index i = 0; i < n_; ++i) {
        const std::uint32_t item = user.entries.item(static_cast<std::size_t>(i));
        const ticks* const times = heat.times(layout, item);
        const std::uint32_t count = heat.count(item);
        const ticks last = last_[static_cast<std::size_t>(i)];
        heat_shares_.set(i, layout.grid, lanes, heat.sums(layout, item), times[0]);
        heat_[last_by_any][i] = seconds_since(count > 0 ? times[0] : last);
        heat_[first_by_any][i] = seconds_since(count > 0 ? times[layout.first_time()] : last);
        heat_[popularity][i] = static_cast<float>(std::max(std::uint32_t{1}, count));
        heat_[owners][i] = static_cast<float>(std::max(std::uint32_t{1}, store.users_of(item)));
        heat_[is_used_since][i] = count > 0 && times[0] > last ? 1.0F : 0.0F;
      }
    });
    for (Eigen::Index c = 0; c < raw_heats; ++c) heat_.pad(c);
    for (int k = 0; k < lanes_; ++k) heat_shares_.write(k, values_, column_++);
    for (const Eigen::Index c : {last_by_any, first_by_any}) {
      const float* const ages = heat_[c];
      add_log([&](Eigen::Index i) { return ages[i] + 1.0F; });
    }
    for (const Eigen::Index c : {popularity, owners}) {
      const float* const counts = heat_[c];
      add_log([&](Eigen::Index i) { return counts[i]; });
    }
    const float* const log_counts = raw_[log_uses];
    const float* const log_popularity = values_[column_ - 2];
    const float* const used_since = heat_[is_used_since];
    add([&](Eigen::Index i) { return log_counts[i] - log_popularity[i]; });
    add([&](Eigen::Index i) { return used_since[i]; });
  }

  void add_rhythms(const detail::entry_layout& layout, const user_state& user) {
    const auto rhythms = static_cast<std::size_t>(rhythms_);
    phases_.clear();
    for (std::size_t r = 0; r < rhythms; ++r)
      phases_.push_back(r > 0 && layout.rhythms[r].period == layout.rhythms[r - 1].period
                            ? phases_.back()
                            : detail::phase(now_, layout.rhythms[r].period));
    double inverse[detail::max_lanes];
    for (Eigen::Index i = 0; i < n_; ++i) {
      const value_type* const sums = user.entries.sums(layout, static_cast<std::size_t>(i));
      for (int k = slowest_; k < lanes_; ++k) inverse[k] = sums[k] > 0 ? 1.0 / static_cast<double>(sums[k]) : 0.0;
      const value_type* const pairs = sums + layout.rhythm_sum(0);
      float* match = values_[column_] + i;
      for (std::size_t r = 0; r < rhythms; ++r, match += values_.padded_rows()) {
        const double turned =
            static_cast<double>(pairs[2 * r]) * phases_[r].cos + static_cast<double>(pairs[2 * r + 1]) * phases_[r].sin;
        *match = static_cast<float>(turned * inverse[layout.rhythms[r].lane]);
      }
    }
    for (std::size_t r = 0; r < rhythms; ++r) {
      values_.pad(column_);
      const float* const match = values_[column_];
      add_log([&](Eigen::Index i) { return std::max(0.51F + 0.5F * match[i], 0.01F); });
    }
  }

  void add_user(const user_state& user) {
    const auto events = static_cast<float>(std::max<std::uint64_t>(1, user.events));
    const auto items = static_cast<float>(n_);
    const detail::phase hour(now_, time_point::duration(std::chrono::hours(24)).count());
    const detail::phase weekday(now_, time_point::duration(std::chrono::hours(168)).count());
    const float active = detail::to_seconds(detail::ticks_between(user.first, user.newest));
    const float row[] = {std::log(events),
                         std::log(items),
                         std::log1p(seconds_since(user.newest)),
                         std::log1p(active / std::max(1.0F, events - 1)),
                         1 - items / events,
                         static_cast<float>(hour.cos),
                         static_cast<float>(hour.sin),
                         static_cast<float>(weekday.cos),
                         static_cast<float>(weekday.sin)};
    for (const float value : row) values_.col(column_++).setConstant(value);
  }

  void compute_log_lanes(const detail::entry_layout& layout, const user_state& user) {
    log_lanes_.resize(n_, lanes_);
    for (int k = 0; k < lanes_; ++k) {
      const std::int64_t cell = layout.grid.index(k, now_);
      const double fraction = layout.grid.fraction(k, now_);
      double* const logs = log_lanes_[k];
      for (Eigen::Index i = 0; i < n_; ++i)
        logs[i] = std::max(static_cast<double>(user.entries.sums(layout, static_cast<std::size_t>(i))[k]),
                           detail::no_interest);
      log_lanes_.pad(k);
      log_lanes_.col(k) = log_lanes_.col(k).log();
      for (Eigen::Index i = 0; i < n_; ++i)
        logs[i] += std::numbers::ln2 *
                   (static_cast<double>(layout.grid.index(k, last_[static_cast<std::size_t>(i)]) - cell) - fraction);
    }
  }

  return_feature_set set_;
  int lanes_ = 0;
  Eigen::Index recent_ = 0;
  int rhythms_ = 0;
  int slowest_ = 0;  // first of the lanes that rhythms fade with
  Eigen::Index candidate_features_ = 0;
  std::vector<std::string> names_;
  detail::padded_columns<float> values_;
  detail::padded_columns<double> log_lanes_;

  // of the user at hand
  Eigen::Index n_ = 0;
  ticks now_ = 0;
  Eigen::Index column_ = 0;  // of the next feature
  detail::padded_columns<float> raw_, heat_;
  detail::padded_columns<double> ages_;  // (candidates, recent), in ticks
  detail::lane_shares shares_, heat_shares_;
  std::vector<ticks> last_, counts_;
  Eigen::Index newest_ = 0;  // the entry used last, n_ for none
  detail::competition_rank ranking_;
  std::vector<detail::phase> phases_;
  detail::use_sequence sequence_;
};

}  // namespace ebb

#endif  // EBB_RETURN_FEATURES_HPP
