// SPDX-License-Identifier: MIT
#ifndef EBB_SELECT_DECAY_HPP
#define EBB_SELECT_DECAY_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/baselines.hpp"
#include "ebb/decay.hpp"
#include "ebb/detail/decay_trials.hpp"
#include "ebb/detail/half_life_search.hpp"
#include "ebb/detail/tuning.hpp"
#include "ebb/event_log.hpp"
#include "ebb/metrics.hpp"
#include "ebb/random.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// What a comparison of decays can say.
enum class decay_verdict : std::uint8_t {
  found,                     ///< the choice is measurably better than every other single law and than indifference
  no_measurable_difference,  ///< another law does as well, or ranks better; the choice is the simplest of them
  no_decay,                  ///< counting uses does as well as any decay, or no law does better than indifference
  too_little                 ///< too few returns or users to tell; the choice is a guess
};

[[nodiscard]] inline std::string_view to_string(decay_family family) noexcept {
  constexpr std::array<std::string_view, 5> names{"frequency", "recency", "exponential", "power law", "mixture"};
  return names[static_cast<std::size_t>(family)];
}
[[nodiscard]] inline std::string_view to_string(decay_verdict verdict) noexcept {
  constexpr std::array<std::string_view, 4> names{"found", "no measurable difference", "no decay", "too little data"};
  return names[static_cast<std::size_t>(verdict)];
}

/// A length of time known only so well.
struct duration_interval {
  duration lo{0};
  duration hi{0};
};

/// The best of one family, and how it did on returns that it was not chosen by.
struct decay_fit {
  decay_family family = decay_family::frequency;
  duration half_life{0};  ///< infinite for frequency, and for recency that tells nothing
  double exponent = 0;    ///< p of a power law and of recency, else 0
  double sharpness = 1;   ///< β of p ∝ interest^β; 0 where the family tells nothing (exponent 0, for recency)
  double loss = 0;        ///< mean −ln p a return
  double mrr = 0;
};

/// Which decay a log asks for.
struct decay_choice {
  decay_fit best;
  std::optional<duration_interval> half_life_interval;  ///< 95 %, over users; of exponentials and power laws
  std::optional<reading> mixture;                       ///< the learned mixture, whether it was chosen or not
  decay_verdict verdict = decay_verdict::too_little;
  decay_family runner_up = decay_family::frequency;  ///< the best other single law
  difference lift;                                   ///< of −ln p a return, over the runner-up …
  difference lift_over_no_decay;                     ///< … over frequency …
  difference lift_over_chance;                       ///< … and over all items alike; in nats, above 0 is better
  difference mrr_lift;                               ///< the same of the mean reciprocal rank
  difference mrr_lift_over_no_decay;
  std::vector<decay_fit> families;  ///< all five, the simpler first
  std::size_t returns = 0;          ///< judged on
  std::size_t users = 0;            ///< who made them

  /// The chosen decay, to be used with the sum of all events; of recency, with the last event alone.
  [[nodiscard]] std::function<double(duration)> decay() const {
    switch (best.family) {
      case decay_family::frequency:
        return [](duration) { return 1.0; };
      case decay_family::exponential:
        return exponential_decay<>(best.half_life);
      case decay_family::mixture:
        return *mixture;
      default:
        if (best.exponent == 0) return [](duration) { return 1.0; };  // recency that tells nothing
        return power_law_decay<>(best.half_life, {best.exponent});
    }
  }
};

struct select_decay_options {
  repeat_split split = {.tune_begin = 0.3,
                        .test_begin = 0.65};    ///< where parameters are chosen, and where all is judged
  std::vector<double> exponents = {0.5, 1, 2};  ///< of power laws
  std::size_t candidates =
      400'000;  ///< most candidates chosen by, and a fifth of those judged on; beyond it returns are thinned evenly
  std::uint64_t seed = 1;  ///< of ties and of the intervals' draws
};

namespace detail {

/// The bodies of `select_decay`, step by step.
class decay_selector {
 public:
  decay_selector(const event_log& log, const select_decay_options& options)
      : options_(options), task_(log, options.split), span_(span_of(task_.tuning())) {
    require(!options.exponents.empty(), "select_decay", "there must be an exponent", options.exponents.size());
    for (const double p : options.exponents)
      require(p >= 0.1 && p <= 10, "select_decay", "an exponent must be in [0.1, 10]", p);
    mixture_model mixture;
    mixture.fit(task_.tuning());
    mixture_.emplace(mixture.how());
    lay_out(mixture.how().bank().half_life(0));
  }

