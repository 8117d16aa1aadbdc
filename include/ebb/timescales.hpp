// SPDX-License-Identifier: MIT
#ifndef EBB_TIMESCALES_HPP
#define EBB_TIMESCALES_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "ebb/detail/lane_grid.hpp"
#include "ebb/detail/simplex.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// A bank of half-lives: the speeds at which an interest store lets every event fade, all at once.
///
/// Units:  any std::chrono duration, rounded to the clock's tick.   Range: 1 ms to 100 years, strictly increasing, 1 to 32 of them.
/// Errors: std::invalid_argument outside that range.
class timescales {
 public:
  timescales(std::initializer_list<duration> half_lives) : timescales(std::vector<duration>(half_lives)) {}

  explicit timescales(const std::vector<duration>& half_lives) {
    detail::require(!half_lives.empty() && half_lives.size() <= static_cast<std::size_t>(detail::max_lanes),
                    "timescales", "there must be 1 to 32 half-lives", half_lives.size());
    for (const duration half_life : half_lives) {
      detail::require(half_life >= shortest() && half_life <= longest(), "timescales",
                      "a half-life must be in [1 ms, 100 years]", half_life);
      const auto rounded = to_time_point(half_life).time_since_epoch().count();
      detail::require(ticks_.empty() || rounded > ticks_.back(), "timescales", "half-lives must increase strictly",
                      half_life);
      ticks_.push_back(rounded);
    }
    grid_ = detail::lane_grid(ticks_);
  }

  /// `lanes` half-lives from `first` to `last`, each the same multiple of the one before.
  ///
  /// Errors: std::invalid_argument unless 1 ms <= first < last <= 100 years and 2 <= lanes <= 32.
  [[nodiscard]] static timescales log_spaced(duration first, duration last, int lanes) {
    detail::require(lanes >= 2 && lanes <= detail::max_lanes, "timescales::log_spaced", "lanes must be in [2, 32]",
                    lanes);
    detail::require(first >= shortest() && first < last && last <= longest(), "timescales::log_spaced",
                    "first must be in [1 ms, last) and last at most 100 years", first);
    std::vector<duration> half_lives;
    for (int k = 0; k < lanes; ++k) half_lives.push_back(first * std::pow(last / first, k / (lanes - 1.0)));
    half_lives.back() = last;
    return timescales(half_lives);
  }

  [[nodiscard]] int size() const noexcept { return static_cast<int>(ticks_.size()); }

  /// Half-life of lane k, 0 <= k < size().
  [[nodiscard]] duration half_life(int k) const { return time_point::duration(ticks_.at(static_cast<std::size_t>(k))); }

  [[nodiscard]] const detail::lane_grid& grid() const noexcept { return grid_; }

  /// The ends of the range a half-life may be in.
  [[nodiscard]] static constexpr duration shortest() { return std::chrono::milliseconds(1); }
  [[nodiscard]] static constexpr duration longest() { return std::chrono::years(100); }

  [[nodiscard]] friend bool operator==(const timescales& a, const timescales& b) noexcept {
    return a.ticks_ == b.ticks_;
  }

 private:
  std::vector<time_point::rep> ticks_;
  detail::lane_grid grid_;
};

/// A reading of a bank: weights that turn its lanes into one decay function.
///
///   D(gap) = Σ_k π_k · 2^(−gap / h_k),   π_k >= 0,   Σ π_k = 1
///
/// Any reading can be applied to state that exists already: changing the decay replays nothing.
/// Range:  gap >= 0 → [0, 1], D(0) == 1, completely monotone (it only ever falls, ever slower).
/// Errors: std::invalid_argument unless there is one finite weight >= 0 a lane and they add to 1 (within 1e-9; they are then rescaled to
///         add to 1, unless they do so but for rounding); std::domain_error for a gap that is negative or not a number.
class reading {
 public:
  reading(timescales bank, std::vector<double> weights) : bank_(std::move(bank)), weights_(std::move(weights)) {
    detail::require(weights_.size() == static_cast<std::size_t>(bank_.size()), "reading",
                    "there must be one weight a lane", weights_.size());
    double sum = 0;
    for (const double w : weights_) {
      detail::require(std::isfinite(w) && w >= 0, "reading", "a weight must be finite and >= 0", w);
      sum += w;
    }
    detail::require(std::abs(sum - 1) < 1e-9, "reading", "the weights must add to 1", sum);
    detail::rescale_to_one(weights_, sum);
  }

  /// One exponential: the bank of a single half-life and all weight on it.
  explicit reading(duration half_life) : reading(timescales{half_life}, {1.0}) {}

  /// All weight on lane k: the exponential with that lane's half-life.
  [[nodiscard]] static reading lane(const timescales& bank, int k) {
    detail::require(k >= 0 && k < bank.size(), "reading::lane", "the lane must be in [0, size)", k);
    std::vector<double> weights(static_cast<std::size_t>(bank.size()), 0.0);
    weights[static_cast<std::size_t>(k)] = 1.0;
    return reading(bank, std::move(weights));
  }

  /// Untrained weights π_k ∝ 1/h_k: on log-spaced half-lives close to a power law with exponent 1, a sound default for interest.
  [[nodiscard]] static reading inverse_half_life(const timescales& bank) {
    std::vector<double> weights;
    double sum = 0;
    for (int k = 0; k < bank.size(); ++k) sum += weights.emplace_back(1 / bank.half_life(k).count());
    for (double& w : weights) w /= sum;
    return reading(bank, std::move(weights));
  }

  [[nodiscard]] double operator()(duration gap) const {
    if (!(gap.count() >= 0))
      throw std::domain_error("ebb::reading: gap must be >= 0, got " + std::to_string(gap.count()) + " s");
    double sum = 0;
    for (int k = 0; k < bank_.size(); ++k)
      sum += weights_[static_cast<std::size_t>(k)] * std::exp2(-(gap / bank_.half_life(k)));
    return sum;
  }

  /// Where the reading itself has fallen to one half, found by bisection to 1e-12 relative.
  [[nodiscard]] duration half_life() const {
    duration low = bank_.half_life(0);
    duration high = bank_.half_life(bank_.size() - 1);
    for (int i = 0; i < 200 && high - low > low * 1e-12; ++i) {
      const duration middle = std::sqrt(low.count()) * std::sqrt(high.count()) * duration(1);
      ((*this)(middle) > 0.5 ? low : high) = middle;
    }
    return high;
  }

  [[nodiscard]] const timescales& bank() const noexcept { return bank_; }
  [[nodiscard]] std::span<const double> weights() const noexcept { return weights_; }

 private:
  timescales bank_;
  std::vector<double> weights_;
};

}  // namespace ebb

#endif  // EBB_TIMESCALES_HPP
