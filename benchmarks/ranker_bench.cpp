// SPDX-License-Identifier: MIT
// What does ranking cost per candidate: by hand, asking the store item by item and sorting all, and through the ranker?
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ebb/diversity.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/ranker.hpp>
#include <ebb/store_terms.hpp>
#include <stdexcept>
#include <vector>

namespace {

using store_type = ebb::interest_store<std::uint64_t, std::uint64_t>;

constexpr std::uint64_t items = 4096;
constexpr std::uint64_t users = 500;
constexpr std::uint64_t user = 7;
constexpr std::size_t k = 20;
const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));
const ebb::time_point now = start + std::chrono::days(100);
const ebb::timescales bank = ebb::timescales::log_spaced(std::chrono::minutes(1), std::chrono::years(4), 8);
const ebb::reading how = ebb::reading::inverse_half_life(bank);
const ebb::reading slow = ebb::reading::lane(bank, 7);

/// 200,000 events, so that the user and the items have a past.
const store_type& store() {
  static const store_type filled = [] {
    ebb::random_engine random(1);
    store_type s({.lanes = bank});
    for (int i = 0; i < 200000; ++i) {
      const auto item = static_cast<std::uint64_t>(static_cast<double>(items) * std::pow(random.uniform(), 3));
      s.observe(random.below(users), item, start + std::chrono::seconds(random.below(8640000)));
    }
    return s;
  }();
  return filled;
}

const ebb::ranker<store_type>& ranker() {
  static const ebb::ranker<store_type> made = [] {
    ebb::ranker<store_type> r;
    r.add(ebb::interest_term(how), {.role = ebb::term_role::own})
        .add(ebb::heat_term(how), {.weight = 0.01, .role = ebb::term_role::prior})
        .add(ebb::heat_term(slow, "long popularity"), {.weight = 0.01, .role = ebb::term_role::prior});
    return r;
  }();
  return made;
}

std::vector<std::uint64_t> candidates(std::size_t n) {
  ebb::random_engine random(2);
  std::vector<std::uint64_t> all(items);
  for (std::uint64_t i = 0; i < items; ++i) all[i] = i;
  random.shuffle(all.begin(), all.end());
  all.resize(n);
  return all;
}

std::vector<std::uint64_t> through_ranker(const std::vector<std::uint64_t>& from) {
  std::vector<std::uint64_t> best;
  for (const auto& r : ranker().rank(store(), user, now, from, {.k = k})) best.push_back(r.item);
  return best;
}

std::vector<std::uint64_t> by_hand(const std::vector<std::uint64_t>& from) {
  const double n = static_cast<double>(store().find(user)->events);
  std::vector<std::pair<double, std::uint64_t>> scored;
  for (const std::uint64_t item : from) {
    const double interest = store().interest(user, item, how, now);
    const double popularity = store().heat(item, how, now) + store().heat(item, slow, now);
    scored.emplace_back(n / (10 + n) * interest + 10 / (10 + n) * 0.01 * popularity, item);
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::uint64_t> best;
  for (std::size_t i = 0; i < std::min(k, scored.size()); ++i) best.push_back(scored[i].second);
  return best;
}

void run(benchmark::State& state, std::vector<std::uint64_t> (*way)(const std::vector<std::uint64_t>&)) {
  const auto from = candidates(static_cast<std::size_t>(state.range(0)));
  if (way(from) != by_hand(from)) throw std::logic_error("the ranking is wrong");
  for (auto _ : state) {
    const auto best = way(from);
    benchmark::DoNotOptimize(best.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// 20 of n by maximal marginal relevance, with a similarity that costs next to nothing.
void diversify(benchmark::State& state) {
  ebb::random_engine random(3);
  std::vector<double> scores(static_cast<std::size_t>(state.range(0)));
  for (double& s : scores) s = random.uniform();
  const auto similarity = [](std::size_t a, std::size_t b) { return a % 16 == b % 16 ? 1.0 : 0.0; };
  const auto first = ebb::diversify(scores, {.k = k}, similarity);
  if (scores[first.picks.front().index] != *std::max_element(scores.begin(), scores.end()))
    throw std::logic_error("the first pick is not the best");
  for (auto _ : state) {
    const auto list = ebb::diversify(scores, {.k = k}, similarity);
    benchmark::DoNotOptimize(list.picks.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK_CAPTURE(run, by_hand, &by_hand)->Arg(100)->Arg(4096);
BENCHMARK_CAPTURE(run, ranker, &through_ranker)->Arg(100)->Arg(4096);
BENCHMARK(diversify)->Arg(100)->Arg(4096);

}  // namespace
