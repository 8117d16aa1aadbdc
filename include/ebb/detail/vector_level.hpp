// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_VECTOR_LEVEL_HPP
#define EBB_DETAIL_VECTOR_LEVEL_HPP

#include <type_traits>

#include "ebb/detail/simd_levels.hpp"

// Loops and vectors compiled once for every level of instructions, the processor's own chosen at run time: a test of a
// word and a call. What is to run there must be inlined into it, which EBB_LEVEL_INLINE sees to; vectors go by reference,
// since how they are passed by value depends on the level.
#if defined(__GNUC__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector) && __has_builtin(__builtin_convertvector)
#define EBB_LEVEL_VECTORS 1
#endif
#endif
#ifndef EBB_LEVEL_VECTORS
#define EBB_LEVEL_VECTORS 0
#endif

#if defined(__GNUC__)
#define EBB_LEVEL_INLINE __attribute__((always_inline))
#else
#define EBB_LEVEL_INLINE
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define EBB_LEVEL_OPTIMISE __attribute__((optimize("O3")))  // below, this compiler makes few vectors of loops
#else
#define EBB_LEVEL_OPTIMISE
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define EBB_LEVEL_INDEPENDENT _Pragma("GCC ivdep")
#else
#define EBB_LEVEL_INDEPENDENT
#endif

namespace ebb::detail {

/// `as_built`: by the flags of the build.
enum class vector_level { as_built, avx2, avx512 };

template <vector_level Level>
using vector_level_constant = std::integral_constant<vector_level, Level>;

/// The highest level this processor has above the one the program was built for.
[[nodiscard]] inline vector_level widest_level() noexcept {
#if EBB_LEVEL_VECTORS && EBB_SIMD_LEVELS && !defined(__AVX512VL__)
  if (has_avx512()) return vector_level::avx512;
#if !defined(__AVX2__) || !defined(__FMA__)
  if (has_avx2()) return vector_level::avx2;
#endif
#endif
  return vector_level::as_built;
}

/// Bytes of the vectors to write code for.
template <vector_level Level>
inline constexpr int vector_bytes = Level == vector_level::avx512 ? 64
                                    : Level == vector_level::avx2 ? 32
#if defined(__AVX512VL__)
                                                                  : 64;
#elif defined(__AVX2__)
                                                                  : 32;
#else
                                                                  : 16;
#endif

template <class Function>
EBB_LEVEL_OPTIMISE void call_as_built(const Function& f) {
  f(vector_level_constant<vector_level::as_built>{});
}

#if EBB_LEVEL_VECTORS && defined(__x86_64__)
template <class Function>
EBB_LEVEL_OPTIMISE __attribute__((target("avx2,fma"))) void call_avx2(const Function& f) {
  f(vector_level_constant<vector_level::avx2>{});
}
template <class Function>
EBB_LEVEL_OPTIMISE __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))) void call_avx512(
    const Function& f) {
  f(vector_level_constant<vector_level::avx512>{});
}
#endif

/// Calls f, which must be inlined, with the level as a constant.
template <class Function>
void run_at(vector_level level, const Function& f) {
#if EBB_LEVEL_VECTORS && defined(__x86_64__)
  if (level == vector_level::avx512) return call_avx512(f);
  if (level == vector_level::avx2) return call_avx2(f);
#endif
  (void)level;
  call_as_built(f);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_VECTOR_LEVEL_HPP
