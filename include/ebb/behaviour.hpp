// SPDX-License-Identifier: MIT
#ifndef EBB_BEHAVIOUR_HPP
#define EBB_BEHAVIOUR_HPP

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ebb/time.hpp"

namespace ebb {

/// How much of something there was: a plain number (a quantity, a rating) or a length of time, never one for the other.
class event_value {
 public:
  event_value(double number) : number_(number) {}  // NOLINT(google-explicit-constructor): .value = 3
  template <class Rep, class Period>
  event_value(std::chrono::duration<Rep, Period> time)  // NOLINT(google-explicit-constructor): .value = 45s
      : number_(duration(time).count()), is_time_(true) {}

  /// The number; of a length of time, its seconds.
  [[nodiscard]] double number() const noexcept { return number_; }
  [[nodiscard]] bool is_time() const noexcept { return is_time_; }

 private:
  double number_;
  bool is_time_ = false;
};

/// B(u, i, t): what a user did to an item, and when.
template <class User, class Item>
struct event {
  User user;
  Item item;
  time_point time;
  std::string behaviour;                           ///< "view", "purchase" …, as the behaviour model names it
  event_value value = 1;                           ///< a quantity, a rating, a dwell time …
  std::optional<std::uint64_t> id = std::nullopt;  ///< lets a redelivered event be recognised
};

/// What a behaviour says, each in [0, 1]; at most one of the two is above zero.
struct signal {
  double interest = 0;
  double dislike = 0;

  [[nodiscard]] friend bool operator==(const signal&, const signal&) = default;
};

/// Where a behaviour counts.
enum class channel { interest, dislike };

/// How an event's value becomes a share in [0, 1] of its behaviour's weight.
class value_rule {
 public:
  enum class kind { ignored, saturating, logarithmic, linear, around };

  /// share = 1, whatever the value.
  [[nodiscard]] static value_rule ignored() { return value_rule(); }
  /// share = v / (v + half): one half at `half`, all of it never.   Range: half > 0.
  [[nodiscard]] static value_rule saturating(double half) { return {kind::saturating, checked_half(half)}; }
  /// The same for a length of time; the value must then be one.
  [[nodiscard]] static value_rule saturating(duration half) { return timed(saturating(half.count())); }
  /// share = l / (1 + l), l = log2(1 + v / half): one half at `half`, then slower; for values over many magnitudes.
  [[nodiscard]] static value_rule logarithmic(double half) { return {kind::logarithmic, checked_half(half)}; }
  /// The same for a length of time; the value must then be one.
  [[nodiscard]] static value_rule logarithmic(duration half) { return timed(logarithmic(half.count())); }
  /// share = (v − nothing) / (all − nothing) for v between the two, in either order; others are refused.
  [[nodiscard]] static value_rule linear(double nothing, double all) {
    require_finite(nothing);
    require_finite(all);
    detail::require(nothing != all, "value_rule::linear", "the ends must differ", all);
    require_finite(all - nothing);
    return {kind::linear, nothing, nothing, all};
  }
  /// A scale with a neutral point, such as 1 to 5 stars around 3: interest above it, dislike below, each linear.
  /// Range:  low < neutral < high; values outside [low, high] are refused.
  [[nodiscard]] static value_rule around(double low, double neutral, double high) {
    require_finite(low);
    require_finite(high);
    detail::require(low < neutral && neutral < high, "value_rule::around", "neutral must lie between low and high",
                    neutral);
    require_finite(neutral - low);
    require_finite(high - neutral);
    return {kind::around, low, neutral, high};
  }

  /// The share of the value, in [−1, 1]; below zero only `around`, for the opposite channel.
  /// Errors: std::invalid_argument, naming `behaviour`, unless the value is of the rule's kind (a number or a length of
  /// time; an ignored value may be either), finite, and >= 0 or on the rule's scale.
  [[nodiscard]] double share(const event_value& value, std::string_view behaviour) const {
    const double v = value.number();
    if (kind_ != kind::ignored && value.is_time() != timed_) {
      refuse(behaviour, timed_ ? "a length of time" : "a plain number", value);
    }
    if (!std::isfinite(v)) refuse(behaviour, "finite", value);
    if (kind_ == kind::linear || kind_ == kind::around) {
      if (!(std::fmin(low_, high_) <= v && v <= std::fmax(low_, high_))) refuse(behaviour, "on its scale", value);
    } else if (v < 0) {
      refuse(behaviour, ">= 0", value);
    }
    switch (kind_) {
      case kind::ignored:
        break;
      case kind::saturating:
        return v == 0 ? 0.0 : 1 / (1 + neutral_ / v);  // v + neutral_ may overflow
      case kind::logarithmic: {
        const double ratio = v / neutral_;
        const double l = std::isfinite(ratio) ? std::log2(1 + ratio) : std::log2(v) - std::log2(neutral_);
        return l / (1 + l);
      }
      case kind::linear:
        return (v - low_) / (high_ - low_);
      case kind::around:
        return v < neutral_ ? (v - neutral_) / (neutral_ - low_) : (v - neutral_) / (high_ - neutral_);
    }
    return 1;
  }

