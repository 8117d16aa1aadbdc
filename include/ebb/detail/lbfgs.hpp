// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_LBFGS_HPP
#define EBB_DETAIL_LBFGS_HPP

#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

#include <Eigen/Core>

namespace ebb::detail {

/// Where a descent ended.
struct minimum {
  Eigen::VectorXd x;
  double value;
  int steps;
};

/// Minimises a smooth function from `x` on: L-BFGS with eight pairs and a backtracking line search.
///
/// f(x, gradient) returns the value and writes the gradient. Ends when a step gains less than `tolerance` of the value, or after `steps`.
/// Source: J. Nocedal, S. Wright, Numerical Optimization, 2nd ed. 2006, algorithms 7.4, 7.5 and 3.1.
template <class Function>
[[nodiscard]] minimum minimise(Function f, Eigen::VectorXd x, int steps = 100, double tolerance = 1e-8) {
  struct pair {
    Eigen::VectorXd step;
    Eigen::VectorXd change;
  };
  std::deque<pair> memory;
  Eigen::VectorXd gradient(x.size());
  double value = f(x, gradient);
  int taken = 0;
  for (; taken < steps; ++taken) {
    Eigen::VectorXd direction = -gradient;
    std::vector<double> alpha(memory.size());
    for (std::size_t i = memory.size(); i-- > 0;) {
      alpha[i] = memory[i].step.dot(direction) / memory[i].step.dot(memory[i].change);
      direction -= alpha[i] * memory[i].change;
    }
    if (!memory.empty())
      direction *= memory.back().step.dot(memory.back().change) / memory.back().change.squaredNorm();
    else
      direction /= std::max(1.0, direction.norm());
    for (std::size_t i = 0; i < memory.size(); ++i)
      direction += (alpha[i] - memory[i].change.dot(direction) / memory[i].step.dot(memory[i].change)) * memory[i].step;
    const double slope = gradient.dot(direction);
    if (!(slope < 0)) break;

    Eigen::VectorXd next = x + direction;
    Eigen::VectorXd next_gradient(x.size());
    double next_value = f(next, next_gradient);
    double length = 1;
    while (!(next_value <= value + 1e-4 * length * slope) && length > 1e-10) {
      length /= 2;
      next = x + length * direction;
      next_value = f(next, next_gradient);
    }
    if (!(next_value < value)) break;
    const double gain = value - next_value;
    pair moved{next - x, next_gradient - gradient};
    if (moved.step.dot(moved.change) > 1e-12 * moved.step.norm() * moved.change.norm())
      memory.push_back(std::move(moved));
    if (memory.size() > 8) memory.pop_front();
    x = std::move(next);
    gradient = std::move(next_gradient);
    value = next_value;
    if (gain < tolerance * std::max(1.0, std::abs(value))) break;
  }
  return {std::move(x), value, taken};
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_LBFGS_HPP
