// SPDX-License-Identifier: MIT
#include "ebb/activation.hpp"
#include "ebb/detail/dense_compute.hpp"
#include "ebb/detail/dense_problems.hpp"
#include "ebb/detail/panel.hpp"
#include "ebb/random.hpp"

#include "catch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace dense_kernels_test {

using namespace ebb::detail;  // NOLINT(google-build-using-namespace): it is what is tested
using Eigen::Index;

namespace {

constexpr std::array<Index, 12> sizes = {1, 2, 3, 4, 5, 7, 8, 10, 16, 17, 31, 40};

template <class T>
std::vector<T> random_numbers(Index size, std::uint64_t seed) {
  ebb::random_engine random(seed);
  std::vector<T> numbers(static_cast<std::size_t>(size));
  for (T& x : numbers) x = static_cast<T>(random.normal());
  return numbers;
}

/// Calls check(way) with each way this processor has of computing a problem: `way(problem)`.
template <class Kernel, class Check, class ByEigen>
void for_every_way(Check check, ByEigen plain) {
  check(plain);
#if EBB_SIMD_LEVELS
  for (int level = 0; level <= static_cast<int>(widest_level()); ++level) {
    check([=](const auto& problem) {
      with_arguments(problem, [=](auto... all) { run_at<Kernel>(static_cast<processor_level>(level), all...); });
    });
  }
#endif
}

#if !EBB_SIMD_LEVELS
struct product_kernel;
struct gradient_kernel;
struct sample_kernel;
#endif

/// A single layer of (rows, depth) as a chain; `parameters` are its weights by column, then its biases.
template <class T>
class lone_layer {
 public:
  lone_layer(Index rows, Index depth, bool relu)
      : layer_{depth, rows, 0, relu ? ebb::activation::relu : ebb::activation::identity} {}
  [[nodiscard]] dense_chain<T> on(const T* parameters, const T* in, T* out) const {
    return {parameters, &layer_, 1, in, out, nullptr, nullptr};
  }

 private:
  mlp_layer layer_;
};

template <class T>
bool close(T value, double truth, double size) {
  return std::abs(static_cast<double>(value) - truth) <=
         8 * size * static_cast<double>(std::numeric_limits<T>::epsilon());
}

/// What stands past the end of an output, and must stay.
template <class T>
constexpr T untouched = T(-12345);

}  // namespace

TEMPLATE_TEST_CASE("a product of panels equals plain loops at every level", "[dense_kernels]", float, double) {
  using T = TestType;
  const auto check = [](const auto& way) {
    for (const Index rows : sizes)
      for (const Index depth : sizes)
        for (const Index samples : {16, 32, 48, 64})
          for (const bool transposed : {false, true})
            for (const dense_after after :
                 {dense_after::nothing, dense_after::relu, dense_after::where_positive, dense_after::times}) {
              const std::vector<T> weight = random_numbers<T>(rows * depth, 1), bias = random_numbers<T>(rows, 2),
                                   in = random_numbers<T>(depth * samples, 3),
                                   factor = random_numbers<T>(rows * samples, 4);
              std::vector<T> out(static_cast<std::size_t>(rows * samples + 1), untouched<T>);
              const dense_product<T> p{.weight = weight.data(),
                                       .row_step = transposed ? depth : 1,
                                       .depth_step = transposed ? 1 : rows,
                                       .bias = transposed ? nullptr : bias.data(),
                                       .in = in.data(),
                                       .out = out.data(),
                                       .rows = rows,
                                       .depth = depth,
                                       .samples = samples,
                                       .after = after,
                                       .factor = factor.data(),
                                       .scale = T(1.25)};
              way(p);
              bool right = out.back() == untouched<T>;
              for (Index r = 0; r < rows; ++r)
                for (Index s = 0; s < samples; ++s) {
                  double truth = transposed ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(r)]),
                         size = std::abs(truth);
                  for (Index k = 0; k < depth; ++k) {
                    const double term = static_cast<double>(p.weight[r * p.row_step + k * p.depth_step]) *
                                        static_cast<double>(p.in[k * samples + s]);
                    truth += term;
                    size += std::abs(term);
                  }
                  const double f = static_cast<double>(factor[static_cast<std::size_t>(r * samples + s)]);
                  if (after == dense_after::relu) truth = std::max(truth, 0.0);
                  if (after == dense_after::where_positive) truth *= f > 0 ? 1.25 : 0.0;
                  if (after == dense_after::times) truth *= f;
                  size *= 1.25 + std::abs(f);
                  right = right && close(out[static_cast<std::size_t>(r * samples + s)], truth, size);
                }
              CAPTURE(rows, depth, samples, transposed, static_cast<int>(after));
              REQUIRE(right);
            }
  };
  for_every_way<product_kernel>(check, [](const dense_product<T>& p) { by_eigen(p); });
}

