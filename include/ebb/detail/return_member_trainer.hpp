// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_RETURN_MEMBER_TRAINER_HPP
#define EBB_DETAIL_RETURN_MEMBER_TRAINER_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/activation.hpp"
#include "ebb/mlp.hpp"
#include "ebb/optimizer.hpp"
#include "ebb/random.hpp"
#include "ebb/return_network.hpp"
#include "ebb/return_samples.hpp"

namespace ebb {

/// One pass over the moments, as told to `return_trainer_options::on_epoch`.
struct return_epoch {
  int member;                            ///< 0 while epochs and blend are chosen, then 1 … members
  int epoch;                             ///< 1 …
  int epochs;                            ///< how many at most
  double loss;                           ///< mean −ln P of the items returned to, in nats
  std::optional<double> validation_mrr;  ///< on the newest moments, while choosing
};

struct return_trainer_options {
  std::vector<Eigen::Index> hidden = {48, 32};  ///< units of the hidden layers; none learns a log-linear score
  double dropout = 0.2;
  int members = 3;                   ///< networks averaged, of seeds seed … seed + members − 1
  int epochs = 12;                   ///< at most
  int patience = 3;                  ///< epochs without gain before choosing ends
  std::size_t batch = 64;            ///< moments a step
  double learning_rate = 2e-3;       ///< of AdamW
  double weight_decay = 1e-4;        ///< of AdamW
  double average = 0.995;            ///< share of the running mean of the weights kept a step
  double prior = 0.1;                ///< pull of π towards 1/h: weight of KL(π ‖ 1/h)
  double validation_share = 0.2;     ///< newest part of the moments that epochs and blend are chosen on
  std::size_t fewest_moments = 200;  ///< with fewer, or only one, only the reading is learned
  std::uint64_t seed = 1;
  int threads = 1;  ///< members trained at a time; the result does not depend on it
  std::function<void(const return_epoch&)> on_epoch = {};  ///< called from one thread at a time
};

namespace detail {

/// Sum of −ln P over a moment's returns, each against the candidates not returned to: two items of one basket do not compete.
///
/// logit, gradient: (1, candidates), those returned to first; each of the others stands for `weight` candidates. A return far above or
/// below the rest has its loss and gradient to rounding: the others are summed against their own maximum, not the returns'.
inline double return_loss(const Eigen::Ref<const Eigen::RowVectorXf, 0, Eigen::InnerStride<>>& logit,
                          Eigen::Index returned, double weight,
                          Eigen::Ref<Eigen::RowVectorXf, 0, Eigen::InnerStride<>> gradient) {
  const Eigen::Index count = logit.size() - returned;
  auto others = gradient.tail(count);
  const float top = logit.tail(count).maxCoeff();
  others = (logit.tail(count).array() - top).exp();
  const float sum = others.sum();
  const double against = static_cast<double>(top) + std::log(weight * static_cast<double>(sum));
  double loss = 0;
  double missed = 0;  // Σ 1 − P
  for (Eigen::Index j = 0; j < returned; ++j) {
    const double lead = static_cast<double>(logit[j]) - against;
    const double tail = std::exp(-std::abs(lead));
    loss += std::max(-lead, 0.0) + std::log1p(tail);
    const double miss = (lead > 0 ? tail : 1.0) / (1.0 + tail);
    gradient[j] = static_cast<float>(-miss);
    missed += miss;
  }
  others *= static_cast<float>(missed / static_cast<double>(sum));
  return loss;
}

/// Trains the members of a return_network on standardised moments. (A template, so that it is compiled for who trains.)
template <std::same_as<return_trainer_options> Options>
class return_member_trainer {
 public:
  using member = return_network::member;

  return_member_trainer(const std::deque<return_samples::moment>& moments, const std::vector<Eigen::VectorXf>& base,
                        Eigen::Index own, const Options& options)
      : moments_(&moments), base_(&base), own_(own), options_(&options) {
    features_ = moments.front().values.rows();
  }

