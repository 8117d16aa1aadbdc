// SPDX-License-Identifier: MIT
#include "ebb/detail/flat_map.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/detail/name_index.hpp"
#include "ebb/detail/open_index.hpp"
#include "ebb/random.hpp"

namespace flat_map_test {

namespace {

using ebb::detail::flat_map;
using ebb::detail::open_index;

/// A key all of whose hashes are few, so that many names share a line.
struct crowded {
  int value;
  friend bool operator==(const crowded&, const crowded&) = default;
};

/// A key that refuses to be copied when told so.
struct fragile {
  int value = 0;
  static inline bool breaks = false;

  explicit fragile(int v) : value(v) {}
  fragile(const fragile& other) : value(other.value) {
    if (breaks) throw std::runtime_error("broken");
  }
  fragile(fragile&&) noexcept = default;
  fragile& operator=(const fragile&) = default;
  fragile& operator=(fragile&&) noexcept = default;
  ~fragile() = default;
  friend bool operator==(const fragile&, const fragile&) = default;
};

template <class Key>
Key key_of(std::uint64_t number) {
  if constexpr (std::is_same_v<Key, std::string>)
    return "name " + std::to_string(number);
  else if constexpr (std::is_same_v<Key, crowded>)
    return {static_cast<int>(number)};
  else
    return number << 40;  // std::hash leaves the low bits of these at zero
}

}  // namespace

}  // namespace flat_map_test

template <>
struct std::hash<flat_map_test::crowded> {
  std::size_t operator()(const flat_map_test::crowded& c) const noexcept {
    return static_cast<std::size_t>(c.value % 3);
  }
};
template <>
struct std::hash<flat_map_test::fragile> {
  std::size_t operator()(const flat_map_test::fragile& f) const noexcept { return static_cast<std::size_t>(f.value); }
};

