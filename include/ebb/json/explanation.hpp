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
  static void to_json(json& out, const ebb::recommendation<Item>& r) {
    out = json::object();
    out["item"] = r.item;
    out["score"] = ebb::detail::json_number(r.score, "score");
    out["why"] = json::array();
    for (const ebb::contribution& part : r.why)
      out["why"].push_back(
          {{"term", part.term}, {"weight", part.weight}, {"value", part.value}, {"amount", part.amount}});
  }
};

template <>
struct adl_serializer<ebb::explained_interest> {
  static void to_json(json& out, const ebb::explained_interest& why) {
    out = json::object();
    out["interest"] = ebb::detail::json_number(why.interest, "interest");
    out["events"] = json::array();
    for (const ebb::explained_event& e : why.events)
      out["events"].push_back({{"what", e.what},
                               {"age_seconds", e.age.count()},
                               {"amount", e.amount},
                               {"decay", e.decay},
                               {"contribution", e.contribution}});
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_EXPLANATION_HPP
