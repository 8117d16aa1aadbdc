// SPDX-License-Identifier: MIT
// What does one decayed weight cost: by hand with std::exp or std::pow, through ebb one by one, and in a batch?
#include <benchmark/benchmark.h>

#include <cmath>
#include <ebb/decay.hpp>
#include <ebb/random.hpp>
#include <numbers>
#include <stdexcept>

namespace {

constexpr Eigen::Index count = 4096;
const ebb::duration half_life = std::chrono::days(7);

/// Gaps in hours, from minutes to a year.
const Eigen::ArrayXd& gaps() {
  static const Eigen::ArrayXd hours = [] {
    ebb::random_engine random(1);
    Eigen::ArrayXd x(count);
    for (double& gap : x) gap = 0.1 * std::pow(1e5, random.uniform());
    return x;
  }();
  return hours;
}

template <class Decay>
Eigen::ArrayXd by_hand(const Decay&) {
  Eigen::ArrayXd out(count);
  const double h = half_life / std::chrono::hours(1);
  for (Eigen::Index i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<Decay, ebb::exponential_decay<>>) {
      out(i) = std::exp(-std::numbers::ln2 / h * gaps()(i));
    } else {
      out(i) = std::pow(1 + gaps()(i) / (h / 3), -0.5);  // p = 1/2: scale = half-life / (2² − 1)
    }
  }
  return out;
}

template <class Decay>
Eigen::ArrayXd one_by_one(const Decay& decay) {
  Eigen::ArrayXd out(count);
  for (Eigen::Index i = 0; i < count; ++i) out(i) = decay(gaps()(i) * ebb::duration(std::chrono::hours(1)));
  return out;
}

template <class Decay>
Eigen::ArrayXd batch(const Decay& decay) {
  return ebb::evaluate(decay, gaps(), std::chrono::hours(1));
}

template <class Decay>
void run(benchmark::State& state, Eigen::ArrayXd (*way)(const Decay&), const Decay& decay) {
  if (!((way(decay) - by_hand(decay)).abs().maxCoeff() < 1e-12)) throw std::logic_error("the result is wrong");
  for (auto _ : state) {
    const Eigen::ArrayXd out = way(decay);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * count);
}

const ebb::exponential_decay exponential(half_life);
const ebb::power_law_decay power_law(half_life, {.exponent = 0.5});

BENCHMARK_CAPTURE(run, exponential_by_hand, &by_hand<ebb::exponential_decay<>>, exponential);
BENCHMARK_CAPTURE(run, exponential_one_by_one, &one_by_one<ebb::exponential_decay<>>, exponential);
BENCHMARK_CAPTURE(run, exponential_batch, &batch<ebb::exponential_decay<>>, exponential);
BENCHMARK_CAPTURE(run, power_law_by_hand, &by_hand<ebb::power_law_decay<>>, power_law);
BENCHMARK_CAPTURE(run, power_law_one_by_one, &one_by_one<ebb::power_law_decay<>>, power_law);
BENCHMARK_CAPTURE(run, power_law_batch, &batch<ebb::power_law_decay<>>, power_law);

}  // namespace
