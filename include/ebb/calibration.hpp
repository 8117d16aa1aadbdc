// SPDX-License-Identifier: MIT
#ifndef EBB_CALIBRATION_HPP
#define EBB_CALIBRATION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/lbfgs.hpp"
#include "ebb/loss.hpp"
#include "ebb/scaler.hpp"
#include "ebb/time.hpp"

namespace ebb {

namespace detail {

inline void require_outcomes(const char* where, std::span<const double> outcomes, std::size_t size) {
  require(outcomes.size() == size, where, "there must be one outcome each", outcomes.size());
  for (const double y : outcomes) require(y >= 0 && y <= 1, where, "an outcome must be in [0, 1]", y);
}
inline void require_probabilities(const char* where, std::span<const double> predicted) {
  for (const double p : predicted) require(p >= 0 && p <= 1, where, "a probability must be in [0, 1]", p);
}

}  // namespace detail

/// −y ln p − (1 − y) ln(1 − p) of each prediction, in nats; infinite where a certainty was wrong.
///
/// Errors: std::invalid_argument unless all are in [0, 1] and there is one outcome a prediction.
[[nodiscard]] inline std::vector<double> log_losses(std::span<const double> predicted,
                                                    std::span<const double> outcomes) {
  detail::require_probabilities("log_losses", predicted);
  detail::require_outcomes("log_losses", outcomes, predicted.size());
  std::vector<double> out;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const double yes = outcomes[i] > 0 ? -outcomes[i] * std::log(predicted[i]) : 0.0;
    const double no = outcomes[i] < 1 ? -(1 - outcomes[i]) * std::log1p(-predicted[i]) : 0.0;
    out.push_back(yes + no);
  }
  return out;
}

/// Predictions of about the same size, and what came of them.
struct reliability_bin {
  double predicted = 0;   ///< their mean
  double observed = 0;    ///< the share that happened; near `predicted` where probabilities can be taken at their word
  double lo = 0, hi = 0;  ///< 95 % interval of that share (Wilson), as if outcomes were independent
  std::size_t count = 0;
};

/// How far predicted probabilities can be taken at their word: bins of equal counts, lowest predictions first.
///
/// Equal predictions stay in one bin, so there may be fewer than `bins`; none but the last has less than half of its count.   Complexity: O(n log n).
/// Errors: std::invalid_argument as log_losses, and unless bins >= 1.
/// Source: A. Murphy, R. Winkler, Reliability of subjective probability forecasts, Applied Statistics 26, 1977;
///         E. Wilson, Probable inference, JASA 22, 1927.
[[nodiscard]] inline std::vector<reliability_bin> reliability_table(std::span<const double> predicted,
                                                                    std::span<const double> outcomes, int bins = 10) {
  constexpr const char* where = "reliability_table";
  detail::require(bins >= 1, where, "bins must be >= 1", bins);
  detail::require_probabilities(where, predicted);
  detail::require_outcomes(where, outcomes, predicted.size());
  std::vector<std::size_t> order(predicted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return predicted[a] < predicted[b]; });
  std::vector<reliability_bin> out;
  const std::size_t n = order.size();
  const auto most = static_cast<std::size_t>(bins);
  for (std::size_t begin = 0, b = 1; begin < n; ++b) {
    // Equal predictions may have filled more than their bin: the next one ends where it holds at least half of its count.
    while (b < most && b * n / most <= begin + n / (2 * most)) ++b;
    std::size_t end = b < most ? b * n / most : n;
    while (end < n && predicted[order[end]] == predicted[order[end - 1]]) ++end;
    reliability_bin bin;
    for (std::size_t i = begin; i < end; ++i) {
      bin.predicted += predicted[order[i]];
      bin.observed += outcomes[order[i]];
    }
    const auto count = static_cast<double>(end - begin);
    bin.predicted /= count;
    bin.observed /= count;
    constexpr double z2 = 1.96 * 1.96;
    const double middle = (bin.observed + z2 / (2 * count)) / (1 + z2 / count);
    const double half =
        std::sqrt(z2 * (bin.observed * (1 - bin.observed) + z2 / (4 * count)) / count) / (1 + z2 / count);
    bin.lo = std::max(0.0, middle - half);
    bin.hi = std::min(1.0, middle + half);
    bin.count = end - begin;
    out.push_back(bin);
    begin = end;
  }
  return out;
}

