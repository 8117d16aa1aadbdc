// SPDX-License-Identifier: MIT
#ifndef EBB_SYNTHETIC_LOG_HPP
#define EBB_SYNTHETIC_LOG_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "ebb/event_log.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// Users who forget at the same speed.
struct synthetic_group {
  std::string name;
  duration half_life;
  int users = 40;
};

/// What kind of log `make_synthetic_log` makes.
struct synthetic_options {
  std::vector<synthetic_group> groups = {{"12 hours", std::chrono::hours(12)},
                                         {"3 days", std::chrono::days(3)},
                                         {"2 weeks", std::chrono::weeks(2)},
                                         {"2 months", std::chrono::days(60)}};
  duration span = std::chrono::days(180);  ///< from 2024-01-01 on
  double events_a_day = 1.1;               ///< of one user, on average
  double explore = 0.25;                   ///< chance that an event is on an item new to the user
  double day_rhythm = 0.8;                 ///< in [0, 1]: how much users keep to their hour of the day …
  double week_rhythm = 0.5;                ///< … and to their day of the week
  double item_rhythm = 0.6;                ///< in [0, 1]: how much an item belongs to an hour of the day
  int items = 2000;
  int categories = 10;  ///< every user favours two of them
};

/// What is true of a user of a synthetic log.
struct synthetic_user {
  std::size_t group;
  duration peak_of_day;   ///< after midnight, UTC: when the user is most active
  duration peak_of_week;  ///< after the start of Thursday, UTC, on which 1970 began
};

/// A log whose makers are known.
struct synthetic_log {
  event_log log;
  item_catalogue catalogue;           ///< one tag an item: its category; no titles
  std::vector<synthetic_user> users;  ///< one a user_id
};

/// Makes a seeded log of users with known half-lives and rhythms.
///
/// A user's events are a Poisson process of rate ∝ (1 + a·cos(2π(t − peak)/day)) · (1 + b·cos(2π(t − peak)/week)). With chance `explore` an
/// event is on an item new to the user, mostly of a favourite category and rather a fresh and common one; else the user returns to item i
/// with a probability ∝ Σ 2^(−age/half_life) · (1 + c·cos(2π(t − hour of i)/day)).
/// Complexity: O(events · (items of a user + items of a category)).
/// Errors: std::invalid_argument for an option outside its range.
[[nodiscard]] synthetic_log make_synthetic_log(std::uint64_t seed, const synthetic_options& options = {});

namespace detail {

/// The factor 1 + strength · cos(2π(t − peak)/period), t counted from 1970.
[[nodiscard]] inline double rhythm_factor(duration t, duration peak, duration period, double strength) {
  return 1.0 + strength * std::cos(2.0 * std::numbers::pi * ((t - peak) / period));
}

/// An index drawn with probability ∝ weights[index], of which at least one is > 0.
[[nodiscard]] inline std::size_t draw(random_engine& random, const std::vector<double>& weights) {
  double sum = 0;
  for (const double w : weights) sum += w;
  double left = random.uniform() * sum;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    left -= weights[k];
    if (left < 0) return k;
  }
  return static_cast<std::size_t>(std::max_element(weights.begin(), weights.end()) - weights.begin());
}

class synthetic_maker {
 public:
  synthetic_maker(std::uint64_t seed, const synthetic_options& options) : options_(options), random_(seed) {
    constexpr std::string_view where = "make_synthetic_log";
    require(!options.groups.empty(), where, "there must be a group", options.groups.size());
    for (const synthetic_group& group : options.groups) {
      require(group.half_life > duration(0) && group.half_life < std::chrono::years(100), where,
              "a half-life must be in (0, 100 years)", group.half_life);
      require(group.users >= 1, where, "a group must have a user", group.users);
    }
    require(options.span >= std::chrono::days(1) && options.span <= std::chrono::years(100), where,
            "span must be in [1 day, 100 years]", options.span);
    require(options.events_a_day > 0 && options.events_a_day <= 1000, where, "events_a_day must be in (0, 1000]",
            options.events_a_day);
    for (const double share : {options.explore, options.day_rhythm, options.week_rhythm, options.item_rhythm})
      require(share >= 0 && share <= 1, where, "shares and strengths must be in [0, 1]", share);
    require(options.categories >= 2 && options.items >= options.categories, where,
            "there must be two categories and an item in each", options.items);
  }

  [[nodiscard]] synthetic_log make() {
    make_items();
    for (std::size_t group = 0; group < options_.groups.size(); ++group)
      for (int n = 0; n < options_.groups[group].users; ++n) make_user(group);
    std::stable_sort(events_.begin(), events_.end(), [](const raw& a, const raw& b) { return a.time < b.time; });
    synthetic_log out;
    std::vector<std::size_t> items;
    for (const raw& event : events_) {
      out.log.append("user-" + std::to_string(event.user), "item-" + std::to_string(event.item), event.time, "view");
      if (out.log.users().size() > out.users.size()) out.users.push_back(users_[event.user]);
      if (out.log.items().size() > items.size()) items.push_back(event.item);
    }
    for (const std::size_t number : items) {
      out.catalogue.titles.emplace_back();
      out.catalogue.tags.push_back(
          {out.catalogue.tag_names.intern("category-" + std::to_string(items_[number].category))});
    }
    return out;
  }

