// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SIMD_LEVELS_HPP
#define EBB_DETAIL_SIMD_LEVELS_HPP

#include <concepts>
#include <cstddef>

// A kernel compiled once for every level of instructions, and run with the best that this processor has.
//
// An ordinary build is thus as fast as one for this machine. The choice is a test of a word and a call: no ifunc, nothing
// to initialise, and any C library will do.

// Whether the compiler knows vectors of any length, whatever the machine.
#if defined(__GNUC__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector) && __has_builtin(__builtin_convertvector)
#define EBB_SIMD_VECTORS 1
#endif
#endif
#ifndef EBB_SIMD_VECTORS
#define EBB_SIMD_VECTORS 0
#endif

// Whether there are levels to choose from. Not where the compiler may reorder sums: kernels rely on what is rounded when
// and on NaN.
#if EBB_SIMD_VECTORS && defined(__x86_64__) && !defined(__FAST_MATH__)
#define EBB_SIMD_LEVELS 1
#else
#define EBB_SIMD_LEVELS 0
#endif

// The longest vectors to choose, in bytes: 16 or 32 show on this machine what a processor without longer ones would do.
// The same in all of a program.
#ifndef EBB_SIMD_BYTES
#define EBB_SIMD_BYTES 64
#endif

#if defined(__clang__)
#define EBB_ALWAYS_INLINE __attribute__((always_inline))
#define EBB_VECTORISE
#define EBB_INDEPENDENT _Pragma("clang loop vectorize(assume_safety) interleave(disable) unroll(disable)")
#define EBB_UNROLL _Pragma("clang loop unroll(full)")
// A build that optimises too little for vectors would be warned that it has none.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"
#elif defined(__GNUC__)
#define EBB_ALWAYS_INLINE __attribute__((always_inline))
// Below -O3 this compiler makes few vectors or none.
#define EBB_VECTORISE __attribute__((optimize("O3")))
#define EBB_INDEPENDENT _Pragma("GCC ivdep")
#define EBB_UNROLL _Pragma("GCC unroll 16")
#else
#define EBB_ALWAYS_INLINE
#define EBB_VECTORISE
#define EBB_INDEPENDENT
#define EBB_UNROLL
#endif
#define EBB_INLINE inline EBB_ALWAYS_INLINE

namespace ebb::detail {

/// Whether a type has kernels of its own; the others, and other compilers and machines, keep to Eigen.
template <class T>
inline constexpr bool has_kernels = EBB_SIMD_LEVELS != 0 && (std::same_as<T, float> || std::same_as<T, double>);

/// What a kernel may use: vectors of so many bytes, and a·b + c rounded once.
template <std::size_t Bytes, bool Fused>
struct simd_level {
  static constexpr std::size_t bytes = Bytes;
  static constexpr bool fused = Fused;
};

#if defined(__AVX512F__)
using built_level = simd_level<64, true>;
#elif defined(__AVX2__) && defined(__FMA__)
using built_level = simd_level<32, true>;
#elif defined(__FMA__)
using built_level = simd_level<16, true>;
#else
using built_level = simd_level<16, false>;
#endif

// A kernel is a struct whose `run<Level>(arguments…)` is EBB_INLINE, as must be all that it calls. Vectors go by reference:
// how they are passed by value depends on the level.

template <class Kernel, class... Arguments>
EBB_VECTORISE inline auto run_as_built(Arguments... arguments) {
  return Kernel::template run<built_level>(arguments...);
}

// Which levels there are to choose from beside that of the build; no others are compiled.
#if EBB_SIMD_LEVELS && EBB_SIMD_BYTES >= 64 && !defined(__AVX512VL__)
#define EBB_SIMD_AVX512 1
#else
#define EBB_SIMD_AVX512 0
#endif
#if EBB_SIMD_LEVELS && EBB_SIMD_BYTES >= 32 && !defined(__AVX512VL__) && !(defined(__AVX2__) && defined(__FMA__))
#define EBB_SIMD_AVX2 1
#else
#define EBB_SIMD_AVX2 0
#endif

#if EBB_SIMD_AVX2
template <class Kernel, class... Arguments>
EBB_VECTORISE __attribute__((target("avx2,fma"))) inline auto run_avx2(Arguments... arguments) {
  return Kernel::template run<simd_level<32, true>>(arguments...);
}
#endif

#if EBB_SIMD_AVX512
template <class Kernel, class... Arguments>
EBB_VECTORISE __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))) inline auto run_avx512(
    Arguments... arguments) {
  return Kernel::template run<simd_level<64, true>>(arguments...);
}
#endif

#if EBB_SIMD_AVX2 || EBB_SIMD_AVX512
[[nodiscard]] inline bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#if EBB_SIMD_AVX512
[[nodiscard]] inline bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

/// `as_built`: by the flags of the build.
enum class processor_level { as_built, avx2, avx512 };

/// The highest level this processor has above the one the program was built for.
[[nodiscard]] inline processor_level widest_level() noexcept {
#if EBB_SIMD_AVX512
  if (has_avx512()) return processor_level::avx512;
#endif
#if EBB_SIMD_AVX2
  if (has_avx2()) return processor_level::avx2;
#endif
  return processor_level::as_built;
}

/// The kernel at a level up to the widest; at that of the build where there is no such.
template <class Kernel, class... Arguments>
auto run_at([[maybe_unused]] processor_level level, Arguments... arguments) {
#if EBB_SIMD_AVX512
  if (level == processor_level::avx512) return run_avx512<Kernel>(arguments...);
#endif
#if EBB_SIMD_AVX2
  if (level == processor_level::avx2) return run_avx2<Kernel>(arguments...);
#endif
  return run_as_built<Kernel>(arguments...);
}

/// The kernel with the widest vectors this processor has.
template <class Kernel, class... Arguments>
auto run_best(Arguments... arguments) {
  return run_at<Kernel>(widest_level(), arguments...);
}

struct function_kernel {
  template <class Level, class Function>
  EBB_INLINE static void run(const Function* f) {
    (*f)(Level{});
  }
};

/// Calls f(level), which is EBB_ALWAYS_INLINE, with the simd_level that belongs to it.
template <class Function>
void call_at(processor_level level, const Function& f) {
  run_at<function_kernel>(level, &f);
}

}  // namespace ebb::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif  // EBB_DETAIL_SIMD_LEVELS_HPP
