// SPDX-License-Identifier: MIT
#include "ebb/json.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"
#include "ebb/store_terms.hpp"
#include "json_checks.hpp"

namespace json_test {

using namespace std::chrono_literals;
using ebb_test::check_refusals;
using ebb_test::round_trip;
using ebb_test::same_bits;
using nlohmann::json;

namespace {

ebb::duration random_duration(ebb::random_engine& random) { return ebb::duration(std::exp(random.uniform() * 30 - 6)); }

template <class Decay>
void check_decay(const Decay& decay, ebb::random_engine& random) {
  const Decay back = round_trip(decay);
  const auto by_name = ebb::decay_from_json(json(decay));
  for (int i = 0; i < 20; ++i) {
    const ebb::duration gap = random_duration(random);
    CHECK(same_bits(decay(gap), back(gap)));
    CHECK(same_bits(decay(gap), by_name(gap)));
  }
}

template <class T>
ebb::mlp<T> random_network(std::uint64_t seed) {
  return ebb::mlp<T>(3, {.hidden = {5, 4},
                         .outputs = 2,
                         .hidden_activation = ebb::activation::gelu,
                         .output_activation = ebb::activation::sigmoid,
                         .dropout = 0.1,
                         .zero_output = false,
                         .seed = seed});
}

ebb::standard_scaler<double> random_scaler(Eigen::Index features, ebb::scaler_options options) {
  ebb::random_engine random(9);
  Eigen::MatrixXd x(features, 50);
  for (double& v : x.reshaped()) v = random.normal() * 3 + 1;
  ebb::standard_scaler<double> scaler(features, options);
  scaler.observe(x);
  return scaler;
}

ebb::gap_model random_gap_model() {
  return {ebb::mlp<double>(1, {.hidden = {6}, .seed = 4}), random_scaler(1, {}), ebb::gap_input::raw, 36h};
}

ebb::ranker_settings some_settings() {
  ebb::ranker_settings settings;
  settings.options.prior_strength = 0.1 + 0.2;
  settings.options.evidence = ebb::reading(24h);
  settings.terms = {
      {"interest", {1 / 3.0, ebb::normalisation::logarithmic(1e-3), ebb::term_role::own}},
      {"popularity", {-0.1, ebb::normalisation::by_largest(2), ebb::term_role::prior}},
      {"host", {1, ebb::normalisation::raw(), ebb::term_role::always}},
      {"friends \"é\"", {7, ebb::normalisation::saturating(0.7), ebb::term_role::always}},
  };
  return settings;
}

}  // namespace

TEST_CASE("a decay family comes back to the last bit, also by its name alone", "[json]") {
  ebb::random_engine random(1);
  for (int round = 0; round < 50; ++round) {
    const ebb::duration half_life = random_duration(random);
    check_decay(ebb::exponential_decay(half_life), random);
    check_decay(ebb::linear_decay(half_life), random);
    check_decay(ebb::window_decay(half_life), random);
    check_decay(ebb::power_law_decay(half_life, {.exponent = 0.02 + random.uniform() * 3}), random);
    check_decay(ebb::stretched_exponential_decay(half_life, {.stretch = 0.1 + random.uniform()}), random);
    check_decay(ebb::gaussian_decay(half_life, {.offset = half_life * random.uniform()}), random);
    check_decay(ebb::step_decay(half_life, {.steps_per_half_life = 1 + static_cast<int>(random.below(9))}), random);
    check_decay(ebb::reading(1s + half_life / 1000), random);
    check_decay(ebb::delayed_decay(half_life * random.uniform(), ebb::power_law_decay(half_life)), random);
    const double share = random.uniform();
    const ebb::mixture_decay<ebb::power_law_decay<>> mixture(
        {ebb::power_law_decay<>(half_life), ebb::power_law_decay<>(half_life * 9, {.exponent = 0.3}),
         ebb::power_law_decay<>(1min)},
        {share, (1 - share) / 3, (1 - share) / 3 * 2});
    check_decay(mixture, random);
    check_decay(mixture.stretched_to(24h), random);
  }
}

TEST_CASE("a decay made of several families is read by name, to a certain depth", "[json]") {
  const ebb::exponential_decay<> fast(1h);
  const ebb::delayed_decay slow(24h, ebb::step_decay<>(72h));
  json mixed = ebb::mixture_decay<>({fast, fast}, {0.25, 0.75});
  mixed["parts"][1] = slow;
  const auto decay = ebb::decay_from_json(mixed);
  for (const ebb::duration gap : {ebb::duration(0), ebb::duration(1h), ebb::duration(24h * 30)})
    CHECK(decay(gap) == Approx(0.25 * fast(gap) + 0.75 * slow(gap)));

  json deep = fast;
  for (int i = 0; i < 100; ++i) {
    json outer = slow;
    outer["inner"] = deep;
    deep = outer;
  }
  CHECK_THROWS_WITH(ebb::decay_from_json(deep), contains("at most 16 deep"));
}

TEST_CASE("a bank comes back to the tick", "[json]") {
  ebb::random_engine random(2);
  for (int round = 0; round < 300; ++round) {
    const ebb::duration first(std::exp(random.uniform() * 15 - 6));
    const auto lanes = 2 + static_cast<int>(random.below(20));
    const auto bank = ebb::timescales::log_spaced(first, first * (2 + random.uniform() * 400), lanes);
    CHECK(round_trip(bank) == bank);
  }
  const ebb::timescales longest{1ms, std::chrono::years(100) - 1s, std::chrono::years(100)};
  CHECK(round_trip(longest) == longest);
  CHECK(json(ebb::timescales{1h, 24h})["half_lives_seconds"] == json({3600.0, 86400.0}));
}

TEST_CASE("a reading comes back with its bank and its weights", "[json]") {
  ebb::random_engine random(3);
  for (int round = 0; round < 100; ++round) {
    const auto bank = ebb::timescales::log_spaced(1min, std::chrono::years(1), 2 + static_cast<int>(random.below(12)));
    std::vector<double> weights;
    double sum = 0;
    for (int k = 0; k < bank.size(); ++k) sum += weights.emplace_back(random.uniform());
    for (double& w : weights) w /= sum;
    const ebb::reading how(bank, weights);
    const ebb::reading back = round_trip(how);
    CHECK(back.bank() == bank);
    for (std::size_t k = 0; k < weights.size(); ++k) CHECK(same_bits(back.weights()[k], how.weights()[k]));
  }
}

TEST_CASE("EMA updaters and states come back to the last bit", "[json]") {
  ebb::random_engine random(4);
  for (int round = 0; round < 50; ++round) {
    const ebb::step_ema step(random.uniform());
    CHECK(same_bits(round_trip(step).alpha(), step.alpha()));
    const ebb::step_ema narrow(static_cast<float>(random.uniform()));
    CHECK(round_trip(narrow).alpha() == narrow.alpha());
    const ebb::timed_ema timed(random_duration(random));
    CHECK(round_trip(timed).half_life() == timed.half_life());
    const ebb::ema_state<double> state{random.normal(), ebb::time_point(std::chrono::nanoseconds(random() >> 1))};
    const auto back = round_trip(state);
    CHECK(same_bits(back.value, state.value));
    CHECK(back.last == state.last);
  }
  const auto negative = ebb::ema_state<double>{-0.0, ebb::time_point(-12345ns)};
  CHECK(round_trip(negative).last == negative.last);
  CHECK(std::signbit(round_trip(negative).value));
  CHECK(round_trip(ebb::ema_state<double>{}).empty());
}

TEMPLATE_TEST_CASE("a network comes back to the last bit", "[json]", float, double) {
  auto network = random_network<TestType>(std::numeric_limits<std::uint64_t>::max());
  network.parameters()[0] = std::numeric_limits<TestType>::denorm_min();
  network.parameters()[1] = -std::numeric_limits<TestType>::max();
  network.parameters()[2] = TestType(-0.0);
  const auto back = round_trip(network);
  const auto bytes = static_cast<std::size_t>(network.parameter_count()) * sizeof(TestType);
  REQUIRE(back.parameter_count() == network.parameter_count());
  CHECK(std::memcmp(back.parameters().data(), network.parameters().data(), bytes) == 0);
  CHECK(back.options().hidden == network.options().hidden);
  CHECK(back.options().hidden_activation == network.options().hidden_activation);
  CHECK(back.options().output_activation == network.options().output_activation);
  CHECK(back.options().dropout == network.options().dropout);
  CHECK(back.options().seed == network.options().seed);
  for (const auto kind : {ebb::activation::identity, ebb::activation::relu, ebb::activation::tanh,
                          ebb::activation::sigmoid, ebb::activation::gelu})
    CHECK(round_trip(ebb::mlp<TestType>(2, {.hidden = {}, .output_activation = kind})).options().output_activation ==
          kind);
}

TEST_CASE("a scaler comes back to the last bit, with and without options", "[json]") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(4, 10) * 7;
  for (const ebb::scaler_options& options : {ebb::scaler_options{}, ebb::scaler_options{.fill = 0.1, .clip = 1.5}}) {
    const auto scaler = random_scaler(4, options);
    const auto back = round_trip(scaler);
    Eigen::MatrixXd a = x;
    Eigen::MatrixXd b = x;
    a(1, 1) = b(1, 1) = std::nan("");
    scaler.transform(a);
    back.transform(b);
    CHECK(a == b);
    CHECK(back.state().count == scaler.state().count);
    CHECK(back.options().fill == scaler.options().fill);
    CHECK(back.options().clip == scaler.options().clip);
  }
}

