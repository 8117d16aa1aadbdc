// SPDX-License-Identifier: MIT
#include "ebb/return_features.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"
#include "ebb/sharded_store.hpp"
#include "store_oracle.hpp"

namespace return_features_test {

namespace {

using namespace std::chrono_literals;
using oracle::event;
using store_type = ebb::interest_store<int, int>;

constexpr long double log_of_zero = -std::numeric_limits<long double>::infinity();
constexpr long double pi = std::numbers::pi_v<long double>;

/// Bursts of use over some years, from before 1970 on: many in one second, some items only disliked, some uses worth nothing.
std::vector<event> made_log(std::uint64_t seed, std::size_t events, bool dislikes, bool worthless = true) {
  ebb::random_engine random(seed);
  std::vector<event> log;
  ebb::time_point t{std::chrono::sys_days(std::chrono::year(1969) / 10 / 3)};
  for (std::size_t i = 0; i < events; ++i) {
    if (random.below(3) != 0) t += std::chrono::seconds(random.below(random.below(8) == 0 ? 5000000 : 9000));
    const double amount = worthless && random.below(9) == 0 ? 0.0
                          : random.below(2) == 0            ? 1.0
                                                            : 0.1 + 3 * random.uniform();
    const bool dislike = dislikes && random.below(6) == 0;
    log.push_back({static_cast<int>(random.below(3)), static_cast<int>(random.below(12)), t,
                   dislike ? std::max(amount, 0.5) : amount, dislike});
  }
  return log;
}

ebb::store_options options_of(bool dislikes = false) {
  ebb::store_options options = ebb::return_store_options(ebb::timescales::log_spaced(1min, 24h * 200, 8));
  if (dislikes) options.dislike_half_life = 240h;
  return options;
}

template <class Store = store_type>
Store store_of(const std::vector<event>& log, const ebb::store_options& options = options_of()) {
  Store store(options);
  oracle::replay(store, log);
  return store;
}

/// The features of one user's item by their names, from the raw events alone.
class raw_events {
 public:
  raw_events(const std::vector<event>& log, int user, ebb::time_point now, const ebb::timescales& bank,
             long double smallest)
      : log_(log), user_(user), now_(now), bank_(bank), smallest_(smallest) {
    for (const event& e : log) {
      if (e.user != user) continue;
      first_ = events_ + dislikes_ == 0 ? e.time : std::min(first_, e.time);
      newest_ = events_ + dislikes_ == 0 ? e.time : std::max(newest_, e.time);
      (e.dislike ? dislikes_ : events_) += 1;
      items_[e.item];
      if (!e.dislike) items_[e.item].push_back(e.time);
    }
    for (auto& [item, uses] : items_) std::sort(uses.rbegin(), uses.rend());
  }

