// SPDX-License-Identifier: MIT
#ifndef EBB_READINGS_HPP
#define EBB_READINGS_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numbers>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <Eigen/QR>

#include "ebb/decay.hpp"
#include "ebb/decay_function.hpp"
#include "ebb/detail/nnls.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// A reading that stands for another decay, and how well.
///
///   |reading(gap) − D(gap)| <= max_relative_error · max(D(gap), floor)   for every gap in [0, horizon]
///
/// Amounts and weights are >= 0, so a sum of events no older than the horizon is off by no more than max_relative_error either.
struct fitted_reading {
  ebb::reading reading;
  double max_relative_error;
  duration horizon;
};

namespace detail {

/// Where a fit is looked at: gaps from 0 to the horizon, D there, and what an error there is relative to.
struct fit_points {
  Eigen::ArrayXd gaps;    // (n), in seconds
  Eigen::ArrayXd values;  // (n), D
  Eigen::ArrayXd scales;  // (n), max(D, floor)

  /// Evenly spaced in ln(1 + gap/unit): as dense within the first unit as in every later magnitude.
  template <class Decay>
  fit_points(const Decay& decay, duration unit, duration horizon, double floor, Eigen::Index n)
      : gaps(n), values(n), scales(n) {
    const double end = std::log1p(horizon / unit);
    for (Eigen::Index i = 0; i < n; ++i) {
      const double at = static_cast<double>(i) / static_cast<double>(n - 1);
      gaps[i] = i + 1 == n ? horizon.count() : std::expm1(end * at) * unit.count();
      values[i] = static_cast<double>(decay(duration(gaps[i])));
      scales[i] = std::max(values[i], floor);
    }
  }
};

/// Largest error of a reading on so dense a grid that what lies between its points is covered by the thousandth added.
template <class Decay>
[[nodiscard]] double measured_error(const reading& how, const Decay& decay, duration unit, duration horizon,
                                    double floor) {
  const fit_points points(decay, unit, horizon, floor, 20001);
  double worst = 0;
  for (Eigen::Index i = 0; i < points.gaps.size(); ++i)
    worst = std::max(worst, std::abs(how(duration(points.gaps[i])) - points.values[i]) / points.scales[i]);
  return worst * 1.001;
}

/// Rates and weights that fit a decay, refined until the largest relative error is smallest.
///
/// Lawson's scheme: least squares again and again, each point's weight multiplied by its error, so that the peaks are pressed down to one
/// height; every step a damped Gauss–Newton over the logarithms of the rates and of the weights (which are then positive and add to 1).
/// Source: C. Lawson, Contributions to the theory of linear least maximum approximation, 1961; D. Marquardt, SIAM J. 1963.
/// (A template, as what it serves is, so that who fits nothing does not wait for Eigen's solvers to be compiled.)
template <std::same_as<fit_points> Points>
class minimax_fit {
 public:
  /// rates: start, in 1/s (natural); weights: start, any positive ones.
  minimax_fit(const Points& points, const Eigen::ArrayXd& rates, const Eigen::ArrayXd& weights)
      : points_(points), logs_(2 * rates.size()) {
    logs_ << rates.log(), weights.log();
    logs_ = possible(std::move(logs_));
  }

  void refine(int rounds) {
    Eigen::ArrayXd emphasis = Eigen::ArrayXd::Ones(points_.gaps.size());
    Eigen::VectorXd best = logs_;
    double lowest = worst(errors(logs_));
    for (int round = 0; round < rounds; ++round) {
      for (int step = 0; step < (round == 0 ? 60 : 3); ++step) descend(emphasis);
      const Eigen::ArrayXd error = errors(logs_).abs();
      if (error.maxCoeff() < lowest) {
        lowest = error.maxCoeff();
        best = logs_;
      }
      emphasis *= error / error.maxCoeff();
      emphasis = (emphasis / emphasis.mean()).max(1e-6);
    }
    logs_ = best;
  }

  [[nodiscard]] double worst_error() const { return worst(errors(logs_)); }

