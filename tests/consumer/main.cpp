// SPDX-License-Identifier: MIT
// A stranger's program: ebb's headers and Eigen must be reachable through ebb::ebb alone.
#include <cmath>
#include <ebb/decay.hpp>

int main() {
  using namespace std::chrono_literals;
  const Eigen::ArrayXd left = ebb::evaluate(ebb::exponential_decay(1h), Eigen::Array2d(0, 60), 1min);
  return left(0) == 1 && std::abs(left(1) - 0.5) < 1e-12 ? 0 : 1;
}
