// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_PADDED_COLUMNS_HPP
#define EBB_DETAIL_PADDED_COLUMNS_HPP

#include <algorithm>
#include <bit>
#include <cstdint>

#include <Eigen/Core>

namespace ebb::detail {

/// ln x for a normal x > 0, within 1e-7 relative; no branch and no call, so that a loop over it vectorises.
///
/// x = m·2^e with m in [√½, √2); the polynomial is the minimax one for (ln(1 + t) − t + t²/2) / t³, error 3e-8 relative to ln.
[[nodiscard]] inline float log_of_positive(float x) noexcept {
  const auto bits = std::bit_cast<std::int32_t>(x);
  const std::int32_t exponent = (bits - 0x3f3504f3) >> 23;
  const float t = std::bit_cast<float>(bits - exponent * (1 << 23)) - 1.0F;
  const auto e = static_cast<float>(exponent);
  float p = 0x1.645eacp-4F;
  p = p * t - 0x1.2432b8p-3F;
  p = p * t + 0x1.317458p-3F;
  p = p * t - 0x1.53824ap-3F;
  p = p * t + 0x1.98d7f2p-3F;
  p = p * t - 0x1.000382p-2F;
  p = p * t + 0x1.5556d8p-2F;
  // ln 2 in two parts: the first has so few bits that its product with e is exact.
  return e * 0.693359375F + (t + (t * t * (t * p - 0.5F) + e * -2.12194440e-4F));
}

/// Columns of numbers, each starting on a chunk and padded to whole chunks: a loop over a column has no rest, every row goes through the
/// same instructions, and what a row gets does not depend on where it stands.
///
/// Memory grows to the largest size seen and is kept.
template <class T>
class padded_columns {
 public:
  static constexpr Eigen::Index chunk = 16;
  using view = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>, 0, Eigen::OuterStride<>>;
  using column = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::AlignedMax>;

  void resize(Eigen::Index rows, Eigen::Index columns) {
    rows_ = rows;
    columns_ = columns;
    stride_ = (rows + chunk - 1) / chunk * chunk;
    if (memory_.size() < stride_ * columns) memory_.resize(stride_ * columns);
  }

  [[nodiscard]] Eigen::Index rows() const noexcept { return rows_; }
  [[nodiscard]] Eigen::Index padded_rows() const noexcept { return stride_; }

  [[nodiscard]] T* operator[](Eigen::Index c) noexcept { return memory_.data() + c * stride_; }
  [[nodiscard]] const T* operator[](Eigen::Index c) const noexcept { return memory_.data() + c * stride_; }

  /// A column with its padding.
  [[nodiscard]] column col(Eigen::Index c) noexcept { return {(*this)[c], stride_}; }

  /// The columns without their padding.
  [[nodiscard]] view values() const noexcept {
    return {memory_.data(), rows_, columns_, Eigen::OuterStride<>(std::max<Eigen::Index>(stride_, 1))};
  }

  /// Makes the padding of a column whose rows have been written harmless: it repeats the last row.
  void pad(Eigen::Index c) noexcept {
    if (rows_ > 0) pad(c, (*this)[c][rows_ - 1]);
  }
  void pad(Eigen::Index c, T value) noexcept { std::fill((*this)[c] + rows_, (*this)[c] + stride_, value); }

  /// Column c becomes f(row), padding included. A chunk is computed before it is written, so f may read the column itself.
  template <class Function>
  void fill(Eigen::Index c, Function f) {
    T* const out = (*this)[c];
    for (Eigen::Index first = 0; first < stride_; first += chunk) {
      T values[chunk];
      for (Eigen::Index i = 0; i < chunk; ++i) values[i] = f(first + i);
      for (Eigen::Index i = 0; i < chunk; ++i) out[first + i] = values[i];
    }
  }

  /// Column c becomes its natural logarithm; all of it must be positive and normal.
  void log(Eigen::Index c) noexcept {
    T* const x = (*this)[c];
    for (Eigen::Index first = 0; first < stride_; first += chunk)
      for (Eigen::Index i = 0; i < chunk; ++i) x[first + i] = log_of_positive(x[first + i]);
  }

 private:
  Eigen::Array<T, Eigen::Dynamic, 1> memory_;
  Eigen::Index rows_ = 0;
  Eigen::Index columns_ = 0;
  Eigen::Index stride_ = 0;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_PADDED_COLUMNS_HPP
