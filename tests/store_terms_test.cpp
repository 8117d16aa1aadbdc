// SPDX-License-Identifier: MIT
#include "ebb/store_terms.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/sharded_store.hpp"
#include "store_oracle.hpp"

namespace store_terms_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;
using question = ebb::ranking_question<store>;

/// A question and the columns it points into.
struct asked {
  const store& s;
  int user;
  ebb::time_point now;
  std::vector<int> items;
  std::vector<std::uint32_t> handles;
  std::vector<std::size_t> entries;

  asked(const store& which, int who, ebb::time_point when, std::vector<int> what)
      : s(which), user(who), now(when), items(std::move(what)) {
    for (const int item : items) {
      handles.push_back(s.handle(item).value_or(question::no_handle));
      entries.push_back(s.find(user) != nullptr && s.handle(item) ? s.find(user)->entries.find(handles.back())
                                                                  : question::no_entry);
    }
  }

  template <class Term>
  [[nodiscard]] std::vector<double> operator()(const Term& term) const {
    static_assert(ebb::ranking_term<Term, store>);
    // Whatever stood there before must not matter.
    std::vector<double> values(items.size(), std::numeric_limits<double>::quiet_NaN());
    term.fill(question{s, user, s.find(user), now, items, handles, entries}, values);
    return values;
  }
};

const std::vector<int> some_items{4, 0, 99, 2, 1, 3};  // 99 is never used

}  // namespace

TEST_CASE("each term of the store equals the sum over the raw events", "[store_terms]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    ebb::random_engine random(seed);
    ebb::store_options options = oracle::random_options(random);
    options.dislike_half_life = 30h;
    store s(options);
    const auto log = oracle::random_log(random, 60, 4, 5, true);
    oracle::replay(s, log);
    const auto now = oracle::newest(log) + std::chrono::seconds(random.below(1 << 24));
    const auto how = oracle::random_reading(random, s.lanes());
    const auto friends_of = [](int user) { return std::vector<int>{(user + 1) % 4, 77, (user + 3) % 4}; };
    for (int user = 0; user < 5; ++user) {  // 4 is unknown
      const asked ask(s, user, now, some_items);
      const auto interest = ask(ebb::interest_term(how));
      const auto heat = ask(ebb::heat_term(how));
      const auto dislike = ask(ebb::dislike_term());
      const auto friends = ask(ebb::friends_term(how, friends_of));
      for (std::size_t i = 0; i < some_items.size(); ++i) {
        const int item = some_items[i];
        const auto near = [](long double truth) { return Approx(static_cast<double>(truth)).epsilon(1e-12); };
        CHECK(interest[i] == near(oracle::interest(log, user, item, how, now)));
        CHECK(heat[i] == near(oracle::heat(log, item, how, now)));
        CHECK(dislike[i] == near(-oracle::dislike(log, user, item, 30h, now)));
        long double sum = 0;
        for (const int other : friends_of(user)) sum += oracle::interest(log, other, item, how, now);
        CHECK(friends[i] == near(sum));
      }
    }
  }
}

TEST_CASE("the EMA term is what an update now would give, and updates nothing", "[store_terms]") {
  store s({.lanes = ebb::timescales{24h}});
  const ebb::reading how(24h);
  s.observe(1, 10, day(0), 2.0);
  s.observe(1, 11, day(1), 1.0);
  std::map<int, ebb::ema_state<double>> states{{10, {0.6, day(1)}}, {12, {0.3, day(2)}}};
  const ebb::timed_ema<double> ema(12h);
  const ebb::ema_term term(ema, how, [&](int, int item) {
    const auto at = states.find(item);
    return at == states.end() ? ebb::ema_state<double>{} : at->second;
  });
  const auto values = asked(s, 1, day(3), {10, 11, 12, 13})(term);
  auto first = states[10];
  CHECK(values[0] == ema.update(first, s.interest(1, 10, how, day(3)), day(3)));
  CHECK(values[1] == s.interest(1, 11, how, day(3)));  // no state yet: the interest itself
  CHECK(values[2] == Approx(0.3 * 0.25));              // no event: the weight falls to one quarter in two half-lives
  CHECK(values[3] == 0);
  CHECK(states[10].value == 0.6);
  CHECK_THROWS_AS(asked(s, 1, day(1), {12})(term), std::invalid_argument);
}

