// SPDX-License-Identifier: MIT
#include "ebb/detail/tag_line.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace tag_line_test {

namespace {

using ebb::detail::tag_byte;
using ebb::detail::tag_line;
using ebb::detail::tag_places;
using ebb::detail::tag_table;

/// Whether every equal byte is found, the first is one, and none is beyond the size.
template <std::size_t Size>
bool are_right(const unsigned char* bytes, std::uint8_t tag) {
  std::uint32_t truth = 0;
  for (std::uint32_t i = 0; i < Size; ++i) truth |= bytes[i] == tag ? 1U << i : 0U;
  tag_places places = tag_places::of<Size>(bytes, tag);
  if (!places.empty() && (truth >> places.first() & 1U) == 0) return false;
  std::uint32_t found = 0;
  for (; !places.empty(); places.pop()) found |= 1U << places.first();
  return (truth & ~found) == 0 && found >> Size == 0;
}

/// Places by hash, and what a plain list says.
template <class Place>
void check_table(std::size_t lines, std::uint32_t hashes, double load) {
  std::vector<tag_line<Place>> memory(lines);
  tag_table<Place> table(memory.data(), lines);
  const auto most = static_cast<std::size_t>(load * static_cast<double>(lines * tag_line<Place>::room));
  std::vector<std::uint32_t> hash_of;  // by place
  std::vector<bool> is_there;
  ebb::random_engine random(lines + hashes);
  const auto hash = [&] { return static_cast<std::uint32_t>(random.below(hashes) * 0x9e3779b9U); };
  std::size_t size = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t what = random.below(5);
    if (what < 3 && size < most) {
      std::uint32_t place = 0;  // the first free one, so that old places come back
      while (place < is_there.size() && is_there[place]) ++place;
      if (place == is_there.size()) {
        is_there.push_back(false);
        hash_of.push_back(0);
      }
      hash_of[place] = hash();
      is_there[place] = true;
      table.insert(hash_of[place], place);
      ++size;
    } else if (size > 0) {
      auto place = static_cast<std::uint32_t>(random.below(is_there.size()));
      while (!is_there[place]) place = place + 1 == is_there.size() ? 0 : place + 1;
      if (what == 3) {
        table.erase(hash_of[place], place);
        is_there[place] = false;
        --size;
      } else {  // to a new place
        const auto to = static_cast<std::uint32_t>(is_there.size());
        if (to >= 3000) continue;
        table.move(hash_of[place], place, to);
        hash_of.push_back(hash_of[place]);
        is_there.push_back(true);
        is_there[place] = false;
      }
    }
    if (step % 1000 != 0) continue;
    int wrong = 0;
    for (std::uint32_t place = 0; place < is_there.size(); ++place) {
      const auto found = table.find(hash_of[place], [&](std::uint32_t p) { return p == place; });
      wrong += found == (is_there[place] ? place : table.npos) ? 0 : 1;
    }
    // Nothing is asked about that is not there.
    const auto asked = table.find(hash(), [&](std::uint32_t p) {
      wrong += is_there.at(p) ? 0 : 1;
      return false;
    });
    REQUIRE(wrong == 0);
    REQUIRE(asked == table.npos);
  }
  for (std::uint32_t place = 0; place < is_there.size(); ++place)
    if (is_there[place]) table.erase(hash_of[place], place);
  for (const tag_line<Place>& line : memory) REQUIRE(line.passed == 0);  // erasing leaves no trace
}

}  // namespace

TEST_CASE("a tag's places among bytes are those of a plain search", "[tag_line]") {
  ebb::random_engine random(3);
  unsigned char bytes[24];
  int wrong = 0;
  for (int round = 0; round < 200'000; ++round) {
    const auto tag = static_cast<std::uint8_t>(random.below(256));
    for (unsigned char& byte : bytes) {  // many equal, and many that a borrow would make look so
      const std::uint64_t kind = random.below(4);
      byte = static_cast<unsigned char>(kind == 0 ? tag : kind == 1 ? tag ^ 1U : random.below(256));
    }
    if (!are_right<8>(bytes, tag) || !are_right<12>(bytes, tag) || !are_right<16>(bytes, tag) ||
        !are_right<20>(bytes, tag))
      ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a tag is never that of a free place, and takes every other value", "[tag_line]") {
  std::set<std::uint8_t> tags;
  for (std::uint32_t hash = 0; hash < 1024; ++hash) tags.insert(tag_byte(hash * 0x10001U));
  CHECK_FALSE(tags.contains(0));
  CHECK(tags.size() == 255);
}

TEMPLATE_TEST_CASE("a table of tag lines does what a list would, whatever comes and goes", "[tag_line]", std::uint16_t,
                   std::uint32_t) {
  check_table<TestType>(1, 1000, 0.9);
  check_table<TestType>(5, 1000, 0.99);
  check_table<TestType>(40, 1'000'000, 0.8);
  check_table<TestType>(8, 3, 0.9);  // nearly all of a few hashes, lines full one after another
}

}  // namespace tag_line_test
