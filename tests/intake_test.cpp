// SPDX-License-Identifier: MIT
#include "ebb/intake.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "store_oracle.hpp"

namespace intake_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using store = ebb::interest_store<int, int>;
using intake = ebb::event_intake<store>;
using ebb::future_policy;
using ebb::intake_result;

const ebb::reading day_lane(24h);
const ebb::store_options options{.lanes = {24h}};

void check_same(const store& a, const store& b, ebb::time_point now) {
  CHECK((a.users() == b.users() && a.size() == b.size()));
  for (const auto& [user, state] : b.all_users())
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const int item = b.item(state.entries.item(i));
      CHECK(a.interest(user, item, day_lane, now) == b.interest(user, item, day_lane, now));
    }
}

}  // namespace

TEST_CASE("an event dated a year ahead changes no other score under any policy", "[intake]") {
  for (const auto policy : {future_policy::reject, future_policy::clamp, future_policy::hold}) {
    store guarded(options);
    store without(options);
    intake door(guarded, {.on_future = policy});
    ebb::random_engine random(1);
    for (const auto& e : oracle::random_log(random, 200, 3, 5)) {
      const bool mad = random.below(10) == 0;
      const auto result = door.offer(e.user, mad ? 99 : e.item, mad ? day(1500) : e.time, day(1001), e.amount);
      if (!mad) CHECK(result == intake_result::recorded);
      if (!mad) without.observe(e.user, e.item, e.time, e.amount);
    }
    for (const auto& [user, state] : without.all_users())
      for (int item = 0; item < 5; ++item)
        CHECK(guarded.interest(user, item, day_lane, day(1001)) == without.interest(user, item, day_lane, day(1001)));
    if (policy != future_policy::clamp) check_same(guarded, without, day(1001));
    const auto& n = door.counts();
    CHECK(n.recorded == (policy == future_policy::clamp ? 200 : 200 - n.rejected - n.held));
    CHECK(n.clamped + n.held + n.rejected > 10);
  }
}

TEST_CASE("the tolerance is the last moment still recorded as dated", "[intake]") {
  store s(options);
  intake door(s, {.tolerance = 60s});
  CHECK(door.offer(1, 1, day(1) + 60s, day(1)) == intake_result::recorded);
  CHECK(door.offer(1, 1, day(1) + 60001ms, day(1)) == intake_result::rejected);
  CHECK(door.offer(1, 1, ebb::time_point::max(), day(1)) == intake_result::rejected);
  CHECK(door.offer(1, 1, day(-3000), day(1)) == intake_result::recorded);  // late is never wrong
  CHECK((door.counts().recorded == 2 && door.counts().rejected == 2));
}

TEST_CASE("a clamped event counts as happening now", "[intake]") {
  store s(options);
  intake door(s, {.on_future = future_policy::clamp});
  CHECK(door.offer(1, 1, day(400), day(1)) == intake_result::clamped);
  CHECK(s.interest(1, 1, day_lane, day(2)) == Approx(0.5));
  CHECK((door.counts().clamped == 1 && door.counts().recorded == 1));
}

TEST_CASE("a held event is recorded when its time has come, as dated", "[intake]") {
  store s(options);
  intake door(s, {.tolerance = 0s, .on_future = future_policy::hold, .most_held = 2});
  CHECK(door.offer(1, 1, day(5), day(1)) == intake_result::held);
  CHECK(door.offer(1, 2, day(3), day(1)) == intake_result::held);
  CHECK(door.offer(1, 3, day(4), day(1)) == intake_result::rejected);  // no room
  CHECK((s.users() == 0 && door.waiting() == 2));
  CHECK(door.offer(2, 9, day(3), day(3)) == intake_result::recorded);
  CHECK(s.interest(1, 2, day_lane, day(4)) == Approx(0.5));
  CHECK(s.interest(1, 1, day_lane, day(4)) == 0.0);
  CHECK(door.release(day(5)) == 1);
  CHECK(door.release(day(5)) == 0);
  CHECK(s.interest(1, 1, day_lane, day(6)) == Approx(0.5));
  CHECK((door.waiting() == 0 && door.counts().recorded == 3 && door.counts().held == 2));
}