/// What an `isotonic_calibration` has learned: its corners.
struct isotonic_state {
  std::vector<double> scores;         ///< rising
  std::vector<double> probabilities;  ///< one a score, not falling, in (0, 1)
};

/// A probability that rises with a score and assumes no more than that: the likeliest non-decreasing function.
///
/// Neighbouring scores are pooled until the shares that happened rise from pool to pool. A pool's probability is then
/// (Σ y + ½) / (n + 1), so that none is a certainty, and pools are joined again where these fall. Between two pools it is
/// interpolated, beyond the outermost it is theirs.
/// Complexity: O(n log n) to fit, O(log pools) a reading.
/// Errors: std::invalid_argument when there are no scores, one is NaN, or outcomes are outside [0, 1] or of another number, and for a
///         state that is not as it says.
/// Source: M. Ayer et al., An empirical distribution function for sampling with incomplete information, Annals of
///         Mathematical Statistics 26, 1955 (pool adjacent violators).
class isotonic_calibration {
 public:
  explicit isotonic_calibration(isotonic_state state) : state_(std::move(state)) {
    constexpr const char* where = "isotonic_calibration";
    const std::vector<double>& p = state_.probabilities;
    detail::require(!state_.scores.empty() && p.size() == state_.scores.size(), where,
                    "there must be scores, and one probability each", p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      detail::require(!std::isnan(state_.scores[i]) && (i == 0 || state_.scores[i] > state_.scores[i - 1]), where,
                      "scores must rise", state_.scores[i]);
      detail::require(p[i] > 0 && p[i] < 1 && (i == 0 || p[i] >= p[i - 1]), where,
                      "probabilities must be in (0, 1) and not fall", p[i]);
    }
  }

  isotonic_calibration(std::span<const double> scores, std::span<const double> outcomes) {
    constexpr const char* where = "isotonic_calibration";
    detail::require(!scores.empty(), where, "there must be scores", scores.size());
    for (const double s : scores) detail::require(!std::isnan(s), where, "a score must be a number", s);
    detail::require_outcomes(where, outcomes, scores.size());
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] < scores[b]; });
    std::vector<pool> pools;
    for (std::size_t i = 0; i < order.size();) {
      pool next{scores[order[i]], scores[order[i]], 0, 0};
      for (; i < order.size() && scores[order[i]] == next.low; ++i) {
        next.sum += outcomes[order[i]];
        next.count += 1;
      }
      pools.push_back(next);
    }
    pools = joined(pools, [](const pool& p) { return p.sum / p.count; });
    pools = joined(pools, smoothed);
    for (const pool& p : pools) {
      add_corner(p.low, smoothed(p));
      if (p.high != p.low) add_corner(p.high, smoothed(p));
    }
  }

  /// Errors: std::invalid_argument for a score that is NaN, which would sort as the highest.
  [[nodiscard]] double operator()(double score) const {
    detail::require(!std::isnan(score), "isotonic_calibration", "a score must be a number", score);
    const std::vector<double>& scores = state_.scores;
    const std::vector<double>& p = state_.probabilities;
    const auto above = std::upper_bound(scores.begin(), scores.end(), score);
    if (above == scores.begin()) return p.front();
    if (above == scores.end()) return p.back();
    const auto i = static_cast<std::size_t>(above - scores.begin());
    const double span = scores[i] - scores[i - 1];
    const double share = std::isfinite(span) ? (score - scores[i - 1]) / span : 0.0;
    return p[i - 1] + share * (p[i] - p[i - 1]);
  }

  /// The corners: scores rising, and the probability at each.
  [[nodiscard]] std::span<const double> scores() const noexcept { return state_.scores; }
  [[nodiscard]] std::span<const double> probabilities() const noexcept { return state_.probabilities; }
  [[nodiscard]] const isotonic_state& state() const noexcept { return state_; }

 private:
  struct pool {
    double low, high;
    double sum, count;
  };
  void add_corner(double score, double probability) {
    state_.scores.push_back(score);
    state_.probabilities.push_back(probability);
  }
  [[nodiscard]] static double smoothed(const pool& p) noexcept { return (p.sum + 0.5) / (p.count + 1); }

  /// Joins neighbours until `value` rises strictly.
  template <class Value>
  [[nodiscard]] static std::vector<pool> joined(const std::vector<pool>& pools, Value value) {
    std::vector<pool> out;
    for (pool next : pools) {
      while (!out.empty() && value(out.back()) >= value(next)) {
        next = {out.back().low, next.high, out.back().sum + next.sum, out.back().count + next.count};
        out.pop_back();
      }
      out.push_back(next);
    }
    return out;
  }

  isotonic_state state_;
};

