// SPDX-License-Identifier: MIT
// What do one user's ten best of n items cost, their state in the cache: from the store, by an exponential an item and
// lane, and by a matrix of decayed sums times a vector, with Eigen or as an index of faiss's? Names are path/who/n.
//
// The same file is compiled a second time for this machine, without ebb: there `who` ends in _native.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench_size.hpp"

#ifndef EBB_BENCH_NATIVE
#include <ebb/interest_store.hpp>
#endif
#if defined(EBB_BENCH_FAISS) && !defined(EBB_BENCH_NATIVE)
#include <faiss/IndexFlat.h>
#endif

namespace {

using scored = std::pair<float, std::uint32_t>;
constexpr std::size_t places = 10;
constexpr std::size_t events_of_an_item = 3;
constexpr double hour = 3600;

/// Half-lives of K lanes, in seconds; a reading takes as much from each.
template <int K>
constexpr std::array<double, K> half_lives = [] {
  std::array<double, K> h{};
  for (int k = 0; k < K; ++k)
    h[static_cast<std::size_t>(k)] = K == 1 ? 24 * hour : (k == 0 ? hour : 4 * h[static_cast<std::size_t>(k) - 1]);
  return h;
}();

struct event {
  std::uint32_t item;
  double time;    // seconds, in order
  double amount;  // no two the same, so that no two items tie
};

/// n items used three times each on average, within sixty days.
std::vector<event> log_of(std::size_t n) {
  std::uint64_t state = 1;
  const auto uniform = [&] {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state >> 11) * 0x1p-53;
  };
  std::vector<event> log;
  for (std::size_t i = 0; i < events_of_an_item * n; ++i) {
    const auto item = i < n ? i : static_cast<std::size_t>(uniform() * static_cast<double>(n));
    log.push_back({static_cast<std::uint32_t>(item), std::floor(uniform() * 60 * 24 * hour), 0.5 + uniform()});
  }
  std::sort(log.begin(), log.end(), [](const event& a, const event& b) { return a.time < b.time; });
  return log;
}

/// The n best of all scores, highest first.
std::vector<scored> best_of(std::vector<scored>& all) {
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(places);
  std::partial_sort(all.begin(), end, all.end(), std::greater<>{});
  return {all.begin(), end};
}

/// (value, time) for each item and lane, as it is mostly written.
template <int K>
class by_exponentials {
 public:
  by_exponentials(const std::vector<event>& log, std::size_t n) : items_(n), scores_(n) {
    for (const event& e : log) {
      item& i = items_[e.item];
      for (std::size_t k = 0; k < K; ++k)
        i.values[k] = static_cast<float>(i.values[k] * std::exp2((i.last - e.time) / half_lives<K>[k]) + e.amount);
      i.last = e.time;
    }
  }
  std::vector<scored> top(double now) {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const auto age = static_cast<float>(now - items_[i].last);
      float sum = 0;
      for (std::size_t k = 0; k < K; ++k)
        sum += items_[i].values[k] * std::exp2(age * static_cast<float>(-1 / half_lives<K>[k]));
      scores_[i] = {sum / K, static_cast<std::uint32_t>(i)};
    }
    return best_of(scores_);
  }

 private:
  struct item {
    std::array<float, K> values{};
    double last = 0;
  };
  std::vector<item> items_;
  std::vector<scored> scores_;
};

/// Sums as of the user's newest event, (n, K), and what a reading takes from each lane at a later moment.
template <int K>
struct decayed_sums {
  Eigen::Matrix<float, Eigen::Dynamic, K> sums;
  double landmark;

  decayed_sums(const std::vector<event>& log, std::size_t n) : landmark(log.back().time) {
    Eigen::Matrix<double, Eigen::Dynamic, K> exact;
    exact.setZero(static_cast<Eigen::Index>(n), K);
    for (const event& e : log)
      for (int k = 0; k < K; ++k)
        exact(e.item, k) += e.amount * std::exp2((e.time - landmark) / half_lives<K>[static_cast<std::size_t>(k)]);
    sums = exact.template cast<float>();
  }
  [[nodiscard]] Eigen::Matrix<float, K, 1> weights(double now) const {
    Eigen::Matrix<float, K, 1> w;
    for (int k = 0; k < K; ++k)
      w[k] = static_cast<float>(std::exp2((landmark - now) / half_lives<K>[static_cast<std::size_t>(k)]) / K);
    return w;
  }
};

