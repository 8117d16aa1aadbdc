// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_FLAT_MAP_HPP
#define EBB_DETAIL_FLAT_MAP_HPP

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <type_traits>
#include <utility>

#include "ebb/detail/block_array.hpp"
#include "ebb/detail/open_index.hpp"

namespace ebb::detail {

/// A hash map whose pairs stand side by side in large blocks, in the order they came until one is erased: then the last takes its place.
///
/// The part of std::unordered_map's interface a store needs. A search reads a line of tags and the pair, where nodes cost one more
/// miss of the cache each; going through all of them reads memory in order.
/// Iterators and references: erasing invalidates those of the erased and of the last; inserting, all.
template <class Key, class Value>
class flat_map {
 public:
  using value_type = std::pair<Key, Value>;
  static constexpr std::uint32_t npos = open_index::npos;

  template <bool IsConst>
  class basic_iterator {
   public:
    using map_type = std::conditional_t<IsConst, const flat_map, flat_map>;
    using iterator_category = std::forward_iterator_tag;
    using value_type = flat_map::value_type;
    using difference_type = std::ptrdiff_t;
    using reference = std::conditional_t<IsConst, const value_type&, value_type&>;
    using pointer = std::conditional_t<IsConst, const value_type*, value_type*>;

    basic_iterator() = default;
    basic_iterator(map_type& map, std::size_t place) noexcept : map_(&map), place_(place) {}
    explicit operator basic_iterator<true>() const noexcept { return {*map_, place_}; }

    [[nodiscard]] reference operator*() const noexcept { return map_->at(place_); }
    [[nodiscard]] pointer operator->() const noexcept { return &map_->at(place_); }
    basic_iterator& operator++() noexcept {
      ++place_;
      return *this;
    }
    basic_iterator operator++(int) noexcept {
      const basic_iterator before = *this;
      ++place_;
      return before;
    }
    /// How many pairs stand before it.
    [[nodiscard]] std::size_t place() const noexcept { return place_; }

    [[nodiscard]] friend bool operator==(const basic_iterator& a, const basic_iterator& b) noexcept {
      return a.place_ == b.place_;
    }

   private:
    map_type* map_ = nullptr;
    std::size_t place_ = 0;
  };
  using iterator = basic_iterator<false>;
  using const_iterator = basic_iterator<true>;

  [[nodiscard]] iterator begin() noexcept { return {*this, 0}; }
  [[nodiscard]] iterator end() noexcept { return {*this, size()}; }
  [[nodiscard]] const_iterator begin() const noexcept { return {*this, 0}; }
  [[nodiscard]] const_iterator end() const noexcept { return {*this, size()}; }
  [[nodiscard]] std::size_t size() const noexcept { return pairs_.size(); }

  [[nodiscard]] static std::uint32_t hash_of(const Key& key) { return mixed_hash(std::hash<Key>{}(key)); }

  [[nodiscard]] iterator find(const Key& key) { return at_or_end(*this, place_of(key, hash_of(key))); }
  [[nodiscard]] const_iterator find(const Key& key) const { return at_or_end(*this, place_of(key, hash_of(key))); }
  [[nodiscard]] bool contains(const Key& key) const { return place_of(key, hash_of(key)) != open_index::npos; }

  /// The key's place, npos if it has none: until one is erased, its own however many come.
  [[nodiscard]] std::uint32_t place_of(const Key& key, std::uint32_t hash) const {
    return index_.find(hash, [&](std::uint32_t place) { return at(place).first == key; });
  }
  [[nodiscard]] value_type& at(std::size_t place) noexcept { return pairs_[place]; }
  [[nodiscard]] const value_type& at(std::size_t place) const noexcept { return pairs_[place]; }

  // A search in three steps, each of which asks for what the next one reads; there must be a pair.
  using line = open_index::line;
  [[nodiscard]] EBB_INLINE const line* home(std::uint32_t hash) const noexcept { return index_.home(hash); }
  [[nodiscard]] EBB_INLINE std::uint32_t guess(const line* home, std::uint32_t hash) const noexcept {
    const std::uint32_t place = open_index::guess(home, hash);
    if (place == npos) return npos;
    pairs_.prefetch(place);
    return place;
  }
  [[nodiscard]] EBB_INLINE std::uint32_t place_of(const Key& key, std::uint32_t hash, std::uint32_t guess) const {
    return guess != npos && at(guess).first == key ? guess : place_of(key, hash);
  }

  /// The key's pair, with an empty value if there was none, and whether it is new.   Errors: as open_index::reserve; strong guarantee.
  std::pair<iterator, bool> try_emplace(const Key& key) {
    const std::uint32_t hash = hash_of(key);
    const std::uint32_t known = place_of(key, hash);
    if (known != npos) return {iterator(*this, known), false};
    const std::size_t place = size();
    index_.reserve(place + 1, place, [this](std::uint32_t p) { return hash_of(at(p).first); });
    pairs_.emplace_back(std::piecewise_construct, std::forward_as_tuple(key), std::forward_as_tuple());
    index_.insert(hash, static_cast<std::uint32_t>(place));
    return {iterator(*this, place), true};
  }
  Value& operator[](const Key& key) { return try_emplace(key).first->second; }

  /// Takes a pair out; returns where the pair now stands that took its place, or the end.
  iterator erase(iterator at) noexcept {
    const std::size_t place = at.place();
    const std::size_t last = size() - 1;
    index_.erase(hash_of(at->first), static_cast<std::uint32_t>(place));
    if (place != last) {
      value_type& moved = this->at(last);
      index_.move(hash_of(moved.first), static_cast<std::uint32_t>(last), static_cast<std::uint32_t>(place));
      *at = std::move(moved);
    }
    pairs_.pop_back();
    return {*this, place};
  }

  /// Bytes on the heap, but for what keys and values hold there.
  [[nodiscard]] std::size_t bytes() const noexcept { return index_.bytes() + pairs_.bytes(); }

 private:
  template <class Map>
  [[nodiscard]] static auto at_or_end(Map& map, std::uint32_t place) noexcept {
    return place == npos ? map.end() : decltype(map.end())(map, place);
  }

  block_array<value_type> pairs_;
  open_index index_;
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_FLAT_MAP_HPP