  /// As a bank and its reading, slowest lane last.
  [[nodiscard]] reading result() const {
    const Eigen::Index lanes = logs_.size() / 2;
    const Eigen::ArrayXd weights = softmax(logs_);
    std::vector<std::pair<double, double>> by_half_life;
    for (Eigen::Index k = 0; k < lanes; ++k)
      by_half_life.emplace_back(std::numbers::ln2 / std::exp(logs_[k]), weights[k]);
    std::sort(by_half_life.begin(), by_half_life.end());
    // Lanes that met, at an end of the range most likely, are kept apart by as little as a bank can tell.
    constexpr double apart = 1 + 1e-6;
    for (std::size_t k = by_half_life.size() - 1; k-- > 0;)
      by_half_life[k].first = std::min(by_half_life[k].first, by_half_life[k + 1].first / apart);
    std::vector<duration> half_lives;
    std::vector<double> pi;
    for (const auto& [half_life, weight] : by_half_life) {
      const double least = half_lives.empty() ? timescales::shortest().count() : half_lives.back().count() * apart;
      half_lives.emplace_back(std::max(half_life, least));
      pi.push_back(weight);
    }
    return {timescales(half_lives), std::move(pi)};
  }

 private:
  /// The same with every half-life inside the range of `timescales`, by enough for rounding.
  [[nodiscard]] static Eigen::VectorXd possible(Eigen::VectorXd logs) {
    const double slowest = std::log(std::numbers::ln2 / timescales::longest().count()) + 1e-9;
    const double fastest = std::log(std::numbers::ln2 / timescales::shortest().count()) - 1e-9;
    const Eigen::Index lanes = logs.size() / 2;
    logs.head(lanes) = logs.head(lanes).cwiseMax(slowest).cwiseMin(fastest);
    return logs;
  }
  [[nodiscard]] static Eigen::ArrayXd softmax(const Eigen::VectorXd& logs) {
    const Eigen::Index lanes = logs.size() / 2;
    const Eigen::ArrayXd raw = (logs.tail(lanes).array() - logs.tail(lanes).maxCoeff()).exp();
    return raw / raw.sum();
  }
  [[nodiscard]] static double worst(const Eigen::ArrayXd& errors) { return errors.abs().maxCoeff(); }

  [[nodiscard]] Eigen::ArrayXd errors(const Eigen::VectorXd& logs) const {
    const Eigen::ArrayXd weights = softmax(logs);
    Eigen::ArrayXd fit = Eigen::ArrayXd::Zero(points_.gaps.size());
    for (Eigen::Index k = 0; k < weights.size(); ++k) fit += weights[k] * (-std::exp(logs[k]) * points_.gaps).exp();
    return (fit - points_.values) / points_.scales;
  }

  /// One step of Levenberg and Marquardt on Σ emphasis · error².
  void descend(const Eigen::ArrayXd& emphasis) {
    const Eigen::Index lanes = logs_.size() / 2;
    const Eigen::Index n = points_.gaps.size();
    const Eigen::ArrayXd weights = softmax(logs_);
    Eigen::MatrixXd slopes(n, 2 * lanes);  // of the error by each logarithm
    Eigen::ArrayXd fit = Eigen::ArrayXd::Zero(n);
    for (Eigen::Index k = 0; k < lanes; ++k) {
      const double rate = std::exp(logs_[k]);
      const Eigen::ArrayXd fading = (-rate * points_.gaps).exp();
      fit += weights[k] * fading;
      slopes.col(k) = -weights[k] * rate * points_.gaps * fading;
      slopes.col(lanes + k) = weights[k] * fading;
    }
    for (Eigen::Index k = 0; k < lanes; ++k) slopes.col(lanes + k).array() -= weights[k] * fit;
    const Eigen::ArrayXd root = emphasis.sqrt();
    const Eigen::VectorXd target = root * (points_.values - fit) / points_.scales;
    slopes.array().colwise() *= root / points_.scales;
    const double before = target.squaredNorm();
    const Eigen::VectorXd diagonal = slopes.colwise().norm();
    Eigen::MatrixXd stacked(n + 2 * lanes, 2 * lanes);
    Eigen::VectorXd wanted = Eigen::VectorXd::Zero(n + 2 * lanes);
    stacked.topRows(n) = slopes;
    wanted.head(n) = target;
    for (int attempt = 0; attempt < 12; ++attempt) {
      stacked.bottomRows(2 * lanes) = Eigen::MatrixXd((damping_ * diagonal.cwiseMax(1e-12)).asDiagonal());
      const Eigen::VectorXd next = possible(logs_ + stacked.householderQr().solve(wanted).cwiseMax(-1.0).cwiseMin(1.0));
      if ((emphasis * errors(next).square()).sum() < before) {
        logs_ = next;
        damping_ = std::max(damping_ / 3, 1e-7);
        return;
      }
      damping_ = std::min(damping_ * 4, 1e3);
    }
  }

