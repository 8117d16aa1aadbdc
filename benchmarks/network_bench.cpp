// SPDX-License-Identifier: MIT
// What do one training step (forward, squared error, backward, Adam) and the score of one sample cost for small nets,
// beside libraries for networks and a plain loop of dynamic Eigen matrices? Names are train/who/sizes, an item being a
// sample of a minibatch of 256, and score/who/sizes, a call being one sample.
//
// Everybody has relu units, one linear output and Adam at its usual constants, and starts from the same flat parameters,
// per layer W column by column, then b, so the same steps must give the same outputs.
//
// The same file is compiled a second time for this machine, without ebb: there `who` ends in _native.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#ifndef EBB_BENCH_NATIVE
#include <ebb/loss.hpp>
#include <ebb/mlp.hpp>
#include <ebb/optimizer.hpp>
#ifdef EBB_BENCH_MLPACK
#define ARMA_DONT_USE_WRAPPER  // the libraries themselves
#define MLPACK_USE_SYSTEM_STB  // as Debian packages it
#include <mlpack.hpp>
#endif
#ifdef EBB_BENCH_DLIB
#include <dlib/dnn.h>
#endif
#ifdef EBB_BENCH_LIBTORCH
#include <torch/torch.h>
#endif
#endif

namespace {

constexpr double learning_rate = 1e-3;
constexpr Eigen::Index batch = 256;

/// A net by its sizes, inputs first: small enough a type for everybody's templates.
template <int... Sizes>
struct shape {
  static constexpr std::array<int, sizeof...(Sizes)> sizes = {Sizes...};
  static constexpr std::size_t layers = sizeof...(Sizes) - 1;
  static constexpr int inputs = sizes[0];

  static std::string name() {
    std::string out;
    for (const int size : sizes) out += (out.empty() ? "" : "-") + std::to_string(size);
    return out;
  }
  static constexpr Eigen::Index parameters() {
    Eigen::Index count = 0;
    for (std::size_t l = 0; l < layers; ++l) count += (sizes[l] + 1) * sizes[l + 1];
    return count;
  }
};

/// Seeded numbers in [−1, 1).
class numbers {
 public:
  explicit numbers(std::uint64_t seed) : state_(seed) {}
  float operator()() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<float>(static_cast<double>(state_ >> 11) * 0x1p-52 - 1);
  }

 private:
  std::uint64_t state_;
};

/// Glorot's uniform draws, biases a little above 0.
template <class Shape>
Eigen::VectorXf starting_parameters() {
  numbers next(1);
  Eigen::VectorXf flat(Shape::parameters());
  Eigen::Index at = 0;
  for (std::size_t l = 0; l < Shape::layers; ++l) {
    const float limit = std::sqrt(6.0F / static_cast<float>(Shape::sizes[l] + Shape::sizes[l + 1]));
    for (int i = 0; i < Shape::sizes[l] * Shape::sizes[l + 1]; ++i) flat[at++] = limit * next();
    for (int i = 0; i < Shape::sizes[l + 1]; ++i) flat[at++] = 0.01F;
  }
  return flat;
}

/// One minibatch: x uniform, y a smooth function of it.
struct samples {
  Eigen::MatrixXf x;  // (inputs, batch)
  Eigen::MatrixXf y;  // (1, batch)

  explicit samples(Eigen::Index inputs) : x(inputs, batch), y(1, batch) {
    numbers next(2);
    for (float& entry : x.reshaped()) entry = next();
    y = x.array().sin().colwise().sum().matrix();
  }
};

/// Layers as dynamic Eigen matrices and the textbook's formulas, with memory of its own for every result.
template <class Shape>
class by_eigen {
 public:
  explicit by_eigen(const Eigen::VectorXf& flat) {
    Eigen::Index at = 0;
    for (std::size_t l = 0; l < Shape::layers; ++l) {
      const Eigen::Index ins = Shape::sizes[l], outs = Shape::sizes[l + 1];
      weights_.push_back(Eigen::Map<const Eigen::MatrixXf>(flat.data() + at, outs, ins));
      biases_.push_back(flat.segment(at + outs * ins, outs));
      at += outs * (ins + 1);
      weight_steps_.push_back({Eigen::MatrixXf::Zero(outs, ins), Eigen::MatrixXf::Zero(outs, ins)});
      bias_steps_.push_back({Eigen::VectorXf::Zero(outs), Eigen::VectorXf::Zero(outs)});
    }
    values_.resize(Shape::layers);
    deltas_.resize(Shape::layers);
    sample_.resize(Shape::layers);
    weight_gradients_ = weights_;
    bias_gradients_ = biases_;
  }

