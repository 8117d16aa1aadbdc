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

// The chance of a return: the horizon, the lanes it is read from, each feature's name, the weights with their scaling and bends, and what plain
// decay says, with its share. An isotonic calibration is its corners; one with a corner at infinity cannot be written.

namespace nlohmann {

template <>
struct adl_serializer<ebb::logistic_calibration> {
  static void to_json(json& target, const ebb::logistic_calibration& learned) {
    json out = ebb::detail::json_object("ebb.logistic_calibration", 2);
    ebb::detail::write_scaler_state(out["scaling"], learned.state().scaling);
    out["weights"] = ebb::detail::json_numbers(learned.state().weights, "weights");
    out["bias"] = ebb::detail::json_number(learned.state().bias, "bias");
    out["bends"] = ebb::detail::json_numbers(learned.state().bends, "bends");
    target = std::move(out);
  }
  static ebb::logistic_calibration from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.logistic_calibration", 2);
    ebb::logistic_state state{ebb::detail::read_scaler_state(fields.at("scaling"), "\"scaling\""),
                              ebb::detail::vector_of(fields.numbers("weights")), fields.number("bias"),
                              fields.numbers("bends")};
    fields.finish();
    return ebb::logistic_calibration(std::move(state));
  }
};

template <>
struct adl_serializer<ebb::isotonic_calibration> {
  static void to_json(json& target, const ebb::isotonic_calibration& rising) {
    json out = ebb::detail::json_object("ebb.isotonic_calibration", 1);
    out["scores"] = ebb::detail::json_numbers(rising.scores(), "scores");
    out["probabilities"] = ebb::detail::json_numbers(rising.probabilities(), "probabilities");
    target = std::move(out);
  }
  static ebb::isotonic_calibration from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.isotonic_calibration", 1);
    ebb::isotonic_state state{fields.numbers("scores"), fields.numbers("probabilities")};
    fields.finish();
    return ebb::isotonic_calibration(std::move(state));
  }
};

template <>
struct adl_serializer<ebb::return_probability> {
  static void to_json(json& target, const ebb::return_probability& chance) {
    json out = ebb::detail::json_object("ebb.return_probability", 2);
    out["horizon_seconds"] = chance.horizon().count();
    out["lanes"] = chance.state().lanes;
    out["feature_names"] = names();
    out["learned"] = ebb::logistic_calibration(chance.state().learned);
    out["plain"] = ebb::isotonic_calibration(chance.state().plain);
    out["plain_lane"] = chance.state().plain_lane;
    out["share"] = chance.state().share;
    target = std::move(out);
  }
  static ebb::return_probability from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.return_probability", 2);
    const json& found = fields.array("feature_names");
    ebb::detail::require(found == names(), "from_json",
                         "\"feature_names\" of ebb.return_probability must be " + names().dump(), found.dump());
    ebb::return_probability_state state{fields.seconds("horizon_seconds"),
                                        fields.at("lanes").get<ebb::timescales>(),
                                        fields.at("learned").get<ebb::logistic_calibration>().state(),
                                        fields.at("plain").get<ebb::isotonic_calibration>().state(),
                                        fields.integer<int>("plain_lane"),
                                        fields.number("share")};
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
