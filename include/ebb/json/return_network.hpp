// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_RETURN_NETWORK_HPP
#define EBB_JSON_RETURN_NETWORK_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/json/decay.hpp"
#include "ebb/json/network.hpp"
#include "ebb/return_features.hpp"
#include "ebb/return_network.hpp"
#include "ebb/time.hpp"

// The network that ranks returns, with all it takes to serve it: the bank, the store's rhythms and kept uses, the scaler, and what every
// input is, by name. The members' seeds stand in their networks. Scores come back to the last bit. A file whose features are not, name by
// name, those that this ebb reads for its bank, rhythms and groups is refused, and so is one whose parts do not fit each other.

namespace ebb::detail {

/// What a network's inputs are called in this ebb, and how many of them differ between candidates.
[[nodiscard]] inline std::pair<std::vector<std::string>, Eigen::Index> described_features(
    const return_network& network) {
  using store_type = interest_store<std::uint32_t, std::uint32_t>;
  const return_features<store_type> features(store_type(network.served_from()), network.features);
  return {features.names(), features.candidate_features()};
}

inline void require_described(const return_network& network, const std::vector<std::string>& names,
                              Eigen::Index candidate_features, const char* where) {
  if (network.mean.size() == 0 && network.members.empty()) return;  // nothing but a decay was learned
  require(network.mean.size() == static_cast<Eigen::Index>(names.size()), where,
          "\"mean\" of ebb.return_network must have one entry a feature, " + std::to_string(names.size()),
          network.mean.size());
  require(network.candidate_features == candidate_features, where,
          "\"candidate_features\" of ebb.return_network must be " + std::to_string(candidate_features),
          network.candidate_features);
}

}  // namespace ebb::detail

namespace nlohmann {

template <>
struct adl_serializer<ebb::return_network> {
  /// Errors: as `return_network::check`, and std::invalid_argument when the network is not of the features that it names.
  static void to_json(json& target, const ebb::return_network& network) {
    network.check();
    const auto [names, candidate_features] = ebb::detail::described_features(network);
    ebb::detail::require_described(network, names, candidate_features, "to_json");
    json out = ebb::detail::json_object("ebb.return_network", 1);
    out["lanes"] = network.lanes;
    out["features"] = {{"heat", network.features.heat},
                       {"rhythms", network.features.rhythms},
                       {"sequence", network.features.sequence},
                       {"user", network.features.user}};
    out["rhythms"] = json::array();
    for (const ebb::rhythm& r : network.rhythms)
      out["rhythms"].push_back({{"period_seconds", r.period.count()}, {"lane", r.lane}});
    out["recent"] = network.recent;
    out["feature_names"] = names;
    out["candidate_features"] = network.candidate_features;
    out["weights"] = ebb::detail::json_numbers(network.weights, "weights");
    out["sharpness"] = network.sharpness;
    out["blend"] = network.blend;
    out["mean"] = ebb::detail::json_numbers(network.mean, "mean");
    out["scale"] = ebb::detail::json_numbers(network.scale, "scale");
    out["members"] = json::array();
    for (const auto& member : network.members) {
      json& one = out["members"].emplace_back();
      one["network"] = member.network;
      one["linear"] = ebb::detail::json_numbers(member.linear, "linear");
    }
    target = std::move(out);
  }

  static ebb::return_network from_json(const json& in) {
    using ebb::detail::json_fields;
    json_fields fields(in, "ebb.return_network", 1);
    ebb::return_network out{.lanes = fields.at("lanes").get<ebb::timescales>()};
    json_fields groups(fields.at("features"), "\"features\"");
    out.features = {.heat = groups.boolean("heat"),
                    .rhythms = groups.boolean("rhythms"),
                    .sequence = groups.boolean("sequence"),
                    .user = groups.boolean("user")};
    groups.finish();
    out.rhythms.clear();
    for (const json& entry : fields.array("rhythms")) {
      json_fields one(entry, "an entry of \"rhythms\"");
      out.rhythms.push_back({one.seconds("period_seconds"), one.integer<int>("lane")});
      one.finish();
    }
    out.recent = fields.integer<int>("recent");
    check_names(out, fields.array("feature_names"));
    out.candidate_features = fields.integer<Eigen::Index>("candidate_features");
    out.weights = fields.numbers("weights");
    out.sharpness = fields.number("sharpness");
    out.blend = fields.number("blend");
    out.mean = ebb::detail::floats_of(fields.numbers("mean"), "mean");
    out.scale = ebb::detail::floats_of(fields.numbers("scale"), "scale");
    for (const json& entry : fields.array("members")) {
      json_fields one(entry, "an entry of \"members\"");
      out.members.push_back(
          {one.at("network").get<ebb::mlp<float>>(), ebb::detail::floats_of(one.numbers("linear"), "linear")});
      one.finish();
    }
    fields.finish();
    const auto [names, candidate_features] = ebb::detail::described_features(out);
    ebb::detail::require_described(out, names, candidate_features, "from_json");
    out.check();
    return out;
  }

 private:
  static void check_names(const ebb::return_network& network, const json& found) {
    const std::vector<std::string> names = ebb::detail::described_features(network).first;
    for (std::size_t f = 0; f < std::max(names.size(), found.size()); ++f) {
      const std::string wanted = f < names.size() ? "\"" + names[f] + "\"" : "no more";
      const std::string is = f < found.size() ? found[f].dump() : "no more";
      if (f >= names.size() || f >= found.size() || found[f] != names[f])
        ebb::detail::require(
            false, "from_json",
            "entry " + std::to_string(f) + " of \"feature_names\" of ebb.return_network must be " + wanted, is);
    }
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_RETURN_NETWORK_HPP
