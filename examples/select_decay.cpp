// SPDX-License-Identifier: MIT
// Which decay does my log ask for, with which half-life, and is it worth it? Two made logs: users who forget within days, and users who
// hardly forget at all.
#include <chrono>
#include <cstdio>
#include <string>

#include "ebb/select_decay.hpp"
#include "ebb/synthetic_log.hpp"

namespace {

double days(ebb::duration length) { return length / std::chrono::days(1); }

void report(const char* users, ebb::duration half_life) {
  ebb::synthetic_options options;
  options.groups = {{"all", half_life, 40}};
  options.item_rhythm = 0;
  const ebb::synthetic_log made = ebb::make_synthetic_log(1, options);

  const ebb::decay_choice choice = ebb::select_decay(made.log);

  std::printf("%s: %s (%s)\n", users, std::string(to_string(choice.best.family)).c_str(),
              std::string(to_string(choice.verdict)).c_str());
  if (choice.half_life_interval)
    std::printf("  half-life %.1f days, 95 %% interval %.1f to %.1f\n", days(choice.best.half_life),
                days(choice.half_life_interval->lo), days(choice.half_life_interval->hi));
  std::printf("  over %s, the runner-up: %+.3f nats a return [%+.3f, %+.3f]\n",
              std::string(to_string(choice.runner_up)).c_str(), choice.lift.diff, choice.lift.lo, choice.lift.hi);
  std::printf("  over no decay: MRR %+.3f [%+.3f, %+.3f]\n", choice.mrr_lift_over_no_decay.diff,
              choice.mrr_lift_over_no_decay.lo, choice.mrr_lift_over_no_decay.hi);
}

}  // namespace

int main() {
  report("half-life 3 days", std::chrono::days(3));
  report("half-life 50 years", std::chrono::years(50));
}
