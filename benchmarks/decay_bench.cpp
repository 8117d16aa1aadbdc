// SPDX-License-Identifier: MIT
// What does one decayed weight cost in a batch: by hand with std::exp or std::pow, with Eigen, with the vector libraries
// that are installed, and with ebb? Names are path/who/n.
//
// The same file is compiled a second time for this machine, without ebb: there `who` ends in _native. An ordinary build
// of ebb stands against both.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "bench_size.hpp"

#ifndef EBB_BENCH_NATIVE
#include <ebb/decay.hpp>
#endif
#ifdef EBB_BENCH_XSIMD
#include <xsimd/xsimd.hpp>
#endif
#ifdef EBB_BENCH_HIGHWAY
#define HWY_COMPILE_ONLY_STATIC  // by the flags, like everyone here
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>
#endif
#ifdef EBB_BENCH_SLEEF
#include <immintrin.h>
#include <sleef.h>
#endif

namespace {

// D(gap) = 2^(−gap / 168) and (1 + gap / 56)^(−1/2): a week's half-life in hours; for p = 1/2 the scale is a third of it.
template <class T>
constexpr T rate = std::numbers::ln2_v<T> / T(168);
template <class T>
constexpr T half_lives_per_scale = T(3) / T(168);
template <class T>
constexpr T exponent = T(0.5);

const std::int64_t most = bench_size(200'000, 10'000'000, 10'000'000);

/// Gaps in hours, log-uniform from minutes to a year.
template <class T>
std::span<const T> gaps(std::size_t n) {
  static const std::vector<T> hours = [] {
    std::vector<T> x(static_cast<std::size_t>(most));
    std::uint64_t state = 1;
    for (T& gap : x) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      gap = static_cast<T>(0.1 * std::exp2(16.6 * static_cast<double>(state >> 11) * 0x1p-53));
    }
    return x;
  }();
  return std::span<const T>(hours).first(n);
}

struct exponential {
  static constexpr const char* name = "exponential";
  template <class T>
  static T by_hand(T gap) {
    return std::exp(-rate<T> * gap);
  }
};
struct power_law {
  static constexpr const char* name = "power_law";
  template <class T>
  static T by_hand(T gap) {
    return std::pow(T(1) + gap * half_lives_per_scale<T>, -exponent<T>);
  }
};

template <class Path, class T>
void with_std(std::span<const T> in, std::span<T> out) {
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = Path::by_hand(in[i]);
}

template <class Path, class T>
void with_eigen(std::span<const T> in, std::span<T> out) {
  const auto n = static_cast<Eigen::Index>(in.size());
  const Eigen::Map<const Eigen::ArrayX<T>> x(in.data(), n);
  Eigen::Map<Eigen::ArrayX<T>> d(out.data(), n);
  if constexpr (std::is_same_v<Path, exponential>) {
    d = (x * -rate<T>).exp();
  } else {
    d = ((x * half_lives_per_scale<T> + T(1)).log() * -exponent<T>).exp();
  }
}

#ifdef EBB_BENCH_XSIMD
template <class Path, class T>
void with_xsimd(std::span<const T> in, std::span<T> out) {
  using batch = xsimd::batch<T>;
  std::size_t i = 0;
  for (; i + batch::size <= in.size(); i += batch::size) {
    const batch x = batch::load_unaligned(in.data() + i);
    batch d;
    if constexpr (std::is_same_v<Path, exponential>) {
      d = xsimd::exp(x * batch(-rate<T>));
    } else {
      d = xsimd::exp(xsimd::log(xsimd::fma(x, batch(half_lives_per_scale<T>), batch(T(1)))) * batch(-exponent<T>));
    }
    d.store_unaligned(out.data() + i);
  }
  for (; i < in.size(); ++i) out[i] = Path::by_hand(in[i]);
}
#endif

#ifdef EBB_BENCH_HIGHWAY
template <class Path, class T>
void with_highway(std::span<const T> in, std::span<T> out) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<T> tag;
  const std::size_t lanes = hn::Lanes(tag);
  std::size_t i = 0;
  for (; i + lanes <= in.size(); i += lanes) {
    const auto x = hn::LoadU(tag, in.data() + i);
    if constexpr (std::is_same_v<Path, exponential>) {
      hn::StoreU(hn::Exp(tag, hn::Mul(x, hn::Set(tag, -rate<T>))), tag, out.data() + i);
    } else {
      const auto base = hn::MulAdd(x, hn::Set(tag, half_lives_per_scale<T>), hn::Set(tag, T(1)));
      hn::StoreU(hn::Exp(tag, hn::Mul(hn::Log(tag, base), hn::Set(tag, -exponent<T>))), tag, out.data() + i);
    }
  }
  for (; i < in.size(); ++i) out[i] = Path::by_hand(in[i]);
}
#endif

