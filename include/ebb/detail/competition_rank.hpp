// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_COMPETITION_RANK_HPP
#define EBB_DETAIL_COMPETITION_RANK_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ebb::detail {

/// Ranks by falling key, 1 first; equal keys share a rank ("1, 2, 2, 4").
class competition_rank {
 public:
  /// ranks[i] = 1 + how many keys are larger than keys[i]; ties[i] = how many equal it, itself included.
  ///
  /// Complexity: O(n) where the keys lie close together, such as counts, else O(n log n).
  void operator()(const std::vector<std::int64_t>& keys, float* ranks, float* ties) {
    if (keys.empty()) return;
    const auto [least, most] = std::minmax_element(keys.begin(), keys.end());
    const std::uint64_t range = static_cast<std::uint64_t>(*most) - static_cast<std::uint64_t>(*least);
    if (range < close)
      by_counting(keys, *most, static_cast<std::size_t>(range), ranks, ties);
    else
      by_sorting(keys, ranks, ties);
  }

 private:
  static constexpr std::uint64_t close = 1024;

  void by_counting(const std::vector<std::int64_t>& keys, std::int64_t most, std::size_t range, float* ranks,
                   float* ties) {
    const auto place = [&](std::int64_t key) { return static_cast<std::size_t>(most - key); };
    with_key_.assign(range + 1, 0);
    before_.resize(range + 1);
    for (const std::int64_t key : keys) ++with_key_[place(key)];
    std::uint32_t before = 0;
    for (std::size_t b = 0; b <= range; ++b) {
      before_[b] = before;
      before += with_key_[b];
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ranks[i] = static_cast<float>(before_[place(keys[i])] + 1);
      ties[i] = static_cast<float>(with_key_[place(keys[i])]);
    }
  }

  void by_sorting(const std::vector<std::int64_t>& keys, float* ranks, float* ties) {
    order_.resize(keys.size());
    for (std::uint32_t i = 0; i < order_.size(); ++i) order_[i] = {~keys[i], i};  // ~ turns the order of integers round
    std::sort(order_.begin(), order_.end());
    for (std::size_t r = 0, end = 0; r < order_.size(); r = end) {
      while (end < order_.size() && order_[end].first == order_[r].first) ++end;
      for (std::size_t j = r; j < end; ++j) {
        ranks[order_[j].second] = static_cast<float>(r + 1);
        ties[order_[j].second] = static_cast<float>(end - r);
      }
    }
  }

  std::vector<std::uint32_t> with_key_, before_;
  std::vector<std::pair<std::int64_t, std::uint32_t>> order_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_COMPETITION_RANK_HPP
