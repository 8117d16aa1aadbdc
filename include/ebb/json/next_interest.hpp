// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_NEXT_INTEREST_HPP
#define EBB_JSON_NEXT_INTEREST_HPP

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/json/network.hpp"
#include "ebb/next_blend.hpp"
#include "ebb/next_interest.hpp"
#include "ebb/next_signals.hpp"
#include "ebb/time.hpp"

// What recommends new items has learned: how its signals are read, what each is by name, and the blend of them. The signals come from the log.
// Scores come back to the last bit; a file whose signals are not, name by name, those that this ebb reads is refused when the model is fitted.

namespace nlohmann {

template <>
struct adl_serializer<ebb::next_blend> {
  static void to_json(json& target, const ebb::next_blend& blend) {
    const ebb::next_blend_state& state = blend.state();
    json out = ebb::detail::json_object("ebb.next_blend", 1);
    out["scale"] = ebb::detail::json_numbers(state.scale, "scale");
    out["user_mean"] = ebb::detail::json_numbers(state.user_mean, "user_mean");
    out["user_scale"] = ebb::detail::json_numbers(state.user_scale, "user_scale");
    out["linear"] = ebb::detail::json_numbers(state.linear, "linear");
    out["networks"] = json::array();
    for (const ebb::mlp<float>& network : state.networks) out["networks"].push_back(network);
    target = std::move(out);
  }

  static ebb::next_blend from_json(const json& in) {
    using ebb::detail::floats_of;
    ebb::detail::json_fields fields(in, "ebb.next_blend", 1);
    ebb::next_blend_state state{
        floats_of(fields.numbers("scale"), "scale"), floats_of(fields.numbers("user_mean"), "user_mean"),
        floats_of(fields.numbers("user_scale"), "user_scale"), floats_of(fields.numbers("linear"), "linear")};
    for (const json& network : fields.array("networks")) state.networks.push_back(network.get<ebb::mlp<float>>());
    fields.finish();
    return ebb::next_blend(std::move(state));
  }
};

template <>
struct adl_serializer<ebb::next_signal_options> {
  static void to_json(json& target, const ebb::next_signal_options& options) {
    json out = ebb::detail::json_object("ebb.next_signal_options", 1);
    std::vector<double> half_lives;
    for (const ebb::duration h : options.half_lives) half_lives.push_back(h.count());
    out["half_lives_seconds"] = ebb::detail::json_numbers(half_lives, "half_lives_seconds");
    out["recent_seconds"] = ebb::detail::json_number(options.recent.count(), "recent_seconds");
    out["liking_seconds"] = ebb::detail::json_number(options.liking.count(), "liking_seconds");
    out["ridge"] = ebb::detail::json_number(options.ridge, "ridge");
    out["regression_items"] = options.regression_items;
    out["neighbours"] = options.neighbours;
    target = std::move(out);
  }

  static ebb::next_signal_options from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.next_signal_options", 1);
    ebb::next_signal_options options;
    options.half_lives.clear();
    for (const double seconds : fields.numbers("half_lives_seconds")) options.half_lives.emplace_back(seconds);
    options.recent = fields.seconds("recent_seconds");
    options.liking = fields.seconds("liking_seconds");
    options.ridge = fields.number("ridge");
    options.regression_items = fields.integer<std::size_t>("regression_items");
    options.neighbours = fields.integer<std::size_t>("neighbours");
    fields.finish();
    return options;
  }
};

template <>
struct adl_serializer<ebb::next_interest_state> {
  static void to_json(json& target, const ebb::next_interest_state& state) {
    json out = ebb::detail::json_object("ebb.next_interest", 1);
    out["signals"] = state.how;
    out["signal_names"] = state.names;
    out["users"] = state.learned_from;
    out["blend"] = nullptr;  // nobody to learn from
    if (state.learned) out["blend"] = ebb::next_blend(*state.learned);
    target = std::move(out);
  }

  static ebb::next_interest_state from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.next_interest", 1);
    ebb::next_interest_state state;
    state.how = fields.at("signals").get<ebb::next_signal_options>();
    for (const json& name : fields.array("signal_names")) {
      ebb::detail::require(name.is_string(), "from_json", "\"signal_names\" of ebb.next_interest must be strings",
                           name.dump());
      state.names.push_back(name.get<std::string>());
    }
    state.learned_from = fields.integer<std::size_t>("users");
    if (!fields.is_null("blend")) state.learned = fields.at("blend").get<ebb::next_blend>().state();
    fields.finish();
    const auto signals = static_cast<std::size_t>(state.learned ? state.learned->linear.size() : 0);
    ebb::detail::require(!state.learned || signals == state.names.size(), "from_json",
                         "\"signal_names\" of ebb.next_interest must have one entry a weight of the blend",
                         state.names.size());
    return state;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_NEXT_INTEREST_HPP
