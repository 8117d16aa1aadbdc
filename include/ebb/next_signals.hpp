// SPDX-License-Identifier: MIT
#ifndef EBB_NEXT_SIGNALS_HPP
#define EBB_NEXT_SIGNALS_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/cooccurrence.hpp"
#include "ebb/detail/item_terms.hpp"
#include "ebb/detail/uptakes.hpp"
#include "ebb/item_regression.hpp"
#include "ebb/next_task.hpp"
#include "ebb/time.hpp"

namespace ebb {

struct next_signal_options {
  /// Speeds at which heat is read, beside the undecayed counts.
  std::vector<duration> half_lives = {std::chrono::hours(6), std::chrono::days(1),  std::chrono::days(3),
                                      std::chrono::days(7),  std::chrono::days(15), std::chrono::days(30),
                                      std::chrono::days(90), std::chrono::days(365)};
  duration recent =
      std::chrono::days(7);  ///< half-life of "lately": in the user's own history and in what others took up
  duration liking = std::chrono::days(60);  ///< half-life of the user's liking for tags, words and popularity
  double ridge = 500;                       ///< of the item regression
  std::size_t regression_items =
      4000;                       ///< so many of the most frequent items take part in it, where there are as many users
  std::size_t neighbours = 1000;  ///< people alike that a walk passes through, at most
};

/// What says which new item a user may take up next, read from the events before one moment.
///
/// Of the item alone: *heat* (events and first uses by anybody, at several half-lives), age, last use, repetition, and whether its users have
/// had much and came to it early. Of user and item: what the item regression answers to the user's interests; what people alike took
/// up, ever and lately, walked to over shared items (weighted by 1 / users of the item, by recency, by how often they are used); what people
/// at the user's stage and of the user's time took up; what follows the user's newest items; how tags and titles fit.
/// A score s >= 0 of user and item is given twice, as ln(s / mean + 0.05) and as (s − mean) / deviation, both over the items new to the
/// user and the first centred, so that a weight learned on a shorter log still fits a longer one.
///
/// Shapes: values (candidates, size()), of_user (user_size()).   Units: days, natural logarithms.
/// Cost:   made in O(events · half_lives) and the item regression's time; a `compute` takes O(first uses in the log + candidates · size()).
/// Source: C. Cooper, S. H. Lee, T. Radzik, Y. Siantos, Random walks in recommender systems, WWW 2014 companion (the walks).
class next_signals {
 public:
  using matrix = Eigen::MatrixXf;
  using vector = Eigen::VectorXf;

  /// Reads a history once; events and candidates must outlive this.
  ///
  /// Errors: std::invalid_argument for a half-life that is not > 0, no neighbours or regression items, and a ridge that is not > 0.
  explicit next_signals(const next_history& history, next_signal_options options = {})
      : history_(history),
        options_(std::move(options)),
        uptakes_(history.events, history.users, history.items, history.now, options_.recent),
        place_(history.items, nowhere) {
    check();
    for (std::size_t k = 0; k < history.candidates.size(); ++k)
      place_[history.candidates[k]] = static_cast<std::int32_t>(k);
    read_items();
    read_terms();
    regress();
    follow();
    for (const char* name :
         {"regression", "regression of uses", "walk", "walk to lately", "walk from lately",
          "walk from lately to lately", "alike", "walk of uses", "same stage", "same time", "sequel", "tags", "words"})
      for (const char* form : {": share", ": deviation"}) names_.push_back(std::string(name) + form);
  }

  [[nodiscard]] Eigen::Index candidates() const noexcept { return std::ssize(history_.candidates); }
  [[nodiscard]] Eigen::Index size() const noexcept { return std::ssize(names_); }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }

  /// Whether the item can be recommended to a user who has had what the last `compute` was asked about.
  [[nodiscard]] const std::vector<bool>& fresh() const noexcept { return fresh_; }

  /// What describes a user as a whole: ln items had, ln age of the newest and the oldest, ln newly had lately, liking for the popular.
  static constexpr Eigen::Index user_size() noexcept { return 5; }

