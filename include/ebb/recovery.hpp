// SPDX-License-Identifier: MIT
#ifndef EBB_RECOVERY_HPP
#define EBB_RECOVERY_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <vector>

#include "ebb/detail/slot_lanes.hpp"
#include "ebb/detail/tuning.hpp"
#include "ebb/replay.hpp"
#include "ebb/synthetic_log.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// A half-life told from a log, with its standard error as a share of it.
struct half_life_estimate {
  duration half_life{0};
  double relative_error = 0;
  std::size_t returns = 0;  ///< how many returns spoke
};

/// The half-life with which users of each group forget, by maximum likelihood over all of their returns.
///
///   P(user returns to i) = S_i / Σ_j S_j,   S_i = Σ 2^(−age / h)
///
/// group_of[user]: the group of each user. The likelihood is evaluated at 48 half-lives from one hour to four times the log's span; the
/// parabola through the best three gives the estimate and, by its curvature, the standard error.
/// Complexity: O(48 · candidates of all returns).
/// Errors: std::invalid_argument unless there is a group for every user.
[[nodiscard]] inline std::vector<half_life_estimate> estimate_half_lives(const event_log& log,
                                                                         const std::vector<std::size_t>& group_of) {
  detail::require(group_of.size() == log.users().size(), "estimate_half_lives", "there must be one group a user",
                  group_of.size());
  const repeat_task task(log, {.tune_begin = 0, .test_begin = 1});
  const replay_window window = task.tuning();
  const auto grid = detail::log_grid(std::chrono::hours(1), 4 * detail::span_of(window), 48);
  const auto rows = static_cast<Eigen::Index>(grid.size());
  const std::size_t groups = group_of.empty() ? 0 : 1 + *std::max_element(group_of.begin(), group_of.end());
  Eigen::ArrayXXd likelihood = Eigen::ArrayXXd::Zero(rows, static_cast<Eigen::Index>(groups));
  std::vector<half_life_estimate> out(groups);

  detail::slot_lanes lanes(grid);
  lanes.reset(window.users());
  Eigen::ArrayXXd log2;
  window.stream(
      [&](const repeat_query& query, const repeat_question& question) {
        lanes.log2_at(question.user, question.now, log2);
        const Eigen::ArrayXd most = log2.rowwise().maxCoeff();
        const Eigen::ArrayXd sum = ((log2.colwise() - most) * std::numbers::ln2).exp().rowwise().sum();
        const std::size_t group = group_of[query.user];
        likelihood.col(static_cast<Eigen::Index>(group)) +=
            (log2.col(static_cast<Eigen::Index>(query.truth)) - most) * std::numbers::ln2 - sum.log();
        ++out[group].returns;
      },
      [&](const logged_event& event, std::size_t slot) { lanes.observe(event, slot); });

  const double step = std::log(grid[1] / grid[0]);
  for (std::size_t g = 0; g < groups; ++g) {
    const auto curve = likelihood.col(static_cast<Eigen::Index>(g));
    Eigen::Index best = 0;
    curve.maxCoeff(&best);
    best = std::clamp<Eigen::Index>(best, 1, rows - 2);
    const double bend = curve[best - 1] - 2 * curve[best] + curve[best + 1];
    const double offset = bend < 0 ? std::clamp(0.5 * (curve[best - 1] - curve[best + 1]) / bend, -1.0, 1.0) : 0.0;
    out[g].half_life = grid[static_cast<std::size_t>(best)] * std::exp(step * offset);
    out[g].relative_error = bend < 0 ? step / std::sqrt(-bend) : 0.0;
  }
  return out;
}

/// When in the period each user is most active, told from the user's events: the direction of Σ e^(2πi·t/period), in [0, period).
///
/// Complexity: O(events).
[[nodiscard]] inline std::vector<duration> estimate_peaks(const event_log& log, duration period) {
  std::vector<std::complex<double>> sums(log.users().size());
  for (const logged_event& event : log.events())
    sums[event.user] +=
        std::polar(1.0, 2.0 * std::numbers::pi * std::fmod(duration(event.time.time_since_epoch()) / period, 1.0));
  std::vector<duration> peaks;
  for (const std::complex<double>& sum : sums) {
    const double turn = std::arg(sum) / (2.0 * std::numbers::pi);
    peaks.push_back((turn < 0 ? turn + 1 : turn) * period);
  }
  return peaks;
}

/// How far apart two moments of a period are, the short way round: in [0, period / 2].
[[nodiscard]] inline duration apart(duration a, duration b, duration period) {
  const double turn = std::abs(std::remainder((a - b) / period, 1.0));
  return turn * period;
}

}  // namespace ebb

#endif  // EBB_RECOVERY_HPP
