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
      Eigen::ArrayXd e = beta * logs;
      e.tail(others) += std::log(m.weight);
      e = (e - e.maxCoeff()).exp();
      const double against = e.tail(others).sum();
      Eigen::ArrayXd slope = Eigen::ArrayXd::Zero(e.size());
      for (Eigen::Index j = 0; j < m.returned; ++j) {
        const double all = e[j] + against;
        loss -= std::log(std::max(e[j] / all, 1e-300));
        slope[j] += e[j] / all - 1;
        slope.tail(others) += e.tail(others) / all;
      }
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