TEST_CASE("a gap model comes back to the last bit", "[json]") {
  const auto model = random_gap_model();
  const auto back = round_trip(model);
  ebb::random_engine random(5);
  for (int i = 0; i < 100; ++i) {
    const ebb::duration gap = random_duration(random);
    CHECK(same_bits(model(gap), back(gap)));
  }
  CHECK(back.input() == ebb::gap_input::raw);
}

TEST_CASE("a ranker's settings come back, and rank as before", "[json]") {
  const auto settings = some_settings();
  const auto back = round_trip(settings);
  REQUIRE(back.terms.size() == settings.terms.size());
  for (std::size_t j = 0; j < back.terms.size(); ++j) {
    CHECK(back.terms[j].name == settings.terms[j].name);
    CHECK(back.terms[j].how == settings.terms[j].how);
  }
  CHECK(same_bits(back.options.prior_strength, settings.options.prior_strength));

  using store = ebb::interest_store<int, int>;
  const ebb::reading how(24h);
  store s({.lanes = how.bank()});
  for (int i = 0; i < 20; ++i) s.observe(i % 3, i % 7, ebb::time_point(std::chrono::hours(i)));
  const auto terms = [&](double weight) {
    ebb::ranker<store> ranker({.evidence = how});
    ranker.add(ebb::interest_term(how), {.weight = weight, .role = ebb::term_role::own})
        .add(ebb::heat_term(how), {.weight = weight / 3, .role = ebb::term_role::prior});
    return ranker;
  };
  const auto saved = terms(0.7);
  auto loaded = terms(1);
  loaded.apply(json::parse(json(saved.settings()).dump()).get<ebb::ranker_settings>());
  const std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7};
  const auto a = saved.rank(s, 1, ebb::time_point(48h), items);
  const auto b = loaded.rank(s, 1, ebb::time_point(48h), items);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK((a[i].item == b[i].item && same_bits(a[i].score, b[i].score)));

  ebb::ranker_settings plain;
  CHECK(!round_trip(plain).options.evidence);
}

