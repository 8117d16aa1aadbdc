// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_SAMPLES_HPP
#define EBB_RETURN_SAMPLES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

struct return_samples_options {
  int negatives = 48;           ///< most candidates kept a moment that were not returned to
  std::size_t moments = 40000;  ///< most moments kept; beyond it the oldest are dropped
  std::uint64_t seed = 1;       ///< of the choice of negatives
};

/// Returns to learn from: at each moment a user came back, the features of what they chose and of some of what they did not.
///
/// Of the candidates not returned to a uniform sample is kept, with the weight (others / kept) that makes sums over it unbiased.
/// Size: 4 bytes a feature and 8 a lane of every kept candidate.
class return_samples {
 public:
  using matrix = Eigen::MatrixXf;

  /// One user at one moment. Columns are candidates, those returned to first.
  struct moment {
    matrix values;              // (features, candidates)
    Eigen::MatrixXd log_lanes;  // (lanes, candidates)
    Eigen::VectorXf mean;       // (features), over all candidates, the dropped ones included
    Eigen::Index returned;      // how many columns were returned to; >= 1
    double weight;              // of each of the other columns; >= 1
  };

  /// Errors: std::invalid_argument unless negatives >= 1 and moments >= 1.
  explicit return_samples(return_samples_options options = {}) : options_(options), random_(options.seed) {
    detail::require(options.negatives >= 1, "return_samples", "negatives must be >= 1", options.negatives);
    detail::require(options.moments >= 1, "return_samples", "moments must be >= 1", options.moments);
  }

  /// Adds a moment, not older than the ones before; one in which every candidate was returned to teaches nothing and is passed over.
  ///
  /// values: (candidates, features) and log_lanes: (candidates, lanes) as `return_features` computed them before the moment's events;
  /// returned: positions of the candidates the user came back to, each once.
  /// Errors: std::invalid_argument when nothing was returned to, a position is out of range or named twice, or the shapes differ from those
  ///         of the moments before.
  void add(const Eigen::Ref<const matrix>& values, const Eigen::Ref<const Eigen::MatrixXd>& log_lanes,
           std::span<const std::uint32_t> returned) {
    const auto candidates = static_cast<std::size_t>(values.rows());
    detail::require(!returned.empty(), "return_samples::add", "something must have been returned to", returned.size());
    detail::require(log_lanes.rows() == values.rows(), "return_samples::add", "log_lanes must have a row a candidate",
                    log_lanes.rows());
    detail::require(moments_.empty() || (values.cols() == features() && log_lanes.cols() == lanes()),
                    "return_samples::add", "all moments must have the same features", values.cols());
    order_.resize(candidates);
    for (std::uint32_t c = 0; c < candidates; ++c) order_[c] = c;
    std::vector<char> chosen(candidates, 0);
    for (const std::uint32_t r : returned) {
      detail::require(r < candidates && chosen[r] == 0, "return_samples::add",
                      "a returned position must be a candidate's, named once", r);
      chosen[r] = 1;
    }
    const auto others =
        std::stable_partition(order_.begin(), order_.end(), [&](std::uint32_t c) { return chosen[c] != 0; });
    const auto left = static_cast<std::size_t>(order_.end() - others);
    if (left == 0) return;
    const std::size_t kept = std::min(left, static_cast<std::size_t>(options_.negatives));
    for (std::size_t j = 0; j < kept && kept < left; ++j) {
      const auto at = static_cast<std::ptrdiff_t>(j + random_.below(left - j));
      std::iter_swap(others + static_cast<std::ptrdiff_t>(j), others + at);
    }
    const auto columns = static_cast<Eigen::Index>(returned.size() + kept);
    moment m{matrix(values.cols(), columns), Eigen::MatrixXd(log_lanes.cols(), columns),
             values.colwise().mean().transpose(), static_cast<Eigen::Index>(returned.size()),
             static_cast<double>(left) / static_cast<double>(kept)};
    for (Eigen::Index c = 0; c < columns; ++c) {
      m.values.col(c) = values.row(order_[static_cast<std::size_t>(c)]).transpose();
      m.log_lanes.col(c) = log_lanes.row(order_[static_cast<std::size_t>(c)]).transpose();
    }
    moments_.push_back(std::move(m));
    if (moments_.size() > options_.moments) moments_.pop_front();
  }

  [[nodiscard]] std::deque<moment>& moments() noexcept { return moments_; }
  [[nodiscard]] const std::deque<moment>& moments() const noexcept { return moments_; }
  [[nodiscard]] Eigen::Index features() const noexcept { return moments_.empty() ? 0 : moments_.front().values.rows(); }
  [[nodiscard]] Eigen::Index lanes() const noexcept { return moments_.empty() ? 0 : moments_.front().log_lanes.rows(); }

 private:
  return_samples_options options_;
  random_engine random_;
  std::deque<moment> moments_;
  std::vector<std::uint32_t> order_;
};

}  // namespace ebb

#endif  // EBB_RETURN_SAMPLES_HPP
