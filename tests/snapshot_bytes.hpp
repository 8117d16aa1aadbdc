// SPDX-License-Identifier: MIT
#ifndef EBB_TESTS_SNAPSHOT_BYTES_HPP
#define EBB_TESTS_SNAPSHOT_BYTES_HPP

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "ebb/snapshot.hpp"
#include "store_oracle.hpp"

/// Snapshots in memory, and binary ones taken apart and put together by their documented format.
namespace snapshots {

using string_store = ebb::interest_store<std::string, std::string, float>;
using int_store = ebb::interest_store<int, int, double>;
using ebb::snapshot_format;

template <class Store>
[[nodiscard]] std::string written(const Store& store, snapshot_format format) {
  std::ostringstream out;
  ebb::write_snapshot(store, out, format);
  return out.str();
}

template <class Store>
[[nodiscard]] Store read_back(const std::string& bytes, const ebb::store_options* wanted = nullptr,
                              std::size_t shards = 64) {
  std::istringstream in(bytes);
  return ebb::read_snapshot<Store>(in, wanted, shards);
}

/// Bit for bit the same state: every name, count, time and sum.
template <class Store>
void check_same(const Store& a, const Store& b) {
  REQUIRE((a.users() == b.users() && a.items() == b.items() && a.size() == b.size()));
  CHECK(ebb::detail::difference_of(a.options(), b.options()) == nullptr);
  const auto same_row = [](const auto& layout, const auto& x, std::size_t i, const auto& y, std::size_t j) {
    const auto sums = static_cast<std::size_t>(layout.sums()) * sizeof(*x.sums(layout, i));
    const auto times = static_cast<std::size_t>(layout.times()) * sizeof(*x.times(layout, i));
    return x.item(i) == y.item(j) && x.count(i) == y.count(j) &&
           std::memcmp(x.sums(layout, i), y.sums(layout, j), sums) == 0 &&
           std::memcmp(x.times(layout, i), y.times(layout, j), times) == 0;
  };
  for (std::uint32_t h = 0; h < a.items(); ++h) {
    CHECK(a.item(h) == b.item(h));
    CHECK(a.users_of(h) == b.users_of(h));
    if (a.options().heat) CHECK(same_row(a.heat_layout(), a.heat_entries(), h, b.heat_entries(), h));
  }
  for (const auto& [user, state] : a.all_users()) {
    const auto* const other = b.find(user);
    REQUIRE((other != nullptr && other->entries.size() == state.entries.size()));
    CHECK((other->first == state.first && other->newest == state.newest && other->events == state.events));
    for (std::size_t i = 0; i < state.entries.size(); ++i)
      CHECK(same_row(a.layout(), state.entries, i, other->entries, i));
  }
}

inline string_store small_store() {
  using namespace std::chrono_literals;
  using oracle::day;
  string_store s({.lanes = {1h, 24h}, .rhythms = {{24h, 1}}, .recent = 2, .dislike_half_life = 240h});
  s.observe("ann", "tea", day(1) + 3h, 1.5);
  s.observe("ann", "jam", day(2), 0.1);
  s.observe("bob \xC3\xA9", "tea", day(3), 2);
  s.dislike("bob \xC3\xA9", "jam", day(3));
  return s;
}

/// A record of a binary snapshot with the block that follows it, if one does.
struct piece {
  nlohmann::json record;
  std::string block;
};

/// The number's lowest bytes, little-endian.
inline std::string little_endian(std::uint64_t number, std::size_t bytes) {
  std::string out;
  for (std::size_t b = 0; b < bytes; ++b) out += static_cast<char>(number >> (8 * b) & 0xff);
  return out;
}
inline std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t b = 0; b < size; ++b)
    out |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + b])) << (8 * b);
  return out;
}

inline std::vector<piece> pieces_of(const std::string& snapshot) {
  std::vector<piece> out;
  for (std::size_t at = 8; at < snapshot.size();) {
    const auto length = static_cast<std::size_t>(number_at(snapshot, at, 4));
    piece next{nlohmann::json::from_cbor(snapshot.substr(at + 8, length)), ""};
    at += 8 + length;
    if (next.record.contains("bytes")) next.block = snapshot.substr(at, next.record["bytes"].get<std::size_t>());
    at += next.block.size();
    out.push_back(next);
  }
  return out;
}

/// A binary snapshot of these pieces with every check as it should be.
inline std::string joined(const std::vector<piece>& pieces) {
  std::string out = "ebbsnap\n";
  std::uint32_t check = 0;
  for (piece next : pieces) {
    if (next.record.contains("bytes")) next.record["checksum"] = ebb::detail::checksum64(next.block);
    std::string payload;
    nlohmann::json::to_cbor(next.record, payload);
    const std::string length = little_endian(payload.size(), 4);
    check = ebb::detail::crc32(payload, ebb::detail::crc32(length, check));
    out += length + little_endian(check, 4) + payload + next.block;
  }
  return out;
}

/// What version 1 wrote in place of a JSON snapshot: each record as CBOR, each column as its little-endian bytes.
inline std::string as_version_1(const std::string& json) {
  std::vector<piece> out;
  std::istringstream lines(json);
  bool is_float = false;
  for (std::string line; std::getline(lines, line);) {
    piece next{nlohmann::json::parse(line), ""};
    nlohmann::json& record = next.record;
    if (out.empty()) {
      record["version"] = 1;
      is_float = record["sums"] == "float";
    }
    record.erase("checksum");
    const bool is_heat = !record.contains("user");  // always of doubles
    for (const char* const name : {"items", "counts", "times", "sums"}) {
      if (out.empty() || record.contains("end") || !record.contains(name)) continue;
      std::string bytes;
      for (const nlohmann::json& value : record[name]) {
        if (name != std::string("sums"))
          bytes += little_endian(value.get<std::uint64_t>(), name == std::string("times") ? 8 : 4);
        else if (is_float && !is_heat)
          bytes += little_endian(std::bit_cast<std::uint32_t>(value.get<float>()), 4);
        else
          bytes += little_endian(std::bit_cast<std::uint64_t>(value.get<double>()), 8);
      }
      record[name] = nlohmann::json::binary({bytes.begin(), bytes.end()});
    }
    out.push_back(next);
  }
  return joined(out);
}

}  // namespace snapshots

#endif  // EBB_TESTS_SNAPSHOT_BYTES_HPP
