// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_KERNELS_HPP
#define EBB_DETAIL_DENSE_KERNELS_HPP

#include "ebb/detail/dense_problems.hpp"
#include "ebb/detail/simd_levels.hpp"
#include "ebb/detail/simd_vector.hpp"

#include <cstddef>
#include <utility>

#include <Eigen/Core>

// The products of panels, with vectors of whatever length the level has; a tile of sums stays in registers.

#if EBB_SIMD_LEVELS

namespace ebb::detail {

/// Sums of neighbours, `a`'s in the first half of every 16 bytes and `b`'s in the second.
template <class T, class V, std::size_t... I>
EBB_INLINE void add_neighbours(V& out, const V& a, const V& b, std::index_sequence<I...>) {
  constexpr std::size_t group = 16 / sizeof(T);
  constexpr auto even = [](std::size_t i) {
    const std::size_t first = i / group * group, at = i % group;
    return static_cast<int>(at < group / 2 ? first + 2 * at : sizeof...(I) + first + 2 * at - group);
  };
  out = __builtin_shufflevector(a, b, even(I)...) + __builtin_shufflevector(a, b, (even(I) + 1)...);
}

/// to[r] = or += the sum of v[r], for four rows at once: a sum at a time takes four times as many instructions.
template <class Level, class T, class V>
EBB_INLINE void sum_four(const V& v0, const V& v1, const V& v2, const V& v3, T* to, bool add) {
  using group = typename simd_vector<T, 16>::type;
  constexpr std::size_t lanes = Level::bytes / sizeof(T), per_group = 16 / sizeof(T);
  constexpr auto all = std::make_index_sequence<lanes>();
  V pairs[2];
  add_neighbours<T>(pairs[0], v0, v1, all);
  add_neighbours<T>(pairs[1], v2, v3, all);
  if constexpr (per_group == 4) add_neighbours<T>(pairs[0], pairs[0], pairs[1], all);
  EBB_UNROLL
  for (std::size_t part = 0; part < 4 / per_group; ++part) {
    group sum, next;
    load(sum, reinterpret_cast<const T*>(&pairs[part]));
    EBB_UNROLL
    for (std::size_t g = 1; g < lanes / per_group; ++g) {
      load(next, reinterpret_cast<const T*>(&pairs[part]) + g * per_group);
      sum += next;
    }
    if (add) {
      load(next, to + part * per_group);
      sum += next;
    }
    store(to + part * per_group, sum);
  }
}

struct product_kernel {
  /// `Rows` rows from `row` on, of which `kept` are there and stored, for `Vectors` vectors of samples from `sample` on.
  template <class Level, int Rows, int Vectors, class T>
  EBB_INLINE static void tile(const dense_product<T>& p, Eigen::Index row, Eigen::Index kept, Eigen::Index sample) {
    using V = typename simd_vector<T, Level::bytes>::type;
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
  EBB_INLINE static void run(const dense_product<T>* problem) {
    const dense_product<T> p = *problem;  // which no store can be taken to change
    constexpr bool many_registers = Level::bytes == 64;
    Eigen::Index row = 0;
    if (many_registers && p.samples < panel_samples)
      for (; row + 1 < p.rows; row += 8) row_of_tiles<Level, 8, 2>(p, row, p.rows - row);
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
    using V = typename simd_vector<T, Level::bytes>::type;
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
      if constexpr (Rows == 4) {
        if (rows >= 4) {
          sum_four<Level>(sums[0][c], sums[1][c], sums[2][c], sums[3][c], p.weight + row + (column + c) * p.rows,
                          p.add);
          continue;
        }
      }
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
  EBB_INLINE static void run(const dense_gradient<T>* problem) {
    const dense_gradient<T> p = *problem;
    Eigen::Index row = 0;
    for (; row + 1 < p.rows; row += 4) row_of_tiles<Level, 4>(p, row, p.rows - row);
    if (row < p.rows) row_of_tiles<Level, 1>(p, row, 1);
    sum_rows<Level>(p);
  }

  template <class Level, class T>
  EBB_INLINE static void sum_rows(const dense_gradient<T>& p) {
    using V = typename simd_vector<T, Level::bytes>::type;
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

}  // namespace ebb::detail

#endif  // EBB_SIMD_LEVELS

#endif  // EBB_DETAIL_DENSE_KERNELS_HPP
