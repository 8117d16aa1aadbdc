// SPDX-License-Identifier: MIT
#ifndef EBB_LOSS_HPP
#define EBB_LOSS_HPP

#include "ebb/detail/shape.hpp"
#include "ebb/time.hpp"

#include <cmath>
#include <cstddef>
#include <iterator>
#include <span>

#include <Eigen/Core>

namespace ebb {

namespace detail {

template <class Expression>
using plain_matrix = Eigen::Matrix<typename Expression::Scalar, Eigen::Dynamic, Eigen::Dynamic>;

inline void require_like(const shape& output, const shape& other, const char* where, const char* rule) {
  require(output.rows > 0 && output.cols > 0, where, "output must not be empty", output);
  require(other == output, where, rule, other);
}

/// Calls act(a, b, to) with the entries of three matrices of one shape as flat arrays: all of them where no columns stand
/// apart, else those of a column at a time. Eigen makes vectors along columns alone, so that it would take a network's one
/// row of outputs number by number.
template <class T, class Act>
void for_each_stretch(const Eigen::Ref<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>& a,
                      const Eigen::Ref<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>& b,
                      Eigen::Ref<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>> to, Act act) {
  using flat = Eigen::Array<T, Eigen::Dynamic, 1>;
  const bool whole = a.outerStride() == a.rows() && b.outerStride() == b.rows() && to.outerStride() == to.rows();
  const Eigen::Index size = whole ? a.size() : a.rows();
  for (Eigen::Index j = 0; j < (whole ? 1 : a.cols()); ++j)
    act(Eigen::Map<const flat>(a.data() + j * a.outerStride(), size),
        Eigen::Map<const flat>(b.data() + j * b.outerStride(), size),
        Eigen::Map<flat>(to.data() + j * to.outerStride(), size));
}

}  // namespace detail

/// The mean squared error, and its gradient by the outputs.
///
///   loss = mean (output − target)²        gradient = 2 (output − target) / (number of entries)
///
/// output, target, gradient: one shape, (outputs, batch).   Range: >= 0; NaN and infinity pass through.
/// Errors: std::invalid_argument when the shapes differ or are empty.
template <class Output>
double squared_loss(const Eigen::MatrixBase<Output>& output,
                    const Eigen::Ref<const detail::plain_matrix<Output>>& target,
                    Eigen::Ref<detail::plain_matrix<Output>> gradient) {
  detail::require_like(detail::shape(output), detail::shape(target), "squared_loss", "target must be like output");
  detail::require_like(detail::shape(output), detail::shape(gradient), "squared_loss", "gradient must be like output");
  using scalar = typename Output::Scalar;
  const double entries = static_cast<double>(output.size());
  double sum = 0.0;
  detail::for_each_stretch<scalar>(output.derived(), target, gradient, [&](const auto& z, const auto& y, auto to) {
    to = z - y;
    sum += static_cast<double>(to.square().sum());
    to *= static_cast<scalar>(2.0 / entries);
  });
  return sum / entries;
}

/// The mean binary cross-entropy of σ(logit) against a probability, and its gradient by the logits.
///
///   loss = mean −y ln σ(z) − (1 − y) ln(1 − σ(z)) = mean max(z, 0) − z y + ln(1 + e^(−|z|))
///   gradient = (σ(z) − y) / (number of entries)
///
/// logit, target (y in [0, 1]), gradient: one shape, (outputs, batch).   Range: >= 0, finite for every finite float logit, and
/// for doubles whose sum is.
/// Errors: std::invalid_argument when the shapes differ or are empty.
template <class Output>
double logistic_loss(const Eigen::MatrixBase<Output>& logit,
                     const Eigen::Ref<const detail::plain_matrix<Output>>& target,
                     Eigen::Ref<detail::plain_matrix<Output>> gradient) {
  using scalar = typename Output::Scalar;
  detail::require_like(detail::shape(logit), detail::shape(target), "logistic_loss", "target must be like logit");
  detail::require_like(detail::shape(logit), detail::shape(gradient), "logistic_loss", "gradient must be like logit");
  const double entries = static_cast<double>(logit.size());
  double sum = 0.0;
  detail::for_each_stretch<scalar>(logit.derived(), target, gradient, [&](const auto& z, const auto& y, auto to) {
    to = (-z.abs()).exp();  // e^(−|z|), in (0, 1]
    // Added up in double: a few float logits of 1e38 are more than a float holds.
    sum += (z.max(scalar(0)) - z * y + to.log1p()).template cast<double>().sum();
    to = (z >= scalar(0)).select(scalar(1), to) / (scalar(1) + to);
    to = (to - y) * static_cast<scalar>(1.0 / entries);
  });
  return sum / entries;
}

namespace detail {

/// Checks a listwise batch and writes logit + correction into `score`, the later gradient.
template <class Output>
void listwise_scores(const Eigen::MatrixBase<Output>& logit, std::span<const Eigen::Index> offsets,
                     std::span<const typename Output::Scalar> correction, Eigen::Ref<plain_matrix<Output>> score) {
  constexpr const char* where = "listwise_loss";
  require(logit.rows() == 1 && logit.cols() > 0, where, "logit must be (1, batch)", shape(logit));
  require(shape(score) == shape(logit), where, "gradient must be like logit", shape(score));
  require(correction.empty() || std::ssize(correction) == logit.cols(), where,
          "correction must be empty or one per candidate, entries", correction.size());
  require(offsets.size() >= 2 && offsets.front() == 0 && offsets.back() == logit.cols(), where,
          "offsets must run from 0 to the batch, last", offsets.empty() ? -1 : offsets.back());
  for (std::size_t g = 1; g < offsets.size(); ++g)
    require(offsets[g - 1] <= offsets[g], where, "offsets must not decrease", offsets[g]);
  score = logit;
  if (!correction.empty())
    score +=
        Eigen::Map<const Eigen::Matrix<typename Output::Scalar, 1, Eigen::Dynamic>>(correction.data(), score.cols());
}

/// Turns scores less their maximum into e^score and returns the sum, >= 1.
template <class Scores>
double exponentiate(Scores& score) {
  score = score.array().exp();
  return static_cast<double>(score.sum());
}

}  // namespace detail

/// Listwise softmax cross-entropy: one softmax per group of candidates, averaged over the target weight.
///
///   s_j = logit_j + correction_j        p_j = e^(s_j) / Σ_(k in j's group) e^(s_k)
///   loss = −Σ_j target_j ln p_j / Σ_j target_j
///   gradient_j = (p_j Σ_(k in j's group) target_k − target_j) / Σ_k target_k
///
/// Group g holds the columns offsets[g] … offsets[g + 1] − 1: one more offset than groups, from 0 up to the batch.
/// `correction` is empty or one per candidate: ln(1 / (share kept)) for a negative kept from a sample, −∞ for a candidate
/// to leave out (its target must be 0). Groups of one, and groups without a target, have no gradient.
///
/// logit, gradient: (1, batch).   Range: >= 0, finite for every finite float logit, and for doubles
/// whose differences are.   O(batch), no allocation.
/// Errors: std::invalid_argument for shapes or offsets that do not fit, a target < 0, or no target > 0.
/// Source: Z. Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007 (top one);
///         Y. Bengio, J.-S. Senécal, Adaptive importance sampling to accelerate training of a neural probabilistic
///         language model, IEEE TNN 19(4), 2008 (the correction).
template <class Output>
double listwise_loss(const Eigen::MatrixBase<Output>& logit, std::span<const Eigen::Index> offsets,
                     std::span<const typename Output::Scalar> target, Eigen::Ref<detail::plain_matrix<Output>> gradient,
                     std::span<const typename Output::Scalar> correction = {}) {
  using scalar = typename Output::Scalar;
  detail::listwise_scores(logit, offsets, correction, gradient);
  detail::require(std::ssize(target) == logit.cols(), "listwise_loss", "target must be one per candidate, entries",
                  target.size());
  double total = 0.0;
  for (const scalar t : target) {
    detail::require(t >= scalar(0), "listwise_loss", "every target must be >= 0", t);
    total += static_cast<double>(t);
  }
  detail::require(total > 0.0 && std::isfinite(total), "listwise_loss", "the targets' sum must be finite and > 0",
                  total);

  double loss = 0.0;
  for (std::size_t g = 0; g + 1 < offsets.size(); ++g) {
    const Eigen::Index first = offsets[g], size = offsets[g + 1] - first;
    const Eigen::Map<const Eigen::Matrix<scalar, 1, Eigen::Dynamic>> weight(target.data() + first, size);
    Eigen::Block<Eigen::Ref<detail::plain_matrix<Output>>> score = gradient.block(0, first, 1, size);
    const double weights = static_cast<double>(weight.sum());
    if (weights == 0.0) {
      score.setZero();
      continue;
    }
    const scalar top = score.maxCoeff();
    for (Eigen::Index j = 0; j < size; ++j)  // not a dot product: 0 · (−∞) would be NaN
      if (weight[j] > scalar(0))
        loss += static_cast<double>(weight[j]) * (static_cast<double>(top) - static_cast<double>(score(0, j)));
    score.array() -= top;
    const double sum = detail::exponentiate(score);
    loss += weights * std::log(sum);
    score = score * static_cast<scalar>(weights / (sum * total)) - weight * static_cast<scalar>(1.0 / total);
  }
  return loss / total;
}

/// `listwise_loss` where one candidate of each group was chosen: chosen[g] is its column in the batch; loss is the mean
/// of −ln p over the groups.
///
/// Errors: std::invalid_argument also unless there is one chosen column per group, inside it.
template <class Output>
double listwise_loss(const Eigen::MatrixBase<Output>& logit, std::span<const Eigen::Index> offsets,
                     std::span<const Eigen::Index> chosen, Eigen::Ref<detail::plain_matrix<Output>> gradient,
                     std::span<const typename Output::Scalar> correction = {}) {
  using scalar = typename Output::Scalar;
  detail::listwise_scores(logit, offsets, correction, gradient);
  detail::require(chosen.size() + 1 == offsets.size(), "listwise_loss", "chosen must be one per group, entries",
                  chosen.size());
  const double groups = static_cast<double>(chosen.size());
  double loss = 0.0;
  for (std::size_t g = 0; g < chosen.size(); ++g) {
    const Eigen::Index first = offsets[g], size = offsets[g + 1] - first, at = chosen[g] - first;
    detail::require(at >= 0 && at < size, "listwise_loss", "chosen must lie inside its group", chosen[g]);
    Eigen::Block<Eigen::Ref<detail::plain_matrix<Output>>> score = gradient.block(0, first, 1, size);
    const scalar top = score.maxCoeff();
    loss += static_cast<double>(top) - static_cast<double>(score(0, at));
    score.array() -= top;
    const double sum = detail::exponentiate(score);
    loss += std::log(sum);
    score *= static_cast<scalar>(1.0 / (sum * groups));
    score(0, at) -= static_cast<scalar>(1.0 / groups);
  }
  return loss / groups;
}

}  // namespace ebb

#endif  // EBB_LOSS_HPP
