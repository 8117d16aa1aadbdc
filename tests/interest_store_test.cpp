// SPDX-License-Identifier: MIT
#include "ebb/interest_store.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "store_oracle.hpp"

namespace interest_store_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

template <class T>
using store = ebb::interest_store<int, int, T>;

template <class T>
constexpr double tolerance = std::same_as<T, float> ? 3e-6 : 3e-14;

/// |value − truth| <= relative · scale + smallest, where the scale is the truth itself unless told.
void check_near(double value, long double truth, double relative, long double scale = -1,
                long double smallest = 1e-300L) {
  CAPTURE(value, static_cast<double>(truth), relative);
  CHECK(std::abs(static_cast<long double>(value) - truth) <=
        relative * (scale < 0 ? std::abs(truth) : scale) + smallest);
}

/// Every read the store offers against the raw events. `before` has what was taken back as well: its sums scale the rounding.
template <class Store>
void check_against(const Store& s, const std::vector<oracle::event>& log, const std::vector<oracle::event>& before,
                   ebb::random_engine& random, double relative) {
  const auto now = oracle::newest(before) + std::chrono::seconds(random.below(1 << 26));
  const auto how = oracle::random_reading(random, s.lanes());
  const auto smallest = 100 * static_cast<long double>(std::numeric_limits<typename Store::value_type>::min());
  for (const auto& [user, item] : oracle::pairs(before)) {
    const long double scale = oracle::interest(before, user, item, how, now);
    check_near(s.interest(user, item, how, now), oracle::interest(log, user, item, how, now), relative, scale,
               smallest);
    if (s.options().heat)
      check_near(s.heat(item, how, now), oracle::heat(log, item, how, now), relative,
                 oracle::heat(before, item, how, now), smallest);
    if (s.options().dislike_half_life) {
      const auto h = *s.options().dislike_half_life;
      check_near(s.dislike_of(user, item, now), oracle::dislike(log, user, item, h, now), relative,
                 oracle::dislike(before, user, item, h, now));
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("every interest equals the sum over the raw events", "[interest_store]", float, double) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ebb::random_engine random(seed);
    store<TestType> s(oracle::random_options(random));
    const auto log = oracle::random_log(random, 60, 4, 5, s.options().dislike_half_life.has_value());
    oracle::replay(s, log);
    CAPTURE(seed);
    check_against(s, log, log, random, tolerance<TestType>);
    CHECK(s.size() == oracle::pairs(log).size());
  }
}

TEST_CASE("any bank read by any number of template lanes gives the same interest", "[interest_store]") {
  ebb::random_engine random(7);
  const auto log = oracle::random_log(random, 300, 3, 4);
  const auto check = [&]<int Lanes>(std::integral_constant<int, Lanes>) {
    const auto bank = ebb::timescales::log_spaced(10s, std::chrono::years(1), Lanes);
    ebb::interest_store<int, int, double, Lanes> fixed({.lanes = bank});
    store<double> dynamic({.lanes = bank});
    oracle::replay(fixed, log);
    oracle::replay(dynamic, log);
    const auto how = ebb::reading::inverse_half_life(bank);
    for (const auto& [user, item] : oracle::pairs(log)) {
      const double value = fixed.interest(user, item, how, oracle::newest(log));
      CHECK(value == Approx(dynamic.interest(user, item, how, oracle::newest(log))).epsilon(1e-14));
    }
  };
  check(std::integral_constant<int, 2>{});
  check(std::integral_constant<int, 5>{});
  check(std::integral_constant<int, 8>{});
  check(std::integral_constant<int, 32>{});
  CHECK_THROWS_WITH((ebb::interest_store<int, int, double, 3>()), contains("got 8"));
}

TEMPLATE_TEST_CASE("a shuffled log gives the sorted log's state", "[interest_store]", float, double) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ebb::random_engine random(seed);
    const auto options = oracle::random_options(random);
    auto log = oracle::random_log(random, 80, 3, 4, options.dislike_half_life.has_value());
    store<TestType> shuffled(options);
    oracle::replay(shuffled, log);
    std::stable_sort(log.begin(), log.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
    store<TestType> sorted(options);
    oracle::replay(sorted, log);
    const auto& layout = sorted.layout();
    for (const auto& [user, state] : sorted.all_users()) {
      const auto* const other = shuffled.find(user);
      CHECK((other->first == state.first && other->newest == state.newest && other->events == state.events));
      for (std::size_t i = 0; i < state.entries.size(); ++i) {
        const std::size_t j = other->entries.find(*shuffled.handle(sorted.item(state.entries.item(i))));
        CHECK(other->entries.count(j) == state.entries.count(i));
        for (int t = 0; t < layout.times(); ++t)
          CHECK(other->entries.times(layout, j)[t] == state.entries.times(layout, i)[t]);
        for (int k = 0; k < layout.lanes + (layout.dislike ? 1 : 0); ++k)
          CHECK(static_cast<double>(other->entries.sums(layout, j)[k]) ==
                Approx(static_cast<double>(state.entries.sums(layout, i)[k])).epsilon(tolerance<TestType>));
      }
    }
  }
}

TEMPLATE_TEST_CASE("a merged store is a replay of both logs, either way round", "[interest_store]", float, double) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ebb::random_engine random(seed);
    const auto options = oracle::random_options(random);
    const bool dislikes = options.dislike_half_life.has_value();
    auto log = oracle::random_log(random, 40, 4, 5, dislikes);
    const auto more = oracle::random_log(random, 40, 5, 6, dislikes);
    store<TestType> a(options);
    store<TestType> b(options);
    oracle::replay(a, log);
    oracle::replay(b, more);
    store<TestType> ab = a;
    ab.merge(b);
    b.merge(a);
    log.insert(log.end(), more.begin(), more.end());
    check_against(ab, log, log, random, tolerance<TestType>);
    check_against(b, log, log, random, tolerance<TestType>);
    store<TestType> twice = ab;
    twice.merge(twice);
    for (const auto& [user, item] : oracle::pairs(log)) {
      const auto how = ebb::reading::lane(ab.lanes(), 0);
      CHECK(twice.interest(user, item, how, oracle::newest(log)) ==
            Approx(2 * ab.interest(user, item, how, oracle::newest(log))));
    }
  }
}

TEST_CASE("it does not matter how three logs are put together", "[interest_store]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ebb::random_engine random(seed);
    const auto options = oracle::random_options(random);
    std::vector<store<double>> parts(3, store<double>(options));
    std::vector<oracle::event> all;
    for (auto& part : parts) {
      const auto log = oracle::random_log(random, 30, 4, 5, options.dislike_half_life.has_value());
      oracle::replay(part, log);
      all.insert(all.end(), log.begin(), log.end());
    }
    auto left = parts[0];
    left.merge(parts[1]);
    left.merge(parts[2]);
    parts[1].merge(parts[2]);
    parts[0].merge(parts[1]);
    check_against(left, all, all, random, tolerance<double>);
    check_against(parts[0], all, all, random, tolerance<double>);
    CHECK((left.size() == oracle::pairs(all).size() && parts[0].size() == left.size()));
  }
}

TEST_CASE("merging stores of another shape is refused and says what differs", "[interest_store]") {
  const ebb::store_options base{.lanes = {1h, 24h}, .rhythms = {{24h, 1}}, .dislike_half_life = 240h};
  const auto refuses = [&](auto change, const char* what) {
    ebb::store_options other = base;
    change(other);
    store<double> a(base);
    store<double> b(other);
    a.observe(1, 1, day(0));
    b.observe(1, 1, day(0));
    CHECK_THROWS_WITH(a.merge(b), contains(what));
    CHECK(a.interest(1, 1, ebb::reading::lane(a.lanes(), 0), day(0)) == Approx(1.0));
  };
  refuses([](auto& o) { o.lanes = {1h, 25h}; }, "half-lives");
  refuses([](auto& o) { o.rhythms[0].period = 25h; }, "rhythms");
  refuses([](auto& o) { o.recent = 2; }, "recent");
  refuses([](auto& o) { o.first_use = true; }, "first use");
  refuses([](auto& o) { o.heat = false; }, "heat");
  refuses([](auto& o) { o.dislike_half_life.reset(); }, "dislikes");
  refuses([](auto& o) { o.dislike_half_life = 241h; }, "dislike half-life");
}

