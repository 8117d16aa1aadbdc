// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_FEATURES_HPP
#define EBB_RETURN_FEATURES_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/entry_layout.hpp"
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

/// Everything about one user's items at one moment that says whether the user will come back to them, read from state alone.
///
/// One definition serves training and serving: the same store, user and moment give the same bytes.
/// Shapes: `values` (candidates, features) and `log_lanes` (candidates, lanes); candidate i is entry i of the user.
/// Units:  natural logarithms of seconds (plus one), of counts and of decayed sums; `names()` says which is which.
template <class Store>
class return_features {
 public:
  using matrix = Eigen::MatrixXf;
  using user_state = typename Store::user_state;
  using ticks = detail::lane_grid::ticks;

  /// Errors: std::invalid_argument unless the store keeps the first and at least the four newest uses, and heat where it is read.
  explicit return_features(const Store& store, return_feature_set set = {}) : set_(set) {
    const store_options& options = store.options();
    detail::require(options.first_use && options.recent >= 4 && (options.heat || !set.heat), "return_features",
                    "the store must be made with return_store_options (first use, 4 recent uses, heat), recent uses",
                    options.recent);
    lanes_ = options.lanes.size();
    rhythms_ = set.rhythms ? static_cast<int>(options.rhythms.size()) : 0;
    describe();
  }

