// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_NETWORK_HPP
#define EBB_RETURN_NETWORK_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/activation.hpp"
#include "ebb/detail/folded_members.hpp"
#include "ebb/detail/lane_read.hpp"
#include "ebb/detail/padded_columns.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/mlp.hpp"
#include "ebb/return_features.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// What was learned about coming back: a reading of the lanes, and small networks that correct it.
///
///   score_i = β · ln Σ_k π_k S_ik + λ · mean over members of (w · x_i + mlp(x_i)),   P(i is returned to) = softmax over the user's items
///
/// S_ik: lane k of candidate i. x_i: its standardised features, clipped to ±4, and the candidate features again less their mean
/// over the user's items. The first term alone is a decay function; with λ = 0 nothing else speaks.
struct return_network {
  struct member {
    mlp<float> network;      ///< (inputs) → (1)
    Eigen::VectorXf linear;  ///< w, (inputs)
  };

  static constexpr float clip = 4.0F;

  timescales lanes;
  return_feature_set features = {};
  std::vector<rhythm> rhythms = return_store_options(lanes).rhythms;  ///< of the store the features were read from
  int recent = return_store_options(lanes).recent;                    ///< newest uses it kept an entry
  std::vector<double> weights = {};                                   ///< π, one a lane, on the simplex
  double sharpness = 1;                                               ///< β > 0
  double blend = 0;                                                   ///< λ in [0, 1]
  Eigen::VectorXf mean = {};                                          ///< (features)
  Eigen::VectorXf scale = {};                                         ///< (features), > 0
  Eigen::Index candidate_features = 0;
  std::vector<member> members = {};

  /// The decay function in it.
  [[nodiscard]] reading base() const { return reading(lanes, weights); }

  /// A store that it can rank from.
  [[nodiscard]] store_options served_from() const {
    store_options out = return_store_options(lanes);
    out.rhythms = rhythms;
    out.recent = recent;
    return out;
  }

  /// How many numbers a member reads: the features, and the candidates' once more, centred.
  [[nodiscard]] Eigen::Index inputs() const noexcept { return mean.size() + candidate_features; }

  /// Errors: std::invalid_argument naming the first part whose shape does not fit the others.
  void check() const {
    constexpr const char* where = "return_network";
    static_cast<void>(base());
    detail::require(sharpness > 0 && std::isfinite(sharpness), where, "sharpness must be finite and > 0", sharpness);
    detail::require(blend >= 0 && blend <= 1, where, "blend must be in [0, 1]", blend);
    detail::require(scale.size() == mean.size() && mean.allFinite() && (scale.array() > 0).all() && scale.allFinite(),
                    where, "mean and scale must be finite, of one length, scale > 0; length", scale.size());
    // Scoring multiplies by 1/scale, which is infinite for a denormal.
    const Eigen::ArrayXf inverse = scale.array().inverse();
    detail::require(inverse.allFinite() && (mean.array() * inverse).allFinite(), where,
                    "1/scale and mean/scale must be finite, least scale", scale.size() > 0 ? scale.minCoeff() : 1.0F);
    detail::require(candidate_features >= 0 && candidate_features <= mean.size(), where,
                    "candidate_features must be at most the number of features", candidate_features);
    for (const member& m : members) {
      detail::require(m.network.inputs() == inputs() && m.network.outputs() == 1, where,
                      "a member must read the inputs and write one output", m.network.inputs());
      detail::require(m.network.options().output_activation == activation::identity, where,
                      "a member's output must be linear, activation",
                      static_cast<int>(m.network.options().output_activation));
      detail::require(m.linear.size() == inputs() && m.linear.allFinite() && m.network.parameters().allFinite(), where,
                      "a member's weights must be finite, one linear weight an input", m.linear.size());
      detail::require(m.network.options().hidden == members[0].network.options().hidden &&
                          m.network.options().hidden_activation == members[0].network.options().hidden_activation,
                      where, "all members must have one shape, layers", m.network.layers());
    }
  }
};

/// Ranks a user's items by the learned odds of coming back to them, reading nothing but the store.
///
/// Cost:    one read of the features and one product of matrices a user; no allocation once the largest user was seen.
/// Threads: one scorer a thread; the store and the network may be shared while nobody writes.
template <class Store>
class return_scorer {
 public:
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;
  using user_state = typename Store::user_state;

