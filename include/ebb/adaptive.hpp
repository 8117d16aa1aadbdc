// SPDX-License-Identifier: MIT
#ifndef EBB_ADAPTIVE_HPP
#define EBB_ADAPTIVE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/adaptive_weights.hpp"
#include "ebb/detail/log_lanes.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Adaptive weights for every user (or whatever else `Key` names: a category, a user's category) over one store's lanes.
///
/// Lane k gives item i of a user the chance x_k(i) = S_k(i)^β / Σ_j S_k(j)^β, S_k the lane's decayed sum; their mixture by
/// the key's weights is the chance that the next return is to i. A key not met yet has the prior's weights.
///
/// Complexity: learn and chances O(K n) for a user with n items; one `adaptive_weights` a key met.
/// Errors: as adaptive_weights; std::invalid_argument unless sharpness is finite and > 0 and prior and store are of one bank;
///         std::domain_error when `now` is before the user's newest event.
template <identifier Key>
class adaptive_timescales {
 public:
  /// prior: the reading all keys start from. sharpness: β; 1 where users follow the lanes' sums in proportion.
  explicit adaptive_timescales(reading prior, adaptive_options options = {}, double sharpness = 1)
      : prior_(std::move(prior)),
        fresh_({prior_.weights().begin(), prior_.weights().end()}, options),
        beta_(sharpness) {
    detail::require(std::isfinite(sharpness) && sharpness > 0, "adaptive_timescales",
                    "sharpness must be finite and > 0", sharpness);
  }

  /// Learns that `user` returned to `items` at `now`: to be called before the store is told of them.
  ///
  /// Items the user does not have are no returns and are passed over. Returns the mean −ln p; 0 when there was no return or
  /// no choice (fewer than two items).
  template <class Store>
  double learn(const Key& key, const Store& store, const typename Store::user_type& user,
               std::span<const typename Store::item_type> items, time_point now) {
    Eigen::ArrayXXd shares;
    const auto* const state = read(store, user, now, shares);
    if (state == nullptr || state->entries.size() < 2) return 0;
    std::vector<double> chances;
    std::size_t returns = 0;
    for (const auto& item : items) {
      const auto handle = store.handle(item);
      const std::size_t at = handle ? state->entries.find(*handle) : Store::table::npos;
      if (at == Store::table::npos || state->entries.count(at) == 0) continue;
      const auto column = shares.col(static_cast<Eigen::Index>(at));
      chances.insert(chances.end(), column.begin(), column.end());
      ++returns;
    }
    if (returns == 0) return 0;
    return learners_.try_emplace(key, fresh_).first->second.learn(chances, returns);
  }

  /// The chance that the next return of `user` is to each of the items, in the order of the user's entries; they add to 1.
  template <class Store>
  [[nodiscard]] std::vector<double> chances(const Key& key, const Store& store, const typename Store::user_type& user,
                                            time_point now) const {
    Eigen::ArrayXXd shares;
    std::vector<double> out;
    if (read(store, user, now, shares) == nullptr) return out;
    const auto weights = of(key).weights();
    const Eigen::Map<const Eigen::VectorXd> w(weights.data(), std::ssize(weights));
    out.resize(static_cast<std::size_t>(shares.cols()));
    Eigen::Map<Eigen::VectorXd>(out.data(), shares.cols()).noalias() = shares.matrix().transpose() * w;
    return out;
  }

  /// The user's decay function as it stands at `now`: π_k ∝ w_k / Σ_j S_k(j), which ranks like `chances` when β = 1.
  ///
  /// A user without items, and one whose lanes have all faded beyond a double, has the key's weights themselves.
  template <class Store>
  [[nodiscard]] reading decay(const Key& key, const Store& store, const typename Store::user_type& user,
                              time_point now) const;

  [[nodiscard]] const adaptive_weights& of(const Key& key) const {
    const auto at = learners_.find(key);
    return at == learners_.end() ? fresh_ : at->second;
  }
  /// Puts back what a key had learned.
  void restore(const Key& key, adaptive_state state) {
    learners_.insert_or_assign(
        key, adaptive_weights({fresh_.prior().begin(), fresh_.prior().end()}, fresh_.options(), std::move(state)));
  }
  bool forget(const Key& key) { return learners_.erase(key) > 0; }

  [[nodiscard]] const reading& prior() const noexcept { return prior_; }
  [[nodiscard]] const adaptive_options& options() const noexcept { return fresh_.options(); }
  [[nodiscard]] double sharpness() const noexcept { return beta_; }
  [[nodiscard]] const std::unordered_map<Key, adaptive_weights>& all() const noexcept { return learners_; }

 private:
  template <class Store>
  const typename Store::user_state* logs(const Store& store, const typename Store::user_type& user, time_point now,
                                         Eigen::ArrayXXd& out) const {
    detail::require(store.lanes() == prior_.bank(), "adaptive_timescales",
                    "the prior must be of the store's own half-lives", "another bank");
    const auto* const state = store.find(user);
    if (state == nullptr) return nullptr;
    if (now.time_since_epoch().count() < state->newest)
      throw std::domain_error("ebb::adaptive_timescales: now must not be before the user's newest event");
    detail::log_lanes(store, *state, now, out);
    return state;
  }
  template <class Store>
  const typename Store::user_state* read(const Store& store, const typename Store::user_type& user, time_point now,
                                         Eigen::ArrayXXd& shares) const {
    const auto* const state = logs(store, user, now, shares);
    detail::to_shares(shares, beta_);
    return state;
  }

  reading prior_;
  adaptive_weights fresh_;
  double beta_;
  std::unordered_map<Key, adaptive_weights> learners_;
};

template <identifier Key>
template <class Store>
reading adaptive_timescales<Key>::decay(const Key& key, const Store& store, const typename Store::user_type& user,
                                        time_point now) const {
  Eigen::ArrayXXd lanes;
  const auto weights = of(key).weights();
  std::vector<double> pi(weights.begin(), weights.end());
  if (logs(store, user, now, lanes) == nullptr || lanes.cols() == 0) return reading(prior_.bank(), pi);
  // ln w_k − ln Σ_j S_k(j), relative to the largest so that nothing overflows.
  Eigen::ArrayXd level(lanes.rows());
  for (Eigen::Index k = 0; k < lanes.rows(); ++k) {
    const double most = lanes.row(k).maxCoeff();
    if (!std::isfinite(most)) return reading(prior_.bank(), pi);
    level[k] = std::log(pi[static_cast<std::size_t>(k)]) - most - std::log((lanes.row(k) - most).exp().sum());
  }
  level = (level - level.maxCoeff()).exp();
  level /= level.sum();
  std::copy(level.begin(), level.end(), pi.begin());
  return reading(prior_.bank(), pi);
}

}  // namespace ebb

#endif  // EBB_ADAPTIVE_HPP