TEMPLATE_TEST_CASE("after retracting events the store equals a replay without them", "[interest_store]", float,
                   double) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    ebb::random_engine random(seed);
    CAPTURE(seed);
    store<TestType> s(oracle::random_options(random));
    const auto log = oracle::random_log(random, 60, 3, 4, s.options().dislike_half_life.has_value());
    oracle::replay(s, log);
    std::vector<oracle::event> gone = log;
    random.shuffle(gone.begin(), gone.end());
    const std::size_t left = seed % 4 == 0 ? 0 : random.below(gone.size());
    const std::vector<oracle::event> rest(gone.begin(), gone.begin() + static_cast<std::ptrdiff_t>(left));
    // Only what rounding has drowned in a much newer event of the pair may be refused.
    const double drowned = std::same_as<TestType, float> ? 8 : 24;  // half-lives
    const auto is_drowned = [&](const oracle::event& e, ebb::duration half_life) {
      return std::any_of(log.begin(), log.end(), [&](const oracle::event& other) {
        return other.user == e.user && other.item == e.item && other.dislike == e.dislike &&
               ebb::duration(other.time - e.time) > drowned * half_life;
      });
    };
    bool all_gone = true;
    for (std::size_t i = left; i < gone.size(); ++i) {
      const auto& e = gone[i];
      const bool taken =
          e.dislike ? s.retract_dislike(e.user, e.item, e.time, e.amount) : s.retract(e.user, e.item, e.time, e.amount);
      all_gone = all_gone && taken;
      if (!taken)
        CHECK(is_drowned(e, e.dislike ? *s.options().dislike_half_life : s.lanes().half_life(s.lanes().size() - 1)));
    }
    if (all_gone) check_against(s, rest, log, random, 60 * tolerance<TestType>);
    if (all_gone) CHECK(s.size() == oracle::pairs(rest).size());
    if (all_gone && left == 0) CHECK(s.users() == 0);
  }
}

TEST_CASE("retract refuses what the store cannot hold and then changes nothing", "[interest_store]") {
  store<double> s({.lanes = {1h, 24h}});
  s.observe(1, 1, day(1), 2.0);
  s.observe(1, 2, day(1), 2.0);
  s.observe(1, 2, day(3), 2.0);
  CHECK_FALSE(s.retract(2, 1, day(1), 2.0));
  CHECK_FALSE(s.retract(1, 3, day(1), 2.0));
  CHECK_FALSE(s.retract(1, 1, day(2), 2.0));
  CHECK_FALSE(s.retract(1, 1, day(1), 2.5));
  CHECK_FALSE(s.retract(1, 1, day(1), 1.5));
  CHECK_FALSE(s.retract(1, 2, day(3), 4.1));
  CHECK_THROWS_AS(s.retract(1, 1, day(1), -1.0), std::invalid_argument);
  CHECK(s.size() == 2);
  CHECK(s.interest(1, 1, ebb::reading::lane(s.lanes(), 0), day(3)) == Approx(2 * std::exp2(-48.0)));
  CHECK(s.retract(1, 1, day(1), 2.0));
  CHECK_FALSE(s.retract(1, 1, day(1), 2.0));
}

TEST_CASE("an event that drowned older ones leaves no ghost when it is taken back", "[interest_store]") {
  // The minute lane of the old event is 2^-1440 beside the new one's 1: what subtraction leaves there is noise.
  store<double> s({.lanes = {1min, 24h}, .recent = 2, .first_use = true});
  s.observe(1, 1, day(0) + 30s);
  s.observe(1, 1, day(1) + 17s, 1000.0);
  REQUIRE(s.retract(1, 1, day(1) + 17s, 1000.0));
  const auto now = day(1) + 18s;
  CHECK(s.interest(1, 1, ebb::reading::lane(s.lanes(), 0), now) < 1e-13);
  CHECK(s.interest(1, 1, ebb::reading::lane(s.lanes(), 1), now) == Approx(std::exp2(-(86388.0 / 86400))));
  CHECK(s.top(1, 1, ebb::reading::lane(s.lanes(), 1), now)[0].last == day(0) + 30s);
  CHECK(s.retract(1, 1, day(0) + 30s));
  CHECK(s.users() == 0);
}

TEST_CASE("newest and first times go back as far as recent times are kept", "[interest_store]") {
  store<double> s({.lanes = {24h}, .recent = 3, .first_use = true});
  for (const int d : {1, 2, 3}) s.observe(1, 1, day(d));
  const auto times = [&](int column) {
    const auto* const user = s.find(1);
    return ebb::time_point(ebb::time_point::duration(user->entries.times(s.layout(), 0)[column]));
  };
  REQUIRE(s.retract(1, 1, day(3)));
  CHECK(times(0) == day(2));
  CHECK(s.find(1)->newest == day(2).time_since_epoch().count());
  REQUIRE(s.retract(1, 1, day(1)));
  CHECK((times(0) == day(2) && times(s.layout().first_time()) == day(2)));
  for (const int d : {5, 6, 7, 8}) s.observe(1, 1, day(d));  // now there are more than are kept
  REQUIRE(s.retract(1, 1, day(8)));
  CHECK((times(0) == day(7) && times(1) == day(6)));
  s.observe(1, 1, day(3));  // must not pass for one of the three newest: the fifth was
  REQUIRE(s.retract(1, 1, day(7)));
  REQUIRE(s.retract(1, 1, day(6)));
  CHECK(times(0) >= day(5));
}

TEMPLATE_TEST_CASE("a forgotten user or item leaves what a replay without them would", "[interest_store]", float,
                   double) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ebb::random_engine random(seed);
    CAPTURE(seed);
    auto options = oracle::random_options(random);
    store<TestType> s(options);
    const auto log = oracle::random_log(random, 80, 4, 5, options.dislike_half_life.has_value());
    oracle::replay(s, log);
    auto rest = log;
    for (const int user : {1, 3}) {
      const bool known = std::any_of(log.begin(), log.end(), [&](const auto& e) { return e.user == user; });
      CHECK(s.forget_user(user) == known);
      std::erase_if(rest, [&](const auto& e) { return e.user == user; });
    }
    if (seed % 2 == 0) {
      s.forget_item(2);
      std::erase_if(rest, [](const auto& e) { return e.item == 2; });
    }
    check_against(s, rest, log, random, 60 * tolerance<TestType>);
    store<TestType> fresh(options);
    oracle::replay(fresh, rest);
    CHECK(s.users() == fresh.users());
    for (const auto& [user, item] : oracle::pairs(rest)) {
      const std::uint32_t mine = *s.handle(item);
      const std::uint32_t theirs = *fresh.handle(item);
      CHECK(s.users_of(mine) == fresh.users_of(theirs));
      CHECK(s.heat_entries().count(mine) == fresh.heat_entries().count(theirs));
      const auto& layout = s.heat_layout();
      CHECK(s.heat_entries().times(layout, mine)[0] == fresh.heat_entries().times(layout, theirs)[0]);
      if (options.first_use)
        CHECK(s.heat_entries().times(layout, mine)[layout.first_time()] ==
              fresh.heat_entries().times(layout, theirs)[layout.first_time()]);
    }
    CHECK_FALSE(s.forget_user(1));
    CHECK_FALSE(s.forget_item(99));
  }
}

