// SPDX-License-Identifier: MIT
// What should play next, and would another way of choosing have been watched for longer?
//
// A video keeps drawing viewers for weeks (Szabo and Huberman, Predicting the popularity of online content, CACM 53, 2010: a story on Digg is over
// in a day, a video on YouTube still gathers views after ten), and the share watched says more than the click. So showings and minutes
// watched are counted with a half-life of two weeks, what is little known is tried (Thompson sampling), a set that covers the
// viewer's tastes is picked by a determinantal process, and the log with its propensities judges a rival without showing it to anyone.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ebb/dpp.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/list_measures.hpp>
#include <ebb/off_policy.hpp>
#include <ebb/random.hpp>
#include <ebb/thompson_sampling.hpp>
#include <vector>

using namespace std::chrono;

int main() {
  const sys_days monday = year(2026) / November / 23;
  constexpr int videos = 40;
  ebb::random_engine random(4);
  std::vector<Eigen::Vector4d> embedding;
  std::vector<double> appeal;  // the share that is watched on average: what nobody knows
  for (int v = 0; v < videos; ++v) {
    Eigen::Vector4d e = Eigen::Vector4d::Zero();
    e(v % 4) = 1;
    for (int d = 0; d < 4; ++d) e(d) += 0.1 * random.normal();
    embedding.push_back(e.normalized());
    appeal.push_back(0.05 + (v % 4 == 0 ? 0.9 : 0.7) * std::pow(random.uniform(), 3));  // few are very good
  }

  const ebb::timescales bank{days(14)};
  const ebb::reading how(days(14));
  ebb::interest_store<int, int> watched({.lanes = bank, .heat = false});  // one viewer of a kind each
  ebb::interest_store<int, int> shown({.lanes = bank, .heat = false});
  const auto beliefs_at = [&](ebb::time_point now) {
    std::vector<ebb::belief> beliefs;
    for (int v = 0; v < videos; ++v) {
      const double shows = shown.interest(0, v, how, now);
      beliefs.push_back(ebb::rate_belief(std::min(watched.interest(0, v, how, now), shows), shows, 0.25, 4));
    }
    return beliefs;
  };

  // A month, forty showings a day of one video each. After two weeks the log is kept, to judge a rival: mostly the highest mean.
  std::vector<ebb::logged_showing> log;
  const ebb::epsilon_greedy rival(0.3);
  double first_week = 0, last_week = 0, rival_truth = 0;
  for (int i = 0; i < 40 * 28; ++i) {
    const auto now = monday + minutes(36 * i);
    const auto beliefs = beliefs_at(now);
    const auto list = ebb::thompson_sampling().draw(beliefs, 1, random());
    const std::size_t v = list.picks[0].index;
    const double share = random.uniform() < appeal[v] ? 0.5 + 0.5 * random.uniform() : 0.0;
    if (i >= 40 * 14) {
      std::vector<double> means;
      for (const auto& b : beliefs) means.push_back(b.mean);
      log.push_back({share, list.log_propensity, rival.log_propensity(means, std::vector<std::size_t>{v})});
      for (std::size_t other = 0; other < videos; ++other)
        rival_truth += std::exp(rival.log_propensity(means, std::vector<std::size_t>{other})) * 0.75 * appeal[other];
    }
    shown.observe(0, int(v), now);
    watched.observe(0, int(v), now, share);
    first_week += i < 40 * 7 ? share : 0;
    last_week += i >= 40 * 21 ? share : 0;
  }
  std::printf("share watched: first week %.2f, last week %.2f\n", first_week / 280, last_week / 280);
  const auto judged = ebb::self_normalised_inverse_propensity(log);
  std::printf("the rival, never shown: %.2f +- %.2f; in truth %.2f\n", judged.value, judged.standard_error,
              rival_truth / double(log.size()));

  std::vector<double> means;
  for (const auto& b : beliefs_at(monday + days(28))) means.push_back(b.mean);
  const auto cosine = [&](std::size_t a, std::size_t b) { return a == b ? 1.0 : embedding[a].dot(embedding[b]); };
  for (const double relevance : {1.0, 0.5}) {
    std::vector<std::size_t> row;
    double score = 0;
    for (const auto& pick : ebb::greedy_dpp(means, {.k = 4, .relevance = relevance}, cosine)) {
      row.push_back(pick.index);
      score += means[pick.index] / 4;
    }
    std::printf("relevance %.1f: mean share %.2f, diversity %.2f\n", relevance, score,
                ebb::intra_list_diversity(std::span<const std::size_t>(row), cosine));
  }
}
