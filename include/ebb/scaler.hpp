// SPDX-License-Identifier: MIT
#ifndef EBB_SCALER_HPP
#define EBB_SCALER_HPP

#include "ebb/detail/shape.hpp"
#include "ebb/time.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <Eigen/Core>

namespace ebb {

/// How `standard_scaler` treats what is missing and what is far out.
struct scaler_options {
  std::optional<double> fill =
      {};  ///< what a missing value (NaN) counts as, in the feature's own unit; unset: its mean
  double clip = std::numeric_limits<double>::infinity();  ///< scaled values beyond ±clip become ±clip
};

/// What `standard_scaler` has seen: per feature the number of known values, their mean and Σ (x − mean)².
struct scaler_state {
  Eigen::VectorXd count, mean, squares;
};

/// Brings every feature to mean 0 and variance 1, with missing values (NaN) filled in.
///
///   z = (x − mean) / scale        scale = √(Σ (x − mean)² / count), or 1 for a feature that never changed
///
/// `observe` may be called any number of times, so the data may come in pieces; it adds in double whatever T is, and
/// missing values are left out of mean and variance. A feature never seen has mean 0 and scale 1.
///
/// Shapes: (features, samples), a column is a sample.   O(features · samples).
/// Errors: std::invalid_argument for an infinite value (beyond ±1e150), naming its place, a shape that does not fit, clip <= 0.
/// Source: B. Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 4(3), 1962.
template <std::floating_point T = double>
class standard_scaler {
 public:
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

  explicit standard_scaler(Eigen::Index features, scaler_options options = {})
      : standard_scaler(scaler_state{Eigen::VectorXd::Zero(features), Eigen::VectorXd::Zero(features),
                                     Eigen::VectorXd::Zero(features)},
                        options) {}

  /// A scaler that has seen what `state` says, to take up a saved one.
  explicit standard_scaler(scaler_state state, scaler_options options = {})
      : options_(options), state_(std::move(state)) {
    constexpr const char* where = "standard_scaler";
    detail::require(features() > 0, where, "there must be at least one feature", features());
    detail::require(state_.mean.size() == features() && state_.squares.size() == features(), where,
                    "count, mean and squares must have one size", state_.squares.size());
    detail::require(state_.count.allFinite() && state_.mean.allFinite() && state_.squares.allFinite(), where,
                    "the state must be finite", "NaN or infinity");
    detail::require(state_.count.minCoeff() >= 0.0 && state_.squares.minCoeff() >= 0.0, where,
                    "counts and squares must be >= 0", std::min(state_.count.minCoeff(), state_.squares.minCoeff()));
    detail::require(options.clip > 0.0, where, "clip must be > 0", options.clip);
    detail::require(!options.fill || std::isfinite(*options.fill), where, "fill must be finite",
                    options.fill.value_or(0.0));
    finish();
  }

  /// Adds the columns of x to what mean and scale are taken from.
  void observe(const Eigen::Ref<const matrix>& x) {
    check(x, "standard_scaler::observe");
    Eigen::ArrayXd value(features()), away(features());
    for (Eigen::Index j = 0; j < x.cols(); ++j) {
      // Welford's update; a missing value counts as the mean and not at all.
      value = x.col(j).array().template cast<double>();
      state_.count.array() += (value == value).template cast<double>();
      value = (value == value).select(value, state_.mean.array());
      away = value - state_.mean.array();
      state_.mean.array() += away / state_.count.array().max(1.0);
      state_.squares.array() += away * (value - state_.mean.array());
    }
    finish();
  }

  /// x = z, in place.
  void transform(Eigen::Ref<matrix> x) const {
    check(x, "standard_scaler::transform");
    const T clip = static_cast<T>(options_.clip);
    for (Eigen::Index j = 0; j < x.cols(); ++j) {
      Eigen::Block<Eigen::Ref<matrix>, Eigen::Dynamic, 1, true> column = x.col(j);
      column.array() = (column.array() - mean_.array()) / scale_.array();
      column.array() = (column.array() == column.array()).select(column.array(), fill_.array());
      if (std::isfinite(options_.clip)) column.array() = column.array().min(clip).max(-clip);
    }
  }

  /// z = the scaled x, into storage of the same shape.
  void transform(const Eigen::Ref<const matrix>& x, Eigen::Ref<matrix> z) const {
    detail::require(detail::shape(z) == detail::shape(x), "standard_scaler::transform", "z must have the shape of x",
                    detail::shape(z));
    z = x;
    transform(z);
  }

  /// z = x, back in the features' own units and in place; what was filled in or clipped stays so.
  void inverse(Eigen::Ref<matrix> z) const {
    detail::require(z.rows() == features(), "standard_scaler::inverse", "z must have one row per feature", z.rows());
    z.array().colwise() *= scale_.array();
    z.array().colwise() += mean_.array();
  }

  [[nodiscard]] Eigen::Index features() const noexcept { return state_.count.size(); }
  [[nodiscard]] const vector& mean() const noexcept { return mean_; }    // (features)
  [[nodiscard]] const vector& scale() const noexcept { return scale_; }  // (features), > 0
  [[nodiscard]] const scaler_options& options() const noexcept { return options_; }
  [[nodiscard]] const scaler_state& state() const noexcept { return state_; }

 private:
  void check(const Eigen::Ref<const matrix>& x, const char* where) const {
    detail::require(x.rows() == features(), where, "x must have one row per feature", x.rows());
    const T largest = static_cast<T>(std::min(1e150, static_cast<double>(std::numeric_limits<T>::max())));
    for (Eigen::Index j = 0; j < x.cols(); ++j) {
      const T* const column = &x.coeffRef(0, j);
      bool beyond = false;
      for (Eigen::Index i = 0; i < x.rows(); ++i) beyond |= std::abs(column[i]) > largest;
      for (Eigen::Index i = 0; beyond && i < x.rows(); ++i)
        detail::require(
            !(std::abs(column[i]) > largest), where,
            "values must be NaN or within ±1e150; in feature " + std::to_string(i) + " of sample " + std::to_string(j),
            column[i]);
    }
  }

  void finish() {
    mean_ = state_.mean.template cast<T>();
    scale_ = (state_.squares.array() / state_.count.array().max(1.0)).sqrt().matrix().template cast<T>();
    scale_ = (scale_.array() > T(0)).select(scale_, T(1));
    fill_ = options_.fill
                ? vector(((*options_.fill - state_.mean.array()).template cast<T>() / scale_.array()).matrix())
                : vector(vector::Zero(features()));
  }

  scaler_options options_;
  scaler_state state_;
  vector mean_, scale_, fill_;  // fill_: what a missing value is after scaling
};

}  // namespace ebb

#endif  // EBB_SCALER_HPP
