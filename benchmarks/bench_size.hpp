// SPDX-License-Identifier: MIT
#ifndef EBB_BENCHMARKS_BENCH_SIZE_HPP
#define EBB_BENCHMARKS_BENCH_SIZE_HPP

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

/// The environment variable EBB_BENCH_SIZE chooses how much data the benchmarks work on: `small` to see that they run,
/// `large` for those who have the time, and by default something between.
///
/// Errors: std::invalid_argument for another word.
inline std::int64_t bench_size(std::int64_t small, std::int64_t usual, std::int64_t large) {
  const char* const given = std::getenv("EBB_BENCH_SIZE");
  const std::string_view word = given == nullptr ? "usual" : given;
  if (word == "small") return small;
  if (word == "usual") return usual;
  if (word == "large") return large;
  throw std::invalid_argument("EBB_BENCH_SIZE must be small, usual or large");
}

#endif  // EBB_BENCHMARKS_BENCH_SIZE_HPP
