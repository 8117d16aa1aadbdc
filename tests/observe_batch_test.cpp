// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"

namespace observe_batch_test {

namespace {

using namespace std::chrono_literals;

template <class Id>
Id id_of(std::uint64_t number) {
  if constexpr (std::is_same_v<Id, std::string>)
    return "a name too long for a string's own place, number " + std::to_string(number);
  else
    return static_cast<Id>(number << 33);
}

template <class Id>
std::vector<ebb::use<Id, Id>> random_uses(std::size_t size, std::uint64_t users, std::uint64_t items) {
  std::vector<ebb::use<Id, Id>> out;
  ebb::random_engine random(size + users);
  const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));
  for (std::size_t i = 0; i < size; ++i) {
    // Some users and items by far more often than others.
    const std::uint64_t user = random.below(1 + random.below(users));
    const std::uint64_t item = random.below(1 + random.below(items));
    const bool same = !out.empty() && random.below(4) == 0;
    const ebb::time_point time = same ? out.back().time : start + std::chrono::seconds(random.below(90 * 86400));
    out.push_back({id_of<Id>(user), id_of<Id>(item), time, random.below(9) == 0 ? 0.0 : 0.1 + random.uniform()});
  }
  return out;
}

/// To the bit.
template <class Store>
void require_same(const Store& a, const Store& b) {
  REQUIRE(a.users() == b.users());
  REQUIRE(a.size() == b.size());
  REQUIRE(a.items() == b.items());
  REQUIRE(a.bytes() == b.bytes());
  const auto& layout = a.layout();
  const auto are_alike = [](const auto* x, const auto* y, int n) { return std::equal(x, x + n, y); };
  int different = 0;
  for (const auto& [user, mine] : a.all_users()) {
    const auto* const theirs = b.find(user);
    REQUIRE(theirs != nullptr);
    REQUIRE((mine.first == theirs->first && mine.newest == theirs->newest && mine.events == theirs->events));
    REQUIRE(mine.entries.size() == theirs->entries.size());
    for (std::size_t i = 0; i < mine.entries.size(); ++i)
      different += a.item(mine.entries.item(i)) == b.item(theirs->entries.item(i)) &&
                           mine.entries.count(i) == theirs->entries.count(i) &&
                           are_alike(mine.entries.times(layout, i), theirs->entries.times(layout, i), layout.times()) &&
                           are_alike(mine.entries.sums(layout, i), theirs->entries.sums(layout, i), layout.sums())
                       ? 0
                       : 1;
  }
  const auto& heat = a.heat_layout();
  for (std::uint32_t h = 0; h < a.items(); ++h) {
    different += a.users_of(h) == b.users_of(h) ? 0 : 1;
    if (a.options().heat)
      different += a.heat_entries().count(h) == b.heat_entries().count(h) &&
                           are_alike(a.heat_entries().sums(heat, h), b.heat_entries().sums(heat, h), heat.sums())
                       ? 0
                       : 1;
  }
  REQUIRE(different == 0);
}

std::vector<ebb::store_options> many_options() {
  const auto bank = [](int k) {
    return k == 1 ? ebb::timescales{24h} : ebb::timescales::log_spaced(1min, std::chrono::years(1), k);
  };
  return {{.lanes = bank(1), .heat = false},
          {.lanes = bank(8)},
          {.lanes = bank(3), .rhythms = {{24h, 2}}, .recent = 3, .first_use = true},
          {.lanes = bank(1), .dislike_half_life = 48h}};
}

/// An item that refuses to be copied when told so.
struct fragile {
  int value = 0;
  static inline bool breaks = false;

  explicit fragile(int v) : value(v) {}
  fragile(const fragile& other) : value(other.value) {
    if (breaks && value >= 1000) throw std::bad_alloc();
  }
  fragile(fragile&&) noexcept = default;
  fragile& operator=(const fragile&) = default;
  fragile& operator=(fragile&&) noexcept = default;
  ~fragile() = default;
  friend bool operator==(const fragile&, const fragile&) = default;
};

}  // namespace

}  // namespace observe_batch_test

template <>
struct std::hash<observe_batch_test::fragile> {
  std::size_t operator()(const observe_batch_test::fragile& f) const noexcept {
    return static_cast<std::size_t>(f.value);
  }
};

