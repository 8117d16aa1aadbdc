// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_PROBABILITY_HPP
#define EBB_RETURN_PROBABILITY_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/calibration.hpp"
#include "ebb/detail/log_lanes.hpp"
#include "ebb/detail/moment_reading.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// What the chance of a return within a horizon is told from. Lanes are those of the store whose half-lives come nearest to
/// the horizon and to 4, 16, 64 and 256 times it.
inline constexpr std::array<std::string_view, 11> return_probability_names{
    "ln interest, horizon",        "ln interest, 4 horizons",
    "ln interest, 16 horizons",    "ln interest, 64 horizons",
    "ln interest, 256 horizons",   "ln uses per second, as if known 16 horizons longer",
    "ln time since last use",      "ln time since user's last event",
    "ln user's interest, horizon", "ln user's interest, 4 horizons",
    "ln heat, 4 horizons"};

/// How many of them are plain decayed interest: the first.
inline constexpr Eigen::Index return_probability_lanes = 5;

/// What a `return_probability` has learned: all that has to be saved.
struct return_probability_state {
  duration horizon{0};
  timescales lanes;        ///< of the stores it reads
  logistic_state learned;  ///< from all features
  isotonic_state plain;    ///< from ln interest on one lane alone
  int plain_lane = 0;      ///< which of the first five features that is
  double share = 1;        ///< of the former in the logit, in [0, 1]; the rest is the latter's
};

/// Interest as a probability: the chance that a user comes back to an item within the horizon.
///
///   ln odds of an event of the pair in [now, now + horizon) = share · learned(features) + (1 − share) · plain(ln interest)
///
/// learned: a bias and a curve a feature (`logistic_calibration`). plain: what a single exponential decay says of it, by the
/// likeliest rising function (`isotonic_calibration`); all there is with a share of 0, nothing with 1.
/// Range:   (0, 1); 0 for an entry of dislikes alone.
/// Complexity: O(lanes + features) an entry of the user.
/// Threads: const members may run at the same time.
/// Errors: std::invalid_argument unless the horizon is finite and > 0, the state has eleven features, plain_lane is in [0, 5) and share
///         in [0, 1], and a store has its lanes and keeps heat and first uses; std::logic_error for one shard of several, whose heat is not
///         everybody's; std::domain_error when `now` is before the user's newest event, or more than a minute before that of an item of theirs.
class return_probability {
 public:
  static constexpr Eigen::Index features = static_cast<Eigen::Index>(return_probability_names.size());

  explicit return_probability(return_probability_state state)
      : state_(std::move(state)), learned_(state_.learned), plain_(state_.plain) {
    constexpr const char* where = "return_probability";
    detail::require(std::isfinite(state_.horizon.count()) && state_.horizon.count() > 0, where,
                    "the horizon must be finite and > 0", state_.horizon);
    detail::require(state_.learned.scaling.count.size() == features, where, "there must be eleven features",
                    state_.learned.scaling.count.size());
    detail::require(state_.plain_lane >= 0 && state_.plain_lane < return_probability_lanes, where,
                    "plain_lane must be in [0, 5)", state_.plain_lane);
    detail::require(state_.share >= 0 && state_.share <= 1, where, "share must be in [0, 1]", state_.share);
  }

  /// Of each column of features, whatever they were read from: (features, samples) → (samples), in (0, 1).
  [[nodiscard]] Eigen::VectorXd operator()(const Eigen::Ref<const Eigen::MatrixXd>& x) const {
    Eigen::ArrayXd logit = learned_.logits(x).array();
    for (Eigen::Index i = 0; i < logit.size() && state_.share < 1; ++i) {
      const double p = plain_(x(state_.plain_lane, i));
      logit[i] = state_.share * logit[i] + (1 - state_.share) * (std::log(p) - std::log1p(-p));
    }
    return (1.0 / (1.0 + (-logit).exp())).matrix();
  }

  /// Of all the user's entries, in their order; 0 for an entry of dislikes alone.
  template <class Store>
  [[nodiscard]] std::vector<double> all(const Store& store, const typename Store::user_type& user,
                                        time_point now) const {
    const auto* const state = store.find(user);
    if (state == nullptr) return {};
    const Eigen::VectorXd p = (*this)(read(store, *state, now, state_.lanes, state_.horizon));
    std::vector<double> out(p.begin(), p.end());
    for (std::size_t i = 0; i < out.size(); ++i)
      if (state->entries.count(i) == 0) out[i] = 0;
    return out;
  }

