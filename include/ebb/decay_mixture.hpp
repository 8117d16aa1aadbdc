// SPDX-License-Identifier: MIT
#ifndef EBB_DECAY_MIXTURE_HPP
#define EBB_DECAY_MIXTURE_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "ebb/decay.hpp"
#include "ebb/decay_function.hpp"
#include "ebb/detail/simplex.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// A decay that begins late: nothing is lost up to `offset`, then the inner decay starts.
///
///   D(gap) = Inner(max(0, gap − offset)),   half_life = offset + the inner half-life
///
/// With `from_remaining(decay, scale)` inside, this is the (offset, scale, decay) spelling of search engines for the
/// exponential and the linear family; the Gaussian has its own.
/// Range:  offset >= 0, finite.   Errors: std::invalid_argument outside it; std::domain_error unless gap >= 0.
template <decay_function Inner>
class delayed_decay {
 public:
  static constexpr std::string_view name = "delayed_decay";

  delayed_decay(duration offset, Inner inner) : offset_(offset), inner_(std::move(inner)) {
    detail::require(std::isfinite(offset.count()) && offset.count() >= 0, name, "offset must be finite and >= 0",
                    offset);
  }

  [[nodiscard]] duration offset() const noexcept { return offset_; }
  [[nodiscard]] const Inner& inner() const noexcept { return inner_; }
  [[nodiscard]] duration half_life() const { return offset_ + half_life_of(inner_); }
  [[nodiscard]] decay_value_t<Inner> operator()(duration gap) const { return inner_(after_offset(gap)); }
  /// log2 D(gap).
  [[nodiscard]] decay_value_t<Inner> log2_at(duration gap) const { return log2_of(inner_, after_offset(gap)); }

 private:
  [[nodiscard]] duration after_offset(duration gap) const {
    return std::max(duration(0), detail::checked_gap(gap, name) - offset_);
  }

  duration offset_;
  Inner inner_;
};

/// A weighted mean of decays: several speeds of forgetting at once.
///
///   D(gap) = Σ π_k · D_k(gap),   π_k >= 0, Σ π_k = 1
///
/// Parts of one type stand in a vector; parts of different types do too, as `std::function<double(ebb::duration)>`.
/// A mixture of exponentials that is to be read from stored state is a `reading` of a bank of timescales instead.
/// Range:  one weight a part, finite, >= 0, adding up to 1 (within 1e-9; they are then rescaled to do so, but for rounding).
/// Complexity: O(parts) a read.   Errors: std::invalid_argument outside the range; std::domain_error unless gap >= 0.
template <decay_function Part = exponential_decay<>>
class mixture_decay {
 public:
  using value_type = decay_value_t<Part>;
  static constexpr std::string_view name = "mixture_decay";

  /// speed: the parts see gap · speed; finite and > 0.
  mixture_decay(std::vector<Part> parts, std::vector<double> weights, double speed = 1)
      : parts_(std::move(parts)), weights_(std::move(weights)), speed_(speed) {
    detail::require(std::isfinite(speed) && speed > 0, name, "speed must be finite and > 0", speed);
    detail::require(!parts_.empty() && parts_.size() == weights_.size(), name, "there must be one weight a part",
                    weights_.size());
    double sum = 0;
    for (const double weight : weights_) {
      detail::require(std::isfinite(weight) && weight >= 0, name, "a weight must be finite and >= 0", weight);
      sum += weight;
    }
    detail::require(std::abs(sum - 1) <= 1e-9, name, "weights must add up to 1", sum);
    detail::rescale_to_one(weights_, sum);
  }

  /// The same mixture, stretched in time until D(half_life) = 1/2: its parts' half-lives then count only relative to
  /// each other, and the calibration law holds as for every family.
  [[nodiscard]] mixture_decay stretched_to(duration half_life) const {
    detail::checked_half_life(half_life, name);
    mixture_decay stretched = *this;
    stretched.speed_ *= this->half_life() / half_life;
    return stretched;
  }

  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }
  [[nodiscard]] const std::vector<Part>& parts() const noexcept { return parts_; }
  [[nodiscard]] const std::vector<double>& weights() const noexcept { return weights_; }

  /// How much faster than as made the parts run: what `stretched_to` has changed.
  [[nodiscard]] double speed() const noexcept { return speed_; }

  /// Where D falls to one half, by bisection.   Complexity: some 150 reads.
  [[nodiscard]] duration half_life() const {
    return half_life_of([this](duration gap) { return (*this)(gap); });
  }

  [[nodiscard]] value_type operator()(duration gap) const {
    const duration sped = detail::checked_gap(gap, name) * speed_;
    double sum = 0;
    for (std::size_t k = 0; k < parts_.size(); ++k) sum += weights_[k] * static_cast<double>(parts_[k](sped));
    // Rescaled weights may still add up to the next number above 1.
    return static_cast<value_type>(std::min(sum, 1.0));
  }

  /// log2 D(gap), relative to the largest part, so that it stays finite where all of them have underflowed.
  [[nodiscard]] value_type log2_at(duration gap) const {
    const duration sped = detail::checked_gap(gap, name) * speed_;
    constexpr double nothing = -std::numeric_limits<double>::infinity();
    double largest = nothing;
    for (std::size_t k = 0; k < parts_.size(); ++k) largest = std::max(largest, term(k, sped));
    if (largest == nothing) return static_cast<value_type>(nothing);
    double sum = 0;
    for (std::size_t k = 0; k < parts_.size(); ++k) sum += std::exp2(term(k, sped) - largest);
    return static_cast<value_type>(std::min(largest + std::log2(sum), 0.0));
  }

  /// Called by `ebb::evaluate`, which checks; gaps: (n), in `unit`s → out: (n). Allocates two arrays of n.
  void evaluate(const Eigen::Ref<const decay_array<Part>>& gaps, duration unit,
                Eigen::Ref<decay_array<Part>> out) const {
    decay_array<Part> sum = decay_array<Part>::Zero(gaps.size());
    decay_array<Part> part(gaps.size());
    for (std::size_t k = 0; k < parts_.size(); ++k) {
      ebb::evaluate(parts_[k], gaps, unit * speed_, part);
      sum += static_cast<value_type>(weights_[k]) * part;
    }
    out = sum.min(value_type(1));
  }

 private:
  [[nodiscard]] double term(std::size_t k, duration gap) const {
    return std::log2(weights_[k]) + static_cast<double>(log2_of(parts_[k], gap));
  }

  std::vector<Part> parts_;      // (K)
  std::vector<double> weights_;  // (K), π
  double speed_;                 // the parts see gap · speed
};

static_assert(decay_function<mixture_decay<>> && !semigroup_decay<mixture_decay<>>);
static_assert(decay_function<mixture_decay<std::function<double(duration)>>>);
static_assert(decay_function<delayed_decay<exponential_decay<>>> &&
              !semigroup_decay<delayed_decay<exponential_decay<>>>);

}  // namespace ebb

#endif  // EBB_DECAY_MIXTURE_HPP
