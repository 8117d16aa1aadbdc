// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_RANKER_HPP
#define EBB_JSON_RANKER_HPP

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/json/decay.hpp"
#include "ebb/ranker.hpp"
#include "ebb/ranking_term.hpp"

// The numbers of a ranker, to be laid over the same terms by `ranker::apply`:
//   {"format": "ebb.ranker_settings", "version": 1, "prior_strength": 10.0, "evidence": null,
//    "terms": [{"name": "popularity", "weight": 0.5, "role": "prior", "normalisation": "by_largest", "unit": 1.0}]}

namespace ebb::detail {

inline constexpr std::array<std::pair<term_role, const char*>, 3> term_role_names{
    {{term_role::always, "always"}, {term_role::own, "own"}, {term_role::prior, "prior"}}};
inline constexpr std::array<std::pair<normalisation::kind, const char*>, 4> normalisation_names{
    {{normalisation::kind::raw, "raw"},
     {normalisation::kind::logarithmic, "logarithmic"},
     {normalisation::kind::saturating, "saturating"},
     {normalisation::kind::by_largest, "by_largest"}}};

}  // namespace ebb::detail

namespace nlohmann {

template <>
struct adl_serializer<ebb::ranker_settings> {
  static void to_json(json& target, const ebb::ranker_settings& settings) {
    json out = ebb::detail::json_object("ebb.ranker_settings", 1);
    out["prior_strength"] = ebb::detail::json_number(settings.options.prior_strength, "prior_strength");
    out["evidence"] = nullptr;
    if (settings.options.evidence) out["evidence"] = *settings.options.evidence;
    out["terms"] = json::array();
    for (const ebb::ranker_settings::term& term : settings.terms) {
      json& one = out["terms"].emplace_back();
      one["name"] = term.name;
      one["weight"] = ebb::detail::json_number(term.how.weight, "weight");
      one["role"] = ebb::detail::json_name(term.how.role, ebb::detail::term_role_names);
      one["normalisation"] = ebb::detail::json_name(term.how.scale.how(), ebb::detail::normalisation_names);
      one["unit"] = term.how.scale.unit();
    }
    target = std::move(out);
  }

  static ebb::ranker_settings from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.ranker_settings", 1);
    ebb::ranker_settings settings;
    settings.options.prior_strength = fields.number("prior_strength");
    if (!fields.is_null("evidence")) settings.options.evidence = fields.at("evidence").get<ebb::reading>();
    for (const json& entry : fields.array("terms")) {
      ebb::detail::json_fields term(entry, "a term");
      const ebb::normalisation scale(term.choice("normalisation", ebb::detail::normalisation_names),
                                     term.number("unit"));
      settings.terms.push_back({term.text("name"),
                                {.weight = term.number("weight"),
                                 .scale = scale,
                                 .role = term.choice("role", ebb::detail::term_role_names)}});
      term.finish();
    }
    fields.finish();
    ebb::detail::check_settings(settings);
    return settings;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_RANKER_HPP
