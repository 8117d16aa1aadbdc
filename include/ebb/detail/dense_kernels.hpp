// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_KERNELS_HPP
#define EBB_DETAIL_DENSE_KERNELS_HPP

#include "ebb/activation.hpp"
#include "ebb/detail/simd_levels.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

// The products of a small dense layer, for a panel of samples at a time and for one sample.
//
// A panel is a (units, samples) matrix whose rows are contiguous: lanes are samples, so that a layer of one unit fills
// vectors as well as one of sixty-four, and no number of units leaves a remainder. General products spend most of their
// time on packing and on remainders when factors are this small.

namespace ebb::detail {

/// Samples of a full panel, and the number of which every panel's samples are a multiple.
inline constexpr Eigen::Index panel_samples = 64, panel_step = 16;

/// What becomes of a product before it is stored.
enum class dense_after : unsigned char { nothing, relu, where_positive, times };

/// out = after(weight · in + bias): (rows, depth) by (depth, samples), in and out panels.
template <class T>
struct dense_product {
  const T* weight;  // its (r, k) is at r · row_step + k · depth_step
  Eigen::Index row_step, depth_step;
  const T* bias;                      // (rows), or null
  const T* in;                        // panel (depth, samples)
  T* out;                             // panel (rows, samples)
  Eigen::Index rows, depth, samples;  // samples: a multiple of panel_step
  dense_after after = dense_after::nothing;
  const T* factor =
      nullptr;  // panel like out: `times` multiplies by it, `where_positive` by scale where it is > 0, else by 0
  T scale = T(1);
};

/// gradient = or += delta · inᵀ and row sums of delta, over the panels of a block of samples.
template <class T>
struct dense_gradient {
  const T* delta;                     // panels (rows, samples), one after another
  const T* in;                        // panels (depth, samples)
  T* weight;                          // (rows, depth), by column
  T* bias;                            // (rows)
  Eigen::Index rows, depth, samples;  // samples of all panels: all of panel_samples, but for the last one
  bool add;                           // to what is there
};

/// out = weight · in + bias for one sample, then relu if wanted.
template <class T>
struct dense_sample {
  const T* weight;  // (rows, depth), by column
  const T* bias;    // (rows)
  const T* in;      // (depth)
  T* out;           // (rows)
  Eigen::Index rows, depth;
  bool relu;
};

/// One step of Adam.
template <class T>
struct adam_pass {
  T* parameters;
  T* mean;
  T* square;
  const T* gradient;
  Eigen::Index size;
  T keep1, take1, keep2, take2, shrink, rate, unbias, epsilon;
};

#if EBB_SIMD_LEVELS

template <class T, std::size_t Bytes>
struct vector_of {
  typedef T type __attribute__((vector_size(Bytes)));
};

template <class V, class T>
EBB_INLINE void load(V& to, const T* from) {
  __builtin_memcpy(&to, from, sizeof(V));
}
template <class V, class T>
EBB_INLINE void store(T* to, const V& from) {
  __builtin_memcpy(to, &from, sizeof(V));
}

/// The sum of a vector's numbers, by halves.
template <class T, std::size_t Bytes>
EBB_INLINE T sum_of(const typename vector_of<T, Bytes>::type& v) {
  if constexpr (Bytes == 2 * sizeof(T)) {
    return v[0] + v[1];
  } else {
    using half = typename vector_of<T, Bytes / 2>::type;
    half low, high;
    __builtin_memcpy(&low, &v, Bytes / 2);
    __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + Bytes / 2, Bytes / 2);
    low += high;
    return sum_of<T, Bytes / 2>(low);
  }
}

