// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_PANEL_HPP
#define EBB_DETAIL_PANEL_HPP

#include <algorithm>
#include <cstddef>
#include <vector>

#include <Eigen/Core>

// A panel is a (units, samples) matrix whose rows are contiguous: lanes are samples, so that a layer of one unit fills
// vectors as well as one of sixty-four, and no number of units leaves a remainder.

namespace ebb::detail {

/// Samples of a full panel, and the number of which every panel's samples are a multiple.
inline constexpr Eigen::Index panel_samples = 64, panel_step = 16;

/// Memory for panels, which grows and is kept; it begins on a cache line, as vectors that cross two cost twice.
template <class T>
class panel_memory {
 public:
  /// At least `size` numbers; what was there stays.
  T* grow(Eigen::Index size) {
    constexpr std::size_t per_line = sizeof(line) / sizeof(T);
    const std::size_t lines = (static_cast<std::size_t>(size) + per_line - 1) / per_line;
    if (lines_.size() < lines) lines_.resize(lines);
    return data();
  }
  [[nodiscard]] T* data() noexcept { return static_cast<T*>(static_cast<void*>(lines_.data())); }
  [[nodiscard]] const T* data() const noexcept {
    return static_cast<const T*>(static_cast<const void*>(lines_.data()));
  }

 private:
  struct alignas(64) line {
    T numbers[64 / sizeof(T)];
  };
  std::vector<line> lines_;
};

/// How many samples a panel of so many columns has.
[[nodiscard]] inline Eigen::Index padded_samples(Eigen::Index columns) {
  return (columns + panel_step - 1) / panel_step * panel_step;
}

/// Columns of `from`, (units, columns), into a panel, filled up with the last column: numbers as harmless as those that are
/// there, while a zero would make NaN of an infinite weight.
template <class T>
void to_panel(const Eigen::Ref<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>& from, T* panel) {
  const Eigen::Index columns = from.cols(), samples = padded_samples(columns), stride = from.outerStride();
  for (Eigen::Index unit = 0; unit < from.rows(); ++unit, panel += samples) {
    const T* const row = from.data() + unit;
    if (stride == 1)
      std::copy(row, row + columns, panel);
    else
      for (Eigen::Index c = 0; c < columns; ++c) panel[c] = row[c * stride];
    std::fill(panel + columns, panel + samples, panel[columns - 1]);
  }
}

/// Makes zeros of what fills a panel up, which then adds nothing to a sum of products with another such panel, however
/// infinite the last column is.
template <class T>
void clear_filling(T* panel, Eigen::Index units, Eigen::Index columns) {
  const Eigen::Index samples = padded_samples(columns);
  for (; units > 0; --units, panel += samples) std::fill(panel + columns, panel + samples, T(0));
}

/// The reverse: the first columns of a panel into `to`.
template <class T>
void from_panel(const T* panel, Eigen::Ref<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>> to) {
  const Eigen::Index columns = to.cols(), samples = padded_samples(columns), stride = to.outerStride();
  for (Eigen::Index unit = 0; unit < to.rows(); ++unit, panel += samples) {
    T* const row = to.data() + unit;
    for (Eigen::Index c = 0; c < columns; ++c) row[c * stride] = panel[c];
  }
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_PANEL_HPP