  /// What the rule was made of: its kind, whether it is for lengths of time (then in seconds), and its numbers.
  [[nodiscard]] kind how() const noexcept { return kind_; }
  [[nodiscard]] bool is_timed() const noexcept { return timed_; }
  [[nodiscard]] double low() const noexcept { return low_; }          ///< `linear`: nothing
  [[nodiscard]] double neutral() const noexcept { return neutral_; }  ///< `saturating`, `logarithmic`: half
  [[nodiscard]] double high() const noexcept { return high_; }        ///< `linear`: all

 private:
  value_rule() = default;
  value_rule(kind k, double neutral) : kind_(k), neutral_(neutral) {}
  value_rule(kind k, double low, double neutral, double high) : kind_(k), low_(low), neutral_(neutral), high_(high) {}

  static value_rule timed(value_rule rule) {
    rule.timed_ = true;
    return rule;
  }
  static double checked_half(double half) {
    detail::require(std::isfinite(half) && half > 0, "value_rule", "half must be finite and > 0", half);
    return half;
  }
  static void require_finite(double end) {
    detail::require(std::isfinite(end), "value_rule", "the ends of a scale and their distance must be finite", end);
  }
  [[noreturn]] static void refuse(std::string_view behaviour, std::string_view rule, const event_value& value) {
    std::ostringstream text;
    text << "ebb::behaviour_model: the value of \"" << behaviour << "\" must be " << rule << ", got " << value.number()
         << (value.is_time() ? " s" : "");
    throw std::invalid_argument(text.str());
  }

  kind kind_ = kind::ignored;
  bool timed_ = false;
  double low_ = 0;
  double neutral_ = 0;  // or the half of saturating and logarithmic
  double high_ = 0;
};

/// All that is known of one behaviour.
struct behaviour_rule {
  double weight = 1;  ///< θ in [0, 1]
  channel to = channel::interest;
  value_rule value = value_rule::ignored();
};

/// f(B, θ): what each behaviour says about interest.
///
///   signal = θ_behaviour · share(value), in the behaviour's channel; in [0, 1]
///
/// As made it knows these, ordered by what they cost the user, which is what they are worth as evidence:
///
///   view 0.1, click 0.2, search 0.3, dwell 0.5 (half of it at 30 s), like 0.5, save 0.6, comment 0.6, share 0.7,
///   cart 0.8, purchase 1, rating 1 (1 to 5, neutral at 3), and in the dislike channel: hide 0.5, dislike 1.
///
/// `set` changes or adds one. A behaviour named "*" stands for every name that is not known; without it such a name is
/// refused. On the hot path ask for a name's handle once and use that.
/// Complexity: O(1) by handle, O(log n) by name.
class behaviour_model {
 public:
  /// A behaviour of this model (handles of other models mean nothing to it).
  enum class handle : std::uint32_t {};

  behaviour_model() {
    set("view", {.weight = 0.1});
    set("click", {.weight = 0.2});
    set("search", {.weight = 0.3});
    set("dwell", {.weight = 0.5, .value = value_rule::saturating(std::chrono::seconds(30))});
    set("like", {.weight = 0.5});
    set("save", {.weight = 0.6});
    set("comment", {.weight = 0.6});
    set("share", {.weight = 0.7});
    set("cart", {.weight = 0.8});
    set("purchase", {.weight = 1});
    set("rating", {.weight = 1, .value = value_rule::around(1, 3, 5)});
    set("hide", {.weight = 0.5, .to = channel::dislike});
    set("dislike", {.weight = 1, .to = channel::dislike});
  }
  /// A model that knows no behaviour yet.
  [[nodiscard]] static behaviour_model blank() { return behaviour_model(nothing{}); }