  std::map<std::string, long double> features(int item, int lead) const {
    std::map<std::string, long double> f;
    const std::vector<ebb::time_point>& uses = items_.at(item);
    const long double last = age(last_of(item));
    const long double first = age(uses.empty() ? first_ : uses.back());
    const auto count = static_cast<long double>(std::max<std::size_t>(1, uses.size()));
    const auto gap = [&](std::size_t r) { return uses.size() > r ? age(uses[r]) - age(uses[r - 1]) : last; };
    const long double mean_gap = uses.size() > 1 ? (first - last) / (count - 1) : last;
    f["ln age"] = log1pl(last);
    f["ln first age"] = log1pl(first);
    f["ln count"] = logl(count);
    f["ln age / gap 1"] = log1pl(last) - log1pl(gap(1));
    f["ln mean gap"] = log1pl(mean_gap);
    f["ln age / mean gap"] = log1pl(last) - log1pl(mean_gap);
    for (std::size_t r = 1; r <= 3; ++r) {
      f["ln gap " + std::to_string(r)] = log1pl(gap(r));
      f["has gap " + std::to_string(r)] = uses.size() > r ? 1 : 0;
    }

    long double newer = 0, together = 0, more = 0;
    for (const auto& [other, their] : items_) {
      newer += last_of(other) > last_of(item) ? 1 : 0;
      together += last_of(other) == last_of(item) ? 1 : 0;
      more += their.size() > uses.size() ? 1 : 0;
    }
    f["ln recency rank"] = log1pl(newer);
    f["1 / recency rank"] = 1 / (1 + newer);
    f["recency rank / items"] = (1 + newer) / static_cast<long double>(items_.size());
    f["ln frequency rank"] = log1pl(more);
    f["1 / frequency rank"] = 1 / (1 + more);
    f["ln items last used together"] = logl(together);
    f["ln share of events"] = logl(count / std::max(1.0L, events_));

    for (int k = 0; k < bank_.size(); ++k) {
      for (const int whose : {user_, -1}) {
        std::vector<long double> all;
        for (const auto& [other, their] : items_) all.push_back(log_lane(k, other, whose));
        const long double own = log_lane(k, item, whose);
        f[(whose < 0 ? "ln share of heat, lane " : "ln share of lane ") + std::to_string(k)] =
            own > log_of_zero ? std::max(own - log_sum(all), -10.0L) : -10;
      }
    }
    std::vector<ebb::time_point> by_any;
    std::set<int> owners;
    for (const event& e : log_) {
      if (e.item != item || e.dislike) continue;
      by_any.push_back(e.time);
      owners.insert(e.user);
    }
    const auto [oldest, latest] = std::minmax_element(by_any.begin(), by_any.end());
    const auto popularity = static_cast<long double>(std::max<std::size_t>(1, by_any.size()));
    f["ln age of the last use by anybody"] = log1pl(by_any.empty() ? last : age(*latest));
    f["ln age of the first use by anybody"] = log1pl(by_any.empty() ? last : age(*oldest));
    f["ln popularity"] = logl(popularity);
    f["ln users"] = logl(static_cast<long double>(std::max<std::size_t>(1, owners.size())));
    f["ln own share of uses"] = logl(count / popularity);
    f["used by another since"] = !by_any.empty() && *latest > last_of(item) ? 1 : 0;

    int r = 0;
    for (const long double period : {43200.0L, 86400.0L, 302400.0L, 604800.0L})
      for (int k = std::max(0, bank_.size() - 3); k < bank_.size(); ++k, ++r) {
        const long double plain = log_lane(k, item, user_);
        std::complex<long double> turned = 0;  // relative to the plain lane
        for (const event& e : log_)
          if (e.user == user_ && e.item == item && !e.dislike && plain > log_of_zero)
            turned += e.amount * expl(log_kept(k, e) - plain) *
                      std::exp(std::complex<long double>(0, 2 * pi * age(e.time) / period));
        const long double match = turned.real();
        f["rhythm " + std::to_string(r)] = logl(std::max(0.51L + 0.5L * match, 0.01L));
      }

    add_sequence(f, uses, lead);

    f["ln events"] = logl(std::max(1.0L, events_));
    f["ln items"] = logl(static_cast<long double>(items_.size()));
    f["ln time since the last event"] = log1pl(age(newest_));
    f["ln mean time between events"] = log1pl((age(first_) - age(newest_)) / std::max(1.0L, events_ - 1));
    f["repeat share"] = 1 - static_cast<long double>(items_.size()) / std::max(1.0L, events_);
    const long double since_1970 = ebb::duration(now_.time_since_epoch()).count();
    f["hour, cos"] = cosl(2 * pi * since_1970 / 86400);
    f["hour, sin"] = sinl(2 * pi * since_1970 / 86400);
    f["weekday, cos"] = cosl(2 * pi * since_1970 / 604800);
    f["weekday, sin"] = sinl(2 * pi * since_1970 / 604800);
    return f;
  }

