// SPDX-License-Identifier: MIT
#include <ebb/decay.hpp>
#include <ebb/random.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "catch.hpp"

namespace decay_pass_test {

using namespace std::chrono_literals;

namespace {

template <class T>
constexpr T epsilon = std::numeric_limits<T>::epsilon();

const ebb::duration half_life = 168h;
constexpr double exponents[] = {1.0 / 64, 0.5, 1, 3, 1000, 1e6};

/// Gaps in hours that try a type's range: every 2^9-th bit pattern of float, or as many doubles, log-uniform.
template <class T>
std::vector<T> gaps_over_the_range() {
  std::vector<T> gaps;
  if constexpr (std::is_same_v<T, float>) {
    for (std::uint32_t bits = 0; bits < 0x7f800000; bits += 509) gaps.push_back(std::bit_cast<float>(bits));
  } else {
    ebb::random_engine random(1);
    for (int i = 0; i < 100'000; ++i) gaps.push_back(std::pow(10, -30 + 40 * random.uniform()));
  }
  return gaps;
}

/// How wrong `out` is at worst, in units of (1 + x) ε with x = −log2 D; x_of(gap) in more digits than T has.
template <class T, class Exact>
double worst_error(const std::vector<T>& gaps, const std::vector<T>& out, Exact x_of) {
  using exact = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  constexpr int last = -(std::numeric_limits<T>::min_exponent + 2);
  exact worst = 0;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const exact x = x_of(static_cast<exact>(gaps[i]));
    if (x > exact(last) * (1 - 4 * exact(epsilon<T>))) {
      // At the end of the range either is right: the smallest value or zero.
      const bool right = out[i] == T(0) || (x < last + 1 && out[i] < std::ldexp(T(1.01), -last));
      if (!right) return std::numeric_limits<double>::infinity();
    } else {
      worst = std::max(worst, std::abs(out[i] / std::exp2(-x) - 1) / ((1 + x) * exact(epsilon<T>)));
    }
  }
  return static_cast<double>(worst);
}

/// Calls check(way) with each way this processor has of running a pass: `way(curve, gaps, out)`.
template <class T, class Check>
void for_every_way([[maybe_unused]] Check check) {
#if EBB_SIMD_LEVELS
  for (int level = 0; level <= static_cast<int>(ebb::detail::widest_level()); ++level) {
    check([=](const auto& curve, const std::vector<T>& gaps, std::span<T> out) {
      return ebb::detail::run_at<ebb::detail::pass_kernel>(static_cast<ebb::detail::processor_level>(level), &curve,
                                                           gaps.data(), out.data(), gaps.size());
    });
  }
#endif
}

}  // namespace

TEMPLATE_TEST_CASE("a batch of exponential decay is within (1 + x) epsilon over the whole range", "[decay_pass]", float,
                   double) {
  using T = TestType;
  const std::vector<T> gaps = gaps_over_the_range<T>();
  std::vector<T> out(gaps.size());
  const auto x_of = [](auto gap) { return gap / 168; };
  ebb::evaluate(ebb::exponential_decay<T>(half_life), std::span<const T>(gaps), 1h, std::span<T>(out));
  CHECK(worst_error(gaps, out, x_of) <= 1);
#if EBB_SIMD_LEVELS
  for_every_way<T>([&](auto way) {
    REQUIRE(way(ebb::detail::exponential_pass<T>(1.0 / 168), gaps, std::span<T>(out)) == gaps.size());
    CHECK(worst_error(gaps, out, x_of) <= 1);
  });
#endif
}

TEMPLATE_TEST_CASE("a batch of power-law decay is within 3 (1 + x) epsilon while T holds gap/scale", "[decay_pass]",
                   float, double) {
  using T = TestType;
  for (const double exponent : exponents) {
    CAPTURE(exponent);
    const ebb::power_law_decay<T> decay(half_life, {.exponent = exponent});
    const double rate = std::expm1(std::numbers::ln2 / exponent) / 168;
    std::vector<T> gaps = gaps_over_the_range<T>();
    std::erase_if(gaps, [&](T gap) { return double(gap) * rate > 0.99 * double(std::numeric_limits<T>::max()); });
    std::vector<T> out(gaps.size());
    const auto x_of = [&](auto gap) {
      using exact = decltype(gap);
      const exact growth = std::expm1(std::numbers::ln2_v<exact> / exact(exponent));
      return exact(exponent) * std::log1p(gap / 168 * growth) / std::numbers::ln2_v<exact>;
    };
    ebb::evaluate(decay, std::span<const T>(gaps), 1h, std::span<T>(out));
    CHECK(worst_error(gaps, out, x_of) <= 3);
#if EBB_SIMD_LEVELS
    for_every_way<T>([&](auto way) {
      REQUIRE(way(ebb::detail::power_law_pass<T>(rate, static_cast<T>(exponent)), gaps, std::span<T>(out)) ==
              gaps.size());
      CHECK(worst_error(gaps, out, x_of) <= 3);
    });
#endif
  }
}

TEMPLATE_TEST_CASE("a batch is a single read at 0, at infinity, at the largest number and where D has become zero",
                   "[decay_pass]", float, double) {
  using T = TestType;
  const T infinity = std::numeric_limits<T>::infinity();
  const T largest = std::numeric_limits<T>::max();
  const T least = std::numeric_limits<T>::denorm_min();
  const std::vector<T> gaps = {0, -T(0), least, std::numeric_limits<T>::min(), largest / 8, largest, infinity};
  const auto check = [&](const auto& decay) {
    std::vector<T> out(gaps.size());
    ebb::evaluate(decay, std::span<const T>(gaps), 1h, std::span<T>(out));
    for (std::size_t i = 0; i < 4; ++i) CHECK(out[i] == T(1));
    for (std::size_t i = 4; i < gaps.size(); ++i) {
      CAPTURE(decay.name, gaps[i]);
      CHECK(out[i] == Approx(decay(static_cast<double>(gaps[i]) * ebb::duration(1h))).margin(1e-37).epsilon(1e-3));
    }
    CHECK(out.back() == T(0));
  };
  check(ebb::exponential_decay<T>(half_life));
  for (const double exponent : exponents) check(ebb::power_law_decay<T>(half_life, {.exponent = exponent}));
}

TEMPLATE_TEST_CASE("a batch holds no denormal number", "[decay_pass]", float, double) {
  using T = TestType;
  const Eigen::ArrayX<T> gaps = Eigen::ArrayX<T>::LinSpaced(20'011, T(100), T(1100));
  const auto check = [&](const auto& decay) {
    const Eigen::ArrayX<T> out = ebb::evaluate(decay, gaps, decay.half_life());
    CHECK((out == T(0) || out >= std::numeric_limits<T>::min()).all());
    CHECK((out.head(gaps.size() - 1) >= out.tail(gaps.size() - 1)).all());
  };
  check(ebb::exponential_decay<T>(half_life));
  check(ebb::power_law_decay<T>(half_life, {.exponent = 1e6}));
}

TEMPLATE_TEST_CASE("a gap's bytes do not depend on where it stands, what stands beside it, or its alignment",
                   "[decay_pass]", float, double) {
  using T = TestType;
  ebb::random_engine random(2);
  std::vector<T> gaps(307);
  for (T& gap : gaps) gap = static_cast<T>(std::pow(10, -3 + 8 * random.uniform()));
  const auto check = [&](const auto& decay) {
    std::vector<T> alone(gaps.size());
    for (std::size_t i = 0; i < gaps.size(); ++i) {
      ebb::evaluate(decay, std::span<const T>(&gaps[i], 1), 1h, std::span<T>(&alone[i], 1));
    }
    std::vector<T> out(gaps.size() + 17);
    bool same = true;
    for (std::size_t first = 0; first < 40; ++first) {
      for (const std::size_t n :
           {std::size_t(1), std::size_t(15), std::size_t(16), std::size_t(130), std::size_t(267)}) {
        const std::span<T> part(out.data() + first % 17, n);
        ebb::evaluate(decay, std::span<const T>(gaps).subspan(first, n), 1h, part);
        same = same && std::equal(part.begin(), part.end(), alone.begin() + static_cast<std::ptrdiff_t>(first));
      }
    }
    CHECK(same);
    std::vector<T> in_place = gaps;
    ebb::evaluate(decay, std::span<const T>(in_place), 1h, std::span<T>(in_place));
    CHECK(in_place == alone);
  };
  check(ebb::exponential_decay<T>(half_life));
  for (const double exponent : exponents) check(ebb::power_law_decay<T>(half_life, {.exponent = exponent}));
}

#if EBB_SIMD_AVX2 && EBB_SIMD_AVX512
TEMPLATE_TEST_CASE("vectors of 256 and of 512 bits give the same bytes", "[decay_pass]", float, double) {
  using T = TestType;
  if (!ebb::detail::has_avx512()) return;
  const std::vector<T> gaps = gaps_over_the_range<T>();
  const auto check = [&](const auto& curve) {
    std::vector<T> narrow(gaps.size());
    std::vector<T> wide(gaps.size());
    CHECK(ebb::detail::run_avx2<ebb::detail::pass_kernel>(&curve, gaps.data(), narrow.data(), gaps.size()) ==
          gaps.size());
    CHECK(ebb::detail::run_avx512<ebb::detail::pass_kernel>(&curve, gaps.data(), wide.data(), gaps.size()) ==
          gaps.size());
    CHECK(narrow == wide);
  };
  check(ebb::detail::exponential_pass<T>(1.0 / 168));
  check(ebb::detail::power_law_pass<T>(3.0 / 168, T(0.5)));
}
#endif

TEMPLATE_TEST_CASE("spans are refused like arrays, and a bad gap is named wherever it stands", "[decay_pass]", float,
                   double) {
  using T = TestType;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto check = [&](const auto& decay) {
    for (const std::size_t n : {std::size_t(1), std::size_t(20), std::size_t(200)}) {
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<T> gaps(n, T(1));
        gaps[at] = T(-3);
        CHECK_THROWS_WITH(ebb::evaluate(decay, std::span<const T>(gaps), 1s, std::span<T>(gaps)),
                          "ebb::evaluate: gap must be >= 0, got -3 s");
      }
      std::vector<T> gaps(n, T(1));
      gaps[n / 2] = nan;
      CHECK_THROWS_AS(ebb::evaluate(decay, std::span<const T>(gaps), 1s, std::span<T>(gaps)), std::domain_error);
      std::vector<T> shorter(n - 1);
      CHECK_THROWS_AS(ebb::evaluate(decay, std::span<const T>(gaps), 1s, std::span<T>(shorter)), std::invalid_argument);
    }
    ebb::evaluate(decay, std::span<const T>(), 1s, std::span<T>());
  };
  check(ebb::exponential_decay<T>(half_life));
  check(ebb::power_law_decay<T>(half_life));
  check(ebb::linear_decay<T>(half_life));
}

}  // namespace decay_pass_test
