// SPDX-License-Identifier: MIT
#include "ebb/detail/entry_groups.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/detail/best_entries.hpp"
#include "ebb/detail/entry_table.hpp"
#include "store_oracle.hpp"

namespace entry_groups_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using ebb::detail::interest_key;
using ebb::detail::key_digits;
using ebb::detail::lane_grid;
using ebb::detail::processor_level;
using ebb::detail::scored_entry;

/// Every group of a large table says of each lane no less than any of its entries does.
template <class T>
void check_groups(const ebb::detail::entry_layout& layout, const ebb::detail::entry_table<T>& entries) {
  if (!entries.has_groups()) return;
  const auto pitch = static_cast<std::size_t>(ebb::detail::key_pitch(layout.lanes));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::int32_t* const keys = entries.keys() + i / entries.group() * pitch;
    for (int k = 0; k < layout.lanes; ++k) {
      const auto sum = static_cast<double>(entries.sums(layout, i)[k]);
      const std::int64_t cell = layout.grid.index(k, entries.times(layout, i)[0]);
      if (keys[k] < interest_key(key_digits(layout.grid, k), cell, sum))
        FAIL("the keys of entry " << i << "'s group are too low in lane " << k);
    }
  }
}

/// The k best at every level of instructions are those of a full sort.
template <int Lanes, class Store>
void check_top(const Store& s, int user, const ebb::reading& how, ebb::time_point now, std::size_t k) {
  const auto* const state = s.find(user);
  if (state == nullptr) return;
  const ebb::detail::read_plan plan(s.layout().grid, how, now.time_since_epoch().count());
  const auto& entries = state->entries;
  std::vector<scored_entry> all;
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries.count(i) > 0)
      all.push_back(ebb::detail::score_entry(s.layout(), s.layout().lanes, entries.sums(s.layout(), i),
                                             entries.times(s.layout(), i)[0], i, plan));
  std::sort(all.begin(), all.end());
  all.resize(std::min(k, all.size()));
  const auto top = s.top(user, k, how, now);
  REQUIRE(top.size() == all.size());
  for (std::size_t r = 0; r < all.size(); ++r) REQUIRE(top[r].item == s.item(entries.item(all[r].position)));
  ebb::detail::with_lanes<Lanes>(s.layout().lanes, [&](auto lanes) {
    for (int level = 0; level <= static_cast<int>(ebb::detail::widest_level()); ++level) {
      ebb::detail::best_entries finder(s.layout(), lanes, entries, k, plan);
      const auto best = finder.find(state->newest, static_cast<processor_level>(level));
      REQUIRE(best.size() == all.size());
      for (std::size_t r = 0; r < all.size(); ++r)
        if (best[r].position != all[r].position || best[r].value != all[r].value || best[r].log2 != all[r].log2)
          FAIL("another entry than in the sort at place " << r << " at level " << level);
    }
  });
}

/// A table of the same entries, as a snapshot would put them back.
template <class T>
ebb::detail::entry_table<T> appended(const ebb::detail::entry_layout& layout, const ebb::detail::entry_table<T>& from,
                                     std::size_t at_once) {
  ebb::detail::entry_table<T> to;
  for (std::size_t i = 0; i < from.size(); i += at_once) {
    const std::size_t n = std::min(at_once, from.size() - i);
    std::vector<std::uint32_t> items;
    std::vector<std::uint32_t> counts;
    std::vector<ebb::detail::lane_grid::ticks> times;
    std::vector<T> sums;
    for (std::size_t j = i; j < i + n; ++j) {
      items.push_back(from.item(j));
      counts.push_back(from.count(j));
      times.insert(times.end(), from.times(layout, j), from.times(layout, j) + layout.times());
      sums.insert(sums.end(), from.sums(layout, j), from.sums(layout, j) + layout.sums());
    }
    to.append(layout, n, items.data(), counts.data(), times.data(), sums.data());
  }
  return to;
}

