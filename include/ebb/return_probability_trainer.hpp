// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_PROBABILITY_TRAINER_HPP
#define EBB_RETURN_PROBABILITY_TRAINER_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
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
  int moments = 64;                          ///< at which pairs are looked at, spread over the time there is
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

/// Whether what was learned is taken or plain decay, by how they did on the newest moments.
struct return_share {
  double share = 1;      ///< 1: what was learned; 0: plain decay
  double learned = 0;    ///< mean log-loss on the newest moments, in nats, of what was learned before them …
  double plain = 0;      ///< … and of plain decay
  std::size_t held = 0;  ///< pairs judged on; 0: nothing could be held out
};

namespace detail {

/// Some of the samples.
[[nodiscard]] inline horizon_samples chosen_samples(const horizon_samples& from,
                                                    const std::vector<Eigen::Index>& columns) {
  horizon_samples out;
  out.features = from.features(Eigen::all, columns);
  for (const Eigen::Index column : columns) {
    const auto i = static_cast<std::size_t>(column);
    out.plain.push_back(from.plain[i]);
    out.returned.push_back(from.returned[i]);
    out.users.push_back(from.users[i]);
    out.moments.push_back(from.moments[i]);
  }
  return out;
}

[[nodiscard]] inline double mean_log_loss(std::span<const double> predicted, std::span<const double> outcomes) {
  const std::vector<double> losses = log_losses(predicted, outcomes);
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

/// The learned and the plain part from all samples, the plain one on the lane that tells most; share 1.
[[nodiscard]] inline return_probability_state learned_return(const horizon_samples& samples,
                                                             const horizon_options& options) {
  return_probability_state out{options.horizon, options.lanes, {}, {}};
  out.learned = logistic_calibration::fit(samples.features, samples.returned, {.bends = {-2, -1, 0, 1, 2}}).state();
  double least = std::numeric_limits<double>::infinity();
  for (Eigen::Index lane = 0; lane < return_probability_lanes; ++lane) {
    const Eigen::VectorXd interest = samples.features.row(lane);
    const std::span<const double> scores(interest.data(), samples.returned.size());
    const isotonic_calibration rising(scores, samples.returned);
    std::vector<double> predicted;
    for (const double score : scores) predicted.push_back(rising(score));
    const double loss = mean_log_loss(predicted, samples.returned);
    if (loss >= least) continue;
    least = loss;
    out.plain = rising.state();
    out.plain_lane = static_cast<int>(lane);
  }
  return out;
}

}  // namespace detail

/// Falls back to plain decay where that did better on the newest quarter of the moments, both learned from those whose labels were complete
/// before it: on these moments the choice never does worse than plain decay.
///
/// Where nothing can be held out (fewer moments than that, a horizon as long as the stretch) the share is 1. There is nothing between: on the
/// open logs the learned part alone does better after the cut than any mixture, whichever mixture does best before it.
/// Errors: std::invalid_argument as `logistic_calibration::fit`.
[[nodiscard]] inline return_share choose_return_share(const horizon_samples& samples, const horizon_options& options) {
  std::vector<time_point> moments = samples.moments;
  std::sort(moments.begin(), moments.end());
  moments.erase(std::unique(moments.begin(), moments.end()), moments.end());
  if (moments.empty()) return {};
  const time_point newest = moments[moments.size() * 3 / 4];
  std::vector<Eigen::Index> before;
  std::vector<Eigen::Index> after;
  for (std::size_t i = 0; i < samples.moments.size(); ++i)
    if (samples.moments[i] >= newest)
      after.push_back(static_cast<Eigen::Index>(i));
    else if (newest - samples.moments[i] >= options.horizon)
      before.push_back(static_cast<Eigen::Index>(i));
  if (before.empty()) return {};
  return_probability_state state = detail::learned_return(detail::chosen_samples(samples, before), options);
  const horizon_samples held = detail::chosen_samples(samples, after);
  const auto loss = [&](double share) {
    state.share = share;
    const Eigen::VectorXd p = return_probability(state)(held.features);
    return detail::mean_log_loss(std::span(p.data(), held.returned.size()), held.returned);
  };
  return_share out{1, loss(1), loss(0), held.returned.size()};
  if (out.plain < out.learned) out.share = 0;
  return out;
}

/// Learns the chance of a return from samples: the share as `choose_return_share` says, and the rest from all of them.
///
/// The same samples and options give the same model. Nothing is fitted anew to the newest moments alone: on the open logs an offset, or an offset
/// and a slope, from the newest quarter of them, and learning from the newest half or quarter only, lose up to 0.007 nats, and gain 0.0002 at most.
/// Complexity: O(66 · samples) a step of the learned part, of which there are at most 200, twice: some 5 s for 100,000 samples.
/// Errors: std::invalid_argument as `logistic_calibration::fit`.
[[nodiscard]] inline return_probability fit_return_probability(const horizon_samples& samples,
                                                               const horizon_options& options) {
  return_probability_state state = detail::learned_return(samples, options);
  state.share = choose_return_share(samples, options).share;
  return return_probability(std::move(state));
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
  return fit_return_probability(samples, options);
}

/// How well a probability of return stands the future.
struct probability_report {
  return_probability model;      ///< learned last
  std::size_t learned_from = 0;  ///< pairs it was learned from, at moments before what it was judged on
  std::size_t judged_on = 0;     ///< pairs after the cut
  double loss = 0;               ///< mean log-loss after the cut, in nats
  double constant_loss = 0;      ///< of the share that returned before
  double decay_loss = 0;         ///< of the best monotone function of plain decayed interest (isotonic)
  difference over_constant;      ///< by how much the loss is less, with its interval over users
  difference over_decay;
  std::vector<reliability_bin> table;  ///< after the cut
};

namespace detail {

/// The bodies of `judge_return_probability`.
class probability_judge {
 public:
  probability_judge(const event_log& log, const horizon_options& options, duration half_life)
      : log_(log), options_(options), half_life_(half_life) {}

