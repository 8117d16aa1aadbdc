// SPDX-License-Identifier: MIT
// A stranger's program: ebb's headers and Eigen must be reachable through ebb::ebb alone.
#include <Eigen/Core>
#include <ebb/time.hpp>

int main() {
  using namespace std::chrono_literals;
  const Eigen::Array2d hours(1.0, ebb::duration(1h).count() / 3600.0);
  return hours(0) == hours(1) ? 0 : 1;
}
