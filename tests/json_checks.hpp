// SPDX-License-Identifier: MIT
// What holds for everything that ebb writes as JSON.
#ifndef EBB_TESTS_JSON_CHECKS_HPP
#define EBB_TESTS_JSON_CHECKS_HPP

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "catch.hpp"

namespace ebb_test {

using nlohmann::json;

/// Through the text of a file and back; writing it again must give the same text.
template <class T>
T round_trip(const T& value) {
  const std::string text = json(value).dump();
  T back = json::parse(text).get<T>();
  CHECK(json(back).dump() == text);
  return back;
}

inline bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

/// Whatever is wrong with a field is refused as an invalid argument that names it.
template <class T>
void check_refusals(const T& value) {
  const json good = value;
  const auto refused = [&](const json& bad, const std::string& name) {
    CAPTURE(bad.dump().substr(0, 400));
    CHECK_THROWS_AS(bad.get<T>(), std::invalid_argument);
    CHECK_THROWS_WITH(bad.get<T>(), contains("ebb::from_json: ") && contains(name));
  };
  CHECK_NOTHROW(good.get<T>());
  for (const auto& field : good.items()) {
    const std::string name = "\"" + field.key() + "\"";
    json bad = good;
    bad.erase(field.key());
    refused(bad, name);
    bad = good;
    bad[field.key()] = json::object();
    if (!field.value().is_object()) refused(bad, name);
    if (field.value().is_number() || field.value().is_array()) {
      bad[field.key()] = field.value().is_number() ? json("1") : json(1);
      refused(bad, name);
      bad[field.key()] = nullptr;
      if (field.key() != "fill" && field.key() != "clip") refused(bad, name);  // there, null says "none"
    }
    if (field.value().is_number_float()) {
      for (const double number : {std::nan(""), std::numeric_limits<double>::infinity()}) {
        bad[field.key()] = number;
        refused(bad, name);
      }
    }
    if (field.value().is_array() && !field.value().empty()) {
      bad[field.key()] = field.value();
      bad[field.key()][0] = std::nan("");
      refused(bad, field.value()[0].is_object() ? "" : name);
    }
    if (field.value().is_string()) {
      bad[field.key()] = "something else";
      refused(bad, name);
    }
  }
  json bad = good;
  bad["version"] = good["version"].get<int>() + 1;
  refused(bad, "\"version\"");
  bad = good;
  bad["halflife"] = 1;
  refused(bad, "\"halflife\"");
  refused(json(3), "must be an object");
  refused(json::array(), "must be an object");
}

}  // namespace ebb_test

#endif  // EBB_TESTS_JSON_CHECKS_HPP
