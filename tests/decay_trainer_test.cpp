// SPDX-License-Identifier: MIT
#include "ebb/decay_trainer.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/detail/log_lanes.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/synthetic_log.hpp"

namespace decay_trainer_test {

using namespace std::chrono_literals;

namespace {

Eigen::MatrixXd normals(ebb::random_engine& random, Eigen::Index rows, Eigen::Index cols) {
  Eigen::MatrixXd x(rows, cols);
  for (double& v : x.reshaped()) v = random.normal();
  return x;
}

ebb::return_samples random_samples(std::uint64_t seed, int moments, Eigen::Index features, Eigen::Index lanes) {
  ebb::random_engine random(seed);
  ebb::return_samples samples({.negatives = 6});
  for (int i = 0; i < moments; ++i) {
    const auto n = static_cast<Eigen::Index>(3 + random.below(15));
    std::vector<std::uint32_t> returned{0};
    if (random.uniform() < 0.3) returned.push_back(2);
    samples.add(normals(random, n, features).cast<float>(), 2 * normals(random, n, lanes), returned);
  }
  return samples;
}

/// Returns of a made log; the only feature says which group the user is of, up to noise.
ebb::return_samples grouped_samples(const ebb::synthetic_log& made, const ebb::timescales& lanes) {
  ebb::interest_store<ebb::user_id, ebb::item_id> store({.lanes = lanes, .heat = false});
  ebb::return_samples samples;
  ebb::random_engine random(1);
  Eigen::ArrayXXd logs;
  for (const ebb::logged_event& event : made.log.events()) {
    const auto* const user = store.find(event.user);
    const auto handle = store.handle(event.item);
    const std::size_t at = user != nullptr && handle ? user->entries.find(*handle) : std::size_t(-1);
    if (at != std::size_t(-1)) {
      ebb::detail::log_lanes(store, *user, event.time, logs);
      const double group = made.users[event.user].group == 0 ? -1 : 1;
      const auto feature = static_cast<float>(group + 0.2 * random.normal());
      samples.add(Eigen::MatrixXf::Constant(logs.cols(), 1, feature), logs.matrix().transpose(),
                  std::vector{static_cast<std::uint32_t>(at)});
    }
    store.observe(event.user, event.item, event.time);
  }
  return samples;
}

}  // namespace

TEST_CASE("the gradient of the listwise loss is that of finite differences", "[decay_trainer]") {
  const auto bank = ebb::timescales::log_spaced(1h, 1000h, 4);
  const ebb::return_samples samples = random_samples(1, 12, 3, 4);
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(3);
  const ebb::learned_decay decay({ebb::reading(bank, {0.1, 0.2, 0.3, 0.4}), 1.0, {ones, 0 * ones, ones}, {5}});
  ebb::mlp<float> network = decay.network();
  ebb::random_engine random(2);
  Eigen::VectorXf x = 0.7F * normals(random, network.parameter_count() + 1, 1).cast<float>();
  std::vector<const ebb::return_samples::moment*> batch;
  double returns = 0;
  for (const auto& m : samples.moments()) {
    batch.push_back(&m);
    returns += static_cast<double>(m.returned);
  }
  ebb::detail::decay_objective objective;
  Eigen::VectorXf gradient;
  objective(decay, network, x, batch, &gradient);
  const float size = gradient.cwiseAbs().maxCoeff();
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    constexpr float step = 1e-2F;
    Eigen::VectorXf up = x;
    Eigen::VectorXf down = x;
    up[i] += step;
    down[i] -= step;
    const double slope =
        (objective(decay, network, up, batch, nullptr) - objective(decay, network, down, batch, nullptr)) /
        (2.0 * static_cast<double>(step)) / returns;
    CHECK(gradient[i] == Approx(slope).margin(2e-3 * static_cast<double>(size)));
  }
}

TEST_CASE("two groups of users get their own half-lives from the feature that tells them apart", "[decay_trainer]") {
  ebb::synthetic_options options;
  options.groups = {{"fast", 12h, 25}, {"slow", std::chrono::days(20), 25}};
  options.item_rhythm = 0;
  options.events_a_day = 2;
  const auto bank = ebb::timescales::log_spaced(3h, std::chrono::days(100), 8);
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const ebb::synthetic_log made = ebb::make_synthetic_log(seed, options);
    const auto trained =
        ebb::train_learned_decay(grouped_samples(made, bank), ebb::reading::inverse_half_life(bank), 1.0);
    CHECK(trained.epochs > 0);
    CHECK(trained.loss < trained.start_loss - 0.05);
    for (const std::size_t g : {std::size_t{0}, std::size_t{1}}) {
      const Eigen::VectorXf feature = Eigen::VectorXf::Constant(1, g == 0 ? -1.0F : 1.0F);
      const double off = trained.decay(feature).half_life() / options.groups[g].half_life;
      INFO(options.groups[g].name << ' ' << off);
      CHECK(off < 1.6);
      CHECK(off > 1 / 1.6);
    }
  }
}

TEST_CASE("where there is nothing to learn, the start is kept or nearly", "[decay_trainer]") {
  const auto bank = ebb::timescales::log_spaced(1h, 1000h, 4);
  const ebb::reading start = ebb::reading::inverse_half_life(bank);
  const auto noise = ebb::train_learned_decay(random_samples(3, 300, 3, 4), start, 0.5);
  CHECK(noise.loss <= noise.start_loss);
  const auto none = ebb::train_learned_decay(random_samples(3, 300, 3, 4), start, 0.5, {.epochs = 0});
  CHECK(none.loss == none.start_loss);
  CHECK(none.decay.state().sharpness == Approx(0.5));
  CHECK(none.decay(Eigen::VectorXf::Ones(3)).weights()[0] == Approx(start.weights()[0]).epsilon(1e-5));
}

TEST_CASE("the same samples and seed give the same decay", "[decay_trainer]") {
  const auto bank = ebb::timescales::log_spaced(1h, 1000h, 4);
  const auto train = [&](std::uint64_t seed) {
    return ebb::train_learned_decay(random_samples(4, 200, 3, 4), ebb::reading::inverse_half_life(bank), 1.0,
                                    {.epochs = 3, .seed = seed});
  };
  const auto one = train(1);
  const auto again = train(1);
  CHECK(one.decay.state().parameters == again.decay.state().parameters);
  CHECK(one.loss == again.loss);
}

TEST_CASE("training refuses samples that do not fit", "[decay_trainer]") {
  const auto bank = ebb::timescales::log_spaced(1h, 1000h, 4);
  const ebb::reading start = ebb::reading::inverse_half_life(bank);
  CHECK_THROWS_AS(ebb::train_learned_decay(ebb::return_samples(), start, 1.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::train_learned_decay(random_samples(5, 9, 3, 5), start, 1.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::train_learned_decay(random_samples(5, 9, 3, 4), start, -1.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::train_learned_decay(random_samples(5, 9, 3, 4), start, 1.0, {.batch = 0}),
                  std::invalid_argument);
}

}  // namespace decay_trainer_test
