// SPDX-License-Identifier: MIT
#include "ebb/ranker.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/candidates.hpp"
#include "ebb/content_terms.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/store_terms.hpp"
#include "store_oracle.hpp"

namespace ranker_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;
using ebb::normalisation;
using ebb::term_role;

const ebb::timescales bank = ebb::timescales::log_spaced(1h, std::chrono::days(60), 4);
const ebb::reading how = ebb::reading::inverse_half_life(bank);

std::vector<int> range(int n) {
  std::vector<int> items(static_cast<std::size_t>(n));
  std::iota(items.begin(), items.end(), 0);
  return items;
}

/// All kinds of terms, with weights that are no round numbers.
ebb::ranker<store> many_terms(ebb::ranker_options options = {}) {
  ebb::ranker<store> ranker(std::move(options));
  ranker
      .add(ebb::interest_term(how), {.weight = 1.1, .scale = normalisation::logarithmic(1e-3), .role = term_role::own})
      .add(ebb::heat_term(how), {.weight = 0.3, .scale = normalisation::by_largest(), .role = term_role::prior})
      .add(ebb::dislike_term(), {.weight = 0.7})
      .add(ebb::tag_term(how,
                         [](int item) {
                           return std::vector<int>{item % 3, 10 + item % 2};
                         }),
           {.weight = 1 / 3.0, .role = term_role::prior})
      .add(ebb::friends_term(how, [](int user) { return std::vector<int>{user + 1}; }),
           {.weight = 0.17, .scale = normalisation::saturating()})
      .add(ebb::function_term("host", [](int, int item, ebb::time_point) { return std::sin(item); }),
           {.weight = -0.123});
  return ranker;
}

store random_store(std::uint64_t seed, std::vector<oracle::event>& log, int users = 4, int items = 30) {
  ebb::random_engine random(seed);
  store s({.lanes = bank, .dislike_half_life = 24h});
  log = oracle::random_log(random, 200, users, items, true);
  oracle::replay(s, log);
  return s;
}

double score_of(const std::vector<ebb::recommendation<int>>& list, int item) {
  for (const auto& r : list)
    if (r.item == item) return r.score;
  return std::nan("");
}

std::vector<int> items_of(const std::vector<ebb::recommendation<int>>& list) {
  std::vector<int> items;
  for (const auto& r : list) items.push_back(r.item);
  return items;
}

}  // namespace

TEST_CASE("contributions add up to the score, to the last bit", "[ranker]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    std::vector<oracle::event> log;
    const store s = random_store(seed, log);
    const auto ranker = many_terms();
    for (int user = 0; user < 5; ++user) {  // 4 is unknown
      for (const auto& r : ranker.rank(s, user, oracle::newest(log), range(35), {.k = 35})) {
        REQUIRE(r.why.size() == 6);
        double sum = 0;
        for (const auto& part : r.why) {
          CHECK(part.amount == part.weight * part.value);
          sum += part.amount;
        }
        CHECK(sum == r.score);
      }
    }
  }
}

TEST_CASE("a score is weight times role times normalised term, summed", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(5, log);
  const auto now = oracle::newest(log) + 1h;
  ebb::ranker<store> ranker({.prior_strength = 7});
  ranker.add(ebb::interest_term(how), {.weight = 2, .role = term_role::own})
      .add(ebb::heat_term(how), {.weight = 3, .scale = normalisation::by_largest(), .role = term_role::prior})
      .add(ebb::function_term("host", [](int user, int item, ebb::time_point) { return user - item; }));
  double hottest = 1;
  for (const int item : range(30)) hottest = std::max(hottest, s.heat(item, how, now));
  for (int user = 0; user < 4; ++user) {
    const auto events = static_cast<double>(
        std::count_if(log.begin(), log.end(), [&](const auto& e) { return e.user == user && !e.dislike; }));
    const auto list = ranker.rank(s, user, now, range(30), {.k = 30});
    for (const int item : range(30)) {
      const double truth = 2 * events / (7 + events) * s.interest(user, item, how, now) +
                           3 * 7 / (7 + events) * s.heat(item, how, now) / hottest + (user - item);
      CHECK(score_of(list, item) == Approx(truth).margin(1e-12));
    }
  }
}

