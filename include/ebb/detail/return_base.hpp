// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_RETURN_BASE_HPP
#define EBB_DETAIL_RETURN_BASE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/lbfgs.hpp"
#include "ebb/return_samples.hpp"
#include "ebb/timescales.hpp"

namespace ebb::detail {

/// β · ln Σ_k π_k e^(log_lanes_k) of a moment's candidates.
[[nodiscard]] inline Eigen::VectorXf return_base_scores(const return_samples::moment& m,
                                                        std::span<const double> weights, double sharpness) {
  const Eigen::Map<const Eigen::VectorXd> pi(weights.data(), static_cast<Eigen::Index>(weights.size()));
  const Eigen::RowVectorXd highest = m.log_lanes.colwise().maxCoeff();
  const Eigen::MatrixXd relative = (m.log_lanes.rowwise() - highest).array().exp();
  const Eigen::RowVectorXd sums = pi.transpose() * relative;
  return (sharpness * (highest.array() + sums.array().log())).matrix().transpose().cast<float>();
}

/// (π, β) that make the returns likeliest under softmax(β · ln Σ π_k S_k), π drawn towards `prior` by strength · KL(π ‖ prior).
///
/// At most 4,000 moments, evenly spread, are used: K + 1 numbers need no more.
[[nodiscard]] inline std::pair<std::vector<double>, double> fit_return_base(
    const std::deque<return_samples::moment>& moments, const reading& prior, double strength) {
  const auto lanes = static_cast<Eigen::Index>(prior.weights().size());
  const Eigen::Map<const Eigen::ArrayXd> target(prior.weights().data(), lanes);
  const std::size_t stride = std::max<std::size_t>(1, moments.size() / 4000);
  const auto simplex = [lanes](const Eigen::VectorXd& x) {
    const Eigen::ArrayXd p = (x.head(lanes).array() - x.head(lanes).maxCoeff()).exp();
    return Eigen::VectorXd(p / p.sum());
  };
  const auto objective = [&](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
    const Eigen::VectorXd pi = simplex(x);
    const double beta = std::exp(x[lanes]);
    Eigen::VectorXd by_weight = Eigen::VectorXd::Zero(lanes);
    double by_beta = 0;
    double loss = 0;
    double returns = 0;
    for (std::size_t i = 0; i < moments.size(); i += stride) {
      const return_samples::moment& m = moments[i];
      const Eigen::Index others = m.log_lanes.cols() - m.returned;
      const Eigen::RowVectorXd highest = m.log_lanes.colwise().maxCoeff();
      const Eigen::MatrixXd relative = (m.log_lanes.rowwise() - highest).array().exp();
      const Eigen::ArrayXd sums = (relative.transpose() * pi).array();
      const Eigen::ArrayXd logs = highest.transpose().array() + sums.log();
      Eigen::ArrayXd slope = beta * logs;
      const double top =
          slope.tail(others).maxCoeff();  // of the others alone: a return may be 1,000 above or below them
      slope.tail(others) = (slope.tail(others) - top).exp();
      const double sum = slope.tail(others).sum();
      const double against = top + std::log(m.weight * sum);
      double missed = 0;  // Σ 1 − P
      for (Eigen::Index j = 0; j < m.returned; ++j) {
        const double lead = slope[j] - against;
        const double tail = std::exp(-std::abs(lead));
        loss += std::max(-lead, 0.0) + std::log1p(tail);
        slope[j] = -(lead > 0 ? tail : 1.0) / (1.0 + tail);
        missed -= slope[j];
      }
      slope.tail(others) *= missed / sum;
      returns += static_cast<double>(m.returned);
      by_beta += beta * (slope * logs).sum();
      by_weight += beta * (relative * (slope / sums).matrix());
    }
    const Eigen::ArrayXd ratio = (pi.array() / target).log();
    const double divergence = (pi.array() * ratio).sum();
    gradient.head(lanes) =
        pi.array() * (by_weight.array() - pi.dot(by_weight)) / returns + strength * pi.array() * (ratio - divergence);
    gradient[lanes] = by_beta / returns;
    return loss / returns + strength * divergence;
  };
  Eigen::VectorXd start(lanes + 1);
  start << target.log().matrix(), 0.0;
  const minimum found = minimise(objective, start, 60, 1e-7);
  const Eigen::VectorXd pi = simplex(found.x);
  return {{pi.data(), pi.data() + lanes}, std::exp(found.x[lanes])};
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_RETURN_BASE_HPP
