// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_NESTING_HPP
#define EBB_DETAIL_NESTING_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

// How deeply a document is nested, found out without a call a level: nlohmann_json reads CBOR, and writes values out, with one, so that a file
// made for it would exhaust the stack. What is no document at all is left to the parser to refuse.

namespace ebb::detail {

/// Arrays, objects and texts in parts may stand in one another so often.
inline constexpr std::size_t most_nested = 100;

/// Whether a text of JSON is nested more than `most_nested` times.
[[nodiscard]] inline bool is_json_too_deep(std::string_view json) noexcept {
  std::size_t depth = 0;
  bool is_text = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"')
      is_text = !is_text;
    else if (is_text && c == '\\')
      ++at;
    else if (!is_text && (c == '[' || c == '{') && ++depth > most_nested)
      return true;
    else if (!is_text && (c == ']' || c == '}') && depth > 0)
      --depth;
  }
  return false;
}

/// Whether CBOR is nested more than `most_nested` times.   Source: RFC 8949, section 3.
[[nodiscard]] inline bool is_cbor_too_deep(std::string_view cbor) noexcept {
  if (cbor.size() <= most_nested) return false;                              // a level takes a byte at least
  constexpr std::uint64_t open = std::numeric_limits<std::uint64_t>::max();  // until the byte that ends it
  std::uint64_t left[most_nested];  // items of each level that are still to come
  std::size_t depth = 0;
  for (std::size_t at = 0; at < cbor.size();) {
    const auto head = static_cast<unsigned char>(cbor[at++]);
    const unsigned kind = head >> 5;
    const unsigned info = head & 31U;
    std::uint64_t items = 0;
    if (head == 0xff) {
      if (depth == 0 || left[depth - 1] != open) return false;
      --depth;
    } else {
      std::uint64_t value = info;
      if (info >= 24 && info < 28) {
        const std::size_t bytes = std::size_t{1} << (info - 24);
        if (bytes > cbor.size() - at) return false;
        value = 0;
        for (std::size_t b = 0; b < bytes; ++b) value = value << 8 | static_cast<unsigned char>(cbor[at++]);
      } else if (info >= 28 && (info != 31 || kind < 2 || kind > 5)) {
        return false;
      }
      if (info == 31) {
        items = open;
      } else if (kind == 2 || kind == 3) {
        if (value > cbor.size() - at) return false;
        at += static_cast<std::size_t>(value);
      } else if (kind == 4 || kind == 5) {
        // Each takes a byte: there are not more than that, whatever is said, but the parser sees that only at the end.
        items = std::min<std::uint64_t>(value, cbor.size()) * (kind - 3);
      } else if (kind == 6) {
        return false;  // a tag, which the parser refuses
      }
    }
    if (items > 0) {
      if (depth == most_nested) return true;
      left[depth++] = items;
      continue;
    }
    while (depth > 0 && left[depth - 1] != open && --left[depth - 1] == 0) --depth;
    if (depth == 0) return false;
  }
  return false;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_NESTING_HPP
