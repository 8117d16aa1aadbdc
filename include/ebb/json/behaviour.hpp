// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_BEHAVIOUR_HPP
#define EBB_JSON_BEHAVIOUR_HPP

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "ebb/behaviour.hpp"
#include "ebb/detail/json_fields.hpp"
#include "ebb/time.hpp"

// What each behaviour says about interest, in order of the handles:
//   {"format": "ebb.behaviour_model", "version": 1, "behaviours": [
//     {"name": "dwell", "weight": 0.5, "channel": "interest", "value": {"rule": "saturating", "half_seconds": 30.0}},
//     {"name": "rating", "weight": 1.0, "channel": "interest", "value": {"rule": "around", "low": 1.0, "neutral": 3.0, "high": 5.0}}]}
// The other rules: {"rule": "ignored"}, "saturating" and "logarithmic" with a "half", {"rule": "linear", "nothing": 0.0, "all": 5.0}.

namespace ebb::detail {

inline constexpr std::array<std::pair<channel, const char*>, 2> channel_names{
    {{channel::interest, "interest"}, {channel::dislike, "dislike"}}};
inline constexpr std::array<std::pair<value_rule::kind, const char*>, 5> value_rule_names{
    {{value_rule::kind::ignored, "ignored"},
     {value_rule::kind::saturating, "saturating"},
     {value_rule::kind::logarithmic, "logarithmic"},
     {value_rule::kind::linear, "linear"},
     {value_rule::kind::around, "around"}}};

}  // namespace ebb::detail

namespace nlohmann {

/// A part of a behaviour model; without a format of its own.
template <>
struct adl_serializer<ebb::value_rule> {
  using kind = ebb::value_rule::kind;

  static void to_json(json& out, const ebb::value_rule& rule) {
    out = {{"rule", ebb::detail::json_name(rule.how(), ebb::detail::value_rule_names)}};
    if (rule.how() == kind::saturating || rule.how() == kind::logarithmic)
      out[rule.is_timed() ? "half_seconds" : "half"] = rule.neutral();
    if (rule.how() == kind::linear) {
      out["nothing"] = rule.low();
      out["all"] = rule.high();
    }
    if (rule.how() == kind::around) {
      out["low"] = rule.low();
      out["neutral"] = rule.neutral();
      out["high"] = rule.high();
    }
  }

  static ebb::value_rule from_json(const json& in) {
    ebb::detail::json_fields fields(in, "a \"value\"");
    const kind how = fields.choice("rule", ebb::detail::value_rule_names);
    const ebb::value_rule rule = read(fields, how, in.contains("half_seconds"));
    fields.finish();
    return rule;
  }

 private:
  static ebb::value_rule read(ebb::detail::json_fields& fields, kind how, bool timed) {
    using ebb::value_rule;
    switch (how) {
      case kind::ignored:
        break;
      case kind::saturating:
        return timed ? value_rule::saturating(fields.seconds("half_seconds"))
                     : value_rule::saturating(fields.number("half"));
      case kind::logarithmic:
        return timed ? value_rule::logarithmic(fields.seconds("half_seconds"))
                     : value_rule::logarithmic(fields.number("half"));
      case kind::linear: {
        const double nothing = fields.number("nothing");
        return value_rule::linear(nothing, fields.number("all"));
      }
      case kind::around: {
        const double low = fields.number("low");
        const double neutral = fields.number("neutral");
        return value_rule::around(low, neutral, fields.number("high"));
      }
    }
    return value_rule::ignored();
  }
};

template <>
struct adl_serializer<ebb::behaviour_model> {
  static void to_json(json& out, const ebb::behaviour_model& model) {
    out = ebb::detail::json_object("ebb.behaviour_model", 1);
    out["behaviours"] = json::array();
    for (std::size_t i = 0; i < model.size(); ++i) {
      const auto handle = static_cast<ebb::behaviour_model::handle>(i);
      const ebb::behaviour_rule rule = model.rule(handle);
      out["behaviours"].push_back({{"name", model.name(handle)},
                                   {"weight", rule.weight},
                                   {"channel", ebb::detail::json_name(rule.to, ebb::detail::channel_names)},
                                   {"value", rule.value}});
    }
  }

  /// Errors: also std::invalid_argument for a name that stands there twice.
  static ebb::behaviour_model from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.behaviour_model", 1);
    ebb::behaviour_model model = ebb::behaviour_model::blank();
    for (const json& entry : fields.array("behaviours")) {
      ebb::detail::json_fields one(entry, "an entry of \"behaviours\"");
      const std::string name = one.text("name");
      ebb::detail::require(!model.knows(name), "from_json", "a \"name\" of \"behaviours\" must stand there once",
                           "\"" + name + "\"");
      model.set(name, {.weight = one.number("weight"),
                       .to = one.choice("channel", ebb::detail::channel_names),
                       .value = one.at("value").get<ebb::value_rule>()});
      one.finish();
    }
    fields.finish();
    return model;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_BEHAVIOUR_HPP
