// SPDX-License-Identifier: MIT
// What should stand on a news reader's front page this hour?
//
// Attention to a story halves within hours: 69 minutes on Digg (Wu and Huberman, Novelty and collective attention, PNAS 104, 2007), 36 hours
// for the pages of a portal (Dezső et al., Dynamics of information access on the web, Phys. Rev. E 73, 2006); what people care for lasts months.
// So: freshness and heat in hours, topics in months, nothing twice, one piece a story, and now and then something else, its propensity
// written down. The program measures which half-life of heat tells best what is read next.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ebb/candidates.hpp>
#include <ebb/content_terms.hpp>
#include <ebb/decay.hpp>
#include <ebb/diversity.hpp>
#include <ebb/host_terms.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/ranker.hpp>
#include <ebb/store_terms.hpp>
#include <optional>
#include <vector>

using namespace std::chrono;
using store_type = ebb::interest_store<int, int>;

struct article {
  int topic, story;
  ebb::time_point published;
};

int main() {
  const sys_days monday = year(2026) / November / 23;
  const ebb::timescales bank{hours(3), hours(36), days(60)};
  const ebb::reading quick = ebb::reading::lane(bank, 0);
  const ebb::reading taste = ebb::reading::lane(bank, 2);
  store_type store({.lanes = bank});

  // Ten days, twelve articles a day. A reader takes one of their topic's more often, and an article of age a with weight 2^(-a / 6 h).
  ebb::random_engine random(1);
  std::vector<article> articles;
  double ranks[3] = {};
  double reads = 0;
  for (int hour = 0; hour < 240; ++hour) {
    const auto now = monday + hours(hour);
    if (hour % 2 == 0) articles.push_back({int(random.below(4)), int(random.below(60)), now});
    for (int r = 0; r < 20; ++r) {
      const int reader = int(random.below(200));
      double best = 0;
      std::size_t read = 0;
      for (std::size_t a = 0; a < articles.size(); ++a) {
        const double likes = articles[a].topic == reader % 4 ? 8 : 1;
        const double weight = likes * std::exp2(-ebb::duration(now - articles[a].published) / hours(6));
        const double draw = weight * -1 / std::log1p(-random.uniform() * 0.999999 - 1e-9);  // one of them, by weight
        if (draw > best) best = draw, read = a;
      }
      for (int lane = 0; lane < 3 && hour >= 120; ++lane) {  // what heat said before
        const auto top = ebb::hottest_items(store, articles.size(), ebb::reading::lane(bank, lane), now);
        for (std::size_t place = 0; place < top.size(); ++place)
          if (top[place] == int(read)) ranks[lane] += 1 / double(place + 1);
      }
      reads += hour >= 120;
      store.observe(reader, int(read), now);
    }
  }
  for (int lane = 0; lane < 3; ++lane)
    std::printf("heat of %4.0f h: MRR of the next read %.2f\n", bank.half_life(lane) / hours(1), ranks[lane] / reads);

  const auto at = [&](int i) -> const article& { return articles[static_cast<std::size_t>(i)]; };
  ebb::ranker<store_type> ranker({.prior_strength = 5});
  ranker.add(ebb::tag_term(taste, [&](int i) { return std::vector{at(i).topic}; }), {.role = ebb::term_role::own})
      .add(ebb::heat_term(quick), {.weight = 0.5, .scale = ebb::normalisation::by_largest()})
      .add(ebb::freshness_term(ebb::exponential_decay<double>(hours(12)),
                               [&](int i) { return std::optional(at(i).published); }));
  const auto now = monday + hours(240);
  ebb::random_engine seeds(5);          // one for each page
  for (const int reader : {1, 1000}) {  // one who reads topic 1, one who is new
    const auto ranked = ranker.rank(store, reader, now, ebb::hottest_items(store, 60, quick, now),
                                    {.k = 30, .not_seen_for = ebb::forever});
    std::vector<double> scores;
    for (const auto& r : ranked) scores.push_back(r.score);
    const auto same_story = [&](std::size_t a, std::size_t b) {
      return at(ranked[a].item).story == at(ranked[b].item).story ? 1.0 : 0.0;
    };
    const auto topic = [&](std::size_t i) { return at(ranked[i].item).topic; };
    const auto page = ebb::diversify(
        scores, {.k = 5, .relevance = 1, .per_category = 3, .duplicate = 1, .temperature = 0.02, .seed = seeds()},
        same_story, topic);
    std::printf("reader %d, ln propensity %.1f:", reader, page.log_propensity);
    for (const auto& pick : page.picks)
      std::printf(" topic %d (%.0f h)", topic(pick.index),
                  ebb::duration(now - at(ranked[pick.index].item).published) / hours(1));
    std::printf("\n");
  }
}
