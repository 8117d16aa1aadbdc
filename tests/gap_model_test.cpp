// SPDX-License-Identifier: MIT
#include "ebb/gap_model.hpp"

#include "catch.hpp"

#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace gap_model_test {

namespace {

using ebb::duration;
using std::chrono::days;
using std::chrono::hours;

const duration missing(std::numeric_limits<double>::quiet_NaN());

struct samples {
  std::vector<duration> gaps;
  std::vector<double> interest;
};

// Gaps spread evenly in the logarithm from an hour to 90 days; interest = curve(gap) + noise.
samples draw(const std::function<double(duration)>& curve, std::size_t n, double noise, std::uint64_t seed) {
  ebb::random_engine random(seed);
  samples drawn;
  for (std::size_t i = 0; i < n; ++i) {
    drawn.gaps.push_back(duration(hours(1)) * std::exp(random.uniform() * std::log(90.0 * 24.0)));
    drawn.interest.push_back(curve(drawn.gaps.back()) + noise * random.normal());
  }
  return drawn;
}

double hyperbolic(duration gap) { return 0.8 / (1.0 + gap / duration(days(7))); }

}  // namespace

TEST_CASE("the model rediscovers the curve behind noisy samples", "[gap_model]") {
  const std::function<double(duration)> curves[] = {
      hyperbolic,                                                                             // power law
      [](duration gap) { return std::exp2(-(gap / duration(days(10)))); },                    // exponential
      [](duration gap) { return std::exp2(-std::pow(gap / duration(days(3)), 0.5)); },        // stretched
      [](duration gap) { return std::max(0.0, 1.0 - gap / duration(days(30))); },             // linear
      [](duration gap) { return 0.3 + 0.2 * std::cos(std::log(gap / duration(hours(1)))); },  // not monotone
  };
  for (const auto& curve : curves) {
    const samples drawn = draw(curve, 2000, 0.02, 1);
    const ebb::gap_fit fit = ebb::fit_gap_model(drawn.gaps, drawn.interest);
    CAPTURE(&curve - curves);
    REQUIRE(fit.model.compare(curve, fit.shortest, fit.longest).rmse < 0.02);  // below the noise of one sample
    REQUIRE(fit.train.rmse < 0.025);
    REQUIRE(fit.validation->rmse < 0.03);
  }
}

TEST_CASE("the raw input learns a slow curve, too", "[gap_model]") {
  const auto curve = [](duration gap) { return std::exp2(-(gap / duration(days(30)))); };
  const samples drawn = draw(curve, 2000, 0.02, 2);
  const ebb::gap_fit fit = ebb::fit_gap_model(drawn.gaps, drawn.interest, {.input = ebb::gap_input::raw});
  REQUIRE(fit.model.compare(curve, fit.shortest, fit.longest).rmse < 0.02);
}