  const Points& points_;
  Eigen::VectorXd logs_;  // (2·lanes): log rates, then log weights up to a constant
  double damping_ = 1e-2;
};

/// How many points a fit of so many lanes needs: some thirty between neighbouring peaks of its error.
[[nodiscard]] inline Eigen::Index points_for(int lanes) { return 60 * lanes + 60; }

inline void check_horizon(const char* where, duration horizon) {
  require(horizon.count() > 0 && horizon <= std::chrono::years(1000), where, "horizon must be in (0, 1000 years]",
          horizon);
}

}  // namespace detail

/// The best reading of `lanes` half-lives for the power law (1 + gap/scale)^(−p): both half-lives and weights are chosen.
///
/// It starts from (1 + x)^(−p) = 1/Γ(p) ∫ s^(p−1) e^(−s) e^(−sx) ds with s = e^u by the trapezoid rule, and then moves rates and weights until
/// the largest relative error over the horizon is smallest. Reached for a half-life of a day over ten years (pinned by readings_test for an
/// ordinary build; other flags of the compiler were seen to end the search up to a tenth higher, which the error returned says):
///
///   lanes          4       5       6       7       8       9      10
///   p = 0.5    8.3 %   3.1 %   1.3 %  0.52 %  0.21 %  0.08 %  0.03 %
///   p = 1       15 %   5.5 %   2.2 %  0.88 %  0.34 %  0.11 %  0.04 %
///   p = 2       28 %    12 %   4.9 %   1.7 %  0.62 %  0.23 %  0.10 %
///
/// Complexity: 0.1 s for 8 lanes, done once.   Errors: std::invalid_argument for lanes outside [1, 32] or a horizon outside (0, 1000 years],
///         as power_law_decay. Half-lives stay within what `timescales` allows; the error returned says how well that does.
/// Source: G. Beylkin, L. Monzón, On approximation of functions by exponential sums, Appl. Comput. Harmon. Anal. 2005, for the start.
template <std::same_as<power_law_shape> Shape = power_law_shape>
[[nodiscard]] fitted_reading fit_power_law(duration half_life, std::type_identity_t<Shape> shape, duration horizon,
                                           int lanes) {
  detail::require(lanes >= 1 && lanes <= detail::max_lanes, "fit_power_law", "lanes must be in [1, 32]", lanes);
  detail::check_horizon("fit_power_law", horizon);
  const power_law_decay<> decay(half_life, shape);
  const duration unit = decay.scale();
  const double p = shape.exponent;
  const detail::fit_points points(decay, unit, horizon, 0.0, detail::points_for(lanes));
  // The weight p·u − e^u of the integrand in u: from where the horizon's exponentials live to where e^(−s) has ended it.
  const double fastest = std::log(p + 3 * std::sqrt(p) + 1);
  const double slowest = std::min(std::log(p + 0.5) - std::log1p(horizon / unit), fastest - 1);
  Eigen::ArrayXd u(lanes);
  for (int k = 0; k < lanes; ++k) u[k] = lanes == 1 ? slowest : fastest + (slowest - fastest) * k / (lanes - 1.0);
  detail::minimax_fit fit(points, u.exp() / unit.count(), (p * u - u.exp()).exp());
  fit.refine(lanes == 1 ? 1 : 150);
  reading how = fit.result();
  const double error = detail::measured_error(how, decay, unit, horizon, 0.0);
  return {std::move(how), error, horizon};
}

