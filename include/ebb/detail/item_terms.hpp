// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ITEM_TERMS_HPP
#define EBB_DETAIL_ITEM_TERMS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ebb/event_log.hpp"

namespace ebb::detail {

/// What items are about: each item's terms (tags, or the words of its title) with weights of norm 1, rare terms heavier.
///
///   weight(term) ∝ ln(1 + items / (1 + items with the term))
///
/// Source: K. Spärck Jones, A statistical interpretation of term specificity, J. Documentation 28(1), 1972.
class item_terms {
 public:
  struct term {
    std::uint32_t id;
    float weight;
  };

  /// Terms by number, one list an item; a number twice in a list counts once. Only items that are `known` count for rarity.
  item_terms(std::vector<std::vector<std::uint32_t>> lists, std::size_t vocabulary, const std::vector<bool>& known)
      : terms_(lists.size()), vocabulary_(vocabulary) {
    std::vector<double> items_with(vocabulary, 0.0);
    double items = 0;
    for (std::size_t i = 0; i < lists.size(); ++i) {
      std::sort(lists[i].begin(), lists[i].end());
      lists[i].erase(std::unique(lists[i].begin(), lists[i].end()), lists[i].end());
      if (i >= known.size() || !known[i]) continue;
      ++items;
      for (const std::uint32_t id : lists[i]) ++items_with[id];
    }
    for (std::size_t i = 0; i < lists.size(); ++i) {
      double squares = 0;
      for (const std::uint32_t id : lists[i]) {
        const double weight = std::log1p(items / (1 + items_with[id]));
        squares += weight * weight;
        terms_[i].push_back({id, static_cast<float>(weight)});
      }
      for (term& t : terms_[i]) t.weight /= static_cast<float>(std::sqrt(squares) + 1e-12);
    }
  }

  [[nodiscard]] static item_terms of_tags(const item_catalogue& catalogue, const std::vector<bool>& known) {
    return {catalogue.tags, catalogue.tag_names.size(), known};
  }

  /// Words are runs of letters and digits, ASCII letters in lower case; bytes past ASCII count as letters.
  [[nodiscard]] static item_terms of_titles(const item_catalogue& catalogue, const std::vector<bool>& known) {
    ebb::name_table words;
    std::vector<std::vector<std::uint32_t>> lists(catalogue.titles.size());
    for (std::size_t i = 0; i < lists.size(); ++i) {
      std::string word;
      for (const char c : catalogue.titles[i] + " ") {
        const bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80) {
          word += upper ? static_cast<char>(c - 'A' + 'a') : c;
        } else if (!word.empty()) {
          lists[i].push_back(words.intern(word));
          word.clear();
        }
      }
    }
    return {std::move(lists), words.size(), known};
  }

  [[nodiscard]] std::size_t vocabulary() const noexcept { return vocabulary_; }

  /// Adds `amount` of the item's terms to a profile of `vocabulary()` entries.
  void add_to(std::vector<float>& profile, item_id item, float amount) const {
    if (item < terms_.size())
      for (const term& t : terms_[item]) profile[t.id] += amount * t.weight;
  }

  /// The item's terms · profile; 0 for an item without terms.
  [[nodiscard]] float match(const std::vector<float>& profile, item_id item) const {
    float sum = 0;
    if (item < terms_.size())
      for (const term& t : terms_[item]) sum += profile[t.id] * t.weight;
    return sum;
  }

 private:
  std::vector<std::vector<term>> terms_;
  std::size_t vocabulary_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ITEM_TERMS_HPP