struct logistic_options {
  double ridge = 1e-3;  ///< pull of the weights towards 0
  std::vector<double> bends =
      {};  ///< scaled values at which every feature's share in the logit may bend, rising; none: linear
};

/// What a `logistic_calibration` has learned.
struct logistic_state {
  scaler_state scaling;
  Eigen::VectorXd
      weights;  ///< (features · (1 + bends)): of the scaled features, then of what each is beyond the first bend, the second …
  double bias = 0;
  std::vector<double> bends = {};
};

/// A probability from a few features z, each of which adds a curve of straight pieces to the logit.
///
///   p = σ(bias + Σ_f curve_f(z_f)),   curve_f(z) = w_f0 z + Σ_b w_fb max(0, z − bend_b)
///
/// With one feature, a score, no bends and ridge 0 it is Platt's scaling, but for the clipping.
/// Fitted by the mean log-loss plus ½·ridge·‖w‖², by L-BFGS, against his smoothed outcomes (n₁ + 1)/(n₁ + 2) for the n₁ that happened
/// and 1/(n₀ + 2) for the others: from 100 samples of one kind no more is learned than 101 to 1. Features are scaled to variance 1 and clipped at ±4, so
/// that one far-out value cannot make a certainty; a missing one (NaN) counts as its mean.
/// Shapes: x (features, samples), a column is a sample.   Complexity: O(features · (1 + bends) · samples) a step, some 30 steps without bends.
/// Errors: std::invalid_argument for shapes that do not fit, outcomes outside [0, 1], ridge < 0, bends that do not rise or are not within
///         ±4, no samples.
/// Source: J. Platt, Probabilistic outputs for support vector machines, Advances in Large Margin Classifiers, 1999;
///         T. Hastie, R. Tibshirani, Generalized additive models, Statistical Science 1, 1986 (a curve a feature).
class logistic_calibration {
 public:
  using matrix = Eigen::MatrixXd;

  explicit logistic_calibration(logistic_state state)
      : state_(std::move(state)), scaler_(state_.scaling, {.clip = clip}) {
    constexpr const char* where = "logistic_calibration";
    check_bends(where, state_.bends);
    detail::require(state_.weights.size() == scaler_.features() * (1 + std::ssize(state_.bends)) &&
                        state_.weights.allFinite() && std::isfinite(state_.bias),
                    where, "there must be one finite weight a feature, and one more a bend", state_.weights.size());
  }