TEST_CASE("events of others stay in the heat whatever is taken back of one user's", "[interest_store]") {
  // With one time kept, user 1's entry has the retracted day 2 as a bound; user 2 was really there on day 2.
  store<double> s({.lanes = {1h, 24h}});
  const auto fast = ebb::reading::lane(s.lanes(), 0);
  const auto slow = ebb::reading::lane(s.lanes(), 1);
  s.observe(1, 9, day(1));
  s.observe(1, 9, day(2));
  REQUIRE(s.retract(1, 9, day(2)));
  s.observe(2, 9, day(2));
  REQUIRE(s.forget_user(1));
  CHECK(s.heat(9, fast, day(2)) == Approx(1.0));
  CHECK(s.heat(9, slow, day(3)) == Approx(0.5));
  CHECK_THROWS_AS(s.heat(9, slow, day(1) + 12h), std::domain_error);
}

TEST_CASE("an entry whose newest time is only a bound is taken out of the heat where its events were",
          "[interest_store]") {
  store<double> s({.lanes = {24h, 2400h}});
  const auto how = ebb::reading::lane(s.lanes(), 1);
  s.observe(2, 9, day(0));
  s.observe(1, 9, day(1));
  s.observe(1, 9, day(2000));
  REQUIRE(s.retract(1, 9, day(2000)));
  REQUIRE(s.forget_user(1));
  CHECK(s.heat(9, how, day(100)) == Approx(0.5));
  CHECK(s.heat(9, ebb::reading::lane(s.lanes(), 0), day(1)) <= 1.0);
}

TEST_CASE("heat counted from the users' entries gives events back one by one", "[interest_store]") {
  store<double> all({.lanes = {24h}});
  for (const int d : {1, 2, 3}) all.observe(1, 1, day(d));
  store<double> s({.lanes = {24h}});
  s.merge_users(all, [](int) { return true; });
  const ebb::reading how(24h);
  CHECK(s.heat_entries().times(s.heat_layout(), 0)[s.heat_layout().first_time()] == day(1).time_since_epoch().count());
  REQUIRE(s.retract(1, 1, day(3)));
  CHECK(s.heat(1, how, day(3)) == Approx(0.75));
  s.observe(1, 1, day(4));
  REQUIRE(s.retract(1, 1, day(4)));
  REQUIRE(s.retract(1, 1, day(2)));
  CHECK(s.heat(1, how, day(4)) == Approx(0.125));
  REQUIRE(s.retract(1, 1, day(1)));
  CHECK(s.heat(1, how, day(4)) == 0.0);
}

