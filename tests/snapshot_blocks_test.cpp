// SPDX-License-Identifier: MIT
// The bytes of a binary snapshot: which blocks there are, what of version 1 is still read, and that no damaged or forged
// one is taken for a store.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/snapshot.hpp"
#include "snapshot_bytes.hpp"
#include "store_oracle.hpp"

namespace snapshot_blocks_test {

using namespace std::chrono_literals;
using ebb::snapshot_format;
using oracle::day;
using snapshots::check_same;
using snapshots::int_store;
using snapshots::joined;
using snapshots::number_at;
using snapshots::pieces_of;
using snapshots::read_back;
using snapshots::small_store;
using snapshots::string_store;
using snapshots::written;

namespace {

/// A name that only its own conversion to JSON explains.
struct street_and_number {
  std::string street;
  int number = 0;
  friend bool operator==(const street_and_number&, const street_and_number&) = default;
  friend void to_json(nlohmann::json& out, const street_and_number& name) { out = {name.street, name.number}; }
  friend void from_json(const nlohmann::json& in, street_and_number& name) {
    name.street = in.at(0).get<std::string>();
    name.number = in.at(1).get<int>();
  }
};

/// A name that is lists in lists.
struct deep_name {
  int levels = 0;
  friend bool operator==(const deep_name&, const deep_name&) = default;
  friend void to_json(nlohmann::json& out, const deep_name& name) {
    out = 0;
    for (int level = 0; level < name.levels; ++level) out = nlohmann::json::array({std::move(out)});
  }
  friend void from_json(const nlohmann::json& in, deep_name& name) {
    name.levels = 0;
    for (const nlohmann::json* at = &in; at->is_array(); at = &(*at)[0]) ++name.levels;
  }
};

std::string binary(const auto& store) { return written(store, snapshot_format::binary); }

std::size_t blocks_of(const std::string& snapshot, const char* what) {
  const auto pieces = pieces_of(snapshot);
  return static_cast<std::size_t>(std::count_if(pieces.begin(), pieces.end(), [&](const auto& piece) {
    return piece.record.contains(what) && !piece.record.contains("end");
  }));
}

int_store numbered_store() {
  int_store s({.lanes = {24h, 240h}, .dislike_half_life = 50h});
  s.observe(-3, 70, day(1), 1.5);
  s.observe(-3, 80, day(2));
  s.observe(4, 80, day(3));
  s.dislike(5, 90, day(4));
  return s;
}

}  // namespace

}  // namespace snapshot_blocks_test

template <>
struct std::hash<snapshot_blocks_test::street_and_number> {
  std::size_t operator()(const snapshot_blocks_test::street_and_number& name) const noexcept {
    return std::hash<std::string>{}(name.street) + static_cast<std::size_t>(name.number);
  }
};

template <>
struct std::hash<snapshot_blocks_test::deep_name> {
  std::size_t operator()(const snapshot_blocks_test::deep_name& name) const noexcept {
    return static_cast<std::size_t>(name.levels);
  }
};