/// Events in any order and whatever takes them back, of two users with thousands of items.
template <class T, int Lanes>
void use_store(std::uint64_t seed, int lanes) {
  ebb::random_engine random(seed);
  ebb::store_options options{.lanes = {24h}};
  const auto shortest = std::exp(std::log(1e-3) + random.uniform() * std::log(1e7));
  if (lanes == 1) options.lanes = {ebb::duration(shortest)};
  if (lanes > 1) options.lanes = ebb::timescales::log_spaced(ebb::duration(shortest), ebb::duration(1e8), lanes);
  options.recent = 1 + static_cast<int>(random.below(2));
  options.first_use = random.below(2) == 0;
  if (random.below(2) == 0) options.dislike_half_life = 24h;
  if (random.below(3) == 0) options.rhythms = {{24h, lanes - 1}};
  using store_type = ebb::interest_store<int, int, T, Lanes>;
  store_type s(options);
  const std::uint64_t items = 400 + random.below(4000);
  const double width = std::exp(random.uniform() * 18);  // of the history, in seconds
  const bool is_equal = random.below(4) == 0;            // many ties
  std::vector<oracle::event> log;
  const auto any_event = [&](int user) {
    const auto item = static_cast<int>(random.below(items));
    const double age = is_equal ? std::floor(random.uniform() * 3) * shortest : random.uniform() * width;
    const double amount = is_equal ? 1.0 : random.below(9) == 0 ? 0.0 : std::exp(4 * random.normal());
    return oracle::event{user, item, day(0) - std::chrono::nanoseconds(static_cast<std::int64_t>(age * 1e9)), amount};
  };
  const auto observe = [&](store_type& to, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const oracle::event e = any_event(static_cast<int>(random.below(8) == 0));
      if (options.dislike_half_life && random.below(10) == 0) {
        to.dislike(e.user, e.item, e.time, 1.0);
      } else {
        to.observe(e.user, e.item, e.time, e.amount);
        if (&to == &s) log.push_back(e);
      }
    }
  };
  const auto check = [&] {
    const auto now = day(0) + std::chrono::nanoseconds(random.below(3) == 0 ? 0 : random.below(std::uint64_t{1} << 60));
    const auto how = oracle::random_reading(random, options.lanes);
    for (const int user : {0, 1}) {
      if (s.find(user) == nullptr) continue;
      check_groups(s.layout(), s.find(user)->entries);
      for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{40}})
        check_top<Lanes>(s, user, how, now, k);
    }
  };
  for (int step = 0; step < 24; ++step) {
    CAPTURE(seed, step);
    switch (random.below(9)) {
      case 0:
        for (int i = 0; i < 100 && !log.empty(); ++i) {
          const oracle::event e = log[random.below(log.size())];
          static_cast<void>(s.retract(e.user, e.item, e.time, e.amount));
        }
        break;
      case 1: {
        store_type other(options);
        observe(other, random.below(1500));
        s.merge(other);
        break;
      }
      case 2:
        s.prune(oracle::random_reading(random, options.lanes), day(0), 0.0, items / 2);
        break;
      case 3:
        for (int i = 0; i < 20; ++i) s.forget_item(static_cast<int>(random.below(items)));
        break;
      case 4: {
        store_type copy(s);
        copy.observe(0, 0, day(0));  // the copy's groups are its own
        check();
        s = std::move(copy);
        break;
      }
      case 5:
        if (s.find(0) != nullptr)
          check_groups(s.layout(), appended(s.layout(), s.find(0)->entries, 1 + random.below(3000)));
        break;
      default:
        observe(s, random.below(4000));
    }
    check();
  }
}

}  // namespace

