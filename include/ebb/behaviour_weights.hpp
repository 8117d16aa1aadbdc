// SPDX-License-Identifier: MIT
#ifndef EBB_BEHAVIOUR_WEIGHTS_HPP
#define EBB_BEHAVIOUR_WEIGHTS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <Eigen/LU>

#include "ebb/behaviour.hpp"
#include "ebb/detail/behaviour_lanes.hpp"
#include "ebb/detail/lbfgs.hpp"
#include "ebb/event_log.hpp"
#include "ebb/metrics.hpp"
#include "ebb/replay.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// What one kind of event says about a return.
struct behaviour_weight {
  std::string name;
  double weight = 1;       ///< θ in (0, 1]; 1 for the one that says most
  double lo = 0;           ///< 95 % interval of θ relative to the one that says most, never above 1 …
  double hi = 1;           ///< … from how much users differ; [0, 1] where it cannot be told
  std::size_t events = 0;  ///< in the log
};

/// Weights of behaviours, learned from a log, and what they are worth.
struct behaviour_weights {
  std::vector<behaviour_weight> behaviours;  ///< in order of the log's behaviour numbers, without dislikes
  double sharpness = 1;                      ///< β
  std::size_t returns = 0;                   ///< that were learned from
  /// By how much less the mean −ln p of later returns is than under equal weights (each with its own β), in nats, with its
  /// interval over users.
  difference gain;

  /// Takes the weights over into a behaviour model; names it does not know are added to its interest channel.
  ///
  /// Without a return to learn from nothing is taken over. A behaviour of the model's dislike channel keeps its weight: what was learned is
  /// how much it says about coming back.
  void apply_to(behaviour_model& model) const {
    if (returns == 0) return;
    for (const behaviour_weight& b : behaviours) {
      if (model.knows(b.name) && model.rule(model.id(b.name)).to == channel::dislike) continue;
      if (model.knows(b.name))
        model.set_weight(b.name, b.weight);
      else
        model.set(b.name, {.weight = b.weight});
    }
  }
};

struct behaviour_weights_options {
  repeat_split split = {.tune_begin = 0.1,
                        .test_begin = 0.7};  ///< learn from the first to the second, judge on the rest
  std::vector<std::string> returns = {};     ///< only these behaviours count as coming back; empty: all
  const behaviour_model* shares =
      nullptr;  ///< turns values (seconds, stars) into amounts at θ = 1, and knows dislikes; without it each event is 1
  std::size_t candidates = 2'000'000;  ///< most candidates learned from; beyond it returns are thinned evenly
  std::uint64_t seed = 1;              ///< of the interval's draws
};

namespace detail {

/// Returns to learn behaviour weights from, and the loss over them.
class behaviour_returns {
 public:
  struct query {
    user_id user;
    Eigen::Index truth;
    Eigen::MatrixXf parts;  // (behaviours, candidates)
    Eigen::ArrayXf levels;  // (candidates), ln
  };
  std::vector<query> queries;

  /// −ln p of each query, p ∝ (e^level Σ_b θ_b part_b)^β. x: (B + 1), ln θ and ln β.
  [[nodiscard]] std::vector<double> losses(const Eigen::VectorXd& x) const {
    std::vector<double> out;
    Eigen::VectorXd unused;
    for (const query& q : queries) out.push_back(loss_of(q, x, nullptr));
    return out;
  }

  /// Mean −ln p plus a pull of rare behaviours towards the others; per_user, where given, takes each query's gradient.
  double mean(const Eigen::VectorXd& x, Eigen::VectorXd& gradient, Eigen::MatrixXd* per_user = nullptr) const {
    const Eigen::Index count = x.size() - 1;
    const double scale = 1.0 / static_cast<double>(queries.size());
    gradient.setZero(x.size());
    Eigen::VectorXd one(x.size());
    double loss = 0;
    for (const query& q : queries) {
      loss += scale * loss_of(q, x, &one);
      gradient += scale * one;
      if (per_user != nullptr) per_user->col(q.user) += scale * one;
    }
    // As if ln θ were drawn from a normal distribution with deviation 2: what next to nothing is known of stays near the rest.
    const Eigen::VectorXd away = x.head(count).array() - x.head(count).mean();
    gradient.head(count) += scale / 4 * away;
    return loss + scale / 8 * away.squaredNorm();
  }