template <int K>
class by_eigen {
 public:
  by_eigen(const std::vector<event>& log, std::size_t n) : state_(log, n), products_(state_.sums.rows()), scores_(n) {}
  std::vector<scored> top(double now) {
    products_.noalias() = state_.sums * state_.weights(now);
    for (std::size_t i = 0; i < scores_.size(); ++i)
      scores_[i] = {products_[static_cast<Eigen::Index>(i)], static_cast<std::uint32_t>(i)};
    return best_of(scores_);
  }

 private:
  decayed_sums<K> state_;
  Eigen::VectorXf products_;
  std::vector<scored> scores_;
};

#if defined(EBB_BENCH_FAISS) && !defined(EBB_BENCH_NATIVE)
template <int K>
class by_faiss {
 public:
  by_faiss(const std::vector<event>& log, std::size_t n) : state_(log, n), index_(K) {
    const Eigen::Matrix<float, K, Eigen::Dynamic> rows = state_.sums.transpose();
    index_.add(static_cast<std::int64_t>(n), rows.data());
  }
  std::vector<scored> top(double now) {
    const Eigen::Matrix<float, K, 1> weights = state_.weights(now);
    std::array<float, places> scores{};
    std::array<std::int64_t, places> items{};
    index_.search(1, weights.data(), places, scores.data(), items.data());
    std::vector<scored> best;
    best.reserve(places);
    for (std::size_t i = 0; i < places; ++i) best.emplace_back(scores[i], static_cast<std::uint32_t>(items[i]));
    return best;
  }

 private:
  decayed_sums<K> state_;
  faiss::IndexFlatIP index_;
};
#endif

#ifndef EBB_BENCH_NATIVE
template <int K>
class by_ebb {
 public:
  by_ebb(const std::vector<event>& log, std::size_t) : how_(reading()), store_({.lanes = how_.bank(), .heat = false}) {
    for (const event& e : log) store_.observe(0, e.item, moment(e.time), e.amount);
  }
  std::vector<scored> top(double now) {
    std::vector<scored> best;
    best.reserve(places);
    for (const auto& r : store_.top(0, places, how_, moment(now)))
      best.emplace_back(static_cast<float>(r.interest), r.item);
    return best;
  }

 private:
  static ebb::reading reading() {
    std::vector<ebb::duration> bank;
    for (const double h : half_lives<K>) bank.emplace_back(h);
    return {ebb::timescales(bank), std::vector<double>(K, 1.0 / K)};
  }
  static ebb::time_point moment(double seconds) {
    return std::chrono::sys_days(std::chrono::days(20000)) + std::chrono::seconds(std::llround(seconds));
  }

  ebb::reading how_;
  ebb::interest_store<std::uint32_t, std::uint32_t, float, K> store_;
};
#endif

/// Place by place against the sums over all events; two items as near as float's rounding may come in either order.
template <int K>
void check(const std::vector<scored>& best, const std::vector<event>& log, std::size_t n, double now) {
  std::vector<double> truth(n);
  for (const event& e : log)
    for (const double h : half_lives<K>) truth[e.item] += e.amount * std::exp2((e.time - now) / h) / K;
  std::vector<double> sorted = truth;
  std::sort(sorted.begin(), sorted.end(), std::greater<>{});
  for (std::size_t i = 0; i < places; ++i)
    if (!(std::abs(static_cast<double>(best.at(i).first) - sorted[i]) < 1e-4 * sorted[i] &&
          std::abs(truth[best[i].second] - sorted[i]) < 1e-5 * sorted[i]))
      throw std::logic_error("the ten best are wrong");
}

template <int K, class Way>
void top10(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<event> log = log_of(n);
  Way way(log, n);
  double now = log.back().time + hour;
  check<K>(way.top(now), log, n, now);
  for (auto _ : state) {
    benchmark::DoNotOptimize(way.top(now).data());
    now += 1;
  }
}

template <int K, class Way>
void add(std::string who) {
#ifdef EBB_BENCH_NATIVE
  who += "_native";
#endif
  benchmark::RegisterBenchmark(("top10_k" + std::to_string(K) + "/" + who).c_str(), top10<K, Way>)
      ->RangeMultiplier(10)
      ->Range(1'000, bench_size(10'000, 100'000, 100'000));
}

template <int K>
void add_everyone() {
#ifndef EBB_BENCH_NATIVE
  add<K, by_ebb<K>>("ebb");
#ifdef EBB_BENCH_FAISS
  add<K, by_faiss<K>>("faiss");
#endif
#endif
  add<K, by_exponentials<K>>("exponentials");
  add<K, by_eigen<K>>("eigen");
}

[[maybe_unused]] const bool added = [] {
  add_everyone<8>();
  add_everyone<1>();
  return true;
}();

}  // namespace
