// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DENSE_PROBLEMS_HPP
#define EBB_DETAIL_DENSE_PROBLEMS_HPP

#include "ebb/detail/panel.hpp"

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
  using kernel = sample_kernel;

  const T* weight;  // (rows, depth), by column
  const T* bias;    // (rows)
  const T* in;      // (depth)
  T* out;           // (rows)
  Eigen::Index rows, depth;
  bool relu;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_DENSE_PROBLEMS_HPP