namespace {

/// What is kept of times must bound the events from above, and heat's first from below.
template <class Store>
void check_bounds(const Store& s, const std::vector<oracle::event>& log) {
  using ticks = ebb::detail::lane_grid::ticks;
  const auto check = [](const ticks* kept, const auto& layout, std::uint32_t count, std::vector<ticks> truth) {
    std::sort(truth.rbegin(), truth.rend());
    REQUIRE(count == truth.size());
    for (int r = 0; r < layout.recent; ++r) {
      if (static_cast<std::size_t>(r) >= truth.size())
        CHECK(kept[r] == ebb::detail::no_time);
      else
        CHECK(kept[r] >= truth[static_cast<std::size_t>(r)]);
    }
    CHECK(std::is_sorted(kept, kept + layout.recent, std::greater<>{}));
    if (layout.first_use && !truth.empty()) CHECK(kept[layout.first_time()] <= truth.back());
  };
  const auto times_of = [&](auto predicate) {
    std::vector<ticks> out;
    for (const auto& e : log)
      if (!e.dislike && predicate(e)) out.push_back(e.time.time_since_epoch().count());
    return out;
  };
  for (std::uint32_t h = 0; h < s.items(); ++h) {
    const int item = s.item(h);
    const ticks* const when = s.heat_entries().times(s.heat_layout(), h);
    check(when, s.heat_layout(), s.heat_entries().count(h), times_of([&](const auto& e) { return e.item == item; }));
  }
  for (const auto& [user, state] : s.all_users()) {
    const int u = user;
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const int item = s.item(state.entries.item(i));
      check(state.entries.times(s.layout(), i), s.layout(), state.entries.count(i),
            times_of([&](const auto& e) { return e.user == u && e.item == item; }));
    }
    for (const auto& e : log) {
      if (e.user != u) continue;
      CHECK(state.newest >= e.time.time_since_epoch().count());
      CHECK(state.first <= e.time.time_since_epoch().count());
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("whatever is done to a store in whatever order, it equals a replay of what is left",
                   "[interest_store]", float, double) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    ebb::random_engine random(seed);
    auto options = oracle::random_options(random);
    options.recent = 1 + static_cast<int>(random.below(3));
    const bool dislikes = options.dislike_half_life.has_value();
    store<TestType> s(options);
    std::vector<oracle::event> log;   // what is left
    std::vector<oracle::event> ever;  // and what was taken back: it scales the rounding
    const auto some = [&](std::size_t n) {
      auto events = oracle::random_log(random, n, 4, 4, dislikes);
      for (auto& e : events) {
        e.time = day(0) + (e.time - day(0)) / 20;  // close enough together that rounding drowns little
        if (!ever.empty() && random.below(6) == 0) e.time = ever[random.below(ever.size())].time;
        if (!e.dislike && random.below(8) == 0) e.amount = 0;
      }
      log.insert(log.end(), events.begin(), events.end());
      ever.insert(ever.end(), events.begin(), events.end());
      return events;
    };
    const auto forget = [&](auto predicate) { std::erase_if(log, predicate); };
    for (int step = 0; step < 30; ++step) {
      const std::uint64_t what = random.below(12);
      CAPTURE(seed, step, what);
      if (what < 4) {
        oracle::replay(s, some(3));
      } else if (what < 7) {
        if (log.empty()) continue;
        const std::size_t i = random.below(log.size());
        if (oracle::retract(s, log[i])) log.erase(log.begin() + static_cast<std::ptrdiff_t>(i));
      } else if (what == 7) {
        const int user = static_cast<int>(random.below(4));
        s.forget_user(user);
        forget([&](const auto& e) { return e.user == user; });
      } else if (what == 8) {
        const int item = static_cast<int>(random.below(4));
        s.forget_item(item);
        forget([&](const auto& e) { return e.item == item; });
      } else if (what < 11) {
        store<TestType> other(options);
        oracle::replay(other, some(random.below(8)));
        if (what == 9)
          s.merge(other);
        else
          s.merge_users(other, [](int) { return true; });
      } else {
        store<TestType> other(options);
        other.merge_users(s, [](int) { return true; });
        s = other;
      }
      if (!ever.empty()) check_against(s, log, ever, random, 200 * tolerance<TestType>);
      check_bounds(s, log);
      CHECK(s.size() == oracle::pairs(log).size());
    }
  }
}

TEST_CASE("taking back the most of a float sum keeps the rest", "[interest_store]") {
  const ebb::reading how(24h);
  {  // a heavy user of an item, forgotten
    store<float> s({.lanes = {24h}});
    double truth = 0;
    for (int i = 0; i < 100000; ++i) s.observe(-1, 1, day(0) + std::chrono::seconds(i));
    for (int user = 0; user < 2000; ++user) {
      s.observe(user, 1, day(0) + std::chrono::seconds(7 * user));
      truth += std::exp2(-(2 * 86400.0 - 7 * user) / 86400);
    }
    REQUIRE(s.forget_user(-1));
    CHECK(s.heat(1, how, day(2)) == Approx(truth).epsilon(0.01));
  }
  {  // one event of a wrong amount
    store<float> s({.lanes = {24h}});
    double truth = 0;
    for (int i = 0; i < 20000; ++i) {
      s.observe(1, 1, day(0) + std::chrono::seconds(i));
      truth += std::exp2(-(2 * 86400.0 - i) / 86400);
    }
    s.observe(1, 1, day(1), 1e7);
    REQUIRE(s.retract(1, 1, day(1), 1e7));
    CHECK(s.interest(1, 1, how, day(2)) == Approx(truth).epsilon(0.01));
  }
  {  // one of very many
    store<float> s({.lanes = {24h}});
    for (int i = 0; i < 5000000; ++i) s.observe(1, 1, day(0));
    const double before = s.interest(1, 1, how, day(0));
    REQUIRE(s.retract(1, 1, day(0)));
    CHECK(s.interest(1, 1, how, day(0)) == Approx(before).epsilon(1e-6));
  }
}

TEST_CASE("what a retracted event has drowned stays lost before it and no more than lost", "[interest_store]") {
  store<double> s({.lanes = {24h, 24000h}, .recent = 2});
  s.observe(1, 1, day(0));
  s.observe(1, 1, day(60));
  REQUIRE(s.retract(1, 1, day(60)));
  CHECK(s.interest(1, 1, ebb::reading::lane(s.lanes(), 0), day(60)) == Approx(0.0).margin(20 * 0x1p-52));
  CHECK(s.interest(1, 1, ebb::reading::lane(s.lanes(), 1), day(1)) == Approx(std::exp2(-0.001)));
  CHECK(s.interest(1, 1, ebb::reading::lane(s.lanes(), 0), day(1)) <= 1.0);
}

TEST_CASE("reads before a retracted event come back with the times that are kept", "[interest_store]") {
  const ebb::reading how(24h);
  const auto after_a_mistake = [&](int recent) {
    store<double> s({.lanes = {24h}, .recent = recent});
    s.observe(1, 1, day(0));
    s.observe(1, 1, day(20));
    REQUIRE(s.retract(1, 1, day(20)));
    return s;
  };
  CHECK(after_a_mistake(2).interest(1, 1, how, day(1)) == Approx(0.5));
  CHECK_THROWS_AS(after_a_mistake(1).interest(1, 1, how, day(1)), std::domain_error);
  CHECK(after_a_mistake(1).interest(1, 1, how, day(20)) == Approx(std::exp2(-20.0)));
}

TEST_CASE("a use without interest does not make older interest as if it had never been", "[interest_store]") {
  ebb::interest_store<int, int, float> s({.lanes = {1h}, .recent = 2});
  s.observe(1, 1, day(0));
  s.observe(1, 1, day(6), 0.0);
  s.observe(1, 2, day(0) - 12h);
  s.observe(1, 3, day(6), 0.0);
  s.observe(1, 4, day(6), 0.0);
  s.observe(1, 4, day(0));  // late, and the same
  const ebb::reading how(1h);
  const auto top = s.top(1, 4, how, day(6));
  CHECK((top[0].item == 1 && top[1].item == 4 && top[2].item == 2 && top[3].item == 3));
  CHECK(top[0].log2_interest == top[1].log2_interest);
  CHECK(std::isinf(top[3].log2_interest));
  ebb::interest_store<int, int, float> doubled = s;
  doubled.merge(s);
  CHECK(doubled.interest(1, 1, how, day(6)) > 0);
  CHECK(s.retract(1, 1, day(6), 0.0));  // what is left of day 0 is not known any more
  CHECK(s.interest(1, 1, how, day(6)) < 1e-37);
  CHECK(s.retract(1, 1, day(0)));
  CHECK(s.retract(1, 4, day(0)));
  CHECK(s.interest(1, 4, how, day(6)) == 0.0);
  CHECK(s.retract(1, 4, day(6), 0.0));
}

TEST_CASE("thirty years of events leave no infinity, denormal or NaN and match a long double replay",
          "[interest_store]") {
  const auto bank = ebb::timescales::log_spaced(1min, std::chrono::years(10), 12);
  store<double> s({.lanes = bank, .rhythms = {{24h, 6}}});
  ebb::random_engine random(30);
  constexpr int events = 20000;
  std::vector<ebb::time_point> times;
  for (int i = 0; i < events; ++i)
    times.push_back(day(0) + std::chrono::nanoseconds(random.below(30ULL * 365 * 86400 * 1000000000ULL)));
  for (int i = 0; i < events; ++i) {
    s.observe(1, 1, times[static_cast<std::size_t>(i)]);
    if (i % 100 != 0) continue;
    const auto* const row = s.find(1)->entries.sums(s.layout(), 0);
    for (int k = 0; k < s.layout().sums(); ++k) CHECK((row[k] == 0 || std::isnormal(row[k])));
  }
  const auto now = day(30 * 365 + 1);
  for (int k = 0; k < bank.size(); ++k) {
    long double truth = 0;
    for (const auto t : times)
      truth += exp2l(-static_cast<long double>((now - t).count()) / 1e9L / oracle::seconds(bank.half_life(k)));
    const double value = s.interest(1, 1, ebb::reading::lane(bank, k), now);
    const auto ulps = std::abs(static_cast<long double>(value) - truth) / (truth * 0x1p-52L);
    CAPTURE(k, static_cast<double>(ulps), static_cast<double>(truth));
    CHECK((truth < 1e-300L || ulps <= 64));  // the bound n/2 + 4 is for the worst of all logs
  }
  s.observe(1, 1, day(200 * 365));  // and an idle century and a half later
  CHECK(s.interest(1, 1, ebb::reading::lane(bank, 0), day(200 * 365)) == Approx(1.0).epsilon(1e-15));
}

TEST_CASE("moving a landmark is an exact power of two", "[interest_store]") {
  // One event of amount 1 at a landmark-free moment, then zero-amount uses much later: only exact moves touch the sum.
  store<double> s({.lanes = {1h}});
  s.observe(1, 1, day(0) + 12345678ns);
  const double before = s.find(1)->entries.sums(s.layout(), 0)[0];
  for (int hour = 1; hour <= 1000; ++hour) s.observe(1, 1, day(0) + 12345678ns + std::chrono::hours(hour), 0.0);
  int exponent = 0;
  CHECK(std::frexp(s.find(1)->entries.sums(s.layout(), 0)[0], &exponent) == std::frexp(before, &exponent));
  CHECK(s.interest(1, 1, ebb::reading(1h), day(0) + 12345678ns + 1000h) == Approx(0x1p-1000).epsilon(1e-14));
}

TEST_CASE("items too old to differ from zero still rank by recency", "[interest_store]") {
  ebb::interest_store<int, int, float> s({.lanes = {1min}});
  for (int item = 0; item < 20; ++item) s.observe(1, item, day((item * 7) % 20));
  const auto top = s.top(1, 20, ebb::reading(1min), day(400));
  REQUIRE(top.size() == 20);
  for (std::size_t r = 0; r < top.size(); ++r) {
    CHECK(top[r].last == day(19 - static_cast<int>(r)));
    CHECK(top[r].interest == 0.0);
    CHECK(top[r].log2_interest == Approx(-1440.0 * (381 + static_cast<double>(r))));
  }
}

TEST_CASE("among very old items the amounts decide as exact arithmetic would", "[interest_store]") {
  store<double> s({.lanes = {1min}});
  s.observe(1, 1, day(0), 1000.0);
  s.observe(1, 2, day(0) + 9min, 1.0);  // 2^9 = 512 < 1000
  s.observe(1, 3, day(0) + 10min, 1.0);
  const auto top = s.top(1, 3, ebb::reading(1min), day(3650));
  CHECK((top[0].item == 3 && top[1].item == 1 && top[2].item == 2));
}

TEST_CASE("under one exponential the order is the same at every age, whatever the amounts", "[interest_store]") {
  store<double> s({.lanes = {1h}});
  s.observe(1, 1, day(0), 1e9);
  s.observe(1, 2, day(0) + 23h + 30min, 1.0);
  s.observe(1, 3, day(0), 1e18);
  s.observe(1, 4, day(0) + 23h, 1e-18);
  for (int hour = 24; hour < 3000; ++hour) {
    const auto top = s.top(1, 4, ebb::reading(1h), day(0) + std::chrono::hours(hour));
    CAPTURE(hour);
    CHECK((top[0].item == 3 && top[1].item == 1 && top[2].item == 2 && top[3].item == 4));
  }
}

TEST_CASE("top equals a full sort of the brute force interests", "[interest_store]") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ebb::random_engine random(seed);
    store<double> s(oracle::random_options(random));
    const auto log = oracle::random_log(random, 300, 2, 90);
    oracle::replay(s, log);
    const auto how = oracle::random_reading(random, s.lanes());
    const auto now = oracle::newest(log) + 1h;
    std::vector<long double> truth;
    for (const auto& [user, item] : oracle::pairs(log))
      if (user == 0) truth.push_back(oracle::interest(log, 0, item, how, now));
    std::sort(truth.rbegin(), truth.rend());
    const auto all = s.top(0, 1000, how, now);
    REQUIRE(all.size() == truth.size());
    for (std::size_t r = 0; r < truth.size(); ++r)
      check_near(all[r].interest, truth[r], 1e-12, std::max(truth[r], 1e-290L));
    const auto ten = s.top(0, 10, how, now);
    REQUIRE(ten.size() == std::min<std::size_t>(10, all.size()));
    for (std::size_t r = 0; r < ten.size(); ++r) CHECK(ten[r].item == all[r].item);
  }
  CHECK(store<double>().top(1, 5, ebb::reading::lane(store<double>().lanes(), 0), day(0)).empty());
}