  /// ln Σ amount · 2^(−age / h_k) of a user's item; of everybody's for user −1. −∞ where uses worth nothing have followed for so long that
  /// at the newest of them the number a store keeps cannot hold it any more.
  long double log_lane(int k, int item, int user) const {
    std::vector<long double> parts;
    long double newest = 0;
    for (const event& e : log_) {
      if (e.item != item || (user >= 0 && e.user != user) || e.dislike) continue;
      newest = log_kept(k, e);
      if (e.amount > 0) parts.push_back(logl(e.amount) + newest);
    }
    const long double sum = log_sum(parts);
    return sum - newest < logl(user < 0 ? std::numeric_limits<double>::min() : smallest_) ? log_of_zero : sum;
  }

  ebb::time_point last_of(int item) const { return items_.at(item).empty() ? first_ : items_.at(item)[0]; }
  bool is_used(int item) const { return !items_.at(item).empty(); }

 private:
  long double age(ebb::time_point t) const {  // further apart than a clock's duration may hold
    const auto ticks = [](ebb::time_point x) { return static_cast<long double>(x.time_since_epoch().count()); };
    return (ticks(now_) - ticks(t)) * ebb::time_point::period::num / ebb::time_point::period::den;
  }
  long double log_kept(int k, const event& e) const {
    return -std::numbers::ln2_v<long double> * age(e.time) / oracle::seconds(bank_.half_life(k));
  }
  static long double log_sum(const std::vector<long double>& logs) {
    const long double most = logs.empty() ? log_of_zero : *std::max_element(logs.begin(), logs.end());
    if (!(most > log_of_zero)) return log_of_zero;
    long double sum = 0;
    for (const long double x : logs) sum += expl(x - most);
    return most + logl(sum);
  }

  /// For each earlier use of the lead the first use of the item after it, of the eight newest uses of both.
  void add_sequence(std::map<std::string, long double>& f, const std::vector<ebb::time_point>& uses, int lead) const {
    long double ten_minutes = 0, hour = 0, quarter = 0, day = 0, as_long = 0, at_once = 0, n = 0;
    const std::vector<ebb::time_point> none;
    const std::vector<ebb::time_point>& led = lead < 0 ? none : items_.at(lead);
    for (std::size_t r = 1; r < std::min<std::size_t>(8, led.size()); ++r) {
      n += 1;
      long double wait = -1;
      for (std::size_t u = 0; u < std::min<std::size_t>(8, uses.size()); ++u) {
        if (uses[u] > led[r]) wait = age(led[r]) - age(uses[u]);  // the last one found is the first in time
        at_once += uses[u] == led[r] ? 1 : 0;
      }
      if (wait < 0) continue;
      const long double since = age(led[0]) + 60;
      ten_minutes += exp2l(-wait / 600);
      hour += exp2l(-wait / 3600);
      quarter += exp2l(-wait / 21600);
      day += exp2l(-wait / 86400);
      as_long += std::min((wait + 60) / since, since / (wait + 60));
    }
    const long double scale = n > 0 ? 1 / n : 0;
    f["followed within 10 minutes"] = ten_minutes * scale;
    f["followed within an hour"] = hour * scale;
    f["followed within 6 hours"] = quarter * scale;
    f["followed within a day"] = day * scale;
    f["followed after as long"] = as_long * scale;
    f["used at the same time"] = at_once * scale;
  }

