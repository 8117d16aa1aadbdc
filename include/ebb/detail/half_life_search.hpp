// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_HALF_LIFE_SEARCH_HPP
#define EBB_DETAIL_HALF_LIFE_SEARCH_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/decay_trials.hpp"
#include "ebb/random.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb::detail {

/// Where three values at −1, 0, 1 have the least of the parabola through them, and that least; not beyond ±1.
struct parabola_least {
  double at;
  double value;

  parabola_least(double left, double middle, double right)
      : at(least_of_three(left, middle, right)),
        value(middle + at * (right - left) / 2 + at * at * (left - 2 * middle + right) / 2) {}
};

/// The same for the least of many values at 0, 1, 2 …, by the parabola through it and its neighbours. values: at least 3.
[[nodiscard]] inline std::pair<double, double> least_of_many(const Eigen::Ref<const Eigen::ArrayXd>& values) {
  Eigen::Index best = 0;
  values.minCoeff(&best);
  best = std::clamp<Eigen::Index>(best, 1, values.size() - 2);
  const parabola_least least(values[best - 1], values[best], values[best + 1]);
  return {static_cast<double>(best) + least.at, least.value};
}

/// The β of each trial that makes a window's returns likeliest; 0 where indifference is likelier than all looked at.
struct fitted_trials {
  Eigen::ArrayXd sharpness;  // (trials)
  Eigen::ArrayXd loss;       // (trials), mean −ln p
  std::size_t returns = 0;
};

/// Two rounds: powers of two around 0.4, then close by. The loss is convex in β: one that is above the loss of β = 0 at the least β looked
/// at has its least below that β, at 0 or as good as.
/// Complexity: 12 exponentials a trial and candidate.
[[nodiscard]] inline fitted_trials fit_sharpness(const replay_window& window, const std::vector<decay_trial>& which,
                                                 duration span, const std::optional<reading>& mixture,
                                                 std::size_t most) {
  const auto rows = static_cast<Eigen::Index>(which.size());
  fitted_trials out{Eigen::ArrayXd::Constant(rows, 0.4), Eigen::ArrayXd::Zero(rows)};
  decay_trials trials(which, span, mixture);
  Eigen::ArrayXd one;
  double indifferent = 0;
  for (const auto& round : {std::pair(2.0, 4), std::pair(1.15, 1)}) {
    const double factor = round.first;
    const int steps = round.second;
    Eigen::ArrayXXd loss = Eigen::ArrayXXd::Zero(rows, 2 * steps + 1);
    out.returns = 0;
    indifferent = 0;
    visit_trials(window, trials, most, [&](const repeat_query& query, const Eigen::ArrayXXd& scores) {
      for (Eigen::Index b = 0; b < loss.cols(); ++b) {
        listwise_losses(scores, query.truth, out.sharpness * std::pow(factor, static_cast<double>(b - steps)), one);
        loss.col(b) += one;
      }
      indifferent += std::log(static_cast<double>(scores.cols()));
      ++out.returns;
    });
    if (out.returns == 0) return out;
    loss /= static_cast<double>(out.returns);
    indifferent /= static_cast<double>(out.returns);
    for (Eigen::Index r = 0; r < rows; ++r) {
      const auto [at, least] = least_of_many(loss.row(r).transpose());
      out.sharpness[r] *= std::pow(factor, at - steps);
      out.loss[r] = least;
    }
  }
  for (Eigen::Index r = 0; r < rows; ++r) {
    if (out.loss[r] < indifferent) continue;
    out.sharpness[r] = 0;
    out.loss[r] = indifferent;
  }
  return out;
}

struct half_life_bounds {
  duration half_life, lo, hi;
};

/// The half-life of a law by all returns of the task, and its 95 % interval by drawing users anew.
///
/// Every user's losses are kept on a grid of half-lives around the law's and of β around what each wants; a draw adds up
/// its users' and takes the least, over β first: so the interval knows that a longer half-life and a higher β are alike.
/// Complexity: 100 exponentials a candidate, and 1,000 · users · 100 additions.
[[nodiscard]] inline half_life_bounds bound_half_life(const repeat_task& task, const decay_trial& law, duration span,
                                                      std::size_t most, std::uint64_t seed) {
  constexpr int reach = 8;  // steps of half-life either way: to a factor of 4.3
  constexpr double factor = 1.2;
  constexpr int betas = 5;
  std::vector<decay_trial> near(2 * reach + 1, law);
  for (int r = 0; r <= 2 * reach; ++r) near[static_cast<std::size_t>(r)].half_life *= std::pow(factor, r - reach);
  const auto rows = static_cast<Eigen::Index>(near.size());
  const Eigen::ArrayXd sharpness = fit_sharpness(task.tuning(), near, span, std::nullopt, most).sharpness;

  decay_trials trials(near, span, std::nullopt);
  const auto users = static_cast<Eigen::Index>(task.tuning().users());
  Eigen::ArrayXXd of_user = Eigen::ArrayXXd::Zero(rows * betas, users);
  Eigen::ArrayXd one;
  std::vector<char> spoke(static_cast<std::size_t>(users), 0);
  const auto add = [&](const repeat_query& query, const Eigen::ArrayXXd& scores) {
    for (int b = 0; b < betas; ++b) {
      listwise_losses(scores, query.truth, sharpness * std::pow(1.15, b - betas / 2), one);
      of_user.col(query.user).segment(b * rows, rows) += one;
    }
    spoke[query.user] = 1;
  };
  visit_trials(task.tuning(), trials, most, add);
  visit_trials(task.testing(), trials, most, add);
  std::vector<Eigen::Index> heard;
  for (Eigen::Index u = 0; u < users; ++u)
    if (spoke[static_cast<std::size_t>(u)] != 0) heard.push_back(u);
  if (heard.empty()) return {law.half_life, law.half_life, law.half_life};

  Eigen::ArrayXd profile(rows);
  const auto least = [&](const Eigen::ArrayXd& sum) {
    const Eigen::Map<const Eigen::ArrayXXd> grid(sum.data(), rows, betas);
    for (Eigen::Index r = 0; r < rows; ++r) profile[r] = least_of_many(grid.row(r).transpose()).second;
    return law.half_life * std::pow(factor, least_of_many(profile).first - reach);
  };
  half_life_bounds out{};
  out.half_life = least(of_user.rowwise().sum());
  random_engine random(seed);
  std::vector<duration> drawn;
  Eigen::ArrayXd sum;
  for (int draw = 0; draw < 1000; ++draw) {
    sum.setZero(rows * betas);
    for (std::size_t n = 0; n < heard.size(); ++n) sum += of_user.col(heard[random.below(heard.size())]);
    drawn.push_back(least(sum));
  }
  std::sort(drawn.begin(), drawn.end());
  out.lo = drawn[25];
  out.hi = drawn[974];
  return out;
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_HALF_LIFE_SEARCH_HPP