TEST_CASE("under one exponential the order changes only with an event", "[interest_store]") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ebb::random_engine random(seed);
    store<double> s({.lanes = {24h * (1 + random.below(500))}});
    const auto log = oracle::random_log(random, 300, 1, 40);
    oracle::replay(s, log);
    const auto how = ebb::reading::lane(s.lanes(), 0);
    const auto now = oracle::newest(log);
    const auto items_at = [&](ebb::time_point when) {
      std::vector<int> items;
      for (const auto& r : s.top(0, 40, how, when)) items.push_back(r.item);
      return items;
    };
    const auto order = items_at(now);
    const auto truth = [&](int item) { return oracle::interest(log, 0, item, how, now); };
    for (std::size_t r = 1; r < order.size(); ++r) CHECK(truth(order[r - 1]) >= truth(order[r]) * (1 - 1e-13L));
    for (const auto later : {1ns * 1000, 1ns * 3600000000000, 24h * 400 + 0ns, 24h * 36500 + 0ns})
      CHECK(items_at(now + later) == order);
  }
}

TEST_CASE("a rhythm reads as the brute force cosine sum over its plain lane", "[interest_store]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ebb::random_engine random(seed);
    store<double> s({.lanes = {48h, 2400h}, .rhythms = {{24h, 0}, {168h, 1}, {ebb::duration(12345.678), 1}}});
    const auto log = oracle::random_log(random, 50, 2, 3);
    oracle::replay(s, log);
    const auto now = oracle::newest(log) + std::chrono::minutes(random.below(10000));
    for (const auto& [user, item] : oracle::pairs(log)) {
      for (std::size_t r = 0; r < 3; ++r) {
        const auto& rhythm = s.options().rhythms[r];
        const auto h = s.lanes().half_life(rhythm.lane);
        const auto [c, d] = oracle::rhythm(log, user, item, h, rhythm.period, now);
        const auto plain = oracle::interest(log, user, item, ebb::reading(h), now);
        if (plain < 1e-200L) continue;
        const auto at = s.rhythm(user, item, r, now);
        check_near(at.match, c / plain, 1e-11, 1);
        check_near(at.strength, hypotl(c, d) / plain, 1e-11, 1);
      }
    }
  }
  store<double> s({.lanes = {2400h}, .rhythms = {{24h, 0}}});
  for (int d = 0; d < 30; ++d) s.observe(1, 1, day(d) + 8h);
  CHECK(s.rhythm(1, 1, 0, day(40) + 8h).match == Approx(1.0));
  CHECK(s.rhythm(1, 1, 0, day(40) + 20h).match == Approx(-1.0));
  CHECK(s.rhythm(1, 1, 0, day(40) + 14h).strength == Approx(1.0));
  CHECK(s.rhythm(1, 2, 0, day(40)).strength == 0.0);
  CHECK_THROWS_AS(s.rhythm(1, 1, 1, day(40)), std::invalid_argument);
}

TEST_CASE("the decay can be changed on live state without a replay", "[interest_store]") {
  ebb::random_engine random(3);
  const auto bank = ebb::timescales::log_spaced(1h, std::chrono::years(1), 6);
  store<double> s({.lanes = bank});
  const auto log = oracle::random_log(random, 200, 2, 5);
  oracle::replay(s, log);
  for (int i = 0; i < 50; ++i) {
    const auto how = oracle::random_reading(random, bank);
    for (const auto& [user, item] : oracle::pairs(log))
      check_near(s.interest(user, item, how, oracle::newest(log)),
                 oracle::interest(log, user, item, how, oracle::newest(log)), 1e-13);
  }
  CHECK_THROWS_WITH(s.interest(1, 1, ebb::reading(1h), oracle::newest(log)), contains("another bank"));
}

TEST_CASE("dislikes are a channel of their own and their undo is reversible", "[interest_store]") {
  store<double> s({.lanes = {24h}, .dislike_half_life = 240h});
  s.observe(1, 1, day(0));
  s.dislike(1, 1, day(1), 3.0);
  s.dislike(1, 2, day(1), 1.0);
  const ebb::reading how(24h);
  CHECK(s.interest(1, 1, how, day(2)) == Approx(0.25));
  CHECK(s.dislike_of(1, 1, day(11)) == Approx(1.5));
  CHECK(s.dislike_of(1, 3, day(11)) == 0.0);
  CHECK(s.size() == 1);  // a pair only disliked is no interest
  CHECK(s.top(1, 5, how, day(2)).size() == 1);
  CHECK(s.retract_dislike(1, 1, day(1), 3.0));
  CHECK(s.dislike_of(1, 1, day(11)) == 0.0);
  CHECK(s.interest(1, 1, how, day(2)) == Approx(0.25));
  CHECK_FALSE(s.retract_dislike(1, 1, day(1), 3.0));
  CHECK_FALSE(s.retract_dislike(1, 2, day(1), 1.5));
  CHECK_FALSE(s.retract_dislike(1, 2, day(2), 1.0));
  s.dislike(1, 1, day(1), 3.0);  // and back again
  CHECK(s.dislike_of(1, 1, day(11)) == Approx(1.5));
  CHECK(s.retract(1, 1, day(0)));  // the dislike outlives the interest
  CHECK((s.size() == 0 && s.dislike_of(1, 1, day(11)) == Approx(1.5)));
  CHECK((s.retract_dislike(1, 1, day(1), 3.0) && s.retract_dislike(1, 2, day(1))));
  CHECK(s.users() == 0);
  CHECK_THROWS_AS(s.dislike(1, 1, day(1), 0.0), std::invalid_argument);
  CHECK_THROWS_AS(store<double>().dislike(1, 1, day(1)), std::logic_error);
}