TEST_CASE("redelivery within the window is harmless, in any order and number", "[intake]") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    ebb::random_engine random(seed);
    const auto log = oracle::random_log(random, 100, 3, 5);
    store once(options);
    oracle::replay(once, log);
    store s(options);
    intake door(s, {.id_window = 1h});
    std::vector<std::size_t> deliveries;
    for (std::size_t i = 0; i < log.size(); ++i) deliveries.insert(deliveries.end(), 1 + random.below(4), i);
    random.shuffle(deliveries.begin(), deliveries.end());
    auto now = day(1001);
    for (const std::size_t i : deliveries)
      door.offer(log[i].user, log[i].item, log[i].time, now += 1s, log[i].amount, std::uint64_t{i});
    CHECK(door.counts().recorded == log.size());
    CHECK(door.counts().duplicates == deliveries.size() - log.size());
    CHECK(s.size() == once.size());
    for (const auto& [user, item] : oracle::pairs(log))
      CHECK(s.interest(user, item, day_lane, now) == Approx(once.interest(user, item, day_lane, now)).epsilon(1e-13));
  }
}

TEST_CASE("ids are forgotten after the window and not before", "[intake]") {
  store s(options);
  ebb::event_intake<store, std::string> door(s, {.id_window = 1h});
  CHECK(door.offer(1, 1, day(1), day(1), 1.0, "a") == intake_result::recorded);
  CHECK(door.offer(1, 1, day(1), day(1) + 1h, 1.0, "a") == intake_result::duplicate);
  CHECK(door.offer(1, 1, day(1), day(1) + 1h, 1.0) == intake_result::recorded);  // no id, no check
  CHECK(door.offer(1, 1, day(1), day(1) + 1h + 1s, 1.0, "a") == intake_result::recorded);
  CHECK(door.ids() == 1);
  // A clock that runs backwards neither revives nor prolongs.
  CHECK(door.offer(1, 1, day(1), day(0), 1.0, "b") == intake_result::recorded);
  CHECK(door.offer(1, 1, day(1), day(1) + 2h, 1.0, "b") == intake_result::duplicate);
}

TEST_CASE("a rejected event may be delivered again when its time has come, a held one may not", "[intake]") {
  store s(options);
  intake rejecting(s, {.tolerance = 0s});
  CHECK(rejecting.offer(1, 1, day(2), day(1), 1.0, 7) == intake_result::rejected);
  CHECK(rejecting.offer(1, 1, day(2), day(2), 1.0, 7) == intake_result::recorded);
  intake holding(s, {.tolerance = 0s, .on_future = future_policy::hold});
  CHECK(holding.offer(1, 2, day(2), day(1), 1.0, 8) == intake_result::held);
  CHECK(holding.offer(1, 2, day(2), day(2), 1.0, 8) == intake_result::duplicate);
  CHECK(s.interest(1, 2, day_lane, day(3)) == Approx(0.5));
}

TEST_CASE("what the store refuses is not counted and its id not kept", "[intake]") {
  store s(options);
  intake door(s);
  CHECK_THROWS_AS(door.offer(1, 1, day(1), day(1), -1.0, 5), std::invalid_argument);
  CHECK((door.counts().recorded == 0 && door.ids() == 0));
  CHECK(door.offer(1, 1, day(1), day(1), 1.0, 5) == intake_result::recorded);
  intake holding(s, {.on_future = future_policy::hold});
  CHECK_THROWS_AS(holding.offer(1, 1, day(9), day(1), -1.0, 5), std::invalid_argument);  // not only when it comes out
  CHECK((holding.waiting() == 0 && holding.ids() == 0));
  CHECK_THROWS_AS(intake(s, {.tolerance = -1s}), std::invalid_argument);
  CHECK_THROWS_AS(intake(s, {.id_window = ebb::duration(std::nan(""))}), std::invalid_argument);
}