TEST_CASE("the k best are those of a full stable sort, ties to the one given first", "[ranker]") {
  ebb::random_engine random(3);
  const store empty({.lanes = bank});
  for (int round = 0; round < 50; ++round) {
    std::map<int, double> scores;
    std::vector<int> items = range(40);
    random.shuffle(items.begin(), items.end());
    for (const int item : items) scores[item] = static_cast<double>(random.below(6));
    ebb::ranker<store> ranker;
    ranker.add(ebb::function_term("score", [&](int, int item, ebb::time_point) { return scores.at(item); }));
    std::vector<int> sorted = items;
    std::stable_sort(sorted.begin(), sorted.end(), [&](int a, int b) { return scores[a] > scores[b]; });
    for (const std::size_t k : {0U, 1U, 7U, 40U, 1000U}) {
      const auto list = ranker.rank(empty, 1, day(0), items, {.k = k});
      CHECK(items_of(list) == std::vector<int>(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(
                                                                                    std::min<std::size_t>(k, 40))));
    }
  }
}

TEST_CASE("an unknown user gets what is popular", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(8, log);
  const auto now = oracle::newest(log) + 1h;
  const auto hottest = ebb::hottest_items(s, 10, how, now);
  ebb::ranker<store> ranker;
  ranker.add(ebb::interest_term(how), {.role = term_role::own})
      .add(ebb::heat_term(how), {.scale = normalisation::by_largest(), .role = term_role::prior});
  CHECK(items_of(ranker.rank(s, 12345, now, range(30), {.k = 10, .not_seen_for = ebb::forever})) == hottest);
  CHECK(items_of(ranker.rank(s, 12345, now, ebb::with_own_items(s, 12345, hottest), {.k = 10})) == hottest);
  CHECK(ranker.rank(s, 12345, now, {}).empty());
}

TEST_CASE("the roles are one formula, continuous from no events to all", "[ranker]") {
  for (const double m : {0.5, 10.0, 300.0}) {
    CHECK(ebb::role_factor(term_role::own, 0, m) == 0);
    CHECK(ebb::role_factor(term_role::prior, 0, m) == 1);
    double before = 1;
    for (double n = 1e-9; n < 1e9; n *= 1.5) {
      const double prior = ebb::role_factor(term_role::prior, n, m);
      CHECK(prior < before);  // fades
      CHECK(prior + ebb::role_factor(term_role::own, n, m) == Approx(1));
      CHECK(std::abs(ebb::role_factor(term_role::prior, n * (1 + 1e-9), m) - prior) <= 1e-9);
      CHECK(ebb::role_factor(term_role::always, n, m) == 1);
      before = prior;
    }
    CHECK(ebb::role_factor(term_role::prior, m, m) == 0.5);
    CHECK(before < 1e-6);
  }
}

TEST_CASE("every score is continuous where a user's own events begin", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(21, log);
  const auto now = oracle::newest(log) + 1h;
  const auto ranker = many_terms({.prior_strength = 4, .evidence = how});
  const auto unknown = ranker.rank(s, 50, now, range(30), {.k = 30});
  double before = std::numeric_limits<double>::infinity();
  for (double amount = 1; amount > 1e-15; amount /= 10) {
    store with_event = s;
    with_event.observe(50, 3, now, amount);
    const auto list = ranker.rank(with_event, 50, now, range(30), {.k = 30});
    double largest = 0;
    for (const int item : range(30))
      largest = std::max(largest, std::abs(score_of(list, item) - score_of(unknown, item)));
    CHECK(largest <= before);
    // ln(1 + v / 1e-3) is the steepest function in it: a slope of 1000 at 0, damped by n / (m + n) <= v / 4.
    CHECK(largest <= 10 * amount);
    before = largest;
  }
}