  /// Writes all signals for `user` at the history's end.
  ///
  /// values: (candidates, size()), resized. of_user: (user_size()), resized.
  /// Errors: std::out_of_range for a user number the history does not have.
  void compute(user_id user, matrix& values, vector& of_user) {
    const std::vector<detail::uptake>& own = uptakes_.of_user.at(user);
    values.resize(candidates(), size());
    values.leftCols(items_.cols()) = items_;
    fresh_.assign(history_.candidates.size(), true);
    for (const detail::uptake& had : own)
      if (place_[had.of] != nowhere) fresh_[static_cast<std::size_t>(place_[had.of])] = false;
    column_ = items_.cols();
    const duration newest = own.empty() ? duration(0) : own.back().age;
    ask_regression(own, values);
    meet_people(user, own, newest, values);
    ask_sequels(own, values);
    match_terms(own, newest, values);
    describe(own, newest, of_user);
  }

 private:
  static constexpr std::int32_t nowhere = -1;

  [[nodiscard]] static float fade(duration age, duration half_life) {
    return static_cast<float>(std::exp2(-(age / half_life)));
  }

  void check() const {
    constexpr const char* where = "next_signals";
    for (const duration h : options_.half_lives) detail::require(h.count() > 0, where, "a half-life must be > 0", h);
    detail::require(options_.recent.count() > 0, where, "recent must be > 0", options_.recent);
    detail::require(options_.liking.count() > 0, where, "liking must be > 0", options_.liking);
    detail::require(options_.neighbours > 0, where, "neighbours must be > 0", options_.neighbours);
    detail::require(options_.regression_items > 0, where, "regression_items must be > 0", options_.regression_items);
  }

  void add_item_signal(std::string name, vector values) {
    if (values.size() > 0) values.array() -= values.mean();
    items_.conservativeResize(candidates(), items_.cols() + 1);
    items_.rightCols(1) = values;
    names_.push_back(std::move(name));
  }

  /// ln(sum + a fiftieth of the mean): an item unheard of lately is far down, but not infinitely so.
  [[nodiscard]] static vector log_heat(const Eigen::VectorXd& sums) {
    if (sums.size() == 0) return {};
    return (sums.array() + 0.02 * sums.mean() + 1e-30).log().cast<float>();
  }

