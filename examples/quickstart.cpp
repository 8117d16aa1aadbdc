// SPDX-License-Identifier: MIT
// What is an old interest worth now, and how does it move an item's weight?
#include <chrono>
#include <cstdio>
#include <ebb/decay.hpp>
#include <ebb/ema.hpp>

int main() {
  using namespace std::chrono_literals;

  // An interest of 0.8, seen two hours ago, forgotten at the rate λ = 0.1 per hour.
  const auto decay = ebb::exponential_decay<>::from_rate(0.1, 1h);
  const double interest = 0.8 * decay(2h);

  // It moves the item's weight, 0.6 so far, half of the way.
  const ebb::step_ema ema(0.5);
  const double weight = ema(0.6, interest);

  std::printf("decay %.6f\ninterest now %.6f\nweight %.6f\n", decay(2h), interest, weight);

  // Another kind of forgetting is another type; the half-life keeps its meaning.
  const ebb::power_law_decay slow(decay.half_life(), {.exponent = 0.5});
  std::printf("after ten half-lives: exponential %.4f, power law %.4f\n", decay(10 * decay.half_life()),
              slow(10 * decay.half_life()));
}