namespace flat_map_test {

TEMPLATE_TEST_CASE("a flat map does what std::unordered_map does, whatever comes and goes", "[flat_map]", std::uint64_t,
                   std::string, crowded) {
  const std::uint64_t keys = std::is_same_v<TestType, crowded> ? 60 : 1500;  // several blocks of pairs
  flat_map<TestType, std::unique_ptr<std::uint64_t>> map;
  std::unordered_map<TestType, std::uint64_t> truth;
  ebb::random_engine random(7);
  for (int step = 0; step < 40'000; ++step) {
    const bool grows = step / 10'000 % 2 == 0;  // full, nearly empty, full, nearly empty
    const auto key = key_of<TestType>(random.below(keys));
    if (random.below(3) < (grows ? 2U : 1U)) {
      const auto [at, is_new] = map.try_emplace(key);
      REQUIRE(is_new == truth.try_emplace(key, step).second);
      if (is_new) at->second = std::make_unique<std::uint64_t>(step);
      REQUIRE(*at->second == truth.at(key));
    } else {
      const auto at = map.find(key);
      REQUIRE((at != map.end()) == truth.contains(key));
      if (at != map.end()) {
        map.erase(at);
        truth.erase(key);
      }
      REQUIRE_FALSE(map.contains(key));
    }
    REQUIRE(map.size() == truth.size());
    if (step % 500 != 0) continue;
    std::size_t seen = 0;
    for (const auto& [name, value] : std::as_const(map)) {
      REQUIRE(*value == truth.at(name));
      ++seen;
    }
    REQUIRE(seen == truth.size());
    for (const auto& [name, value] : truth) REQUIRE(*map.find(name)->second == value);
  }
}

TEST_CASE("erasing while going through a flat map visits every pair once", "[flat_map]") {
  flat_map<int, int> map;
  for (int i = 0; i < 1000; ++i) map[i] = i;
  std::multiset<int> seen;
  for (auto at = map.begin(); at != map.end();) {
    seen.insert(at->first);
    if (at->first % 3 == 0)
      at = map.erase(at);
    else
      ++at;
  }
  CHECK(seen.size() == 1000);
  CHECK(map.size() == 666);
  for (int i = 0; i < 1000; ++i) {
    CHECK(seen.count(i) == 1);
    CHECK(map.contains(i) == (i % 3 != 0));
  }
}

TEST_CASE("a flat map's pairs keep the order they came in", "[flat_map]") {
  flat_map<std::string, int> map;
  for (int i = 0; i < 700; ++i) map[std::to_string(i * 7919 % 700)] = i;
  int next = 0;
  for (const auto& [name, value] : map) CHECK(value == next++);
  CHECK(next == 700);
}

TEST_CASE("a copied flat map is another, a moved one is empty and of use again", "[flat_map]") {
  flat_map<int, int> map;
  for (int i = 0; i < 600; ++i) map[i] = i;
  flat_map<int, int> copy = map;
  copy[5] = -1;
  copy.erase(copy.find(6));
  CHECK(map.find(5)->second == 5);
  CHECK(map.contains(6));
  flat_map<int, int> moved = std::move(map);
  CHECK(moved.size() == 600);
  map = {};
  CHECK(map.size() == 0);
  CHECK(map.begin() == map.end());
  map[7] = 1;
  CHECK(map.size() == 1);
  CHECK(moved.find(7)->second == 7);
}

TEST_CASE("a key that cannot be copied leaves a flat map as it was", "[flat_map]") {
  for (const int size : {0, 1, 16, 255, 256, 257, 512}) {
    flat_map<fragile, int> map;
    for (int i = 0; i < size; ++i) map.try_emplace(fragile(i)).first->second = i;
    fragile::breaks = true;
    CHECK_THROWS_AS(map.try_emplace(fragile(size)), std::runtime_error);
    fragile::breaks = false;
    CHECK(map.size() == static_cast<std::size_t>(size));
    CHECK_FALSE(map.contains(fragile(size)));
    map.try_emplace(fragile(size)).first->second = size;
    for (int i = 0; i <= size; ++i) CHECK(map.find(fragile(i))->second == i);
    for (int i = 0; i <= size; ++i) map.erase(map.find(fragile(i)));
    CHECK(map.size() == 0);
  }
}

TEST_CASE("ids in any regular pattern get hashes as spread as drawn ones", "[flat_map]") {
  constexpr std::uint64_t n = 1 << 16;
  for (const std::uint64_t step : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{1} << 16, std::uint64_t{1} << 40,
                                   (std::uint64_t{1} << 32) + 1, (std::uint64_t{1} << 32) - 1,
                                   (std::uint64_t{1} << 33) + 2, std::uint64_t{0x9e3779b97f4a7c15}}) {
    std::vector<int> in_slot(n, 0);
    std::set<std::uint32_t> hashes;
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::uint32_t hash = ebb::detail::mixed_hash(i * step);
      hashes.insert(hash);
      ++in_slot[(std::uint64_t{hash} * n) >> 32];
    }
    INFO("multiples of " << step);
    CHECK(hashes.size() > n - 64);                                  // about n² / 2^33 = 0.5 meet by chance
    CHECK(*std::max_element(in_slot.begin(), in_slot.end()) < 16);  // of draws, 8 or 9
    CHECK(std::count(in_slot.begin(), in_slot.end(), 0) < static_cast<int>(n / 2));  // of draws, n / e
  }
}

TEST_CASE("an open index refuses more places than its numbers can tell", "[flat_map]") {
  open_index index;
  CHECK_THROWS_AS(index.reserve(0xffffffffU, 0, [](std::uint32_t place) { return place; }), std::length_error);
  CHECK(index.find(1, [](std::uint32_t) { return true; }) == open_index::npos);
}

TEST_CASE("dropping the newest names leaves the others their numbers", "[flat_map]") {
  ebb::detail::name_index<std::string> names;
  for (int i = 0; i < 500; ++i) REQUIRE(names.find_or_add(std::to_string(i)) == static_cast<std::uint32_t>(i));
  names.truncate(900);
  CHECK(names.size() == 500);
  names.truncate(123);
  CHECK(names.size() == 123);
  for (int i = 0; i < 500; ++i)
    CHECK(names.find(std::to_string(i)) == (i < 123 ? static_cast<std::uint32_t>(i) : names.npos));
  CHECK(names.find_or_add("400") == 123);
}

}  // namespace flat_map_test