  void step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) {
    constexpr std::size_t last = Shape::layers - 1;
    for (std::size_t l = 0; l <= last; ++l) {
      values_[l].noalias() = weights_[l] * (l == 0 ? x : values_[l - 1]);
      values_[l].colwise() += biases_[l];
      if (l < last) values_[l] = values_[l].cwiseMax(0.0F);
    }
    deltas_[last] = (values_[last] - y) * (2.0F / static_cast<float>(y.size()));
    for (std::size_t l = last; l > 0; --l) {
      deltas_[l - 1].noalias() = weights_[l].transpose() * deltas_[l];
      deltas_[l - 1] = (values_[l - 1].array() > 0.0F).select(deltas_[l - 1], 0.0F);
    }
    ++steps_;
    for (std::size_t l = 0; l <= last; ++l) {
      weight_gradients_[l].noalias() = deltas_[l] * (l == 0 ? x : values_[l - 1]).transpose();
      bias_gradients_[l] = deltas_[l].rowwise().sum();
      adam(weights_[l], weight_gradients_[l], weight_steps_[l]);
      adam(biases_[l], bias_gradients_[l], bias_steps_[l]);
    }
  }

  float score(const float* x) {
    for (std::size_t l = 0; l < Shape::layers; ++l) {
      if (l == 0)
        sample_[l].noalias() = weights_[l] * Eigen::Map<const Eigen::VectorXf>(x, Shape::inputs);
      else
        sample_[l].noalias() = weights_[l] * sample_[l - 1];
      sample_[l] += biases_[l];
      if (l + 1 < Shape::layers) sample_[l] = sample_[l].cwiseMax(0.0F);
    }
    return sample_.back()[0];
  }

 private:
  template <class Matrix>
  void adam(Matrix& parameters, const Matrix& gradient, std::pair<Matrix, Matrix>& state) const {
    auto& [mean, square] = state;
    mean = 0.9F * mean + 0.1F * gradient;
    square = 0.999F * square + 0.001F * gradient.cwiseAbs2();
    const auto t = static_cast<double>(steps_);
    const auto rate = static_cast<float>(learning_rate / (1 - std::pow(0.9, t)));
    const auto unbias = static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, t)));
    parameters.array() -= rate * mean.array() / (unbias * square.array().sqrt() + 1e-8F);
  }

  std::vector<Eigen::MatrixXf> weights_, weight_gradients_, values_, deltas_;
  std::vector<Eigen::VectorXf> biases_, bias_gradients_, sample_;
  std::vector<std::pair<Eigen::MatrixXf, Eigen::MatrixXf>> weight_steps_;
  std::vector<std::pair<Eigen::VectorXf, Eigen::VectorXf>> bias_steps_;
  int steps_ = 0;
};

#ifndef EBB_BENCH_NATIVE

template <class Shape>
class by_ebb {
 public:
  explicit by_ebb(const Eigen::VectorXf& flat)
      : network_(Shape::inputs, {.hidden = {Shape::sizes.begin() + 1, Shape::sizes.end() - 1}}),
        gradient_(flat.size()),
        output_gradient_(1, batch),
        output_(1, 1) {
    network_.parameters() = flat;
  }

  void step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) {
    const Eigen::Map<const Eigen::MatrixXf> output = network_.forward(x, memory_);
    ebb::squared_loss(output, y, output_gradient_);
    network_.backward(x, output_gradient_, memory_, gradient_);
    rule_.step(network_.parameters(), gradient_);
  }

  float score(const float* x) {
    network_.predict(Eigen::Map<const Eigen::MatrixXf>(x, Shape::inputs, 1), output_, memory_);
    return output_(0, 0);
  }

 private:
  ebb::mlp<float> network_;
  ebb::mlp_workspace<float> memory_;
  ebb::adam<float> rule_{{.learning_rate = learning_rate}};
  Eigen::VectorXf gradient_;
  Eigen::MatrixXf output_gradient_, output_;
};

