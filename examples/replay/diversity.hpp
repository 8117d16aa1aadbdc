// SPDX-License-Identifier: MIT
// What variety costs: the best model's recommendations, diversified from not at all to wholly, and measured.
#ifndef EBB_EXAMPLES_REPLAY_DIVERSITY_HPP
#define EBB_EXAMPLES_REPLAY_DIVERSITY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "ebb/diversity.hpp"
#include "ebb/event_log.hpp"
#include "ebb/list_measures.hpp"
#include "ebb/metrics.hpp"
#include "ebb/next_task.hpp"
#include "text.hpp"

namespace replay {

/// How alike two items are, in [0, 1]: by their tags where the catalogue has any, else by the users who had both in training.
class item_likeness {
 public:
  explicit item_likeness(const ebb::next_history& history)
      : by_tags_(history.catalogue != nullptr && history.catalogue->tag_names.size() > 0), sets_(history.items) {
    if (by_tags_) {
      sets_ = history.catalogue->tags;
    } else {
      for (const ebb::logged_event& event : history.events) sets_[event.item].push_back(event.user);
    }
    for (std::vector<std::uint32_t>& set : sets_) {
      std::sort(set.begin(), set.end());
      set.erase(std::unique(set.begin(), set.end()), set.end());
    }
  }

  [[nodiscard]] std::string name() const { return by_tags_ ? "tags" : "the users who had both"; }

  /// The cosine of the two sets: |a ∩ b| / √(|a| |b|).
  [[nodiscard]] double operator()(ebb::item_id a, ebb::item_id b) const {
    const auto& x = sets_[a];
    const auto& y = sets_[b];
    if (x.empty() || y.empty()) return 0;
    std::vector<std::uint32_t> both;
    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(both));
    return static_cast<double>(both.size()) / std::sqrt(static_cast<double>(x.size()) * static_cast<double>(y.size()));
  }

  /// The share of all users who had the item in training, of which there is at least one.
  [[nodiscard]] static std::vector<double> shares(const ebb::next_history& history) {
    std::vector<double> share(history.items, 0);
    const std::vector<std::size_t> first = ebb::first_of_pair(history.events);
    for (std::size_t i = 0; i < first.size(); ++i)
      if (first[i] == i) share[history.events[i].item] += 1 / static_cast<double>(history.users);
    for (double& s : share) s = std::min(s, 1.0);
    return share;
  }

 private:
  bool by_tags_;
  std::vector<std::vector<std::uint32_t>> sets_;
};

/// One row of the table: how the lists were made, and what they are worth on the mean of the users asked about.
struct diversity_row {
  double relevance;  // λ
  double ndcg10 = 0;
  double recall10 = 0;
  double serendipity = 0;
  double intra_list = 0;
  double novelty = 0;  // bits
  double coverage = 0;
  double gini = 0;
};

