// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_NAME_INDEX_HPP
#define EBB_DETAIL_NAME_INDEX_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "ebb/detail/open_index.hpp"

namespace ebb::detail {

/// Names numbered 0, 1, 2 … in the order they come: the names in one array, and lines of tags that tell where one stands.
template <class Name>
class name_index {
 public:
  static constexpr std::uint32_t npos = open_index::npos;

  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  [[nodiscard]] const Name& operator[](std::size_t number) const { return names_[number]; }

  [[nodiscard]] static std::uint32_t hash_of(const Name& name) { return mixed_hash(std::hash<Name>{}(name)); }

  /// The name's number, npos if it has none.
  [[nodiscard]] std::uint32_t find(const Name& name) const { return find(name, hash_of(name)); }
  [[nodiscard]] std::uint32_t find(const Name& name, std::uint32_t hash) const {
    return index_.find(hash, [&](std::uint32_t number) { return names_[number] == name; });
  }

  // A search in three steps, each of which asks for what the next one reads; there must be a name.
  using line = open_index::line;
  [[nodiscard]] EBB_INLINE const line* home(std::uint32_t hash) const noexcept { return index_.home(hash); }
  [[nodiscard]] EBB_INLINE std::uint32_t guess(const line* home, std::uint32_t hash) const noexcept {
    const std::uint32_t number = open_index::guess(home, hash);
    if (number != npos) detail::prefetch(&names_[number]);
    return number;
  }
  [[nodiscard]] EBB_INLINE std::uint32_t find(const Name& name, std::uint32_t hash, std::uint32_t guess) const {
    return guess != npos && names_[guess] == name ? guess : find(name, hash);
  }

  /// The name's number, a new one if it had none.   Errors: std::length_error above 2^32 − 2 names; strong guarantee.
  std::uint32_t find_or_add(const Name& name) {
    const std::uint32_t hash = hash_of(name);
    const std::uint32_t known = find(name, hash);
    if (known != npos) return known;
    index_.reserve(names_.size() + 1, names_.size(), [this](std::uint32_t n) { return hash_of(names_[n]); });
    const auto number = static_cast<std::uint32_t>(names_.size());
    names_.push_back(name);
    index_.insert(hash, number);
    return number;
  }

  /// Drops the names numbered `size` and up.
  void truncate(std::size_t size) {
    while (names_.size() > size) {
      index_.erase(hash_of(names_.back()), static_cast<std::uint32_t>(names_.size() - 1));
      names_.pop_back();
    }
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return names_.capacity() * sizeof(Name) + index_.bytes(); }

 private:
  std::vector<Name> names_;
  open_index index_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_NAME_INDEX_HPP