namespace snapshot_blocks_test {

TEST_CASE("users fill blocks of a mebibyte, and the last of a block and a larger one come through",
          "[snapshot_blocks]") {
  // One entry of one lane: 36 bytes of a user and 24 of the entry, so 17477 users pass a mebibyte with the last one.
  int_store s({.lanes = {24h}, .heat = false});
  for (int user = 0; user < 17476; ++user) s.observe(user, user % 7, day(user % 50));
  for (int user = 17476; user < 17479; ++user) {
    const std::string bytes = binary(s);
    CHECK(blocks_of(bytes, "users") == (user < 17478 ? 1U : 2U));
    check_same(s, read_back<int_store>(bytes));
    s.observe(user, user % 7, day(1));
  }
  for (int item = 0; item < 100'000; ++item) s.observe(-1, item, day(item % 100));
  const std::string bytes = binary(s);
  CHECK(blocks_of(bytes, "users") >= 2);
  CHECK(blocks_of(bytes, "items") == 1);
  check_same(s, read_back<int_store>(bytes));
}

TEST_CASE("long names and heat fill blocks too", "[snapshot_blocks]") {
  string_store s({.lanes = {24h}});
  for (int i = 0; i < 3000; ++i)
    s.observe(std::string(700, 'u') + std::to_string(i), std::string(900, 'i') + std::to_string(i % 2500), day(i % 90));
  const std::string bytes = binary(s);
  CHECK(blocks_of(bytes, "users") == 3);
  CHECK(blocks_of(bytes, "items") == 3);
  check_same(s, read_back<string_store>(bytes));
}

TEST_CASE("names come back whatever they are, into any type that holds them", "[snapshot_blocks]") {
  enum class room { hall, attic = -2 };
  ebb::interest_store<room, street_and_number> any({.lanes = {24h}});
  any.observe(room::attic, {"High Street", -7}, day(1));
  any.observe(room::hall, {"", 0}, day(2));
  check_same(any, read_back<decltype(any)>(binary(any)));

  ebb::interest_store<std::int64_t, std::uint64_t> wide({.lanes = {24h}});
  wide.observe(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max(), day(1));
  wide.observe(std::numeric_limits<std::int64_t>::max(), 0, day(1));
  check_same(wide, read_back<decltype(wide)>(binary(wide)));
  CHECK_THROWS_WITH((read_back<ebb::interest_store<int, std::uint64_t>>(binary(wide))), contains("whole number"));
  CHECK_THROWS_WITH((read_back<ebb::interest_store<std::int64_t, std::int64_t>>(binary(wide))),
                    contains("whole number"));

  int_store small({.lanes = {24h}});
  small.observe(-1, 300, day(1));
  const auto other = read_back<ebb::interest_store<signed char, std::uint16_t, double>>(binary(small));
  CHECK(other.find(-1) != nullptr);
  CHECK(other.handle(300));
  CHECK_THROWS_WITH((read_back<ebb::interest_store<signed char, unsigned char, double>>(binary(small))),
                    contains("whole number"));
  CHECK_THROWS_AS((read_back<ebb::interest_store<std::string, int, double>>(binary(small))), ebb::snapshot_error);
  CHECK_THROWS_AS((read_back<ebb::interest_store<int, int, float>>(binary(small_store()))), ebb::snapshot_error);
}

TEST_CASE("what version 1 wrote is read in both formats", "[snapshot_blocks]") {
  const auto check = [](const auto& store) {
    using store_type = std::decay_t<decltype(store)>;
    const std::string json = written(store, snapshot_format::json);
    const std::string old = snapshots::as_version_1(json);
    CHECK(blocks_of(old, "bytes") == 0);
    check_same(store, read_back<store_type>(old));
    std::string old_json = json.substr(0, json.rfind('\n', json.size() - 2) + 1);
    old_json.replace(old_json.find("\"version\":2"), 11, "\"version\":1");
    auto end = nlohmann::json::parse(json.substr(old_json.size()));
    end["checksum"] = ebb::detail::hexadecimal(ebb::detail::crc32(old_json));
    check_same(store, read_back<store_type>(old_json + end.dump() + "\n"));
  };
  check(small_store());
  check(numbered_store());
  check(string_store({.heat = false}));
  using shards = ebb::sharded_store<int, int, float>;
  shards many({.lanes = {24h}}, 3);
  for (int i = 0; i < 100; ++i) many.observe(i % 9, i % 14, day(i));
  const std::string old = snapshots::as_version_1(written(many, snapshot_format::json));
  REQUIRE(written(many, snapshot_format::json).find("more_heat_of") != std::string::npos);
  check_same(read_back<shards::store_type>(binary(many)), read_back<shards::store_type>(old));
  CHECK(read_back<shards>(old).size() == many.size());
}

TEST_CASE("any one bit flipped, wherever, is seen", "[snapshot_blocks]") {
  const auto check = [](const auto& store, auto into) {
    const std::string bytes = binary(store);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      CAPTURE(bit);
      CHECK_THROWS_AS(into(flipped), ebb::snapshot_error);
    }
  };
  check(numbered_store(), [](const std::string& bytes) { return read_back<int_store>(bytes); });
  ebb::sharded_store<int, int> many({.lanes = {24h}}, 2);
  for (int user = 0; user < 6; ++user) many.observe(user, 1, day(user));
  REQUIRE(blocks_of(binary(many), "items") == 2);
  check(many, [](const std::string& bytes) { return read_back<ebb::sharded_store<int, int>>(bytes); });
}

TEST_CASE("blocks left out, doubled or exchanged are refused", "[snapshot_blocks]") {
  string_store s({.lanes = {24h}});
  for (int i = 0; i < 2500; ++i) s.observe(std::string(1000, 'u') + std::to_string(i), std::to_string(i % 5), day(i));
  const std::string bytes = binary(s);
  std::vector<std::string> parts;
  for (const auto& piece : pieces_of(bytes)) {
    const std::size_t begin = parts.empty() ? 8 : bytes.find(parts.back()) + parts.back().size();
    parts.push_back(bytes.substr(begin, 8 + nlohmann::json::to_cbor(piece.record).size() + piece.block.size()));
  }
  REQUIRE(parts.size() == 6);  // header, items, three blocks of users, end
  const auto text = [](const std::vector<std::string>& of) {
    std::string out = "ebbsnap\n";
    for (const std::string& part : of) out += part;
    return out;
  };
  REQUIRE(text(parts) == bytes);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto changed = parts;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK_THROWS_AS(read_back<string_store>(text(changed)), ebb::snapshot_error);
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(i), 2, parts[i]);
    CHECK_THROWS_AS(read_back<string_store>(text(changed)), ebb::snapshot_error);
    for (std::size_t j = 0; j < i; ++j) {
      changed = parts;
      std::swap(changed[i], changed[j]);
      CHECK_THROWS_AS(read_back<string_store>(text(changed)), ebb::snapshot_error);
    }
  }
  std::string swapped = parts[2];  // two stretches of one block
  std::swap_ranges(swapped.end() - 4096, swapped.end() - 2048, swapped.end() - 2048);
  parts[2] = swapped;
  CHECK_THROWS_WITH(read_back<string_store>(text(parts)), contains("record 3 is corrupt: its checksum does not match"));
}

