// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_LEARNED_DECAY_HPP
#define EBB_JSON_LEARNED_DECAY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/json/decay.hpp"
#include "ebb/json/network.hpp"
#include "ebb/learned_decay.hpp"
#include "ebb/scaler.hpp"

// A decay that features choose: the reading it starts from, the features' scaling, the network's shape and parameters.

namespace ebb::detail {

inline void write_scaler_state(nlohmann::json& out, const scaler_state& state) {
  out = {{"count", json_numbers(state.count, "count")},
         {"mean", json_numbers(state.mean, "mean")},
         {"squares", json_numbers(state.squares, "squares")}};
}
[[nodiscard]] inline scaler_state read_scaler_state(const nlohmann::json& in, std::string_view what) {
  json_fields fields(in, what);
  scaler_state state{vector_of(fields.numbers("count")), vector_of(fields.numbers("mean")),
                     vector_of(fields.numbers("squares"))};
  fields.finish();
  return state;
}

}  // namespace ebb::detail

namespace nlohmann {

template <>
struct adl_serializer<ebb::learned_decay> {
  static void to_json(json& target, const ebb::learned_decay& decay) {
    const ebb::learned_decay_state& state = decay.state();
    json out = ebb::detail::json_object("ebb.learned_decay", 1);
    out["start"] = state.start;
    out["sharpness"] = state.sharpness;
    ebb::detail::write_scaler_state(out["scaling"], state.scaling);
    out["hidden"] = state.hidden;
    out["parameters"] = ebb::detail::json_numbers(state.parameters, "parameters");
    target = std::move(out);
  }

  static ebb::learned_decay from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.learned_decay", 1);
    auto start = fields.at("start").get<ebb::reading>();
    const double sharpness = fields.number("sharpness");
    ebb::scaler_state scaling = ebb::detail::read_scaler_state(fields.at("scaling"), "\"scaling\"");
    auto hidden = fields.integers<Eigen::Index>("hidden");
    const std::vector<double> values = fields.numbers("parameters");
    fields.finish();
    // Before the network is made: a size that is wrong must not become a huge allocation.
    const bool positive = std::all_of(hidden.begin(), hidden.end(), [](Eigen::Index units) { return units > 0; });
    ebb::detail::require(positive, "from_json", "\"hidden\" of ebb.learned_decay must be > 0", in.at("hidden").dump());
    const double wanted =
        ebb::detail::parameters_of(scaling.mean.size(), {.hidden = hidden, .outputs = start.bank().size()});
    ebb::detail::require(wanted == static_cast<double>(values.size()), "from_json",
                         "\"parameters\" of ebb.learned_decay must have as many entries as its layers take, " +
                             std::to_string(static_cast<std::int64_t>(std::min(wanted, 9e18))),
                         values.size());
    ebb::mlp<float>::vector parameters(static_cast<Eigen::Index>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i)
      parameters[static_cast<Eigen::Index>(i)] = ebb::detail::narrowed<float>(values[i], "parameters");
    return ebb::learned_decay(
        {std::move(start), sharpness, std::move(scaling), std::move(hidden), std::move(parameters)});
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_LEARNED_DECAY_HPP
