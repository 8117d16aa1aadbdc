// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_TUNING_HPP
#define EBB_DETAIL_TUNING_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <vector>

#include <Eigen/Core>

#include "ebb/detail/slot_lanes.hpp"
#include "ebb/replay.hpp"
#include "ebb/time.hpp"

namespace ebb::detail {

/// From the first to the last event of a window, from one hour to 25 years: four times that is still a half-life.
[[nodiscard]] inline duration span_of(const replay_window& window) {
  const auto events = window.events();
  const duration span = events.empty() ? duration(0) : duration(events.back().time - events.front().time);
  return std::clamp<duration>(span, std::chrono::hours(1), std::chrono::years(25));
}

/// `count` lengths of time from `first` to `last`, each the same multiple of the one before.
[[nodiscard]] inline std::vector<duration> log_grid(duration first, duration last, int count) {
  std::vector<duration> grid;
  for (int k = 0; k < count; ++k) grid.push_back(first * std::pow(last / first, k / (count - 1.0)));
  return grid;
}

/// Streams the window through `lanes` and calls `visit(lanes' log2 (K, candidates), truth)` at its queries.
///
/// When they have more than `most` candidates together, it is every second query, every third … evenly, until they have not.
template <class Visit>
void visit_queries(const replay_window& window, slot_lanes& lanes, std::size_t most, Visit visit) {
  std::size_t candidates = 0;
  for (const repeat_query& query : window.queries()) candidates += query.candidates;
  const std::size_t stride = candidates / most + 1;
  Eigen::ArrayXXd levels;
  std::size_t n = 0;
  lanes.reset(window.users());
  window.stream(
      [&](const repeat_query& query, const repeat_question& question) {
        if (n++ % stride != 0) return;
        lanes.log2_at(question.user, question.now, levels);
        visit(levels, static_cast<Eigen::Index>(query.truth));
      },
      [&](const logged_event& event, std::size_t slot) { lanes.observe(event, slot); });
}

/// The MRR that each row of scores reaches over many queries; a tie counts as its middle place.
class grid_mrr {
 public:
  explicit grid_mrr(Eigen::Index rows) : sum_(Eigen::ArrayXd::Zero(rows)) {}

  /// scores: (rows, candidates).
  void add(const Eigen::ArrayXXd& scores, Eigen::Index truth) {
    above_.setZero(scores.rows());
    tied_.setZero(scores.rows());
    for (Eigen::Index c = 0; c < scores.cols(); ++c) {
      above_ += (scores.col(c) > scores.col(truth)).cast<double>();
      tied_ += (scores.col(c) == scores.col(truth)).cast<double>();
    }
    sum_ += 1.0 / (1.0 + above_ + (0.5 * tied_).floor());
    any_ = true;
  }

  /// The best row; the middle one when nothing was added.
  [[nodiscard]] std::size_t best() const {
    Eigen::Index row = sum_.size() / 2;
    if (any_) sum_.maxCoeff(&row);
    return static_cast<std::size_t>(row);
  }

  /// Where between the rows next to the best one the parabola through the three has its top: in [-1/2, 1/2], 0 at the best row itself.
  [[nodiscard]] double offset() const {
    const auto row = static_cast<Eigen::Index>(best());
    if (row == 0 || row + 1 == sum_.size()) return 0;
    const double left = sum_[row] - sum_[row - 1];
    const double right = sum_[row] - sum_[row + 1];
    return left + right > 0 ? 0.5 * (left - right) / (left + right) : 0.0;
  }

 private:
  Eigen::ArrayXd sum_;  // (rows)
  Eigen::ArrayXd above_;
  Eigen::ArrayXd tied_;
  bool any_ = false;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_TUNING_HPP