TEST_CASE("a checksum sees every change of one word, and words that change places", "[snapshot_blocks]") {
  using ebb::detail::checksum64;
  ebb::random_engine random(3);
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random.below(256));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string text = bytes.substr(0, size);
    const std::uint64_t check = checksum64(text);
    CHECK(checksum64(text + '\0') != check);
    if (size < 16) continue;
    for (std::size_t other = 8; other + 8 <= size; other += 8) {
      std::string swapped = text;
      std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.begin() + static_cast<std::ptrdiff_t>(other));
      CHECK(checksum64(swapped) != check);
      std::string flipped = text;  // the highest bits of two words
      flipped[7] = static_cast<char>(flipped[7] ^ 0x80);
      flipped[other + 7] = static_cast<char>(flipped[other + 7] ^ 0x80);
      CHECK(checksum64(flipped) != check);
    }
  }
}

TEST_CASE("forged sizes are refused, whatever they are", "[snapshot_blocks]") {
  const auto check = [](const auto& store, auto into) {
    const auto pieces = pieces_of(binary(store));
    REQUIRE_NOTHROW(into(joined(pieces)));
    for (std::size_t i = 0; i < pieces.size(); ++i)
      for (const char* const name : {"users", "items", "rows", "bytes", "entries"}) {
        if (!pieces[i].record.contains(name)) continue;
        const auto value = pieces[i].record[name].template get<std::uint64_t>();
        std::vector<nlohmann::json> forged = {-1, 1.5, true, "1", nullptr, nlohmann::json::array({value})};
        for (const std::uint64_t number : {std::uint64_t{0}, value - 1, value + 1, value * 2, value + 8})
          forged.emplace_back(number);
        for (int bit = 20; bit < 64; ++bit)
          for (const std::uint64_t number : {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) + value})
            forged.emplace_back(number);
        for (const auto& number : forged) {
          if (number == value && number.is_number_unsigned()) continue;
          auto changed = pieces;
          changed[i].record[name] = number;
          CAPTURE(i, name, number.dump());
          CHECK_THROWS_AS(into(joined(changed)), ebb::snapshot_error);
        }
        auto without = pieces;
        without[i].record.erase(name);
        CHECK_THROWS_AS(into(joined(without)), ebb::snapshot_error);
      }
  };
  check(numbered_store(), [](const std::string& bytes) { return read_back<int_store>(bytes); });
  check(small_store(), [](const std::string& bytes) { return read_back<string_store>(bytes); });
  ebb::sharded_store<int, int> many({.lanes = {24h}}, 2);
  for (int user = 0; user < 6; ++user) many.observe(user, 1, day(user));
  check(many, [](const std::string& bytes) { return read_back<ebb::sharded_store<int, int>>(bytes); });
}