  [[nodiscard]] static logistic_calibration fit(const Eigen::Ref<const matrix>& x, std::span<const double> outcomes,
                                                const logistic_options& options = {}) {
    constexpr const char* where = "logistic_calibration::fit";
    detail::require(x.rows() > 0 && x.cols() > 0, where, "there must be features and samples", x.cols());
    detail::require(options.ridge >= 0, where, "ridge must be >= 0", options.ridge);
    check_bends(where, options.bends);
    detail::require_outcomes(where, outcomes, static_cast<std::size_t>(x.cols()));
    standard_scaler<double> scaler(x.rows(), {.clip = clip});
    scaler.observe(x);
    const matrix z = pieces(scaler, options.bends, x);
    const auto n = static_cast<double>(x.cols());
    Eigen::RowVectorXd y = Eigen::Map<const Eigen::RowVectorXd>(outcomes.data(), x.cols());
    const double yes = y.sum();
    const double least = 1 / (n - yes + 2);
    y = (least + y.array() * ((yes + 1) / (yes + 2) - least)).matrix();
    matrix logit(1, z.cols());
    matrix slope(1, z.cols());
    const auto loss = [&](const Eigen::VectorXd& w, Eigen::VectorXd& gradient) {
      const auto weights = w.head(z.rows());
      logit.noalias() = weights.transpose() * z;
      logit.array() += w[z.rows()];
      const double value = logistic_loss(logit, y, slope);
      gradient.resize(w.size());
      gradient.head(z.rows()) = z * slope.transpose() + options.ridge * weights;
      gradient[z.rows()] = slope.sum();
      return value + 0.5 * options.ridge * weights.squaredNorm();
    };
    Eigen::VectorXd start = Eigen::VectorXd::Zero(z.rows() + 1);
    start[z.rows()] = std::log(y.sum() / (n - y.sum()));
    const Eigen::VectorXd w = detail::minimise(loss, start, 200, 1e-10).x;
    return logistic_calibration({scaler.state(), w.head(z.rows()), w[z.rows()], options.bends});
  }

  /// x: (features, samples) → (samples), in (0, 1).
  [[nodiscard]] Eigen::VectorXd operator()(const Eigen::Ref<const matrix>& x) const {
    return (1.0 / (1.0 + (-logits(x).array()).exp())).matrix();
  }

  /// ln(p / (1 − p)): (features, samples) → (samples), in [−36, 36].
  [[nodiscard]] Eigen::VectorXd logits(const Eigen::Ref<const matrix>& x) const {
    // Past ±36 rounding would make it 0 or 1, and a certainty that turns out wrong has an infinite loss.
    const matrix z = pieces(scaler_, state_.bends, x);
    return ((z.transpose() * state_.weights).array() + state_.bias).max(-36.0).min(36.0).matrix();
  }

  [[nodiscard]] const logistic_state& state() const noexcept { return state_; }

 private:
  static constexpr double clip = 4;

  static void check_bends(const char* where, const std::vector<double>& bends) {
    for (std::size_t b = 0; b < bends.size(); ++b)
      detail::require(std::abs(bends[b]) < clip && (b == 0 || bends[b] > bends[b - 1]), where,
                      "bends must rise and be within (-4, 4)", bends[b]);
  }

  /// The scaled features, then what is beyond each bend: (features · (1 + bends), samples).
  [[nodiscard]] static matrix pieces(const standard_scaler<double>& scaler, const std::vector<double>& bends,
                                     const Eigen::Ref<const matrix>& x) {
    const Eigen::Index n = x.rows();
    matrix z(n * (1 + std::ssize(bends)), x.cols());
    scaler.transform(x, z.topRows(n));
    for (std::size_t b = 0; b < bends.size(); ++b)
      z.middleRows(n * static_cast<Eigen::Index>(b + 1), n) = (z.topRows(n).array() - bends[b]).max(0.0);
    return z;
  }

  logistic_state state_;
  standard_scaler<double> scaler_;
};

}  // namespace ebb

#endif  // EBB_CALIBRATION_HPP