  /// Adds the behaviour, or replaces its rule.
  /// Errors: std::invalid_argument unless the name is not empty and the weight is in [0, 1].
  handle set(std::string_view name, const behaviour_rule& rule) {
    detail::require(!name.empty(), "behaviour_model", "a behaviour's name must not be empty", "\"\"");
    require_weight(name, rule.weight);
    const auto [at, added] = index_.try_emplace(std::string(name), static_cast<std::uint32_t>(rules_.size()));
    if (added) {
      names_.emplace_back(name);
      rules_.push_back(rule);
      weights_.push_back(rule.weight);
    } else {
      rules_[at->second] = rule;
      weights_[at->second] = rule.weight;
    }
    return handle(at->second);
  }
  /// Changes only the weight θ of a known behaviour.
  /// Errors: std::invalid_argument unless it is known and the weight is in [0, 1].
  void set_weight(std::string_view name, double weight) {
    const auto at = index_.find(name);
    if (at == index_.end()) throw_unknown(name);
    require_weight(name, weight);
    weights_[at->second] = weight;
  }

  /// The behaviour's handle, or that of "*".   Errors: std::invalid_argument, with the name, if there is neither.
  [[nodiscard]] handle id(std::string_view name) const {
    auto at = index_.find(name);
    if (at == index_.end()) at = index_.find("*");
    if (at == index_.end()) throw_unknown(name);
    return handle(at->second);
  }
  [[nodiscard]] bool knows(std::string_view name) const { return index_.contains(name); }
  [[nodiscard]] std::size_t size() const noexcept { return rules_.size(); }
  [[nodiscard]] const std::string& name(handle behaviour) const { return names_.at(index(behaviour)); }
  [[nodiscard]] behaviour_rule rule(handle behaviour) const {
    behaviour_rule rule = rules_.at(index(behaviour));
    rule.weight = weights_[index(behaviour)];
    return rule;
  }

  /// The signal of one behaviour.   Errors: std::out_of_range for a foreign handle; `value_rule::share`'s for the value.
  [[nodiscard]] signal operator()(handle behaviour, const event_value& value = 1) const {
    const signal full = share(behaviour, value);  // checks the handle
    const double weight = weights_[index(behaviour)];
    return {weight * full.interest, weight * full.dislike};
  }
  /// The same by name.   Errors: those of `id`, too.
  [[nodiscard]] signal operator()(std::string_view name, const event_value& value = 1) const {
    return (*this)(id(name), value);
  }
  template <class User, class Item>
  [[nodiscard]] signal operator()(const event<User, Item>& event) const {
    return (*this)(event.behaviour, event.value);
  }

  /// The signal as it would be at θ = 1, which is also its derivative by θ.
  [[nodiscard]] signal share(handle behaviour, const event_value& value = 1) const {
    const behaviour_rule& rule = rules_.at(index(behaviour));
    const double share = rule.value.share(value, names_[index(behaviour)]);
    const bool likes = (rule.to == channel::interest) == (share >= 0);
    return likes ? signal{std::abs(share), 0} : signal{0, std::abs(share)};
  }

  /// θ of every behaviour, in order of their handles: what there is to learn.   Shape: (size()).
  [[nodiscard]] std::span<const double> weights() const noexcept { return weights_; }
  /// Takes a learned θ.   Errors: std::invalid_argument, with nothing changed, unless there are size() in [0, 1].
  void set_weights(std::span<const double> weights) {
    detail::require(weights.size() == weights_.size(), "behaviour_model", "there must be one weight a behaviour",
                    weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) require_weight(names_[i], weights[i]);
    weights_.assign(weights.begin(), weights.end());
  }

 private:
  struct nothing {};
  explicit behaviour_model(nothing) {}

  static std::size_t index(handle behaviour) noexcept { return static_cast<std::size_t>(behaviour); }
  static void require_weight(std::string_view name, double weight) {
    if (weight >= 0 && weight <= 1) return;
    detail::require(false, "behaviour_model", "the weight of \"" + std::string(name) + "\" must be in [0, 1]", weight);
  }
  [[noreturn]] void throw_unknown(std::string_view name) const {
    std::string known;
    for (const std::string& other : names_) known += (known.empty() ? "" : ", ") + other;
    throw std::invalid_argument("ebb::behaviour_model: the behaviour must be known (" + known +
                                ") or \"*\" be set, got \"" + std::string(name) + "\"");
  }

  std::map<std::string, std::uint32_t, std::less<>> index_;
  // One entry a behaviour, in order of the handles.
  std::vector<std::string> names_;
  std::vector<behaviour_rule> rules_;  // their weights stand in weights_
  std::vector<double> weights_;        // θ
};

}  // namespace ebb

#endif  // EBB_BEHAVIOUR_HPP
