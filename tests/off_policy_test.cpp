// SPDX-License-Identifier: MIT
#include "ebb/off_policy.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/exploration.hpp"
#include "ebb/thompson_sampling.hpp"

namespace off_policy_test {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

/// Users click each item of a list of two with these probabilities; the reward is the number of clicks.
const std::vector<double> click{0.02, 0.3, 0.1, 0.6, 0.25};
/// What the running system believes: not what is true.
const std::vector<double> believed{0.9, 0.5, 0.6, 0.2, 0.1};
/// What the new ranking would show, and what that is worth.
const std::vector<double> better{0.0, 0.3, 0.1, 1.0, 0.2};
constexpr double truth = 0.6 + 0.3;

struct run {
  ebb::policy_value plain;
  ebb::policy_value normalised;
  double logged;  // the mean reward of the running system itself
};

template <class Policy, class Candidate>
run simulate(const Policy& policy, const std::vector<Candidate>& candidates, int showings, std::uint64_t seed) {
  ebb::random_engine random(seed);
  const ebb::epsilon_greedy target(0.0);
  std::vector<ebb::logged_showing> log;
  double sum = 0;
  for (int i = 0; i < showings; ++i) {
    const auto list = policy.draw(candidates, 2, random());
    std::vector<std::size_t> order;
    double reward = 0;
    for (const auto& pick : list.picks) {
      order.push_back(pick.index);
      reward += random.uniform() < click[pick.index] ? 1 : 0;
    }
    log.push_back({reward, list.log_propensity, target.log_propensity(better, order)});
    sum += reward;
  }
  return {ebb::inverse_propensity(log), ebb::self_normalised_inverse_propensity(log), sum / showings};
}

/// Over many short logs: the mean estimate is the truth to within four of its own standard errors, and the error stated is the spread seen.
template <class Policy, class Candidate>
void check_unbiased(const Policy& policy, const std::vector<Candidate>& candidates) {
  constexpr int logs = 300;
  constexpr int showings = 200;
  double sum = 0;
  double squares = 0;
  double stated = 0;
  for (int i = 0; i < logs; ++i) {
    const run r = simulate(policy, candidates, showings, static_cast<std::uint64_t>(i));
    sum += r.plain.value;
    squares += r.plain.value * r.plain.value;
    stated += r.plain.standard_error * r.plain.standard_error;
  }
  const double mean = sum / logs;
  const double variance = (squares - sum * mean) / (logs - 1);
  CHECK(std::abs(mean - truth) < 4 * std::sqrt(variance / logs));
  CHECK(stated / logs == Approx(variance).epsilon(0.35));

  const run long_log = simulate(policy, candidates, 30000, 1000);
  CHECK(std::abs(long_log.plain.value - truth) < 4 * long_log.plain.standard_error);
  CHECK(std::abs(long_log.normalised.value - truth) < 4 * long_log.normalised.standard_error);
  CHECK(std::abs(long_log.logged - truth) > 0.3);  // what was shown says nothing of the kind by itself
}

}  // namespace

TEST_CASE("inverse propensity is unbiased for lists drawn by each policy", "[off_policy]") {
  check_unbiased(ebb::epsilon_greedy(0.5), believed);
  check_unbiased(ebb::gumbel_top_k(0.5), believed);
  std::vector<ebb::belief> beliefs;
  for (const double b : believed) beliefs.push_back({b, 0.5});
  check_unbiased(ebb::thompson_sampling(), beliefs);
}

TEST_CASE("an estimate of the policy that logged is its own mean", "[off_policy]") {
  std::vector<ebb::logged_showing> log;
  for (const double reward : {1.0, 0.0, 3.0, 0.0}) log.push_back({reward, -2.0, -2.0});
  for (const auto& value : {ebb::inverse_propensity(log), ebb::self_normalised_inverse_propensity(log)}) {
    CHECK(value.value == 1);
    CHECK(value.effective_showings == 4);
    CHECK(value.largest_weight == 1);
  }
  CHECK(ebb::inverse_propensity(log).standard_error == Approx(std::sqrt(2.0 / 4)));
}

