// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_PROBABILITY_TRAINER_HPP
#define EBB_RETURN_PROBABILITY_TRAINER_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/baselines.hpp"
#include "ebb/calibration.hpp"
#include "ebb/event_log.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/metrics.hpp"
#include "ebb/random.hpp"
#include "ebb/replay.hpp"
#include "ebb/return_probability.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

struct horizon_options {
  duration horizon = std::chrono::days(7);
  timescales lanes = store_options{}.lanes;  ///< of the stores that will be read
  double begin = 0.4;                        ///< share of the events that are history only, in [0, 1)
  int moments = 16;                          ///< at which pairs are looked at, spread over the time there is
  std::size_t samples = 100'000;             ///< about so many pairs in all, drawn evenly
  std::uint64_t seed = 1;
};

/// Pairs at moments, with what was known then and what came.
struct horizon_samples {
  Eigen::MatrixXd features;          ///< (features, samples), from events before the moment
  std::vector<double> plain;         ///< (samples), ln of interest under one exponential
  std::vector<double> returned;      ///< (samples), 1 when the pair had an event in [moment, moment + horizon)
  std::vector<std::uint32_t> users;  ///< (samples)
  std::vector<time_point> moments;   ///< (samples)
};

/// Draws pairs at moments in [from, until − horizon], so that every label is complete before `until`.
///
/// One moment is drawn in each of `options.moments` equal stretches: not at one hour of the day. plain: the half-life of the
/// single exponential that is noted beside the features. No moment fits: no samples.
/// Complexity: O(events · lanes + moments · pairs).
/// Errors: std::invalid_argument for an unsorted log, and options outside their range.
[[nodiscard]] inline horizon_samples draw_horizon_samples(const event_log& log, const horizon_options& options,
                                                          time_point from, time_point until, duration plain) {
  constexpr const char* where = "draw_horizon_samples";
  detail::require(log.sorted(), where, "the log must be sorted by time", "an unsorted one");
  detail::require(options.horizon > duration(0) && options.horizon < std::chrono::years(100), where,
                  "the horizon must be in (0, 100 years)", options.horizon);
  detail::require(options.moments >= 1, where, "there must be a moment", options.moments);
  const auto horizon = std::chrono::duration_cast<time_point::duration>(options.horizon);
  horizon_samples out;
  const auto events = log.events();
  if (until - from < horizon) return out;

  const random_engine root(options.seed);
  std::vector<time_point> moments;
  random_engine when = root.split(0);
  const duration stretch = duration(until - horizon - from) / options.moments;
  for (int m = 0; m < options.moments; ++m)
    moments.push_back(from + std::chrono::duration_cast<time_point::duration>((m + when.uniform()) * stretch));

  // Every pair's times; and how many pairs there are at all moments together.
  const std::vector<std::size_t> first = first_of_pair(events);
  std::vector<std::vector<time_point>> times(events.size());
  double pairs = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    times[first[i]].push_back(events[i].time);
    if (first[i] == i)
      pairs += static_cast<double>(moments.end() - std::upper_bound(moments.begin(), moments.end(), events[i].time));
  }
  std::vector<std::vector<std::size_t>> pairs_of(
      log.users().size());  // user → first events, in order of the store's entries

  interest_store<user_id, item_id> store({.lanes = options.lanes, .first_use = true});
  const reading fading(plain);
  interest_store<user_id, item_id, double, 1> faded({.lanes = fading.bank(), .heat = false});
  const double share = static_cast<double>(options.samples) / std::max(pairs, 1.0);
  std::vector<double> values;
  const auto look = [&](std::size_t m) {
    random_engine draw = root.split(1 + m);
    for (user_id user = 0; user < pairs_of.size(); ++user) {
      std::vector<std::size_t> chosen;
      for (std::size_t i = 0; i < pairs_of[user].size(); ++i)
        if (draw.uniform() < share) chosen.push_back(i);
      if (chosen.empty()) continue;
      const auto& state = *store.find(user);
      const Eigen::MatrixXd x = return_probability::read(store, state, moments[m], options.lanes, options.horizon);
      for (const std::size_t i : chosen) {
        const auto column = x.col(static_cast<Eigen::Index>(i));
        values.insert(values.end(), column.begin(), column.end());
        const item_id item = store.item(state.entries.item(i));
        out.plain.push_back(std::log(std::max(faded.interest(user, item, fading, moments[m]), 1e-300)));
        const std::vector<time_point>& of_pair = times[pairs_of[user][i]];
        const auto next = std::lower_bound(of_pair.begin(), of_pair.end(), moments[m]);
        out.returned.push_back(next != of_pair.end() && *next - moments[m] < horizon ? 1.0 : 0.0);
        out.users.push_back(user);
        out.moments.push_back(moments[m]);
      }
    }
  };
  std::size_t m = 0;
  for (std::size_t i = 0; i < events.size() && m < moments.size(); ++i) {
    for (; m < moments.size() && moments[m] <= events[i].time; ++m) look(m);
    store.observe(events[i].user, events[i].item, events[i].time);
    faded.observe(events[i].user, events[i].item, events[i].time);
    if (first[i] == i) pairs_of[events[i].user].push_back(i);
  }
  for (; m < moments.size(); ++m) look(m);
  out.features = Eigen::Map<Eigen::MatrixXd>(values.data(), return_probability::features,
                                             static_cast<Eigen::Index>(out.returned.size()));
  return out;
}

