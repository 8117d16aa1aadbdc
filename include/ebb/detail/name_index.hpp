// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_NAME_INDEX_HPP
#define EBB_DETAIL_NAME_INDEX_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace ebb::detail {

/// Names numbered 0, 1, 2 … in the order they come: the names in one array, and an open-addressed index into it.
template <class Name>
class name_index {
 public:
  static constexpr std::uint32_t npos = static_cast<std::uint32_t>(-1);

  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  [[nodiscard]] const Name& operator[](std::size_t number) const { return names_[number]; }

  /// The name's number, npos if it has none.
  [[nodiscard]] std::uint32_t find(const Name& name) const {
    if (slots_.empty()) return npos;
    for (std::size_t s = start(name);; s = (s + 1) & mask()) {
      if (slots_[s] == 0) return npos;
      if (names_[slots_[s] - 1] == name) return slots_[s] - 1;
    }
  }

  /// The name's number, a new one if it had none. Strong guarantee.
  std::uint32_t find_or_add(const Name& name) {
    const std::uint32_t known = find(name);
    if (known != npos) return known;
    if (names_.size() + 1 >= npos) throw std::length_error("ebb: there may be at most 2^32 − 2 names");
    names_.push_back(name);
    try {
      if (names_.size() * 4 > slots_.size() * 3) rebuild();
    } catch (...) {
      names_.pop_back();
      throw;
    }
    place(names_.size() - 1);
    return static_cast<std::uint32_t>(names_.size() - 1);
  }

  /// Drops the names numbered `size` and up.
  void truncate(std::size_t size) {
    if (size >= names_.size()) return;
    names_.erase(names_.begin() + static_cast<std::ptrdiff_t>(size), names_.end());
    std::fill(slots_.begin(), slots_.end(), 0U);
    for (std::size_t i = 0; i < names_.size(); ++i) place(i);
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return names_.capacity() * sizeof(Name) + slots_.capacity() * sizeof(std::uint32_t);
  }

 private:
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }

  // std::hash of an integer is that integer: the product spreads it, and its high bits are the mixed ones.
  [[nodiscard]] std::size_t start(const Name& name) const {
    return static_cast<std::size_t>((std::uint64_t{std::hash<Name>{}(name)} * 0x9e3779b97f4a7c15U) >> 32) & mask();
  }

  void place(std::size_t i) {
    std::size_t s = start(names_[i]);
    while (slots_[s] != 0) s = (s + 1) & mask();
    slots_[s] = static_cast<std::uint32_t>(i + 1);
  }

  void rebuild() {
    std::vector<std::uint32_t> grown(std::max<std::size_t>(16, slots_.size() * 2), 0U);
    slots_.swap(grown);
    for (std::size_t i = 0; i + 1 < names_.size(); ++i) place(i);  // the caller places the newest
  }

  std::vector<Name> names_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_NAME_INDEX_HPP