TEST_CASE("prune deletes by threshold and by count, only that, and says what", "[interest_store]") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ebb::random_engine random(seed);
    store<double> s({.lanes = {24h, 2400h}, .dislike_half_life = 24h});
    const auto log = oracle::random_log(random, 200, 3, 100);
    oracle::replay(s, log);
    s.dislike(0, 1000, day(0));
    const auto how = oracle::random_reading(random, s.lanes());
    const auto now = oracle::newest(log);
    const auto before = s;
    const double threshold = seed % 2 == 0 ? 0.0 : 1e-3;
    const std::size_t keep = seed % 3 == 0 ? std::numeric_limits<std::size_t>::max() : 7;
    const auto removed = s.prune(how, now, threshold, keep);
    CHECK(s.size() + removed.size() == before.size());
    for (const auto& r : removed) {
      CHECK(s.interest(r.user, r.item, how, now) == 0.0);
      CHECK(before.interest(r.user, r.item, how, now) == Approx(r.interest));
      CHECK(s.heat(r.item, how, now) == before.heat(r.item, how, now));
    }
    for (const int user : {0, 1, 2}) {
      const auto left = s.top(user, 1000, how, now);
      const auto expected = before.top(user, keep, how, now);
      CHECK(left.size() <= keep);
      for (std::size_t r = 0; r < expected.size(); ++r) {
        if (expected[r].interest < threshold) {
          CHECK(left.size() == r);
          break;
        }
        CHECK((left[r].item == expected[r].item && left[r].interest == expected[r].interest));
      }
    }
    CHECK(s.dislike_of(0, 1000, now) == before.dislike_of(0, 1000, now));
    for (const auto& [user, state] : s.all_users()) {
      std::uint64_t events = 0;
      for (std::size_t i = 0; i < state.entries.size(); ++i) events += state.entries.count(i);
      CHECK(events == state.events);
    }
  }
  CHECK_THROWS_AS(store<double>().prune(ebb::reading::lane(store<double>().lanes(), 0), day(0), -1.0),
                  std::invalid_argument);
}

TEST_CASE("prune leaves users alone who have events after its moment", "[interest_store]") {
  store<double> s({.lanes = {24h}});
  const ebb::reading how(24h);
  for (int user = 0; user < 10; ++user) s.observe(user, 1, day(0));
  s.observe(3, 2, day(11));
  CHECK(s.prune(how, day(10), 0.5).size() == 9);
  CHECK((s.users() == 1 && s.size() == 2));
  CHECK(s.prune(how, day(11), 0.5).size() == 1);
  CHECK(s.size() == 1);
}

TEST_CASE("an item all of whose entries were pruned can still be forgotten", "[interest_store]") {
  store<double> s({.lanes = {24h}});
  const ebb::reading how(24h);
  s.observe(1, 1, day(0));
  s.observe(1, 2, day(9));
  CHECK(s.prune(how, day(9), 0.5).size() == 1);
  CHECK(s.heat(1, how, day(9)) > 0);
  CHECK(s.forget_item(1));
  CHECK(s.heat(1, how, day(9)) == 0.0);
  CHECK_FALSE(s.forget_item(1));
}

TEST_CASE("reading before the user's newest event is refused, not answered wrongly", "[interest_store]") {
  store<double> s({.lanes = {24h}, .dislike_half_life = 24h});
  const ebb::reading how(24h);
  s.observe(1, 1, day(5));
  s.observe(2, 2, day(1));
  CHECK_THROWS_AS(s.interest(1, 1, how, day(4)), std::domain_error);
  CHECK_THROWS_AS(s.interest(1, 2, how, day(4)), std::domain_error);
  CHECK_THROWS_AS(s.top(1, 1, how, day(4)), std::domain_error);
  CHECK_THROWS_AS(s.heat(1, how, day(4)), std::domain_error);
  CHECK_THROWS_AS(s.dislike_of(1, 1, day(4)), std::domain_error);
  CHECK(s.interest(2, 2, how, day(2)) == Approx(0.5));
  CHECK(s.interest(3, 1, how, day(0)) == 0.0);
}