TEST_CASE("a block whose numbers cannot be is refused by what is wrong with it", "[snapshot_blocks]") {
  // Blocks of one lane, no heat. Users: names | first | newest | events | times | sums | entries | items | counts.
  int_store s({.lanes = {24h}, .heat = false});
  s.observe(1, 7, day(1));
  s.observe(1, 8, day(1));
  s.observe(2, 8, day(1));
  const auto pieces = pieces_of(binary(s));
  REQUIRE(pieces.size() == 4);
  constexpr std::size_t users = 2;
  constexpr std::size_t rows = 3;
  const std::size_t sums = users * 32 + rows * 8;
  const std::size_t entries = sums + rows * 8;
  const std::size_t items = entries + users * 4;
  REQUIRE(pieces[2].block.size() == items + rows * 8);
  const auto refuses = [&](std::size_t piece, std::size_t at, std::uint64_t number, std::size_t size, const char* why) {
    auto changed = pieces;
    changed[piece].block.replace(at, size, snapshots::little_endian(number, size));
    CHECK_THROWS_WITH(read_back<int_store>(joined(changed)), contains(why));
  };
  const auto user_0 = number_at(pieces[2].block, 0, 8);
  refuses(1, 8, 7, 8, "an item is there twice");
  refuses(1, 8, std::uint64_t{1} << 40, 8, "whole number of its range");
  refuses(2, 8, user_0, 8, "a user is there twice");
  refuses(2, users * 16, number_at(pieces[2].block, users * 16, 8) - 1, 8, "an event after the newest");
  refuses(2, sums, 0x7ff0000000000000U, 8, "a sum is not finite");
  refuses(2, sums + 16, 0xfff8000000000001U, 8, "a sum is not finite");
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{0xffffffff}}) {
    refuses(2, entries, n, 4, "a column has the wrong length");
    refuses(2, entries + 4, n, 4, "a column has the wrong length");
  }
  for (std::size_t i = 0; i < 3; ++i) refuses(2, items + 4 * i, 2, 4, "an item that is not there");
  const std::size_t of_two = items + (number_at(pieces[2].block, entries, 4) == 2 ? 0 : 4);
  refuses(2, of_two, number_at(pieces[2].block, of_two + 4, 4), 4, "an item twice");

  // Names with their lengths, and heat: names | times | sums | items | counts | bytes of the names.
  string_store names({.lanes = {24h}});
  names.observe("u", "tea", day(1));
  names.observe("u", "jam", day(1));
  auto changed = pieces_of(binary(names));
  const auto forged = [&](std::size_t at, std::uint64_t number, std::size_t size) {
    auto copy = changed;
    copy[1].block.replace(at, size, snapshots::little_endian(number, size));
    return joined(copy);
  };
  const std::size_t row = changed[1].block.size() - 6 - 16;
  REQUIRE(changed[1].block.substr(changed[1].block.size() - 6) == "teajam");
  CHECK_THROWS_WITH(read_back<string_store>(forged(8, 4, 8)), contains("a name is longer than its block"));
  CHECK_THROWS_WITH(read_back<string_store>(forged(0, ~std::uint64_t{0}, 8)), contains("a name is longer"));
  CHECK_THROWS_WITH(read_back<string_store>(forged(8, 2, 8)), contains("a column has the wrong length"));
  CHECK_THROWS_WITH(read_back<string_store>(forged(row + 4, 0, 4)), contains("heat of an item that is not there"));
  CHECK_THROWS_WITH(read_back<string_store>(forged(row, 9, 4)), contains("heat of an item that is not there"));
  changed[1].record["names"] = "runes";
  CHECK_THROWS_WITH(read_back<string_store>(joined(changed)), contains("its names stand in an unknown way"));
  changed[1].record["names"] = "cbor";
  CHECK_THROWS_AS(read_back<string_store>(joined(changed)), ebb::snapshot_error);
  changed[1].record["names"] = "unsigned";
  CHECK_THROWS_AS(read_back<string_store>(joined(changed)), ebb::snapshot_error);
}