TEST_CASE("whatever is wrong with a field is refused and the field named", "[json]") {
  check_refusals(ebb::exponential_decay(1h));
  check_refusals(ebb::linear_decay(1h));
  check_refusals(ebb::window_decay(1h));
  check_refusals(ebb::power_law_decay(1h));
  check_refusals(ebb::stretched_exponential_decay(1h));
  check_refusals(ebb::gaussian_decay(1h));
  check_refusals(ebb::step_decay(1h));
  check_refusals(ebb::delayed_decay(1h, ebb::exponential_decay(2h)));
  check_refusals(ebb::mixture_decay<>({ebb::exponential_decay(2h)}, {1.0}));
  check_refusals(ebb::timescales{1h, 2h});
  check_refusals(ebb::reading(1h));
  check_refusals(ebb::step_ema(0.25));
  check_refusals(ebb::timed_ema<double>(1h));
  check_refusals(ebb::ema_state<double>{});
  check_refusals(random_network<double>(1));
  check_refusals(random_scaler(2, {.fill = 0.5, .clip = 2.0}));
  check_refusals(random_gap_model());
  check_refusals(some_settings());
}

TEST_CASE("what is out of range is refused by the class itself", "[json]") {
  json decay = ebb::power_law_decay(1h);
  decay["half_life_seconds"] = -1;
  CHECK_THROWS_WITH(decay.get<ebb::power_law_decay<double>>(), contains("half_life must be finite and > 0"));
  json bank = ebb::timescales{1h, 2h};
  bank["half_lives_seconds"] = {7200, 3600};
  CHECK_THROWS_AS(bank.get<ebb::timescales>(), std::invalid_argument);
  json how = ebb::reading(1h);
  how["weights"] = {0.5, 0.5};
  CHECK_THROWS_AS(how.get<ebb::reading>(), std::invalid_argument);
  json step = ebb::step_ema(0.5);
  step["alpha"] = 1.5;
  CHECK_THROWS_AS(step.get<ebb::step_ema<double>>(), std::invalid_argument);
  json settings = some_settings();
  settings["terms"][0]["unit"] = 0;
  CHECK_THROWS_WITH(settings.get<ebb::ranker_settings>(), contains("unit and floor must be"));
  settings = some_settings();
  settings["terms"][1].erase("weight");
  CHECK_THROWS_WITH(settings.get<ebb::ranker_settings>(), contains("\"weight\" of a term must be there"));
  settings = some_settings();
  settings["prior_strength"] = -1;
  CHECK_THROWS_WITH(settings.get<ebb::ranker_settings>(), contains("prior_strength must be finite and > 0"));
  settings = some_settings();
  settings["terms"][1]["name"] = settings["terms"][0]["name"];
  CHECK_THROWS_WITH(settings.get<ebb::ranker_settings>(), contains("name each term once"));
}

