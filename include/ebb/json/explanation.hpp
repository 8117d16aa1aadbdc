// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_EXPLANATION_HPP
#define EBB_JSON_EXPLANATION_HPP

#include <utility>

#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/explanation.hpp"
#include "ebb/ranker.hpp"

// Explanations, for a log or a browser. They are written, and not read back.
//   {"item": "jazz", "score": 0.928, "why": [{"term": "interest", "weight": 1.0, "value": 0.8, "amount": 0.8}]}
//   {"interest": 0.31, "events": [{"what": "bought", "age_seconds": 345600.0, "amount": 1.0, "decay": 0.31, "contribution": 0.31}]}

namespace nlohmann {

template <class Item>
struct adl_serializer<ebb::recommendation<Item>> {
  static void to_json(json& target, const ebb::recommendation<Item>& r) {
    json out = json::object();
    out["item"] = r.item;
    out["score"] = ebb::detail::json_number(r.score, "score");
    out["why"] = json::array();
    for (const ebb::contribution& part : r.why) {
      json& one = out["why"].emplace_back();
      one["term"] = part.term;
      one["weight"] = ebb::detail::json_number(part.weight, "weight");
      one["value"] = ebb::detail::json_number(part.value, "value");
      one["amount"] = ebb::detail::json_number(part.amount, "amount");
    }
    target = std::move(out);
  }
};

template <>
struct adl_serializer<ebb::explained_interest> {
  static void to_json(json& target, const ebb::explained_interest& why) {
    json out = json::object();
    out["interest"] = ebb::detail::json_number(why.interest, "interest");
    out["events"] = json::array();
    for (const ebb::explained_event& e : why.events)
      out["events"].push_back({{"what", e.what},
                               {"age_seconds", e.age.count()},
                               {"amount", e.amount},
                               {"decay", e.decay},
                               {"contribution", e.contribution}});
    target = std::move(out);
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_EXPLANATION_HPP
