// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SIMD_VECTOR_HPP
#define EBB_DETAIL_SIMD_VECTOR_HPP

#include "ebb/detail/simd_levels.hpp"

#include <cstddef>

// Vectors as GCC and clang both know them. They are passed by reference alone: a call by value would depend on the level.

#if EBB_SIMD_VECTORS

namespace ebb::detail {

template <class T, std::size_t Bytes>
struct simd_vector {
  using type __attribute__((vector_size(Bytes))) = T;
};

template <class V, class T>
EBB_INLINE void load(V& to, const T* from) {
  __builtin_memcpy(&to, from, sizeof(V));
}
template <class V, class T>
EBB_INLINE void store(T* to, const V& from) {
  __builtin_memcpy(to, &from, sizeof(V));
}

/// The sum of a vector's numbers, by halves.
template <class T, std::size_t Bytes>
EBB_INLINE T sum_of(const typename simd_vector<T, Bytes>::type& v) {
  if constexpr (Bytes == 2 * sizeof(T)) {
    return v[0] + v[1];  // NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult): it does not follow memcpy
  } else {
    using half = typename simd_vector<T, Bytes / 2>::type;
    half low, high;
    __builtin_memcpy(&low, &v, Bytes / 2);
    __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + Bytes / 2, Bytes / 2);
    low += high;
    return sum_of<T, Bytes / 2>(low);
  }
}

}  // namespace ebb::detail

#endif  // EBB_SIMD_VECTORS

#endif  // EBB_DETAIL_SIMD_VECTOR_HPP
