// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/json/next_interest.hpp"
#include "ebb/json/select_decay.hpp"
#include "ebb/random.hpp"
#include "ebb/synthetic_log.hpp"
#include "json_checks.hpp"

namespace json_next_test {

namespace {

using ebb_test::check_refusals;
using ebb_test::round_trip;
using ebb_test::same_bits;
using nlohmann::json;
using namespace std::chrono_literals;

ebb::event_log some_log(std::uint64_t seed) {
  ebb::random_engine random(seed);
  ebb::event_log log;
  for (int i = 0; i < 1200; ++i) {
    const std::uint64_t user = random.below(40);
    const std::uint64_t item = 2 * (10 + static_cast<std::uint64_t>(i) / 40 - random.below(10)) + user % 2;
    log.append("u" + std::to_string(user), "i" + std::to_string(item), ebb::time_point(std::chrono::hours(i)));
  }
  return log;
}

std::vector<double> all_scores(ebb::next_interest_model& model, const ebb::next_task& task) {
  const auto candidates = task.history().candidates;
  std::vector<double> out;
  std::vector<double> scores(candidates.size());
  for (const ebb::next_query& query : task.queries()) {
    model.score(query.user, candidates, scores);
    out.insert(out.end(), scores.begin(), scores.end());
  }
  return out;
}

template <class T>
void refused(const json& bad, const std::string& says) {
  CHECK_THROWS_AS(bad.get<T>(), std::invalid_argument);
  CHECK_THROWS_WITH(bad.get<T>(), contains(says));
}

}  // namespace

TEST_CASE("what recommends new items comes back and scores as before, without learning again", "[json_next]") {
  const ebb::event_log log = some_log(1);
  const ebb::next_task task(log);
  ebb::next_interest_model model({.signals = {.half_lives = {24h, 24h * 7}, .neighbours = 30}});
  CHECK_THROWS_AS(model.learned(), std::invalid_argument);
  model.fit(task.history());
  const ebb::next_interest_state learned = model.learned();
  REQUIRE(learned.learned);
  REQUIRE(learned.learned->networks.size() == 2);
  ebb::next_interest_model back(round_trip(learned));
  back.fit(task.history());
  CHECK(all_scores(back, task) == all_scores(model, task));
  CHECK(back.params() == model.params());
  CHECK(json(back.learned()).dump() == json(learned).dump());

  // On another log it is the same blend, where a model that learns would have another.
  const ebb::event_log later = some_log(2);
  const ebb::next_task next(later);
  back.fit(next.history());
  CHECK(json(back.learned()) == json(learned));
  model.fit(next.history());
  CHECK(json(model.learned()) != json(learned));
}

TEST_CASE("nobody to learn from is saved as such", "[json_next]") {
  const ebb::event_log log;
  const ebb::next_task task(log);
  ebb::next_interest_model model;
  model.fit(task.history());
  const ebb::next_interest_state back = round_trip(model.learned());
  CHECK_FALSE(back.learned);
  CHECK(back.names == model.learned().names);
}

TEST_CASE("a blend of other shapes or other signals is refused", "[json_next]") {
  const ebb::event_log log = some_log(1);
  const ebb::next_task task(log);
  ebb::next_interest_model model({.signals = {.half_lives = {24h}}});
  model.fit(task.history());
  const json good = model.learned();
  const ebb::next_blend blend(*model.learned().learned);
  check_refusals(blend);
  check_refusals(ebb::next_signal_options{});
  for (const char* field : {"format", "version", "signals", "signal_names", "users", "blend"}) {
    json bad = good;
    bad.erase(field);
    refused<ebb::next_interest_state>(bad, field);
  }
  json bad = good;
  bad["version"] = 2;
  refused<ebb::next_interest_state>(bad, "\"version\"");
  bad = good;
  bad["signal_names"].erase(0);
  refused<ebb::next_interest_state>(bad, "one entry a weight of the blend");
  bad = good;
  bad["signal_names"][0] = 3;
  refused<ebb::next_interest_state>(bad, "must be strings");
  bad = good;
  bad["signal_names"][0] = "warmth";
  ebb::next_interest_model other(bad.get<ebb::next_interest_state>());
  CHECK_THROWS_WITH(other.fit(task.history()), contains("the signals must be those that were learned from"));
  CHECK_THROWS_WITH(other.learned(), contains("must be fitted first"));  // what was refused was not taken up
  bad = blend;
  bad["linear"].push_back(0.5);
  refused<ebb::next_blend>(bad, "one weight and scale each");
  bad = blend;
  bad["scale"][0] = 0;
  refused<ebb::next_blend>(bad, "a scale must be > 0");
  bad = blend;
  bad["scale"][0] = 1e300;
  refused<ebb::next_blend>(bad, "\"scale\"");
  bad = blend;
  bad["user_mean"].erase(0);
  refused<ebb::next_blend>(bad, "user_mean and user_scale must have one size");
  bad = blend;
  bad["user_mean"].erase(0);
  bad["user_scale"].erase(0);
  refused<ebb::next_blend>(bad, "a network must read the signals and the user");
  ebb::next_blend_state broken = *model.learned().learned;
  broken.linear[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(ebb::next_blend(broken), contains("must be finite"));
  ebb::next_interest_state fewer = model.learned();
  fewer.names.pop_back();
  CHECK_THROWS_AS(ebb::next_interest_model(fewer), std::invalid_argument);
}

TEST_CASE("which decay a log asks for comes back with all that was compared", "[json_next]") {
  const ebb::event_log log = ebb::make_synthetic_log(3, {.groups = {{"a", 72h, 8}}, .span = std::chrono::days(90)}).log;
  const ebb::decay_choice choice = ebb::select_decay(log);
  const ebb::decay_choice back = round_trip(choice);
  CHECK(back.verdict == choice.verdict);
  CHECK(back.runner_up == choice.runner_up);
  CHECK(back.returns == choice.returns);
  CHECK(same_bits(back.lift.lo, choice.lift.lo));
  CHECK(same_bits(back.mrr_lift_over_no_decay.hi, choice.mrr_lift_over_no_decay.hi));
  REQUIRE(back.families.size() == 5);
  CHECK(std::isinf(back.families[0].half_life.count()));
  for (std::size_t f = 0; f < 5; ++f) {
    ebb::decay_choice one = choice;  // whichever family is chosen, its decay comes back to the last bit
    one.best = choice.families[f];
    const auto before = one.decay();
    const auto after = round_trip(one).decay();
    for (const ebb::duration age : {ebb::duration(0), ebb::duration(1h), ebb::duration(72h), ebb::duration(24h * 400)})
      CHECK(same_bits(after(age), before(age)));
  }
  CHECK(round_trip(ebb::decay_choice{}).verdict == ebb::decay_verdict::too_little);
}

TEST_CASE("a choice of decay that makes no sense is refused", "[json_next]") {
  ebb::decay_choice choice;
  choice.best = {ebb::decay_family::power_law, 72h, 0.5, 1.25, 2.5, 0.4};
  choice.half_life_interval = ebb::duration_interval{48h, 96h};
  choice.mixture = ebb::reading::inverse_half_life(ebb::timescales{1h, 24h});
  choice.families.assign(1, choice.best);
  const json good = choice;
  CHECK_NOTHROW(good.get<ebb::decay_choice>());
  for (const auto& field : good.items()) {
    json bad = good;
    bad.erase(field.key());
    refused<ebb::decay_choice>(bad, "\"" + field.key() + "\"");
  }
  const auto changed = [&](const char* path, const json& value, const std::string& says) {
    json bad = good;
    bad[json::json_pointer(path)] = value;
    refused<ebb::decay_choice>(bad, says);
  };
  changed("/version", 2, "\"version\"");
  changed("/format", "ebb.reading", "\"format\"");
  changed("/more", 1, "\"more\"");
  changed("/best/more", 1, "\"more\"");
  changed("/best/family", "sawtooth", "\"family\"");
  changed("/best/half_life_seconds", -1, "\"half_life_seconds\" must be >= 0");
  changed("/best/half_life_seconds", nullptr, "half_life");
  changed("/best/exponent", 0, "> 0 for a power law");
  changed("/best/loss", std::numeric_limits<double>::quiet_NaN(), "\"loss\"");
  changed("/verdict", "perhaps", "\"verdict\"");
  changed("/lift/lo", 1, "\"lo\" of \"lift\"");
  changed("/half_life_interval/lo_seconds", 1e9, "\"lo_seconds\"");
  changed("/returns", -1, "\"returns\"");
  changed("/families/0/sharpness", -1, "\"sharpness\"");
  json bad = good;
  bad["best"]["family"] = "mixture";
  bad["mixture"] = nullptr;
  refused<ebb::decay_choice>(bad, "\"mixture\"");
  ebb::decay_choice lost = choice;
  lost.best.loss = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(json(lost), contains("\"loss\" must be finite"));
}

}  // namespace json_next_test
