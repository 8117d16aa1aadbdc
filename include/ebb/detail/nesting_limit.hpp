// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_NESTING_LIMIT_HPP
#define EBB_DETAIL_NESTING_LIMIT_HPP

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace ebb::detail {

/// Goes along with a reader of JSON and stops it where arrays and objects are nested too deeply.
class nesting_limit : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit nesting_limit(std::size_t most) : most_(most) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

  [[nodiscard]] bool is_passed() const noexcept { return depth_ > most_; }

 private:
  bool enter() { return ++depth_ <= most_; }
  bool leave() {
    --depth_;
    return true;
  }

  std::size_t most_;
  std::size_t depth_ = 0;
};

/// Whether CBOR is nested more than a hundred times: nlohmann_json reads each level with a call, so that a file made for it would exhaust the
/// stack.
[[nodiscard]] inline bool is_nested_too_deeply(std::string_view cbor) {
  constexpr std::size_t most = 100;
  if (cbor.size() <= most) return false;  // a level takes a byte at least
  nesting_limit limit(most);
  static_cast<void>(nlohmann::json::sax_parse(cbor.begin(), cbor.end(), &limit, nlohmann::json::input_format_t::cbor));
  return limit.is_passed();
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_NESTING_LIMIT_HPP
