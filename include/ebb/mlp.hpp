// SPDX-License-Identifier: MIT
#ifndef EBB_MLP_HPP
#define EBB_MLP_HPP

#include "ebb/activation.hpp"
#include "ebb/detail/dense_compute.hpp"
#include "ebb/detail/dense_problems.hpp"
#include "ebb/detail/panel.hpp"
#include "ebb/detail/shape.hpp"
#include "ebb/random.hpp"
#include "ebb/time.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
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
/// Memory grows to the largest batch seen and is kept: passes over batches no larger allocate nothing. (Where Eigen has
/// to multiply, see `mlp`, as long as it can pack a layer on the stack: EIGEN_STACK_ALLOCATION_LIMIT, 128 KiB unless set.)
template <std::floating_point T = double>
class mlp_workspace {
  friend class mlp<T>;

  // Panels, as detail/panel.hpp has them, one after another.
  detail::panel_memory<T> inputs_;               // x
  std::vector<detail::panel_memory<T>> values_;  // per layer φ(z), after dropout
  std::vector<detail::panel_memory<T>> slopes_;  // per layer φ′(z) times dropout's factor, unless the values tell it
  detail::panel_memory<T> front_, back_;         // scratch for one block of columns of the widest layer
  detail::panel_memory<T> output_;               // (outputs, batch), no panel, if there are several outputs
  detail::panel_memory<T> kept_;                 // (inputs, batch), no panel, while an output takes its place
  bool dropped_ = false;                         // whether units were left out, and the factor for those that were not
  T scale_ = T(1);
  const void* owner_ = nullptr;  // which network's forward pass, over how many columns, `backward` may follow
  Eigen::Index batch_ = 0;
  std::vector<detail::mlp_layer> layers_;  // of that network: another may since have been assigned to it
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
///          On x86-64, built by GCC or clang, float and double use the widest vectors that the processor has, whatever
///          the build is for; elsewhere, in long double and under -ffast-math Eigen multiplies.
/// Rounds:  one machine and build give the same bits for the same batch; others, or another batch, may round otherwise.
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
    std::fill_n(parameters_.grow(offset), offset, T(0));
    start();
  }

  [[nodiscard]] Eigen::Index inputs() const noexcept { return inputs_; }
  [[nodiscard]] Eigen::Index outputs() const noexcept { return options_.outputs; }
  [[nodiscard]] std::size_t layers() const noexcept { return layers_.size(); }
  [[nodiscard]] const mlp_options& options() const noexcept { return options_; }

  [[nodiscard]] Eigen::Index parameter_count() const noexcept {
    return layers_.empty() ? 0 : layers_.back().offset + layers_.back().units * (layers_.back().fan_in + 1);
  }
  [[nodiscard]] Eigen::Map<const vector> parameters() const noexcept { return {parameters_.data(), parameter_count()}; }
  [[nodiscard]] Eigen::Map<vector> parameters() noexcept { return {parameters_.data(), parameter_count()}; }

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
    memory.owner_ = nullptr;  // until everything has its memory
    memory.batch_ = batch;
    memory.layers_ = layers_;
    memory.values_.resize(std::max(memory.values_.size(), layers_.size()));
    memory.slopes_.resize(memory.values_.size());
    memory.dropped_ = dropout != nullptr && options_.dropout > 0.0;
    memory.scale_ = static_cast<T>(memory.dropped_ ? 1.0 / (1.0 - options_.dropout) : 1.0);
    const Eigen::Index padded = detail::padded_samples(batch);
    T* const inputs = memory.inputs_.grow(inputs_ * padded);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      memory.values_[l].grow(layers_[l].units * padded);
      if (keeps_slopes(l, memory)) memory.slopes_[l].grow(layers_[l].units * padded);
    }
    T* const z = memory.front_.grow(widest_ * detail::panel_samples);

    for (Eigen::Index first = 0; first < batch; first += detail::panel_samples) {
      const Eigen::Index columns = std::min(detail::panel_samples, batch - first);
      const Eigen::Index samples = detail::padded_samples(columns);
      const T* in = inputs + inputs_ * first;
      detail::to_panel<T>(x.middleCols(first, columns), inputs + inputs_ * first);
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        const Eigen::Index start = layers_[l].units * first, size = layers_[l].units * samples;
        T* const values = memory.values_[l].data() + start;
        T* const slopes = keeps_slopes(l, memory) ? memory.slopes_[l].data() + start : nullptr;
        apply(l, in, slopes == nullptr ? values : z, samples);
        if (slopes != nullptr)
          activate<T>(layers_[l].kind, flat_view(z, size), flat_view(values, size), flat_view(slopes, size));
        if (memory.dropped_ && l + 1 < layers_.size()) drop(values, slopes, size, *dropout);
        in = values;
      }
    }
    T* output = memory.values_[layers_.size() - 1].data();
    if (outputs() > 1) {  // else the panels are the output
      const T* const panels = output;
      output = memory.output_.grow(outputs() * batch);
      Eigen::Map<matrix> columns(output, outputs(), batch);
      for (Eigen::Index first = 0; first < batch; first += detail::panel_samples)
        detail::from_panel<T>(panels + outputs() * first,
                              columns.middleCols(first, std::min(detail::panel_samples, batch - first)));
    }
    memory.owner_ = this;
    return {output, outputs(), batch};
  }

  /// gradient = ∂ loss / ∂ parameters, from ∂ loss / ∂ output of the forward pass that `memory` holds.
  ///
  /// x: the same (inputs, batch) as in `forward`, which kept a copy. output_gradient: (outputs, batch).
  /// gradient: (parameter_count), overwritten.
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
  /// x: (inputs, batch), output: (outputs, batch); they may overlap, x is then copied before. No dropout.
  void predict(const Eigen::Ref<const matrix>& x, Eigen::Ref<matrix> output, workspace& memory) const {
    check(x);
    detail::require(output.rows() == outputs() && output.cols() == x.cols(), "mlp::predict",
                    "output must have (outputs, batch) entries", detail::shape(output));
    if (x.cols() == 1 && layers_.size() > 1)  // x has been read before output is written
      predict_one(x.data(), output.data(), memory);
    else
      predict_many(x, output, memory);
  }

  /// The outputs for a batch, with a workspace of its own: (inputs, batch) → (outputs, batch).
  [[nodiscard]] matrix predict(const Eigen::Ref<const matrix>& x) const {
    matrix output(outputs(), x.cols());
    workspace memory;
    predict(x, output, memory);
    return output;
  }

 private:
  static constexpr Eigen::Index block = 4 * detail::panel_samples;  // columns that `backward` works on at a time

  using layer = detail::mlp_layer;

  void check(const Eigen::Ref<const matrix>& x) const {
    detail::require(x.rows() == inputs_, "mlp", "x must have as many rows as the network has inputs", x.rows());
  }

  /// Whether memory from the first entry of x to its last has a part of `output` in it.
  static bool overlap(const Eigen::Ref<const matrix>& x, const Eigen::Ref<matrix>& output) {
    const auto end = [](const auto& m) { return m.data() + (m.cols() - 1) * m.outerStride() + m.rows(); };
    return x.cols() > 0 && std::less<const T*>()(x.data(), end(output)) && std::less<const T*>()(output.data(), end(x));
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

  static Eigen::Map<detail::flat_array<T>> flat_view(T* data, Eigen::Index size) { return {data, size}; }

  /// Whether the product itself applies a layer's activation.
  [[nodiscard]] static bool is_fused(activation kind) {
    return kind == activation::identity || kind == activation::relu;
  }
  /// Whether a layer's slopes have to be kept. The values tell relu's: they are > 0 where z is and the unit was kept, since
  /// dropout's factor is at least 1; identity's are 1 without dropout.
  [[nodiscard]] bool keeps_slopes(std::size_t l, const workspace& memory) const {
    const bool dropped = memory.dropped_ && l + 1 < layers_.size();
    return !is_fused(layers_[l].kind) || (dropped && layers_[l].kind == activation::identity);
  }

  /// W_l · in + b_l, through the activation if that is fused; panels (fan_in, samples) → (units, samples).
  void apply(std::size_t l, const T* in, T* out, Eigen::Index samples) const {
    const layer& at = layers_[l];
    detail::compute(detail::dense_product<T>{
        .weight = weight(l).data(),
        .row_step = 1,
        .depth_step = at.units,
        .bias = bias(l).data(),
        .in = in,
        .out = out,
        .rows = at.units,
        .depth = at.fan_in,
        .samples = samples,
        .after = at.kind == activation::relu ? detail::dense_after::relu : detail::dense_after::nothing});
  }

  void predict_many(const Eigen::Ref<const matrix>& x, Eigen::Ref<matrix>& output, workspace& memory) const {
    if (overlap(x, output)) {
      Eigen::Map<matrix> kept(memory.kept_.grow(x.size()), x.rows(), x.cols());
      kept = x;
      predict_apart(kept, output, memory);
    } else {
      predict_apart(x, output, memory);
    }
  }

  void predict_apart(const Eigen::Ref<const matrix>& x, Eigen::Ref<matrix>& output, workspace& memory) const {
    if (x.cols() > 4) return predict_panels(x, output, memory);  // a panel pays from about five columns on
    for (Eigen::Index j = 0; j < x.cols(); ++j)
      predict_one(x.data() + j * x.outerStride(), output.data() + j * output.outerStride(), memory);
  }

  void predict_panels(const Eigen::Ref<const matrix>& x, Eigen::Ref<matrix>& output, workspace& memory) const {
    T* front = memory.front_.grow(widest_ * detail::panel_samples);
    T* back = memory.back_.grow(widest_ * detail::panel_samples);
    for (Eigen::Index first = 0; first < x.cols(); first += detail::panel_samples) {
      const Eigen::Index columns = std::min(detail::panel_samples, x.cols() - first);
      const Eigen::Index samples = detail::padded_samples(columns);
      detail::to_panel<T>(x.middleCols(first, columns), front);
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        const Eigen::Index size = layers_[l].units * samples;
        apply(l, front, back, samples);
        if (!is_fused(layers_[l].kind)) activate<T>(layers_[l].kind, flat_view(back, size), flat_view(front, size));
        std::swap(front, back);
      }
      detail::from_panel<T>(front, output.middleCols(first, columns));
    }
  }

  /// output, (outputs), for one sample x, (inputs).
  void predict_one(const T* x, T* output, workspace& memory) const {
    const Eigen::Index room = detail::padded_samples(widest_);  // so that both begin on a cache line
    T* front = memory.front_.grow(2 * room);
    T* back = front + room;
    // The hidden layers share one activation: either all run through in one call, or each waits for its own.
    const std::size_t layers = layers_.size(), step = is_fused(options_.hidden_activation) ? layers : 1;
    for (std::size_t first = 0; first < layers; first += step) {
      const layer& last = layers_[first + step - 1];
      T* const out = first + step == layers ? output : front;
      detail::compute(detail::dense_chain<T>{parameters_.data(), layers_.data() + first, step, x, out, front, back});
      if (!is_fused(last.kind)) activate<T>(last.kind, flat_view(out, last.units), flat_view(back, last.units));
      x = front;
      std::swap(front, back);
    }
  }

  /// Sets a share `dropout` of the values to zero and scales the rest up; the slopes alike, so `backward` need not know.
  void drop(T* value, T* slope, Eigen::Index count, random_engine& random) const {
    const auto dropped = static_cast<std::uint32_t>(std::min(options_.dropout * 0x1p32, 0x1p32 - 1.0));
    const T scale = static_cast<T>(1.0 / (1.0 - options_.dropout));
    random_engine local = random;         // in registers
    std::array<std::uint32_t, 256> bits;  // drawn first, compared after, so that the comparing loop vectorises
    std::array<T, 256> factor;
    for (Eigen::Index start = 0; start < count; start += std::ssize(bits)) {
      const Eigen::Index size = std::min<Eigen::Index>(std::ssize(bits), count - start);
      for (std::size_t i = 0; i < bits.size(); i += 2) {
        const std::uint64_t pair = local();
        bits[i] = static_cast<std::uint32_t>(pair);
        bits[i + 1] = static_cast<std::uint32_t>(pair >> 32);
      }
      for (std::size_t i = 0; i < bits.size(); ++i) factor[i] = bits[i] < dropped ? T(0) : scale;
      flat_view(value + start, size) *= flat_view(factor.data(), size);
      if (slope != nullptr) flat_view(slope + start, size) *= flat_view(factor.data(), size);
    }
    random = local;
  }

  /// Calls act(first, columns) for every panel of a block of columns.
  template <class Act>
  static void for_each_panel(Eigen::Index columns, Act act) {
    for (Eigen::Index first = 0; first < columns; first += detail::panel_samples)
      act(first, std::min(detail::panel_samples, columns - first));
  }

  /// How a product takes layer l's slopes in.
  [[nodiscard]] detail::dense_after after(std::size_t l, const workspace& memory) const {
    if (keeps_slopes(l, memory)) return detail::dense_after::times;
    return layers_[l].kind == activation::relu ? detail::dense_after::where_positive : detail::dense_after::nothing;
  }

  /// delta *= layer l's slopes, panels from column `first` on.
  void times_slopes(std::size_t l, Eigen::Index first, Eigen::Index samples, T* delta, workspace& memory) const {
    const Eigen::Index start = layers_[l].units * first, size = layers_[l].units * samples;
    if (keeps_slopes(l, memory))
      flat_view(delta, size) *= flat_view(memory.slopes_[l].data() + start, size);
    else if (layers_[l].kind == activation::relu)
      flat_view(delta, size) *= flat_view(memory.values_[l].data() + start, size).unaryExpr(detail::is_positive<T>());
  }

  void propagate_back(const Eigen::Ref<const matrix>& x, const Eigen::Ref<const matrix>& output_gradient,
                      workspace& memory, Eigen::Ref<vector> gradient, Eigen::Ref<matrix>* input_gradient) const {
    check(x);
    detail::require(memory.owner_ == this && memory.batch_ == x.cols() && memory.layers_ == layers_, "mlp::backward",
                    "the workspace must hold this network's forward pass over x, columns", memory.batch_);
    detail::require(output_gradient.rows() == outputs() && output_gradient.cols() == x.cols(), "mlp::backward",
                    "output_gradient must have (outputs, batch) entries", detail::shape(output_gradient));
    detail::require(gradient.size() == parameter_count(), "mlp::backward", "gradient must have parameter_count entries",
                    gradient.size());
    if (x.cols() == 0) gradient.setZero();
    T* front = memory.front_.grow(widest_ * block);
    T* back = memory.back_.grow(widest_ * block);
    for (Eigen::Index first = 0; first < x.cols(); first += block) {
      const Eigen::Index columns = std::min(block, x.cols() - first), samples = detail::padded_samples(columns);
      // front holds ∂ loss / ∂ z_l.
      for_each_panel(columns, [&](Eigen::Index at, Eigen::Index size) {
        detail::to_panel<T>(output_gradient.middleCols(first + at, size), front + outputs() * at);
      });
      times_slopes(layers_.size() - 1, first, samples, front, memory);
      for (std::size_t l = layers_.size(); l-- > 0;) {
        const layer& at = layers_[l];
        T* const in = (l > 0 ? memory.values_[l - 1] : memory.inputs_).data() + at.fan_in * first;
        if (samples > columns) {
          const Eigen::Index filled = columns / detail::panel_samples * detail::panel_samples;
          detail::clear_filling(front + at.units * filled, at.units, columns - filled);
          detail::clear_filling(in + at.fan_in * filled, at.fan_in, columns - filled);
        }
        T* const to = gradient.data() + at.offset;
        detail::compute(detail::dense_gradient<T>{front, in, to, to + at.units * at.fan_in, at.units, at.fan_in,
                                                  samples, first > 0});
        if (l == 0 && input_gradient == nullptr) break;
        detail::dense_product<T> product{.weight = weight(l).data(),
                                         .row_step = at.units,
                                         .depth_step = 1,
                                         .bias = nullptr,
                                         .in = front,
                                         .out = back,
                                         .rows = at.fan_in,
                                         .depth = at.units,
                                         .samples = samples};
        for_each_panel(columns, [&](Eigen::Index start, Eigen::Index size) {
          product.in = front + at.units * start;
          product.out = back + at.fan_in * start;
          product.samples = detail::padded_samples(size);
          if (l > 0) {
            product.after = after(l - 1, memory);
            product.scale = memory.scale_;
            product.factor =
                (product.after == detail::dense_after::times ? memory.slopes_[l - 1] : memory.values_[l - 1]).data() +
                at.fan_in * (first + start);
          }
          detail::compute(product);
          if (l == 0) detail::from_panel<T>(product.out, input_gradient->middleCols(first + start, size));
        });
        std::swap(front, back);
      }
    }
  }

  Eigen::Index inputs_;
  mlp_options options_;
  std::vector<layer> layers_;
  Eigen::Index widest_;  // of inputs and layers
  // On a cache line, for speed and so that a sample's sums are taken in the same order wherever a network stands.
  detail::panel_memory<T> parameters_;
};

}  // namespace ebb

#endif  // EBB_MLP_HPP