  [[nodiscard]] Eigen::Index inputs() const noexcept { return features_ + own_; }

  [[nodiscard]] member make(std::uint64_t seed) const {
    return {mlp<float>(inputs(), {.hidden = options_->hidden,
                                  .hidden_activation = activation::gelu,
                                  .dropout = options_->dropout,
                                  .zero_output = true,
                                  .seed = seed}),
            Eigen::VectorXf::Zero(inputs())};
  }

  /// Trains on moments [0, end); after each epoch `after(epoch, loss, averaged)` says whether to go on. Returns the averaged member.
  template <class After>
  [[nodiscard]] member train(std::size_t end, int epochs, std::uint64_t seed, After after) const {
    member current = make(seed);
    member averaged = current;
    random_engine random(seed);
    const Eigen::Index weights = current.network.parameter_count();
    Eigen::VectorXf theta(weights + inputs());
    theta << current.network.parameters(), current.linear;
    Eigen::VectorXf gradient(theta.size());
    adam<float> optimizer({.learning_rate = options_->learning_rate, .weight_decay = options_->weight_decay});
    weight_average<float> average(options_->average);
    batch b;
    std::vector<std::size_t> order(end);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      random.shuffle(order.begin(), order.end());
      double loss = 0;
      double returns = 0;
      for (std::size_t first = 0; first < end; first += options_->batch) {
        gather(std::span(order).subspan(first, std::min(options_->batch, end - first)), b);
        current.network.parameters() = theta.head(weights);
        b.logit = current.network.forward(b.x, b.memory, &random) + theta.tail(inputs()).transpose() * b.x + b.base;
        loss += softmax(b);
        returns += b.returns;
        b.gradient /= static_cast<float>(b.returns);
        current.network.backward(b.x, b.gradient, b.memory, gradient.head(weights));
        gradient.tail(inputs()).noalias() = b.x * b.gradient.transpose();
        optimizer.step(theta, gradient);
        average.update(theta);
      }
      if (!std::isfinite(loss) || !theta.allFinite())
        throw std::domain_error("ebb::train_return_network: the loss stopped being finite in epoch " +
                                std::to_string(epoch) + "; a lower learning rate may help");
      averaged.network.parameters() = average.mean().head(weights);
      averaged.linear = average.mean().tail(inputs());
      if (!after(epoch, loss / returns, averaged)) break;
    }
    return averaged;
  }

  /// Mean reciprocal rank on moments [begin, end) for each blend; a kept negative stands for `weight` of them.
  [[nodiscard]] std::vector<double> mrr(const member& m, std::size_t begin, std::span<const double> blends) const {
    std::vector<double> sums(blends.size(), 0.0);
    double returns = 0;
    batch b;
    std::vector<std::size_t> chunk;
    for (std::size_t first = begin; first < moments_->size(); first += options_->batch) {
      chunk.resize(std::min(options_->batch, moments_->size() - first));
      std::iota(chunk.begin(), chunk.end(), first);
      gather(chunk, b);
      b.logit.resize(1, b.x.cols());
      m.network.predict(b.x, b.logit, b.memory);
      b.logit += m.linear.transpose() * b.x;
      returns += b.returns;
      for (std::size_t i = 0; i < blends.size(); ++i) sums[i] += reciprocal_ranks(b, static_cast<float>(blends[i]));
    }
    for (double& s : sums) s /= returns;
    return sums;
  }

 private:
  struct batch {
    std::vector<std::size_t> moments;
    std::vector<Eigen::Index> first;  // column of each moment, and the end
    Eigen::MatrixXf x;                // (inputs, columns)
    Eigen::RowVectorXf base;          // (columns)
    Eigen::MatrixXf logit, gradient;  // (1, columns)
    double returns = 0;
    mlp_workspace<float> memory;
  };

