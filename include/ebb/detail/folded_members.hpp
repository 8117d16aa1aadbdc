// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_FOLDED_MEMBERS_HPP
#define EBB_DETAIL_FOLDED_MEMBERS_HPP

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/activation.hpp"
#include "ebb/detail/dense_layer.hpp"
#include "ebb/detail/gelu_pass.hpp"
#include "ebb/detail/padded_columns.hpp"

namespace ebb::detail {

/// The networks of a return_network, made ready to score one user's candidates at a time.
///
/// The centred inputs are the plain ones less a constant of the query, and the user's own features are constant within it:
///   W [z; u; z − m] + b = (W_z + W_c) z + (W_u u − W_c m + b),
/// so that the first layers read the candidate features alone, all members at once, and the bracket is their bias. The linear scores and
/// the last layers are summed over the members beforehand.
class folded_members {
 public:
  using matrix = Eigen::MatrixXf;
  using vector = Eigen::VectorXf;

  folded_members() = default;

  /// members: of one shape, each with `network`, (inputs) → (1), and `linear`, (inputs); inputs = features, then the first `own` centred.
  template <class Member>
  folded_members(const std::vector<Member>& members, vector mean, const vector& scale, Eigen::Index own, float clip)
      : count_(static_cast<Eigen::Index>(members.size())),
        mean_(std::move(mean)),
        inverse_(scale.cwiseInverse()),
        clip_(clip),
        own_(own) {
    if (count_ == 0) return;
    const auto& options = members[0].network.options();
    kind_ = options.hidden_activation;
    units_ = options.hidden;
    const Eigen::Index first = units_.empty() ? 0 : count_ * units_[0];
    const Eigen::Index user = mean_.size() - own_;
    matrix folded(first, own_);
    centre_.setZero(first + 1, own_);
    user_.setZero(first + 1, user);
    bias_.setZero(first + 1);
    linear_.setZero(own_);
    const auto take = [&](Eigen::Index row, const matrix& weight) {  // weight: (units, inputs)
      centre_.middleRows(row, weight.rows()) += weight.rightCols(own_);
      if (user != 0) user_.middleRows(row, weight.rows()) += weight.middleCols(own_, user);
      return matrix(weight.leftCols(own_) + weight.rightCols(own_));
    };
    for (Eigen::Index m = 0; m < count_; ++m) {
      const auto& network = members[static_cast<std::size_t>(m)].network;
      linear_ += take(first, members[static_cast<std::size_t>(m)].linear.transpose()).transpose();
      if (units_.empty()) {
        linear_ += take(first, network.weight(0)).transpose();
      } else {
        folded.middleRows(m * units_[0], units_[0]) = take(m * units_[0], network.weight(0));
        bias_.segment(m * units_[0], units_[0]) = network.bias(0);
      }
      bias_[first] += network.bias(units_.size())[0];
    }
    if (!units_.empty()) stack_layers(members, folded);
    z_.setZero(block, own_);
    user_values_.resize(user);
    query_.resize(own_);
  }

  /// scores += blend · mean over members of (w · x_i + mlp(x_i)).   values: (candidates, features), raw; scores: (candidates).
  ///
  /// Allocates nothing.
  void add_to(Eigen::VectorXd& scores, const padded_columns<float>& values, double blend) {
    const Eigen::Index n = values.rows();
    if (n == 0 || count_ == 0) return;
    for (Eigen::Index f = 0; f < own_; ++f)
      query_[f] = (Eigen::Map<const vector, Eigen::AlignedMax>(values[f], n).mean() - mean_[f]) * inverse_[f];
    for (Eigen::Index f = own_; f < mean_.size(); ++f) user_values_[f - own_] = standardised(values[f][0], f);
    shift_ = bias_;
    shift_.noalias() += user_ * user_values_;
    shift_.noalias() -= centre_ * query_;
    if (!units_.empty()) first_.bias().head(shift_.size() - 1) = shift_.head(shift_.size() - 1);
    const double factor = blend / static_cast<double>(count_);
    for (Eigen::Index start = 0; start < n; start += block) {
      const Eigen::Index rows = std::min(block, n - start);
      standardise(values, start, rows);
      // Layers take candidates by fours: with the last four filled up, equal candidates get equal scores wherever they stand.
      const Eigen::Index filled = (rows + dense_layer::samples - 1) / dense_layer::samples * dense_layer::samples;
      sum_.noalias() = z_.topRows(filled) * linear_;
      if (!units_.empty()) add_hidden(filled);
      scores.segment(start, rows).array() +=
          factor * (sum_.head(rows).array() + shift_[shift_.size() - 1]).cast<double>();
    }
  }

