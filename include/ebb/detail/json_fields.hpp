// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_JSON_FIELDS_HPP
#define EBB_DETAIL_JSON_FIELDS_HPP

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/time.hpp"

namespace ebb::detail {

/// Reads one object field by field and refuses whatever is not exactly as it should be, naming the field.
///
/// Errors: std::invalid_argument "ebb::from_json: …" for another format or version, a field that is missing, of another type, not finite,
///         or unknown (a misspelt one must not be taken for one left out).
class json_fields {
 public:
  /// Checks "format" and "version"; the reader must end with `finish`.
  json_fields(const nlohmann::json& object, std::string_view format, int version) : json_fields(object, format) {
    const std::string found = text("format");
    require(found == format, "from_json", "the \"format\" must be \"" + std::string(format) + "\"",
            "\"" + found + "\"");
    const auto number = integer<std::int64_t>("version");
    require(number == version, "from_json",
            "the \"version\" of " + std::string(format) + " must be " + std::to_string(version), number);
  }

  /// An object inside another: it has no format and version of its own.
  json_fields(const nlohmann::json& object, std::string_view what) : object_(object), what_(what) {
    check(object.is_object(), std::string(what) + " must be an object", object);
  }

  [[nodiscard]] const nlohmann::json& at(std::string_view key) {
    read_.emplace(key);
    const auto found = object_.find(std::string(key));
    if (found == object_.end()) require(false, "from_json", named(key) + " must be there", "nothing");
    return *found;
  }

  [[nodiscard]] bool is_null(std::string_view key) { return at(key).is_null(); }

  [[nodiscard]] double number(std::string_view key) { return number(at(key), key); }

  /// A length of time; the key says its unit, the second.
  [[nodiscard]] duration seconds(std::string_view key) { return duration(number(key)); }

  template <std::integral Integer>
  [[nodiscard]] Integer integer(std::string_view key) {
    return integer<Integer>(at(key), key);
  }

  [[nodiscard]] bool boolean(std::string_view key) {
    const nlohmann::json& value = at(key);
    check(value.is_boolean(), named(key) + " must be true or false", value);
    return value.get<bool>();
  }

  [[nodiscard]] std::string text(std::string_view key) {
    const nlohmann::json& value = at(key);
    check(value.is_string(), named(key) + " must be a string", value);
    return value.get<std::string>();
  }

  [[nodiscard]] const nlohmann::json& array(std::string_view key) {
    const nlohmann::json& value = at(key);
    check(value.is_array(), named(key) + " must be an array", value);
    return value;
  }

  [[nodiscard]] std::vector<double> numbers(std::string_view key) {
    std::vector<double> out;
    for (const nlohmann::json& value : array(key)) out.push_back(number(value, key));
    return out;
  }

  template <std::integral Integer>
  [[nodiscard]] std::vector<Integer> integers(std::string_view key) {
    std::vector<Integer> out;
    for (const nlohmann::json& value : array(key)) out.push_back(integer<Integer>(value, key));
    return out;
  }

  /// The value with this name in a table of them.
  template <class Enum, std::size_t N>
  [[nodiscard]] Enum choice(std::string_view key, const std::array<std::pair<Enum, const char*>, N>& names) {
    const std::string found = text(key);
    std::string all;
    for (const auto& [value, name] : names) {
      if (found == name) return value;
      all += (all.empty() ? "" : ", ") + std::string(name);
    }
    require(false, "from_json", named(key) + " must be one of " + all, "\"" + found + "\"");
    return names.front().first;
  }

  /// Refuses fields that nobody has asked for.
  void finish() const {
    for (const auto& item : object_.items())
      if (!read_.contains(item.key()))
        require(false, "from_json", std::string(what_) + " must have no other fields", "\"" + item.key() + "\"");
  }

 private:
  [[nodiscard]] std::string named(std::string_view key) const {
    return "\"" + std::string(key) + "\" of " + std::string(what_);
  }

  void check(bool ok, const std::string& rule, const nlohmann::json& value) const {
    if (ok) return;
    const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    require(false, "from_json", rule, text.size() > 80 ? text.substr(0, 80) + " …" : text);
  }

  [[nodiscard]] double number(const nlohmann::json& value, std::string_view key) const {
    check(value.is_number() && std::isfinite(value.get<double>()), named(key) + " must be a finite number", value);
    return value.get<double>();
  }

  template <std::integral Integer>
  [[nodiscard]] Integer integer(const nlohmann::json& value, std::string_view key) const {
    const bool fits = value.is_number_unsigned()  ? std::in_range<Integer>(value.get<std::uint64_t>())
                      : value.is_number_integer() ? std::in_range<Integer>(value.get<std::int64_t>())
                                                  : false;
    check(fits,
          named(key) + " must be an integer in [" + std::to_string(std::numeric_limits<Integer>::min()) + ", " +
              std::to_string(std::numeric_limits<Integer>::max()) + "]",
          value);
    return value.get<Integer>();
  }

  const nlohmann::json& object_;
  std::string_view what_;
  std::set<std::string, std::less<>> read_;
};

/// The start of an object: its format and version.
[[nodiscard]] inline nlohmann::json json_object(std::string_view format, int version) {
  return {{"format", format}, {"version", version}};
}

// A to_json that may refuse builds its object aside and moves it into place: the constructor of nlohmann::json that calls it has no destructor
// to run yet, so what it had written when it threw would leak (a braced list of half-built parts leaks likewise, with clang before 17).

/// A number that JSON can hold.   Errors: std::invalid_argument, naming the field, when it is not finite.
[[nodiscard]] inline double json_number(double value, std::string_view key) {
  if (!std::isfinite(value)) require(false, "to_json", "\"" + std::string(key) + "\" must be finite", value);
  return value;
}

template <class Range>
[[nodiscard]] nlohmann::json json_numbers(const Range& values, std::string_view key) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto value : values) out.push_back(json_number(static_cast<double>(value), key));
  return out;
}

/// The name of a value in a table of them.
template <class Enum, std::size_t N>
[[nodiscard]] const char* json_name(Enum value, const std::array<std::pair<Enum, const char*>, N>& names) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  require(false, "to_json", "a value must be one of its kind", static_cast<int>(value));
  return "";
}

/// A number read for a T: rounded where T is narrower than what was written.   Errors: std::invalid_argument when it is beyond T.
template <std::floating_point T>
[[nodiscard]] T narrowed(double value, std::string_view key) {
  const T out = static_cast<T>(value);
  if (!std::isfinite(out))
    require(false, "from_json", "\"" + std::string(key) + "\" must be within the range of its number type", value);
  return out;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_JSON_FIELDS_HPP
