// SPDX-License-Identifier: MIT
// What should be shown to a user known well, one who has just begun, and one never seen, and why each item?
#include <chrono>
#include <cstdio>
#include <ebb/ebb.hpp>
#include <map>
#include <string>
#include <vector>

int main() {
  using namespace std::chrono;
  const sys_days monday = year(2026) / November / 23;
  const std::map<std::string, std::string> kind = {{"tea", "drink"},  {"coffee", "drink"}, {"cocoa", "drink"},
                                                   {"jazz", "music"}, {"blues", "music"},  {"yoga", "sport"}};

  const ebb::timescales bank{days(2), days(16), days(128)};
  const auto interest = ebb::reading::inverse_half_life(bank);  // fast at first, with a long tail
  const ebb::reading slow = ebb::reading::lane(bank, 2);        // popularity and taste change slowly
  using store_type = ebb::interest_store<std::string, std::string>;
  store_type store({.lanes = bank});
  for (int day = 0; day < 20; ++day) store.observe("ann", day % 3 == 0 ? "blues" : "jazz", monday + days(day));
  store.observe("bob", "yoga", monday + days(19));
  const std::vector<std::string> by_popularity = {"tea", "coffee", "cocoa", "yoga", "jazz"};
  for (std::size_t user = 0; user < 40; ++user)
    for (std::size_t i = 0; i < by_popularity.size(); ++i)
      if (user % (i + 1) == 0)
        store.observe("user " + std::to_string(user), by_popularity[i], monday + days(user % 20));

  // What is popular, and what is like one's own things, counts the less the more events a user has.
  ebb::ranker<store_type> ranker({.prior_strength = 5});
  ranker.add(ebb::interest_term(interest), {.scale = ebb::normalisation::by_largest(), .role = ebb::term_role::own})
      .add(ebb::heat_term(slow),
           {.weight = 0.5, .scale = ebb::normalisation::by_largest(), .role = ebb::term_role::prior})
      .add(ebb::tag_term(slow, [&](const std::string& item) { return std::vector{kind.at(item)}; }),
           {.weight = 0.4, .role = ebb::term_role::prior});

  const auto now = monday + days(20);
  const auto popular = ebb::hottest_items(store, 6, slow, now);  // for everybody; each adds their own
  ebb::random_engine seeds(7);                                   // one for each list
  for (const char* const user : {"ann", "bob", "zoe"}) {
    const auto ranked = ranker.rank(store, user, now, ebb::with_own_items(store, user, popular));
    std::vector<double> scores;
    for (const auto& r : ranked) scores.push_back(r.score);
    // Never more than two of a kind, and now and then another order, whose probability is known.
    const auto category = [&](std::size_t i) { return kind.at(ranked[i].item); };
    const auto list =
        ebb::diversify(scores, {.k = 4, .relevance = 1, .per_category = 2, .temperature = 0.05, .seed = seeds()},
                       ebb::no_similarity{}, category);
    std::printf("%s (ln propensity %.2f)\n", user, list.log_propensity);
    for (const auto& pick : list.picks) {
      const auto& shown = ranked[pick.index];
      std::printf("  %-6s %.3f =", shown.item.c_str(), shown.score);
      for (const auto& part : shown.why) std::printf(" %s %.3f", part.term.c_str(), part.amount);
      std::printf("\n");
    }
  }
}