TEST_CASE("scores are continuous where an item is first used, by a known user or a new one", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(22, log);
  const auto now = oracle::newest(log) + 1h;
  const auto ranker = many_terms({.prior_strength = 4, .evidence = how});
  const std::vector<int> items{3, 1000};  // 1000 is new to everybody
  for (const int user : {log.front().user, 50}) {
    const auto untouched = ranker.rank(s, user, now, items);
    for (double amount = 1; amount > 1e-15; amount /= 10) {
      store with_event = s;
      with_event.observe(user, 1000, now, amount);
      const auto list = ranker.rank(with_event, user, now, items);
      // ln(1 + v / 1e-3) again, undamped for a user who has events already, and heat has such a slope as well.
      for (const int item : items)
        CHECK(std::abs(score_of(list, item) - score_of(untouched, item)) <= 3000 * amount + 1e-12);
    }
  }
}

TEST_CASE("ranking goes on while others use the candidates", "[ranker]") {
  store s({.lanes = bank});
  s.observe(1, 1, day(0));
  s.observe(2, 1, day(1) + 1s);
  ebb::ranker<store> ranker;
  ranker.add(ebb::heat_term(how));
  const std::vector<int> items{1, 2};
  CHECK(ranker.rank(s, 1, day(1), items).front().score == s.heat(1, how, day(1) + 1s));
  CHECK_THROWS_AS(ranker.rank(s, 1, day(1), items, {.ahead = 0s}), std::domain_error);
  CHECK_THROWS_WITH(ranker.rank(s, 1, day(1), items, {.ahead = -1s}), contains("ahead must be finite and >= 0"));
  CHECK_THROWS_AS(ranker.rank(s, 1, day(1), items, {.ahead = ebb::forever}), std::invalid_argument);
}

TEST_CASE("a prior fades with every event of one's own", "[ranker]") {
  store s({.lanes = bank});
  for (int user = 100; user < 140; ++user) s.observe(user, 1, day(0));
  ebb::ranker<store> ranker({.prior_strength = 5});
  ranker.add(ebb::interest_term(how), {.scale = normalisation::by_largest(), .role = term_role::own})
      .add(ebb::heat_term(how), {.scale = normalisation::by_largest(), .role = term_role::prior});
  double before = 2;
  for (int n = 0; n <= 30; ++n) {
    const auto list = ranker.rank(s, 1, day(1), std::vector<int>{1, 2});
    for (const auto& r : list) CHECK(r.why[1].weight == Approx(5.0 / (5 + n)));
    const double lead = score_of(list, 1) - score_of(list, 2);
    CHECK(lead < before);
    before = lead;
    if (n == 0) CHECK(lead == 1);
    s.observe(1, 2, day(1));
  }
  CHECK(before < 0);  // in the end their own item leads
}

TEST_CASE("evidence that decays meets a user who was away like somebody new", "[ranker]") {
  store s({.lanes = bank});
  for (int i = 0; i < 50; ++i) s.observe(1, 2, day(0));
  s.observe(2, 1, day(0));
  ebb::ranker<store> counted({.prior_strength = 5});
  ebb::ranker<store> decayed({.prior_strength = 5, .evidence = how});
  for (auto* ranker : {&counted, &decayed}) ranker->add(ebb::heat_term(how), {.role = term_role::prior});
  const auto weight = [&](const ebb::ranker<store>& ranker, ebb::time_point now) {
    return ranker.rank(s, 1, now, std::vector<int>{1}).front().why[0].weight;
  };
  CHECK(weight(counted, day(0)) == Approx(5.0 / 55));
  CHECK(weight(counted, day(4000)) == Approx(5.0 / 55));
  CHECK(weight(decayed, day(0)) == Approx(5.0 / 55));
  CHECK(weight(decayed, day(30)) == Approx(5.0 / (5 + 50 * how(std::chrono::days(30)))));
  CHECK(weight(decayed, day(4000)) == Approx(1));
}

