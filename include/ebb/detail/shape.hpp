// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SHAPE_HPP
#define EBB_DETAIL_SHAPE_HPP

#include <ostream>

#include <Eigen/Core>

namespace ebb::detail {

/// A matrix's rows and columns, printed as "(rows, columns)"; costs nothing until an error prints it.
struct shape {
  Eigen::Index rows, cols;

  template <class Derived>
  explicit shape(const Eigen::EigenBase<Derived>& m) : rows(m.rows()), cols(m.cols()) {}

  [[nodiscard]] friend bool operator==(const shape&, const shape&) = default;
  friend std::ostream& operator<<(std::ostream& out, const shape& s) {
    return out << '(' << s.rows << ", " << s.cols << ')';
  }
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_SHAPE_HPP
