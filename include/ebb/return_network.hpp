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
  std::vector<double> weights = {};  ///< π, one a lane, on the simplex
  double sharpness = 1;              ///< β > 0
  double blend = 0;                  ///< λ in [0, 1]
  Eigen::VectorXf mean = {};         ///< (features)
  Eigen::VectorXf scale = {};        ///< (features), > 0
  Eigen::Index candidate_features = 0;
  std::vector<member> members = {};

  /// The decay function in it.
  [[nodiscard]] reading base() const { return reading(lanes, weights); }

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
    detail::require(candidate_features >= 0 && candidate_features <= mean.size(), where,
                    "candidate_features must be at most the number of features", candidate_features);
    for (const member& m : members) {
      detail::require(m.network.inputs() == inputs() && m.network.outputs() == 1, where,
                      "a member must read the inputs and write one output", m.network.inputs());
      detail::require(m.linear.size() == inputs() && m.linear.allFinite() && m.network.parameters().allFinite(), where,
                      "a member's weights must be finite, one linear weight an input", m.linear.size());
      detail::require(m.network.layers() == members[0].network.layers(), where, "all members must have one shape",
                      m.network.layers());
      for (std::size_t l = 0; l < m.network.layers(); ++l)
        detail::require(m.network.bias(l).size() == members[0].network.bias(l).size(), where,
                        "all members must have one shape", l);
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

  /// The store and the network must outlive the scorer.
  ///
  /// Errors: std::invalid_argument when the network does not `check()`, or was learned on other half-lives or features than the store keeps.
  return_scorer(const Store& store, const return_network& network)
      : store_(&store), network_(&network), features_(store, network.features), base_(network.base()) {
    network.check();
    detail::require(store.lanes() == network.lanes, "return_scorer",
                    "the store must keep the half-lives the network was learned on, lanes", store.lanes().size());
    if (!network.members.empty())
      detail::require(
          features_.size() == network.mean.size() && features_.candidate_features() == network.candidate_features,
          "return_scorer", "the network must read the features of this store, features", network.mean.size());
    fold();
  }

  /// One score an entry of the user, in the order of the entries; valid until the next call.
  ///
  /// Errors: std::domain_error when `now` is before the newest event of the user or of one of the user's items.
  [[nodiscard]] const Eigen::VectorXd& score(const user_state& user, time_point now) {
    features_.compute(*store_, user, now);
    const Eigen::MatrixXd& logs = features_.log_lanes;
    highest_ = logs.rowwise().maxCoeff();
    scores_.setZero(logs.rows());
    for (Eigen::Index k = 0; k < logs.cols(); ++k)
      scores_.array() += base_.weights()[static_cast<std::size_t>(k)] * (logs.col(k) - highest_).array().exp();
    scores_ = network_->sharpness * (highest_.array() + scores_.array().log());
    if (network_->blend > 0 && !network_->members.empty()) add_networks();
    return scores_;
  }

  /// The user's `k` items most likely to be returned to; `interest` holds the score. Empty for a user not known.
  [[nodiscard]] std::vector<ranked_item<item_type>> top(const user_type& user, std::size_t k, time_point now) {
    std::vector<ranked_item<item_type>> out;
    const user_state* const state = store_->find(user);
    if (state == nullptr) return out;
    static_cast<void>(score(*state, now));
    std::vector<Eigen::Index> order(static_cast<std::size_t>(scores_.size()));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Eigen::Index>(i);
    const auto kept = static_cast<std::ptrdiff_t>(std::min(k, order.size()));
    std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](Eigen::Index a, Eigen::Index b) {
      return scores_[a] != scores_[b] ? scores_[a] > scores_[b] : a < b;
    });
    for (std::ptrdiff_t r = 0; r < kept; ++r) {
      const auto i = static_cast<std::size_t>(order[static_cast<std::size_t>(r)]);
      const double s = scores_[order[static_cast<std::size_t>(r)]];
      out.push_back({store_->item(state->entries.item(i)), s, s / std::numbers::ln2,
                     time_point(time_point::duration(state->entries.times(store_->layout(), i)[0]))});
    }
    return out;
  }

  /// The features of the last call, for explanations: (candidates, features), named by `features().names()`.
  [[nodiscard]] const return_features<Store>& features() const noexcept { return features_; }

 private:
  using matrix = Eigen::MatrixXf;

  /// The centred copies of the inputs are the inputs less a constant of the query: W [z; z − m] = (W_z + W_c) z − W_c m. Folding that in
  /// halves the first product, and one product serves all members.
  void fold() {
    const Eigen::Index features = network_->mean.size();
    const Eigen::Index own = network_->candidate_features;
    const auto count = static_cast<Eigen::Index>(network_->members.size());
    inverse_ = network_->scale.cwiseInverse();
    if (count == 0) return;
    units_ = network_->members[0].network.bias(0).size();
    first_.resize(features, count * units_ + 1);
    centre_.resize(own, count * units_ + 1);
    bias_.setZero(count * units_ + 1);
    first_.rightCols(1).setZero();
    centre_.rightCols(1).setZero();
    for (Eigen::Index m = 0; m < count; ++m) {
      const auto& member = network_->members[static_cast<std::size_t>(m)];
      const auto weight = member.network.weight(0);  // (units, inputs)
      first_.middleCols(m * units_, units_) = weight.leftCols(features).transpose();
      centre_.middleCols(m * units_, units_) = weight.rightCols(own).transpose();
      bias_.segment(m * units_, units_) = member.network.bias(0);
      first_.rightCols(1) += member.linear.head(features);
      centre_.rightCols(1) += member.linear.tail(own);
    }
    first_.topRows(own) += centre_;
  }

  void add_networks() {
    const Eigen::Index own = network_->candidate_features;
    matrix& z = features_.values;
    query_ = z.leftCols(own).colwise().mean();
    for (Eigen::Index f = 0; f < z.cols(); ++f)
      z.col(f) =
          ((z.col(f).array() - network_->mean[f]) * inverse_[f]).max(-return_network::clip).min(return_network::clip);
    query_.array() =
        (query_.array() - network_->mean.head(own).transpose().array()) * inverse_.head(own).transpose().array();
    shift_.noalias() = bias_.transpose() - query_ * centre_;
    hidden_.noalias() = z * first_;
    hidden_.rowwise() += shift_;
    sum_ = hidden_.rightCols(1);
    const auto count = static_cast<Eigen::Index>(network_->members.size());
    Eigen::Map<Eigen::ArrayXf> all(hidden_.data(), hidden_.rows() * count * units_);
    if (gate_.size() < all.size()) gate_.resize(all.size());
    const mlp<float>& shape = network_->members[0].network;
    const auto kind = [&](std::size_t l) {
      return l + 1 == shape.layers() ? shape.options().output_activation : shape.options().hidden_activation;
    };
    activate<float>(kind(0), all, gate_.head(all.size()));
    for (Eigen::Index m = 0; m < count; ++m) {
      const mlp<float>& network = network_->members[static_cast<std::size_t>(m)].network;
      layer_ = hidden_.middleCols(m * units_, units_);
      for (std::size_t l = 1; l < network.layers(); ++l) {
        next_.noalias() = layer_ * network.weight(l).transpose();
        next_.rowwise() += network.bias(l).transpose();
        Eigen::Map<Eigen::ArrayXf> flat(next_.data(), next_.size());
        if (gate_.size() < flat.size()) gate_.resize(flat.size());
        activate<float>(kind(l), flat, gate_.head(flat.size()));
        layer_.swap(next_);
      }
      sum_ += layer_.col(0);
    }
    scores_ += (network_->blend / static_cast<double>(count)) * sum_.template cast<double>();
  }

  const Store* store_;
  const return_network* network_;
  return_features<Store> features_;
  reading base_;
  Eigen::Index units_ = 0;
  matrix first_;   // (features, members · units + 1): the first layers side by side, then the linear weights' sum
  matrix centre_;  // (candidate features, members · units + 1)
  Eigen::VectorXf bias_;     // (members · units + 1)
  Eigen::VectorXf inverse_;  // (features)
  Eigen::RowVectorXf query_, shift_;
  matrix hidden_, layer_, next_;
  Eigen::ArrayXf gate_;
  Eigen::VectorXf sum_;
  Eigen::VectorXd highest_, scores_;
};

}  // namespace ebb

#endif  // EBB_RETURN_NETWORK_HPP
