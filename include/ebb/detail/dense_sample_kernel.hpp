// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_SAMPLE_KERNEL_HPP
#define EBB_DETAIL_DENSE_SAMPLE_KERNEL_HPP

#include "ebb/detail/dense_problems.hpp"
#include "ebb/detail/simd_levels.hpp"
#include "ebb/detail/simd_vector.hpp"

#include <cstddef>
#include <cstdint>

// A layer for one sample, which has nothing but latency to lose: short chains of sums, and stores the next layer can read.

#if EBB_SIMD_LEVELS

namespace ebb::detail {

/// Lanes are units here, and inputs for a layer of one unit.
struct sample_kernel {
  /// `Vectors` vectors of `Bytes` of units from `row` on; every `Ways`-th input has sums of its own, since one chain of additions waits for each.
  template <std::size_t Bytes, int Vectors, int Ways, class T>
  EBB_INLINE static void tile(const dense_sample<T>& p, Eigen::Index row) {
    using V = typename simd_vector<T, Bytes>::type;
    constexpr Eigen::Index lanes = Bytes / sizeof(T);
    V sums[Vectors];
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) load(sums[v], p.bias + row + v * lanes);
    const T* w = p.weight + row;
    Eigen::Index k = 0;
    if (Ways > 1 && p.depth >= Ways) {
      V more[Ways][Vectors] = {};
      for (; k + Ways <= p.depth; k += Ways) {
        EBB_UNROLL
        for (int way = 0; way < Ways; ++way) {
          add_input(more[way], w, p.in[k + way]);
          w += p.rows;
        }
      }
      EBB_UNROLL
      for (int v = 0; v < Vectors; ++v) {
        EBB_UNROLL
        for (int step = 1; step < Ways; step *= 2) {
          EBB_UNROLL
          for (int way = 0; way + step < Ways; way += 2 * step) more[way][v] += more[way + step][v];
        }
        sums[v] += more[0][v];
      }
    }
    for (; k < p.depth; ++k, w += p.rows) add_input(sums, w, p.in[k]);
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      if (p.relu) sums[v] = sums[v] < T(0) ? V{} : sums[v];
      store(p.out + row + v * lanes, sums[v]);
    }
  }

  /// sums += one input's weights times x.
  template <int Vectors, class V, class T>
  EBB_INLINE static void add_input(V (&sums)[Vectors], const T* weight, T x) {
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      V factor;
      load(factor, weight + v * static_cast<Eigen::Index>(sizeof(V) / sizeof(T)));
      sums[v] += factor * x;
    }
  }

  /// The same, but `last` in place of x in the last vector.
  template <int Vectors, class V, class T>
  EBB_INLINE static void add_input(V (&sums)[Vectors], const T* weight, const V& x, const V& last) {
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      V factor;
      load(factor, weight + v * static_cast<Eigen::Index>(sizeof(V) / sizeof(T)));
      sums[v] += factor * (v + 1 < Vectors ? x : last);
    }
  }

  /// A layer of `Vectors` vectors of units whose weights, which the biases follow, begin `ahead` numbers before a cache
  /// line, so that each load of `tile` would touch two.
  ///
  /// Loads begin on the line. An input's last one then ends with the first `ahead` units of the next input, the last
  /// input's with their biases. What those units miss, their first input, is added in place of the biases.
  template <std::size_t Bytes, int Vectors, class T>
  EBB_INLINE static void tile_on_lines(const dense_sample<T>& p, Eigen::Index ahead) {
    using V = typename simd_vector<T, Bytes>::type;
    constexpr Eigen::Index lanes = Bytes / sizeof(T), all = Vectors * lanes;
    T number[lanes];
    for (Eigen::Index i = 0; i < lanes; ++i) number[i] = static_cast<T>(i);
    V lane;
    load(lane, number);
    const V is_head = V{} + static_cast<T>(ahead), is_tail = V{} + static_cast<T>(lanes - ahead);
    V even[Vectors], odd[Vectors];
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) even[v] = odd[v] = V{};
    const T* w = p.weight + ahead;
    V x = V{} + p.in[0];
    Eigen::Index k = 1;
    for (; k + 1 < p.depth; k += 2, w += 2 * all) {
      const V second = V{} + p.in[k], third = V{} + p.in[k + 1];
      add_input(even, w, x, lane < is_tail ? x : second);
      add_input(odd, w + all, second, lane < is_tail ? second : third);
      x = third;
    }
    for (; k <= p.depth; ++k, w += all) {
      const V next = V{} + (k < p.depth ? p.in[k] : T(1));
      add_input(even, w, x, lane < is_tail ? x : next);
      x = next;
    }
    T memory[all + 2 * lanes];  // the units in their order, with room at both ends for what belongs elsewhere
    T* const units = memory + lanes;
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) even[v] += odd[v];
    store(units + ahead - lanes, even[Vectors - 1]);
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) store(units + ahead + v * lanes, even[v]);
    EBB_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      V z, rest;
      load(z, units + v * lanes);
      load(rest, p.bias + v * lanes);
      if (v == 0) {
        V first;
        load(first, p.weight);
        rest = lane < is_head ? first * p.in[0] : rest;
      }
      z += rest;
      if (p.relu) z = z < T(0) ? V{} : z;
      store(p.out + v * lanes, z);
    }
  }

  /// All units, at least one vector of them. What the full vectors leave is done first, by a vector that overlaps them:
  /// the next layer then reads each of theirs as it was stored last, without waiting for two stores to meet.
  template <std::size_t Bytes, class T>
  EBB_INLINE static void all_rows(const dense_sample<T>& p) {
    constexpr Eigen::Index lanes = Bytes / sizeof(T);
    if constexpr (Bytes == 64) {
      const std::size_t past = reinterpret_cast<std::uintptr_t>(p.weight) % 64;
      if (past != 0 && p.rows == 4 * lanes && p.depth >= 16 && p.bias == p.weight + p.rows * p.depth)
        return tile_on_lines<Bytes, 4>(p, static_cast<Eigen::Index>((64 - past) / sizeof(T)));
    }
    if (p.rows % lanes != 0) tile<Bytes, 1, 4>(p, p.rows - lanes);
    Eigen::Index row = 0;
    for (; row + 4 * lanes <= p.rows; row += 4 * lanes) tile<Bytes, 4, 2>(p, row);
    for (; row + 2 * lanes <= p.rows; row += 2 * lanes) tile<Bytes, 2, 4>(p, row);
    if (row + lanes <= p.rows) tile<Bytes, 1, 4>(p, row);
  }

  /// Σ weight · in from input k on, by vectors of `Bytes` while they last, then by shorter ones.
  template <std::size_t Bytes, class T>
  EBB_INLINE static T one_row(const dense_sample<T>& p, Eigen::Index k, typename simd_vector<T, Bytes>::type& sum) {
    using V = typename simd_vector<T, Bytes>::type;
    constexpr Eigen::Index lanes = Bytes / sizeof(T);
    for (; k + lanes <= p.depth; k += lanes) {
      V w, x;
      load(w, p.weight + k);
      load(x, p.in + k);
      sum += w * x;
    }
    if constexpr (Bytes > 16) {
      using half = typename simd_vector<T, Bytes / 2>::type;
      half low, high;
      load(low, reinterpret_cast<const T*>(&sum));
      load(high, reinterpret_cast<const T*>(&sum) + lanes / 2);
      low += high;
      return one_row<Bytes / 2>(p, k, low);
    } else {
      T rest = T(0);
      EBB_UNROLL
      for (Eigen::Index i = 0; i + 1 < lanes; ++i)
        if (k + i < p.depth) rest += p.weight[k + i] * p.in[k + i];
      return sum_of<T, Bytes>(sum) + rest;
    }
  }

  template <class Level, class T>
  EBB_INLINE static void layer(const dense_sample<T>& p) {
    constexpr Eigen::Index size = sizeof(T);
    if (p.rows == 1) {
      constexpr std::size_t half = Level::bytes > 16 ? Level::bytes / 2 : 16;
      typename simd_vector<T, Level::bytes>::type sum = {};
      typename simd_vector<T, half>::type half_sum = {};
      const bool is_long = p.depth * size >= static_cast<Eigen::Index>(Level::bytes);
      const T z = p.bias[0] + (is_long ? one_row<Level::bytes>(p, 0, sum) : one_row<half>(p, 0, half_sum));
      p.out[0] = p.relu && z < T(0) ? T(0) : z;
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

  /// Numbers and no struct, which would be read in larger pieces than it has just been written in, and wait for that.
  template <class Level, class T>
  EBB_INLINE static void run(const T* parameters, const mlp_layer* layers, std::size_t count, const T* in, T* out,
                             T* front, T* back) {
    dense_chain<T>{parameters, layers, count, in, out, front, back}.for_each_layer(
        [](const dense_sample<T>& p) EBB_ALWAYS_INLINE { layer<Level>(p); });
  }
};

}  // namespace ebb::detail

#endif  // EBB_SIMD_LEVELS

#endif  // EBB_DETAIL_DENSE_SAMPLE_KERNEL_HPP