  void read_items() {
    const Eigen::Index n = candidates();
    Eigen::VectorXd events = Eigen::VectorXd::Zero(n);
    Eigen::VectorXd users = Eigen::VectorXd::Zero(n);
    Eigen::VectorXd oldest = Eigen::VectorXd::Zero(n);
    Eigen::VectorXd newest = Eigen::VectorXd::Constant(n, 1e9);
    Eigen::VectorXd newest_uptake = newest;
    Eigen::VectorXd audience = Eigen::VectorXd::Zero(n);
    Eigen::VectorXd position = Eigen::VectorXd::Zero(n);
    const auto in_days = [](duration age) { return age / std::chrono::days(1); };
    for (const logged_event& event : history_.events)
      if (const std::int32_t k = place_[event.item]; k != nowhere) {
        const double age = in_days(history_.now - event.time);
        ++events[k];
        oldest[k] = std::max(oldest[k], age);
        newest[k] = std::min(newest[k], age);
      }
    double all_audience = 0;
    double all_position = 0;
    for (const std::vector<detail::uptake>& own : uptakes_.of_user)
      for (std::size_t p = 0; p < own.size(); ++p) {
        const double size = std::log(static_cast<double>(own.size()));
        const double order = std::log1p(static_cast<double>(p));
        all_audience += size / static_cast<double>(uptakes_.count);
        all_position += order / static_cast<double>(uptakes_.count);
        const std::int32_t k = place_[own[p].of];
        if (k == nowhere) continue;
        ++users[k];
        newest_uptake[k] = std::min(newest_uptake[k], in_days(own[p].age));
        audience[k] += size;
        position[k] += order;
      }
    for (const duration h : options_.half_lives) {
      Eigen::VectorXd uses = Eigen::VectorXd::Zero(n);
      Eigen::VectorXd uptakes = Eigen::VectorXd::Zero(n);
      for (const logged_event& event : history_.events)
        if (const std::int32_t k = place_[event.item]; k != nowhere)
          uses[k] += std::exp2(-(duration(history_.now - event.time) / h));
      for (const item_id item : history_.candidates)
        for (const detail::uptake& by : uptakes_.of_item[item]) uptakes[place_[item]] += std::exp2(-(by.age / h));
      std::ostringstream days;
      days << in_days(h) << " d";
      add_item_signal(std::string("heat ").append(days.str()), log_heat(uses));
      add_item_signal(std::string("uptake ").append(days.str()), log_heat(uptakes));
    }
    add_item_signal("events", log_heat(events));
    add_item_signal("users", log_heat(users));
    popularity_ = log_heat(users);
    add_item_signal("age", (oldest.array() + 0.1).log().cast<float>());
    add_item_signal("last use", (newest.array() + 0.02).log().cast<float>());
    add_item_signal("last uptake", (newest_uptake.array() + 0.02).log().cast<float>());
    add_item_signal("repetition", (events.array() / users.array()).log().cast<float>());
    // How much its users have had, and how early in their history it came; shrunk to the mean as by three more users.
    add_item_signal("audience", ((audience.array() + 3 * all_audience) / (users.array() + 3)).cast<float>());
    add_item_signal("position", ((position.array() + 3 * all_position) / (users.array() + 3)).cast<float>());
  }

  void read_terms() {
    if (history_.catalogue == nullptr) return;
    std::vector<bool> known(history_.items, false);
    for (std::size_t i = 0; i < known.size(); ++i) known[i] = !uptakes_.of_item[i].empty();
    tags_ = detail::item_terms::of_tags(*history_.catalogue, known);
    words_ = detail::item_terms::of_titles(*history_.catalogue, known);
  }

  /// The user's items that take part in the regression, each with weight 1, or ln(1 + uses).
  [[nodiscard]] item_profile<float> profile(const std::vector<detail::uptake>& own, bool of_uses) const {
    item_profile<float> out;
    for (const detail::uptake& had : own)
      if (const std::int32_t k = place_[had.of]; k != nowhere && k < regressed_)
        out.push_back({k, of_uses ? had.uses : 1.0F});
    return out;
  }

  void regress() {
    const bool few_users = history_.users < options_.regression_items;
    regressed_ = static_cast<std::int32_t>(few_users ? history_.candidates.size()
                                                     : std::min(history_.candidates.size(), options_.regression_items));
    if (regressed_ == 0) return;
    std::vector<item_profile<float>> profiles;
    for (const std::vector<detail::uptake>& own : uptakes_.of_user)
      if (item_profile<float> x = profile(own, false); !x.empty()) profiles.push_back(std::move(x));
    regression_.emplace(std::span<const item_profile<float>>(profiles), regressed_, options_.ridge);
  }

  void follow() {
    for (user_id user = 0; user < uptakes_.of_user.size(); ++user)
      for (const detail::uptake& had : uptakes_.of_user[user]) {
        if (place_[had.of] == nowhere) continue;
        sequels_.observe(user, had.of, history_.now - std::chrono::duration_cast<time_point::duration>(had.age));
      }
  }

