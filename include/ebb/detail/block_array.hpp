// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_BLOCK_ARRAY_HPP
#define EBB_DETAIL_BLOCK_ARRAY_HPP

#include <cstddef>
#include <utility>
#include <vector>

#include "ebb/detail/tag_line.hpp"

namespace ebb::detail {

/// An array in blocks, which grows and shrinks at its end: nothing moves when it grows, but for the only block of a small one, and no more than
/// a block of its memory is unused.
///
/// An element that fits into a line of the cache, but not twice, begins on one: to use it never means to wait for two.
template <class T>
class block_array {
 public:
  block_array() = default;
  block_array(block_array&&) noexcept = default;
  block_array& operator=(block_array&&) noexcept = default;
  block_array(const block_array& other) : blocks_(other.blocks_) {
    if (blocks_.size() > 1) blocks_.back().reserve(block_size);
    starts_.reserve(blocks_.size());
    for (block& b : blocks_) starts_.push_back(b.data());
  }
  block_array& operator=(const block_array& other) { return *this = block_array(other); }
  ~block_array() = default;

  [[nodiscard]] std::size_t size() const noexcept {
    return blocks_.empty() ? 0 : (blocks_.size() - 1) * block_size + blocks_.back().size();
  }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return starts_[i / block_size][i % block_size].value; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept {
    return starts_[i / block_size][i % block_size].value;
  }

  /// Asks the processor to fetch an element.
  EBB_INLINE void prefetch(std::size_t i) const noexcept {
    const slot* const at = &starts_[i / block_size][i % block_size];
    detail::prefetch(at);
    if constexpr (alignof(slot) < line) detail::prefetch(reinterpret_cast<const std::byte*>(at + 1) - 1);
  }

  /// Strong guarantee.
  template <class... Arguments>
  void emplace_back(Arguments&&... arguments) {
    if (!blocks_.empty() && blocks_.back().size() < block_size) {
      blocks_.back().emplace_back(std::in_place, std::forward<Arguments>(arguments)...);
      starts_.back() = blocks_.back().data();
    } else {
      block added;
      if (!blocks_.empty()) added.reserve(block_size);  // a small array's only block grows as it needs
      added.emplace_back(std::in_place, std::forward<Arguments>(arguments)...);
      starts_.push_back(added.data());
      try {
        blocks_.push_back(std::move(added));
      } catch (...) {
        starts_.pop_back();
        throw;
      }
    }
  }

  void pop_back() noexcept {
    blocks_.back().pop_back();
    if (blocks_.back().empty()) {
      blocks_.pop_back();
      starts_.pop_back();
    }
  }

  /// Bytes on the heap, but for what the elements hold there.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = blocks_.capacity() * sizeof(block) + starts_.capacity() * sizeof(void*);
    for (const block& b : blocks_) sum += b.capacity() * sizeof(slot);
    return sum;
  }

 private:
  static constexpr std::size_t line = 64;
  static constexpr std::size_t block_size = 256;
  struct alignas(sizeof(T) > line / 2 && sizeof(T) <= line ? line : alignof(T)) slot {
    T value;

    template <class... Arguments>
    explicit slot(std::in_place_t, Arguments&&... arguments) : value(std::forward<Arguments>(arguments)...) {}
  };
  using block = std::vector<slot>;

  std::vector<block> blocks_;  // all full but the last, none empty
  std::vector<slot*> starts_;  // of each: a step less on the way to an element
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_BLOCK_ARRAY_HPP
