// SPDX-License-Identifier: MIT
#ifndef EBB_BASELINES_HPP
#define EBB_BASELINES_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/lbfgs.hpp"
#include "ebb/detail/slot_lanes.hpp"
#include "ebb/detail/tuning.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Scores every candidate alike, so that the tie draws alone decide: what chance gives.
class random_model : public repeat_model {
 public:
  [[nodiscard]] std::string name() const override { return "random"; }
  void reset(std::size_t, std::size_t) override {}
  void observe(const logged_event&, std::size_t) override {}
  void score(const repeat_question&, std::span<double> scores) override {
    std::fill(scores.begin(), scores.end(), 0.0);
  }
};

/// Least recently used last: the item used last is the likeliest.
class lru_model : public repeat_model {
 public:
  [[nodiscard]] std::string name() const override { return "lru"; }
  void reset(std::size_t users, std::size_t) override { last_.assign(users, {}); }
  void observe(const logged_event& event, std::size_t slot) override {
    std::vector<time_point>& last = last_[event.user];
    if (slot == last.size()) last.emplace_back();
    last[slot] = event.time;
  }
  void score(const repeat_question& question, std::span<double> scores) override {
    for (std::size_t k = 0; k < scores.size(); ++k)
      scores[k] = -duration(question.now - last_[question.user][k]).count();
  }

 private:
  std::vector<std::vector<time_point>> last_;  // user → slot
};

/// Least frequently used last: the item used most often is the likeliest.
class lfu_model : public repeat_model {
 public:
  [[nodiscard]] std::string name() const override { return "lfu"; }
  void reset(std::size_t users, std::size_t) override { count_.assign(users, {}); }
  void observe(const logged_event& event, std::size_t slot) override {
    std::vector<double>& count = count_[event.user];
    if (slot == count.size()) count.push_back(0);
    ++count[slot];
  }
  void score(const repeat_question& question, std::span<double> scores) override {
    std::copy(count_[question.user].begin(), count_[question.user].end(), scores.begin());
  }

 private:
  std::vector<std::vector<double>> count_;  // user → slot
};

namespace detail {

/// Weights on a log-spaced bank that read as the power law (1 + gap/τ)^(−p), up to a factor.
///
///   ∫ s^(p−1) e^(−s) e^(−s·gap/τ) ds by the trapezoid rule in u = ln s at the bank's rates: w_k = e^(p·u_k − e^(u_k)), e^(u_k) = τ·ln 2/h_k
///
/// The slowest weight is divided by 1 − e^(−p·step), the tail of all slower nodes: within 2 % for gaps up to a twentieth of the longest
/// half-life and τ well above the shortest, where p >= 0.3.
/// Source: G. Beylkin, L. Monzón, On approximation of functions by exponential sums, ACHA 19, 2005.
[[nodiscard]] inline std::vector<double> power_law_weights(const timescales& bank, duration tau, double p) {
  std::vector<double> weights;
  double sum = 0;
  for (int k = 0; k < bank.size(); ++k) {
    const double s = tau / bank.half_life(k) * std::numbers::ln2;
    weights.push_back(std::exp(p * std::log(s) - s));
    sum += weights.back();
  }
  const double step = std::log(bank.half_life(bank.size() - 1) / bank.half_life(bank.size() - 2));
  sum -= weights.back();
  weights.back() /= -std::expm1(-p * step);
  sum += weights.back();
  for (double& w : weights) w /= sum;
  return weights;
}

}  // namespace detail

/// A bank of timescales under one reading: score = log2 Σ_k π_k · S_k(now). The base of every single decay and of their mixtures.
///
/// Memory: (8·K + 12) bytes a pair, whatever the number of events.
class reading_model : public repeat_model {
 public:
  void reset(std::size_t users, std::size_t) override { lanes_.reset(users); }
  void observe(const logged_event& event, std::size_t slot) override { lanes_.observe(event, slot); }
  void score(const repeat_question& question, std::span<double> scores) override {
    lanes_.log2_at(question.user, question.now, levels_);
    levels_.colwise() += log2_weights_;
    for (Eigen::Index c = 0; c < levels_.cols(); ++c) {
      const double most = levels_.col(c).maxCoeff();
      const double rest = ((levels_.col(c) - most) * std::numbers::ln2).exp().sum();
      scores[static_cast<std::size_t>(c)] = most + std::log2(rest);
    }
  }

  [[nodiscard]] const reading& how() const noexcept { return how_; }

 protected:
  explicit reading_model(const reading& how) : how_(how) { read_by(how); }

  /// Reads by `how` from now on; forgets all events. Lanes that weigh next to nothing are not kept.
  void read_by(const reading& how) {
    how_ = how;
    std::vector<duration> half_lives;
    std::vector<double> log2_weights;
    for (int k = 0; k < how.bank().size(); ++k)
      if (const double weight = how.weights()[static_cast<std::size_t>(k)]; weight > 1e-12) {
        half_lives.push_back(how.bank().half_life(k));
        log2_weights.push_back(std::log2(weight));
      }
    log2_weights_ = Eigen::Map<Eigen::ArrayXd>(log2_weights.data(), static_cast<Eigen::Index>(log2_weights.size()));
    lanes_ = detail::slot_lanes(half_lives);
  }

