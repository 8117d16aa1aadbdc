// SPDX-License-Identifier: MIT
// One user's top items, and why they are there.
#ifndef EBB_EXAMPLES_REPLAY_REASONS_HPP
#define EBB_EXAMPLES_REPLAY_REASONS_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ebb/decay.hpp"
#include "ebb/event_log.hpp"
#include "ebb/explanation.hpp"
#include "ebb/next_task.hpp"
#include "ebb/replay.hpp"
#include "input.hpp"
#include "text.hpp"

namespace replay {

/// The user asked for, or else the one with the most events.
inline ebb::user_id pick_user(const ebb::event_log& log, const std::string& name) {
  if (!name.empty()) {
    const auto user = log.users().find(name);
    if (!user) throw usage_error("--user: there is no user \"" + name + "\" in the log");
    return *user;
  }
  std::vector<std::size_t> events(log.users().size(), 0);
  for (const ebb::logged_event& event : log.events()) ++events[event.user];
  return static_cast<ebb::user_id>(std::max_element(events.begin(), events.end()) - events.begin());
}

inline std::string label_of(const input& in, ebb::item_id item) {
  std::string label = in.log.items()[item];
  if (!in.catalogue) return label;
  if (!in.catalogue->titles[item].empty()) label += " \"" + in.catalogue->titles[item] + "\"";
  for (const std::uint32_t tag : in.catalogue->tags[item]) label += " #" + in.catalogue->tag_names[tag];
  return label;
}

/// Indices of the `count` highest scores, highest first, ties in order.
inline std::vector<std::size_t> highest(const std::vector<double>& scores, std::size_t count) {
  std::vector<std::size_t> order(scores.size());
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(count, order.size()));
  return order;
}

/// What the log says of one user's use of one item: how often, and event by event what is left of it.
inline std::string history_of(const input& in, ebb::user_id user, ebb::item_id item, ebb::time_point now,
                              ebb::duration half_life) {
  const ebb::exponential_decay<double> decay(half_life);
  std::vector<ebb::past_event> uses;
  double whole = 0;
  for (const ebb::logged_event& event : in.log.events()) {
    if (event.user != user || event.time >= now) continue;
    whole += decay(now - event.time);
    if (event.item == item) uses.push_back({in.log.behaviours()[event.behaviour], event.time});
  }
  const ebb::explained_interest why = ebb::explain_interest(uses, decay, now);
  const double share = whole > 0 ? 100 * why.interest / whole : 0;
  return "last used " + length_of(now - uses.back().time) + " ago, used " + grouped(uses.size()) +
         (uses.size() == 1 ? " time" : " times") + ", decayed interest (" + fixed(share, 1) + " % of the user's) " +
         ebb::one_line(why, 2);
}

/// Prints what `model`, which has seen the whole log, would offer the user to come back to in the second behind the log.
inline void print_returns(const input& in, const ebb::repeat_task& task, ebb::repeat_model& model, ebb::user_id user,
                          std::size_t top, ebb::duration half_life) {
  const ebb::repeat_question question = task.at_end(user);
  std::vector<double> scores(question.candidates.size());
  model.score(question, scores);
  std::cout << "\nuser " << in.log.users()[user] << " at " << iso(question.now) << ", by " << model.name()
            << " (interest below: half-life " << length_of(half_life) << ")\n";
  std::size_t place = 0;
  for (const std::size_t k : highest(scores, top))
    std::cout << right(std::to_string(++place), 3) << ". " << label_of(in, question.candidates[k]) << ": score "
              << fixed(scores[k], 3) << "; " << history_of(in, user, question.candidates[k], question.now, half_life)
              << '\n';
}

/// Who else used the item, and how many of them share an item with the user.
inline std::string company_of(const ebb::next_history& history, ebb::user_id user, ebb::item_id item,
                              std::span<const ebb::item_id> had, ebb::duration half_life) {
  std::set<ebb::user_id> users;
  std::set<ebb::user_id> kin;
  double heat = 0;
  for (const ebb::logged_event& event : history.events) {
    if (event.user != user && std::binary_search(had.begin(), had.end(), event.item)) kin.insert(event.user);
    if (event.item != item) continue;
    users.insert(event.user);
    heat += std::exp2(-(ebb::duration(history.now - event.time) / half_life));
  }
  const auto shared =
      std::count_if(users.begin(), users.end(), [&](ebb::user_id other) { return kin.count(other) > 0; });
  return "used by " + grouped(users.size()) + " others, " + grouped(static_cast<std::size_t>(shared)) +
         " of whom share an item with the user; decayed popularity " + short_number(heat);
}

/// Prints what new items the fitted `model` would recommend to the user at the end of training.
inline void print_recommendations(const input& in, const ebb::next_task& task, ebb::next_model& model,
                                  ebb::user_id user, std::size_t top, ebb::duration half_life) {
  const ebb::next_history history = task.history();
  std::vector<double> scores(history.candidates.size());
  model.score(user, history.candidates, scores);
  const auto had = task.had(user);
  std::cout << "\nuser " << in.log.users()[user] << " at " << iso(history.now) << ", by " << model.name()
            << " (popularity below: half-life " << length_of(half_life) << ")\n";
  std::size_t place = 0;
  for (const ebb::item_id item : ebb::best_new_items(history.candidates, scores, had, top)) {
    const auto k = static_cast<std::size_t>(std::find(history.candidates.begin(), history.candidates.end(), item) -
                                            history.candidates.begin());
    std::cout << right(std::to_string(++place), 3) << ". " << label_of(in, item) << ": score "
              << short_number(scores[k]) << "; " << company_of(history, user, item, had, half_life) << '\n';
  }
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_REASONS_HPP
