// SPDX-License-Identifier: MIT
#include "ebb/ranking_term.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/random.hpp"

namespace ranking_term_test {

namespace {

using store = ebb::interest_store<int, int>;
using ebb::normalisation;

const normalisation all_kinds[] = {
    normalisation::raw(),           normalisation::logarithmic(),  normalisation::logarithmic(1e-3),
    normalisation::saturating(),    normalisation::saturating(40), normalisation::by_largest(),
    normalisation::by_largest(1e-6)};

std::vector<double> normalised(const normalisation& scale, std::vector<double> values) {
  scale(values);
  return values;
}

struct constant_term {
  [[nodiscard]] std::string_view name() const { return "constant"; }
  void fill(const ebb::ranking_question<store>&, std::span<double> values) const {
    std::fill(values.begin(), values.end(), 1.0);
  }
};
struct nameless {
  void fill(const ebb::ranking_question<store>&, std::span<double>) const {}
};
struct mute {
  [[nodiscard]] std::string_view name() const { return "mute"; }
};

}  // namespace

static_assert(ebb::ranking_term<constant_term, store>);
static_assert(!ebb::ranking_term<nameless, store> && !ebb::ranking_term<mute, store>);

TEST_CASE("every normalisation keeps zero, sign and order", "[ranking_term]") {
  ebb::random_engine random(1);
  for (const normalisation& scale : all_kinds) {
    std::vector<double> values{0.0};
    for (int i = 0; i < 200; ++i) values.push_back(random.normal() * std::exp(6 * random.normal()));
    std::sort(values.begin(), values.end());
    const auto after = normalised(scale, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK((after[i] > 0) == (values[i] > 0));
      CHECK((after[i] < 0) == (values[i] < 0));
      if (i > 0) CHECK(after[i] >= after[i - 1]);
    }
  }
}

TEST_CASE("saturating tells values apart up to thirty units", "[ranking_term]") {
  std::vector<double> values;
  for (double v = 0.25; v <= 7.5; v += 0.25) values.push_back(v);
  const auto after = normalised(normalisation::saturating(0.25), values);
  for (std::size_t i = 1; i < values.size(); ++i) CHECK(after[i] > after[i - 1]);
  CHECK(after.back() < 1);
}

TEST_CASE("the normalisations are their formulas", "[ranking_term]") {
  const std::vector<double> values{-3, 0, 0.5, 8};
  const auto logarithmic = normalised(normalisation::logarithmic(2), values);
  const auto saturating = normalised(normalisation::saturating(2), values);
  const auto largest = normalised(normalisation::by_largest(2), values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double size = std::abs(values[i]);
    const double sign = values[i] < 0 ? -1 : 1;
    CHECK(normalised(normalisation::raw(), values)[i] == values[i]);
    CHECK(logarithmic[i] == Approx(sign * std::log(1 + size / 2)));
    CHECK(saturating[i] == Approx(sign * (1 - std::exp(-size / 2))));
    CHECK(largest[i] == Approx(values[i] / 8));
  }
}

TEST_CASE("by_largest does not blow up what is below its floor, and is continuous there", "[ranking_term]") {
  const auto below = normalised(normalisation::by_largest(2), {1e-9, 0.5});
  CHECK(below[0] == Approx(0.5e-9));
  CHECK(below[1] == Approx(0.25));
  CHECK(normalised(normalisation::by_largest(2), {2 - 1e-12})[0] == Approx(1).margin(1e-12));
  CHECK(normalised(normalisation::by_largest(2), {2 + 1e-12})[0] == Approx(1).margin(1e-12));
  CHECK(normalised(normalisation::by_largest(2), {}).empty());
}

TEST_CASE("a normalisation's unit is checked", "[ranking_term]") {
  for (const double unit : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_AS(normalisation::logarithmic(unit), std::invalid_argument);
    CHECK_THROWS_AS(normalisation::saturating(unit), std::invalid_argument);
    CHECK_THROWS_WITH(normalisation::by_largest(unit), contains("ebb::normalisation: unit and floor must be"));
  }
  CHECK_THROWS_AS(normalisation(normalisation::kind::raw, 2), std::invalid_argument);
}

TEST_CASE("a function is a term, one number at a time or all at once", "[ranking_term]") {
  const store empty;
  const int user = 7;
  const std::vector<int> items{3, 1, 2};
  const std::vector<std::uint32_t> handles(3, ebb::ranking_question<store>::no_handle);
  const std::vector<std::size_t> entries(3, ebb::ranking_question<store>::no_entry);
  const auto now = ebb::time_point(std::chrono::hours(5));
  const ebb::ranking_question<store> question{empty, user, nullptr, now, items, handles, entries};

  const ebb::function_term single("single", [](int u, int item, ebb::time_point t) {
    return u * 100 + item + (t == ebb::time_point(std::chrono::hours(5)) ? 0.5 : 0.0);
  });
  const ebb::function_term batch("batch", [](const auto& asked, std::span<double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = asked.user * 100 + asked.items[i] + 0.5;
  });
  static_assert(ebb::ranking_term<std::remove_const_t<decltype(single)>, store>);
  CHECK(single.name() == "single");
  std::vector<double> one(3);
  std::vector<double> many(3);
  single.fill(question, one);
  batch.fill(question, many);
  CHECK(one == std::vector<double>{703.5, 701.5, 702.5});
  CHECK(many == one);
}

}  // namespace ranking_term_test
