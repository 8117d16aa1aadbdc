// SPDX-License-Identifier: MIT
#include <functional>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "ebb/mlp.hpp"

namespace concurrent_predict_test {

TEST_CASE("many threads may read and differentiate one network, each with its workspace", "[concurrent_predict]") {
  const ebb::mlp<float> network(20, {.hidden_activation = ebb::activation::gelu});
  Eigen::MatrixXf x(20, 700);
  ebb::random_engine random(1);
  for (float& entry : x.reshaped()) entry = static_cast<float>(random.normal());
  struct result {
    Eigen::MatrixXf output = Eigen::MatrixXf(1, 700);
    Eigen::VectorXf gradient;
  };
  const auto work = [&](result& to) {
    ebb::mlp_workspace<float> memory;
    to.gradient.resize(network.parameter_count());
    for (int repeat = 0; repeat < 20; ++repeat) {
      network.predict(x, to.output, memory);
      const Eigen::MatrixXf output = network.forward(x, memory);
      network.backward(x, output, memory, to.gradient);
    }
  };
  result alone;
  work(alone);
  std::vector<result> together(4);
  {
    std::vector<std::thread> threads;
    for (result& to : together) threads.emplace_back(work, std::ref(to));
    for (std::thread& thread : threads) thread.join();
  }
  for (const result& to : together) {
    CHECK(to.output == alone.output);
    CHECK(to.gradient == alone.gradient);
  }
}

}  // namespace concurrent_predict_test