TEST_CASE("weights by hand: plain, self-normalised and capped", "[off_policy]") {
  const std::vector<ebb::logged_showing> log{
      {1.0, std::log(0.5), std::log(0.25)}, {2.0, std::log(0.1), std::log(0.4)}, {5.0, std::log(0.3), -infinite}};
  CHECK(ebb::inverse_propensity(log).value == Approx((0.5 * 1 + 4 * 2) / 3));
  CHECK(ebb::inverse_propensity(log, 2).value == Approx((0.5 * 1 + 2 * 2) / 3));
  const auto normalised = ebb::self_normalised_inverse_propensity(log);
  CHECK(normalised.value == Approx((0.5 * 1 + 4 * 2) / 4.5));
  CHECK(normalised.effective_showings == Approx(4.5 * 4.5 / 16.25));
  CHECK(normalised.largest_weight == Approx(4));
  // A constant added to all rewards moves the self-normalised estimate by just that.
  auto raised = log;
  for (auto& s : raised) s.reward += 10;
  CHECK(ebb::self_normalised_inverse_propensity(raised).value == Approx(normalised.value + 10));
}

TEST_CASE("large weights and rewards neither overflow nor vanish", "[off_policy]") {
  // The same log in other units: each weight e^shift times as large.
  const std::vector<ebb::logged_showing> log{{1, -3, -1}, {0, -2, -1}, {2, -1, -5}, {-1, -4, -1}};
  const auto plain = ebb::inverse_propensity(log);
  const auto normalised = ebb::self_normalised_inverse_propensity(log);
  for (const double shift : {100.0, 400.0, 700.0, -400.0, -700.0})
    for (const double unit : {1.0, 1e-300, 1e300}) {
      auto moved = log;
      for (auto& s : moved) {
        (shift > 0 ? s.log_logged : s.log_target) -= std::abs(shift);
        s.reward *= unit;
      }
      const auto self = ebb::self_normalised_inverse_propensity(moved);
      CHECK(self.value / unit == Approx(normalised.value));
      CHECK(self.standard_error / unit == Approx(normalised.standard_error));
      CHECK(self.effective_showings == Approx(normalised.effective_showings));
      CHECK(self.largest_weight == Approx(std::exp(shift) * normalised.largest_weight));
      const double expected = plain.value * std::exp(shift) * unit;
      if (!std::isfinite(expected)) {
        CHECK_THROWS_WITH(ebb::inverse_propensity(moved), contains("the value must be finite"));
        continue;
      }
      const auto value = ebb::inverse_propensity(moved);
      CHECK(value.value == Approx(expected));
      CHECK(value.standard_error == Approx(plain.standard_error * std::exp(shift) * unit));
      CHECK(value.effective_showings == Approx(plain.effective_showings));
    }
  const std::vector<ebb::logged_showing> beyond{{1, -720, 0}, {1, -1, -1}};
  CHECK_THROWS_WITH(ebb::self_normalised_inverse_propensity(beyond), contains("a weight must be finite"));
  CHECK(ebb::self_normalised_inverse_propensity(beyond, 1e300).value == 1);
}

TEST_CASE("one showing tells no error", "[off_policy]") {
  using log = std::vector<ebb::logged_showing>;
  CHECK(ebb::inverse_propensity(log{{1, -2, -1}}).standard_error == infinite);
  CHECK(ebb::inverse_propensity(log{{1, -2, -1}}).value == Approx(std::exp(1.0)));
  const log one_weighted{{1, -2, -1}, {0, -1, -infinite}};
  CHECK(ebb::self_normalised_inverse_propensity(one_weighted).standard_error == infinite);
  CHECK(std::isfinite(ebb::inverse_propensity(one_weighted).standard_error));
  CHECK(ebb::inverse_propensity({}).standard_error == infinite);
  CHECK(ebb::self_normalised_inverse_propensity(log(2, {1, -1, -infinite})).standard_error == infinite);
  CHECK(ebb::inverse_propensity(log(2, {1, -1, -infinite})).effective_showings == 0);
}

TEST_CASE("off-policy estimates of nothing are nothing, and nonsense is refused", "[off_policy]") {
  CHECK(ebb::inverse_propensity({}).value == 0);
  const std::vector<ebb::logged_showing> none{{1.0, -1.0, -infinite}};
  CHECK(ebb::inverse_propensity(none).value == 0);
  CHECK(ebb::self_normalised_inverse_propensity(none).value == 0);
  using log = std::vector<ebb::logged_showing>;
  CHECK_THROWS_WITH(ebb::inverse_propensity(log{{1, -infinite, 0}}), contains("log_logged must be finite and <= 0"));
  CHECK_THROWS_AS(ebb::inverse_propensity(log{{std::nan(""), -1, -1}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::inverse_propensity(log{{1, -1, 0.5}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::inverse_propensity(log{{1, -1, std::nan("")}}), std::invalid_argument);
  CHECK_THROWS_AS(ebb::inverse_propensity(log{{1, -1, -1}}, 0), std::invalid_argument);
}

}  // namespace off_policy_test