TEST_CASE("what was seen can be left out, for a while or for ever", "[ranker]") {
  store s({.lanes = bank, .dislike_half_life = 24h});
  s.observe(1, 10, day(0));
  s.observe(1, 11, day(8));
  s.dislike(1, 12, day(9));
  s.observe(2, 13, day(9));
  ebb::ranker<store> ranker;
  ranker.add(ebb::function_term("item", [](int, int item, ebb::time_point) { return item; }));
  const std::vector<int> items{10, 11, 12, 13};
  const auto ranked = [&](int user, ebb::duration not_seen_for) {
    return items_of(ranker.rank(s, user, day(10), items, {.not_seen_for = not_seen_for}));
  };
  CHECK(ranked(1, 0s) == std::vector<int>{13, 12, 11, 10});
  CHECK(ranked(1, 48h) == std::vector<int>{13, 12, 11, 10});  // used 48 h ago is not less than 48 h ago
  CHECK(ranked(1, 48h + 1s) == std::vector<int>{13, 12, 10});
  CHECK(ranked(1, 10 * 24h + 1s) == std::vector<int>{13, 12});
  CHECK(ranked(1, ebb::forever) == std::vector<int>{13, 12});
  CHECK(ranked(3, ebb::forever) == std::vector<int>{13, 12, 11, 10});
  s.observe(1, 10, day(10));
  CHECK(ranked(1, 1s) == std::vector<int>{13, 12, 11});
}

TEST_CASE("what is left out does not count for by_largest", "[ranker]") {
  store s({.lanes = bank});
  s.observe(1, 10, day(0), 100.0);
  s.observe(2, 11, day(0), 4.0);
  ebb::ranker<store> ranker;
  ranker.add(ebb::heat_term(how), {.scale = normalisation::by_largest()});
  const auto list = ranker.rank(s, 1, day(0), std::vector<int>{10, 11}, {.not_seen_for = ebb::forever});
  CHECK(items_of(list) == std::vector<int>{11});
  CHECK(list.front().score == Approx(1));
}