#ifdef EBB_BENCH_MLPACK
template <class Shape>
class by_mlpack {
 public:
  explicit by_mlpack(const Eigen::VectorXf& flat)
      : rule_(learning_rate, batch, 0.9, 0.999, 1e-8, batch, 0.0, false, false) {
    for (std::size_t l = 0; l < Shape::layers; ++l) {
      network_.template Add<mlpack::LinearType<arma::fmat>>(static_cast<std::size_t>(Shape::sizes[l + 1]));
      if (l + 1 < Shape::layers) network_.template Add<mlpack::ReLUType<arma::fmat>>();
    }
    network_.Reset(static_cast<std::size_t>(Shape::inputs));
    std::copy_n(flat.data(), flat.size(), network_.Parameters().memptr());
  }

  void step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) {
    if (inputs_.empty()) {  // kept: what is timed is the training
      inputs_ = arma::fmat(x.data(), static_cast<arma::uword>(x.rows()), static_cast<arma::uword>(x.cols()));
      targets_ = arma::fmat(y.data(), 1, static_cast<arma::uword>(y.cols()));
    }
    network_.Train(inputs_, targets_, rule_);
  }

  float score(const float* x) {
    const arma::fmat sample(const_cast<float*>(x), static_cast<arma::uword>(Shape::inputs), 1, false, true);
    network_.Predict(sample, output_);
    return output_(0, 0);
  }

 private:
  mlpack::FFN<mlpack::MeanSquaredErrorType<arma::fmat>, mlpack::ConstInitialization, arma::fmat> network_;
  ens::Adam rule_;
  arma::fmat inputs_, targets_, output_;
};
#endif

#ifdef EBB_BENCH_DLIB
template <class Shape, std::size_t L>
struct dlib_layers {
  using type =
      dlib::relu<dlib::fc<static_cast<unsigned long>(Shape::sizes[L]), typename dlib_layers<Shape, L - 1>::type>>;
};
template <class Shape>
struct dlib_layers<Shape, 0> {
  using type = dlib::input<dlib::matrix<float>>;
};

template <class Shape>
class by_dlib {
 public:
  explicit by_dlib(const Eigen::VectorXf& flat)
      : solvers_(network_.num_computational_layers, dlib::adam(0.0F, 0.9F, 0.999F)) {
    load(std::vector<dlib::matrix<float>>(1, dlib::zeros_matrix<float>(Shape::inputs, 1)));
    network_.subnet().forward(inputs_);  // sets the layers up
    const float* end = flat.data() + flat.size();
    dlib::visit_computational_layers(network_, [&](auto& layer) {
      dlib::tensor& to = layer.get_layer_params();
      if (to.size() == 0) return;
      end -= to.size();
      std::copy_n(end, to.size(), to.host());
    });
  }

  void step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) {
    if (targets_.empty()) {  // kept: what is timed is the training
      std::vector<dlib::matrix<float>> columns;
      for (Eigen::Index j = 0; j < x.cols(); ++j) columns.push_back(column(x.col(j).data()));
      load(columns);
      targets_.assign(y.data(), y.data() + y.size());
    }
    network_.compute_parameter_gradients(inputs_, targets_.begin());
    network_.update_parameters(solvers_, learning_rate);
  }

  float score(const float* x) { return network_(column(x)); }

 private:
  using network = dlib::loss_mean_squared<dlib::fc<1, typename dlib_layers<Shape, Shape::layers - 1>::type>>;

  static dlib::matrix<float> column(const float* x) { return dlib::mat(x, Shape::inputs, 1); }
  void load(const std::vector<dlib::matrix<float>>& columns) {
    network_.to_tensor(columns.begin(), columns.end(), inputs_);
  }

  network network_;
  std::vector<dlib::adam> solvers_;
  dlib::resizable_tensor inputs_;
  std::vector<float> targets_;
};
#endif

#ifdef EBB_BENCH_LIBTORCH
template <class Shape>
class by_libtorch {
 public:
  explicit by_libtorch(const Eigen::VectorXf& flat)
      : network_(made(flat)), solver_(network_->parameters(), torch::optim::AdamOptions(learning_rate)) {
    torch::set_num_threads(1);
  }

