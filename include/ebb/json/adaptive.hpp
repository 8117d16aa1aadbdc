// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_ADAPTIVE_HPP
#define EBB_JSON_ADAPTIVE_HPP

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/adaptive.hpp"
#include "ebb/adaptive_weights.hpp"
#include "ebb/detail/json_fields.hpp"
#include "ebb/json/decay.hpp"

// Weights that follow what users do, with all they have learned so far; what is learned after a round trip is the same, to the last bit.
//   {"format": "ebb.adaptive_timescales", "version": 1, "prior": {…}, "rate": 0.1, "share": 0.001, "sharpness": 1.0,
//    "learners": [{"key": 7, "weights": [0.2, 0.8], "rounds": 12, "loss": 9.5}]}

namespace ebb::detail {

inline void write_adaptive_state(nlohmann::json& out, const adaptive_state& state) {
  out["weights"] = json_numbers(state.weights, "weights");
  out["rounds"] = state.rounds;
  out["loss"] = json_number(state.loss, "loss");
}
[[nodiscard]] inline adaptive_state read_adaptive_state(json_fields& fields) {
  return {fields.numbers("weights"), fields.integer<std::uint64_t>("rounds"), fields.number("loss")};
}

template <class Key>
[[nodiscard]] Key read_key(json_fields& fields) {
  if constexpr (std::integral<Key>)
    return fields.integer<Key>("key");
  else if constexpr (std::same_as<Key, std::string>)
    return fields.text("key");
  else
    return fields.at("key").get<Key>();
}

}  // namespace ebb::detail

namespace nlohmann {

template <>
struct adl_serializer<ebb::adaptive_weights> {
  static void to_json(json& target, const ebb::adaptive_weights& learner) {
    json out = ebb::detail::json_object("ebb.adaptive_weights", 1);
    out["prior"] = ebb::detail::json_numbers(learner.prior(), "prior");
    out["rate"] = learner.options().rate;
    out["share"] = learner.options().share;
    ebb::detail::write_adaptive_state(out, learner.state());
    target = std::move(out);
  }
  static ebb::adaptive_weights from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.adaptive_weights", 1);
    std::vector<double> prior = fields.numbers("prior");
    const ebb::adaptive_options options{.rate = fields.number("rate"), .share = fields.number("share")};
    ebb::adaptive_state state = ebb::detail::read_adaptive_state(fields);
    fields.finish();
    return ebb::adaptive_weights(std::move(prior), options, std::move(state));
  }
};

/// Keys are written as nlohmann_json writes a `Key`, in its order.
template <ebb::identifier Key>
struct adl_serializer<ebb::adaptive_timescales<Key>> {
  static void to_json(json& target, const ebb::adaptive_timescales<Key>& all) {
    json out = ebb::detail::json_object("ebb.adaptive_timescales", 1);
    out["prior"] = all.prior();
    out["rate"] = all.options().rate;
    out["share"] = all.options().share;
    out["sharpness"] = all.sharpness();
    std::vector<json> learners;
    for (const auto& [key, learner] : all.all()) {
      json& one = learners.emplace_back(json{{"key", key}});
      ebb::detail::write_adaptive_state(one, learner.state());
    }
    std::sort(learners.begin(), learners.end(), [](const json& a, const json& b) { return a["key"] < b["key"]; });
    out["learners"] = std::move(learners);
    target = std::move(out);
  }

  /// Errors: also std::invalid_argument for a key that stands there twice.
  static ebb::adaptive_timescales<Key> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.adaptive_timescales", 1);
    auto prior = fields.at("prior").get<ebb::reading>();
    const ebb::adaptive_options options{.rate = fields.number("rate"), .share = fields.number("share")};
    ebb::adaptive_timescales<Key> all(std::move(prior), options, fields.number("sharpness"));
    for (const json& entry : fields.array("learners")) {
      ebb::detail::json_fields one(entry, "an entry of \"learners\"");
      const Key key = ebb::detail::read_key<Key>(one);
      ebb::detail::require(!all.all().contains(key), "from_json", "a \"key\" of \"learners\" must stand there once",
                           entry["key"].dump());
      all.restore(key, ebb::detail::read_adaptive_state(one));
      one.finish();
    }
    fields.finish();
    return all;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_ADAPTIVE_HPP
