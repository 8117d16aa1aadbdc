// SPDX-License-Identifier: MIT
#ifndef EBB_MLP_HPP
#define EBB_MLP_HPP

#include "ebb/activation.hpp"
#include "ebb/detail/shape.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

namespace ebb {

/// The shape of a network and how it starts.
struct mlp_options {
  std::vector<Eigen::Index> hidden = {48, 32};  ///< units of each hidden layer; none makes a linear model
  Eigen::Index outputs = 1;
  activation hidden_activation = activation::relu;
  activation output_activation = activation::identity;
  double dropout = 0.0;      ///< share of hidden units left out at random while training, in [0, 1)
  bool zero_output = false;  ///< start the last layer's weights at zero: every output is φ(0) until it has learned
  std::uint64_t seed = 1;    ///< of the starting weights
};

template <std::floating_point T>
class mlp;

/// What a pass through an `mlp` leaves behind and the next one reuses; one per thread, for any number of networks.
///
/// Memory grows to the largest batch seen and is kept: passes over batches no larger allocate nothing, as long as Eigen
/// can pack a layer's weights on the stack (EIGEN_STACK_ALLOCATION_LIMIT, 128 KiB unless set).
template <std::floating_point T = double>
class mlp_workspace {
  friend class mlp<T>;
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

  static void grow(vector& memory, Eigen::Index size) {
    if (memory.size() < size) memory.resize(size);
  }

  std::vector<vector> values_;   // per layer (units, batch): φ(z), after dropout
  std::vector<vector> slopes_;   // per layer (units, batch): φ′(z) times dropout's factor
  vector front_, back_;          // scratch for one block of columns of the widest layer
  const void* owner_ = nullptr;  // which network's forward pass, over how many columns, `backward` may follow
  Eigen::Index batch_ = 0;
  std::vector<Eigen::Index> units_;  // of that network's inputs and layers: another may since have been assigned to it
};

/// A multilayer perceptron, a_l = φ_l(W_l a_(l−1) + b_l), with its gradient by backpropagation.
///
/// Shapes: a column is a sample; input (inputs, batch) → output (outputs, batch).
/// All parameters stand in one flat vector (per layer W, column by column, then b), so that optimisers, averages and
/// serialisation see a vector; a network is its `inputs()`, its `options()` and its `parameters()`.
/// Weights start as He's normal draws, variance 2/fan_in, before relu and gelu, and as Glorot's uniform ones,
/// ±√(6/(fan_in + fan_out)), before the others; biases start at 0. Dropout is inverted: what stays is scaled up while
/// training, so reading needs no correction.
///
/// Cost:    O(parameters) per column; a pass works through the batch in blocks of columns small enough for the cache.
/// Threads: all but `parameters()`, `weight` and `bias` of a non-const network are const; any number of threads may use
///          one network, each with a workspace of its own.
/// Errors:  std::invalid_argument for sizes < 1, dropout outside [0, 1), and shapes that do not fit.
/// Source:  D. Rumelhart, G. Hinton, R. Williams, Learning representations by back-propagating errors, Nature 323, 1986;
///          X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks,
///          AISTATS 2010, eq. 16; K. He et al., Delving deep into rectifiers, ICCV 2015, eq. 10;
///          N. Srivastava et al., Dropout, JMLR 15, 2014.
template <std::floating_point T = double>
class mlp {
 public:
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  using workspace = mlp_workspace<T>;

  explicit mlp(Eigen::Index inputs, mlp_options options = {})
      : inputs_(inputs), options_(std::move(options)), widest_(inputs) {
    detail::require(inputs > 0, "mlp", "inputs must be > 0", inputs);
    detail::require(options_.dropout >= 0.0 && options_.dropout < 1.0, "mlp", "dropout must be in [0, 1)",
                    options_.dropout);
    Eigen::Index offset = 0, fan_in = inputs;
    for (std::size_t l = 0; l <= options_.hidden.size(); ++l) {
      const bool last = l == options_.hidden.size();
      const Eigen::Index units = last ? options_.outputs : options_.hidden[l];
      detail::require(units > 0, "mlp", last ? "outputs must be > 0" : "hidden sizes must be > 0", units);
      layers_.push_back({fan_in, units, offset, last ? options_.output_activation : options_.hidden_activation});
      offset += units * (fan_in + 1);
      fan_in = units;
      widest_ = std::max(widest_, units);
    }
    // A block of the widest layer fills at most half of Eigen's stack limit, which keeps the products' packing off the heap.
    const Eigen::Index fitting = EIGEN_STACK_ALLOCATION_LIMIT / 2 / static_cast<Eigen::Index>(sizeof(T)) / widest_;
    block_ = std::clamp<Eigen::Index>(fitting / 16 * 16, 16, 256);
    parameters_.setZero(offset);
    start();
  }