 private:
  static constexpr std::chrono::days day{1};
  static constexpr std::chrono::weeks week{1};
  static constexpr std::chrono::sys_days start{std::chrono::year(2024) / 1 / 1};

  struct item {
    std::size_t category;
    duration hour;      // of the day
    duration appeared;  // since 1970
    double common;
  };
  struct raw {
    std::size_t user;
    std::size_t item;
    std::chrono::sys_seconds time;
  };
  struct owned {
    std::size_t item;
    duration last;
    double sum;  // Σ 2^(−age/h) at `last`
  };

  void make_items() {
    of_category_.resize(static_cast<std::size_t>(options_.categories));
    for (int i = 0; i < options_.items; ++i) {
      const auto category = static_cast<std::size_t>(i % options_.categories);
      of_category_[category].push_back(items_.size());
      const duration hour = random_.uniform() * day;
      // A third is there from the beginning, the rest appears as time goes by.
      const duration appeared = start.time_since_epoch() + std::max(0.0, 1.5 * random_.uniform() - 0.5) * options_.span;
      items_.push_back({category, hour, appeared, std::pow(1.0 - random_.uniform(), -0.7)});
    }
  }

  void make_user(std::size_t group) {
    const std::size_t user = users_.size();
    const duration peak_of_day = random_.uniform() * day;
    const duration peak_of_week = random_.uniform() * week;
    users_.push_back({group, peak_of_day, peak_of_week});
    const std::size_t favourites[2] = {random_.below(of_category_.size()), random_.below(of_category_.size())};
    std::vector<owned> own;
    const double most = (1 + options_.day_rhythm) * (1 + options_.week_rhythm);
    const duration begin = start.time_since_epoch();
    auto newest = std::chrono::sys_seconds::min();
    for (duration t = begin;
         ;) {  // thinning: candidates at the highest rate, kept in proportion to the rate at their time
      t += -std::log1p(-random_.uniform()) / (options_.events_a_day * most) * duration(day);
      if (t >= begin + options_.span) break;
      const double rate = rhythm_factor(t, peak_of_day, day, options_.day_rhythm) *
                          rhythm_factor(t, peak_of_week, week, options_.week_rhythm);
      if (random_.uniform() * most >= rate) continue;
      const std::chrono::sys_seconds time(std::chrono::floor<std::chrono::seconds>(t));
      if (time <= newest) continue;
      newest = time;
      events_.push_back(
          {user, choose(own, time.time_since_epoch(), options_.groups[group].half_life, favourites), time});
    }
  }

  std::size_t choose(std::vector<owned>& own, duration t, duration half_life, const std::size_t (&favourites)[2]) {
    std::vector<double> weights;
    if (own.empty() || random_.uniform() < options_.explore) {
      const std::size_t category =
          random_.uniform() < 0.7 ? favourites[random_.below(2)] : random_.below(of_category_.size());
      const std::vector<std::size_t>& shelf = of_category_[category];
      for (const std::size_t i : shelf) {
        const bool can_be_new = items_[i].appeared <= t &&
                                std::none_of(own.begin(), own.end(), [&](const owned& o) { return o.item == i; });
        const double fresh = 0.1 + std::exp2(-(t - items_[i].appeared) / duration(2 * week));
        weights.push_back(can_be_new ? items_[i].common * fresh * hour_factor(i, t) : 0.0);
      }
      const std::size_t place = draw(random_, weights);
      if (weights[place] > 0) {
        own.push_back({shelf[place], t, 1.0});
        return shelf[place];
      }
      weights.clear();
    }
    if (own.empty()) {  // nothing on the shelf yet: the category's first item, whenever it appears
      own.push_back({of_category_[favourites[0]].front(), t, 1.0});
      return own.back().item;
    }
    for (const owned& o : own) weights.push_back(o.sum * std::exp2(-(t - o.last) / half_life) * hour_factor(o.item, t));
    owned& back = own[draw(random_, weights)];
    back.sum = 1.0 + back.sum * std::exp2(-(t - back.last) / half_life);
    back.last = t;
    return back.item;
  }

  [[nodiscard]] double hour_factor(std::size_t i, duration t) const {
    return rhythm_factor(t, items_[i].hour, day, options_.item_rhythm);
  }

  synthetic_options options_;
  random_engine random_;
  std::vector<item> items_;
  std::vector<std::vector<std::size_t>> of_category_;
  std::vector<synthetic_user> users_;
  std::vector<raw> events_;
};

}  // namespace detail

inline synthetic_log make_synthetic_log(std::uint64_t seed, const synthetic_options& options) {
  return detail::synthetic_maker(seed, options).make();
}

}  // namespace ebb

#endif  // EBB_SYNTHETIC_LOG_HPP