TEST_CASE("dislikes go through the same door", "[intake]") {
  const ebb::store_options keeps{.lanes = {24h}, .dislike_half_life = 24h};
  for (const auto policy : {future_policy::reject, future_policy::clamp, future_policy::hold}) {
    store s(keeps);
    intake door(s, {.on_future = policy});
    CHECK(door.offer_dislike(1, 2, day(0), day(1), 1, 5) == intake_result::recorded);
    CHECK(door.offer_dislike(1, 2, day(0), day(1), 1, 5) == intake_result::duplicate);
    CHECK(s.dislike_of(1, 2, day(1)) == Approx(0.5));
    door.offer_dislike(1, 2, day(365), day(1));
    CHECK(s.dislike_of(1, 2, day(1)) == Approx(policy == future_policy::clamp ? 1.5 : 0.5));
    CHECK(door.release(day(365)) == (policy == future_policy::hold ? 1 : 0));
    CHECK(s.dislike_of(1, 2, day(365)) == Approx(policy == future_policy::hold ? 1 : 0).margin(1e-50));
    CHECK(s.interest(1, 2, day_lane, day(365)) == 0);
  }
  store none(options);
  intake door(none, {.on_future = future_policy::hold});
  CHECK_THROWS_AS(door.offer_dislike(1, 2, day(365), day(1)), std::logic_error);
  store some(keeps);
  intake strict(some, {.on_future = future_policy::hold});
  CHECK_THROWS_AS(strict.offer_dislike(1, 2, day(365), day(1), 0), std::invalid_argument);
  CHECK(strict.waiting() == 0);
}

TEST_CASE("what is undone or forgotten does not come back from what is held", "[intake]") {
  const ebb::store_options keeps{.lanes = {24h}, .dislike_half_life = 24h};
  store s(keeps);
  intake door(s, {.on_future = future_policy::hold});
  const auto fill = [&] {
    for (int user = 1; user <= 3; ++user)
      for (int item = 1; item <= 3; ++item) {
        door.offer(user, item, day(0), day(1));
        door.offer(user, item, day(10), day(1), 2);
        door.offer_dislike(user, item, day(11), day(1));
      }
  };
  fill();
  CHECK(door.waiting() == 18);
  CHECK(door.retract(1, 1, day(10), 2));
  CHECK_FALSE(door.retract(1, 1, day(10), 2));  // it was held once
  CHECK(door.retract_dislike(1, 2, day(11)));
  CHECK(door.retract(1, 3, day(0)));  // from the store
  CHECK(door.forget_user(2));
  CHECK_FALSE(door.forget_user(2));
  CHECK(door.forget_item(3));
  CHECK(door.waiting() == 6);  // 1: (1, dislike), (2, use); 3: both of 1 and 2
  CHECK(door.release(day(20)) == 6);
  CHECK_FALSE(s.contains(2));
  CHECK(s.interest(1, 1, day_lane, day(20)) == Approx(std::exp2(-20)));
  CHECK(s.interest(1, 2, day_lane, day(20)) == Approx(std::exp2(-20) + 2 * std::exp2(-10)));
  CHECK(s.dislike_of(1, 1, day(20)) == Approx(std::exp2(-9)));
  CHECK(s.dislike_of(1, 2, day(20)) == 0);
  for (int user = 1; user <= 3; ++user) CHECK(s.interest(user, 3, day_lane, day(20)) == 0);
  CHECK(s.interest(3, 1, day_lane, day(20)) == Approx(std::exp2(-20) + 2 * std::exp2(-10)));
  store quiet(keeps);
  intake only_held(quiet, {.on_future = future_policy::hold});
  only_held.offer(4, 4, day(10), day(1));
  CHECK(only_held.forget_item(4));
  only_held.offer(4, 4, day(10), day(1));
  CHECK(only_held.forget_user(4));
  CHECK(only_held.release(day(20)) == 0);
}

}  // namespace intake_test