TEMPLATE_TEST_CASE("a gradient over several panels equals plain loops at every level", "[dense_kernels]", float,
                   double) {
  using T = TestType;
  const auto check = [](const auto& way) {
    for (const Index rows : sizes)
      for (const Index depth : sizes)
        for (const Index samples : {16, 64, 80, 176})
          for (const bool add : {false, true}) {
            const std::vector<T> delta = random_numbers<T>(rows * samples, 1),
                                 in = random_numbers<T>(depth * samples, 2);
            std::vector<T> out = random_numbers<T>(rows * (depth + 1) + 1, 3);
            const std::vector<T> before = out;
            way(dense_gradient<T>{delta.data(), in.data(), out.data(), out.data() + rows * depth, rows, depth, samples,
                                  add});
            bool right = out.back() == before.back();
            for (Index k = 0; k <= depth; ++k)
              for (Index r = 0; r < rows; ++r) {
                const std::size_t at = static_cast<std::size_t>(r + k * rows);
                double truth = add ? static_cast<double>(before[at]) : 0.0, size = std::abs(truth);
                for (Index first = 0; first < samples; first += panel_samples) {
                  const Index width = std::min(panel_samples, samples - first);
                  for (Index s = 0; s < width; ++s) {
                    const T d = delta[static_cast<std::size_t>(rows * first + r * width + s)];
                    const T a = k < depth ? in[static_cast<std::size_t>(depth * first + k * width + s)] : T(1);
                    truth += static_cast<double>(d) * static_cast<double>(a);
                    size += std::abs(static_cast<double>(d) * static_cast<double>(a));
                  }
                }
                right = right && close(out[at], truth, size);
              }
            CAPTURE(rows, depth, samples, add);
            REQUIRE(right);
          }
  };
  for_every_way<gradient_kernel>(check, [](const dense_gradient<T>& p) { by_eigen(p); });
}

TEMPLATE_TEST_CASE("one sample equals plain loops at every level", "[dense_kernels]", float, double) {
  using T = TestType;
  const auto check = [](const auto& way) {
    for (Index rows = 1; rows <= 40; ++rows)
      for (Index depth = 1; depth <= 70; ++depth)
        for (const bool relu : {false, true}) {
          const std::vector<T> weight = random_numbers<T>(rows * (depth + 1), 1), in = random_numbers<T>(depth, 3);
          std::vector<T> out(static_cast<std::size_t>(rows + 1), untouched<T>);
          const lone_layer<T> layer(rows, depth, relu);
          way(layer.on(weight.data(), in.data(), out.data()));
          bool right = out.back() == untouched<T>;
          for (Index r = 0; r < rows; ++r) {
            double truth = static_cast<double>(weight[static_cast<std::size_t>(rows * depth + r)]);
            double size = std::abs(truth);
            for (Index k = 0; k < depth; ++k) {
              const double term = static_cast<double>(weight[static_cast<std::size_t>(r + k * rows)]) *
                                  static_cast<double>(in[static_cast<std::size_t>(k)]);
              truth += term;
              size += std::abs(term);
            }
            if (relu) truth = std::max(truth, 0.0);
            right = right && close(out[static_cast<std::size_t>(r)], truth, size);
          }
          CAPTURE(rows, depth, relu);
          REQUIRE(right);
        }
  };
  for_every_way<sample_kernel>(check, [](const dense_chain<T>& p) { by_eigen(p); });
}