  /// Writes a score a candidate into the next two columns: its share in logarithms, and its deviation.
  template <class Scores>
  void put(const Scores& scores, matrix& values) {
    double sum = 0;
    double squares = 0;
    double positive = 0;
    double n = 0;
    for (Eigen::Index k = 0; k < values.rows(); ++k)
      if (fresh_[static_cast<std::size_t>(k)]) {
        const double s = static_cast<double>(scores[k]);
        sum += s;
        squares += s * s;
        positive += std::max(s, 0.0);
        ++n;
      }
    const double mean = n > 0 ? sum / n : 0;
    const double deviation = n > 0 ? std::sqrt(std::max(squares / n - mean * mean, 0.0)) : 0;
    const auto center = static_cast<float>(mean);
    const auto unit = static_cast<float>(deviation > 1e-15 ? 1 / deviation : 0);
    const auto share = static_cast<float>(positive > 1e-15 ? n / positive : 0);
    double shares = 0;
    for (Eigen::Index k = 0; k < values.rows(); ++k) {
      const auto s = static_cast<float>(scores[k]);
      values(k, column_) = std::log(std::max(s, 0.0F) * share + 0.05F);
      values(k, column_ + 1) = (s - center) * unit;
      if (fresh_[static_cast<std::size_t>(k)]) shares += static_cast<double>(values(k, column_));
    }
    if (n > 0) values.col(column_).array() -= static_cast<float>(shares / n);
    column_ += 2;
  }

  void ask_regression(const std::vector<detail::uptake>& own, matrix& values) {
    vector scores = vector::Zero(candidates());
    for (const bool of_uses : {false, true}) {
      if (regression_) regression_->score(profile(own, of_uses), scores.head(regressed_));
      put(scores, values);
    }
  }

  /// How one person relates to the user: over the items both have had, and in time.
  struct person {
    float shared = 0;         // Σ 1 / users of the item
    float shared_lately = 0;  // the same, faded by when the user took it up
    float shared_uses = 0;    // the same, by how often both use it
    float common = 0;         // items
  };

  [[nodiscard]] std::vector<person> people_met(user_id user, const std::vector<detail::uptake>& own,
                                               duration newest) const {
    std::vector<person> people(uptakes_.of_user.size());
    for (const detail::uptake& had : own) {
      const std::vector<detail::uptake>& users = uptakes_.of_item[had.of];
      const float each = 1 / static_cast<float>(users.size());
      const float lately = each * fade(had.age - newest, options_.recent);
      for (const detail::uptake& other : users) {
        person& them = people[other.of];
        them.shared += each;
        them.shared_lately += lately;
        them.shared_uses += each * had.uses * other.uses;
        them.common += 1;
      }
    }
    people[user] = {};
    std::vector<float> closeness;
    for (user_id v = 0; v < people.size(); ++v)
      if (people[v].common > 0) closeness.push_back(closeness_of(people[v], v));
    if (closeness.size() > options_.neighbours) {
      const auto last = closeness.begin() + static_cast<std::ptrdiff_t>(options_.neighbours - 1);
      std::nth_element(closeness.begin(), last, closeness.end(), std::greater<>());
      for (user_id v = 0; v < people.size(); ++v)
        if (people[v].common > 0 && closeness_of(people[v], v) < *last) people[v] = {};
    }
    return people;
  }

  [[nodiscard]] float closeness_of(const person& them, user_id v) const {
    return them.shared / std::sqrt(static_cast<float>(uptakes_.of_user[v].size()));
  }

  /// What everybody else took up, seen from the user: eight weightings at once.
  void meet_people(user_id user, const std::vector<detail::uptake>& own, duration newest, matrix& values) {
    using views = Eigen::Array<float, 8, 1>;
    const std::vector<person> people = people_met(user, own, newest);
    const auto stage = static_cast<float>(own.size() + 1);
    Eigen::Array<float, 8, Eigen::Dynamic> reached = Eigen::Array<float, 8, Eigen::Dynamic>::Zero(8, candidates());
    for (user_id v = 0; v < people.size() && !own.empty(); ++v) {
      const std::vector<detail::uptake>& theirs = uptakes_.of_user[v];
      if (theirs.empty() || v == user) continue;
      const person& them = people[v];
      const float spread = 1 / std::sqrt(static_cast<float>(theirs.size()));
      const float jaccard = them.common / (static_cast<float>(own.size() + theirs.size()) - them.common);
      const duration apart =
          std::max(theirs.front().age, own.front().age) - std::min(theirs.front().age, own.front().age);
      const float ever = them.shared * spread;
      const float recent = them.shared_lately * spread;
      const views fixed(ever, 0, recent, 0, jaccard * jaccard, them.shared_uses * spread, 0,
                        fade(apart, options_.recent));
      const views lately(0, ever, 0, recent, 0, 0, 0, 0);
      for (std::size_t p = 0; p < theirs.size(); ++p) {
        const std::int32_t k = place_[theirs[p].of];
        if (k == nowhere) continue;
        const auto at = static_cast<float>(p + 1);
        const float like_stage = at < stage ? at / stage : stage / at;
        reached.col(k) += fixed + lately * theirs[p].lately;
        reached(6, k) += like_stage * like_stage;
      }
    }
    for (Eigen::Index r = 0; r < reached.rows(); ++r) put(reached.row(r), values);
  }

