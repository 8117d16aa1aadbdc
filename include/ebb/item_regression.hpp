// SPDX-License-Identifier: MIT
#ifndef EBB_ITEM_REGRESSION_HPP
#define EBB_ITEM_REGRESSION_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "ebb/time.hpp"

namespace ebb {

/// One entry of a user's sparse profile: how much of `item` is in it.
template <std::floating_point T = float>
struct profile_entry {
  Eigen::Index item;
  T weight;
};

template <std::floating_point T = float>
using item_profile = std::vector<profile_entry<T>>;

/// A ridge regression of every item on all others, in closed form: what else is in the profile of someone with this profile?
///
///   B = argmin ‖X − X B‖² + ridge ‖B‖²  with  B_jj = 0        so that  B_ij = −P_ij / P_jj,  P = (Xᵀ X + ridge I)⁻¹
///   score_j(x) = Σ_i x_i B_ij
///
/// X: (users, items), a profile a row. Where there are fewer users than items the same P is had from the users' side,
/// P = (I − Xᵀ (X Xᵀ + ridge I)⁻¹ X) / ridge, so that the cost follows the smaller of the two. The profile asked about may be
/// anybody's: one of the rows, the same with old interest faded, or a newcomer's.
///
/// Cost:   with n = min(users, items): n³ operations and 2 n² numbers to fit; a score O(|x| items), or O(n² + entries) from the users' side.
/// Errors: std::invalid_argument unless ridge is finite and > 0, there is an item, every profile's items are in [0, items) and its weights finite;
///         an item twice in one profile counts with the sum of its weights.
/// Source: H. Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019, eq. 8.
template <std::floating_point T = float>
class item_regression {
 public:
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

  item_regression(std::span<const item_profile<T>> profiles, Eigen::Index items, double ridge)
      : items_(items), ridge_(static_cast<T>(ridge)) {
    detail::require(ridge > 0 && std::isfinite(ridge), "item_regression", "ridge must be finite and > 0", ridge);
    detail::require(items > 0, "item_regression", "there must be at least one item", items);
    for (const item_profile<T>& profile : profiles) check(profile);
    by_user_ = std::ssize(profiles) < items;
    if (by_user_)
      fit_users(profiles);
    else
      fit_items(profiles);
  }

  [[nodiscard]] Eigen::Index items() const noexcept { return items_; }

  /// score_j = Σ_i x_i B_ij for every item j, those in the profile included.
  ///
  /// score: (items).
  void score(const item_profile<T>& profile, Eigen::Ref<vector> score) const {
    check(profile);
    detail::require(score.size() == items_, "item_regression::score", "score must have one entry an item",
                    score.size());
    score.setZero();
    if (by_user_)
      project_users(profile, score);
    else
      for (const profile_entry<T>& x : profile) score += x.weight * inverse_.col(x.item);
    score.array() /= -diagonal_.array();
    for (const profile_entry<T>& x : profile) score[x.item] += x.weight;  // B_jj = 0, not −1
  }

 private:
  struct user_weight {
    Eigen::Index user;
    T weight;
  };

  void check(const item_profile<T>& profile) const {
    for (const profile_entry<T>& x : profile) {
      detail::require(x.item >= 0 && x.item < items_, "item_regression", "a profile's items must be in [0, items)",
                      x.item);
      detail::require(std::isfinite(x.weight), "item_regression", "a profile's weights must be finite", x.weight);
    }
  }

  /// (gram + ridge I)⁻¹ from gram's lower half.
  [[nodiscard]] matrix inverted(matrix gram) const {
    gram.diagonal().array() += ridge_;
    const Eigen::LLT<Eigen::Ref<matrix>> factor(gram);  // in place
    matrix inverse = matrix::Identity(gram.rows(), gram.cols());
    factor.solveInPlace(inverse);
    return inverse;
  }

  void fit_items(std::span<const item_profile<T>> profiles) {
    matrix gram = matrix::Zero(items_, items_);
    for (const item_profile<T>& profile : profiles)
      for (const profile_entry<T>& a : profile)
        for (const profile_entry<T>& b : profile) gram(b.item, a.item) += a.weight * b.weight;
    inverse_ = inverted(std::move(gram));
    diagonal_ = inverse_.diagonal();
  }

  void fit_users(std::span<const item_profile<T>> profiles) {
    columns_.resize(static_cast<std::size_t>(items_));
    for (std::size_t u = 0; u < profiles.size(); ++u)
      for (const profile_entry<T>& x : profiles[u])
        columns_[static_cast<std::size_t>(x.item)].push_back({static_cast<Eigen::Index>(u), x.weight});
    users_ = std::ssize(profiles);
    matrix gram = matrix::Zero(users_, users_);
    for (const std::vector<user_weight>& column : columns_)
      for (const user_weight& a : column)
        for (const user_weight& b : column) gram(b.user, a.user) += a.weight * b.weight;
    inverse_ = inverted(std::move(gram));
    diagonal_.resize(items_);
    for (Eigen::Index j = 0; j < items_; ++j) {
      T explained = 0;
      for (const user_weight& a : columns_[static_cast<std::size_t>(j)])
        for (const user_weight& b : columns_[static_cast<std::size_t>(j)])
          explained += a.weight * b.weight * inverse_(b.user, a.user);
      diagonal_[j] = (1 - explained) / ridge_;
    }
  }

  /// score = x P, by way of the users.
  void project_users(const item_profile<T>& profile, Eigen::Ref<vector> score) const {
    vector shared = vector::Zero(users_);  // X x
    for (const profile_entry<T>& x : profile)
      for (const user_weight& has : columns_[static_cast<std::size_t>(x.item)])
        shared[has.user] += x.weight * has.weight;
    const vector pull = inverse_ * shared;
    for (Eigen::Index j = 0; j < items_; ++j) {
      T sum = 0;
      for (const user_weight& has : columns_[static_cast<std::size_t>(j)]) sum += has.weight * pull[has.user];
      score[j] = -sum / ridge_;
    }
    for (const profile_entry<T>& x : profile) score[x.item] += x.weight / ridge_;
  }

  Eigen::Index items_;
  Eigen::Index users_ = 0;
  T ridge_;
  bool by_user_ = false;
  matrix inverse_;                                 // P (items, items), or (X Xᵀ + ridge I)⁻¹ (users, users)
  vector diagonal_;                                // (items): P_jj
  std::vector<std::vector<user_weight>> columns_;  // X by item, from the users' side only
};

}  // namespace ebb

#endif  // EBB_ITEM_REGRESSION_HPP