TEST_CASE("a network of another shape is refused before anything is made of it", "[json]") {
  const json good = random_network<double>(1);
  json bad = good;
  bad["parameters"].push_back(0.5);
  CHECK_THROWS_WITH(bad.get<ebb::mlp<double>>(), contains("\"parameters\"") && contains("got 55"));
  bad = good;
  bad["hidden"] = {5, 1000000000000};
  CHECK_THROWS_WITH(bad.get<ebb::mlp<double>>(), contains("\"parameters\""));
  bad = good;
  bad["inputs"] = -3;
  CHECK_THROWS_WITH(bad.get<ebb::mlp<double>>(), contains("must be > 0"));
  bad = good;
  bad["hidden"] = {5, 0};
  CHECK_THROWS_WITH(bad.get<ebb::mlp<double>>(), contains("must be > 0"));
  bad = good;
  bad["parameters"][3] = 1e300;
  CHECK_THROWS_WITH(bad.get<ebb::mlp<float>>(), contains("\"parameters\"") && contains("range"));
  bad = good;
  bad["hidden_activation"] = "swish";
  CHECK_THROWS_WITH(bad.get<ebb::mlp<double>>(), contains("identity, relu, tanh, sigmoid, gelu, got \"swish\""));

  json scaler = random_scaler(2, {});
  scaler["mean"].push_back(1.0);
  CHECK_THROWS_WITH(scaler.get<ebb::standard_scaler<double>>(), contains("one size"));
  json model = random_gap_model();
  model["network"] = random_network<double>(1);
  CHECK_THROWS_WITH(model.get<ebb::gap_model>(), contains("the network must have one input"));
}

TEST_CASE("what JSON cannot hold is refused when it is written", "[json]") {
  auto network = random_network<double>(1);
  network.parameters()[3] = std::nan("");
  CHECK_THROWS_WITH(json(network), contains("ebb::to_json: \"parameters\" must be finite"));
  CHECK_THROWS_AS(json(ebb::ema_state<double>{std::nan(""), ebb::time_point()}), std::invalid_argument);
  auto settings = some_settings();
  settings.terms[0].how.weight = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(json(settings), std::invalid_argument);
}

TEST_CASE("decay_from_json refuses what is no decay", "[json]") {
  CHECK_THROWS_WITH(ebb::decay_from_json(json(ebb::step_ema(0.5))), contains("got \"ebb.step_ema\""));
  CHECK_THROWS_AS(ebb::decay_from_json(json::object()), std::invalid_argument);
  CHECK_THROWS_AS(ebb::decay_from_json(json(3)), std::invalid_argument);
}

}  // namespace json_test