/// Recommends by `model` with MMR over the 100 best new items of each user, for λ = 1, 0.9 … 0.
inline std::vector<diversity_row> measure_diversity(const ebb::next_task& task, ebb::next_model& model,
                                                    const item_likeness& like) {
  constexpr std::size_t pool_size = 100;
  const ebb::next_history history = task.history();
  const std::size_t places = history.options.places;
  const std::vector<double> share = item_likeness::shares(history);
  std::vector<diversity_row> rows;
  for (int tenths = 10; tenths >= 0; --tenths) rows.push_back({.relevance = tenths / 10.0});
  std::vector<std::vector<std::vector<ebb::item_id>>> lists(rows.size());
  std::vector<double> scores(history.candidates.size());
  std::vector<double> score_of(history.items);
  std::vector<double> frequency(history.candidates.size());
  for (std::size_t k = 0; k < frequency.size(); ++k) frequency[k] = -static_cast<double>(k);
  for (const ebb::next_query& query : task.queries()) {
    model.score(query.user, history.candidates, scores);
    for (std::size_t k = 0; k < scores.size(); ++k) score_of[history.candidates[k]] = scores[k];
    const auto pool = ebb::best_new_items(history.candidates, scores, task.had(query.user), pool_size);
    auto popular = ebb::best_new_items(history.candidates, frequency, task.had(query.user), places);
    std::sort(popular.begin(), popular.end());
    std::vector<double> pool_scores;
    for (const ebb::item_id item : pool) pool_scores.push_back(score_of[item]);
    Eigen::MatrixXd alike(pool.size(), pool.size());
    for (std::size_t a = 0; a < pool.size(); ++a)
      for (std::size_t b = 0; b <= a; ++b)
        alike(Eigen::Index(a), Eigen::Index(b)) = alike(Eigen::Index(b), Eigen::Index(a)) = like(pool[a], pool[b]);
    const auto similarity = [&](std::size_t a, std::size_t b) { return alike(Eigen::Index(a), Eigen::Index(b)); };
    const auto relevant = [&](ebb::item_id item) {
      return std::binary_search(query.taken_up.begin(), query.taken_up.end(), item);
    };
    const auto expected = [&](ebb::item_id item) { return std::binary_search(popular.begin(), popular.end(), item); };
    for (std::size_t r = 0; r < rows.size(); ++r) {
      diversity_row& row = rows[r];
      const auto picks = ebb::diversify(pool_scores, {.k = places, .relevance = row.relevance}, similarity).picks;
      std::vector<ebb::item_id> list;
      std::vector<std::size_t> indices;
      std::vector<bool> hits;
      for (const ebb::diverse_pick& pick : picks) {
        indices.push_back(pick.index);
        list.push_back(pool[pick.index]);
        hits.push_back(relevant(list.back()));
      }
      row.ndcg10 += ebb::ndcg_of_hits(hits, query.taken_up.size(), places);
      row.recall10 += ebb::recall_of_hits(hits, query.taken_up.size(), places);
      row.serendipity += ebb::serendipity<ebb::item_id>(list, relevant, expected);
      row.intra_list += ebb::intra_list_diversity<std::size_t>(indices, similarity);
      row.novelty += ebb::list_novelty<ebb::item_id>(list, [&](ebb::item_id item) { return share[item]; });
      lists[r].push_back(std::move(list));
    }
  }
  if (task.queries().empty()) return rows;
  const auto users = static_cast<double>(task.queries().size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    diversity_row& row = rows[r];
    for (double* mean : {&row.ndcg10, &row.recall10, &row.serendipity, &row.intra_list, &row.novelty}) *mean /= users;
    row.coverage = ebb::catalogue_coverage<ebb::item_id>(lists[r], history.candidates.size());
    std::vector<double> shown(history.items, 0);
    for (const auto& list : lists[r])
      for (const ebb::item_id item : list) ++shown[item];
    std::vector<double> shown_candidates;
    for (const ebb::item_id item : history.candidates) shown_candidates.push_back(shown[item]);
    row.gini = ebb::gini_index(shown_candidates);
  }
  return rows;
}

inline void print_diversity(const std::vector<diversity_row>& rows, const std::string& model,
                            const item_likeness& like) {
  std::cout << "\naccuracy against diversity: " << model << ", its 100 best new items diversified by MMR; alike by "
            << like.name() << '\n'
            << "  λ     ndcg10  recall10  intra-list  novelty bits  serendipity  coverage    gini\n";
  for (const diversity_row& row : rows)
    std::cout << "  " << left(fixed(row.relevance, 1), 4) << right(fixed(row.ndcg10, 4), 8)
              << right(fixed(row.recall10, 4), 10) << right(fixed(row.intra_list, 3), 12)
              << right(fixed(row.novelty, 2), 14) << right(fixed(row.serendipity, 4), 13)
              << right(fixed(row.coverage, 4), 10) << right(fixed(row.gini, 3), 8) << '\n';
}

inline nlohmann::ordered_json to_json(const std::vector<diversity_row>& rows) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const diversity_row& row : rows)
    out.push_back({{"relevance", row.relevance},
                   {"ndcg10", row.ndcg10},
                   {"recall10", row.recall10},
                   {"intra_list_diversity", row.intra_list},
                   {"novelty_bits", row.novelty},
                   {"serendipity", row.serendipity},
                   {"coverage", row.coverage},
                   {"gini", row.gini}});
  return out;
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_DIVERSITY_HPP