  void step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) {
    if (!inputs_.defined()) {  // kept: what is timed is the training
      inputs_ = torch::from_blob(const_cast<float*>(x.data()), {batch, Shape::inputs}).clone();
      targets_ = torch::from_blob(const_cast<float*>(y.data()), {batch, 1}).clone();
    }
    solver_.zero_grad();
    torch::mse_loss(network_->forward(inputs_), targets_).backward();
    solver_.step();
  }

  float score(const float* x) {
    const torch::NoGradGuard no_gradient;
    return network_->forward(torch::from_blob(const_cast<float*>(x), {1, Shape::inputs})).template item<float>();
  }

 private:
  static torch::nn::Sequential made(const Eigen::VectorXf& flat) {
    const torch::NoGradGuard no_gradient;
    torch::nn::Sequential network;
    auto* at = const_cast<float*>(flat.data());
    for (std::size_t l = 0; l < Shape::layers; ++l) {
      const int ins = Shape::sizes[l], outs = Shape::sizes[l + 1];
      torch::nn::Linear layer(ins, outs);
      layer->weight.copy_(torch::from_blob(at, {ins, outs}).t());
      layer->bias.copy_(torch::from_blob(at + ins * outs, {outs}));
      at += (ins + 1) * outs;
      network->push_back(layer);
      if (l + 1 < Shape::layers) network->push_back(torch::nn::ReLU());
    }
    return network;
  }

  torch::nn::Sequential network_;
  torch::optim::Adam solver_;
  torch::Tensor inputs_, targets_;
};
#endif

#endif  // EBB_BENCH_NATIVE

/// Everybody's outputs after twenty steps, against those of the plain loop.
template <class Network, class Shape>
void check(Network& network) {
  const samples data(Shape::inputs);
  by_eigen<Shape> wanted(starting_parameters<Shape>());
  for (int i = 0; i < 20; ++i) {
    network.step(data.x, data.y);
    wanted.step(data.x, data.y);
  }
  for (Eigen::Index j = 0; j < batch; ++j) {
    const float truth = wanted.score(data.x.col(j).data());
    if (!(std::abs(network.score(data.x.col(j).data()) - truth) <= 1e-3F * (1 + std::abs(truth))))
      throw std::logic_error("the trained network is another");
  }
}

template <class Network, class Shape>
void train(benchmark::State& state) {
  Network network(starting_parameters<Shape>());
  check<Network, Shape>(network);
  const samples data(Shape::inputs);
  for (auto _ : state) network.step(data.x, data.y);
  state.SetItemsProcessed(state.iterations() * batch);
}

template <class Network, class Shape>
void score(benchmark::State& state) {
  Network network(starting_parameters<Shape>());
  check<Network, Shape>(network);
  const samples data(Shape::inputs);
  Eigen::Index j = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(network.score(data.x.col(j).data()));
    j = (j + 1) % batch;
  }
}

template <template <class> class Network, class Shape>
void add(std::string who) {
#ifdef EBB_BENCH_NATIVE
  who += "_native";
#endif
  who += "/" + Shape::name();
  benchmark::RegisterBenchmark(("train/" + who).c_str(), train<Network<Shape>, Shape>);
  benchmark::RegisterBenchmark(("score/" + who).c_str(), score<Network<Shape>, Shape>);
}

template <class Shape>
void add_everyone() {
#ifndef EBB_BENCH_NATIVE
  add<by_ebb, Shape>("ebb");
#ifdef EBB_BENCH_MLPACK
  add<by_mlpack, Shape>("mlpack");
#endif
#ifdef EBB_BENCH_DLIB
  add<by_dlib, Shape>("dlib");
#endif
#ifdef EBB_BENCH_LIBTORCH
  add<by_libtorch, Shape>("libtorch");
#endif
#endif
  add<by_eigen, Shape>("eigen");
}

[[maybe_unused]] const bool added = [] {
  add_everyone<shape<1, 10, 1>>();
  add_everyone<shape<8, 32, 16, 1>>();
  add_everyone<shape<16, 64, 64, 1>>();
  return true;
}();

}  // namespace
