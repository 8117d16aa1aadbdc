// SPDX-License-Identifier: MIT
#ifndef EBB_LIST_MEASURES_HPP
#define EBB_LIST_MEASURES_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <unordered_set>
#include <vector>

#include "ebb/time.hpp"

// What a recommended list is worth beyond being right: how various, how far from what everybody knows, how surprising; and of many lists,
// how much of the catalogue they show and how evenly.

namespace ebb {

/// Intra-list diversity: the mean of 1 − similarity over all pairs of the list.
///
/// Range: [0, 1] for similarities in [0, 1]; 0 for fewer than two items.   Complexity: O(k²) similarities.
/// Errors: std::invalid_argument when a similarity is not finite.
/// Source: Smyth and McClave, Similarity vs. diversity, ICCBR 2001; Ziegler, McNee, Konstan and Lausen, Improving recommendation lists through
///         topic diversification, WWW 2005, have the sum of the similarities.
template <class Item, class Similarity>
[[nodiscard]] double intra_list_diversity(std::span<const Item> list, const Similarity& similarity) {
  if (list.size() < 2) return 0;
  double sum = 0;
  for (std::size_t a = 1; a < list.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      const double s = similarity(list[a], list[b]);
      detail::require(std::isfinite(s), "intra_list_diversity", "a similarity must be finite", s);
      sum += 1 - s;
    }
  return sum / (static_cast<double>(list.size()) * static_cast<double>(list.size() - 1) / 2);
}

/// Novelty: the mean of −log2 p(item), in bits; an item that half of all users know adds 1, one that everybody knows 0.
///
/// `share_of(item)` → p, the share of users who know it, in (0, 1]; give an item nobody knows the share of less than one user.
/// Range: >= 0; 0 for an empty list.   Errors: std::invalid_argument for a share outside (0, 1].
/// Source: Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 107(10), 2010.
template <class Item, class ShareOf>
[[nodiscard]] double list_novelty(std::span<const Item> list, const ShareOf& share_of) {
  double bits = 0;
  for (const Item& item : list) {
    const double share = share_of(item);
    detail::require(share > 0 && share <= 1, "list_novelty", "a share must be in (0, 1]", share);
    bits -= std::log2(share);
  }
  return list.empty() ? 0.0 : bits / static_cast<double>(list.size());
}

/// Serendipity: the share of the list that is relevant and that a plain recommender, such as popularity, would not have shown.
///
/// `relevant(item)`, `expected(item)` → bool.   Range: [0, 1]; 0 for an empty list.
/// Source: Ge, Delgado-Battenfeld and Jannach, Beyond accuracy: evaluating recommender systems by coverage and serendipity, RecSys 2010.
template <class Item, class Relevant, class Expected>
[[nodiscard]] double serendipity(std::span<const Item> list, const Relevant& relevant, const Expected& expected) {
  std::size_t found = 0;
  for (const Item& item : list) found += relevant(item) && !expected(item) ? 1 : 0;
  return list.empty() ? 0.0 : static_cast<double>(found) / static_cast<double>(list.size());
}

/// Catalogue coverage: the share of `catalogue` items that stand in any of the lists.
///
/// Range: [0, 1].   Errors: std::invalid_argument when the lists show more items than the catalogue has, or it has none.
/// Source: as `serendipity`.
template <class Item>
[[nodiscard]] double catalogue_coverage(std::span<const std::vector<Item>> lists, std::size_t catalogue) {
  std::unordered_set<Item> shown;
  for (const std::vector<Item>& list : lists) shown.insert(list.begin(), list.end());
  detail::require(catalogue > 0 && shown.size() <= catalogue, "catalogue_coverage",
                  "the catalogue must have all items shown, and one at least", catalogue);
  return static_cast<double>(shown.size()) / static_cast<double>(catalogue);
}

/// Gini index of how often each item was shown: 0 when all equally often, (n − 1)/n when it was always the same one.
///
///   Σ_j (2j − n − 1) x_j / (n Σ x),   x sorted upwards, j from 1
///
/// Items never shown count: give them as 0.   Range: [0, 1); 0 where nothing was shown.   Complexity: O(n log n).
/// Errors: std::invalid_argument for an amount that is negative or not finite.   Source: Gini, Variabilità e mutabilità, 1912.
[[nodiscard]] inline double gini_index(std::span<const double> shown) {
  std::vector<double> sorted(shown.begin(), shown.end());
  for (const double x : sorted)
    detail::require(std::isfinite(x) && x >= 0, "gini_index", "an amount must be finite and >= 0", x);
  std::sort(sorted.begin(), sorted.end());
  const double largest = sorted.empty() ? 0.0 : sorted.back();
  if (largest == 0) return 0;
  const auto n = static_cast<double>(sorted.size());
  double sum = 0;  // in units of the largest, so that it cannot overflow
  double weighted = 0;
  for (std::size_t j = 0; j < sorted.size(); ++j) {
    const double share = sorted[j] / largest;
    sum += share;
    weighted += (2 * static_cast<double>(j + 1) - n - 1) * share;
  }
  return weighted / n / sum;
}

}  // namespace ebb

#endif  // EBB_LIST_MEASURES_HPP