namespace observe_batch_test {

TEMPLATE_TEST_CASE("a batch leaves what its events one by one would, to the bit", "[observe_batch]", std::uint64_t,
                   std::string) {
  for (const std::size_t batch : {1U, 31U, 32U, 33U, 500U, 5000U}) {
    for (const ebb::store_options& options : many_options()) {
      const auto uses = random_uses<TestType>(4000, 300, 700);
      ebb::interest_store<TestType, TestType> one_by_one(options);
      ebb::interest_store<TestType, TestType> batched(options);
      ebb::interest_store<TestType, TestType> chosen(options);
      for (const auto& u : uses) one_by_one.observe(u.user, u.item, u.time, u.amount);
      for (std::size_t i = 0; i < uses.size(); i += batch) {
        const std::size_t n = std::min(batch, uses.size() - i);
        batched.observe(std::span(uses).subspan(i, n));
        std::vector<std::uint32_t> which;
        for (std::size_t j = i; j < i + n; ++j) which.push_back(static_cast<std::uint32_t>(j));
        chosen.observe(uses, which);
      }
      require_same(one_by_one, batched);
      require_same(one_by_one, chosen);
    }
  }
}

TEST_CASE("batches of floats and of lanes known when compiled are the same as one by one", "[observe_batch]") {
  const auto uses = random_uses<std::uint64_t>(6000, 40, 900);  // users with hundreds of items
  const auto compare = [&](auto one_by_one) {
    auto batched = one_by_one;
    for (const auto& u : uses) one_by_one.observe(u.user, u.item, u.time, u.amount);
    batched.observe(uses);
    require_same(one_by_one, batched);
  };
  using id = std::uint64_t;
  compare(ebb::interest_store<id, id, float>());
  compare(ebb::interest_store<id, id, float, 8>());
  compare(ebb::interest_store<id, id, double, 1>({.lanes = {24h}, .heat = false}));
  compare(ebb::interest_store<id, id, double, 1>({.lanes = {24h}, .dislike_half_life = 48h}));
}

TEST_CASE("batches go on where other changes left off", "[observe_batch]") {
  using id = std::uint64_t;
  const auto uses = random_uses<id>(3000, 50, 200);
  ebb::interest_store<id, id> one_by_one;
  ebb::interest_store<id, id> batched;
  for (std::size_t i = 0; i < uses.size(); i += 100) {
    for (std::size_t j = i; j < i + 100; ++j)
      one_by_one.observe(uses[j].user, uses[j].item, uses[j].time, uses[j].amount);
    batched.observe(std::span(uses).subspan(i, 100));
    for (auto* const store : {&one_by_one, &batched}) {
      store->retract(uses[i].user, uses[i].item, uses[i].time, uses[i].amount);
      if (i % 300 == 0) store->forget_user(uses[i + 7].user);
      if (i % 500 == 0) store->forget_item(uses[i + 9].item);
    }
    require_same(one_by_one, batched);
  }
}

TEST_CASE("a batch with one bad event records none", "[observe_batch]") {
  using id = std::uint64_t;
  auto uses = random_uses<id>(100, 10, 10);
  ebb::interest_store<id, id> store;
  uses[99].amount = -1;
  CHECK_THROWS_WITH(store.observe(uses), "ebb::interest_store::observe: amount must be 0 or in [1e-18, 1e18], got -1");
  uses[99].amount = 1;
  uses[50].time = ebb::time_point::min();
  CHECK_THROWS_AS(store.observe(uses), std::invalid_argument);
  uses[50].time = uses[49].time;
  CHECK_THROWS_AS(store.observe(uses, std::vector<std::uint32_t>{0, 100}), std::out_of_range);
  CHECK(store.users() == 0);
  CHECK(store.items() == 0);
  store.observe(std::span(uses).first(0));
  CHECK(store.users() == 0);
}

TEST_CASE("a batch that runs out of memory has recorded its first events, each wholly", "[observe_batch]") {
  using store_type = ebb::interest_store<int, fragile>;
  std::vector<ebb::use<int, fragile>> uses;
  const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));
  for (int i = 0; i < 100; ++i) uses.push_back({i % 7, fragile(i == 75 ? 1000 : i % 10), start + i * 1h});
  store_type store;
  fragile::breaks = true;
  CHECK_THROWS_AS(store.observe(uses), std::bad_alloc);
  fragile::breaks = false;
  store_type first;
  for (int i = 0; i < 75; ++i) {
    const auto& u = uses[static_cast<std::size_t>(i)];
    first.observe(u.user, u.item, u.time, u.amount);
  }
  require_same(first, store);
  store.observe(std::span(uses).subspan(75));
  for (std::size_t i = 75; i < 100; ++i) first.observe(uses[i].user, uses[i].item, uses[i].time, uses[i].amount);
  require_same(first, store);
}

}  // namespace observe_batch_test
