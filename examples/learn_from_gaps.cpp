// SPDX-License-Identifier: MIT
// Which curve do my interest values follow? Learn it from (gap, interest) pairs alone, then lay known decays beside it.
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <ebb/decay.hpp>
#include <ebb/gap_model.hpp>
#include <ebb/random.hpp>
#include <string>
#include <vector>

int main() {
  using ebb::duration;
  using std::chrono::days;
  using std::chrono::hours;

  // What was measured: an hour to 90 days after its last event, how much of an interest was left, give or take 0.05.
  const ebb::power_law_decay<> truth(days(7), {.exponent = 1.0});
  ebb::random_engine random(1);
  std::vector<duration> gaps;
  std::vector<double> interest;
  for (int i = 0; i < 3000; ++i) {
    gaps.push_back(hours(1) * std::pow(90.0 * 24.0, random.uniform()));
    interest.push_back(truth(gaps.back()) + 0.05 * random.normal());
  }

  // One hidden layer of 32 relu units, squared loss, Adam, 100 epochs; the newest fifth is held out.
  const auto progress = [](const ebb::epoch_report& e) {
    if (e.epoch % 20 == 0)
      std::printf("[%-20s] epoch %3d of 100, loss %.5f, held out %.5f\n",
                  std::string(static_cast<std::size_t>(e.epoch) / 5, '=').c_str(), e.epoch, e.train_loss,
                  *e.validation_loss);
    return false;  // go on
  };
  const ebb::gap_fit fit = ebb::fit_gap_model(gaps, interest, {.training = {.on_epoch = progress}});
  std::printf("held out: rmse %.3f, mae %.3f\n", fit.validation->rmse, fit.validation->mae);
  for (const duration gap : {duration(hours(6)), duration(days(7)), duration(days(60))})
    std::printf("after %4.0f h: learned %.2f, true %.2f\n", gap / duration(hours(1)), fit.model(gap), truth(gap));

  // The learned curve stands in for the unknown one: which decay with a half-life of a week is nearest to it?
  const auto distance = [&](const char* name, const auto& decay) {
    const double rmse = fit.model.compare(decay, fit.shortest, fit.longest).rmse;
    std::printf("%-22s %.2f%s\n", name, rmse, rmse < 0.02 ? "  <- this one" : "");
  };
  distance("exponential", ebb::exponential_decay<>(days(7)));
  distance("linear", ebb::linear_decay<>(days(7)));
  distance("power law, p = 0.5", ebb::power_law_decay<>(days(7), {.exponent = 0.5}));
  distance("power law, p = 1", truth);
}