TEST_CASE("a key does not depend on the cell a sum is kept in, and is above the sum by little", "[entry_groups]") {
  ebb::random_engine random(1);
  for (int i = 0; i < 20000; ++i) {
    const double half_life = std::exp(std::log(1e6) + random.uniform() * std::log(3e12));  // ticks, 1 ms to 100 years
    const lane_grid grid({static_cast<lane_grid::ticks>(half_life)});
    const key_digits digits(grid, 0);
    const auto t = static_cast<lane_grid::ticks>(random());
    const std::int64_t cell = grid.index(0, t);
    const double sum = std::exp2(random.uniform() * 1900 - 950);
    const std::int32_t key = interest_key(digits, cell, sum);
    CHECK(key > ebb::detail::no_key);
    if (cell > 60) CHECK(interest_key(digits, cell - 50, sum * 0x1p50) == key);
    CHECK(interest_key(digits, cell, std::nextafter(sum, 0.0)) <= key);
    CHECK(interest_key(digits, cell + 1, sum) >= key);
    // In half-lives, from the beginning of the clock's range on; a logarithm straight between powers of two.
    int exponent = 0;
    const double mantissa = 2 * std::frexp(sum, &exponent);
    const long double is = static_cast<long double>(cell) + 1023 + (exponent - 1) + (mantissa - 1);
    const long double unit = std::exp2(digits.less - digits.after);
    const long double says = (static_cast<long double>(key) - ebb::detail::no_key) * unit;
    CHECK(says >= is);
    CHECK(says <= is + unit);
  }
}

TEST_CASE("what is nothing has the lowest key, the ends of the clock have others", "[entry_groups]") {
  for (const lane_grid::ticks half_life :
       {std::int64_t{1000000}, std::int64_t{3600000000000}, std::int64_t{3155695200000000000}}) {
    const lane_grid grid({half_life});
    const key_digits digits(grid, 0);
    const std::int64_t last = grid.index(0, std::numeric_limits<lane_grid::ticks>::max());
    CHECK(interest_key(digits, last, 0.0) == ebb::detail::no_key);
    CHECK(interest_key(digits, last, -1.0) == ebb::detail::no_key);
    CHECK(interest_key(digits, 0, std::numeric_limits<double>::min()) > ebb::detail::no_key);
    const std::int32_t highest = interest_key(digits, last, std::numeric_limits<double>::max());
    CHECK(highest >= interest_key(digits, last, 1.0));
    CHECK(highest < std::numeric_limits<std::int32_t>::max() - (1 << 22));
  }
}

TEMPLATE_TEST_CASE("groups bound their entries whatever is done, and the best are those of a full sort",
                   "[entry_groups]", float, double) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    use_store<TestType, 1>(seed, 1);
    use_store<TestType, 8>(seed, 8);
    for (const int lanes : {1, 3, 4, 6, 8, 13}) use_store<TestType, 0>(seed + 100, lanes);
  }
}

TEMPLATE_TEST_CASE("only large tables that are ranked have groups", "[entry_groups]", float, double) {
  ebb::interest_store<int, int, TestType> s({.lanes = ebb::timescales::log_spaced(1min, std::chrono::years(4), 8)});
  for (int item = 0; item < 200; ++item) s.observe(1, item, day(item));
  CHECK_FALSE(s.find(1)->entries.has_groups());
  for (int item = 0; item < 40000; ++item) s.observe(1, item, day(item % 1000));
  CHECK(s.find(1)->entries.has_groups());
  CHECK_FALSE(s.heat_entries().has_groups());
  s.prune(ebb::reading::lane(s.lanes(), 7), day(1000), 0.0, 20);
  CHECK_FALSE(s.find(1)->entries.has_groups());
}

