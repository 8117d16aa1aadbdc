// SPDX-License-Identifier: MIT
// What does it cost to rank all of a user's items by the learned odds of a return: reading the features, and the whole query, beside
// evaluating the formula member by member? The network is the default one: three members of 48 and 32 hidden units. Times are of a query,
// each of another user; run with --benchmark_repetitions=9 --benchmark_report_aggregates_only=true for medians.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/return_features.hpp>
#include <ebb/return_network.hpp>
#include <ebb/return_trainer.hpp>
#include <map>
#include <memory>
#include <stdexcept>

namespace {

using store_type = ebb::interest_store<std::uint64_t, std::uint64_t>;

constexpr std::uint64_t users = 64;
constexpr std::uint64_t items = 4096;
const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));
const ebb::time_point now = start + std::chrono::days(200);

/// Users with `candidates` items each, used three times on average.
const store_type& store_of(std::int64_t candidates) {
  static std::map<std::int64_t, std::unique_ptr<store_type>> made;
  std::unique_ptr<store_type>& store = made[candidates];
  if (store) return *store;
  store = std::make_unique<store_type>(
      ebb::return_store_options(ebb::timescales::log_spaced(std::chrono::hours(1), std::chrono::days(400), 8)));
  ebb::random_engine random(1);
  const auto n = static_cast<std::uint64_t>(candidates);
  for (std::uint64_t user = 0; user < users; ++user)
    for (std::uint64_t e = 0; e < 3 * n; ++e) {
      const std::uint64_t item = (user * 31 + (e < n ? e : random.below(n)) * 7) % items;
      store->observe(user, item, start + std::chrono::seconds(random.below(200 * 86400)));
    }
  return *store;
}

/// The default shape, with weights drawn anew: what they are does not change what they cost.
ebb::return_network network_of(const store_type& store) {
  const ebb::return_features<store_type> features(store);
  const ebb::return_trainer_options shape;
  ebb::return_network out{.lanes = store.lanes(), .weights = {}, .sharpness = 1.2, .blend = 0.75};
  const ebb::reading how = ebb::reading::inverse_half_life(store.lanes());
  out.weights.assign(how.weights().begin(), how.weights().end());
  out.mean = Eigen::VectorXf::Constant(features.size(), 1.0F);
  out.scale = Eigen::VectorXf::Constant(features.size(), 3.0F);
  out.candidate_features = features.candidate_features();
  for (int m = 0; m < shape.members; ++m)
    out.members.push_back({ebb::mlp<float>(out.inputs(), {.hidden = shape.hidden,
                                                          .hidden_activation = ebb::activation::gelu,
                                                          .seed = static_cast<std::uint64_t>(m)}),
                           Eigen::VectorXf::Constant(out.inputs(), 0.01F * static_cast<float>(m))});
  return out;
}

/// The formula of return_network as it stands there, with whole matrices.
Eigen::VectorXd member_by_member(const ebb::return_network& network, ebb::return_features<store_type>& features,
                                 const store_type& store, const store_type::user_state& user) {
  features.compute(store, user, now);
  const Eigen::Map<const Eigen::VectorXd> pi(network.weights.data(), store.lanes().size());
  const Eigen::MatrixXd lanes = features.log_lanes();
  const Eigen::VectorXd base = network.sharpness * (lanes.array().exp().matrix() * pi).array().log();
  const auto values = features.values().transpose();
  Eigen::MatrixXf x(network.inputs(), values.cols());
  const Eigen::Index size = network.mean.size();
  const Eigen::Index own = network.candidate_features;
  x.topRows(size) = ((values.colwise() - network.mean).array().colwise() / network.scale.array())
                        .max(-ebb::return_network::clip)
                        .min(ebb::return_network::clip);
  const Eigen::VectorXf mean = (values.rowwise().mean() - network.mean).cwiseQuotient(network.scale);
  x.bottomRows(own) = x.topRows(own).colwise() - mean.head(own);
  Eigen::RowVectorXf sum = Eigen::RowVectorXf::Zero(x.cols());
  for (const auto& m : network.members) sum += m.network.predict(x) + m.linear.transpose() * x;
  return base + network.blend / static_cast<double>(network.members.size()) * sum.transpose().cast<double>();
}

template <class Query>
void run(benchmark::State& state, Query query) {
  const store_type& store = store_of(state.range(0));
  std::uint64_t user = 0;
  for (auto _ : state) {
    query(store, *store.find(user));
    user = (user + 1) % users;
  }
}

void features(benchmark::State& state) {
  ebb::return_features<store_type> read(store_of(state.range(0)));
  run(state, [&](const store_type& store, const auto& user) {
    read.compute_values(store, user, now);
    benchmark::DoNotOptimize(read.values().data());
  });
}

void scorer(benchmark::State& state) {
  const store_type& filled = store_of(state.range(0));
  const ebb::return_network network = network_of(filled);
  ebb::return_scorer<store_type> scored(filled, network);
  ebb::return_features<store_type> read(filled);
  const Eigen::VectorXd wanted = member_by_member(network, read, filled, *filled.find(0));
  if (!((scored.score(*filled.find(0), now) - wanted).array().abs() < 1e-3).all())
    throw std::runtime_error("the scorer does not give what the formula gives");
  run(state, [&](const store_type&, const auto& user) { benchmark::DoNotOptimize(scored.score(user, now).data()); });
}

/// The same user again and again, whose state is in the cache by then.
void scorer_warm(benchmark::State& state) {
  const store_type& filled = store_of(state.range(0));
  ebb::return_scorer<store_type> scored(filled, network_of(filled));
  const auto& user = *filled.find(0);
  for (auto _ : state) benchmark::DoNotOptimize(scored.score(user, now).data());
}

void by_member(benchmark::State& state) {
  const store_type& filled = store_of(state.range(0));
  const ebb::return_network network = network_of(filled);
  ebb::return_features<store_type> read(filled);
  run(state, [&](const store_type& store, const auto& user) {
    benchmark::DoNotOptimize(member_by_member(network, read, store, user).data());
  });
}

}  // namespace

BENCHMARK(features)->Name("return_features/ebb")->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);
BENCHMARK(scorer)->Name("return_score/ebb")->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);
BENCHMARK(scorer_warm)->Name("return_score/ebb_warm")->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);
BENCHMARK(by_member)->Name("return_score/by_member")->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);
