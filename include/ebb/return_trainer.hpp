// SPDX-License-Identifier: MIT
#ifndef EBB_RETURN_TRAINER_HPP
#define EBB_RETURN_TRAINER_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <future>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/return_base.hpp"
#include "ebb/detail/return_member_trainer.hpp"
#include "ebb/return_network.hpp"
#include "ebb/return_samples.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

namespace ebb {

/// Learns a `return_network` from moments of return.
///
/// First the reading: π and β by L-BFGS on the listwise likelihood, π drawn towards 1/h. On top of it, starting at nothing, the networks:
/// minibatches of AdamW on a softmax over each moment's candidates, the weights averaged over the steps. The number of epochs and the
/// blend λ ∈ {0, ¼, ½, ¾, 1} are those with the best mean reciprocal rank on the newest part of the moments; then all members are trained on
/// everything. What keeps it from losing to plain decay where there is nothing to learn: the reading stays a decay function, the
/// networks only add to it, and λ = 0 is always among the choices.
/// Deterministic: the same moments and options give the same bytes on one kind of processor, however many threads.
/// Cost: O(epochs · members · candidates · parameters) time.
/// Errors: std::invalid_argument when the moments' shapes do not fit `lanes` and `candidate_features`, or an option is out of range;
///         std::domain_error when the loss stops being finite.
/// Source: Z. Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007.
template <std::same_as<return_trainer_options> Options = return_trainer_options>
[[nodiscard]] return_network train_return_network(return_samples samples, const timescales& lanes,
                                                  return_feature_set features, Eigen::Index candidate_features,
                                                  const std::type_identity_t<Options>& options = {}) {
  constexpr const char* where = "train_return_network";
  detail::require(options.members >= 1 && options.members <= 64, where, "members must be in [1, 64]", options.members);
  detail::require(options.epochs >= 1, where, "epochs must be >= 1", options.epochs);
  detail::require(options.batch >= 1, where, "batch must be >= 1", options.batch);
  detail::require(options.threads >= 1, where, "threads must be >= 1", options.threads);
  detail::require(options.prior >= 0, where, "prior must be >= 0", options.prior);
  detail::require(options.validation_share > 0 && options.validation_share < 1, where,
                  "validation_share must be in (0, 1)", options.validation_share);
  auto& moments = samples.moments();
  const reading start = reading::inverse_half_life(lanes);
  return_network out{.lanes = lanes, .features = features, .weights = {start.weights().begin(), start.weights().end()}};
  if (moments.empty()) return out;
  detail::require(samples.lanes() == lanes.size(), where, "the moments must be of these lanes", samples.lanes());
  detail::require(candidate_features >= 0 && candidate_features <= samples.features(), where,
                  "candidate_features must be at most the number of features", candidate_features);
  std::tie(out.weights, out.sharpness) = detail::fit_return_base(moments, start, options.prior);
  out.candidate_features = candidate_features;
  std::tie(out.mean, out.scale) = detail::standardise(moments);
  if (moments.size() < std::max<std::size_t>(options.fewest_moments, 2))
    return out;  // one to learn from, one to choose on

  std::vector<Eigen::VectorXf> base;
  for (auto& m : moments) {
    base.push_back(detail::return_base_scores(m, out.weights, out.sharpness));
    m.log_lanes.resize(0, 0);
  }
  const detail::return_member_trainer trainer(moments, base, candidate_features, options);
  const auto report = [&](const return_epoch& e) {
    if (options.on_epoch) options.on_epoch(e);
  };

  const auto share = static_cast<std::size_t>(static_cast<double>(moments.size()) * (1 - options.validation_share));
  const std::size_t learned = std::clamp<std::size_t>(share, 1, moments.size() - 1);
  int best_epoch = 1;
  double best = -1;
  std::optional<return_network::member> chosen;
  static_cast<void>(trainer.train(learned, options.epochs, options.seed,
                                  [&](int epoch, double loss, const return_network::member& m) {
                                    const double one[] = {1.0};
                                    const double mrr = trainer.mrr(m, learned, one)[0];
                                    report({0, epoch, options.epochs, loss, mrr});
                                    if (mrr > best) {
                                      best = mrr;
                                      best_epoch = epoch;
                                      chosen = m;
                                    }
                                    return epoch - best_epoch < options.patience;
                                  }));
  constexpr double blends[] = {0.0, 0.25, 0.5, 0.75, 1.0};
  if (!chosen) return out;
  const std::vector<double> by_blend = trainer.mrr(*chosen, learned, blends);
  out.blend = blends[std::max_element(by_blend.begin(), by_blend.end()) - by_blend.begin()];
  if (out.blend == 0) return out;

  std::vector<std::future<return_network::member>> running;
  std::mutex reporting;
  for (int i = 0; i < options.members; ++i) {
    if (static_cast<int>(out.members.size()) + options.threads <= i)
      out.members.push_back(running[out.members.size()].get());
    running.push_back(std::async(options.threads > 1 ? std::launch::async : std::launch::deferred, [&, i] {
      return trainer.train(moments.size(), best_epoch, options.seed + static_cast<std::uint64_t>(i),
                           [&](int epoch, double loss, const return_network::member&) {
                             const std::lock_guard lock(reporting);
                             report({i + 1, epoch, best_epoch, loss, std::nullopt});
                             return true;
                           });
    }));
  }
  while (out.members.size() < running.size()) out.members.push_back(running[out.members.size()].get());
  return out;
}

}  // namespace ebb

#endif  // EBB_RETURN_TRAINER_HPP
