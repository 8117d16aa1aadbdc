// SPDX-License-Identifier: MIT
#ifndef EBB_CONTENT_TERMS_HPP
#define EBB_CONTENT_TERMS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <Eigen/Core>

#include "ebb/detail/moment_reading.hpp"
#include "ebb/ranking_term.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// What an item is, against what the user's items were. A profile is a sum over events, profile = Σ amount · D(age) · v(item), with v the
// item's content as a vector of length 1. It is linear, so it need not be kept: it is Σ_items I(u, i, now) · v(i), read off the store when
// it is asked for. It decays, forgets and retracts with the store, and new tags or new embeddings hold for the past as well.
//
//   value = v(candidate) · profile / (|profile| + shrink)       which is the cosine times |profile| / (|profile| + shrink)
//
// The shrinkage makes the value continuous: what is left of one event of long ago points somewhere too, but with next to no force.
// Range: [−1, 1]; 0 for a user or an item without content.   Errors: std::invalid_argument unless shrink is finite and >= 0.

namespace ebb {

namespace detail {

inline double checked_shrink(double shrink, const std::string& where) {
  require(std::isfinite(shrink) && shrink >= 0, where, "shrink must be finite and >= 0", shrink);
  return shrink;
}

}  // namespace detail

/// How much an item's tags are those of the items the user has been into lately.
///
/// `tags_of(item)` → a range of tags (each once), empty where there are none; a tag has equality and std::hash.
/// Complexity: O(tags of the user's items and of the candidates).
template <class TagsOf>
class tag_term {
 public:
  tag_term(reading how, TagsOf tags_of, double shrink = 1, std::string name = "tags")
      : how_(std::move(how)),
        tags_of_(std::move(tags_of)),
        shrink_(detail::checked_shrink(shrink, "tag_term")),
        name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    using tags = std::invoke_result_t<const TagsOf&, const typename Store::item_type&>;
    using tag = std::ranges::range_value_t<tags>;
    std::unordered_map<tag, double> profile;
    const detail::moment_reading<Store> at(question.store, how_, question.now, name_);
    const std::size_t own = question.state == nullptr ? 0 : question.state->entries.size();
    for (std::size_t i = 0; i < own; ++i) {
      const double interest = at.interest(*question.state, i);
      if (interest == 0) continue;
      tags&& of = tags_of_(question.store.item(question.state->entries.item(i)));
      const double each = interest * per_tag(of);
      for (const auto& t : of) profile[t] += each;
    }
    double largest = 0;  // squares are taken relative to it, so that an old profile's do not underflow
    for (const auto& [t, weight] : profile) largest = std::max(largest, weight);
    double square = 0;
    for (const auto& [t, weight] : profile) square += (weight / largest) * (weight / largest);
    const double length = largest * std::sqrt(square) + shrink_;
    for (std::size_t i = 0; i < values.size(); ++i) {
      tags&& of = tags_of_(question.items[i]);
      double shared = 0;
      for (const auto& t : of) {
        const auto found = profile.find(t);
        if (found != profile.end()) shared += found->second;
      }
      values[i] = shared == 0 ? 0.0 : shared * per_tag(of) / length;
    }
  }

 private:
  /// The part of one tag in the item's vector of length 1.
  template <class Tags>
  [[nodiscard]] static double per_tag(const Tags& of) {
    return 1 / std::sqrt(static_cast<double>(std::ranges::distance(of)));
  }

  reading how_;
  TagsOf tags_of_;
  double shrink_;
  std::string name_;
};

/// How near an item's embedding is to those of the items the user has been into lately.
///
/// `embedding_of(item)` → `dimensions` numbers with data() and size() (a span, a vector, a reference to one), empty where there is none;
/// only its direction counts.   Complexity: O((the user's items + n) · dimensions).
/// Errors: std::invalid_argument when an embedding has another number of dimensions or is not finite.
template <class EmbeddingOf>
class embedding_term {
 public:
  embedding_term(Eigen::Index dimensions, reading how, EmbeddingOf embedding_of, double shrink = 1,
                 std::string name = "embedding")
      : dimensions_(dimensions),
        how_(std::move(how)),
        embedding_of_(std::move(embedding_of)),
        shrink_(detail::checked_shrink(shrink, "embedding_term")),
        name_(std::move(name)) {
    detail::require(dimensions > 0, "embedding_term", "dimensions must be > 0", dimensions);
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    Eigen::VectorXd profile = Eigen::VectorXd::Zero(dimensions_);
    Eigen::VectorXd direction(dimensions_);
    const detail::moment_reading<Store> at(question.store, how_, question.now, name_);
    const std::size_t own = question.state == nullptr ? 0 : question.state->entries.size();
    for (std::size_t i = 0; i < own; ++i) {
      const double interest = at.interest(*question.state, i);
      if (interest > 0 && find(question.store.item(question.state->entries.item(i)), direction))
        profile += interest * direction;
    }
    const double length = profile.stableNorm() + shrink_;
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = length > 0 && find(question.items[i], direction) ? direction.dot(profile) / length : 0.0;
  }

 private:
  /// The item's direction, of length 1; false where it has none.
  template <class Item>
  bool find(const Item& item, Eigen::VectorXd& direction) const {
    auto&& embedding = embedding_of_(item);
    using number = std::remove_cvref_t<decltype(*embedding.data())>;
    const auto size = static_cast<Eigen::Index>(embedding.size());
    if (size == 0) return false;
    detail::require(size == dimensions_, "embedding_term", "an embedding must have as many numbers as dimensions",
                    size);
    direction =
        Eigen::Map<const Eigen::Matrix<number, Eigen::Dynamic, 1>>(embedding.data(), size).template cast<double>();
    detail::require(direction.allFinite(), "embedding_term", "an embedding must be finite", "one that is not");
    const double length = direction.stableNorm();
    if (length == 0) return false;
    direction /= length;
    return true;
  }

  Eigen::Index dimensions_;
  reading how_;
  EmbeddingOf embedding_of_;
  double shrink_;
  std::string name_;
};

}  // namespace ebb

#endif  // EBB_CONTENT_TERMS_HPP
