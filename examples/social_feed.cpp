// SPDX-License-Identifier: MIT
// What should a feed show from the people one follows, and from those they follow?
//
// A post lives for hours (half of a link's clicks come within 2.8 h on Twitter, 3.2 h on Facebook: bitly 2011, over a thousand links),
// a relation for months. So an author's weight is read slowly and the post's own age quickly, friends count by what they liked today, and
// what was scrolled past three times sinks. Down the list an author counts half each time again and never stands twice in a row.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ebb/decay.hpp>
#include <ebb/diversity.hpp>
#include <ebb/explanation.hpp>
#include <ebb/host_terms.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/ranker.hpp>
#include <ebb/store_terms.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono;

int main() {
  const sys_days monday = year(2026) / November / 23;
  const auto now = monday + hours(20);
  // Who follows whom; ann's own circle is close to bea, less so to cas, and dan is new to her.
  const std::map<std::string, std::vector<std::string>> friends = {{"ann", {"bea", "cas"}}, {"bea", {"ann", "dan"}}};
  struct post {
    std::string author;
    hours age;
  };
  const std::map<std::string, post> posts = {{"bea 1", {"bea", hours(1)}},  {"bea 2", {"bea", hours(2)}},
                                             {"bea 3", {"bea", hours(3)}},  {"cas 1", {"cas", hours(2)}},
                                             {"cas 2", {"cas", hours(30)}}, {"dan 1", {"dan", hours(4)}},
                                             {"eve 1", {"eve", hours(1)}},  {"eve 2", {"eve", hours(5)}}};

  // One store of relations (user, author), one of what was done to posts, one of what was shown.
  const ebb::timescales bank{hours(3), days(1), days(60)};
  const auto day = ebb::reading::lane(bank, 1);
  using store_type = ebb::interest_store<std::string, std::string>;
  store_type authors({.lanes = bank, .heat = false});
  store_type liked({.lanes = bank});
  store_type shown({.lanes = bank, .heat = false});
  ebb::random_engine random(1);
  for (int d = 1; d < 90; ++d) {  // likes come in bursts: most on few days
    const double mood = std::exp(random.normal());
    for (int n = 0; n < int(3 * mood); ++n) authors.observe("ann", "bea", monday - days(d), 0.5);
    if (random.uniform() < 0.3 * mood) authors.observe("ann", "cas", monday - days(d), 0.5);
  }
  for (const char* const user : {"bea", "cas"}) liked.observe(user, "dan 1", now - hours(1), 0.5);
  for (int i = 0; i < 30; ++i) liked.observe("user " + std::to_string(i), "eve 1", now - minutes(i), 0.5);
  for (int i = 1; i <= 3; ++i) shown.observe("ann", "bea 2", now - minutes(10 * i));

  const auto affinity = [&](const std::string& user, const std::string& item, ebb::time_point at) {
    return authors.interest(user, posts.at(item).author, ebb::reading::lane(bank, 2), at);
  };
  const auto published = [&](const std::string& item) {
    return std::optional<ebb::time_point>(now - posts.at(item).age);
  };
  const auto friends_of = [&](const std::string& user) {
    const auto at = friends.find(user);
    return at == friends.end() ? std::vector<std::string>() : at->second;
  };
  ebb::ranker<store_type> ranker;
  ranker.add(ebb::function_term("author", affinity), {.scale = ebb::normalisation::saturating(60)})
      .add(ebb::freshness_term(ebb::exponential_decay<double>(hours(3)), published))
      .add(ebb::friends_term(day, friends_of), {.weight = 0.5, .scale = ebb::normalisation::saturating()})
      .add(ebb::heat_term(ebb::reading::lane(bank, 0)), {.weight = 0.3, .scale = ebb::normalisation::by_largest()})
      .add(ebb::fatigue_term(shown, day, day, {.expected_rate = 0.2}), {.weight = 0.5});

  std::vector<std::string> candidates;
  for (const auto& [name, p] : posts) candidates.push_back(name);
  for (const char* const user : {"ann", "zoe"}) {
    const auto ranked = ranker.rank(liked, user, now, candidates);
    std::vector<double> scores;
    for (const auto& r : ranked) scores.push_back(r.score);
    const auto author = [&](std::size_t i) { return posts.at(ranked[i].item).author; };
    const auto feed =
        ebb::diversify(scores, {.k = 5, .relevance = 1, .repeat_decay = 0.5, .apart = 1}, ebb::no_similarity{}, author);
    std::printf("%s\n", user);
    for (const auto& pick : feed.picks) std::printf("  %s\n", ebb::one_line(ranked[pick.index]).c_str());
  }
}