 private:
  static constexpr Eigen::Index block = 128;  // candidates at a time: what lies between the layers stays in the cache

  [[nodiscard]] float standardised(float value, Eigen::Index f) const noexcept {
    return std::min(std::max((value - mean_[f]) * inverse_[f], -clip_), clip_);
  }

  void standardise(const padded_columns<float>& values, Eigen::Index start, Eigen::Index rows) {
    constexpr Eigen::Index chunk = padded_columns<float>::chunk;
    for (Eigen::Index f = 0; f < own_; ++f) {
      const float* const in = values[f] + start;
      float* const out = z_.col(f).data();
      for (Eigen::Index i = 0; i < rows; i += chunk) {
        float z[chunk];
        for (Eigen::Index j = 0; j < chunk; ++j) z[j] = standardised(in[i + j], f);
        std::copy_n(z, chunk, out + i);
      }
    }
  }

  template <class Member>
  void stack_layers(const std::vector<Member>& members, const matrix& folded) {
    first_ = dense_layer(folded, vector::Zero(folded.rows()));
    outputs_.emplace_back(matrix::Zero(first_.padded_units(), block));
    layers_.resize(units_.size() - 1);
    for (std::size_t l = 1; l < units_.size(); ++l) {
      for (const Member& m : members) layers_[l - 1].emplace_back(m.network.weight(l), m.network.bias(l));
      // A layer writes whole packets: past its own units, to where the next member's come afterwards.
      outputs_.emplace_back(matrix::Zero((count_ - 1) * units_[l] + layers_[l - 1][0].padded_units(), block));
    }
    last_.setZero(outputs_.back().rows());
    for (Eigen::Index m = 0; m < count_; ++m)
      last_.segment(m * units_.back(), units_.back()) =
          members[static_cast<std::size_t>(m)].network.weight(units_.size()).transpose();
    if (kind_ == activation::gelu) return;
    for (const matrix& values : outputs_) gate_.resize(std::max(gate_.size(), values.size()));
  }

  void add_hidden(Eigen::Index rows) {
    first_.apply(z_.data(), 1, z_.rows(), rows, outputs_[0].data(), outputs_[0].rows());
    activate_columns(outputs_[0], rows);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const matrix& in = outputs_[l];
      matrix& out = outputs_[l + 1];
      for (Eigen::Index m = 0; m < count_; ++m)
        layers_[l][static_cast<std::size_t>(m)].apply(in.data() + m * units_[l], in.rows(), 1, rows,
                                                      out.data() + m * units_[l + 1], out.rows());
      activate_columns(out, rows);
    }
    sum_.noalias() += outputs_.back().leftCols(rows).transpose() * last_;
  }

  void activate_columns(matrix& values, Eigen::Index columns) {
    const Eigen::Index size = values.rows() * columns;
    if (kind_ == activation::gelu) {
      gelu_pass(values.data(), size);
    } else {
      Eigen::Map<Eigen::ArrayXf> z(values.data(), size);
      activate<float>(kind_, z, gate_.head(size));
    }
  }

  Eigen::Index count_ = 0;
  vector mean_, inverse_;  // (features)
  float clip_ = 0;
  Eigen::Index own_ = 0;  // candidate features
  activation kind_ = activation::identity;
  std::vector<Eigen::Index> units_;  // of a member's hidden layers

  // The first layers of all members, one below the other, U = members · units rows, and the linear score's last.
  dense_layer first_;                             // (own) → (U)
  matrix centre_, user_;                          // (U + 1, own), (U + 1, user features)
  vector bias_;                                   // (U + 1)
  vector linear_;                                 // (own)
  std::vector<std::vector<dense_layer>> layers_;  // the hidden layers after it, one a member
  vector last_;                                   // (members · units of the last hidden layer, padded)

  vector query_, user_values_, shift_;
  matrix z_;                     // (block, own)
  std::vector<matrix> outputs_;  // (members · units, padded; block) a hidden layer
  Eigen::ArrayXf gate_;
  vector sum_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_FOLDED_MEMBERS_HPP
