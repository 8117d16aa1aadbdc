// SPDX-License-Identifier: MIT
// What does ranking cost per candidate: by hand, asking the store item by item and sorting all, and through the ranker?
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ebb/diversity.hpp>
#include <ebb/dpp.hpp>
#include <ebb/exploration.hpp>
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

void rank(benchmark::State& state, std::vector<std::uint64_t> (*way)(const std::vector<std::uint64_t>&)) {
  const auto from = candidates(static_cast<std::size_t>(state.range(0)));
  if (way(from) != by_hand(from)) throw std::logic_error("the ranking is wrong");
  for (auto _ : state) {
    const auto best = way(from);
    benchmark::DoNotOptimize(best.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// Scores, and unit vectors of 16 numbers whose cosines are the similarity, as a host with embeddings has them.
struct embedded {
  std::vector<double> scores;
  Eigen::MatrixXd vectors;  // (16, n)

  explicit embedded(std::int64_t n) : vectors(16, n) {
    ebb::random_engine random(3);
    for (std::int64_t i = 0; i < n; ++i) scores.push_back(random.uniform());
    for (double& x : vectors.reshaped()) x = random.normal();
    vectors.colwise().normalize();
  }

  [[nodiscard]] double operator()(std::size_t a, std::size_t b) const {
    return vectors.col(static_cast<Eigen::Index>(a)).dot(vectors.col(static_cast<Eigen::Index>(b)));
  }
};

constexpr std::size_t places = 10;
constexpr ebb::diversity_options mmr_options{.k = places};

std::vector<std::size_t> mmr(const embedded& from) {
  std::vector<std::size_t> list;
  for (const auto& pick : ebb::diversify(from.scores, mmr_options, from).picks) list.push_back(pick.index);
  return list;
}

/// MMR as it is usually written: every round looks at every pair of a candidate and a pick.
std::vector<std::size_t> mmr_by_hand(const embedded& from) {
  const auto [low, high] = std::minmax_element(from.scores.begin(), from.scores.end());
  std::vector<std::size_t> list;
  while (list.size() < places) {
    double best = -1e300;
    std::size_t next = 0;
    for (std::size_t i = 0; i < from.scores.size(); ++i) {
      if (std::find(list.begin(), list.end(), i) != list.end()) continue;
      double similar = list.empty() ? 0.0 : -1e300;
      for (const std::size_t j : list) similar = std::max(similar, from(i, j));
      const double gain =
          mmr_options.relevance * (from.scores[i] - *low) / (*high - *low) - (1 - mmr_options.relevance) * similar;
      if (gain > best) {
        best = gain;
        next = i;
      }
    }
    list.push_back(next);
  }
  return list;
}

std::vector<std::size_t> mmr_with_quotas(const embedded& from) {
  const auto category = [](std::size_t i) { return i % 7; };
  const auto quota = [](std::size_t c) { return std::size_t(c == 3 ? 2 : 0); };
  std::vector<std::size_t> list;
  for (const auto& pick : ebb::diversify(from.scores, {.k = places, .per_category = 3}, from, category, quota).picks)
    list.push_back(pick.index);
  return list;
}

std::vector<std::size_t> dpp(const embedded& from) {
  std::vector<std::size_t> list;
  for (const auto& pick : ebb::greedy_dpp(from.scores, {.k = places}, from)) list.push_back(pick.index);
  return list;
}

template <class Policy>
std::vector<std::size_t> explored(const Policy& policy, const embedded& from) {
  std::vector<std::size_t> list;
  for (const auto& pick : policy.draw(from.scores, places, 1).picks) list.push_back(pick.index);
  return list;
}

std::vector<std::size_t> epsilon_greedy(const embedded& from) { return explored(ebb::epsilon_greedy(0.1), from); }
std::vector<std::size_t> gumbel(const embedded& from) { return explored(ebb::gumbel_top_k(0.1), from); }

/// 10 of n; `same` is the way whose list it must be, if there is one.
void choose(benchmark::State& state, std::vector<std::size_t> (*way)(const embedded&),
            std::vector<std::size_t> (*same)(const embedded&)) {
  const embedded from(state.range(0));
  auto list = way(from);
  if (same != nullptr && list != same(from)) throw std::logic_error("the list is wrong");
  std::sort(list.begin(), list.end());
  if (list.size() != places || std::adjacent_find(list.begin(), list.end()) != list.end())
    throw std::logic_error("not ten different candidates");
  for (auto _ : state) {
    const auto chosen = way(from);
    benchmark::DoNotOptimize(chosen.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// A whole page: 1,000 candidates by five terms, and ten of them by MMR over what the terms said.
void page(benchmark::State& state) {
  const ebb::ranker<store_type> five = [] {
    auto r = ranker();
    r.add(ebb::function_term("host", [](std::uint64_t, std::uint64_t item, ebb::time_point) {
       return static_cast<double>(item % 97) / 97;
     })).add(ebb::interest_term(slow, "taste"), {.scale = ebb::normalisation::saturating()});
    return r;
  }();
  const auto from = candidates(1000);
  const embedded alike(1000);
  const auto make = [&] {
    return five.rank(
        store(), user, now, from, {}, [&](std::span<const std::uint64_t> kept, std::span<const double> scores) {
          std::vector<std::size_t> places_shown;
          const auto similarity = [&](std::size_t a, std::size_t b) { return alike(kept[a] % 1000, kept[b] % 1000); };
          for (const auto& pick : ebb::diversify(scores, {.k = places}, similarity).picks)
            places_shown.push_back(pick.index);
          return places_shown;
        });
  };
  if (make().size() != places || make().front().item != five.rank(store(), user, now, from).front().item)
    throw std::logic_error("the page is wrong");
  for (auto _ : state) {
    const auto list = make();
    benchmark::DoNotOptimize(list.data());
  }
}

BENCHMARK(page)->Name("page/ebb/1000");
BENCHMARK_CAPTURE(rank, by_hand, &by_hand)->Arg(100)->Arg(4096);
BENCHMARK_CAPTURE(rank, ebb, &through_ranker)->Arg(100)->Arg(4096);
BENCHMARK_CAPTURE(choose, mmr_by_hand, &mmr_by_hand, nullptr)->Name("mmr/by_hand")->Arg(1000);
BENCHMARK_CAPTURE(choose, mmr, &mmr, &mmr_by_hand)->Name("mmr/ebb")->Arg(1000);
BENCHMARK_CAPTURE(choose, mmr_with_quotas, &mmr_with_quotas, nullptr)->Name("mmr_with_quotas/ebb")->Arg(1000);
BENCHMARK_CAPTURE(choose, dpp, &dpp, nullptr)->Name("dpp/ebb")->Arg(1000);
BENCHMARK_CAPTURE(choose, epsilon_greedy, &epsilon_greedy, nullptr)->Name("epsilon_greedy/ebb")->Arg(1000);
BENCHMARK_CAPTURE(choose, gumbel_top_k, &gumbel, nullptr)->Name("gumbel_top_k/ebb")->Arg(1000);

}  // namespace