  /// Of one pair; nothing for a pair never observed, of which there is nothing to tell from.
  template <class Store>
  [[nodiscard]] std::optional<double> operator()(const Store& store, const typename Store::user_type& user,
                                                 const typename Store::item_type& item, time_point now) const {
    const auto* const state = store.find(user);
    const auto handle = store.handle(item);
    if (state == nullptr || !handle) return std::nullopt;
    const std::size_t at = state->entries.find(*handle);
    if (at == Store::table::npos || state->entries.count(at) == 0) return std::nullopt;
    return all(store, user, now)[at];
  }

  /// The features of all the user's entries: (features, entries).
  template <class Store>
  [[nodiscard]] static Eigen::MatrixXd read(const Store& store, const typename Store::user_state& user, time_point now,
                                            const timescales& lanes, duration horizon) {
    detail::require(store.lanes() == lanes, "return_probability", "the store must have the lanes it was learned with",
                    "others");
    detail::require(store.options().heat && store.options().first_use, "return_probability",
                    "the store must keep heat and first uses, first uses", store.options().first_use);
    detail::refuse_shard(store, "return_probability");
    if (now.time_since_epoch().count() < user.newest)
      throw std::domain_error("ebb::return_probability: now must not be before the user's newest event");
    const auto seconds = [&](auto ticks) {
      return static_cast<double>(now.time_since_epoch().count() - ticks) * time_point::period::num /
             time_point::period::den;
    };
    std::array<int, return_probability_lanes> near{};
    for (std::size_t f = 0; f < near.size(); ++f) near[f] = nearest(lanes, std::pow(4.0, f) * horizon);
    const reading how = reading::lane(lanes, near[1]);
    const detail::moment_reading<Store> heat(store, how, now, "heat");
    Eigen::ArrayXXd logs;
    detail::log_lanes(store, user, now, logs);
    logs = logs.max(lowest);
    Eigen::MatrixXd out = Eigen::MatrixXd::Zero(features, logs.cols());
    for (Eigen::Index f = 0; f < return_probability_lanes; ++f)
      out.row(f) = logs.row(near[static_cast<std::size_t>(f)]).matrix();
    for (Eigen::Index f = 0; f < 2; ++f) {
      const auto lane = logs.row(near[static_cast<std::size_t>(f)]);
      out.row(8 + f).setConstant(lane.maxCoeff() + std::log((lane - lane.maxCoeff()).exp().sum()));
    }
    out.row(7).setConstant(std::log1p(seconds(user.newest)));
    for (Eigen::Index i = 0; i < out.cols(); ++i) {
      const auto entry = static_cast<std::size_t>(i);
      if (user.entries.count(entry) == 0) continue;
      const auto* const times = user.entries.times(store.layout(), entry);
      // A mere count would grow with the log's age, and what was learned from it would be off by tomorrow.
      out(5, i) = std::log(static_cast<double>(user.entries.count(entry)) /
                           (seconds(times[store.layout().first_time()]) + 16 * horizon.count()));
      out(6, i) = std::log1p(seconds(times[0]));
      out(10, i) = std::max(
          lowest, std::log(heat.heat(user.entries.item(entry), std::chrono::minutes(1), "return_probability")));
    }
    return out;
  }

  [[nodiscard]] duration horizon() const noexcept { return state_.horizon; }
  [[nodiscard]] const return_probability_state& state() const noexcept { return state_; }

 private:
  static constexpr double lowest = -30;  // ln of interest that is as good as none

  [[nodiscard]] static int nearest(const timescales& lanes, duration wanted) {
    int best = 0;
    for (int k = 1; k < lanes.size(); ++k)
      if (std::abs(std::log(lanes.half_life(k) / wanted)) < std::abs(std::log(lanes.half_life(best) / wanted)))
        best = k;
    return best;
  }

  return_probability_state state_;
  logistic_calibration learned_;
  isotonic_calibration plain_;
};

}  // namespace ebb

#endif  // EBB_RETURN_PROBABILITY_HPP