TEMPLATE_TEST_CASE("one sample is the same wherever its weights begin on a cache line", "[dense_kernels]", float,
                   double) {
  using T = TestType;
  const auto check = [](const auto& way) {
    const Index per_line = 64 / static_cast<Index>(sizeof(T));
    for (const Index rows : {per_line, 2 * per_line, 4 * per_line, 4 * per_line + 3, 8 * per_line})
      for (const Index depth : {1, 2, 15, 16, 17, 64})
        for (Index shift = 0; shift < per_line; ++shift) {
          panel_memory<T> memory;
          T* const weight = memory.grow(shift + rows * (depth + 1)) + shift;
          const std::vector<T> numbers = random_numbers<T>(rows * (depth + 1), 1), in = random_numbers<T>(depth, 2);
          std::copy(numbers.begin(), numbers.end(), weight);
          std::vector<T> out(static_cast<std::size_t>(rows + 1), untouched<T>), plain(out);
          const lone_layer<T> layer(rows, depth, true);
          way(layer.on(weight, in.data(), out.data()));
          by_eigen(layer.on(weight, in.data(), plain.data()));
          bool right = out.back() == untouched<T>;
          for (std::size_t r = 0; r < out.size(); ++r)
            right = right && close(out[r], static_cast<double>(plain[r]), 100.0);
          CAPTURE(rows, depth, shift);
          REQUIRE(right);
        }
  };
  for_every_way<sample_kernel>(check, [](const dense_chain<T>& p) { by_eigen(p); });
}

TEMPLATE_TEST_CASE("NaN and infinity pass through relu and stay in their own sample", "[dense_kernels]", float,
                   double) {
  using T = TestType;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  const Index samples = 16;
  const auto panels = [&](const auto& way) {
    for (const Index rows : {1, 3, 6}) {
      const std::vector<T> weight(static_cast<std::size_t>(rows), T(2)), bias(static_cast<std::size_t>(rows), T(1));
      std::vector<T> in(static_cast<std::size_t>(samples), T(1)), out(static_cast<std::size_t>(rows * samples));
      in[3] = nan;
      in[5] = inf;
      in[9] = -inf;
      way(dense_product<T>{.weight = weight.data(),
                           .row_step = 1,
                           .depth_step = rows,
                           .bias = bias.data(),
                           .in = in.data(),
                           .out = out.data(),
                           .rows = rows,
                           .depth = 1,
                           .samples = samples,
                           .after = dense_after::relu});
      for (Index i = 0; i < rows * samples; ++i) {
        const T value = out[static_cast<std::size_t>(i)];
        const Index s = i % samples;
        REQUIRE((s == 3 ? std::isnan(value) : value == (s == 5 ? inf : s == 9 ? T(0) : T(3))));
      }
    }
  };
  for_every_way<product_kernel>(panels, [](const dense_product<T>& p) { by_eigen(p); });
  const auto sample = [&](const auto& way) {
    for (const Index rows : {1, 3, 4, 8, 16, 21})
      for (const T x : {nan, inf, -inf, T(1)}) {
        std::vector<T> weight(static_cast<std::size_t>(2 * rows), T(2)), out(static_cast<std::size_t>(rows));
        std::fill(weight.begin() + rows, weight.end(), T(1));
        const lone_layer<T> layer(rows, 1, true);
        way(layer.on(weight.data(), &x, out.data()));
        for (const T value : out)
          REQUIRE((std::isnan(x) ? std::isnan(value) : value == std::max(T(2) * x + T(1), T(0))));
      }
  };
  for_every_way<sample_kernel>(sample, [](const dense_chain<T>& p) { by_eigen(p); });
}

TEMPLATE_TEST_CASE("a matrix comes back from its panel, filled up with its last column or cleared", "[dense_kernels]",
                   float, double) {
  using matrix = Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic>;
  for (const Index units : sizes)
    for (const Index columns : {1, 2, 15, 16, 17, 63, 64}) {
      const matrix whole = matrix::Random(units + 2, columns + 1);
      matrix back = matrix::Zero(units + 3, columns);
      panel_memory<TestType> memory;
      const Index samples = padded_samples(columns);
      memory.grow(units * samples);
      for (const bool cleared : {false, true}) {
        to_panel<TestType>(whole.block(1, 0, units, columns), memory.data());
        if (cleared) clear_filling(memory.data(), units, columns);
        from_panel<TestType>(memory.data(), back.topRows(units));
        REQUIRE(back.topRows(units) == whole.block(1, 0, units, columns));
        for (Index unit = 0; unit < units; ++unit)
          for (Index at = columns; at < samples; ++at)
            REQUIRE(memory.data()[unit * samples + at] == (cleared ? TestType(0) : whole(unit + 1, columns - 1)));
      }
    }
}

}  // namespace dense_kernels_test
