// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_LAYER_HPP
#define EBB_DETAIL_DENSE_LAYER_HPP

#include <algorithm>

#include <Eigen/Core>

namespace ebb::detail {

/// One column of a register tile: `Rows` packets of outputs of one sample.
template <int Rows>
struct tile_column {
  using packet = Eigen::internal::packet_traits<float>::type;
  static constexpr int width = Eigen::internal::packet_traits<float>::size;

  packet first, second, third;

  explicit tile_column(const float* start) {
    first = Eigen::internal::ploadu<packet>(start);
    second = Eigen::internal::ploadu<packet>(start + (Rows > 1 ? width : 0));
    third = Eigen::internal::ploadu<packet>(start + (Rows > 2 ? 2 * width : 0));
  }

  void add(const packet& w0, const packet& w1, const packet& w2, float value) {
    const packet x = Eigen::internal::pset1<packet>(value);
    first = Eigen::internal::pmadd(w0, x, first);
    if constexpr (Rows > 1) second = Eigen::internal::pmadd(w1, x, second);
    if constexpr (Rows > 2) third = Eigen::internal::pmadd(w2, x, third);
  }

  void store(float* out) const {
    Eigen::internal::pstoreu(out, first);
    if constexpr (Rows > 1) Eigen::internal::pstoreu(out + width, second);
    if constexpr (Rows > 2) Eigen::internal::pstoreu(out + Eigen::Index{2} * width, third);
  }
};

/// W x + b for a few samples at a time: a small matrix product without packing, for weights that stay.
///
/// A general product spends a third of its time on packing and dispatch when both factors are this small. Twelve packets of sums stay in
/// registers over the whole depth; weights are padded to whole packets of units with zeros.
class dense_layer {
 public:
  static constexpr Eigen::Index width = tile_column<1>::width;
  static constexpr Eigen::Index samples = 4;  // at a time

  dense_layer() = default;

  /// weight: (units, inputs), bias: (units).
  dense_layer(const Eigen::Ref<const Eigen::MatrixXf>& weight, const Eigen::Ref<const Eigen::VectorXf>& bias) {
    const Eigen::Index padded = (weight.rows() + width - 1) / width * width;
    weight_.setZero(padded, weight.cols());
    bias_.setZero(padded);
    weight_.topRows(weight.rows()) = weight;
    bias_.head(bias.size()) = bias;
  }

  [[nodiscard]] Eigen::Index padded_units() const noexcept { return weight_.rows(); }
  [[nodiscard]] Eigen::VectorXf& bias() noexcept { return bias_; }

  /// Writes sample c's outputs to out + c · out_stride, padded_units() of them; its input k is x[k · depth_stride + c · sample_stride].
  ///
  /// n: samples, a multiple of 4.
  void apply(const float* x, Eigen::Index sample_stride, Eigen::Index depth_stride, Eigen::Index n, float* out,
             Eigen::Index out_stride) const {
    Eigen::Index row = 0;
    for (; most_rows > 2 && row + 3 * width <= weight_.rows(); row += 3 * width)
      for (Eigen::Index c = 0; c < n; c += samples)
        tile<3>(row, x + c * sample_stride, sample_stride, depth_stride, out + c * out_stride + row, out_stride);
    for (; row + 2 * width <= weight_.rows(); row += 2 * width)
      for (Eigen::Index c = 0; c < n; c += samples)
        tile<2>(row, x + c * sample_stride, sample_stride, depth_stride, out + c * out_stride + row, out_stride);
    for (; row < weight_.rows(); row += width)
      for (Eigen::Index c = 0; c < n; c += samples)
        tile<1>(row, x + c * sample_stride, sample_stride, depth_stride, out + c * out_stride + row, out_stride);
  }

 private:
#ifdef EIGEN_VECTORIZE_FMA
  static constexpr int most_rows = 3;
#else
  static constexpr int most_rows = 2;  // the product needs a register of its own before it is added
#endif

  template <int Rows>
  void tile(Eigen::Index row, const float* x, Eigen::Index sample_stride, Eigen::Index depth_stride, float* out,
            Eigen::Index out_stride) const {
    using packet = typename tile_column<Rows>::packet;
    const float* w = weight_.data() + row;
    const float* const x1 = x + sample_stride;
    const float* const x2 = x1 + sample_stride;
    const float* const x3 = x2 + sample_stride;
    tile_column<Rows> c0(bias_.data() + row), c1 = c0, c2 = c0, c3 = c0;
    const auto load = [&](int r) { return Eigen::internal::ploadu<packet>(w + (r < Rows ? r * width : 0)); };
    packet w0 = load(0), w1 = load(1), w2 = load(2);
    const auto step = [&](Eigen::Index at) {
      c0.add(w0, w1, w2, x[at]);
      c1.add(w0, w1, w2, x1[at]);
      c2.add(w0, w1, w2, x2[at]);
      c3.add(w0, w1, w2, x3[at]);
    };
    // Loading the next weights before the loop goes round keeps the compiler from loading them once per use.
    Eigen::Index at = 0;
    for (Eigen::Index k = 1; k < weight_.cols(); ++k, at += depth_stride) {
      step(at);
      w += weight_.rows();
      w0 = load(0), w1 = load(1), w2 = load(2);
    }
    step(at);
    c0.store(out);
    c1.store(out + out_stride);
    c2.store(out + 2 * out_stride);
    c3.store(out + 3 * out_stride);
  }

  Eigen::MatrixXf weight_;  // (units padded, inputs)
  Eigen::VectorXf bias_;    // (units padded)
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_DENSE_LAYER_HPP