  const std::vector<event>& log_;
  int user_;
  ebb::time_point now_;
  ebb::timescales bank_;
  long double smallest_;
  std::map<int, std::vector<ebb::time_point>> items_;  // uses from new to old; none for an item only disliked
  ebb::time_point first_, newest_;
  long double events_ = 0, dislikes_ = 0;
};

template <class Store>
void check_features(const Store& store, const std::vector<event>& log, ebb::time_point now, long double tolerance) {
  const double tolerance_of_sums = sizeof(typename Store::value_type) == 4 ? 1e-4 : 1e-9;
  ebb::return_features<Store> features(store);
  for (const auto& [user, state] : store.all_users()) {
    features.compute(store, state, now);
    REQUIRE(features.values().rows() == static_cast<Eigen::Index>(state.entries.size()));
    REQUIRE(features.values().cols() == features.size());
    const raw_events truth(log, user, now, store.lanes(), std::numeric_limits<typename Store::value_type>::min());
    int lead = -1;  // the item used last; of several the one met first
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const int item = store.item(state.entries.item(i));
      if (truth.is_used(item) && (lead < 0 || truth.last_of(item) > truth.last_of(lead))) lead = item;
    }
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      const int item = store.item(state.entries.item(i));
      const auto expected = truth.features(item, lead);
      for (std::size_t f = 0; f < features.names().size(); ++f) {
        const float value = features.values()(row, static_cast<Eigen::Index>(f));
        const auto at = expected.find(features.names()[f]);
        REQUIRE(at != expected.end());
        CAPTURE(user, item, at->first, value, static_cast<double>(at->second));
        CHECK(std::abs(static_cast<long double>(value) - at->second) < tolerance);
      }
      for (int k = 0; k < store.lanes().size(); ++k) {
        const auto expected_log = static_cast<double>(truth.log_lane(k, item, user));
        const double value = features.log_lanes()(row, k);
        CAPTURE(user, item, k, value);
        if (std::isfinite(expected_log)) CHECK(value == Approx(expected_log).epsilon(1e-9).margin(tolerance_of_sums));
        if (!std::isfinite(expected_log)) CHECK(value < -600);
      }
    }
  }
}

template <class A, class B>
bool same_bytes(const Eigen::DenseBase<A>& a, const Eigen::DenseBase<B>& b) {
  const Eigen::Matrix<typename A::Scalar, Eigen::Dynamic, Eigen::Dynamic> x = a, y = b;
  return x.rows() == y.rows() && x.cols() == y.cols() &&
         std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.size()) * sizeof(typename A::Scalar)) == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("every feature equals what the raw events say", "[return_features]", float, double) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const bool dislikes = seed % 2 == 1;
    const std::vector<event> log = made_log(seed, seed < 4 ? 30 : 300, dislikes, sizeof(TestType) == 8);
    const auto store = store_of<ebb::interest_store<int, int, TestType>>(log, options_of(dislikes));
    check_features(store, log, log.back().time + std::chrono::seconds(seed * seed * 700), 3e-4L);
  }
}

TEST_CASE("any bank and any number of items has right features", "[return_features]") {
  ebb::random_engine random(3);
  for (const int lanes : {2, 4, 5}) {
    std::vector<event> log;
    ebb::time_point t = oracle::day(0);
    for (int i = 0; i < 150; ++i) {
      t += std::chrono::milliseconds(random.below(40000000));
      log.push_back({1, static_cast<int>(random.below(static_cast<std::uint64_t>(lanes) * 9)), t, 1.0});
    }
    const auto options = ebb::return_store_options(ebb::timescales::log_spaced(10min, std::chrono::years(1), lanes));
    check_features(store_of(log, options), log, t + 1s, 3e-4L);
  }
  const std::vector<event> one = {{1, 1, oracle::day(0), 1.0}};
  check_features(store_of(one), one, oracle::day(0), 3e-4L);
}

TEST_CASE("events centuries apart, and shares older than any lane, are measured", "[return_features]") {
  const ebb::time_point long_ago{std::chrono::sys_days(std::chrono::year(1700) / 1 / 1)};
  const ebb::time_point far{std::chrono::sys_days(std::chrono::year(2200) / 1 / 1)};
  // The second item is 40 half-lives of a minute behind the first; the newest use is worth nothing.
  const std::vector<event> log = {
      {1, 1, long_ago, 1.0}, {1, 2, long_ago - 5min, 1.0}, {1, 3, long_ago - 40min, 1.0}, {1, 4, far - 24h, 0.0},
      {1, 4, far, 0.0},      {2, 1, long_ago - 7min, 2.0}, {2, 5, far - 1min, 1e-18},     {2, 6, far - 40min, 1e18}};
  check_features(store_of(log), log, far, 2e-3L);
}

