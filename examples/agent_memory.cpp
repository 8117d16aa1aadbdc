// SPDX-License-Identifier: MIT
// Which of its memories should an assistant recall now?
//
// Score = ln(relevance weight · decayed use · importance): a product, told as a sum. Each forming and each recall of a memory is a use. The need for
// a memory falls as a power of the time since its uses (Anderson and Schooler, Reflections of the environment in memory, Psychological
// Science 2, 1991; exponent 0.5 in ACT-R), so recalling it monthly keeps it for years. Generative agents (Park et al., UIST 2023) let it
// fall by 0.995 an hour since the last recall alone: a half-life of 5.8 days. Both are read here from one and the same state.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ebb/decay.hpp>
#include <ebb/explanation.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/ranker.hpp>
#include <ebb/readings.hpp>
#include <ebb/store_terms.hpp>
#include <map>
#include <string>
#include <vector>

struct memory {
  std::vector<double> embedding;  // from the host's model, of length 1: here food, work, family
  double importance;              // 1 to 10, as the host's model judged
};

int main() {
  using namespace std::chrono;
  using store_type = ebb::interest_store<std::string, std::string>;
  const std::map<std::string, memory> memories = {{"is allergic to peanuts", {{0.98, 0.0, 0.2}, 10}},
                                                  {"ate soup on Monday", {{1.0, 0.0, 0.0}, 1}},
                                                  {"likes ramen", {{1.0, 0.0, 0.0}, 4}},
                                                  {"report is due on Friday", {{0.0, 1.0, 0.0}, 8}},
                                                  {"sister lives in Oslo", {{0.1, 0.0, 0.995}, 6}},
                                                  {"the printer was out of paper", {{0.0, 1.0, 0.0}, 1}}};
  const sys_days monday = year(2026) / November / 23;

  std::vector<ebb::duration> half_lives;  // 138 h, and by fours from eight minutes to sixteen years
  for (int k = -5; k <= 5; ++k) half_lives.push_back(hours(138) * std::pow(4.0, k));
  const ebb::timescales bank(half_lives);
  const auto power = ebb::fit_reading(bank, ebb::power_law_decay<double>(hours(1), {0.5}), years(10));
  const auto exponential = ebb::reading::lane(bank, 5);
  store_type store({.lanes = bank, .heat = false});
  for (int month = 1; month <= 12; ++month) store.observe("user", "is allergic to peanuts", monday - days(30 * month));
  for (const int day : {60, 45, 44}) store.observe("user", "likes ramen", monday - days(day));
  store.observe("user", "sister lives in Oslo", monday - days(90));
  store.observe("user", "ate soup on Monday", monday + hours(12));
  for (const int day : {6, 3, 1}) store.observe("user", "report is due on Friday", monday - days(day));
  store.observe("user", "the printer was out of paper", monday - days(2));

  const std::vector<double> dinner = {1.0, 0.0, 0.0};  // "What shall I cook?"
  const auto relevance = [&](const std::string&, const std::string& item, ebb::time_point) {
    double cosine = 0;
    for (std::size_t d = 0; d < dinner.size(); ++d) cosine += dinner[d] * memories.at(item).embedding[d];
    return 5 * cosine;  // e^5 between what is to the point and what is not
  };
  const auto importance = [&](const std::string&, const std::string& item, ebb::time_point) {
    return std::log(memories.at(item).importance);
  };
  const auto ranker_with = [&](const ebb::reading& use) {
    ebb::ranker<store_type> ranker;
    ranker
        .add(ebb::interest_term(use, "use"), {.scale = ebb::normalisation::logarithmic(1e-3)})  // nearly ln use
        .add(ebb::function_term("relevance", relevance))
        .add(ebb::function_term("importance", importance));
    return ranker;
  };
  std::vector<std::string> all;
  for (const auto& [text, m] : memories) all.push_back(text);

  const auto now = monday + days(2);
  std::printf("power law (to %.1f %%)\n", 100 * power.max_relative_error);
  const auto recalled = ranker_with(power.reading).rank(store, "user", now, all, {.k = 3});
  for (const auto& r : recalled) std::printf("  %s\n", ebb::one_line(r).c_str());
  std::printf("5.8 days\n");
  for (const auto& r : ranker_with(exponential).rank(store, "user", now, all, {.k = 3}))
    std::printf("  %s\n", ebb::one_line(r).c_str());

  for (const auto& r : recalled) store.observe("user", r.item, now);  // to recall is to use
  const double strength = store.interest("user", "likes ramen", power.reading, now + days(30));
  std::printf("ramen in a month: %.3f\n", strength);
}