 private:
  reading how_;
  detail::slot_lanes lanes_;
  Eigen::ArrayXd log2_weights_;  // (K)
  Eigen::ArrayXXd levels_;       // (K, candidates)
};

/// One exponential, its half-life the best between one hour and four times the span of the tuning data, by MRR.
///
/// 32 half-lives are tried; the parabola through the best and its neighbours then says how far between them to go.
class exponential_model : public reading_model {
 public:
  exponential_model() : reading_model(reading(std::chrono::days(30))) {}
  /// With a half-life of one's own: nothing is fitted.
  explicit exponential_model(duration half_life) : reading_model(reading(half_life)), fixed_(true) {}

  [[nodiscard]] std::string name() const override { return "exponential"; }

  void fit(const replay_window& tuning) override {
    if (fixed_) return;
    const auto grid = detail::log_grid(std::chrono::hours(1), 4 * detail::span_of(tuning), 32);
    detail::slot_lanes lanes(grid);
    detail::grid_mrr mrr(static_cast<Eigen::Index>(grid.size()));
    detail::visit_queries(tuning, lanes, std::size_t{20'000'000},
                          [&](const Eigen::ArrayXXd& log2, Eigen::Index truth) { mrr.add(log2, truth); });
    read_by(reading(grid[mrr.best()] * std::pow(grid[1] / grid[0], mrr.offset())));
  }

  [[nodiscard]] model_parameters params() const override { return {{"half_life_seconds", how().half_life().count()}}; }

 private:
  bool fixed_ = false;
};

/// Power laws read from a fine bank: a family with one row of weights per choice of its parameters, the best row taken by MRR.
class power_family_model : public reading_model {
 public:
  void fit(const replay_window& tuning) override {
    const duration span = detail::span_of(tuning);
    const auto bank = timescales::log_spaced(std::chrono::milliseconds(500),
                                             std::min<duration>(40 * span, std::chrono::years(100)), 28);
    const auto [rows, choices] = candidates(bank, span);
    std::vector<duration> half_lives;
    for (int k = 0; k < bank.size(); ++k) half_lives.push_back(bank.half_life(k));
    detail::slot_lanes lanes(half_lives);
    Eigen::MatrixXd weights(static_cast<Eigen::Index>(rows.size()), bank.size());
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (int k = 0; k < bank.size(); ++k)
        weights(static_cast<Eigen::Index>(r), k) = rows[r][static_cast<std::size_t>(k)];
    detail::grid_mrr mrr(weights.rows());
    Eigen::ArrayXXd scores;
    detail::visit_queries(tuning, lanes, std::size_t{3'000'000}, [&](const Eigen::ArrayXXd& log2, Eigen::Index truth) {
      scores = (weights * (log2 * std::numbers::ln2).exp().matrix()).array();
      mrr.add(scores, truth);
    });
    read_by(reading(bank, rows[mrr.best()]));
    chosen_ = choices[mrr.best()];
  }

  [[nodiscard]] model_parameters params() const override { return chosen_; }

 protected:
  power_family_model() : reading_model(reading(std::chrono::days(30))) {}

  struct family {
    std::vector<std::vector<double>> rows;
    std::vector<model_parameters> choices;
  };

 private:
  [[nodiscard]] virtual family candidates(const timescales& bank, duration span) const = 0;

  model_parameters chosen_;
};

/// The power law (1 + gap/τ)^(−p), τ and p chosen by MRR on the tuning queries.
class power_law_model : public power_family_model {
 public:
  [[nodiscard]] std::string name() const override { return "power_law"; }

 private:
  [[nodiscard]] family candidates(const timescales& bank, duration span) const override {
    family out;
    for (const duration tau : detail::log_grid(std::chrono::minutes(1), span, 13))
      for (const double p : {0.3, 0.5, 0.75, 1.0, 1.5, 2.5}) {
        out.rows.push_back(detail::power_law_weights(bank, tau, p));
        out.choices.push_back({{"tau_seconds", tau.count()}, {"p", p}});
      }
    return out;
  }
};

/// The base-level activation of ACT-R, ln Σ age^(−d), d chosen by MRR on the tuning queries.
///
/// Source: J. Anderson, L. Schooler, Reflections of the environment in memory, Psychological Science 2(6), 1991.
class actr_model : public power_family_model {
 public:
  [[nodiscard]] std::string name() const override { return "actr"; }

 private:
  [[nodiscard]] family candidates(const timescales& bank, duration) const override {
    family out;
    for (int step = 2; step <= 20; ++step) {
      const double d = 0.1 * step;
      out.rows.push_back(detail::power_law_weights(bank, std::chrono::seconds(1), d));
      out.choices.push_back({{"d", d}});
    }
    return out;
  }
};