struct product_kernel {
  /// `Rows` rows from `row` on, of which `kept` are there and stored, for `Vectors` vectors of samples from `sample` on.
  template <class Level, int Rows, int Vectors, class T>
  EBB_INLINE static void tile(const dense_product<T>& p, Eigen::Index row, Eigen::Index kept, Eigen::Index sample) {
    using V = typename vector_of<T, Level::bytes>::type;
    constexpr Eigen::Index lanes = Level::bytes / sizeof(T);
    const T* w[Rows];
    V sums[Rows][Vectors];
    EBB_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const Eigen::Index at = row + (r < kept ? r : 0);
      w[r] = p.weight + at * p.row_step;
      const T start = p.bias == nullptr ? T(0) : p.bias[at];
      EBB_UNROLL
      for (int v = 0; v < Vectors; ++v) sums[r][v] = V{} + start;
    }
    const T* in = p.in + sample;
    Eigen::Index at = 0;
    for (Eigen::Index k = 0; k < p.depth; ++k) {
      V x[Vectors];
      EBB_UNROLL
      for (int v = 0; v < Vectors; ++v) load(x[v], in + v * lanes);
      EBB_UNROLL
      for (int r = 0; r < Rows; ++r) {
        const V factor = V{} + w[r][at];
        EBB_UNROLL
        for (int v = 0; v < Vectors; ++v) sums[r][v] += factor * x[v];
      }
      at += p.depth_step;
      in += p.samples;
    }
    EBB_UNROLL
    for (int r = 0; r < Rows; ++r) {
      if (r >= kept) break;
      const Eigen::Index to = (row + r) * p.samples + sample;
      EBB_UNROLL
      for (int v = 0; v < Vectors; ++v) {
        V& z = sums[r][v];
        if (p.after == dense_after::relu) {
          z = z < T(0) ? V{} : z;
        } else if (p.after != dense_after::nothing) {
          V f;
          load(f, p.factor + to + v * lanes);
          if (p.after == dense_after::where_positive) f = f > T(0) ? V{} + p.scale : V{};
          z *= f;
        }
        store(p.out + to + v * lanes, z);
      }
    }
  }

  template <class Level, int Rows, int Vectors, class T>
  EBB_INLINE static void row_of_tiles(const dense_product<T>& p, Eigen::Index row, Eigen::Index kept) {
    constexpr Eigen::Index lanes = Level::bytes / sizeof(T);
    constexpr int least = panel_step >= 2 * lanes ? 2 : 1;
    Eigen::Index sample = 0;
    for (; sample + Vectors * lanes <= p.samples; sample += Vectors * lanes)
      tile<Level, Rows, Vectors>(p, row, kept, sample);
    if constexpr (Vectors > least)
      for (; sample < p.samples; sample += least * lanes) tile<Level, Rows, least>(p, row, kept, sample);
  }

  template <class Level, class T>
  EBB_INLINE static void run(const dense_product<T>& p) {
    constexpr bool many_registers = Level::bytes == 64;
    Eigen::Index row = 0;
    for (; row + 1 < p.rows; row += 4) row_of_tiles<Level, 4, many_registers ? 4 : 2>(p, row, p.rows - row);
    // A single row has few sums to add to in turn, so it takes more samples at a time.
    if (row < p.rows) row_of_tiles<Level, 1, many_registers ? 4 : 8>(p, row, 1);
  }
};

struct gradient_kernel {
  /// `Rows` rows and `Columns` columns of the gradient from (row, column) on, of which so many are there and stored.
  template <class Level, int Rows, int Columns, class T>
  EBB_INLINE static void tile(const dense_gradient<T>& p, Eigen::Index row, Eigen::Index rows, Eigen::Index column,
                              Eigen::Index columns) {
    using V = typename vector_of<T, Level::bytes>::type;
    constexpr Eigen::Index lanes = Level::bytes / sizeof(T);
    V sums[Rows][Columns];
    EBB_UNROLL
    for (int r = 0; r < Rows; ++r) {
      EBB_UNROLL
      for (int c = 0; c < Columns; ++c) sums[r][c] = V{};
    }
    for (Eigen::Index first = 0; first < p.samples; first += panel_samples) {
      const Eigen::Index samples = p.samples - first < panel_samples ? p.samples - first : panel_samples;
      const T* const delta = p.delta + p.rows * first + row * samples;
      const T* const in = p.in + p.depth * first + column * samples;
      const T* d[Rows];
      const T* a[Columns];
      EBB_UNROLL
      for (int r = 0; r < Rows; ++r) d[r] = delta + (r < rows ? r * samples : 0);
      EBB_UNROLL
      for (int c = 0; c < Columns; ++c) a[c] = in + (c < columns ? c * samples : 0);
      for (Eigen::Index s = 0; s < samples; s += lanes) {
        V x[Columns];
        EBB_UNROLL
        for (int c = 0; c < Columns; ++c) load(x[c], a[c] + s);
        EBB_UNROLL
        for (int r = 0; r < Rows; ++r) {
          V y;
          load(y, d[r] + s);
          EBB_UNROLL
          for (int c = 0; c < Columns; ++c) sums[r][c] += y * x[c];
        }
      }
    }
    EBB_UNROLL
    for (int c = 0; c < Columns; ++c) {
      if (c >= columns) break;
      EBB_UNROLL
      for (int r = 0; r < Rows; ++r) {
        if (r >= rows) break;
        T& to = p.weight[row + r + (column + c) * p.rows];
        const T sum = sum_of<T, Level::bytes>(sums[r][c]);
        to = p.add ? to + sum : sum;
      }
    }
  }