  [[nodiscard]] Eigen::Index inputs() const noexcept { return inputs_; }
  [[nodiscard]] Eigen::Index outputs() const noexcept { return options_.outputs; }
  [[nodiscard]] std::size_t layers() const noexcept { return layers_.size(); }
  [[nodiscard]] const mlp_options& options() const noexcept { return options_; }

  [[nodiscard]] Eigen::Index parameter_count() const noexcept { return parameters_.size(); }
  [[nodiscard]] const vector& parameters() const noexcept { return parameters_; }
  [[nodiscard]] Eigen::Map<vector> parameters() noexcept { return {parameters_.data(), parameters_.size()}; }

  /// W_l and b_l of layer l = 0 … layers() − 1, as views into `parameters()`: (units, fan_in) and (units).
  [[nodiscard]] Eigen::Map<const matrix> weight(std::size_t l) const { return weight_in(parameters_.data(), l); }
  [[nodiscard]] Eigen::Map<matrix> weight(std::size_t l) { return weight_in(parameters_.data(), l); }
  [[nodiscard]] Eigen::Map<const vector> bias(std::size_t l) const { return bias_in(parameters_.data(), l); }
  [[nodiscard]] Eigen::Map<vector> bias(std::size_t l) { return bias_in(parameters_.data(), l); }

  /// The outputs for a batch, keeping in `memory` what `backward` needs; the view is valid until `memory`'s next pass.
  ///
  /// x: (inputs, batch) → (outputs, batch). `dropout`: the engine that chooses the units left out; null leaves out none.
  Eigen::Map<const matrix> forward(const Eigen::Ref<const matrix>& x, workspace& memory,
                                   random_engine* dropout = nullptr) const {
    check(x);
    const Eigen::Index batch = x.cols();
    memory.owner_ = this;
    memory.batch_ = batch;
    memory.units_.assign(1, inputs_);
    for (const layer& l : layers_) memory.units_.push_back(l.units);
    memory.values_.resize(std::max(memory.values_.size(), layers_.size()));
    memory.slopes_.resize(memory.values_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      workspace::grow(memory.values_[l], layers_[l].units * batch);
      workspace::grow(memory.slopes_[l], layers_[l].units * batch);
    }
    grow_scratch(memory);

    for (Eigen::Index first = 0; first < batch; first += block_) {
      const Eigen::Index columns = std::min(block_, batch - first);
      apply(0, x.middleCols(first, columns), memory.front_);
      for (std::size_t l = 0;; ++l) {
        const Eigen::Index start = layers_[l].units * first, size = layers_[l].units * columns;
        activate<T>(layers_[l].kind, memory.front_.head(size).array(), memory.values_[l].segment(start, size).array(),
                    memory.slopes_[l].segment(start, size).array());
        if (l + 1 == layers_.size()) break;
        if (dropout != nullptr && options_.dropout > 0.0)
          drop(memory.values_[l].segment(start, size), memory.slopes_[l].segment(start, size), *dropout);
        apply(l + 1, view(memory.values_[l], l, first, columns), memory.front_);
      }
    }
    return view(std::as_const(memory.values_[layers_.size() - 1]), layers_.size() - 1, 0, batch);
  }

  /// gradient = ∂ loss / ∂ parameters, from ∂ loss / ∂ output of the forward pass that `memory` holds.
  ///
  /// x: the same (inputs, batch) as in `forward`. output_gradient: (outputs, batch). gradient: (parameter_count).
  void backward(const Eigen::Ref<const matrix>& x, const Eigen::Ref<const matrix>& output_gradient, workspace& memory,
                Eigen::Ref<vector> gradient) const {
    propagate_back(x, output_gradient, memory, gradient, nullptr);
  }

  /// The same, and input_gradient = ∂ loss / ∂ x, (inputs, batch).
  void backward(const Eigen::Ref<const matrix>& x, const Eigen::Ref<const matrix>& output_gradient, workspace& memory,
                Eigen::Ref<vector> gradient, Eigen::Ref<matrix> input_gradient) const {
    detail::require(input_gradient.rows() == inputs_ && input_gradient.cols() == x.cols(), "mlp::backward",
                    "input_gradient must have the shape of x", detail::shape(input_gradient));
    propagate_back(x, output_gradient, memory, gradient, &input_gradient);
  }

