// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_DECAY_TRIALS_HPP
#define EBB_DETAIL_DECAY_TRIALS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/baselines.hpp"
#include "ebb/detail/slot_lanes.hpp"
#include "ebb/event_log.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Laws by which users may come back, the simpler ones first.
enum class decay_family : std::uint8_t {
  frequency,    ///< no decay: every use counts alike, however old
  recency,      ///< only the last use counts
  exponential,  ///< Σ 2^(−age / half_life)
  power_law,    ///< Σ (1 + age / τ)^(−p)
  mixture       ///< eight exponentials with learned weights
};

namespace detail {

/// One law with its numbers.
struct decay_trial {
  decay_family family;
  duration half_life{0};  // of an exponential or a power law; τ of recency
  double exponent = 0;    // p of a power law
};

/// (1 + gap / τ)^(−p) is one half at half_life.
[[nodiscard]] inline duration power_law_scale(duration half_life, double p) {
  return half_life / std::expm1(std::numbers::ln2 / p);
}

/// Many laws on one replay: the ln score that each gives each candidate.
class decay_trials {
 public:
  /// span: of the log; the mixture's reading, if there is a trial of it.
  decay_trials(std::vector<decay_trial> trials, duration span, std::optional<reading> mixture)
      : trials_(std::move(trials)) {
    std::vector<duration> half_lives;
    std::vector<std::vector<double>> weights;
    const auto bank = timescales::log_spaced(std::chrono::milliseconds(500),
                                             std::min<duration>(40 * span, std::chrono::years(100)), 28);
    for (const decay_trial& trial : trials_) {
      if (trial.family == decay_family::exponential) half_lives.push_back(trial.half_life);
      if (trial.family == decay_family::power_law)
        weights.push_back(power_law_weights(bank, power_law_scale(trial.half_life, trial.exponent), trial.exponent));
    }
    power_first_ = static_cast<Eigen::Index>(half_lives.size());
    power_.resize(static_cast<Eigen::Index>(weights.size()), weights.empty() ? 0 : bank.size());
    for (Eigen::Index r = 0; r < power_.rows(); ++r)
      for (Eigen::Index k = 0; k < power_.cols(); ++k)
        power_(r, k) = weights[static_cast<std::size_t>(r)][static_cast<std::size_t>(k)];
    for (Eigen::Index k = 0; k < power_.cols(); ++k) half_lives.push_back(bank.half_life(static_cast<int>(k)));
    mixture_first_ = static_cast<Eigen::Index>(half_lives.size());
    if (mixture)
      for (int k = 0; k < mixture->bank().size(); ++k) {
        half_lives.push_back(mixture->bank().half_life(k));
        mixture_.push_back(mixture->weights()[static_cast<std::size_t>(k)]);
      }
    lanes_ = slot_lanes(half_lives);
  }

  void reset(std::size_t users) { lanes_.reset(users); }
  void observe(const logged_event& event, std::size_t slot) { lanes_.observe(event, slot); }

  /// out: (trials, candidates), in natural logarithms.
  void scores(user_id user, time_point now, Eigen::ArrayXXd& out) {
    lanes_.log2_at(user, now, levels_);
    levels_ *= std::numbers::ln2;
    out.resize(static_cast<Eigen::Index>(trials_.size()), levels_.cols());
    if (power_.size() > 0)
      sums_ = (power_ * levels_.middleRows(power_first_, power_.cols()).exp().matrix()).array().max(1e-300).log();
    Eigen::Index exponentials = 0;
    Eigen::Index powers = 0;
    for (Eigen::Index r = 0; r < out.rows(); ++r) {
      const decay_trial& trial = trials_[static_cast<std::size_t>(r)];
      switch (trial.family) {
        case decay_family::frequency:
          for (Eigen::Index c = 0; c < out.cols(); ++c)
            out(r, c) = std::log(static_cast<double>(lanes_.count(user)[static_cast<std::size_t>(c)]));
          break;
        case decay_family::recency:
          for (Eigen::Index c = 0; c < out.cols(); ++c)
            out(r, c) = -std::log1p((now - lanes_.last(user)[static_cast<std::size_t>(c)]) / trial.half_life);
          break;
        case decay_family::exponential:
          out.row(r) = levels_.row(exponentials++);
          break;
        case decay_family::power_law:
          out.row(r) = sums_.row(powers++);
          break;
        case decay_family::mixture:
          read_mixture(out, r);
          break;
      }
    }
  }

  [[nodiscard]] const std::vector<decay_trial>& trials() const noexcept { return trials_; }

 private:
  void read_mixture(Eigen::ArrayXXd& out, Eigen::Index r) {
    const Eigen::Map<const Eigen::ArrayXd> weights(mixture_.data(), static_cast<Eigen::Index>(mixture_.size()));
    for (Eigen::Index c = 0; c < out.cols(); ++c) {
      const auto lanes = levels_.col(c).segment(mixture_first_, weights.size());
      const double most = lanes.maxCoeff();
      out(r, c) = most + std::log(std::max(((lanes - most).exp() * weights).sum(), 1e-300));
    }
  }

  std::vector<decay_trial> trials_;
  slot_lanes lanes_;  // those of the exponentials, then the bank of the power laws, then the mixture's
  Eigen::Index power_first_ = 0;
  Eigen::Index mixture_first_ = 0;
  Eigen::MatrixXd power_;  // (power laws, bank)
  std::vector<double> mixture_;
  Eigen::ArrayXXd levels_;  // (lanes, candidates), ln
  Eigen::ArrayXXd sums_;    // (power laws, candidates), ln
};

/// Replays a window through the trials and calls visit(query, scores (trials, candidates)) at its queries, thinned evenly so
/// that there are at most `most` candidates.
template <class Visit>
void visit_trials(const replay_window& window, decay_trials& trials, std::size_t most, Visit visit) {
  std::size_t candidates = 0;
  for (const repeat_query& query : window.queries()) candidates += query.candidates;
  const std::size_t stride = candidates / std::max<std::size_t>(most, 1) + 1;
  Eigen::ArrayXXd scores;
  std::size_t n = 0;
  trials.reset(window.users());
  window.stream(
      [&](const repeat_query& query, const repeat_question& question) {
        if (n++ % stride != 0) return;
        trials.scores(question.user, question.now, scores);
        visit(query, std::as_const(scores));
      },
      [&](const logged_event& event, std::size_t slot) { trials.observe(event, slot); });
}

/// −ln p(truth) of each trial, p ∝ e^(β · score): (trials). scores: (trials, candidates), sharpness: (trials).
inline void listwise_losses(const Eigen::ArrayXXd& scores, Eigen::Index truth, const Eigen::ArrayXd& sharpness,
                            Eigen::ArrayXd& out) {
  const Eigen::ArrayXd most = scores.rowwise().maxCoeff();
  out = ((scores.colwise() - most).colwise() * sharpness).exp().rowwise().sum().log() -
        sharpness * (scores.col(truth) - most);
}

/// Where the parabola through three values at −1, 0, 1 is least: in [−1, 1]; 0 when it has no least.
[[nodiscard]] inline double least_of_three(double left, double middle, double right) {
  const double bend = left - 2 * middle + right;
  return bend > 0 ? std::clamp(0.5 * (left - right) / bend, -1.0, 1.0) : 0.0;
}

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_DECAY_TRIALS_HPP