TEST_CASE("with logistic loss the model is the probability that the yes and no answers were drawn from",
          "[gap_model]") {
  samples drawn = draw(hyperbolic, 4000, 0.0, 10);
  ebb::random_engine random(11);
  for (double& answer : drawn.interest) answer = random.uniform() < answer ? 1.0 : 0.0;
  const ebb::gap_fit fit = ebb::fit_gap_model(drawn.gaps, drawn.interest,
                                              {.training = {.loss = ebb::loss_function::logistic, .epochs = 30}});
  REQUIRE(fit.model.compare(hyperbolic, fit.shortest, fit.longest).rmse < 0.05);
  for (const duration gap : {duration(0), duration(days(1)), duration(days(100'000))}) {
    REQUIRE(fit.model(gap) >= 0.0);
    REQUIRE(fit.model(gap) <= 1.0);
  }
}

TEST_CASE("errors and comparisons are what a loop over the samples gives", "[gap_model]") {
  const samples drawn = draw(hyperbolic, 500, 0.05, 3);
  const ebb::gap_fit fit = ebb::fit_gap_model(drawn.gaps, drawn.interest, {.training = {.epochs = 3}});
  const auto by_loop = [&](std::size_t from, std::size_t to) {
    ebb::gap_errors errors;
    const double n = static_cast<double>(to - from);
    for (std::size_t i = from; i < to; ++i) {
      const double off = fit.model(drawn.gaps[i]) - drawn.interest[i];
      errors.rmse += off * off / n;
      errors.mae += std::abs(off) / n;
      errors.largest = std::max(errors.largest, std::abs(off));
    }
    errors.rmse = std::sqrt(errors.rmse);
    return errors;
  };
  const auto same = [](const ebb::gap_errors& a, const ebb::gap_errors& b) {
    return a.rmse == Approx(b.rmse) && a.mae == Approx(b.mae) && a.largest == Approx(b.largest);
  };
  REQUIRE(same(fit.train, by_loop(0, 400)));  // the newest fifth is held out
  REQUIRE(same(fit.validation.value(), by_loop(400, 500)));

  const auto shifted = [&](duration gap) { return fit.model(gap) + 0.125; };
  const ebb::gap_errors off = fit.model.compare(shifted, hours(1), days(90));
  REQUIRE(same(off, {0.125, 0.125, 0.125}));
}

TEST_CASE("nothing of the held-out part reaches the model", "[gap_model]") {
  samples drawn = draw(hyperbolic, 500, 0.05, 4);
  // Stop after a set number of epochs and keep the last, so that the choice of epoch cannot differ either.
  const ebb::gap_model_options once = {.training = {.epochs = 1}};
  const ebb::gap_fit before = ebb::fit_gap_model(drawn.gaps, drawn.interest, once);
  for (std::size_t i = 400; i < 500; ++i) {
    drawn.gaps[i] *= 1000.0;
    drawn.interest[i] = 5.0;
  }
  const ebb::gap_fit after = ebb::fit_gap_model(drawn.gaps, drawn.interest, once);
  REQUIRE(before.model.unit() == after.model.unit());
  REQUIRE(before.model.scaler().mean() == after.model.scaler().mean());
  REQUIRE(before.model.network().parameters() == after.model.network().parameters());
  REQUIRE(before.longest == after.longest);
  REQUIRE(before.validation->rmse < after.validation->rmse);
}

TEST_CASE("a missing gap reads as the mean input, in training and after", "[gap_model]") {
  samples drawn = draw(hyperbolic, 1000, 0.0, 5);
  for (std::size_t i = 0; i < drawn.gaps.size(); i += 10) drawn.gaps[i] = missing;
  const ebb::gap_fit fit = ebb::fit_gap_model(drawn.gaps, drawn.interest);
  const duration at_mean = fit.model.unit() * std::expm1(fit.model.scaler().mean()[0]);
  REQUIRE(fit.model(missing) == Approx(fit.model(at_mean)).epsilon(1e-9));
  REQUIRE(fit.model.scaler().state().count[0] == 720.0);  // 800 to train on, a tenth of them missing
}

TEST_CASE("any chrono unit names the same gap", "[gap_model]") {
  const samples drawn = draw(hyperbolic, 200, 0.05, 6);
  const ebb::gap_model model = ebb::fit_gap_model(drawn.gaps, drawn.interest, {.training = {.epochs = 2}}).model;
  REQUIRE(model(days(2)) == model(hours(48)));
  REQUIRE(model(hours(1)) == model(std::chrono::milliseconds(3'600'000)));
}

TEST_CASE("the same seeds give the same model, other seeds another", "[gap_model]") {
  const samples drawn = draw(hyperbolic, 300, 0.05, 7);
  const auto parameters = [&](std::uint64_t seed, bool shuffled) {
    return ebb::fit_gap_model(drawn.gaps, drawn.interest,
                              {.training = {.epochs = 3, .shuffled_split = shuffled, .seed = seed}, .seed = seed})
        .model.network()
        .parameters()
        .eval();
  };
  REQUIRE(parameters(1, false) == parameters(1, false));
  REQUIRE(parameters(1, true) == parameters(1, true));
  REQUIRE_FALSE(parameters(1, false) == parameters(2, false));
  REQUIRE_FALSE(parameters(1, false) == parameters(1, true));
}

TEST_CASE("a model restored from its parts reads the same, alone and in a batch", "[gap_model]") {
  const samples drawn = draw(hyperbolic, 300, 0.05, 8);
  for (const ebb::gap_input input : {ebb::gap_input::raw, ebb::gap_input::logarithmic}) {
    const ebb::gap_model model =
        ebb::fit_gap_model(drawn.gaps, drawn.interest, {.input = input, .unit = hours(5), .training = {.epochs = 2}})
            .model;
    ebb::mlp<double> network(model.network().inputs(), model.network().options());
    network.parameters() = model.network().parameters();
    const ebb::gap_model restored(network, ebb::standard_scaler<double>(model.scaler().state()), model.input(),
                                  model.unit());
    std::vector<double> batch(drawn.gaps.size());
    model.read(drawn.gaps, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      REQUIRE(restored(drawn.gaps[i]) == model(drawn.gaps[i]));
      REQUIRE(batch[i] == Approx(model(drawn.gaps[i])).epsilon(1e-12));
    }
  }
}

TEST_CASE("gaps that are all alike do no harm", "[gap_model]") {
  for (const duration gap : {duration(0), duration(hours(3))}) {
    const std::vector<duration> gaps(50, gap);
    const std::vector<double> interest(50, 0.7);
    const ebb::gap_fit fit = ebb::fit_gap_model(gaps, interest, {.training = {.epochs = 300}});
    REQUIRE(fit.model(gap) == Approx(0.7).margin(0.02));
  }
}

TEST_CASE("gap models refuse bad gaps, bad values and bad parts", "[gap_model]") {
  const samples drawn = draw(hyperbolic, 50, 0.0, 9);
  const ebb::gap_fit fit = ebb::fit_gap_model(drawn.gaps, drawn.interest, {.training = {.epochs = 1}});
  REQUIRE_THROWS_WITH(fit.model(hours(-1)), "ebb::gap_model: gap must be >= 0, got -3600 s");
  REQUIRE_THROWS_AS(fit.model(hours(-1)), std::domain_error);
  REQUIRE_THROWS_AS(fit.model(duration(std::numeric_limits<double>::infinity())), std::invalid_argument);
  std::vector<double> few(3);
  REQUIRE_THROWS_AS(fit.model.read(drawn.gaps, few), std::invalid_argument);
  REQUIRE_THROWS_AS(fit.model.errors({}, {}), std::invalid_argument);
  REQUIRE_THROWS_AS(fit.model.compare(hyperbolic, hours(2), hours(1)), std::invalid_argument);

  const auto refuse = [&](std::vector<duration> gaps, std::vector<double> interest,
                          ebb::gap_model_options options = {}) {
    REQUIRE_THROWS_AS(ebb::fit_gap_model(gaps, interest, options), std::invalid_argument);
  };
  refuse(drawn.gaps, few);
  refuse({}, {});
  refuse(std::vector<duration>(10, missing), std::vector<double>(10, 0.5));
  REQUIRE_THROWS_AS(ebb::fit_gap_model(std::vector<duration>(10, hours(-1)), std::vector<double>(10, 0.5)),
                    std::domain_error);
  refuse(std::vector<duration>(10, duration(std::numeric_limits<double>::infinity())), std::vector<double>(10, 0.5));
  refuse(drawn.gaps, std::vector<double>(50, std::nan("")));
  refuse(drawn.gaps, std::vector<double>(50, 1.5), {.training = {.loss = ebb::loss_function::logistic}});
  refuse(drawn.gaps, drawn.interest, {.hidden = 0});
  refuse(drawn.gaps, drawn.interest, {.unit = duration(0)});

  const ebb::standard_scaler<double> one(1);
  REQUIRE_THROWS_AS(ebb::gap_model(ebb::mlp<double>(2), one, ebb::gap_input::raw, hours(1)), std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::gap_model(ebb::mlp<double>(1, {.outputs = 2}), one, ebb::gap_input::raw, hours(1)),
                    std::invalid_argument);
  REQUIRE_THROWS_AS(ebb::gap_model(ebb::mlp<double>(1), ebb::standard_scaler<double>(2), ebb::gap_input::raw, hours(1)),
                    std::invalid_argument);

  // Numbers that are finite one by one, and not when multiplied and added up.
  for (const double bad : {1e308, -1e308, std::nan("")})
    for (Eigen::Index p = 0; p < fit.model.network().parameter_count(); ++p) {
      ebb::mlp<double> network = fit.model.network();
      network.parameters()[p] = bad;
      bool kept = true;
      try {
        const ebb::gap_model model(network, fit.model.scaler(), fit.model.input(), fit.model.unit());
        for (const int h : {0, 1, 1000, 8'000'000}) REQUIRE(std::isfinite(model(hours(h))));
      } catch (const std::invalid_argument&) {
        kept = false;
      }
      if (std::isnan(bad)) REQUIRE_FALSE(kept);
    }
  for (const double bad : {1e308, -1e308}) {
    ebb::scaler_state state = fit.model.scaler().state();
    state.mean[0] = bad;
    REQUIRE_THROWS_AS(
        ebb::gap_model(fit.model.network(), ebb::standard_scaler<double>(state), fit.model.input(), fit.model.unit()),
        std::invalid_argument);
  }
}

}  // namespace gap_model_test