  /// output = the outputs for a batch; a column's answer does not depend on the others beyond rounding.
  ///
  /// x: (inputs, batch), output: (outputs, batch). No dropout.
  void predict(const Eigen::Ref<const matrix>& x, Eigen::Ref<matrix> output, workspace& memory) const {
    check(x);
    detail::require(output.rows() == outputs() && output.cols() == x.cols(), "mlp::predict",
                    "output must have (outputs, batch) entries", detail::shape(output));
    grow_scratch(memory);
    for (Eigen::Index first = 0; first < x.cols(); first += block_) {
      const Eigen::Index columns = std::min(block_, x.cols() - first);
      apply(0, x.middleCols(first, columns), memory.front_);
      for (std::size_t l = 0;; ++l) {
        const Eigen::Index size = layers_[l].units * columns;
        activate<T>(layers_[l].kind, memory.front_.head(size).array(), memory.back_.head(size).array());
        if (l + 1 == layers_.size()) break;
        memory.front_.swap(memory.back_);
        apply(l + 1, view(memory.back_, l, 0, columns), memory.front_);
      }
      output.middleCols(first, columns) = view(memory.front_, layers_.size() - 1, 0, columns);
    }
  }

  /// The outputs for a batch, with a workspace of its own: (inputs, batch) → (outputs, batch).
  [[nodiscard]] matrix predict(const Eigen::Ref<const matrix>& x) const {
    matrix output(outputs(), x.cols());
    workspace memory;
    predict(x, output, memory);
    return output;
  }

 private:
  struct layer {
    Eigen::Index fan_in, units;
    Eigen::Index offset;  // of W in the flat vector; b follows it
    activation kind;
  };

  void check(const Eigen::Ref<const matrix>& x) const {
    detail::require(x.rows() == inputs_, "mlp", "x must have as many rows as the network has inputs", x.rows());
  }

  [[nodiscard]] bool of_this_shape(const workspace& memory) const {
    const auto same = [](Eigen::Index units, const layer& l) { return units == l.units; };
    return memory.units_[0] == inputs_ &&
           std::equal(memory.units_.begin() + 1, memory.units_.end(), layers_.begin(), layers_.end(), same);
  }

  void start() {
    random_engine random(options_.seed);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const layer& at = layers_[l];
      if (options_.zero_output && l + 1 == layers_.size()) break;
      const bool rectified = at.kind == activation::relu || at.kind == activation::gelu;
      const double deviation = std::sqrt(2.0 / static_cast<double>(at.fan_in));
      const double limit = std::sqrt(6.0 / static_cast<double>(at.fan_in + at.units));
      for (T& w : weight(l).reshaped())
        w = static_cast<T>(rectified ? deviation * random.normal() : limit * (2.0 * random.uniform() - 1.0));
    }
  }

  void grow_scratch(workspace& memory) const {
    workspace::grow(memory.front_, widest_ * block_);
    workspace::grow(memory.back_, widest_ * block_);
  }

  template <class Value>
  [[nodiscard]] auto weight_in(Value* flat, std::size_t l) const {
    using target = std::conditional_t<std::is_const_v<Value>, const matrix, matrix>;
    return Eigen::Map<target>(flat + layers_[l].offset, layers_[l].units, layers_[l].fan_in);
  }
  template <class Value>
  [[nodiscard]] auto bias_in(Value* flat, std::size_t l) const {
    using target = std::conditional_t<std::is_const_v<Value>, const vector, vector>;
    return Eigen::Map<target>(flat + layers_[l].offset + layers_[l].units * layers_[l].fan_in, layers_[l].units);
  }

  /// Columns first … first + columns of a layer's (units, batch) values kept in flat memory.
  [[nodiscard]] Eigen::Map<matrix> view(vector& flat, std::size_t l, Eigen::Index first, Eigen::Index columns) const {
    return {flat.data() + layers_[l].units * first, layers_[l].units, columns};
  }
  [[nodiscard]] Eigen::Map<const matrix> view(const vector& flat, std::size_t l, Eigen::Index first,
                                              Eigen::Index columns) const {
    return {flat.data() + layers_[l].units * first, layers_[l].units, columns};
  }