TEST_CASE("groups cost what the documentation says", "[entry_groups]") {
  for (const int lanes : {1, 3, 8}) {
    ebb::store_options options{.lanes = {24h}};
    if (lanes > 1) options.lanes = ebb::timescales::log_spaced(1min, std::chrono::years(4), lanes);
    ebb::detail::entry_layout layout = ebb::detail::entry_layout_of(options);
    for (const std::size_t n : {256U, 257U, 2048U, 16384U, 100000U}) {
      ebb::detail::entry_table<float> with;
      ebb::detail::entry_table<float> without;
      layout.groups = true;
      with.reserve(layout, n);
      layout.groups = false;
      without.reserve(layout, n);
      const std::size_t of_group = 4 * static_cast<std::size_t>(lanes == 3 ? 4 : lanes);
      const std::size_t groups = n / (n > 16384 ? 32 : n > 2048 ? 16 : 8);
      const std::size_t more = with.bytes() - without.bytes();
      CHECK(more >= (n > 256 ? groups * of_group : 0));
      CHECK(more <= (n > 256 ? (groups + 8) * of_group + 64 : 0));
    }
  }
}

TEST_CASE("a group's bound is above its interest at every level, whatever the sums and the half-lives",
          "[entry_groups]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 600; ++round) {
    const int lanes = std::vector<int>{1, 3, 4, 8, 11}[random.below(5)];
    const double shortest = std::exp(std::log(1e-3) + random.uniform() * std::log(1e8));
    ebb::timescales bank{ebb::duration(shortest)};
    if (lanes > 1) bank = ebb::timescales::log_spaced(ebb::duration(shortest), ebb::duration(3e9), lanes);
    const lane_grid& grid = bank.grid();
    const lane_grid::ticks newest = day(0).time_since_epoch().count();
    const auto now = newest + static_cast<lane_grid::ticks>(std::exp(random.uniform() * 42) - 1);
    const ebb::detail::read_plan plan(grid, oracle::random_reading(random, bank), now);
    std::vector<double> sums(8 * static_cast<std::size_t>(lanes));
    lane_grid::ticks last[ebb::detail::groups_step];
    std::vector<std::int32_t> keys(8 * static_cast<std::size_t>(ebb::detail::key_pitch(lanes)), ebb::detail::no_key);
    for (std::size_t g = 0; g < 8; ++g) {
      last[g] = newest - static_cast<lane_grid::ticks>(std::exp(random.uniform() * 42) - 1);
      for (int k = 0; k < lanes; ++k)
        sums[g * static_cast<std::size_t>(lanes) + static_cast<std::size_t>(k)] =
            random.below(5) == 0 ? 0.0 : std::exp2((random.uniform() * 2 - 1) * (round % 2 == 0 ? 1000 : 40));
      ebb::detail::raise_keys(grid, lanes, &sums[g * static_cast<std::size_t>(lanes)], last[g],
                              &keys[g * static_cast<std::size_t>(ebb::detail::key_pitch(lanes))]);
    }
    for (int level = 0; level <= static_cast<int>(ebb::detail::widest_level()); ++level) {
      ebb::detail::with_lanes<0>(lanes, [&](auto of_bank) {
        const auto at = static_cast<processor_level>(level);
        const ebb::detail::interest_bounds<double, decltype(of_bank)> entries(grid, of_bank, plan, newest, at);
        const ebb::detail::group_bounds<decltype(of_bank)> groups(grid, of_bank, plan, entries.exponent());
        float bounds[8];
        ebb::detail::call_at(
            at, [&](auto of_level) EBB_ALWAYS_INLINE { groups(of_level, keys.data(), std::size_t{8}, bounds); });
        for (std::size_t g = 0; g < 8; ++g) {
          const double is =
              ebb::detail::read_log2(grid, lanes, &sums[g * static_cast<std::size_t>(lanes)], last[g], plan) -
              entries.exponent();
          CAPTURE(round, lanes, level, g, bounds[g]);
          CHECK_FALSE(std::isnan(bounds[g]));  // a compiler that is told there is no such thing would pass over it
          CHECK((is < -100 || std::log2(static_cast<double>(bounds[g])) >= is - 1e-5));
        }
      });
    }
  }
}

}  // namespace entry_groups_test
