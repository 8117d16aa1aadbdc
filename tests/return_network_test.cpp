// SPDX-License-Identifier: MIT
#include "ebb/return_network.hpp"

#include <chrono>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace return_network_test {

namespace {

using namespace std::chrono_literals;
using store_type = ebb::interest_store<int, int>;

const ebb::time_point start{std::chrono::sys_days(std::chrono::year(2020) / 3 / 1)};

store_type made_store() {
  store_type store(ebb::return_store_options(ebb::timescales::log_spaced(1min, 24h * 100, 4)));
  ebb::random_engine random(9);
  ebb::time_point t = start;
  for (int i = 0; i < 300; ++i) {
    t += std::chrono::seconds(random.below(7000));
    store.observe(static_cast<int>(random.below(3)), static_cast<int>(random.below(20)), t);
  }
  return store;
}

ebb::return_network made_network(const store_type& store, std::vector<Eigen::Index> hidden) {
  const ebb::return_features<store_type> features(store);
  ebb::return_network out{.lanes = store.lanes(), .weights = {0.4, 0.3, 0.2, 0.1}, .sharpness = 1.3, .blend = 0.75};
  ebb::random_engine random(2);
  out.mean.resize(features.size());
  out.scale.resize(features.size());
  for (Eigen::Index f = 0; f < features.size(); ++f) {
    out.mean[f] = static_cast<float>(random.normal());
    out.scale[f] = static_cast<float>(0.5 + random.uniform());
  }
  out.candidate_features = features.candidate_features();
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    ebb::return_network::member m{
        ebb::mlp<float>(out.inputs(), {.hidden = hidden, .hidden_activation = ebb::activation::gelu, .seed = seed}),
        Eigen::VectorXf(out.inputs())};
    for (float& w : m.linear) w = static_cast<float>(0.1 * random.normal());
    out.members.push_back(m);
  }
  return out;
}

}  // namespace

TEST_CASE("a scorer gives what the formula gives, term by term", "[return_network]") {
  const store_type store = made_store();
  for (const auto& hidden :
       {std::vector<Eigen::Index>{}, std::vector<Eigen::Index>{7}, std::vector<Eigen::Index>{8, 5}}) {
    const ebb::return_network network = made_network(store, hidden);
    ebb::return_scorer<store_type> scorer(store, network);
    ebb::return_features<store_type> features(store);
    const ebb::time_point now = start + 24h * 40;
    for (int user = 0; user < 3; ++user) {
      const auto& state = *store.find(user);
      features.compute(store, state, now);
      const Eigen::VectorXd scores = scorer.score(state, now);
      const Eigen::Index n = features.values().rows();
      const Eigen::RowVectorXf mean = features.values().colwise().mean();
      for (Eigen::Index i = 0; i < n; ++i) {
        double sum = 0;
        for (Eigen::Index k = 0; k < 4; ++k)
          sum += network.weights[static_cast<std::size_t>(k)] * std::exp(features.log_lanes()(i, k));
        double expected = network.sharpness * std::log(sum);
        Eigen::VectorXf x(network.inputs());
        for (Eigen::Index f = 0; f < features.size(); ++f)
          x[f] = std::min(4.0F, std::max(-4.0F, (features.values()(i, f) - network.mean[f]) / network.scale[f]));
        for (Eigen::Index f = 0; f < network.candidate_features; ++f)
          x[features.size() + f] = x[f] - (mean[f] - network.mean[f]) / network.scale[f];
        for (const auto& m : network.members)
          expected += network.blend / 2 * static_cast<double>(m.network.predict(x)(0, 0) + m.linear.dot(x));
        REQUIRE(scores[i] == Approx(expected).epsilon(1e-4).margin(1e-3));
      }
    }
  }
}

TEST_CASE("top is the head of the full order, and an unknown user has none", "[return_network]") {
  const store_type store = made_store();
  const ebb::return_network network = made_network(store, {8});
  ebb::return_scorer<store_type> scorer(store, network);
  const auto all = scorer.top(1, 1000, start + 24h * 40);
  const auto five = scorer.top(1, 5, start + 24h * 40);
  REQUIRE(all.size() == store.find(1)->entries.size());
  for (std::size_t i = 1; i < all.size(); ++i) REQUIRE(all[i - 1].interest >= all[i].interest);
  for (std::size_t i = 0; i < five.size(); ++i) REQUIRE(five[i].item == all[i].item);
  REQUIRE(scorer.top(99, 5, start + 24h * 40).empty());
}

TEST_CASE("a network that does not fit is refused", "[return_network]") {
  const store_type store = made_store();
  const auto refused = [&](const ebb::return_network& network) {
    REQUIRE_THROWS_AS((ebb::return_scorer<store_type>(store, network)), std::invalid_argument);
  };
  ebb::return_network network = made_network(store, {8});
  network.blend = 2;
  refused(network);
  network = made_network(store, {8});
  network.mean.conservativeResize(3);
  refused(network);
  network = made_network(store, {8});
  network.members[1].linear[0] = std::nanf("");
  refused(network);
  network = made_network(store, {8});
  network.lanes = ebb::timescales::log_spaced(1min, 24h, 4);
  refused(network);
  for (const float scale : {0.0F, 1e-45F, 1e-39F, -1.0F, std::nanf("")}) {
    network = made_network(store, {8});
    network.scale[1] = scale;
    refused(network);
  }
  network = made_network(store, {8});
  network.mean[1] = 1e30F;
  network.scale[1] = 1e-30F;
  refused(network);
  network = made_network(store, {8});
  network.features.heat = false;
  refused(network);
}

TEST_CASE("the pass of gelu gives activation's values, wherever they stand", "[return_network]") {
  std::vector<float> x;
  for (int i = -40000; i <= 40000; ++i) x.push_back(static_cast<float>(i) / 2000);
  for (const float far : {-1e30F, -1e9F, -100.0F, -0.0F, 1e-30F, 100.0F, 1e9F, 1e30F}) x.push_back(far);
  std::vector<float> once = x;
  ebb::detail::gelu_pass(once.data(), static_cast<Eigen::Index>(once.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double z = x[i];
    const double tanh = std::tanh(0.7978845608028654 * (z + 0.044715 * z * z * z));
    REQUIRE(std::abs(static_cast<double>(once[i]) - 0.5 * z * (1 + tanh)) <= 3e-7 * std::abs(z));
  }
  for (std::size_t i = 0; i < x.size(); i += 997) {
    float alone = x[i];
    ebb::detail::gelu_pass(&alone, 1);
    REQUIRE(alone == once[i]);
  }
}

}  // namespace return_network_test