TEST_CASE("what is nested too deeply for the stack is refused", "[snapshot_blocks]") {
  const auto repeated = [](const std::string& what, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += what;
    return out;
  };
  const auto snapshot_of = [](const std::string& payload) {
    const std::string length = snapshots::little_endian(payload.size(), 4);
    const std::uint32_t check = ebb::detail::crc32(payload, ebb::detail::crc32(length, 0));
    return "ebbsnap\n" + length + snapshots::little_endian(check, 4) + payload;
  };
  // Lists of one list, of very many, without an end; objects in objects; texts and bytes in parts; keys in parts.
  for (const std::string level : {"\x81", "\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "\x9f", "\xa1\x61k", "\xbf\x61k",
                                  "\x7f", "\x5f", "\xa1\x7f", "\xbf\x7f"}) {
    CAPTURE(ebb::detail::hexadecimal(static_cast<unsigned char>(level[0])), level.size());
    CHECK_THROWS_WITH(read_back<int_store>(snapshot_of(repeated(level, 500'000))), contains("1 is nested too deeply"));
    CHECK_THROWS_WITH(read_back<int_store>(snapshot_of(repeated(level, 1) + repeated("\x81", 500'000))),
                      contains("1 is nested too deeply"));
  }
  const std::string tags = repeated("\xc1", 500'000);
  CHECK_THROWS_WITH(read_back<int_store>(snapshot_of(tags)), contains("record 1 is corrupt"));
  CHECK_THROWS_WITH(read_back<int_store>(R"({"format":"ebb snapshot","version":)" + repeated("[", 500'000) +
                                         repeated("]", 500'000) + "}\n"),
                    contains("1 is nested too deeply"));

  ebb::interest_store<int, street_and_number> any({.lanes = {24h}, .heat = false});
  any.observe(1, {"High Street", 7}, day(1));
  for (const std::string level : {"\x81", "\x7f"}) {
    auto pieces = pieces_of(binary(any));
    REQUIRE(pieces[1].record["names"] == "cbor");
    pieces[1].block = snapshots::little_endian(500'000, 8) + repeated(level, 500'000);
    pieces[1].record["bytes"] = pieces[1].block.size();
    CHECK_THROWS_WITH(read_back<decltype(any)>(joined(pieces)), contains("a name is nested too deeply"));
  }
}

TEST_CASE("a document is as deep as it looks, whatever stands in it", "[snapshot_blocks]") {
  ebb::random_engine random(5);
  for (int round = 0; round < 300; ++round) {
    nlohmann::json document = "a [ { \" \\ ] } text";
    const std::size_t depth = 90 + random.below(20);
    for (std::size_t level = 0; level < depth; ++level) {
      const nlohmann::json beside = {1, -70'000, 0.5, round * 1e9, nullptr, true, std::string(300, '['), {{"[[{", 2}}};
      if (random.below(2) == 0)
        document = level < 2 ? nlohmann::json::array({document}) : nlohmann::json::array({beside, document, beside});
      else
        document = level < 2 ? nlohmann::json{{"in", document}} : nlohmann::json{{"[", beside}, {"in", document}};
    }
    std::string cbor;
    nlohmann::json::to_cbor(document, cbor);
    CHECK(ebb::detail::is_cbor_too_deep(cbor) == (depth > 100));
    CHECK(ebb::detail::is_json_too_deep(document.dump()) == (depth > 100));
  }
}

TEST_CASE("a name too deep to be read again is not written", "[snapshot_blocks]") {
  for (const int levels : {98, 99, 100, 101, 300}) {
    ebb::interest_store<deep_name, int> s({.lanes = {24h}});
    s.observe({levels}, 1, day(1));
    for (const snapshot_format format : {snapshot_format::binary, snapshot_format::json}) {
      std::string bytes;
      try {
        bytes = written(s, format);
      } catch (const std::invalid_argument& e) {
        CHECK(levels > 98);
        CHECK_THAT(e.what(), contains("a name must not be nested more than 98 times"));
        continue;
      }
      check_same(s, read_back<decltype(s)>(bytes));
    }
    if (levels > 100) CHECK_THROWS_AS(binary(s), std::invalid_argument);
  }
}

TEST_CASE("heat of an item that is not there, or of a store without, is refused in blocks", "[snapshot_blocks]") {
  ebb::sharded_store<int, int> many({.lanes = {24h}}, 2);
  for (int user = 0; user < 6; ++user) many.observe(user, 1, day(user));
  const auto pieces = pieces_of(binary(many));
  std::size_t more = 0;
  while (!(pieces[more].record.contains("items") && pieces[more].record["items"] == 0)) ++more;
  auto changed = pieces;
  changed[more].block.replace(changed[more].block.size() - 8, 4, snapshots::little_endian(1, 4));
  CHECK_THROWS_WITH((read_back<ebb::interest_store<int, int>>(joined(changed))),
                    contains("heat of an item that is not there"));
  changed = pieces;
  changed[0].record["options"]["heat"] = false;
  CHECK_THROWS_WITH((read_back<ebb::interest_store<int, int>>(joined(changed))),
                    contains("heat of an item that is not there"));
}

TEST_CASE("a block is no line of JSON", "[snapshot_blocks]") {
  std::string json = written(numbered_store(), snapshot_format::json);
  json.insert(json.find('\n') + 1, R"({"bytes":0,"checksum":0,"items":0,"names":"signed","rows":0})"
                                   "\n");
  CHECK_THROWS_WITH(read_back<int_store>(json), contains("record 2 is corrupt"));
}

}  // namespace snapshot_blocks_test
