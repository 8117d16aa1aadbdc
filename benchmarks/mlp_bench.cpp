// SPDX-License-Identifier: MIT
// What does one training pass (forward and backward) over a batch of candidates cost, beside plain loops over one sample
// at a time? Items per second are candidates per second; the two must agree on the gradient before they are timed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "ebb/mlp.hpp"

namespace {

constexpr Eigen::Index inputs = 173;

Eigen::MatrixXf candidates(Eigen::Index batch) {
  ebb::random_engine random(1);
  Eigen::MatrixXf x(inputs, batch);
  for (float& entry : x.reshaped()) entry = static_cast<float>(random.normal());
  return x;
}

ebb::mlp<float> ranker(ebb::activation kind, double dropout = 0.0) {
  return ebb::mlp<float>(inputs, {.hidden = {48, 32}, .hidden_activation = kind, .dropout = dropout});
}

// Plain loops over one sample at a time, in the order the weights lie in memory; relu units, the same flat parameters.
class by_loops {
 public:
  explicit by_loops(const ebb::mlp<float>& network) : weights_(network.parameters()) {
    sizes_ = {inputs};
    for (const Eigen::Index units : network.options().hidden) sizes_.push_back(units);
    sizes_.push_back(network.outputs());
    Eigen::Index start = 0;
    for (std::size_t l = 0; l < sizes_.size(); ++l) {
      values_.emplace_back(sizes_[l]);
      starts_.push_back(start);
      if (l + 1 < sizes_.size()) start += sizes_[l + 1] * (sizes_[l] + 1);
    }
    deltas_ = values_;
  }

  // Adds one sample's share of the gradient, with ∂ loss / ∂ output = 1.
  void pass(const float* x, Eigen::VectorXf& gradient) {
    const std::size_t last = sizes_.size() - 1;
    std::copy_n(x, inputs, values_[0].data());
    for (std::size_t l = 0; l < last; ++l) {
      const Eigen::Index ins = sizes_[l], outs = sizes_[l + 1];
      const float* weight = weights_.data() + starts_[l];
      float* const z = values_[l + 1].data();
      std::copy_n(weight + ins * outs, outs, z);
      for (Eigen::Index in = 0; in < ins; ++in)
        for (Eigen::Index out = 0; out < outs; ++out) z[out] += *weight++ * values_[l][in];
      for (Eigen::Index out = 0; l + 1 < last && out < outs; ++out) z[out] = std::max(0.0F, z[out]);
    }
    deltas_[last].setOnes();
    for (std::size_t l = last; l-- > 0;) {
      const Eigen::Index ins = sizes_[l], outs = sizes_[l + 1];
      const float* weight = weights_.data() + starts_[l];
      float* to = gradient.data() + starts_[l];
      float* const delta = deltas_[l + 1].data();
      for (Eigen::Index out = 0; l + 1 < last && out < outs; ++out)
        if (values_[l + 1][out] <= 0.0F) delta[out] = 0.0F;
      for (Eigen::Index in = 0; in < ins; ++in) {
        float sum = 0.0F;
        for (Eigen::Index out = 0; out < outs; ++out) {
          *to++ += delta[out] * values_[l][in];
          sum += delta[out] * *weight++;
        }
        deltas_[l][in] = sum;
      }
      for (Eigen::Index out = 0; out < outs; ++out) *to++ += delta[out];
    }
  }

 private:
  Eigen::Map<const Eigen::VectorXf> weights_;
  std::vector<Eigen::Index> sizes_, starts_;
  std::vector<Eigen::VectorXf> values_, deltas_;
};

void require_same_gradient(const ebb::mlp<float>& network, const Eigen::MatrixXf& x) {
  Eigen::VectorXf ours(network.parameter_count()), theirs = Eigen::VectorXf::Zero(network.parameter_count());
  ebb::mlp_workspace<float> memory;
  network.forward(x, memory);
  network.backward(x, Eigen::MatrixXf::Ones(1, x.cols()), memory, ours);
  by_loops loops(network);
  for (Eigen::Index j = 0; j < x.cols(); ++j) loops.pass(x.col(j).data(), theirs);
  if ((ours - theirs).norm() > 1e-4F * theirs.norm()) throw std::runtime_error("the two gradients differ");
}

void train(benchmark::State& state, const ebb::mlp<float>& network) {
  const Eigen::MatrixXf x = candidates(state.range(0)), output_gradient = Eigen::MatrixXf::Ones(1, x.cols());
  Eigen::VectorXf gradient(network.parameter_count());
  ebb::mlp_workspace<float> memory;
  ebb::random_engine random(2);
  for (auto _ : state) {
    network.forward(x, memory, &random);
    network.backward(x, output_gradient, memory, gradient);
    benchmark::DoNotOptimize(gradient.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * x.cols());
}

void train_relu(benchmark::State& state) {
  const ebb::mlp<float> network = ranker(ebb::activation::relu);
  require_same_gradient(network, candidates(300));
  train(state, network);
}
void train_gelu(benchmark::State& state) { train(state, ranker(ebb::activation::gelu)); }
void train_gelu_dropout(benchmark::State& state) { train(state, ranker(ebb::activation::gelu, 0.1)); }

void train_relu_by_loops(benchmark::State& state) {
  const ebb::mlp<float> network = ranker(ebb::activation::relu);
  const Eigen::MatrixXf x = candidates(state.range(0));
  Eigen::VectorXf gradient(network.parameter_count());
  by_loops loops(network);
  for (auto _ : state) {
    gradient.setZero();
    for (Eigen::Index j = 0; j < x.cols(); ++j) loops.pass(x.col(j).data(), gradient);
    benchmark::DoNotOptimize(gradient.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * x.cols());
}

void predict_gelu(benchmark::State& state) {
  const ebb::mlp<float> network = ranker(ebb::activation::gelu);
  const Eigen::MatrixXf x = candidates(state.range(0));
  Eigen::MatrixXf output(1, x.cols());
  ebb::mlp_workspace<float> memory;
  for (auto _ : state) {
    network.predict(x, output, memory);
    benchmark::DoNotOptimize(output.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * x.cols());
}

}  // namespace

BENCHMARK(train_relu_by_loops)->Name("pass_relu/loops")->Arg(3000)->Unit(benchmark::kMicrosecond);
BENCHMARK(train_relu)->Name("pass_relu/ebb")->Arg(32)->Arg(3000)->Unit(benchmark::kMicrosecond);
BENCHMARK(train_gelu)->Name("pass_gelu/ebb")->Arg(3000)->Unit(benchmark::kMicrosecond);
BENCHMARK(train_gelu_dropout)->Name("pass_gelu_dropout/ebb")->Arg(3000)->Unit(benchmark::kMicrosecond);
BENCHMARK(predict_gelu)->Name("predict_gelu/ebb")->Arg(50)->Arg(3000)->Unit(benchmark::kMicrosecond);
