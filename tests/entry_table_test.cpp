// SPDX-License-Identifier: MIT
#include "ebb/detail/entry_table.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"
#include "ebb/store_options.hpp"

namespace entry_table_test {

namespace {

using ebb::detail::entry_layout;
using ebb::detail::entry_table;

entry_layout layout_of(int lanes, int recent, bool dislikes = false) {
  ebb::store_options options{
      .lanes = lanes == 1 ? ebb::timescales{std::chrono::hours(24)}
                          : ebb::timescales::log_spaced(std::chrono::minutes(1), std::chrono::years(1), lanes),
      .recent = recent};
  if (dislikes) options.dislike_half_life = std::chrono::hours(24);
  return ebb::detail::entry_layout_of(options);
}

/// Writes numbers that say whose row it is into every place of a row.
template <class T>
void write(const entry_layout& layout, entry_table<T>& table, std::size_t i, std::uint32_t value) {
  const auto row = table.row(layout, i);
  *row.count = value + 1;
  for (int t = 0; t < layout.times(); ++t) row.times[t] = std::int64_t{value} * 100 + t;
  for (int s = 0; s < layout.sums(); ++s) row.sums[s] = static_cast<T>(value % 4096) + static_cast<T>(s) / 64;
}

template <class T>
bool holds(const entry_layout& layout, const entry_table<T>& table, std::size_t i, std::uint32_t item,
           std::uint32_t value) {
  if (i >= table.size() || table.item(i) != item || table.count(i) != value + 1) return false;
  for (int t = 0; t < layout.times(); ++t)
    if (table.times(layout, i)[t] != std::int64_t{value} * 100 + t) return false;
  for (int s = 0; s < layout.sums(); ++s)
    if (table.sums(layout, i)[s] != static_cast<T>(value % 4096) + static_cast<T>(s) / 64) return false;
  return true;
}

}  // namespace

TEMPLATE_TEST_CASE("a table finds what a map would, at every size up to beyond 16 bits", "[entry_table]", float,
                   double) {
  const entry_layout layout = layout_of(1, 2);
  entry_table<TestType> table;
  CHECK(table.find(7) == table.npos);
  std::vector<std::uint32_t> items;
  int wrong = 0;  // few assertions: they cost more than what they look at
  constexpr std::uint32_t size = 70'000;
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::uint32_t item = i * 2654435761U;
    wrong += table.find(item) == table.npos ? 0 : 1;
    wrong += table.find_or_add(layout, item) == i && table.find_or_add(layout, item) == i ? 0 : 1;
    write(layout, table, i, i);
    items.push_back(item);
    const bool is_near = i < 300 || i % 997 == 0 || (i > 65'500 && i < 65'600);
    for (std::uint32_t j = 0; is_near && j <= i; j += 1 + i / 50) {
      wrong += table.find(items[j]) == j && holds(layout, table, j, items[j], j) ? 0 : 1;
      wrong += table.find(items[j], table.guess(table.hash_of(items[j]))) == j ? 0 : 1;
    }
  }
  for (std::uint32_t i = 0; i < size; ++i) wrong += table.find(items[i]) == i ? 0 : 1;
  REQUIRE(wrong == 0);
  const entry_table<TestType> copy = table;
  // A third goes, the order of the others stays; then most, and the memory with them.
  CHECK(table.erase_if(layout, [](std::size_t i) { return i % 3 == 0; }) == (size + 2) / 3);
  std::uint32_t at = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    wrong += table.find(items[i]) == (i % 3 == 0 ? table.npos : std::size_t{at}) ? 0 : 1;
    at += i % 3 == 0 ? 0 : 1;
  }
  REQUIRE(wrong == 0);
  CHECK(table.erase_if(layout, [](std::size_t i) { return i >= 10; }) == at - 10);
  const std::size_t before = table.bytes();
  table.shrink(layout);
  CHECK(table.bytes() < before / 1000);
  for (std::uint32_t i = 0; i < 15; ++i)
    if (i % 3 != 0) REQUIRE(holds(layout, table, table.find(items[i]), items[i], i));
  for (std::uint32_t i = 0; i < size; i += 89) REQUIRE(holds(layout, copy, copy.find(items[i]), items[i], i));
}

TEMPLATE_TEST_CASE("entries come, go and are put back as in a map", "[entry_table]", float, double) {
  for (const entry_layout& layout : {layout_of(1, 1), layout_of(3, 1), layout_of(8, 4), layout_of(1, 1, true)}) {
    entry_table<TestType> table;
    std::map<std::uint32_t, std::uint32_t> truth;
    ebb::random_engine random(11);
    for (int step = 0; step < 6000; ++step) {
      const bool grows = step / 1500 % 2 == 0;
      const auto item = static_cast<std::uint32_t>(random.below(120));
      if (random.below(4) < (grows ? 3U : 1U)) {
        const std::size_t i = table.find_or_add(layout, item);
        const auto value = static_cast<std::uint32_t>(step);
        write(layout, table, i, value);
        truth[item] = value;
      } else {
        const std::size_t i = table.find(item);
        REQUIRE((i != table.npos) == truth.contains(item));
        if (i != table.npos) table.erase(layout, i);
        truth.erase(item);
        if (random.below(10) == 0) table.shrink(layout);
      }
      REQUIRE(table.size() == truth.size());
      for (std::uint32_t other = 0; step % 50 == 0 && other < 120; ++other) {
        const std::size_t i = table.find(other);
        REQUIRE((i != table.npos) == truth.contains(other));
        if (i != table.npos) REQUIRE(holds(layout, table, i, other, truth[other]));
      }
    }
    // Written out in columns and put back behind others.
    entry_table<TestType> back;
    back.find_or_add(layout, 1000);
    write(layout, back, 0, 5);
    std::vector<std::uint32_t> items;
    std::vector<std::uint32_t> counts;
    std::vector<ebb::detail::lane_grid::ticks> times;
    std::vector<TestType> sums;
    for (std::size_t i = 0; i < table.size(); ++i) {
      items.push_back(table.item(i));
      counts.push_back(table.count(i));
      times.insert(times.end(), table.times(layout, i), table.times(layout, i) + layout.times());
      sums.insert(sums.end(), table.sums(layout, i), table.sums(layout, i) + layout.sums());
    }
    back.append(layout, items.size(), items.data(), counts.data(), times.data(), sums.data());
    REQUIRE(back.size() == table.size() + 1);
    REQUIRE(holds(layout, back, back.find(1000), 1000, 5));
    for (const auto& [item, value] : truth) REQUIRE(holds(layout, back, back.find(item), item, value));
  }
}

TEST_CASE("a new entry is empty, whatever stood in its place", "[entry_table]") {
  const entry_layout layout = layout_of(2, 2, true);
  entry_table<double> table;
  for (std::uint32_t item = 0; item < 40; ++item) write(layout, table, table.find_or_add(layout, item), item);
  table.erase_if(layout, [](std::size_t) { return true; });
  for (std::uint32_t item = 0; item < 40; ++item) {
    REQUIRE(table.find(item) == table.npos);
    const std::size_t i = table.find_or_add(layout, item + 100);
    CHECK(table.count(i) == 0);
    for (int s = 0; s < layout.sums(); ++s) CHECK(table.sums(layout, i)[s] == 0);
    CHECK(table.times(layout, i)[0] == ebb::detail::no_time);
    CHECK(table.times(layout, i)[layout.dislike_count()] == 0);
  }
}

}  // namespace entry_table_test