  [[nodiscard]] decay_choice run() {
    decay_choice out;
    out.mixture = mixture_;
    fitted_ = fit_sharpness(task_.tuning(), trials_, span_, mixture_, options_.candidates);
    for (int f = 0; f < 5; ++f) out.families.push_back(best_of(static_cast<decay_family>(f)));
    judge(out);
    choose(out);
    if (out.best.family == decay_family::exponential || out.best.family == decay_family::power_law) {
      const decay_trial law{out.best.family, out.best.half_life, out.best.exponent};
      const half_life_bounds all = bound_half_life(task_, law, span_, options_.candidates, options_.seed);
      out.best.half_life = all.half_life;
      out.half_life_interval = duration_interval{all.lo, all.hi};
    }
    return out;
  }

 private:
  void lay_out(duration shortest) {
    const auto half_lives = log_grid(shortest, 4 * std::max<duration>(span_, 2 * shortest), 28);
    trials_.push_back({decay_family::frequency});
    for (const duration tau : log_grid(std::chrono::seconds(1), 4 * span_, 12))
      trials_.push_back({decay_family::recency, tau});
    for (const duration h : half_lives) trials_.push_back({decay_family::exponential, h});
    for (const double p : options_.exponents)
      for (const duration h : half_lives) trials_.push_back({decay_family::power_law, h, p});
    trials_.push_back({decay_family::mixture});
  }

  /// The family's trial with the least tuning loss, its half-life between grid points where the parabola says.
  [[nodiscard]] decay_fit best_of(decay_family family) const {
    std::size_t best = trials_.size();
    for (std::size_t r = 0; r < trials_.size(); ++r)
      if (trials_[r].family == family && (best == trials_.size() || loss_at(r) < loss_at(best))) best = r;
    const decay_trial& trial = trials_[best];
    decay_fit fit{family, trial.half_life, trial.exponent, fitted_.sharpness[static_cast<Eigen::Index>(best)]};
    const auto same = [&](std::size_t r) {
      return r < trials_.size() && trials_[r].family == family && trials_[r].exponent == trial.exponent;
    };
    if (family != decay_family::frequency && family != decay_family::mixture && same(best - 1) && same(best + 1))
      fit.half_life *= std::pow(trials_[best + 1].half_life / trial.half_life,
                                least_of_three(loss_at(best - 1), loss_at(best), loss_at(best + 1)));
    return fit;
  }
  [[nodiscard]] double loss_at(std::size_t r) const { return fitted_.loss[static_cast<Eigen::Index>(r)]; }

  /// Losses and reciprocal ranks of the five on the test returns.
  void judge(decay_choice& out) {
    std::vector<decay_trial> five;
    Eigen::ArrayXd sharpness(5);
    for (std::size_t f = 0; f < 5; ++f) {
      five.push_back({out.families[f].family, out.families[f].half_life, out.families[f].exponent});
      sharpness[static_cast<Eigen::Index>(f)] = out.families[f].sharpness;
    }
    decay_trials trials(five, span_, mixture_);
    Eigen::ArrayXd one;
    random_engine ties(options_.seed);
    visit_trials(task_.testing(), trials, 5 * options_.candidates,
                 [&](const repeat_query& query, const Eigen::ArrayXXd& scores) {
                   listwise_losses(scores, query.truth, sharpness, one);
                   const double r = ties.uniform();
                   for (std::size_t f = 0; f < 5; ++f) {
                     const Eigen::ArrayXd row = scores.row(static_cast<Eigen::Index>(f));
                     const std::span<const double> all(row.data(), static_cast<std::size_t>(row.size()));
                     gains_[f].push_back(-one[static_cast<Eigen::Index>(f)]);
                     reciprocals_[f].push_back(1.0 / static_cast<double>(rank_of(all, query.truth, r)));
                   }
                   chance_.push_back(-std::log(static_cast<double>(scores.cols())));
                   users_.push_back(query.user);
                 });
    out.returns = users_.size();
    std::vector<user_id> distinct = users_;
    std::sort(distinct.begin(), distinct.end());
    out.users = static_cast<std::size_t>(std::unique(distinct.begin(), distinct.end()) - distinct.begin());
    for (std::size_t f = 0; f < 5; ++f) {
      const auto n = std::max<double>(1, static_cast<double>(users_.size()));
      for (const double gain : gains_[f]) out.families[f].loss -= gain / n;
      for (const double reciprocal : reciprocals_[f]) out.families[f].mrr += reciprocal / n;
    }
    // What these numbers mean as half-lives.
    out.families[0].half_life = duration(std::numeric_limits<double>::infinity());
    out.families[1].half_life *= std::expm1(std::numbers::ln2 / out.families[1].sharpness);
    out.families[1].exponent = std::exchange(out.families[1].sharpness, 1.0);
    out.families[4].half_life = mixture_->half_life();
  }