TEST_CASE("bad arguments name the rule and change nothing", "[interest_store]") {
  store<double> s;
  for (const double bad : {-1.0, 1e-19, 1e19, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(s.observe(1, 1, day(0), bad), contains("ebb::interest_store::observe: amount must be"));
  CHECK_THROWS_AS(s.observe(1, 1, ebb::time_point::min()), std::invalid_argument);
  CHECK((s.users() == 0 && s.items() == 0));
  CHECK_THROWS_AS(store<double>({.recent = 0}), std::invalid_argument);
  CHECK_THROWS_AS(store<double>({.recent = 17}), std::invalid_argument);
  CHECK_THROWS_AS(store<double>({.lanes = {1h}, .rhythms = {{24h, 1}}}), std::invalid_argument);
  CHECK_THROWS_AS(store<double>({.lanes = {1h}, .rhythms = {{0h, 0}}}), std::invalid_argument);
  CHECK_THROWS_AS(store<double>({.dislike_half_life = 0h}), std::invalid_argument);
  CHECK_THROWS_AS(store<double>({.heat = false}).heat(1, ebb::reading::lane(s.lanes(), 0), day(0)), std::logic_error);
}

TEST_CASE("amounts at the ends of their range neither overflow nor vanish", "[interest_store]") {
  ebb::interest_store<int, int, float> s({.lanes = {1h}});
  for (int i = 0; i < 1000; ++i) s.observe(1, 1, day(0) + 59min, 1e18);
  s.observe(1, 2, day(0), 1e-18);
  const ebb::reading how(1h);
  CHECK(s.interest(1, 1, how, day(0) + 59min) == Approx(1e21));
  CHECK(s.interest(1, 2, how, day(0) + 1h) == Approx(0.5e-18));
}

namespace {

/// A name whose copies fail when the fuse has burnt down.
struct fragile_name {
  static inline int fuse = std::numeric_limits<int>::max();
  int value;

  explicit fragile_name(int v) : value(v) {}
  fragile_name(const fragile_name& other) : value(other.value) {
    if (--fuse < 0) throw std::bad_alloc();
  }
  fragile_name(fragile_name&&) = default;
  fragile_name& operator=(const fragile_name&) = default;
  fragile_name& operator=(fragile_name&&) = default;
  ~fragile_name() = default;
  bool operator==(const fragile_name&) const = default;
};

}  // namespace

}  // namespace interest_store_test

template <>
struct std::hash<interest_store_test::fragile_name> {
  std::size_t operator()(const interest_store_test::fragile_name& name) const noexcept {
    return static_cast<std::size_t>(name.value);
  }
};

namespace interest_store_test {

TEST_CASE("a merge that fails halfway leaves the store as it was", "[interest_store]") {
  using fragile_store = ebb::interest_store<fragile_name, fragile_name>;
  const auto fill = [](fragile_store& s, int from, int to) {
    for (int i = from; i < to; ++i) s.observe(fragile_name(i % 7), fragile_name(i), day(i));
  };
  fragile_store a;
  fragile_store b;
  fill(a, 0, 30);
  fill(b, 20, 60);
  b.observe(fragile_name(100), fragile_name(1), day(1));
  const auto how = ebb::reading::inverse_half_life(a.lanes());
  const double before = a.interest(fragile_name(6), fragile_name(20), how, day(99));
  int failures = 0;
  for (int fuse = 0;; ++fuse) {
    fragile_name::fuse = fuse;
    try {
      a.merge(b);
      break;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    fragile_name::fuse = std::numeric_limits<int>::max();
    CHECK((a.users() == 7 && a.items() == 30 && a.size() == 30));
    CHECK(a.interest(fragile_name(6), fragile_name(20), how, day(99)) == before);
    for (const auto& [user, state] : a.all_users())
      for (std::size_t i = 0; i < state.entries.size(); ++i) CHECK(state.entries.count(i) > 0);
  }
  fragile_name::fuse = std::numeric_limits<int>::max();
  CHECK(failures > 10);
  CHECK((a.users() == 8 && a.items() == 60));
  CHECK(a.interest(fragile_name(6), fragile_name(20), how, day(99)) == Approx(2 * before));
}

TEST_CASE("an assignment that fails halfway leaves the store as it was", "[interest_store]") {
  using fragile_store = ebb::interest_store<fragile_name, fragile_name>;
  fragile_store a;
  fragile_store b;
  for (int i = 0; i < 5; ++i) a.observe(fragile_name(i % 2), fragile_name(i), day(i));
  for (int i = 0; i < 30; ++i) b.observe(fragile_name(i % 7), fragile_name(i), day(i));
  for (int fuse = 0; fuse < 37; ++fuse) {  // 7 users' names and 30 items'
    fragile_name::fuse = fuse;
    CHECK_THROWS_AS(a = b, std::bad_alloc);
    fragile_name::fuse = std::numeric_limits<int>::max();
    CHECK((a.users() == 2 && a.items() == 5 && a.size() == 5));
  }
  a = b;
  CHECK((a.users() == 7 && a.items() == 30 && a.size() == 30));
}

TEST_CASE("a prune that fails halfway deletes nothing", "[interest_store]") {
  using fragile_store = ebb::interest_store<fragile_name, fragile_name>;
  fragile_store s({.lanes = {24h}});
  for (int i = 0; i < 30; ++i) s.observe(fragile_name(i % 7), fragile_name(i), day(i));
  const ebb::reading how(24h);
  for (int fuse = 0; fuse < 40; ++fuse) {  // 20 entries go, two names each
    fragile_name::fuse = fuse;
    CHECK_THROWS_AS(s.prune(how, day(30), 0x1p-10), std::bad_alloc);
    fragile_name::fuse = std::numeric_limits<int>::max();
    CHECK((s.size() == 30 && s.users() == 7));
  }
  CHECK(s.prune(how, day(30), 0x1p-10).size() == 20);
  CHECK(s.size() == 10);
}

TEMPLATE_TEST_CASE("an entry costs what the documentation says", "[interest_store]", float, double) {
  constexpr std::size_t users = 2000;  // the cost per entry does not depend on the number of users
  const auto bytes_per_entry = [](const ebb::timescales& bank, int items = 50) {
    store<TestType> s({.lanes = bank});  // heat counted
    for (std::size_t user = 0; user < users; ++user)
      for (int item = 0; item < items; ++item) s.observe(static_cast<int>(user), item, day(item));
    return static_cast<double>(s.bytes()) / static_cast<double>(s.size());
  };
  CHECK(bytes_per_entry({24h}) <= 32);
  CHECK(bytes_per_entry(ebb::timescales::log_spaced(1min, std::chrono::years(4), 8)) <=
        (std::same_as<TestType, float> ? 72 : 104));
  for (int items = 1; items <= 10; ++items) {  // and the user's own 90 bytes, shared by few
    const double room = 1 + std::min(items, items / 4 + 2) / static_cast<double>(items);
    CHECK(bytes_per_entry({24h}, items) <= (16.0 + sizeof(TestType)) * room + 100.0 / items);
  }
}

TEST_CASE("a user with thousands of items is indexed and stays right through erasures", "[interest_store]") {
  store<double> s({.lanes = {24h}});
  for (int item = 0; item < 3000; ++item) s.observe(1, item, day(item % 10), 1.0 + item);
  for (int item = 0; item < 3000; item += 3) CHECK(s.retract(1, item, day(item % 10), 1.0 + item));
  const ebb::reading how(24h);
  for (int item = 0; item < 3000; ++item)
    CHECK(s.interest(1, item, how, day(10)) ==
          Approx(item % 3 == 0 ? 0.0 : (1.0 + item) * std::exp2(-(10.0 - item % 10))));
  CHECK(s.prune(how, day(10), 0.0, 30).size() == 1970);
  CHECK(s.top(1, 5000, how, day(10)).size() == 30);
}

TEST_CASE("a pair's memory does not grow with its events", "[interest_store]") {
  store<double> s;
  for (int item = 0; item < 10; ++item) s.observe(1, item, day(0));
  const std::size_t bytes = s.bytes();
  for (int i = 0; i < 100000; ++i) s.observe(1, i % 10, day(0) + std::chrono::minutes(i));
  CHECK(s.bytes() == bytes);
  CHECK(s.find(1)->events == 100010);
}

TEST_CASE("a sum at the end of its range stays there", "[interest_store]") {
  ebb::interest_store<int, int, float> s({.lanes = {24h}, .rhythms = {{168h, 0}}});
  s.observe(1, 1, day(0), 1e18);
  for (int doubling = 0; doubling < 100; ++doubling) s.merge(s);
  const auto* const sums = s.find(1)->entries.sums(s.layout(), 0);
  for (int k = 0; k < s.layout().sums(); ++k) CHECK(std::isfinite(sums[k]));
  CHECK(s.interest(1, 1, ebb::reading(24h), day(0)) > 1e38);
}

TEST_CASE("more events than a count can hold are still an entry", "[interest_store]") {
  store<double> s({.lanes = {24h}});
  s.observe(1, 1, day(0));
  for (int doubling = 0; doubling < 40; ++doubling) s.merge(s);
  const ebb::reading how(24h);
  CHECK(s.size() == 1);
  CHECK(s.top(1, 1, how, day(1)).at(0).interest == Approx(0x1p39));
  CHECK(s.heat(1, how, day(1)) == Approx(0x1p39));
  s.observe(1, 1, day(1));
  CHECK(s.size() == 1);
  CHECK(s.heat(1, how, day(1)) == Approx(0x1p39 + 1));
}

TEST_CASE("the ends of the clock are moments like others", "[interest_store]") {
  const auto lowest = ebb::time_point::min() + ebb::time_point::duration(1);
  store<double> s(
      {.lanes = {1h, std::chrono::years(100)}, .rhythms = {{168h, 1}}, .recent = 2, .dislike_half_life = 24h});
  const auto how = ebb::reading::lane(s.lanes(), 1);
  s.observe(1, 1, lowest);
  s.dislike(1, 1, lowest);
  CHECK(s.interest(1, 1, how, lowest) == Approx(1.0));
  CHECK(s.interest(1, 1, how, ebb::time_point::max()) == Approx(std::exp2(-5.845)).epsilon(1e-3));
  CHECK(s.dislike_of(1, 1, ebb::time_point::max()) == 0.0);
  s.observe(1, 1, ebb::time_point::max());
  s.observe(1, 2, day(0));
  CHECK_THROWS_AS(s.interest(1, 1, how, ebb::time_point::min()), std::domain_error);
  CHECK_THROWS_WITH(s.top(1, 1, how, lowest), contains("18446744073"));
  CHECK(s.top(1, 2, how, ebb::time_point::max()).at(0).item == 1);
  CHECK(s.retract(1, 1, ebb::time_point::max()));
  const ebb::duration age = day(0).time_since_epoch() + ebb::duration(ebb::time_point::max().time_since_epoch());
  CHECK(s.interest(1, 1, how, day(0)) == Approx(how(age)));
  store<double> other = s;
  other.merge(s);
  CHECK(other.interest(1, 2, how, day(0)) == Approx(2.0));
  CHECK(s.forget_user(1));
}

TEST_CASE("empty names are names", "[interest_store]") {
  ebb::interest_store<std::string, std::string> s({.lanes = {24h}});
  s.observe("", "", day(0));
  s.observe("", "x", day(0), 2.0);
  const ebb::reading how(24h);
  CHECK(s.interest("", "", how, day(1)) == Approx(0.5));
  CHECK(s.top("", 1, how, day(1)).at(0).item == "x");
  CHECK(s.retract("", "", day(0)));
  CHECK(s.forget_user(""));
  CHECK((s.users() == 0 && s.size() == 0));
}

// A reading thread's stack may be small: what grows with lanes and ages is not on it.
static_assert(sizeof(ebb::detail::interest_bounds<double, int>) <= 1024);

TEMPLATE_TEST_CASE("the best of many items are those of a full sort by interest", "[interest_store]", float, double) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    ebb::random_engine random(seed);
    ebb::store_options options = oracle::random_options(random);
    options.dislike_half_life = 24h;
    ebb::interest_store<int, int, TestType> s(options);
    const int items = 150 + static_cast<int>(random.below(400));
    for (int i = 0; i < 3 * items; ++i) {
      const int item = static_cast<int>(random.below(static_cast<std::uint64_t>(items)));
      const double age = std::exp(std::log(1e9) * random.uniform());  // seconds, up to 30 years
      const auto time = day(12000) - std::chrono::nanoseconds(static_cast<std::int64_t>(age * 1e9));
      if (random.below(10) == 0)
        s.dislike(1, item, time);  // an entry without interest, perhaps
      else
        s.observe(1, item, time, std::exp(5 * random.normal()));
    }
    const auto now = day(12000) + std::chrono::seconds(random.below(100) == 0 ? 0 : random.below(1 << 28));
    const auto how = oracle::random_reading(random, options.lanes);
    const auto all = s.top(1, static_cast<std::size_t>(2 * items), how, now);  // all of them: nothing can be left out
    REQUIRE(all.size() == s.size());
    for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i - 1].log2_interest >= all[i].log2_interest);
    for (std::size_t i = 0; i < all.size(); i += 7)
      CHECK(all[i].interest == Approx(s.interest(1, all[i].item, how, now)).margin(1e-200));
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{10}, std::size_t{60}}) {
      const auto best = s.top(1, k, how, now);
      REQUIRE(best.size() == k);
      for (std::size_t i = 0; i < k; ++i) CHECK(best[i].item == all[i].item);
    }
  }
}