TEST_CASE("the same question gives the same answer, whatever the order of arrival", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(31, log);
  store sorted({.lanes = bank, .dislike_half_life = 24h});
  std::stable_sort(log.begin(), log.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
  oracle::replay(sorted, log);
  const auto ranker = many_terms();
  const auto now = oracle::newest(log);
  for (int user = 0; user < 4; ++user) {
    const auto a = ranker.rank(s, user, now, range(30));
    const auto b = ranker.rank(sorted, user, now, range(30));
    CHECK(items_of(a) == items_of(b));
    CHECK(items_of(a) == items_of(ranker.rank(s, user, now, range(30))));
  }
}

TEST_CASE("settings go out, come back in, and change nothing else", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(41, log);
  const auto now = oracle::newest(log);
  auto ranker = many_terms({.prior_strength = 3});
  const auto before = ranker.rank(s, 1, now, range(30));
  auto settings = ranker.settings();
  REQUIRE(settings.terms.size() == 6);
  CHECK(settings.terms[1].name == "popularity");
  CHECK(settings.terms[1].how == ebb::term_options{0.3, normalisation::by_largest(), term_role::prior});
  std::reverse(settings.terms.begin(), settings.terms.end());  // by name, not by place
  ranker.apply(settings);
  const auto after = ranker.rank(s, 1, now, range(30));
  REQUIRE(items_of(before) == items_of(after));
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(before[i].score == after[i].score);

  settings.terms[0].how.weight = 9;  // "host", now the first of the settings
  ranker.apply(settings);
  CHECK(ranker.settings().terms[5].how.weight == 9);

  auto wrong = settings;
  wrong.terms[2].name = "nobody";
  CHECK_THROWS_WITH(ranker.apply(wrong), contains("\"nobody\""));
  wrong = settings;
  wrong.terms[2].name = wrong.terms[3].name;
  CHECK_THROWS_AS(ranker.apply(wrong), std::invalid_argument);
  wrong = settings;
  wrong.terms.pop_back();
  CHECK_THROWS_AS(ranker.apply(wrong), std::invalid_argument);
  wrong = settings;
  wrong.terms[0].how.weight = std::nan("");
  CHECK_THROWS_WITH(ranker.apply(wrong), contains("weight of \"host\""));
  wrong = settings;
  wrong.options.prior_strength = 0;
  CHECK_THROWS_AS(ranker.apply(wrong), std::invalid_argument);
  CHECK(ranker.settings().terms[5].how.weight == 9);
}

TEST_CASE("a ranker checks at the door", "[ranker]") {
  store s({.lanes = bank});
  s.observe(1, 10, day(5));
  for (const double m : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(ebb::ranker<store>({.prior_strength = m}), contains("prior_strength must be finite and > 0"));
  ebb::ranker<store> ranker;
  const std::vector<int> items{10, 11};
  CHECK_THROWS_WITH(ranker.rank(s, 1, day(6), items), contains("there must be a term"));
  ranker.add(ebb::interest_term(how));
  CHECK_THROWS_WITH(ranker.add(ebb::interest_term(how)), contains("new and not empty, got \"interest\""));
  CHECK_THROWS_AS(ranker.add(ebb::interest_term(how, "")), std::invalid_argument);
  CHECK_THROWS_AS(ranker.add(ebb::interest_term(how, "x"), {.weight = std::nan("")}), std::invalid_argument);
  CHECK_THROWS_AS(ranker.rank(s, 1, day(4), items), std::domain_error);
  CHECK_THROWS_AS(ranker.rank(s, 1, day(6), items, {.not_seen_for = -1s}), std::invalid_argument);
  CHECK_THROWS_AS(ranker.rank(s, 1, day(6), items, {.not_seen_for = ebb::duration(std::nan(""))}),
                  std::invalid_argument);
  CHECK(items_of(ranker.rank(s, 1, day(6), items)) == items);

  ranker.add(ebb::function_term("broken", [](int, int item, ebb::time_point) { return 1.0 / (11 - item); }));
  CHECK_THROWS_WITH(ranker.rank(s, 1, day(6), items),
                    contains("the values of term \"broken\" must be finite, got inf"));
  ebb::ranker<store> huge;
  huge.add(ebb::function_term("a", [](int, int, ebb::time_point) { return 1e308; }))
      .add(ebb::function_term("b", [](int, int, ebb::time_point) { return 1e308; }));
  CHECK_THROWS_WITH(huge.rank(s, 1, day(6), items), contains("scores up to that of term \"b\""));
  ebb::ranker<store> elsewhere({.evidence = ebb::reading(1h)});
  elsewhere.add(ebb::interest_term(how));
  CHECK_THROWS_AS(elsewhere.rank(s, 1, day(6), items), std::invalid_argument);
}

TEST_CASE("names may be strings, and sums floats", "[ranker]") {
  using string_store = ebb::interest_store<std::string, std::string, float>;
  string_store s({.lanes = bank});
  s.observe("ada", "tea", day(0));
  s.observe("bob", "coffee", day(0));
  s.observe("eve", "coffee", day(0));
  ebb::ranker<string_store> ranker;
  ranker.add(ebb::interest_term(how), {.role = term_role::own})
      .add(ebb::heat_term(how), {.scale = normalisation::by_largest(), .role = term_role::prior});
  const std::vector<std::string> items{"tea", "coffee", "water"};
  CHECK(ranker.rank(s, "ada", day(0), items, {.not_seen_for = ebb::forever}).front().item == "coffee");
  CHECK(ranker.rank(s, "nobody", day(0), items).front().item == "coffee");
}

TEST_CASE("a list that is chosen is scored and explained as it would be in its rank", "[ranker]") {
  std::vector<oracle::event> log;
  const store s = random_store(5, log);
  const auto ranker = many_terms();
  const auto items = range(30);
  const auto now = day(1001);
  for (const ebb::duration seen : {ebb::duration(0), ebb::duration(24h), ebb::forever}) {
    const auto all = ranker.rank(s, 1, now, items, {.k = items.size(), .not_seen_for = seen});
    const auto worst_first = ranker.rank(
        s, 1, now, items, {.not_seen_for = seen}, [&](std::span<const int> kept, std::span<const double> scores) {
          REQUIRE(kept.size() == all.size());
          std::vector<std::size_t> order(kept.size());
          std::iota(order.begin(), order.end(), std::size_t{0});
          std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
          });
          return order;
        });
    REQUIRE(worst_first.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& one = worst_first[all.size() - 1 - i];
      CHECK(one.item == all[i].item);
      CHECK(one.score == all[i].score);
      for (std::size_t j = 0; j < one.why.size(); ++j) CHECK(one.why[j].amount == all[i].why[j].amount);
    }
  }
  CHECK_THROWS_AS(ranker.rank(s, 1, now, items, {}, [](auto, auto) { return std::vector<std::size_t>{30}; }),
                  std::out_of_range);
}

}  // namespace ranker_test
