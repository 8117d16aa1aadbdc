// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_BEHAVIOUR_WEIGHTS_HPP
#define EBB_JSON_BEHAVIOUR_WEIGHTS_HPP

#include <cstddef>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "ebb/behaviour_weights.hpp"
#include "ebb/detail/json_fields.hpp"

// What a log has taught about its behaviours, to be laid over a behaviour model by `apply_to`.

namespace nlohmann {

template <>
struct adl_serializer<ebb::behaviour_weights> {
  static void to_json(json& target, const ebb::behaviour_weights& learned) {
    using ebb::detail::json_number;
    json out = ebb::detail::json_object("ebb.behaviour_weights", 1);
    out["behaviours"] = json::array();
    for (const ebb::behaviour_weight& b : learned.behaviours) {
      json& one = out["behaviours"].emplace_back();
      one["name"] = b.name;
      one["weight"] = json_number(b.weight, "weight");
      one["lo"] = json_number(b.lo, "lo");
      one["hi"] = json_number(b.hi, "hi");
      one["events"] = b.events;
    }
    out["sharpness"] = json_number(learned.sharpness, "sharpness");
    out["returns"] = learned.returns;
    json& gain = out["gain"];
    gain["diff"] = json_number(learned.gain.diff, "diff");
    gain["lo"] = json_number(learned.gain.lo, "lo");
    gain["hi"] = json_number(learned.gain.hi, "hi");
    target = std::move(out);
  }

  /// Errors: also std::invalid_argument for an empty name, a weight or an interval outside [0, 1] and for a sharpness that is not > 0.
  static ebb::behaviour_weights from_json(const json& in) {
    using ebb::detail::require;
    ebb::detail::json_fields fields(in, "ebb.behaviour_weights", 1);
    ebb::behaviour_weights out;
    for (const json& entry : fields.array("behaviours")) {
      ebb::detail::json_fields one(entry, "an entry of \"behaviours\"");
      const ebb::behaviour_weight b{one.text("name"), one.number("weight"), one.number("lo"), one.number("hi"),
                                    one.integer<std::size_t>("events")};
      one.finish();
      require(!b.name.empty(), "from_json", "\"name\" of an entry of \"behaviours\" must not be empty", "\"\"");
      require(b.weight >= 0 && b.weight <= 1, "from_json", "\"weight\" of \"" + b.name + "\" must be in [0, 1]",
              b.weight);
      require(b.lo >= 0 && b.lo <= b.hi && b.hi <= 1, "from_json",
              "\"lo\" and \"hi\" of \"" + b.name + "\" must be in [0, 1], in order", b.lo);
      out.behaviours.push_back(b);
    }
    out.sharpness = fields.number("sharpness");
    require(out.sharpness > 0, "from_json", "\"sharpness\" of ebb.behaviour_weights must be > 0", out.sharpness);
    out.returns = fields.integer<std::size_t>("returns");
    ebb::detail::json_fields gain(fields.at("gain"), "\"gain\"");
    out.gain = {gain.number("diff"), gain.number("lo"), gain.number("hi")};
    gain.finish();
    fields.finish();
    return out;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_BEHAVIOUR_WEIGHTS_HPP