/// The same with as few lanes as keep the largest relative error under `max_relative_error`.
///
/// Errors: as above; std::invalid_argument unless max_relative_error is in [1e-8, 1), and when it is not reached before four lanes more have
///         not come nearer (over a horizon shorter than the half-life, where fewer lanes do, that is about 1e-6) or 32 lanes are used.
template <std::same_as<power_law_shape> Shape = power_law_shape>
[[nodiscard]] fitted_reading fit_power_law(duration half_life, std::type_identity_t<Shape> shape, duration horizon,
                                           double max_relative_error) {
  detail::require(max_relative_error >= 1e-8 && max_relative_error < 1, "fit_power_law",
                  "max_relative_error must be in [1e-8, 1)", max_relative_error);
  fitted_reading nearest = fit_power_law(half_life, shape, horizon, 1);
  for (int lanes = 2; lanes <= detail::max_lanes && lanes <= nearest.reading.bank().size() + 4; ++lanes) {
    if (nearest.max_relative_error <= max_relative_error) break;
    fitted_reading fitted = fit_power_law(half_life, shape, horizon, lanes);
    if (fitted.max_relative_error < nearest.max_relative_error) nearest = std::move(fitted);
  }
  detail::require(nearest.max_relative_error <= max_relative_error, "fit_power_law",
                  "max_relative_error must be within reach of the fit", max_relative_error);
  return nearest;
}

/// The reading of an existing bank that comes nearest to any decay function, without touching stored state.
///
/// Non-negative least squares on the relative error, repeated with more weight where the error is large. A decay that is not completely
/// monotone (a Gaussian, a window) can only be approached; max_relative_error says how far it is. Where D has fallen below `floor`, errors
/// count relative to the floor.
/// Complexity: some tenths of a second for 8 lanes; done once.
/// Errors: std::invalid_argument unless horizon is in (0, 1000 years] and floor in [1e-12, 1].
template <decay_function Decay>
[[nodiscard]] fitted_reading fit_reading(const timescales& bank, const Decay& decay, duration horizon,
                                         double floor = 1e-6) {
  detail::check_horizon("fit_reading", horizon);
  detail::require(floor >= 1e-12 && floor <= 1, "fit_reading", "floor must be in [1e-12, 1]", floor);
  const int lanes = bank.size();
  const duration unit = std::min(bank.half_life(0), horizon);
  const detail::fit_points points(decay, unit, horizon, floor, detail::points_for(lanes));
  const Eigen::Index n = points.gaps.size();
  Eigen::MatrixXd fading(n, lanes);
  for (int k = 0; k < lanes; ++k)
    fading.col(k) = (-std::numbers::ln2 / bank.half_life(k).count() * points.gaps).exp() / points.scales;
  const Eigen::VectorXd target = points.values / points.scales;
  Eigen::ArrayXd emphasis = Eigen::ArrayXd::Ones(n);
  std::vector<double> best;
  double lowest = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 60; ++round) {
    Eigen::MatrixXd a(n + 1, lanes);
    Eigen::VectorXd b(n + 1);
    a.topRows(n) = fading.array().colwise() * emphasis.sqrt();
    b.head(n) = target.array() * emphasis.sqrt();
    const double heavy = 1e4 * std::sqrt(static_cast<double>(n));  // Σ π = 1
    a.row(n).setConstant(heavy);
    b[n] = heavy;
    Eigen::VectorXd weights = detail::non_negative_least_squares(a, b);
    weights /= weights.sum();
    const Eigen::ArrayXd error = (fading * weights - target).array().abs();
    if (error.maxCoeff() < lowest) {
      lowest = error.maxCoeff();
      best.assign(weights.begin(), weights.end());
    }
    if (!(error.maxCoeff() > 1e-13)) break;
    emphasis *= error / error.maxCoeff();
    emphasis = (emphasis / emphasis.mean()).max(1e-9);
  }
  reading how(bank, best);
  const double error = detail::measured_error(how, decay, unit, horizon, floor);
  return {std::move(how), error, horizon};
}

}  // namespace ebb

#endif  // EBB_READINGS_HPP