  void ask_sequels(const std::vector<detail::uptake>& own, matrix& values) {
    vector scores = vector::Zero(candidates());
    float weight = 1;
    for (std::size_t p = own.size(); p-- > 0 && weight > 0.05F; weight *= 0.9F) {
      const float total = static_cast<float>(sequels_.total(own[p].of, history_.now));
      const float scale = weight / std::sqrt(total + 1);
      sequels_.for_each(own[p].of, history_.now, [&](item_id next, double strength) {
        if (place_[next] != nowhere) scores[place_[next]] += scale * static_cast<float>(strength);
      });
    }
    put(scores, values);
  }

  void match_terms(const std::vector<detail::uptake>& own, duration newest, matrix& values) {
    for (const std::optional<detail::item_terms>& terms : {tags_, words_}) {
      vector scores = vector::Zero(candidates());
      if (terms && terms->vocabulary() > 0) {
        std::vector<float> liked(terms->vocabulary(), 0.0F);
        for (const detail::uptake& had : own) terms->add_to(liked, had.of, fade(had.age - newest, options_.liking));
        for (Eigen::Index k = 0; k < candidates(); ++k)
          scores[k] = terms->match(liked, history_.candidates[static_cast<std::size_t>(k)]);
      }
      put(scores, values);
    }
  }

  void describe(const std::vector<detail::uptake>& own, duration newest, vector& of_user) const {
    double lately = 0;
    double popular = 0;
    double weights = 1e-9;
    for (const detail::uptake& had : own) {
      lately += had.age < options_.recent;
      if (place_[had.of] == nowhere) continue;
      const double weight = fade(had.age - newest, options_.liking);
      popular += weight * static_cast<double>(popularity_[place_[had.of]]);
      weights += weight;
    }
    const auto log_days = [](duration age) { return std::log(age / std::chrono::days(1) + 0.05); };
    of_user.resize(user_size());
    of_user << static_cast<float>(std::log1p(static_cast<double>(own.size()))), static_cast<float>(log_days(newest)),
        static_cast<float>(log_days(own.empty() ? duration(0) : own.front().age)),
        static_cast<float>(std::log1p(lately)), static_cast<float>(popular / weights);
  }

  next_history history_;
  next_signal_options options_;
  detail::uptakes uptakes_;
  std::vector<std::int32_t> place_;  // item → candidate, or nowhere
  std::vector<std::string> names_;
  matrix items_;       // (candidates, signals of the item alone), centred
  vector popularity_;  // (candidates): ln users
  std::optional<detail::item_terms> tags_;
  std::optional<detail::item_terms> words_;
  std::optional<item_regression<float>> regression_;
  std::int32_t regressed_ = 0;  // candidates 0 … regressed_ − 1 take part
  cooccurrence<user_id, item_id> sequels_{{.gap_half_life = std::chrono::days(30), .window = 10}};
  std::vector<bool> fresh_;  // (candidates): new to the user asked about last
  Eigen::Index column_ = 0;
};

}  // namespace ebb

#endif  // EBB_NEXT_SIGNALS_HPP