#ifdef EBB_BENCH_SLEEF
// The widest vectors this compilation has.
#if defined(__AVX512F__)
#define EBB_BENCH_WIDEST(name) _mm512_##name
#define EBB_BENCH_SLEEF_FLOAT(name) Sleef_##name##f16_u10
#define EBB_BENCH_SLEEF_DOUBLE(name) Sleef_##name##d8_u10
#elif defined(__AVX2__)
#define EBB_BENCH_WIDEST(name) _mm256_##name
#define EBB_BENCH_SLEEF_FLOAT(name) Sleef_##name##f8_u10
#define EBB_BENCH_SLEEF_DOUBLE(name) Sleef_##name##d4_u10
#else
#define EBB_BENCH_WIDEST(name) _mm_##name
#define EBB_BENCH_SLEEF_FLOAT(name) Sleef_##name##f4_u10
#define EBB_BENCH_SLEEF_DOUBLE(name) Sleef_##name##d2_u10
#endif
template <class Path, class T>
void with_sleef(std::span<const T> in, std::span<T> out) {
  constexpr bool is_exponential = std::is_same_v<Path, exponential>;
  const auto each = [&](auto load, auto store, auto set, auto multiply, auto add, auto exp, auto log) {
    constexpr std::size_t lanes = sizeof(set(T(0))) / sizeof(T);
    std::size_t i = 0;
    for (; i + lanes <= in.size(); i += lanes) {
      auto x = load(in.data() + i);
      if constexpr (is_exponential) {
        x = exp(multiply(x, set(-rate<T>)));
      } else {
        x = exp(multiply(log(add(multiply(x, set(half_lives_per_scale<T>)), set(T(1)))), set(-exponent<T>)));
      }
      store(out.data() + i, x);
    }
    for (; i < in.size(); ++i) out[i] = Path::by_hand(in[i]);
  };
#define EBB_BENCH_CALL(f) [](auto... x) { return f(x...); }
  if constexpr (std::is_same_v<T, float>) {
    each(EBB_BENCH_CALL(EBB_BENCH_WIDEST(loadu_ps)), EBB_BENCH_CALL(EBB_BENCH_WIDEST(storeu_ps)),
         EBB_BENCH_CALL(EBB_BENCH_WIDEST(set1_ps)), EBB_BENCH_CALL(EBB_BENCH_WIDEST(mul_ps)),
         EBB_BENCH_CALL(EBB_BENCH_WIDEST(add_ps)), EBB_BENCH_CALL(EBB_BENCH_SLEEF_FLOAT(exp)),
         EBB_BENCH_CALL(EBB_BENCH_SLEEF_FLOAT(log)));
  } else {
    each(EBB_BENCH_CALL(EBB_BENCH_WIDEST(loadu_pd)), EBB_BENCH_CALL(EBB_BENCH_WIDEST(storeu_pd)),
         EBB_BENCH_CALL(EBB_BENCH_WIDEST(set1_pd)), EBB_BENCH_CALL(EBB_BENCH_WIDEST(mul_pd)),
         EBB_BENCH_CALL(EBB_BENCH_WIDEST(add_pd)), EBB_BENCH_CALL(EBB_BENCH_SLEEF_DOUBLE(exp)),
         EBB_BENCH_CALL(EBB_BENCH_SLEEF_DOUBLE(log)));
  }
}
#endif

#ifndef EBB_BENCH_NATIVE
template <class Path, class T>
auto decay_of() {
  if constexpr (std::is_same_v<Path, exponential>) {
    return ebb::exponential_decay<T>(std::chrono::days(7));
  } else {
    return ebb::power_law_decay<T>(std::chrono::days(7), {.exponent = static_cast<double>(exponent<T>)});
  }
}

template <class Path, class T>
void with_ebb(std::span<const T> in, std::span<T> out) {
  ebb::evaluate(decay_of<Path, T>(), in, std::chrono::hours(1), out);
}

template <class Path, class T>
void with_ebb_one_by_one(std::span<const T> in, std::span<T> out) {
  const auto decay = decay_of<Path, T>();
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = decay(static_cast<double>(in[i]) * ebb::duration(std::chrono::hours(1)));
  }
}
#endif

template <class Path, class T>
void run(benchmark::State& state, void (*way)(std::span<const T>, std::span<T>)) {
  const std::span<const T> in = gaps<T>(static_cast<std::size_t>(state.range(0)));
  std::vector<T> out(in.size());
  way(in, out);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double error = static_cast<double>(out[i]) - Path::by_hand(static_cast<double>(in[i]));
    if (!(std::abs(error) < (std::is_same_v<T, float> ? 1e-6 : 1e-14))) throw std::logic_error("the result is wrong");
  }
  for (auto _ : state) {
    way(in, out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class Path, class T>
void add(const char* who, void (*way)(std::span<const T>, std::span<T>)) {
  std::string name = std::string(Path::name) + (std::is_same_v<T, float> ? "_float/" : "_double/") + who;
#ifdef EBB_BENCH_NATIVE
  name += "_native";
#endif
  benchmark::RegisterBenchmark(name.c_str(), [way](benchmark::State& state) { run<Path, T>(state, way); })
      ->Arg(10'000)
      ->Arg(100'000)
      ->Arg(most);
}

template <class Path, class T>
void add_everyone() {
#ifndef EBB_BENCH_NATIVE
  add<Path, T>("ebb", with_ebb<Path, T>);
  add<Path, T>("ebb_one_by_one", with_ebb_one_by_one<Path, T>);
#endif
  add<Path, T>("std", with_std<Path, T>);
  add<Path, T>("eigen", with_eigen<Path, T>);
#ifdef EBB_BENCH_XSIMD
  add<Path, T>("xsimd", with_xsimd<Path, T>);
#endif
#ifdef EBB_BENCH_HIGHWAY
  add<Path, T>("highway", with_highway<Path, T>);
#endif
#ifdef EBB_BENCH_SLEEF
  add<Path, T>("sleef", with_sleef<Path, T>);
#endif
}

[[maybe_unused]] const bool added = [] {
  add_everyone<exponential, float>();
  add_everyone<exponential, double>();
  add_everyone<power_law, float>();
  add_everyone<power_law, double>();
  return true;
}();

}  // namespace
