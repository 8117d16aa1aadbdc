// SPDX-License-Identifier: MIT
#ifndef EBB_ALLOCATIONS_HPP
#define EBB_ALLOCATIONS_HPP

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

// Replaces the program's operator new by one that counts, and that fails when told to: for one source file of a program. (Inlined, GCC takes
// the pairs for mismatched.)

static int allocations = 0;
static int until_failure = std::numeric_limits<int>::max();

static void count_allocation() {
  ++allocations;
  if (--until_failure < 0) throw std::bad_alloc();
}

[[gnu::noinline]] void* operator new(std::size_t size) {
  count_allocation();
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
  ++allocations;
  return std::malloc(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  count_allocation();
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* const memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#endif  // EBB_ALLOCATIONS_HPP
