// SPDX-License-Identifier: MIT
#include "ebb/host_terms.hpp"

#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/decay.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/ranker.hpp"

namespace host_terms_test {

using namespace std::chrono_literals;

namespace {

using store = ebb::interest_store<int, int>;
const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
const ebb::timescales bank{24h, 240h};

/// The one term's value of each item.
template <class Term>
std::map<int, double> ask(const Term& term, const store& s, int user, ebb::time_point now,
                          const std::vector<int>& items) {
  ebb::ranker<store> ranker;
  ranker.add(term);
  std::map<int, double> out;
  for (const auto& r : ranker.rank(s, user, now, items, {.k = items.size()})) out[r.item] = r.score;
  return out;
}

}  // namespace

TEST_CASE("freshness is the decay of an item's own age", "[host_terms]") {
  const std::map<int, ebb::time_point> published{{1, start}, {2, start + 24h}, {3, start + 49h}};
  const auto of = [&](int item) -> std::optional<ebb::time_point> {
    const auto at = published.find(item);
    return at == published.end() ? std::nullopt : std::optional(at->second);
  };
  const ebb::freshness_term term(ebb::exponential_decay<double>(24h), of);
  const auto values = ask(term, store({.lanes = bank}), 7, start + 48h, {1, 2, 3, 4});
  CHECK(values.at(1) == Approx(0.25));
  CHECK(values.at(2) == Approx(0.5));
  CHECK(values.at(3) == 1);  // a clock is ahead
  CHECK(values.at(4) == 0);  // not known
}

TEST_CASE("fatigue equals its formula over the raw events", "[host_terms]") {
  ebb::random_engine random(1);
  const auto how = ebb::reading::lane(bank, 0);
  for (int round = 0; round < 50; ++round) {
    store uses({.lanes = bank});
    store shows({.lanes = bank});
    std::map<int, double> used;
    std::map<int, double> shown;
    const ebb::time_point now = start + 100h;
    for (int i = 0; i < 60; ++i) {
      const int item = static_cast<int>(random.below(5));
      const auto ago = std::chrono::minutes(random.below(6000));
      const bool is_use = random.below(6) == 0;
      (is_use ? uses : shows).observe(1, item, now - ago);
      (is_use ? used : shown)[item] += std::exp2(-ebb::duration(ago) / 24h);
    }
    const ebb::fatigue_options options{.expected_rate = 0.1 + 0.5 * random.uniform(), .patience = 0.5};
    const auto values = ask(ebb::fatigue_term(shows, how, how, options), uses, 1, now, {0, 1, 2, 3, 4, 99});
    for (int item = 0; item < 5; ++item)
      CHECK(values.at(item) ==
            Approx(std::min(0.0, std::log((0.5 + used[item]) / (0.5 + options.expected_rate * shown[item]))))
                .margin(1e-12));
    CHECK(values.at(99) == 0);
  }
}

TEST_CASE("what is passed over sinks, and rises again as the showings fade", "[host_terms]") {
  const store uses({.lanes = bank});
  store shows({.lanes = bank});
  const ebb::fatigue_term term(shows, ebb::reading::lane(bank, 0), ebb::reading::lane(bank, 0), {.expected_rate = 0.1});
  double before = 0;
  for (int i = 0; i < 20; ++i) {
    shows.observe(1, 5, start + std::chrono::minutes(i));
    const double now = ask(term, uses, 1, start + std::chrono::minutes(i), {5}).at(5);
    CHECK(now < before);
    before = now;
  }
  for (int day = 1; day < 10; ++day) {
    const double now = ask(term, uses, 1, start + day * 24h, {5}).at(5);
    CHECK((now > before && now < 0));
    before = now;
  }
  CHECK(before > -0.01);
  CHECK(ask(term, uses, 2, start, {5}).at(5) == 0);  // another user, to whom nothing was shown
  CHECK_THROWS_AS(ask(term, uses, 1, start, {5}), std::domain_error);
  CHECK_THROWS_WITH(ebb::fatigue_term(shows, ebb::reading(24h), ebb::reading(24h), {.expected_rate = 0}),
                    contains("expected_rate must be in (0, 1], got 0"));
  CHECK_THROWS_AS(ask(ebb::fatigue_term(shows, ebb::reading(24h), ebb::reading(24h)), uses, 1, start + 24h, {5}),
                  std::invalid_argument);
}

}  // namespace host_terms_test