  void gather(std::span<const std::size_t> chosen, batch& b) const {
    b.moments.assign(chosen.begin(), chosen.end());
    b.first.assign(1, 0);
    b.returns = 0;
    for (const std::size_t i : chosen) {
      b.first.push_back(b.first.back() + (*moments_)[i].values.cols());
      b.returns += static_cast<double>((*moments_)[i].returned);
    }
    b.x.resize(inputs(), b.first.back());
    b.base.resize(b.first.back());
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const return_samples::moment& m = (*moments_)[chosen[i]];
      auto columns = b.x.middleCols(b.first[i], m.values.cols());
      columns.topRows(features_) = m.values;
      columns.bottomRows(own_) = m.values.topRows(own_).colwise() - m.mean.head(own_);
      b.base.segment(b.first[i], m.values.cols()) = (*base_)[chosen[i]].transpose();
    }
  }

  /// Sum of −ln P over the returns of the batch, and its gradient by the logits.
  double softmax(batch& b) const {
    b.gradient.resize(1, b.x.cols());
    double loss = 0;
    for (std::size_t i = 0; i < b.moments.size(); ++i) {
      const return_samples::moment& m = (*moments_)[b.moments[i]];
      loss += return_loss(b.logit.row(0).segment(b.first[i], m.values.cols()), m.returned, m.weight,
                          b.gradient.row(0).segment(b.first[i], m.values.cols()));
    }
    return loss;
  }

  [[nodiscard]] double reciprocal_ranks(const batch& b, float blend) const {
    double sum = 0;
    for (std::size_t i = 0; i < b.moments.size(); ++i) {
      const return_samples::moment& m = (*moments_)[b.moments[i]];
      const Eigen::RowVectorXf score =
          b.base.segment(b.first[i], m.values.cols()) + blend * b.logit.row(0).segment(b.first[i], m.values.cols());
      for (Eigen::Index j = 0; j < m.returned; ++j) {
        double rank = 1;
        const bool scored = !std::isnan(score[j]);  // NaN is above nothing, and must not count as first for that
        for (Eigen::Index c = 0; c < score.size(); ++c) {
          const double weight = c < m.returned ? 1.0 : m.weight;
          if (c != j) rank += !scored || score[c] > score[j] ? weight : score[c] == score[j] ? weight / 2 : 0.0;
        }
        sum += 1 / rank;
      }
    }
    return sum;
  }

  const std::deque<return_samples::moment>* moments_;
  const std::vector<Eigen::VectorXf>* base_;
  Eigen::Index own_;
  const Options* options_;
  Eigen::Index features_ = 0;
};

/// Turns raw features into standardised ones in place and returns (mean, scale).
inline std::pair<Eigen::VectorXf, Eigen::VectorXf> standardise(std::deque<return_samples::moment>& moments) {
  const Eigen::Index features = moments.front().values.rows();
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(features);
  Eigen::VectorXd square = Eigen::VectorXd::Zero(features);
  double count = 0;
  for (const auto& m : moments) {
    sum += m.values.cast<double>().rowwise().sum();
    count += static_cast<double>(m.values.cols());
  }
  const Eigen::VectorXd mean = sum / count;
  for (const auto& m : moments)
    square += (m.values.cast<double>().colwise() - mean).array().square().matrix().rowwise().sum();
  const Eigen::ArrayXd deviation = (square / count).array().sqrt();
  std::pair<Eigen::VectorXf, Eigen::VectorXf> out(mean.cast<float>(),
                                                  (deviation > 1e-6).select(deviation, 1.0).cast<float>());
  const Eigen::ArrayXf inverse = out.second.array().inverse();
  for (auto& m : moments) {
    m.values = ((m.values.array().colwise() - out.first.array()).colwise() * inverse)
                   .max(-return_network::clip)
                   .min(return_network::clip)
                   .matrix();
    m.mean = ((m.mean - out.first).array() * inverse).matrix();
  }
  return out;
}

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_RETURN_MEMBER_TRAINER_HPP
