// SPDX-License-Identifier: MIT
// What should a shop put in front of somebody who is looking for a thing, and of somebody who is only back?
//
// Two speeds at once. An intent is over within days, a taste lasts for seasons: both are readings of one state, the quick one in hours, the slow
// one in months. What behaviour says goes by what it costs (view 0.1 … purchase 1). What lasts is not bought twice, what is used up is,
// when its rhythm comes round. What is out of stock is a rule, not a score; a shelf of the shop's own has a quota.
#include <chrono>
#include <cstdio>
#include <ebb/behaviour.hpp>
#include <ebb/candidates.hpp>
#include <ebb/constraints.hpp>
#include <ebb/content_terms.hpp>
#include <ebb/diversity.hpp>
#include <ebb/explanation.hpp>
#include <ebb/falls_below.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/ranker.hpp>
#include <ebb/store_terms.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono;
using names = std::vector<std::string>;

int main() {
  const sys_days monday = year(2026) / November / 23;
  const std::map<std::string, std::string> shelf = {
      {"tent", "camping"},   {"stove", "camping"},  {"lantern", "camping"}, {"coffee beans", "coffee"},
      {"filters", "coffee"}, {"grinder", "coffee"}, {"kettle", "coffee"},   {"novel", "books"},
      {"atlas", "books"},    {"cookbook", "books"}, {"gift card", "own"},   {"tote bag", "own"}};
  const std::set<std::string> used_up = {"coffee beans", "filters"};

  const ebb::timescales bank{hours(12), days(14), days(120)};
  const auto intent = ebb::reading::lane(bank, 0);
  const auto taste = ebb::reading::lane(bank, 2);
  using store_type = ebb::interest_store<std::string, std::string>;
  store_type store({.lanes = bank, .rhythms = {{days(28), 2}}});
  const ebb::behaviour_model behaviour;
  std::map<std::string, std::set<std::string>> bought;
  const auto did = [&](const std::string& user, const std::string& what, const std::string& item, ebb::time_point at) {
    store.observe(user, item, at, behaviour(what).interest);
    if (what == "purchase") bought[user].insert(item);
  };

  // Others: popularity falls off steeply, as sales do. Ann buys beans and filters every four weeks, and last bought a grinder.
  ebb::random_engine random(1);
  names all;
  for (const auto& [item, s] : shelf) all.push_back(item);
  for (int i = 0; i < 2000; ++i) {
    const auto place = static_cast<std::size_t>(double(all.size()) * random.uniform() * random.uniform());
    const auto user = "user " + std::to_string(random.below(300));  // one draw a line: arguments have no order
    const char* what = random.below(10) == 0 ? "purchase" : "view";
    did(user, what, all[place], monday - minutes(random.below(60 * 24 * 60)));
  }
  for (int month = 1; month <= 6; ++month)
    for (const auto& item : used_up) did("ann", "purchase", item, monday - days(28 * month));
  did("ann", "purchase", "grinder", monday - days(40));
  const auto evening = monday + hours(20);
  for (int i = 0; i < 4; ++i) did("ann", "view", "tent", evening - minutes(20 - i));
  did("ann", "cart", "tent", evening - minutes(10));

  const auto due = [&](const std::string& user, const std::string& item, ebb::time_point at) {
    if (!used_up.contains(item)) return 0.0;
    const auto fit = store.rhythm(user, item, 0, at);
    return fit.match * fit.strength;  // 1: always at this time of the four weeks
  };
  ebb::ranker<store_type> ranker({.prior_strength = 10, .evidence = taste});
  ranker.add(ebb::interest_term(intent, "looking for"), {.scale = ebb::normalisation::saturating(0.5)})
      .add(ebb::function_term("due again", due), {.weight = 0.8})
      .add(ebb::tag_term(
               taste, [&](const std::string& i) { return names{shelf.at(i)}; }, 1, "taste"),
           {.weight = 0.5})
      .add(ebb::heat_term(ebb::reading::lane(bank, 1)),
           {.weight = 0.5, .scale = ebb::normalisation::by_largest(), .role = ebb::term_role::prior});

  const auto show = [&](const std::string& user, ebb::time_point now) {
    ebb::candidate_rules<std::string> rules{.denied = {"kettle"}};  // out of stock
    for (const auto& item : bought[user])
      if (!used_up.contains(item)) rules.denied.insert(item);
    const auto ranked = ranker.rank(store, user, now, ebb::permitted(store, user, now, all, rules).items, {.k = 12});
    std::vector<double> scores;
    for (const auto& r : ranked) scores.push_back(r.score);
    const auto on_shelf = [&](std::size_t i) { return shelf.at(ranked[i].item); };
    const auto quota = [](const std::string& s) { return std::size_t(s == "own" ? 1 : 0); };
    const auto page =
        ebb::diversify(scores, {.k = 5, .relevance = 1, .per_category = 3}, ebb::no_similarity{}, on_shelf, quota);
    std::printf("%s\n", user.c_str());
    for (const auto& pick : page.picks) std::printf("  %s\n", ebb::one_line(ranked[pick.index]).c_str());
  };
  show("ann", evening);
  show("ann", monday + days(14));
  show("zoe", evening);
  const auto over = ebb::falls_below(store, "ann", "tent", intent, evening, 0.1);
  std::printf("the tent is looked for until %s from now\n", ebb::in_words(*over - evening).c_str());
}