  void choose(decay_choice& out) const {
    const auto lift = [&](std::size_t a, std::size_t b) {
      return paired_bootstrap(gains_[a], gains_[b], users_, options_.seed);
    };
    const auto less = [&](const decay_fit& a, const decay_fit& b) { return a.loss < b.loss; };
    const auto least = static_cast<std::size_t>(std::min_element(out.families.begin(), out.families.end(), less) -
                                                out.families.begin());
    std::size_t choice = least;
    for (std::size_t f = least; f-- > 0;)
      if (lift(least, f).lo <= 0) choice = f;
    // Recency and an exponential have as many numbers each: the better one.
    if (choice == 1 && out.families[2].loss < out.families[1].loss) choice = 2;
    const auto over_chance = [&](std::size_t f) { return paired_bootstrap(gains_[f], chance_, users_, options_.seed); };
    if (over_chance(choice).lo <= 0) choice = 0;
    std::size_t rival = choice == 0 ? 1 : 0;
    for (std::size_t f = 0; f < 4; ++f)
      if (f != choice && out.families[f].loss < out.families[rival].loss) rival = f;
    out.best = out.families[choice];
    out.runner_up = out.families[rival].family;
    out.lift = lift(choice, rival);
    out.lift_over_no_decay = lift(choice, 0);
    out.lift_over_chance = over_chance(choice);
    out.mrr_lift = paired_bootstrap(reciprocals_[choice], reciprocals_[rival], users_, options_.seed);
    out.mrr_lift_over_no_decay = paired_bootstrap(reciprocals_[choice], reciprocals_[0], users_, options_.seed);
    if (fitted_.returns < 50 || out.returns < 50 || out.users < 5)
      out.verdict = decay_verdict::too_little;
    else if (choice == 0)
      out.verdict = decay_verdict::no_decay;
    else
      out.verdict = out.lift.lo > 0 && out.mrr_lift_over_no_decay.diff >= 0 ? decay_verdict::found
                                                                            : decay_verdict::no_measurable_difference;
  }

  const select_decay_options& options_;
  repeat_task task_;
  duration span_;
  std::optional<reading> mixture_;
  std::vector<decay_trial> trials_;
  fitted_trials fitted_;
  std::array<std::vector<double>, 5> gains_;        // family → test return: ln p
  std::array<std::vector<double>, 5> reciprocals_;  // family → test return
  std::vector<double> chance_;                      // test return: −ln of the number of candidates
  std::vector<user_id> users_;                      // test return → user
};

}  // namespace detail

/// Which decay does this log ask for? Compares no decay (frequency), the last use alone (recency), exponentials, power laws
/// and a learned mixture, test-then-learn.
///
///   p(return to i) ∝ interest_i^β,   β >= 0 fitted for each
///
/// Each family's half-life, exponent and β are the likeliest on the tuning returns; the families are then judged on the
/// returns after those, by −ln p a return and by mean reciprocal rank, with intervals over users (`paired_bootstrap`). The
/// choice is the simplest family that none does measurably better than; the mixture contains the others, so it can only
/// replace the single laws, not be the runner-up of one. Where none does measurably better than p alike for all items (users
/// who go back to what they used longest ago, or to anything), it is frequency. The half-life reported and its interval come from all returns.
/// Complexity: some 2,000 exponentials a candidate; seconds for the default number of candidates.
/// Errors: std::invalid_argument for an unsorted log, a split out of order, an exponent outside [0.1, 10].
[[nodiscard]] inline decay_choice select_decay(const event_log& log, const select_decay_options& options = {}) {
  return detail::decay_selector(log, options).run();
}

}  // namespace ebb

#endif  // EBB_SELECT_DECAY_HPP
