// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_PROBLEMS_HPP
#define EBB_DETAIL_DENSE_PROBLEMS_HPP

#include "ebb/activation.hpp"
#include "ebb/detail/panel.hpp"
#include "ebb/detail/simd_levels.hpp"

#include <cstddef>
#include <utility>

#include <Eigen/Core>

// The products of a small dense layer, for a panel of samples at a time and for one sample.
//
// General products spend most of their time on packing and on remainders when factors are this small.

namespace ebb::detail {

struct product_kernel;
struct gradient_kernel;
struct sample_kernel;

/// What becomes of a product before it is stored: nothing, relu, or a slope's factor, from `factor`: as it is, or
/// `scale` where a value is > 0 and 0 elsewhere, which are relu's slopes.
enum class dense_after : unsigned char { nothing, relu, where_positive, times };

/// out = after(weight · in + bias): (rows, depth) by (depth, samples), in and out panels.
template <class T>
struct dense_product {
  using kernel = product_kernel;

  const T* weight;  // its (r, k) is at r · row_step + k · depth_step
  Eigen::Index row_step, depth_step;
  const T* bias;                      // (rows), or null
  const T* in;                        // panel (depth, samples)
  T* out;                             // panel (rows, samples)
  Eigen::Index rows, depth, samples;  // samples: a multiple of panel_step
  dense_after after = dense_after::nothing;
  const T* factor = nullptr;  // panel like out, for `where_positive` and `times`
  T scale = T(1);
};

/// gradient = or += delta · inᵀ and row sums of delta, over the panels of a block of samples.
template <class T>
struct dense_gradient {
  using kernel = gradient_kernel;

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

/// Where a layer's parameters stand among a network's.
struct mlp_layer {
  Eigen::Index fan_in, units;
  Eigen::Index offset;  // of W in the flat vector; b follows it
  activation kind;

  [[nodiscard]] friend bool operator==(const mlp_layer&, const mlp_layer&) = default;
};

/// Layers one after another for one sample, each with relu where its kind is that, and no other activation.
template <class T>
struct dense_chain {
  using kernel = sample_kernel;

  const T* parameters;      // of the network
  const mlp_layer* layers;  // at least one
  std::size_t count;
  const T* in;      // (fan_in of the first)
  T* out;           // (units of the last)
  T *front, *back;  // scratch for the widest

  /// Calls act(dense_sample) for each layer, which reads what the one before it wrote.
  template <class Act>
  EBB_INLINE void for_each_layer(Act act) const {
    const T* from = in;
    T *to = front, *next = back;
    for (const mlp_layer* at = layers; at != layers + count; ++at) {
      const T* const weight = parameters + at->offset;
      if (at + 1 == layers + count) to = out;
      act(dense_sample<T>{weight, weight + at->units * at->fan_in, from, to, at->units, at->fan_in,
                          at->kind == activation::relu});
      from = to;
      std::swap(to, next);
    }
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_DENSE_PROBLEMS_HPP