  /// Learns from what was known at `cut`, and judges moments in [cut, until − horizon].
  void judge(time_point from, time_point cut, time_point until, int parts) {
    horizon_options fewer = options_;
    fewer.moments = std::max(1, options_.moments / parts);
    fewer.samples = std::max<std::size_t>(1, options_.samples / static_cast<std::size_t>(parts));
    const horizon_samples before = draw_horizon_samples(log_, options_, from, cut, half_life_);
    const horizon_samples after = draw_horizon_samples(log_, fewer, cut, until, half_life_);
    require(!before.returned.empty() && !after.returned.empty(), "judge_return_probability",
            "both sides of the cut must be longer than the horizon and hold pairs, samples",
            std::min(before.returned.size(), after.returned.size()));
    model_.emplace(fit_return_probability(before, options_));
    learned_from_ = before.returned.size();
    const Eigen::VectorXd p = (*model_)(after.features);
    predicted_.insert(predicted_.end(), p.begin(), p.end());
    const double yes = std::accumulate(before.returned.begin(), before.returned.end(), 0.5);
    constant_.insert(constant_.end(), after.returned.size(), yes / (static_cast<double>(learned_from_) + 1));
    const isotonic_calibration monotone(before.plain, before.returned);
    for (const double interest : after.plain) decayed_.push_back(monotone(interest));
    returned_.insert(returned_.end(), after.returned.begin(), after.returned.end());
    users_.insert(users_.end(), after.users.begin(), after.users.end());
  }

  [[nodiscard]] probability_report report() const {
    probability_report out{*model_, learned_from_, returned_.size(), 0, 0, 0, {}, {}, {}};
    const std::vector<double> losses = log_losses(predicted_, returned_);
    out.loss = mean_log_loss(predicted_, returned_);
    out.constant_loss = mean_log_loss(constant_, returned_);
    out.decay_loss = mean_log_loss(decayed_, returned_);
    out.over_constant = paired_bootstrap(log_losses(constant_, returned_), losses, users_, options_.seed);
    out.over_decay = paired_bootstrap(log_losses(decayed_, returned_), losses, users_, options_.seed);
    out.table = reliability_table(predicted_, returned_);
    return out;
  }

 private:
  const event_log& log_;
  const horizon_options& options_;
  duration half_life_;
  std::optional<return_probability> model_;
  std::size_t learned_from_ = 0;
  std::vector<double> predicted_, constant_, decayed_, returned_;  // (judged on)
  std::vector<std::uint32_t> users_;                               // (judged on)
};

}  // namespace detail

/// Learns before the moment at share `cut` of the events, and judges after it: nothing learned has a label from beyond.
///
/// refits: the time after the cut is judged in so many equal parts, each by a model (and a constant, and a plain decay) learned anew from
/// all that was complete when the part began, as a service that learns regularly would have it. 1: learned once.
/// The plain decay is the exponential whose half-life ranks best before the cut (`exponential_model`).
///
/// Log-loss less than plain decay's, in thousandths of a nat, learned once (and six times):
///
///                    1 day        7 days        30 days
///   foursquare_nyc   1.2 (1.0)    7.7 (5.8)     19.2 (12.7)
///   online_retail    0.2 (0.1)    4.6 (4.4)     10.7 (11.4)
///   git_sympy        0.2 (0.2)    1.1 (0.8)     3.4 (3.4)
///
/// All but the 1 day of online_retail and git_sympy beyond chance (the interval over users). On online_retail every tenth of the predictions for
/// 7 and 30 days is what happened to within a quarter of it. The check-ins' log was not written for days on end (17, 14 and 5 of them) shortly
/// before the cut, so that what is learned there is too low after it: 0.20 in the top tenth for 30 days, where 0.32 came back; learned six
/// times 0.25, where 0.30 did.
/// Errors: as fit_return_probability; std::invalid_argument unless begin < cut < 1, refits >= 1 and either side is longer than the horizon.
[[nodiscard]] inline probability_report judge_return_probability(const event_log& log,
                                                                 const horizon_options& options = {}, double cut = 0.7,
                                                                 int refits = 1) {
  constexpr const char* where = "judge_return_probability";
  detail::require(options.begin >= 0 && options.begin < cut && cut < 1, where, "0 <= begin < cut < 1 must hold", cut);
  detail::require(refits >= 1, where, "refits must be >= 1", refits);
  detail::require(!log.empty(), where, "there must be events", log.size());
  const repeat_task task(log, {.tune_begin = options.begin, .test_begin = cut});
  exponential_model exponential;
  exponential.fit(task.tuning());
  const auto at = [&](double share) {
    return log[static_cast<std::size_t>(share * static_cast<double>(log.size()))].time;
  };
  const time_point begin = at(cut);
  const duration part = (duration(log[log.size() - 1].time - begin) - options.horizon) / refits;
  detail::require(part.count() >= 0, where, "what is after the cut must be longer than the horizon", part);
  detail::probability_judge judge(log, options, exponential.how().half_life());
  for (int r = 0; r < refits; ++r) {
    const time_point from = begin + std::chrono::duration_cast<time_point::duration>(r * part);
    const time_point until = r + 1 == refits
                                 ? log[log.size() - 1].time
                                 : from + std::chrono::duration_cast<time_point::duration>(part + options.horizon);
    judge.judge(at(options.begin), from, until, refits);
  }
  return judge.report();
}

}  // namespace ebb

#endif  // EBB_RETURN_PROBABILITY_TRAINER_HPP