TEST_CASE("what only was disliked, or used for nothing, has finite features", "[return_features]") {
  const std::vector<event> log = {{1, 1, oracle::day(1), 1.0, true},
                                  {1, 2, oracle::day(2), 1.0, true},
                                  {2, 1, oracle::day(3), 0.0},
                                  {3, 1, oracle::day(0), 1.0, true},
                                  {3, 2, oracle::day(0), 1.0}};
  check_features(store_of(log, options_of(true)), log, oracle::day(3), 3e-4L);
}

TEST_CASE("a replayed log and a live store give the same bytes, and the future changes nothing", "[return_features]") {
  const std::vector<event> log = made_log(7, 400, true);
  store_type live(options_of(true));
  ebb::return_features<store_type> served(live);  // one object, asked about this user and that
  for (std::size_t cut = 1; cut < log.size(); ++cut) {
    oracle::replay(live, {log[cut - 1]});
    if (cut % 23 != 0 || log[cut].time == log[cut - 1].time) continue;
    const std::vector<event> prefix(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(cut));
    store_type replayed = store_of(prefix, options_of(true));
    const store_type copied = live;
    for (const auto& [user, state] : copied.all_users()) {
      ebb::return_features<store_type> training(replayed);
      ebb::return_features<store_type> restarted(copied);
      training.compute(replayed, *replayed.find(user), log[cut].time);
      restarted.compute(copied, state, log[cut].time);
      served.compute(live, *live.find(user), log[cut].time);
      REQUIRE(same_bytes(training.values(), served.values()));
      REQUIRE(same_bytes(restarted.values(), served.values()));
      REQUIRE(same_bytes(training.log_lanes(), served.log_lanes()));
      const Eigen::MatrixXf before = served.values();
      served.compute_values(live, *live.find(user), log[cut].time);
      REQUIRE(same_bytes(before, served.values()));
      REQUIRE(served.log_lanes().rows() == 0);
    }
    // Users who had not come yet, and items nobody had, change nothing for those there were.
    store_type later = replayed;
    later.observe(77, 500, log[cut].time + 1h);
    for (const auto& [user, state] : replayed.all_users()) {
      ebb::return_features<store_type> a(replayed);
      ebb::return_features<store_type> b(later);
      a.compute(replayed, state, log[cut].time);
      b.compute(later, *later.find(user), log[cut].time);
      REQUIRE(same_bytes(a.values(), b.values()));
    }
  }
}

TEST_CASE("an item's features do not depend on where it stands", "[return_features]") {
  ebb::random_engine random(11);
  std::vector<event> log;
  for (int item = 0; item < 45; ++item)
    log.push_back({1, item, oracle::day(static_cast<int>(random.below(30))) + std::chrono::seconds(random.below(50000)),
                   0.1 + random.uniform()});
  std::vector<event> shuffled = log;
  random.shuffle(shuffled.begin(), shuffled.end());
  const store_type a = store_of(log);
  const store_type b = store_of(shuffled);
  ebb::return_features<store_type> x(a);
  ebb::return_features<store_type> y(b);
  x.compute(a, *a.find(1), oracle::day(31));
  y.compute(b, *b.find(1), oracle::day(31));
  const Eigen::Index shares = 8;  // their sums are added in another order
  for (std::size_t i = 0; i < 45; ++i) {
    const auto j = static_cast<Eigen::Index>(b.find(1)->entries.find(*b.handle(static_cast<int>(i))));
    const auto row = static_cast<Eigen::Index>(i);
    for (Eigen::Index f = 0; f < x.size(); ++f) {
      const bool is_share = x.names()[static_cast<std::size_t>(f)].find("share of") != std::string::npos && f < 40;
      CAPTURE(x.names()[static_cast<std::size_t>(f)]);
      if (is_share) CHECK(x.values()(row, f) == Approx(y.values()(j, f)).margin(1e-5));
      if (!is_share) CHECK(x.values()(row, f) == y.values()(j, f));
    }
    for (Eigen::Index k = 0; k < shares; ++k) CHECK(x.log_lanes()(row, k) == y.log_lanes()(j, k));
  }
}