/// Learns the chance of a return within the horizon from a log, as far as its labels are complete.
///
/// Errors: as draw_horizon_samples; std::invalid_argument unless begin is in [0, 1) and the part of the log after it is
///         longer than the horizon and holds pairs.
[[nodiscard]] inline return_probability fit_return_probability(const event_log& log,
                                                               const horizon_options& options = {}) {
  constexpr const char* where = "fit_return_probability";
  detail::require(options.begin >= 0 && options.begin < 1, where, "begin must be in [0, 1)", options.begin);
  detail::require(!log.empty(), where, "there must be events", log.size());
  const auto from = static_cast<std::size_t>(options.begin * static_cast<double>(log.size()));
  const horizon_samples samples =
      draw_horizon_samples(log, options, log[from].time, log[log.size() - 1].time, options.horizon);
  detail::require(!samples.returned.empty(), where, "the log must be longer than the horizon and hold pairs, samples",
                  0);
  return return_probability(
      {options.horizon, options.lanes, logistic_calibration::fit(samples.features, samples.returned).state()});
}

/// How well a probability of return stands the future.
struct probability_report {
  return_probability model;      ///< learned before the cut
  std::size_t learned_from = 0;  ///< pairs at moments before the cut
  std::size_t judged_on = 0;     ///< … and after it
  double loss = 0;               ///< mean log-loss after the cut, in nats
  double constant_loss = 0;      ///< of the share that returned before the cut
  double decay_loss = 0;         ///< of the best monotone function of plain decayed interest (isotonic)
  difference over_constant;      ///< by how much the loss is less, with its interval over users
  difference over_decay;
  std::vector<reliability_bin> table;  ///< after the cut
};

/// Learns before the moment at share `cut` of the events, and judges after it: nothing learned has a label from beyond.
///
/// The plain decay is the exponential whose half-life ranks best before the cut (`exponential_model`).
/// Errors: as fit_return_probability; std::invalid_argument unless begin < cut < 1 and either side is longer than the horizon.
[[nodiscard]] inline probability_report judge_return_probability(const event_log& log,
                                                                 const horizon_options& options = {},
                                                                 double cut = 0.7) {
  constexpr const char* where = "judge_return_probability";
  detail::require(options.begin >= 0 && options.begin < cut && cut < 1, where, "0 <= begin < cut < 1 must hold", cut);
  detail::require(!log.empty(), where, "there must be events", log.size());
  const repeat_task task(log, {.tune_begin = options.begin, .test_begin = cut});
  exponential_model exponential;
  exponential.fit(task.tuning());
  const duration half_life = exponential.how().half_life();
  const auto at = [&](double share) {
    return log[static_cast<std::size_t>(share * static_cast<double>(log.size()))].time;
  };
  const horizon_samples before = draw_horizon_samples(log, options, at(options.begin), at(cut), half_life);
  const horizon_samples after = draw_horizon_samples(log, options, at(cut), log[log.size() - 1].time, half_life);
  detail::require(!before.returned.empty() && !after.returned.empty(), where,
                  "both sides of the cut must be longer than the horizon and hold pairs, samples",
                  std::min(before.returned.size(), after.returned.size()));

  const logistic_calibration logistic = logistic_calibration::fit(before.features, before.returned);
  probability_report out{
      return_probability({options.horizon, options.lanes, logistic.state()}), 0, 0, 0, 0, 0, {}, {}, {}};
  out.learned_from = before.returned.size();
  out.judged_on = after.returned.size();
  const Eigen::VectorXd learned = logistic(after.features);
  const std::vector<double> predicted(learned.begin(), learned.end());
  double rate = 0.5;
  for (const double y : before.returned) rate += y;
  const std::vector<double> constant(out.judged_on, rate / (static_cast<double>(out.learned_from) + 1));
  const isotonic_calibration monotone(before.plain, before.returned);
  std::vector<double> decayed;
  for (const double interest : after.plain) decayed.push_back(monotone(interest));

  const std::vector<double> losses = log_losses(predicted, after.returned);
  const std::vector<double> by_constant = log_losses(constant, after.returned);
  const std::vector<double> by_decay = log_losses(decayed, after.returned);
  const auto mean = [&](const std::vector<double>& all) {
    return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  };
  out.loss = mean(losses);
  out.constant_loss = mean(by_constant);
  out.decay_loss = mean(by_decay);
  out.over_constant = paired_bootstrap(by_constant, losses, after.users, options.seed);
  out.over_decay = paired_bootstrap(by_decay, losses, after.users, options.seed);
  out.table = reliability_table(predicted, after.returned);
  return out;
}

}  // namespace ebb

#endif  // EBB_RETURN_PROBABILITY_TRAINER_HPP