  /// z = W_l · in + b_l into the head of `z`; in: (fan_in, columns).
  void apply(std::size_t l, const Eigen::Ref<const matrix>& in, vector& z) const {
    if (in.cols() == 1) {  // a matrix product for one column would still pack both factors
      auto out = z.head(layers_[l].units);
      out = bias(l);
      out.noalias() += weight(l) * in.col(0);
      return;
    }
    Eigen::Map<matrix> out = view(z, l, 0, in.cols());
    out.noalias() = weight(l) * in;
    out.colwise() += bias(l);
  }

  /// Sets a share `dropout` of the values to zero and scales the rest up; the slopes alike, so `backward` need not know.
  void drop(Eigen::Ref<vector> value, Eigen::Ref<vector> slope, random_engine& random) const {
    const auto dropped = static_cast<std::uint32_t>(std::min(options_.dropout * 0x1p32, 0x1p32 - 1.0));
    const T scale = static_cast<T>(1.0 / (1.0 - options_.dropout));
    random_engine local = random;         // in registers
    std::array<std::uint32_t, 256> bits;  // drawn first, compared after, so that the comparing loop vectorises
    for (Eigen::Index start = 0; start < value.size(); start += std::ssize(bits)) {
      const Eigen::Index size = std::min<Eigen::Index>(std::ssize(bits), value.size() - start);
      for (std::size_t i = 0; i < bits.size(); i += 2) {
        const std::uint64_t pair = local();
        bits[i] = static_cast<std::uint32_t>(pair);
        bits[i + 1] = static_cast<std::uint32_t>(pair >> 32);
      }
      T* const to_value = value.data() + start;
      T* const to_slope = slope.data() + start;
      for (Eigen::Index i = 0; i < size; ++i) {
        const T factor = bits[static_cast<std::size_t>(i)] < dropped ? T(0) : scale;
        to_value[i] *= factor;
        to_slope[i] *= factor;
      }
    }
    random = local;
  }

  void propagate_back(const Eigen::Ref<const matrix>& x, const Eigen::Ref<const matrix>& output_gradient,
                      workspace& memory, Eigen::Ref<vector> gradient, Eigen::Ref<matrix>* input_gradient) const {
    check(x);
    detail::require(memory.owner_ == this && memory.batch_ == x.cols() && of_this_shape(memory), "mlp::backward",
                    "the workspace must hold this network's forward pass over x, columns", memory.batch_);
    detail::require(output_gradient.rows() == outputs() && output_gradient.cols() == x.cols(), "mlp::backward",
                    "output_gradient must have (outputs, batch) entries", detail::shape(output_gradient));
    detail::require(gradient.size() == parameter_count(), "mlp::backward", "gradient must have parameter_count entries",
                    gradient.size());
    gradient.setZero();
    for (Eigen::Index first = 0; first < x.cols(); first += block_) {
      const Eigen::Index columns = std::min(block_, x.cols() - first);
      // front_ holds ∂ loss / ∂ a_l on the way in and, once multiplied by the slope, ∂ loss / ∂ z_l.
      view(memory.front_, layers_.size() - 1, 0, columns) = output_gradient.middleCols(first, columns);
      for (std::size_t l = layers_.size(); l-- > 0;) {
        Eigen::Map<matrix> delta = view(memory.front_, l, 0, columns);
        delta.array() *= view(memory.slopes_[l], l, first, columns).array();
        if (l > 0)
          weight_in(gradient.data(), l).noalias() +=
              delta * view(memory.values_[l - 1], l - 1, first, columns).transpose();
        else
          weight_in(gradient.data(), l).noalias() += delta * x.middleCols(first, columns).transpose();
        bias_in(gradient.data(), l) += delta.rowwise().sum();
        if (l > 0) {
          view(memory.back_, l - 1, 0, columns).noalias() = weight(l).transpose() * delta;
          memory.front_.swap(memory.back_);
        } else if (input_gradient != nullptr) {
          input_gradient->middleCols(first, columns).noalias() = weight(l).transpose() * delta;
        }
      }
    }
  }

  Eigen::Index inputs_;
  mlp_options options_;
  std::vector<layer> layers_;
  Eigen::Index widest_;     // of inputs and layers
  Eigen::Index block_ = 0;  // columns worked on at a time
  vector parameters_;
};

}  // namespace ebb

#endif  // EBB_MLP_HPP
