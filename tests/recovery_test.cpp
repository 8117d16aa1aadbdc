// SPDX-License-Identifier: MIT
#include "ebb/recovery.hpp"

#include <chrono>
#include <cmath>
#include <vector>

#include "catch.hpp"

namespace recovery_test {

using namespace std::chrono_literals;

namespace {

std::vector<std::size_t> groups_of(const ebb::synthetic_log& made) {
  std::vector<std::size_t> groups;
  for (const ebb::synthetic_user& user : made.users) groups.push_back(user.group);
  return groups;
}

/// −ln P of every return, from the raw events, in quadratic time.
double slow_loss(const ebb::event_log& log, ebb::duration half_life) {
  double loss = 0;
  for (std::size_t i = 0; i < log.size(); ++i) {
    std::vector<double> sums(log.items().size(), 0.0);
    int had = 0;
    double total = 0;
    for (std::size_t j = 0; j < i; ++j)
      if (log[j].user == log[i].user) {
        had += sums[log[j].item] == 0;
        const double left = std::exp2(-((log[i].time - log[j].time) / half_life));
        sums[log[j].item] += left;
        total += left;
      }
    if (had >= 2 && sums[log[i].item] > 0) loss += std::log(total / sums[log[i].item]);
  }
  return loss;
}

}  // namespace

TEST_CASE("the estimate minimises the likelihood computed from the raw events", "[recovery]") {
  const ebb::synthetic_log made = ebb::make_synthetic_log(
      1, {.groups = {{"a", std::chrono::days(2), 4}}, .span = std::chrono::days(60), .item_rhythm = 0});
  const auto estimate = ebb::estimate_half_lives(made.log, groups_of(made)).at(0);
  const double least = slow_loss(made.log, estimate.half_life);
  CHECK(least < slow_loss(made.log, estimate.half_life * 1.1));
  CHECK(least < slow_loss(made.log, estimate.half_life / 1.1));
  // The curvature gives the error: one standard error away costs half a unit of log-likelihood.
  const double away = std::exp(estimate.relative_error);
  const double cost =
      0.5 * (slow_loss(made.log, estimate.half_life * away) + slow_loss(made.log, estimate.half_life / away)) - least;
  CHECK(cost == Approx(0.5).epsilon(0.3));
}

TEST_CASE("half-lives come back within their errors", "[recovery]") {
  ebb::synthetic_options options;
  options.item_rhythm = 0;  // the likelihood does not know of it
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const ebb::synthetic_log made = ebb::make_synthetic_log(seed, options);
    const auto estimates = ebb::estimate_half_lives(made.log, groups_of(made));
    REQUIRE(estimates.size() == options.groups.size());
    for (std::size_t g = 0; g < estimates.size(); ++g) {
      CHECK(estimates[g].returns > 1000);
      const double off = std::log(estimates[g].half_life / options.groups[g].half_life);
      CHECK(std::abs(off) < 4 * estimates[g].relative_error);
      CHECK(estimates[g].relative_error < 0.15);
    }
  }
}

TEST_CASE("the hour and the day of the week at which users are active come back", "[recovery]") {
  const ebb::synthetic_log made = ebb::make_synthetic_log(2);
  const auto mean_error = [&](ebb::duration period, auto peak) {
    const std::vector<ebb::duration> found = ebb::estimate_peaks(made.log, period);
    ebb::duration sum{0};
    for (std::size_t u = 0; u < found.size(); ++u) sum += ebb::apart(found[u], made.users[u].*peak, period);
    return sum / static_cast<double>(found.size());
  };
  // Chance gives a quarter of the period.
  CHECK(mean_error(std::chrono::days(1), &ebb::synthetic_user::peak_of_day) < 1h);
  CHECK(mean_error(std::chrono::weeks(1), &ebb::synthetic_user::peak_of_week) < 12h);
}

TEST_CASE("moments of a period are apart the short way round", "[recovery]") {
  CHECK(ebb::apart(23h, 1h, 24h).count() == Approx(ebb::duration(2h).count()));
  CHECK(ebb::apart(1h, 23h, 24h).count() == Approx(ebb::duration(2h).count()));
  CHECK(ebb::apart(3h, 15h, 24h).count() == Approx(ebb::duration(12h).count()));
  CHECK(ebb::apart(5h, 5h, 24h).count() == Approx(ebb::duration(0h).count()));
}

TEST_CASE("an empty log estimates nothing, a log without its groups is refused", "[recovery]") {
  CHECK(ebb::estimate_half_lives(ebb::event_log{}, {}).empty());
  ebb::event_log log;
  log.append("u", "i", ebb::time_point(1s));
  CHECK_THROWS_AS(ebb::estimate_half_lives(log, {}), std::invalid_argument);
  CHECK(ebb::estimate_half_lives(log, {0}).at(0).returns == 0);
}

}  // namespace recovery_test