  [[nodiscard]] Eigen::Index size() const noexcept { return static_cast<Eigen::Index>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  /// Features 0 … candidate_features() − 1 differ between a user's items; the rest are the user's own.
  [[nodiscard]] Eigen::Index candidate_features() const noexcept { return candidate_features_; }

  /// Fills `values` and `log_lanes` for all entries of `user` at `now`.
  ///
  /// Complexity: O(n (features + log n)) for n entries; no allocation once the largest user was seen.
  /// Errors: std::domain_error when `now` is before the newest event of the user or of one of the user's items.
  void compute(const Store& store, const user_state& user, time_point now) {
    const auto n = static_cast<Eigen::Index>(user.entries.size());
    values.resize(n, size());
    log_lanes.resize(n, lanes_);
    column_ = 0;
    now_ = now.time_since_epoch().count();
    if (now_ < user.newest)
      throw std::domain_error("ebb::return_features: now must not be before the user's newest event");
    read_entries(store, user);
    add_lanes(store, user);
    add_gaps();
    add_ranks(user);
    if (set_.heat) add_heat(store, user);
    if (set_.rhythms) add_rhythms(store, user);
    if (set_.sequence) add_sequence(store, user);
    if (set_.user) add_user(user);
  }

  matrix values;              ///< (candidates, features)
  Eigen::MatrixXd log_lanes;  ///< (candidates, lanes): ln Σ amount · 2^(−age / h_k)

 private:
  static constexpr float share_floor = -10.0F;
  using column = Eigen::ArrayXf;

  [[nodiscard]] Eigen::Ref<column> next() { return values.col(column_++).array(); }

  [[nodiscard]] static float seconds(ticks span) noexcept {
    return static_cast<float>(static_cast<double>(span) * time_point::period::num / time_point::period::den);
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

  void read_entries(const Store& store, const user_state& user) {
    const auto n = static_cast<Eigen::Index>(user.entries.size());
    const detail::entry_layout& layout = store.layout();
    for (column* const c : {&age_, &first_age_, &gap1_, &gap2_, &gap3_, &count_}) c->resize(n);
    last_.resize(static_cast<std::size_t>(n));
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto e = static_cast<std::size_t>(i);
      const ticks* const times = user.entries.times(layout, e);
      const auto gap = [&](int r) { return times[r] == detail::no_time ? -1.0F : seconds(times[r - 1] - times[r]); };
      const bool used = times[0] != detail::no_time;  // an item that was only disliked has no use
      last_[e] = used ? times[0] : user.first;
      age_[i] = seconds(now_ - last_[e]);
      first_age_[i] = seconds(now_ - (used ? times[layout.first_time()] : user.first));
      gap1_[i] = used ? gap(1) : -1.0F;
      gap2_[i] = used && gap1_[i] >= 0 ? gap(2) : -1.0F;
      gap3_[i] = used && gap2_[i] >= 0 ? gap(3) : -1.0F;
      count_[i] = std::max(1.0F, static_cast<float>(user.entries.count(e)));
    }
    log_age_ = (age_ + 1.0F).log();
  }

  void add_lanes(const Store& store, const user_state& user) {
    const detail::entry_layout& layout = store.layout();
    for (int k = 0; k < lanes_; ++k) {
      const std::int64_t cell = layout.grid.index(k, now_);
      const double offset = -std::numbers::ln2 * layout.grid.fraction(k, now_);
      auto logs = log_lanes.col(k).array();
      for (Eigen::Index i = 0; i < logs.size(); ++i)
        logs[i] = std::max(static_cast<double>(user.entries.sums(layout, static_cast<std::size_t>(i))[k]), 1e-300);
      logs = logs.log() + offset;
      for (Eigen::Index i = 0; i < logs.size(); ++i)
        logs[i] +=
            std::numbers::ln2 * static_cast<double>(layout.grid.index(k, last_[static_cast<std::size_t>(i)]) - cell);
      next() = shares(logs.template cast<float>());
    }
  }

  /// ln of each one's share of the sum, from logarithms, floored.
  [[nodiscard]] static column shares(const column& logs) {
    const float top = logs.maxCoeff();
    return (logs - (top + std::log((logs - top).exp().sum()))).max(share_floor);
  }

  void add_gaps() {
    const auto log_gap = [&](const column& gap) {
      return column((gap >= 0.0F).select((gap.max(0.0F) + 1.0F).log(), log_age_));
    };
    const column gap1 = log_gap(gap1_);
    const column mean = (((first_age_ - age_) / (count_ - 1.0F).max(1.0F)).max(0.0F) + 1.0F).log();
    next() = log_age_;
    next() = gap1;
    next() = log_gap(gap2_);
    next() = log_gap(gap3_);
    next() = log_age_ - gap1;
    for (const column* const gap : {&gap1_, &gap2_, &gap3_}) next() = (*gap >= 0.0F).template cast<float>();
    next() = (count_ > 1.0F).select(mean, log_age_);
    next() = (count_ > 1.0F).select(log_age_ - mean, 0.0F);
    next() = count_.log();
    next() = (first_age_ + 1.0F).log();
  }

  /// rank_[i] = 1 + how many come before i; equal ones share a rank, and tied_[i] says how many do.
  template <class Before>
  void rank_by(Before before) {
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return before(a, b) || (!before(b, a) && a < b); });
    for (std::size_t r = 0, end = 0; r < order_.size(); r = end) {
      while (end < order_.size() && !before(order_[r], order_[end])) ++end;
      for (std::size_t j = r; j < end; ++j) {
        rank_[static_cast<Eigen::Index>(order_[j])] = static_cast<float>(r + 1);
        tied_[static_cast<Eigen::Index>(order_[j])] = static_cast<float>(end - r);
      }
    }
  }

  void add_ranks(const user_state& user) {
    order_.resize(last_.size());
    rank_.resize(values.rows());
    tied_.resize(values.rows());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    rank_by([&](std::size_t a, std::size_t b) { return last_[a] > last_[b]; });
    newest_ = order_.empty() ? 0 : order_.front();
    const column together = tied_.log();
    next() = rank_.log();
    next() = rank_.inverse();
    next() = rank_ / static_cast<float>(values.rows());
    rank_by([&](std::size_t a, std::size_t b) {
      return count_[static_cast<Eigen::Index>(a)] > count_[static_cast<Eigen::Index>(b)];
    });
    next() = rank_.log();
    next() = rank_.inverse();
    next() = (count_ / static_cast<float>(std::max<std::uint64_t>(1, user.events))).log();
    next() = together;
  }

  void add_heat(const Store& store, const user_state& user) {
    const detail::entry_layout& layout = store.heat_layout();
    const auto& heat = store.heat_entries();
    const Eigen::Index n = values.rows();
    column logs(n), last(n), first(n), popularity(n), users(n), since(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto e = static_cast<std::size_t>(i);
      const std::uint32_t item = user.entries.item(e);
      const ticks* const times = heat.times(layout, item);
      const bool used = heat.count(item) > 0;
      if (used && times[0] > now_)
        throw std::domain_error("ebb::return_features: now must not be before an item's newest event");
      last[i] = seconds(now_ - (used ? times[0] : last_[e]));
      first[i] = seconds(now_ - (used ? times[layout.first_time()] : last_[e]));
      popularity[i] = std::max(1.0F, static_cast<float>(heat.count(item)));
      users[i] = std::max(1.0F, static_cast<float>(store.users_of(item)));
      since[i] = used && times[0] > last_[e] ? 1.0F : 0.0F;
    }
    for (int k = 0; k < lanes_; ++k) {
      const std::int64_t cell = layout.grid.index(k, now_);
      for (Eigen::Index i = 0; i < n; ++i) {
        const std::uint32_t item = user.entries.item(static_cast<std::size_t>(i));
        logs[i] = std::max(static_cast<float>(heat.sums(layout, item)[k]), std::numeric_limits<float>::min());
      }
      logs = logs.log();
      for (Eigen::Index i = 0; i < n; ++i) {
        const ticks newest = heat.times(layout, user.entries.item(static_cast<std::size_t>(i)))[0];
        logs[i] += std::numbers::ln2_v<float> * static_cast<float>(layout.grid.index(k, newest) - cell);
      }
      next() = shares(logs);
    }
    next() = (last + 1.0F).log();
    next() = (first + 1.0F).log();
    next() = popularity.log();
    next() = users.log();
    next() = (count_ / popularity).log();
    next() = since;
  }

  void add_rhythms(const Store& store, const user_state& user) {
    const detail::entry_layout& layout = store.layout();
    for (int r = 0; r < rhythms_; ++r) {
      const auto& rhythm = layout.rhythms[static_cast<std::size_t>(r)];
      const double angle =
          2 * std::numbers::pi * static_cast<double>(now_ % rhythm.period) / static_cast<double>(rhythm.period);
      const double c = std::cos(angle);
      const double s = std::sin(angle);
      Eigen::Ref<column> out = next();
      for (Eigen::Index i = 0; i < out.size(); ++i) {
        const auto* const row = user.entries.sums(layout, static_cast<std::size_t>(i));
        const double plain = static_cast<double>(row[rhythm.lane]);
        const double turned =
            static_cast<double>(row[layout.rhythm_sum(r)]) * c + static_cast<double>(row[layout.rhythm_sum(r) + 1]) * s;
        out[i] = static_cast<float>(plain > 0 ? turned / plain : 0.0);
      }
      out = (0.51F + 0.5F * out).max(0.01F).log();
    }
  }

  void add_sequence(const Store& store, const user_state& user) {
    const Eigen::Index first = column_;
    column_ += detail::use_sequence::size;
    sequence_.lead(user.entries, store.layout(), newest_, now_);
    for (Eigen::Index i = 0; i < values.rows(); ++i) {
      const auto row = sequence_.follow(user.entries.times(store.layout(), static_cast<std::size_t>(i)));
      for (int f = 0; f < detail::use_sequence::size; ++f) values(i, first + f) = row[static_cast<std::size_t>(f)];
    }
  }

  void add_user(const user_state& user) {
    const auto events = static_cast<float>(std::max<std::uint64_t>(1, user.events));
    const auto items = static_cast<float>(std::max<Eigen::Index>(1, values.rows()));
    const auto turn = [&](ticks period) {
      return 2 * std::numbers::pi_v<float> *
             static_cast<float>(static_cast<double>(now_ % period) / static_cast<double>(period));
    };
    const float hour = turn(time_point::duration(std::chrono::hours(24)).count());
    const float week = turn(time_point::duration(std::chrono::hours(168)).count());
    const float row[] = {std::log(events),
                         std::log(items),
                         std::log1p(seconds(now_ - user.newest)),
                         std::log1p(seconds(user.newest - user.first) / std::max(1.0F, events - 1)),
                         1 - items / events,
                         std::cos(hour),
                         std::sin(hour),
                         std::cos(week),
                         std::sin(week)};
    for (const float value : row) next().setConstant(value);
  }

  return_feature_set set_;
  int lanes_ = 0;
  int rhythms_ = 0;
  Eigen::Index candidate_features_ = 0;
  std::vector<std::string> names_;
  Eigen::Index column_ = 0;
  ticks now_ = 0;
  std::size_t newest_ = 0;
  column age_, first_age_, gap1_, gap2_, gap3_, count_, log_age_, rank_, tied_;
  std::vector<ticks> last_;
  std::vector<std::size_t> order_;
  detail::use_sequence sequence_;
};

}  // namespace ebb

#endif  // EBB_RETURN_FEATURES_HPP