/// Eight timescales read by weights that were learned: logit = β · ln Σ_k π_k · S_k, π on the simplex, β > 0.
///
/// Half-lives are log-spaced from the 5 % quantile of the gaps between a user's returns to an item (at least 60 s) to twice the span. π and β
/// minimise the mean of −ln softmax(logits)[truth] over the tuning queries, by L-BFGS.
class mixture_model : public reading_model {
 public:
  mixture_model() : reading_model(reading(std::chrono::days(30))) {}

  [[nodiscard]] std::string name() const override { return "mixture"; }

  void fit(const replay_window& tuning) override {
    const timescales bank = timescales::log_spaced(shortest_return(tuning), 2 * detail::span_of(tuning), 8);
    std::vector<duration> half_lives;
    for (int k = 0; k < bank.size(); ++k) half_lives.push_back(bank.half_life(k));
    detail::slot_lanes lanes(half_lives);
    std::vector<sample> samples;
    detail::visit_queries(tuning, lanes, std::size_t{2'000'000}, [&](const Eigen::ArrayXXd& log2, Eigen::Index truth) {
      samples.push_back({(log2 * std::numbers::ln2).exp().cast<float>().matrix(), truth});
    });

    Eigen::VectorXd start = Eigen::VectorXd::Zero(bank.size() + 1);
    if (!samples.empty())
      start =
          detail::minimise([&](const Eigen::VectorXd& x, Eigen::VectorXd& g) { return loss(samples, x, g); }, start).x;
    const Eigen::VectorXd pi = softmax(start.head(bank.size()));
    read_by(reading(bank, std::vector<double>(pi.data(), pi.data() + pi.size())));
    beta_ = std::exp(start[bank.size()]);
  }

  [[nodiscard]] model_parameters params() const override {
    model_parameters out{{"beta", beta_}};
    for (int k = 0; k < how().bank().size(); ++k) {
      const std::string lane = std::to_string(k);
      out.emplace_back("half_life_seconds_" + lane, how().bank().half_life(k).count());
      out.emplace_back("weight_" + lane, how().weights()[static_cast<std::size_t>(k)]);
    }
    return out;
  }

 private:
  struct sample {
    Eigen::MatrixXf lanes;  // (K, candidates)
    Eigen::Index truth;
  };

  [[nodiscard]] static Eigen::VectorXd softmax(const Eigen::VectorXd& x) {
    const Eigen::VectorXd e = (x.array() - x.maxCoeff()).exp();
    return e / e.sum();
  }

  [[nodiscard]] static duration shortest_return(const replay_window& tuning) {
    std::vector<std::vector<time_point>> last(tuning.users());
    std::vector<duration> gaps;
    tuning.stream([](const repeat_query&, const repeat_question&) {},
                  [&](const logged_event& event, std::size_t slot) {
                    std::vector<time_point>& slots = last[event.user];
                    if (slot == slots.size())
                      slots.push_back(event.time);
                    else
                      gaps.emplace_back(event.time - std::exchange(slots[slot], event.time));
                  });
    duration shortest = std::chrono::minutes(1);
    if (!gaps.empty()) {
      const auto low = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 20);
      std::nth_element(gaps.begin(), low, gaps.end());
      shortest = std::max(shortest, *low);
    }
    return std::min(shortest, detail::span_of(tuning));
  }

  // x: (K + 1), logits of π and ln β.
  [[nodiscard]] static double loss(const std::vector<sample>& samples, const Eigen::VectorXd& x,
                                   Eigen::VectorXd& gradient) {
    const Eigen::Index lanes = x.size() - 1;
    const Eigen::VectorXd pi = softmax(x.head(lanes));
    const Eigen::VectorXf weights = pi.cast<float>();
    const double beta = std::exp(x[lanes]);
    double total = 0;
    double by_beta = 0;
    Eigen::VectorXd by_pi = Eigen::VectorXd::Zero(lanes);
    Eigen::ArrayXf sums;
    Eigen::ArrayXd logs;
    Eigen::ArrayXd pull;
    for (const sample& s : samples) {
      sums = (s.lanes.transpose() * weights).array().max(1e-37F);  // where float has underflowed
      logs = sums.cast<double>().log();
      pull = beta * (logs - logs.maxCoeff());
      total -= pull[s.truth];
      pull = pull.exp();
      const double norm = pull.sum();
      total += std::log(norm);
      pull /= norm;
      pull[s.truth] -= 1;  // d loss / d logit
      by_beta += (pull * logs).sum();
      by_pi += beta * (s.lanes * (pull / sums.cast<double>()).cast<float>().matrix()).cast<double>();
    }
    const double scale = 1.0 / static_cast<double>(samples.size());
    gradient.resize(x.size());
    gradient.head(lanes) = scale * (pi.array() * (by_pi.array() - pi.dot(by_pi))).matrix();
    gradient[lanes] = scale * beta * by_beta;
    return scale * total;
  }

  double beta_ = 1;
};

}  // namespace ebb

#endif  // EBB_BASELINES_HPP