  template <class Level, int Rows, class T>
  EBB_INLINE static void row_of_tiles(const dense_gradient<T>& p, Eigen::Index row, Eigen::Index rows) {
    constexpr int most = Level::bytes == 64 || Rows == 1 ? 4 : 2;
    Eigen::Index column = 0;
    for (; column + 1 < p.depth; column += most) tile<Level, Rows, most>(p, row, rows, column, p.depth - column);
    if (column < p.depth) tile<Level, Rows, 1>(p, row, rows, column, 1);
  }

  template <class Level, class T>
  EBB_INLINE static void run(const dense_gradient<T>& p) {
    Eigen::Index row = 0;
    for (; row + 1 < p.rows; row += 4) row_of_tiles<Level, 4>(p, row, p.rows - row);
    if (row < p.rows) row_of_tiles<Level, 1>(p, row, 1);
    sum_rows<Level>(p);
  }

  template <class Level, class T>
  EBB_INLINE static void sum_rows(const dense_gradient<T>& p) {
    using V = typename vector_of<T, Level::bytes>::type;
    constexpr Eigen::Index lanes = Level::bytes / sizeof(T);
    for (Eigen::Index row = 0; row < p.rows; ++row) {
      V sum = V{};
      for (Eigen::Index first = 0; first < p.samples; first += panel_samples) {
        const Eigen::Index samples = p.samples - first < panel_samples ? p.samples - first : panel_samples;
        const T* const delta = p.delta + p.rows * first + row * samples;
        for (Eigen::Index s = 0; s < samples; s += lanes) {
          V y;
          load(y, delta + s);
          sum += y;
        }
      }
      const T total = sum_of<T, Level::bytes>(sum);
      p.bias[row] = p.add ? p.bias[row] + total : total;
    }
  }
};

/// Lanes are units here, and inputs for a layer of one unit.
struct sample_kernel {
  /// `Vectors` vectors of `Bytes` of units from `row` on; every `Ways`-th input has sums of its own, since one chain of additions waits for each.
  template <std::size_t Bytes, int Vectors, int Ways, class T>
  EBB_INLINE static void tile(const dense_sample<T>& p, Eigen::Index row) {
    using V = typename vector_of<T, Bytes>::type;
    constexpr Eigen::Index lanes = Bytes / sizeof(T);
    V sums[Ways][Vectors];
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      load(sums[0][v], p.bias + row + v * lanes);
      EBB_UNROLL
      for (int way = 1; way < Ways; ++way) sums[way][v] = V{};
    }
    const T* w = p.weight + row;
    Eigen::Index k = 0;
    for (; k + Ways <= p.depth; k += Ways) {
      EBB_UNROLL
      for (int way = 0; way < Ways; ++way) {
        EBB_UNROLL
        for (int v = 0; v < Vectors; ++v) {
          V factor;
          load(factor, w + v * lanes);
          sums[way][v] += factor * p.in[k + way];
        }
        w += p.rows;
      }
    }
    for (; k < p.depth; ++k, w += p.rows) {
      EBB_UNROLL
      for (int v = 0; v < Vectors; ++v) {
        V factor;
        load(factor, w + v * lanes);
        sums[0][v] += factor * p.in[k];
      }
    }
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      EBB_UNROLL
      for (int way = 1; way < Ways; ++way) sums[0][v] += sums[way][v];
      V& z = sums[0][v];
      if (p.relu) z = z < T(0) ? V{} : z;
      store(p.out + row + v * lanes, z);
    }
  }

  /// All units, at least one vector of them; the last vector begins early rather than end late.
  template <std::size_t Bytes, class T>
  EBB_INLINE static void all_rows(const dense_sample<T>& p) {
    constexpr Eigen::Index lanes = Bytes / sizeof(T);
    Eigen::Index row = 0;
    for (; row + 4 * lanes <= p.rows; row += 4 * lanes) tile<Bytes, 4, 2>(p, row);
    for (; row + 2 * lanes <= p.rows; row += 2 * lanes) tile<Bytes, 2, 4>(p, row);
    for (; row < p.rows; row += lanes) tile<Bytes, 1, 4>(p, row + lanes <= p.rows ? row : p.rows - lanes);
  }

  template <std::size_t Bytes, class T>
  EBB_INLINE static void one_row(const dense_sample<T>& p) {
    using V = typename vector_of<T, Bytes>::type;
    constexpr Eigen::Index lanes = Bytes / sizeof(T);
    V sum = V{};
    Eigen::Index k = 0;
    for (; k + lanes <= p.depth; k += lanes) {
      V w, x;
      load(w, p.weight + k);
      load(x, p.in + k);
      sum += w * x;
    }
    T z = p.bias[0];
    if (k > 0) z += sum_of<T, Bytes>(sum);
    for (; k < p.depth; ++k) z += p.weight[k] * p.in[k];
    p.out[0] = p.relu && z < T(0) ? T(0) : z;
  }

  template <class Level, class T>
  EBB_INLINE static void run(const dense_sample<T>& p) {
    constexpr Eigen::Index size = sizeof(T);
    if (p.rows == 1) {
      one_row<16>(p);
    } else if (Level::bytes >= 64 && p.rows * size >= 64) {
      all_rows<Level::bytes>(p);
    } else if (Level::bytes >= 32 && p.rows * size >= 32) {
      all_rows<(Level::bytes < 32 ? Level::bytes : 32)>(p);
    } else if (p.rows * size >= 16) {
      all_rows<16>(p);
    } else {
      for (Eigen::Index r = 0; r < p.rows; ++r) {
        T z = p.bias[r];
        for (Eigen::Index k = 0; k < p.depth; ++k) z += p.weight[r + k * p.rows] * p.in[k];
        p.out[r] = p.relu && z < T(0) ? T(0) : z;
      }
    }
  }
};