namespace {

/// A moment at most `ticks` before the latest of the clock's range.
ebb::time_point before_the_end(double ticks) {
  const auto end = static_cast<std::uint64_t>(ebb::time_point::max().time_since_epoch().count());
  const auto back = static_cast<std::uint64_t>(std::min(ticks, 1.8446744e19));
  return ebb::time_point(ebb::time_point::duration(static_cast<ebb::time_point::rep>(end - back)));
}

/// A store of one user with n items, K lanes, and ages and amounts of one of several kinds.
template <class T>
ebb::interest_store<int, int, T> any_store(ebb::random_engine& random, int lanes, std::size_t n) {
  const double shortest = std::exp(std::log(1e-3) + random.uniform() * std::log(1e9));
  const double longest = lanes == 1 ? shortest : std::min(3.15e9, shortest * std::exp(random.uniform() * 18) * 2);
  ebb::store_options options{.lanes = {ebb::duration(shortest)}, .heat = false};
  if (lanes > 1 && shortest < longest)
    options.lanes = ebb::timescales::log_spaced(ebb::duration(shortest), ebb::duration(longest), lanes);
  if (random.below(2) == 0) options.dislike_half_life = 24h;
  options.recent = 1 + static_cast<int>(random.below(2));
  ebb::interest_store<int, int, T> s(options);
  const double newest = random.below(2) == 0 ? 0 : 3e18;
  const std::uint64_t ages = random.below(4);
  const std::uint64_t amounts = random.below(4);
  for (std::size_t i = 0; i < n; ++i) {
    double age = 0;  // in ticks; all the same in one case of four
    if (ages == 1) age = std::exp(43.7 * random.uniform());
    if (ages == 2) age = 1.5e19 * random.uniform();
    if (ages == 3) age = std::floor(4 * random.uniform()) * shortest * 1e9;
    double amount = 1;
    if (amounts == 1) amount = random.below(3) == 0 ? 1 : 0;
    if (amounts == 2) amount = std::exp(40 * (2 * random.uniform() - 1));
    if (amounts == 3) amount = 0.5 + random.uniform();
    const int item = random.below(4) == 0 ? static_cast<int>(random.below(n)) : static_cast<int>(i);
    if (options.dislike_half_life && random.below(8) == 0)
      s.dislike(1, item, before_the_end(newest + age));
    else
      s.observe(1, item, before_the_end(newest + age), amount);
  }
  return s;
}

}  // namespace

TEMPLATE_TEST_CASE("every level of instructions finds the best of a full sort, value for value", "[interest_store]",
                   float, double) {
  const std::size_t sizes[] = {0, 1, 31, 32, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 5000, 8192, 8193, 8200};
  std::uint64_t seed = 0;
  for (const int lanes : {1, 3, 4, 8, 11}) {
    for (const std::size_t n : sizes) {
      for (int repeat = n > 1000 ? 2 : 0; repeat < 4; ++repeat) {
        ebb::random_engine random(++seed);
        const auto s = any_store<TestType>(random, lanes, n);
        const auto* const state = s.find(1);
        if (state == nullptr) continue;
        const auto how = oracle::random_reading(random, s.lanes());
        const ebb::time_point newest{ebb::time_point::duration(state->newest)};
        const auto now = random.below(2) == 0 ? newest : std::max(newest, before_the_end(2e19 * random.uniform()));
        const ebb::detail::read_plan plan(s.layout().grid, how, now.time_since_epoch().count());
        std::vector<ebb::detail::scored_entry> all;
        const auto& entries = state->entries;
        for (std::size_t i = 0; i < entries.size(); ++i)
          if (entries.count(i) > 0)
            all.push_back(ebb::detail::score_entry(s.layout(), lanes, entries.sums(s.layout(), i),
                                                   entries.times(s.layout(), i)[0], i, plan));
        std::sort(all.begin(), all.end());
        for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{10}, n / 3, n, n + 5}) {
          CAPTURE(seed, lanes, n, k);
          const std::size_t wanted = std::min(k, all.size());
          const auto top = s.top(1, k, how, now);
          REQUIRE(top.size() == wanted);
          for (int level = 0; level <= static_cast<int>(ebb::detail::widest_level()); ++level) {
            std::vector<ebb::detail::scored_entry> best;
            ebb::detail::with_lanes<0>(s.layout().lanes, [&](auto of_store) {
              ebb::detail::best_entries finder(s.layout(), of_store, entries, k, plan);
              const auto found = finder.find(state->newest, static_cast<ebb::detail::processor_level>(level));
              best.assign(found.begin(), found.end());
            });
            REQUIRE(best.size() == wanted);
            for (std::size_t r = 0; r < wanted; ++r) {
              const bool same = best[r].position == all[r].position && best[r].value == all[r].value &&
                                best[r].log2 == all[r].log2 && best[r].last == all[r].last &&
                                top[r].item == s.item(entries.item(all[r].position));
              if (!same) FAIL("another entry than in the sort at place " << r << " at level " << level);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("names may be given as the store itself holds them", "[interest_store]") {
  using named = ebb::interest_store<std::string, std::string>;
  const std::string base = "a name that has its letters on the heap, number ";
  const ebb::reading how(24h);
  named s({.lanes = {24h}, .dislike_half_life = 24h});
  s.observe(base + "0", base + "0", day(0));
  for (int i = 1; i < 600; ++i) {
    s.observe(s.item(0), base + std::to_string(i), day(0));  // names of items move
    s.dislike(s.item(0), base + std::to_string(1000 + i), day(0));
    s.observe(base + std::to_string(i), s.all_users().begin()->first, day(0));  // so may those of users
    s.observe(s.all_users().begin()->first, base + std::to_string(2000 + i), day(0));
  }
  CHECK(s.users() == 600);
  for (int i = 1; i < 600; ++i) {
    REQUIRE(s.interest(base + "0", base + std::to_string(i), how, day(0)) == 1.0);
    REQUIRE(s.dislike_of(base + "0", base + std::to_string(1000 + i), day(0)) == Approx(1.0));
    REQUIRE(s.interest(base + std::to_string(i), base + "0", how, day(0)) == 1.0);
  }
}

}  // namespace interest_store_test