TEST_CASE("terms refuse what the store cannot answer", "[store_terms]") {
  store plain({.lanes = ebb::timescales{24h}, .heat = false});
  plain.observe(1, 10, day(5));
  const asked ask(plain, 1, day(6), {10});
  const ebb::reading how(24h);
  CHECK_THROWS_WITH(ask(ebb::heat_term(how)), contains("must keep heat"));
  CHECK_THROWS_AS(ask(ebb::heat_term(how)), std::logic_error);
  CHECK_THROWS_WITH(ask(ebb::dislike_term()), contains("must keep dislikes"));
  CHECK_THROWS_WITH(ask(ebb::interest_term(ebb::reading(48h))), contains("\"interest\"") && contains("another bank"));

  store s({.lanes = ebb::timescales{24h}});
  s.observe(1, 10, day(0));
  s.observe(2, 10, day(5));
  const asked early(s, 1, day(3), {10});
  CHECK(early(ebb::interest_term(how))[0] == Approx(0.125));
  CHECK_THROWS_WITH(early(ebb::heat_term(how)), contains("\"popularity\""));
  CHECK_THROWS_AS(early(ebb::heat_term(how)), std::domain_error);
  CHECK_THROWS_AS(early(ebb::friends_term(how, [](int) { return std::vector<int>{2}; })), std::domain_error);
}

TEST_CASE("what others do a little later than now is read as of then, and changes no other score", "[store_terms]") {
  store s({.lanes = ebb::timescales{24h}});
  const ebb::reading how(24h);
  for (const int item : {10, 11}) s.observe(1, item, day(0));
  const auto friends = ebb::friends_term(how, [](int) { return std::vector<int>{2}; });
  const auto before = asked(s, 1, day(3), {10, 11})(ebb::heat_term(how));
  s.observe(2, 10, day(3) + 30s);
  const asked ask(s, 1, day(3), {10, 11});
  CHECK(ask(ebb::heat_term(how))[0] == s.heat(10, how, day(3) + 30s));
  CHECK(ask(ebb::heat_term(how))[1] == before[1]);
  CHECK(ask(friends)[0] == Approx(1));
  CHECK(ask(friends)[1] == 0);
  s.observe(2, 11, day(3) + 61s);
  CHECK_THROWS_AS(ask(ebb::heat_term(how)), std::domain_error);
  CHECK_THROWS_AS(ask(friends), std::domain_error);
  CHECK(asked(s, 1, day(3), {10})(ebb::heat_term(how))[0] ==
        s.heat(10, how, day(3) + 30s));  // only what is asked about
}

TEST_CASE("one shard does not answer for everybody", "[store_terms]") {
  const ebb::reading how(24h);
  ebb::sharded_store<int, int> shards({.lanes = ebb::timescales{24h}}, 4);
  ebb::sharded_store<int, int> single({.lanes = ebb::timescales{24h}}, 1);
  for (auto* const s : {&shards, &single}) s->observe(1, 10, day(0));
  const auto ask = [&](const auto& store, const auto& term) {
    return store.read(1, [&](const auto& shard) { return asked(shard, 1, day(1), {10})(term); });
  };
  const auto friends = ebb::friends_term(how, [](int) { return std::vector<int>{1}; });
  CHECK(ask(shards, ebb::interest_term(how)) == std::vector<double>{0.5});
  CHECK_THROWS_WITH(ask(shards, ebb::heat_term(how)), contains("one shard of several"));
  CHECK_THROWS_AS(ask(shards, friends), std::logic_error);
  CHECK(ask(single, ebb::heat_term(how)) == std::vector<double>{0.5});
  CHECK(ask(single, friends) == std::vector<double>{0.5});
  const auto whole = shards.snapshot();
  CHECK(asked(whole, 1, day(1), {10})(ebb::heat_term(how)) == std::vector<double>{0.5});
}

TEST_CASE("a forgotten item and a pruned entry say nothing", "[store_terms]") {
  store s({.lanes = ebb::timescales{24h}, .dislike_half_life = 24h});
  const ebb::reading how(24h);
  s.observe(1, 10, day(0));
  s.observe(1, 11, day(0));
  s.dislike(1, 12, day(0));
  s.dislike(1, 11, day(0));
  s.forget_item(10);
  s.prune(how, day(1), 1e9);  // what is left of 11 is its dislike
  const asked ask(s, 1, day(1), {10, 11, 12});
  CHECK(ask(ebb::interest_term(how)) == std::vector<double>{0, 0, 0});
  const auto heat = ask(ebb::heat_term(how));
  CHECK(heat[0] == 0);
  CHECK(heat[1] == Approx(0.5));
  const auto dislike = ask(ebb::dislike_term());
  CHECK(dislike[0] == 0);
  CHECK(dislike[1] == Approx(-0.5));
  CHECK(dislike[2] == Approx(-0.5));
}

}  // namespace store_terms_test
