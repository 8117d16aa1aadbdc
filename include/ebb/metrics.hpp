// SPDX-License-Identifier: MIT
#ifndef EBB_METRICS_HPP
#define EBB_METRICS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "ebb/random.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// The rank of candidate `truth` by falling score, ties broken by one draw r in [0, 1).
///
///   rank = 1 + #(scored above it) + floor(r · #(tied with it, itself included))
///
/// Range:  1 … scores.size(). Infinite scores are fine.   Complexity: O(n).
/// Errors: std::invalid_argument unless truth < scores.size() and 0 <= r < 1; std::domain_error when a score is not a number.
[[nodiscard]] inline std::size_t rank_of(std::span<const double> scores, std::size_t truth, double r) {
  detail::require(truth < scores.size(), "rank_of", "truth must be one of the candidates", truth);
  detail::require(r >= 0 && r < 1, "rank_of", "r must be in [0, 1)", r);
  std::size_t above = 0;
  std::size_t tied = 0;
  for (const double score : scores) {
    if (std::isnan(score)) throw std::domain_error("ebb::rank_of: a score must be a number, got nan");
    above += score > scores[truth];
    tied += score == scores[truth];
  }
  return 1 + above + static_cast<std::size_t>(r * static_cast<double>(tied));
}

/// NDCG@k of a single relevant item at `rank`: 1 / log2(1 + rank) up to rank k, 0 below. Range: [0, 1].
[[nodiscard]] inline double ndcg_of_rank(std::size_t rank, std::size_t k) {
  return rank <= k ? 1.0 / std::log2(1.0 + static_cast<double>(rank)) : 0.0;
}

/// NDCG@k of a recommended list: hits[j] says whether place j + 1 is relevant, `relevant` how many items are.
///
///   Σ_j hits[j] / log2(j + 2)  over  Σ_{j < min(k, relevant)} 1 / log2(j + 2)
///
/// Range:  [0, 1]; 0 when nothing is relevant.
[[nodiscard]] inline double ndcg_of_hits(const std::vector<bool>& hits, std::size_t relevant, std::size_t k) {
  double gain = 0;
  double ideal = 0;
  for (std::size_t j = 0; j < k; ++j) {
    const double discount = 1.0 / std::log2(static_cast<double>(j) + 2.0);
    if (j < hits.size() && hits[j]) gain += discount;
    if (j < relevant) ideal += discount;
  }
  return relevant == 0 ? 0.0 : gain / ideal;
}

/// Recall@k of a recommended list: the share of the relevant items among its first k places. Range: [0, 1]; 0 when nothing is relevant.
[[nodiscard]] inline double recall_of_hits(const std::vector<bool>& hits, std::size_t relevant, std::size_t k) {
  const auto end = hits.begin() + static_cast<std::ptrdiff_t>(std::min(k, hits.size()));
  return relevant == 0 ? 0.0 : static_cast<double>(std::count(hits.begin(), end, true)) / static_cast<double>(relevant);
}

/// Means over the queries of the repeat task; all in [0, 1], 0 when there are none.
struct repeat_metrics {
  double mrr = 0;            ///< mean of 1 / rank
  double hit1 = 0;           ///< share of queries with rank 1
  double hit10 = 0;          ///< share of queries with rank <= 10
  double ndcg10 = 0;         ///< mean NDCG@10
  double mrr_user_mean = 0;  ///< mean over users of each user's own MRR
};

/// The metrics of `ranks`, where query q was asked for user number users[q] (any dense-ish numbers).
///
/// Errors: std::invalid_argument unless the two are equally long and every rank is >= 1.
[[nodiscard]] inline repeat_metrics summarize(std::span<const std::size_t> ranks,
                                              std::span<const std::uint32_t> users) {
  detail::require(ranks.size() == users.size(), "summarize", "there must be one user a rank", users.size());
  struct mean {
    double sum = 0;
    double count = 0;
  };
  repeat_metrics out;
  if (ranks.empty()) return out;
  std::vector<mean> of_user(std::size_t{1} + *std::max_element(users.begin(), users.end()));
  for (std::size_t q = 0; q < ranks.size(); ++q) {
    detail::require(ranks[q] >= 1, "summarize", "a rank must be >= 1", ranks[q]);
    const double reciprocal = 1.0 / static_cast<double>(ranks[q]);
    out.mrr += reciprocal;
    out.hit1 += ranks[q] == 1;
    out.hit10 += ranks[q] <= 10;
    out.ndcg10 += ndcg_of_rank(ranks[q], 10);
    of_user[users[q]].sum += reciprocal;
    of_user[users[q]].count += 1;
  }
  const auto n = static_cast<double>(ranks.size());
  out.mrr /= n;
  out.hit1 /= n;
  out.hit10 /= n;
  out.ndcg10 /= n;
  double asked = 0;
  for (const mean& user : of_user)
    if (user.count > 0) {
      out.mrr_user_mean += user.sum / user.count;
      asked += 1;
    }
  out.mrr_user_mean /= asked;
  return out;
}

/// A difference of means and its 95 % interval.
struct difference {
  double diff = 0;
  double lo = 0;
  double hi = 0;
};

/// Paired bootstrap over users of the difference mean(a) − mean(b) of two measurements of the same queries.
///
/// Users are drawn with replacement, as many as there are, and bring all their queries with them: queries of one user are not
/// independent. diff is the difference in the data itself; lo and hi are the 2.5 % and 97.5 % quantiles of `draws` draws.
/// Complexity: O(queries + draws · users).
/// Errors: std::invalid_argument unless a, b and users are equally long and draws > 0. No queries: all zero.
/// Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13.
[[nodiscard]] inline difference paired_bootstrap(std::span<const double> a, std::span<const double> b,
                                                 std::span<const std::uint32_t> users, std::uint64_t seed,
                                                 int draws = 2000) {
  detail::require(a.size() == b.size() && a.size() == users.size(), "paired_bootstrap",
                  "a, b and users must be equally long", users.size());
  detail::require(draws > 0, "paired_bootstrap", "draws must be > 0", draws);
  if (a.empty()) return {};
  struct total {
    double sum = 0;
    double count = 0;
  };
  std::vector<total> of_user(std::size_t{1} + *std::max_element(users.begin(), users.end()));
  total all;
  for (std::size_t q = 0; q < a.size(); ++q) {
    of_user[users[q]].sum += a[q] - b[q];
    of_user[users[q]].count += 1;
    all.sum += a[q] - b[q];
    all.count += 1;
  }
  std::erase_if(of_user, [](const total& user) { return user.count == 0; });

  random_engine random(seed);
  std::vector<double> drawn;
  for (int draw = 0; draw < draws; ++draw) {
    total sample;
    for (std::size_t n = 0; n < of_user.size(); ++n) {
      const total& user = of_user[random.below(of_user.size())];
      sample.sum += user.sum;
      sample.count += user.count;
    }
    drawn.push_back(sample.sum / sample.count);
  }
  std::sort(drawn.begin(), drawn.end());
  const auto quantile = [&](double share) {
    const double place = share * static_cast<double>(drawn.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t next = std::min(below + 1, drawn.size() - 1);
    return drawn[below] + (place - static_cast<double>(below)) * (drawn[next] - drawn[below]);
  };
  return {all.sum / all.count, quantile(0.025), quantile(0.975)};
}

}  // namespace ebb

#endif  // EBB_METRICS_HPP
