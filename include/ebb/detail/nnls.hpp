// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_NNLS_HPP
#define EBB_DETAIL_NNLS_HPP

#include <concepts>
#include <limits>
#include <vector>

#include <Eigen/Core>
#include <Eigen/QR>

namespace ebb::detail {

/// The x >= 0 that minimises |a·x − b|: non-negative least squares by active sets.
///
/// Shapes: a (m, n) with m >= n, b (m) → (n).   Complexity: about n solutions of an (m, n) least squares problem.
/// Source: C. Lawson, R. Hanson, Solving Least Squares Problems, 1974, chapter 23.
template <std::same_as<Eigen::MatrixXd> Matrix>
[[nodiscard]] Eigen::VectorXd non_negative_least_squares(const Matrix& a, const Eigen::VectorXd& b) {
  const Eigen::Index n = a.cols();
  Eigen::VectorXd x = Eigen::VectorXd::Zero(n);
  std::vector<char> is_free(static_cast<std::size_t>(n), 0);
  const auto free = [&](Eigen::Index k) -> char& { return is_free[static_cast<std::size_t>(k)]; };
  const double tolerance = 1e-12 * a.cwiseAbs().maxCoeff() * b.norm();

  /// Least squares over the free variables, the others zero.
  const auto solve = [&] {
    std::vector<Eigen::Index> columns;
    for (Eigen::Index k = 0; k < n; ++k)
      if (free(k) != 0) columns.push_back(k);
    Eigen::MatrixXd part(a.rows(), static_cast<Eigen::Index>(columns.size()));
    for (std::size_t j = 0; j < columns.size(); ++j) part.col(static_cast<Eigen::Index>(j)) = a.col(columns[j]);
    const Eigen::VectorXd solution = part.colPivHouseholderQr().solve(b);
    Eigen::VectorXd z = Eigen::VectorXd::Zero(n);
    for (std::size_t j = 0; j < columns.size(); ++j) z[columns[j]] = solution[static_cast<Eigen::Index>(j)];
    return z;
  };

  for (Eigen::Index round = 0; round < 3 * n; ++round) {
    const Eigen::VectorXd gradient = a.transpose() * (b - a * x);
    Eigen::Index best = -1;
    for (Eigen::Index k = 0; k < n; ++k)
      if (free(k) == 0 && gradient[k] > tolerance && (best < 0 || gradient[k] > gradient[best])) best = k;
    if (best < 0) break;
    free(best) = 1;
    Eigen::VectorXd z = solve();
    // A variable that would go negative stops at zero, and the way there is as far as we move.
    for (Eigen::Index inner = 0; inner < n; ++inner) {
      double step = 1;
      for (Eigen::Index k = 0; k < n; ++k)
        if (free(k) != 0 && z[k] <= 0) step = std::min(step, x[k] / (x[k] - z[k]));
      if (step == 1 && (z.array() >= 0).all()) break;
      x += step * (z - x);
      for (Eigen::Index k = 0; k < n; ++k)
        if (free(k) != 0 && x[k] <= 1e-15) {
          x[k] = 0;
          free(k) = 0;
        }
      z = solve();
    }
    x = z.cwiseMax(0.0);
  }
  return x;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_NNLS_HPP
