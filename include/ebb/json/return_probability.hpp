// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_RETURN_PROBABILITY_HPP
#define EBB_JSON_RETURN_PROBABILITY_HPP

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/calibration.hpp"
#include "ebb/detail/json_fields.hpp"
#include "ebb/json/decay.hpp"
#include "ebb/json/learned_decay.hpp"
#include "ebb/return_probability.hpp"

// The chance of a return: the horizon, the lanes it is read from, each feature's name, and the weights with their scaling.

namespace nlohmann {

template <>
struct adl_serializer<ebb::logistic_calibration> {
  static void to_json(json& target, const ebb::logistic_calibration& learned) {
    json out = ebb::detail::json_object("ebb.logistic_calibration", 1);
    ebb::detail::write_scaler_state(out["scaling"], learned.state().scaling);
    out["weights"] = ebb::detail::json_numbers(learned.state().weights, "weights");
    out["bias"] = ebb::detail::json_number(learned.state().bias, "bias");
    target = std::move(out);
  }
  static ebb::logistic_calibration from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.logistic_calibration", 1);
    ebb::logistic_state state{ebb::detail::read_scaler_state(fields.at("scaling"), "\"scaling\""),
                              ebb::detail::vector_of(fields.numbers("weights")), fields.number("bias")};
    fields.finish();
    return ebb::logistic_calibration(std::move(state));
  }
};

template <>
struct adl_serializer<ebb::return_probability> {
  static void to_json(json& target, const ebb::return_probability& chance) {
    json out = ebb::detail::json_object("ebb.return_probability", 1);
    out["horizon_seconds"] = chance.horizon().count();
    out["lanes"] = chance.state().lanes;
    out["feature_names"] = names();
    out["learned"] = ebb::logistic_calibration(chance.state().learned);
    target = std::move(out);
  }
  static ebb::return_probability from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.return_probability", 1);
    const json& found = fields.array("feature_names");
    ebb::detail::require(found == names(), "from_json",
                         "\"feature_names\" of ebb.return_probability must be " + names().dump(), found.dump());
    ebb::return_probability_state state{fields.seconds("horizon_seconds"), fields.at("lanes").get<ebb::timescales>(),
                                        fields.at("learned").get<ebb::logistic_calibration>().state()};
    fields.finish();
    return ebb::return_probability(std::move(state));
  }

 private:
  static json names() {
    json out = json::array();
    for (const std::string_view name : ebb::return_probability_names) out.push_back(std::string(name));
    return out;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_RETURN_PROBABILITY_HPP
