// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_SELECT_DECAY_HPP
#define EBB_JSON_SELECT_DECAY_HPP

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/json/decay.hpp"
#include "ebb/metrics.hpp"
#include "ebb/select_decay.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// Which decay a log asked for, with all that was compared: `from_json(…).decay()` is the decay that was chosen, to the last bit. A half-life that is
// infinite is null.

namespace ebb::detail {

inline constexpr std::array<std::pair<decay_family, const char*>, 5> decay_family_names{
    {{decay_family::frequency, "frequency"},
     {decay_family::recency, "recency"},
     {decay_family::exponential, "exponential"},
     {decay_family::power_law, "power_law"},
     {decay_family::mixture, "mixture"}}};
inline constexpr std::array<std::pair<decay_verdict, const char*>, 4> decay_verdict_names{
    {{decay_verdict::found, "found"},
     {decay_verdict::no_measurable_difference, "no_measurable_difference"},
     {decay_verdict::no_decay, "no_decay"},
     {decay_verdict::too_little, "too_little"}}};

/// Null for infinity.
[[nodiscard]] inline nlohmann::json length_of_time(duration length, std::string_view key) {
  if (std::isinf(length.count()) && length.count() > 0) return nullptr;
  return json_number(length.count(), key);
}
[[nodiscard]] inline duration length_of_time(json_fields& fields, std::string_view key) {
  const duration length = fields.is_null(key) ? duration(std::numeric_limits<double>::infinity()) : fields.seconds(key);
  require(length.count() >= 0, "from_json", "\"" + std::string(key) + "\" must be >= 0", length.count());
  return length;
}

inline void write_decay_fit(nlohmann::json& out, const decay_fit& fit) {
  out["family"] = json_name(fit.family, decay_family_names);
  out["half_life_seconds"] = length_of_time(fit.half_life, "half_life_seconds");
  out["exponent"] = json_number(fit.exponent, "exponent");
  out["sharpness"] = json_number(fit.sharpness, "sharpness");
  out["loss"] = json_number(fit.loss, "loss");
  out["mrr"] = json_number(fit.mrr, "mrr");
}
[[nodiscard]] inline decay_fit read_decay_fit(const nlohmann::json& in, std::string_view what) {
  json_fields fields(in, what);
  const decay_fit fit{fields.choice("family", decay_family_names),
                      length_of_time(fields, "half_life_seconds"),
                      fields.number("exponent"),
                      fields.number("sharpness"),
                      fields.number("loss"),
                      fields.number("mrr")};
  fields.finish();
  require(fit.exponent >= 0, "from_json", "\"exponent\" of " + std::string(what) + " must be >= 0", fit.exponent);
  require(fit.family != decay_family::power_law || fit.exponent > 0, "from_json",
          "\"exponent\" of " + std::string(what) + " must be > 0 for a power law", fit.exponent);
  require(fit.sharpness >= 0, "from_json", "\"sharpness\" of " + std::string(what) + " must be >= 0", fit.sharpness);
  return fit;
}

inline void write_difference(nlohmann::json& out, const ebb::difference& value, std::string_view key) {
  out["diff"] = json_number(value.diff, key);
  out["lo"] = json_number(value.lo, key);
  out["hi"] = json_number(value.hi, key);
}
[[nodiscard]] inline ebb::difference read_difference(const nlohmann::json& in, std::string_view what) {
  json_fields fields(in, what);
  const ebb::difference value{fields.number("diff"), fields.number("lo"), fields.number("hi")};
  fields.finish();
  require(value.lo <= value.hi, "from_json", "\"lo\" of " + std::string(what) + " must not be above \"hi\"", value.lo);
  return value;
}

inline constexpr std::array<std::pair<ebb::difference decay_choice::*, const char*>, 5> decay_choice_lifts{
    {{&decay_choice::lift, "lift"},
     {&decay_choice::lift_over_no_decay, "lift_over_no_decay"},
     {&decay_choice::lift_over_chance, "lift_over_chance"},
     {&decay_choice::mrr_lift, "mrr_lift"},
     {&decay_choice::mrr_lift_over_no_decay, "mrr_lift_over_no_decay"}}};

}  // namespace ebb::detail

namespace nlohmann {

template <>
struct adl_serializer<ebb::decay_choice> {
  static void to_json(json& target, const ebb::decay_choice& choice) {
    json out = ebb::detail::json_object("ebb.decay_choice", 1);
    ebb::detail::write_decay_fit(out["best"], choice.best);
    out["half_life_interval"] = nullptr;
    if (choice.half_life_interval) {
      json& interval = out["half_life_interval"];
      interval["lo_seconds"] = ebb::detail::length_of_time(choice.half_life_interval->lo, "half_life_interval");
      interval["hi_seconds"] = ebb::detail::length_of_time(choice.half_life_interval->hi, "half_life_interval");
    }
    out["mixture"] = nullptr;
    if (choice.mixture) out["mixture"] = *choice.mixture;
    out["verdict"] = ebb::detail::json_name(choice.verdict, ebb::detail::decay_verdict_names);
    out["runner_up"] = ebb::detail::json_name(choice.runner_up, ebb::detail::decay_family_names);
    for (const auto& [member, key] : ebb::detail::decay_choice_lifts)
      ebb::detail::write_difference(out[key], choice.*member, key);
    out["families"] = json::array();
    for (const ebb::decay_fit& fit : choice.families) {
      json& one = out["families"].emplace_back();
      ebb::detail::write_decay_fit(one, fit);
    }
    out["returns"] = choice.returns;
    out["users"] = choice.users;
    target = std::move(out);
  }

  static ebb::decay_choice from_json(const json& in) {
    using ebb::detail::json_fields;
    json_fields fields(in, "ebb.decay_choice", 1);
    ebb::decay_choice choice;
    choice.best = ebb::detail::read_decay_fit(fields.at("best"), "\"best\"");
    if (!fields.is_null("half_life_interval")) {
      json_fields interval(fields.at("half_life_interval"), "\"half_life_interval\"");
      choice.half_life_interval = ebb::duration_interval{ebb::detail::length_of_time(interval, "lo_seconds"),
                                                         ebb::detail::length_of_time(interval, "hi_seconds")};
      interval.finish();
      ebb::detail::require(choice.half_life_interval->lo <= choice.half_life_interval->hi, "from_json",
                           "\"lo_seconds\" of \"half_life_interval\" must not be above \"hi_seconds\"",
                           choice.half_life_interval->lo);
    }
    if (!fields.is_null("mixture")) choice.mixture = fields.at("mixture").get<ebb::reading>();
    choice.verdict = fields.choice("verdict", ebb::detail::decay_verdict_names);
    choice.runner_up = fields.choice("runner_up", ebb::detail::decay_family_names);
    for (const auto& [member, key] : ebb::detail::decay_choice_lifts)
      choice.*member = ebb::detail::read_difference(fields.at(key), "\"" + std::string(key) + "\"");
    for (const json& entry : fields.array("families"))
      choice.families.push_back(ebb::detail::read_decay_fit(entry, "an entry of \"families\""));
    choice.returns = fields.integer<std::size_t>("returns");
    choice.users = fields.integer<std::size_t>("users");
    fields.finish();
    ebb::detail::require(choice.best.family != ebb::decay_family::mixture || choice.mixture.has_value(), "from_json",
                         "\"mixture\" of ebb.decay_choice must be there where it was chosen", "null");
    static_cast<void>(choice.decay());  // the decay itself refuses numbers it cannot be made of
    return choice;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_SELECT_DECAY_HPP
