// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_COMPUTE_HPP
#define EBB_DETAIL_DENSE_COMPUTE_HPP

#include "ebb/activation.hpp"
#include "ebb/detail/dense_kernels.hpp"
#include "ebb/detail/dense_problems.hpp"
#include "ebb/detail/dense_sample_kernel.hpp"
#include "ebb/detail/panel.hpp"
#include "ebb/detail/simd_levels.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <Eigen/Core>

// The products of dense_problems.hpp by the processor's best kernel, or by Eigen where there is none.

namespace ebb::detail {

template <class T>
using panel_view = Eigen::Map<Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
using const_panel_view = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;

/// Eigen's way; a panel by column is (samples, units).
template <class T>
void by_eigen(const dense_product<T>& p) {
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
void by_eigen(const dense_gradient<T>& p) {
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
void by_eigen(const dense_sample<T>& p) {
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  Eigen::Map<vector> out(p.out, p.rows);
  out = Eigen::Map<const vector>(p.bias, p.rows);
  out.noalias() += const_panel_view<T>(p.weight, p.rows, p.depth) * Eigen::Map<const vector>(p.in, p.depth);
  if (p.relu) out = out.unaryExpr(rectified<T>());
}

template <class T>
void by_eigen(const dense_chain<T>& p) {
  p.for_each_layer([](const dense_sample<T>& layer) EBB_ALWAYS_INLINE { by_eigen(layer); });
}

/// Calls run(arguments…) with what a problem's kernel takes.
template <template <class> class Problem, class T, class Run>
EBB_INLINE void with_arguments(const Problem<T>& p, Run run) {
  run(&p);
}
template <class T, class Run>
EBB_INLINE void with_arguments(const dense_chain<T>& p, Run run) {
  run(p.parameters, p.layers, p.count, p.in, p.out, p.front, p.back);
}

template <template <class> class Problem, class T>
void compute(const Problem<T>& p) {
#if EBB_SIMD_LEVELS
  if constexpr (has_kernels<T>)
    return with_arguments(p, [](auto... arguments) { run_best<typename Problem<T>::kernel>(arguments...); });
#endif
  by_eigen(p);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_DENSE_COMPUTE_HPP