  /// The store must outlive the scorer; the network is copied.
  ///
  /// Errors: std::invalid_argument when the network does not `check()`, or was learned on other half-lives, rhythms, kept uses or
  ///         features than the store has.
  return_scorer(const Store& store, const return_network& network)
      : store_(&store), features_(store, network.features), base_(network.base()), sharpness_(network.sharpness) {
    network.check();
    detail::require(store.lanes() == network.lanes, "return_scorer",
                    "the store must keep the half-lives the network was learned on, lanes", store.lanes().size());
    if (network.blend == 0 || network.members.empty()) return;
    detail::require(
        features_.size() == network.mean.size() && features_.candidate_features() == network.candidate_features,
        "return_scorer", "the network must read the features of this store, features", network.mean.size());
    const detail::entry_layout needed = detail::entry_layout_of(network.served_from());
    detail::require(!network.features.rhythms || store.layout().rhythms == needed.rhythms, "return_scorer",
                    "the store must keep the rhythms the network was learned on, rhythms",
                    store.layout().rhythms.size());
    detail::require(!network.features.sequence || store.layout().recent == needed.recent, "return_scorer",
                    "the store must keep as many recent uses as the network was learned on, recent uses",
                    store.layout().recent);
    blend_ = network.blend;
    members_ = detail::folded_members(network.members, network.mean, network.scale, network.candidate_features,
                                      return_network::clip);
  }

  /// One score an entry of the user, in the order of the entries; valid until the next call.
  ///
  /// An item without interest, only disliked or used for nothing, scores as if used for 1e-300.
  /// Errors: std::domain_error when `now` is before the newest event of the user or, where networks speak, of one of the user's items.
  [[nodiscard]] const Eigen::VectorXd& score(const user_state& user, time_point now) {
    read_base(user, now);
    if (blend_ > 0) {
      features_.compute_values(*store_, user, now);
      members_.add_to(scores_, features_.columns(), blend_);
    }
    return scores_;
  }

  /// The user's `k` items most likely to be returned to; `interest` holds the score. Empty for a user not known.
  ///
  /// An item that was only disliked is not among them.   Errors: as `score`.
  [[nodiscard]] std::vector<ranked_item<item_type>> top(const user_type& user, std::size_t k, time_point now) {
    std::vector<ranked_item<item_type>> out;
    const user_state* const state = store_->find(user);
    if (state == nullptr) return out;
    static_cast<void>(score(*state, now));
    order_.clear();
    for (std::size_t i = 0; i < state->entries.size(); ++i)
      if (state->entries.count(i) > 0) order_.emplace_back(-scores_[static_cast<Eigen::Index>(i)], i);
    const std::size_t kept = std::min(k, order_.size());
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept), order_.end());
    out.reserve(kept);
    for (std::size_t r = 0; r < kept; ++r) {
      const auto [minus_score, i] = order_[r];
      out.push_back({store_->item(state->entries.item(i)), -minus_score, -minus_score / std::numbers::ln2,
                     time_point(time_point::duration(state->entries.times(store_->layout(), i)[0]))});
    }
    return out;
  }

  /// What the networks read in the last call, for explanations: `features().values()`, (candidates, features), named by `features().names()`.
  [[nodiscard]] const return_features<Store>& features() const noexcept { return features_; }

 private:
  /// scores_[i] = β · ln Σ_k π_k S_ik.
  void read_base(const user_state& user, time_point now) {
    if (now.time_since_epoch().count() < user.newest)
      throw std::domain_error("ebb::return_scorer: now must not be before the user's newest event");
    const detail::entry_layout& layout = store_->layout();
    const detail::read_plan plan(layout.grid, base_, now.time_since_epoch().count());
    double next_to_nothing[detail::max_lanes];
    std::fill_n(next_to_nothing, layout.lanes, detail::no_interest);
    const auto n = static_cast<Eigen::Index>(user.entries.size());
    logs_.resize(n, 2);  // interest, or 1 where it has underflown, and then its logarithm
    detail::with_lanes<0>(layout.lanes, [&](auto lanes) {
      for (std::size_t e = 0; e < user.entries.size(); ++e) {
        const auto i = static_cast<Eigen::Index>(e);
        const auto* const sums = user.entries.sums(layout, e);
        const auto last = user.entries.times(layout, e)[0];
        detail::scored_entry entry = detail::score_entry(layout, lanes, sums, last, e, plan);
        if (!(entry.value > 0) && std::isinf(entry.log2))
          entry.log2 = detail::read_log2(layout.grid, layout.lanes, next_to_nothing,
                                         last == detail::no_time ? user.first : last, plan);
        logs_[0][i] = entry.value > 0 ? entry.value : 1.0;
        logs_[1][i] = entry.value > 0 ? 0.0 : std::numbers::ln2 * entry.log2;
      }
    });
    logs_.pad(0);
    logs_.pad(1);
    logs_.col(0) = sharpness_ * (logs_.col(0).log() + logs_.col(1));
    scores_ = logs_.values().col(0);
  }

  const Store* store_;
  return_features<Store> features_;
  reading base_;
  double sharpness_;
  double blend_ = 0;
  detail::folded_members members_;
  detail::padded_columns<double> logs_;
  Eigen::VectorXd scores_;
  std::vector<std::pair<double, std::size_t>> order_;
};

}  // namespace ebb

#endif  // EBB_RETURN_NETWORK_HPP