 private:
  static double loss_of(const query& q, const Eigen::VectorXd& x, Eigen::VectorXd* gradient) {
    const Eigen::Index count = x.size() - 1;
    const Eigen::VectorXd theta = x.head(count).array().exp();
    const double beta = std::exp(x[count]);
    const Eigen::ArrayXd sums = (q.parts.cast<double>().transpose() * theta).array().max(1e-300);
    const Eigen::ArrayXd logs = q.levels.cast<double>() + sums.log();
    Eigen::ArrayXd p = (beta * (logs - logs.maxCoeff())).exp();
    const double loss = std::log(p.sum()) - beta * (logs[q.truth] - logs.maxCoeff());
    if (gradient == nullptr) return loss;
    p /= p.sum();
    p[q.truth] -= 1;
    gradient->head(count) = beta * (theta.array() * (q.parts.cast<double>() * (p / sums).matrix()).array()).matrix();
    (*gradient)[count] = beta * (p * logs).sum();
    return loss;
  }
};

/// Reads the window's queries; every n-th, so that there are at most `most` candidates. weighed(event): its row in the lanes and its amount.
template <class Wanted, class Weighed>
[[nodiscard]] behaviour_returns read_returns(const replay_window& window, behaviour_lanes& lanes, std::size_t most,
                                             Wanted wanted, Weighed weighed) {
  std::size_t candidates = 0;
  for (const repeat_query& query : window.queries()) candidates += wanted(query) ? query.candidates : 0;
  const std::size_t stride = candidates / std::max<std::size_t>(most, 1) + 1;
  behaviour_returns out;
  Eigen::ArrayXXd parts;
  Eigen::ArrayXd levels;
  std::size_t n = 0;
  lanes.reset(window.users());
  window.stream(
      [&](const repeat_query& query, const repeat_question& question) {
        if (!wanted(query) || n++ % stride != 0) return;
        lanes.read(query.user, question.now, parts, levels);
        out.queries.push_back(
            {query.user, static_cast<Eigen::Index>(query.truth), parts.cast<float>().matrix(), levels.cast<float>()});
      },
      [&](const logged_event& event, std::size_t slot) {
        logged_event counted = event;
        const auto [row, amount] = weighed(event);
        counted.behaviour = row;
        lanes.observe(counted, slot, amount);
      });
  return out;
}

}  // namespace detail