#endif  // EBB_SIMD_LEVELS

/// Whether a type has kernels; the others, and other compilers and machines, keep to Eigen.
template <class T>
inline constexpr bool has_kernels = EBB_SIMD_LEVELS != 0 && (std::same_as<T, float> || std::same_as<T, double>);

template <class T>
using panel_view = Eigen::Map<Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
using const_panel_view = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;

/// Eigen's way of a dense_product; a panel by column is (samples, units).
template <class T>
void product_by_eigen(const dense_product<T>& p) {
  using stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::Map<const matrix, 0, stride> weight(p.weight, p.rows, p.depth, stride(p.depth_step, p.row_step));
  panel_view<T> out(p.out, p.samples, p.rows);
  const_panel_view<T> in(p.in, p.samples, p.depth);
  out.noalias() = in * weight.transpose();
  if (p.bias != nullptr) out.rowwise() += Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(p.bias, p.rows);
  if (p.after == dense_after::relu) out = out.unaryExpr(rectified<T>());
  if (p.after == dense_after::times) out.array() *= const_panel_view<T>(p.factor, p.samples, p.rows).array();
  if (p.after == dense_after::where_positive)
    out.array() *= const_panel_view<T>(p.factor, p.samples, p.rows).unaryExpr(is_positive<T>()).array() * p.scale;
}

template <class T>
void gradient_by_eigen(const dense_gradient<T>& p) {
  panel_view<T> weight(p.weight, p.rows, p.depth);
  Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>> bias(p.bias, p.rows);
  if (!p.add) {
    weight.setZero();
    bias.setZero();
  }
  for (Eigen::Index first = 0; first < p.samples; first += panel_samples) {
    const Eigen::Index samples = std::min(panel_samples, p.samples - first);
    const const_panel_view<T> delta(p.delta + p.rows * first, samples, p.rows);
    weight.noalias() += delta.transpose() * const_panel_view<T>(p.in + p.depth * first, samples, p.depth);
    bias += delta.colwise().sum().transpose();
  }
}

template <class T>
void sample_by_eigen(const dense_sample<T>& p) {
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  Eigen::Map<vector> out(p.out, p.rows);
  out = Eigen::Map<const vector>(p.bias, p.rows);
  out.noalias() += const_panel_view<T>(p.weight, p.rows, p.depth) * Eigen::Map<const vector>(p.in, p.depth);
  if (p.relu) out = out.unaryExpr(rectified<T>());
}

template <class T>
void compute(const dense_product<T>& p) {
#if EBB_SIMD_LEVELS
  if constexpr (has_kernels<T>) return run_best<product_kernel>(p);
#endif
  product_by_eigen(p);
}
template <class T>
void compute(const dense_gradient<T>& p) {
#if EBB_SIMD_LEVELS
  if constexpr (has_kernels<T>) return run_best<gradient_kernel>(p);
#endif
  gradient_by_eigen(p);
}
template <class T>
void compute(const dense_sample<T>& p) {
#if EBB_SIMD_LEVELS
  if constexpr (has_kernels<T>) return run_best<sample_kernel>(p);
#endif
  sample_by_eigen(p);
}

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

/// Columns of `from`, (units, columns), into a panel, which the last column, times `rest`, fills up: numbers that are as
/// harmless as its own, or zeros.
template <class T>
void to_panel(const Eigen::Ref<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>& from, T* panel, bool zeros) {
  const Eigen::Index columns = from.cols(), samples = padded_samples(columns), stride = from.outerStride();
  for (Eigen::Index unit = 0; unit < from.rows(); ++unit, panel += samples) {
    const T* const row = from.data() + unit;
    for (Eigen::Index c = 0; c < columns; ++c) panel[c] = row[c * stride];
    std::fill(panel + columns, panel + samples, zeros ? T(0) : panel[columns - 1]);
  }
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

#endif  // EBB_DETAIL_DENSE_KERNELS_HPP