TEST_CASE("groups of features can be left out, and nothing of a group is read then", "[return_features]") {
  ebb::store_options options = options_of();
  options.heat = false;
  const std::vector<event> log = made_log(1, 50, false);
  const store_type store = store_of(log, options);
  CHECK_THROWS_AS(ebb::return_features<store_type>(store), std::invalid_argument);
  ebb::return_features<store_type> none(store, {.heat = false, .rhythms = false, .sequence = false, .user = false});
  ebb::return_features<store_type> most(store, {.heat = false});
  none.compute(store, *store.find(1), log.back().time);
  most.compute(store, *store.find(1), log.back().time);
  CHECK(none.size() == none.candidate_features());
  CHECK(most.size() == most.candidate_features() + 9);
  for (std::size_t f = 0; f < none.names().size(); ++f) {
    CHECK(none.names()[f] == most.names()[f]);
    const auto column = static_cast<Eigen::Index>(f);
    CHECK((none.values().col(column).array() == most.values().col(column).array()).all());
  }
}

TEST_CASE("a store that keeps too little, and a moment in the past, are refused", "[return_features]") {
  const store_type plain;
  CHECK_THROWS_AS(ebb::return_features<store_type>(plain), std::invalid_argument);
  ebb::store_options short_memory = options_of();
  short_memory.recent = 3;
  const store_type forgetful(short_memory);
  CHECK_THROWS_WITH(ebb::return_features<store_type>(forgetful), contains("recent uses, got 3"));
  const ebb::time_point start = oracle::day(0);
  const store_type store = store_of({{1, 1, start, 1.0}, {1, 2, start + 1h, 1.0}, {2, 1, start + 3h, 1.0}});
  ebb::return_features<store_type> features(store);
  CHECK_THROWS_AS(features.compute(store, *store.find(1), start), std::domain_error);
  CHECK_THROWS_AS(features.compute(store, *store.find(1), start + 2h), std::domain_error);  // item 1 was used later
  CHECK_NOTHROW(features.compute(store, *store.find(1), start + 3h));
  const auto part = ebb::sharded_store<int, int>(store, 2).copy_of_shard(0);
  CHECK_THROWS_WITH(features.compute(part, *store.find(1), start + 3h), contains("one shard of several"));
  const store_type::user_state nobody;
  features.compute(store, nobody, start);
  CHECK(features.values().rows() == 0);
}

TEST_CASE("ranks are competition ranks, whether counted or sorted", "[return_features]") {
  ebb::random_engine random(5);
  ebb::detail::competition_rank rank;
  for (const std::int64_t spread : {std::int64_t{1}, std::int64_t{7}, std::int64_t{900}, std::int64_t{5000},
                                    std::numeric_limits<std::int64_t>::max()}) {
    for (std::size_t n = 0; n < 60; ++n) {
      std::vector<std::int64_t> keys(n);
      for (auto& key : keys) key = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(spread)));
      if (n > 3) keys[1] = keys[2];
      if (n > 40) keys[0] = std::numeric_limits<std::int64_t>::min();
      std::vector<float> ranks(n), ties(n);
      rank(keys, ranks.data(), ties.data());
      for (std::size_t i = 0; i < n; ++i) {
        const auto above = std::count_if(keys.begin(), keys.end(), [&](auto key) { return key > keys[i]; });
        CHECK(ranks[i] == static_cast<float>(1 + above));
        CHECK(ties[i] == static_cast<float>(std::count(keys.begin(), keys.end(), keys[i])));
      }
    }
  }
}

TEST_CASE("the short logarithm is within a rounding or two of the long one", "[return_features]") {
  double worst = 0;
  for (std::uint32_t bits = 0x00800000; bits < 0x7f800000; bits += 997) {
    const auto x = std::bit_cast<float>(bits);
    const double truth = std::log(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(ebb::detail::log_of_positive(x)) - truth) /
                                std::max(std::abs(truth), 1e-30));
  }
  CHECK(worst < 1.2e-7);
  CHECK(ebb::detail::log_of_positive(1.0F) == 0.0F);
}

}  // namespace return_features_test