/// Learns from a log how much each behaviour says about coming back: purchase more than click, click more than view …
///
///   p(return to i) ∝ (Σ_b θ_b S_b(i))^β,   S_b(i) = Σ amount · D(age) over the user's events of behaviour b on i
///
/// θ > 0 and β minimise the mean −ln p over the returns of the learning part; θ is then divided by its largest. The
/// intervals are clustered by user: a user's returns are not independent.
/// Behaviours that `shares` has in its dislike channel are no interest: they have no weight to learn and are no returns, unless asked for.
/// decay: D, for all behaviours; θ depends little on it as long as it has a slow tail, as the default has. (Under one
/// short exponential old candidates are so far below that β falls to nothing and θ with it.)
/// Complexity: O(candidates · behaviours) a step, some 30 steps; 4·(B + 1) bytes a candidate.
/// Errors: std::invalid_argument for an unsorted log, a return behaviour that the log has not, an amount that is negative.
/// Source: for the intervals, P. Huber, The behavior of maximum likelihood estimates under nonstandard conditions, 1967.
[[nodiscard]] inline behaviour_weights learn_behaviour_weights(
    const event_log& log, const reading& decay = reading::inverse_half_life(store_options{}.lanes),
    const behaviour_weights_options& options = {}) {
  constexpr const char* where = "learn_behaviour_weights";
  const repeat_task task(log, options.split);
  constexpr behaviour_id left_out = std::numeric_limits<behaviour_id>::max();
  const std::size_t names = log.behaviours().size();
  behaviour_weights out;
  std::vector<behaviour_id> row(names, left_out);  // in out.behaviours
  std::vector<char> counts(names, 0);
  for (std::uint32_t b = 0; b < names; ++b) {
    const behaviour_model* const m = options.shares;
    if (m != nullptr && m->rule(m->id(log.behaviours()[b])).to == channel::dislike) continue;
    row[b] = static_cast<behaviour_id>(out.behaviours.size());
    out.behaviours.push_back({log.behaviours()[b]});
    counts[b] = options.returns.empty() ? 1 : 0;
  }
  for (const std::string& name : options.returns) {
    const auto id = log.behaviours().find(name);
    detail::require(id.has_value(), where, "a return behaviour must be in the log", name);
    counts[*id] = 1;
  }
  for (const logged_event& event : log.events())
    if (row[event.behaviour] != left_out) ++out.behaviours[row[event.behaviour]].events;
  const std::size_t count = out.behaviours.size();
  if (count == 0) return out;

  const auto wanted = [&](const repeat_query& query) { return counts[log[query.position].behaviour] != 0; };
  const auto weighed = [&](const logged_event& event) -> std::pair<behaviour_id, double> {
    if (row[event.behaviour] == left_out) return {behaviour_id{0}, 0.0};  // makes a candidate, and says nothing for it
    if (options.shares == nullptr) return {row[event.behaviour], 1.0};
    const behaviour_model& m = *options.shares;
    return {row[event.behaviour], m.share(m.id(log.behaviours()[event.behaviour]), event.value).interest};
  };
  detail::behaviour_lanes lanes(decay, count);
  const detail::behaviour_returns tuning =
      detail::read_returns(task.tuning(), lanes, options.candidates, wanted, weighed);
  out.returns = tuning.queries.size();
  if (tuning.queries.empty()) return out;
  const auto size = static_cast<Eigen::Index>(count);
  const auto loss = [&](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) { return tuning.mean(x, gradient); };
  const Eigen::VectorXd x = detail::minimise(loss, Eigen::VectorXd::Zero(size + 1)).x;
  const auto only_beta = [&](const Eigen::VectorXd& b, Eigen::VectorXd& gradient) {
    Eigen::VectorXd full = Eigen::VectorXd::Zero(size + 1);
    Eigen::VectorXd by_full;
    full[size] = b[0];
    const double value = tuning.mean(full, by_full);
    gradient = by_full.tail(1);
    return value;
  };
  Eigen::VectorXd equal = Eigen::VectorXd::Zero(size + 1);
  equal[size] = detail::minimise(only_beta, Eigen::VectorXd::Zero(1)).x[0];
  out.sharpness = std::exp(x[size]);

  // Sandwich: H⁻¹ (Σ_u g_u g_uᵀ) H⁻¹. Only differences of ln θ matter; the direction of all θ alike is filled in.
  Eigen::MatrixXd per_user = Eigen::MatrixXd::Zero(size + 1, static_cast<Eigen::Index>(log.users().size()));
  Eigen::VectorXd unused;
  (void)tuning.mean(x, unused, &per_user);
  Eigen::MatrixXd hessian(size + 1, size + 1);
  for (Eigen::Index i = 0; i <= size; ++i) {
    constexpr double step = 1e-4;
    Eigen::VectorXd up, down;
    Eigen::VectorXd at = x;
    at[i] += step;
    (void)tuning.mean(at, up);
    at[i] -= 2 * step;
    (void)tuning.mean(at, down);
    hessian.col(i) = (up - down) / (2 * step);
  }
  hessian = (0.5 * (hessian + hessian.transpose())).eval();
  hessian.topLeftCorner(size, size).array() += 1.0;
  const Eigen::MatrixXd moves = hessian.fullPivLu().solve(per_user);  // (B + 1, users)
  Eigen::Index most = 0;
  x.head(size).maxCoeff(&most);
  for (Eigen::Index b = 0; b < size; ++b) {
    behaviour_weight& to = out.behaviours[static_cast<std::size_t>(b)];
    const double gap = x[b] - x[most];
    const double spread = 1.96 * (moves.row(b) - moves.row(most)).norm();
    to.weight = std::exp(gap);
    to.lo = std::isfinite(spread) ? std::exp(gap - spread) : 0.0;
    to.hi = std::isfinite(spread) ? std::min(1.0, std::exp(gap + spread)) : 1.0;
  }

  const detail::behaviour_returns later =
      detail::read_returns(task.testing(), lanes, options.candidates, wanted, weighed);
  std::vector<std::uint32_t> users;
  for (const auto& query : later.queries) users.push_back(query.user);
  out.gain = paired_bootstrap(later.losses(equal), later.losses(x), users, options.seed);
  return out;
}

}  // namespace ebb

#endif  // EBB_BEHAVIOUR_WEIGHTS_HPP
