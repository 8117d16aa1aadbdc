// SPDX-License-Identifier: MIT
#ifndef EBB_RANKING_TERM_HPP
#define EBB_RANKING_TERM_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ebb/time.hpp"

namespace ebb {

/// Who asks, when, and about which items: all a ranking term is given. Every name is looked up once, for all terms.
template <class Store>
struct ranking_question {
  using user_type = typename Store::user_type;
  using item_type = typename Store::item_type;
  using user_state = typename Store::user_state;

  static constexpr std::uint32_t no_handle = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t no_entry = Store::table::npos;

  const Store& store;
  const user_type& user;
  const user_state* state;  ///< the user's, null for a user the store does not know
  time_point now;
  std::span<const item_type> items;        ///< (n), the candidates
  std::span<const std::uint32_t> handles;  ///< (n), the store's number of each; no_handle for an item it never met
  std::span<const std::size_t>
      entries;  ///< (n), their places among the user's own entries; no_entry where there is none
  /// How much later than `now` the newest events of everybody else may be; see `rank_options::ahead`.
  duration ahead = std::chrono::minutes(1);

  [[nodiscard]] std::size_t size() const noexcept { return items.size(); }
};

/// One reason to rank an item higher or lower: a name, and a number for each candidate, all in one call.
///
/// A number is the larger the more it speaks for the item and 0 where nothing is known, so that a user or an item nobody has met is an
/// answer like any other. `values` has one place a candidate, and all are to be written.
template <class Term, class Store>
concept ranking_term = std::copy_constructible<Term> &&
    requires(const Term& term, const ranking_question<Store>& question, std::span<double> values) {
  { term.name() } -> std::convertible_to<std::string_view>;
  term.fill(question, values);
};

/// What becomes of a term's values before they are weighted. All keep 0 at 0 and the sign, are continuous, and never
/// turn an order round.
///
///   raw                 v
///   logarithmic(unit)   ln(1 + |v| / unit), with v's sign       sums over many magnitudes; a small unit makes it nearly ln v + constant
///   saturating(unit)    1 − e^(−|v| / unit), with v's sign      in [−1, 1], whatever the other candidates are; from 37 units on, ±1
///   by_largest(floor)   v / max(floor, max_j |v_j|)             in [−1, 1], relative to the candidates of the question
///
/// The floor is what counts as a full value where all candidates are below it. Without one, candidates of which nothing is known would be
/// blown up to 1 by the last trace of interest.
/// Errors: std::invalid_argument unless unit or floor is finite and > 0.
class normalisation {
 public:
  enum class kind : std::uint8_t { raw, logarithmic, saturating, by_largest };

  [[nodiscard]] static normalisation raw() { return normalisation(kind::raw, 1); }
  [[nodiscard]] static normalisation logarithmic(double unit = 1) { return normalisation(kind::logarithmic, unit); }
  [[nodiscard]] static normalisation saturating(double unit = 1) { return normalisation(kind::saturating, unit); }
  [[nodiscard]] static normalisation by_largest(double floor = 1) { return normalisation(kind::by_largest, floor); }

  /// Any of them, by its kind; `unit` is that of the formulas, or the floor, and 1 for raw.
  normalisation(kind how, double unit) : kind_(how), unit_(unit) {
    detail::require(std::isfinite(unit) && unit > 0, "normalisation", "unit and floor must be finite and > 0", unit);
    detail::require(how != kind::raw || unit == 1, "normalisation", "raw values have the unit 1", unit);
  }

  [[nodiscard]] kind how() const noexcept { return kind_; }
  [[nodiscard]] double unit() const noexcept { return unit_; }

  [[nodiscard]] friend bool operator==(const normalisation&, const normalisation&) = default;

  /// Normalises the candidates' finite values in place.
  void operator()(std::span<double> values) const {
    switch (kind_) {
      case kind::raw:
        break;
      case kind::logarithmic:
        for (double& v : values) v = std::copysign(std::log1p(std::abs(v) / unit_), v);
        break;
      case kind::saturating:
        for (double& v : values) v = std::copysign(-std::expm1(-std::abs(v) / unit_), v);
        break;
      case kind::by_largest: {
        double largest = unit_;
        for (const double v : values) largest = std::max(largest, std::abs(v));
        for (double& v : values) v /= largest;
        break;
      }
    }
  }

 private:
  kind kind_;
  double unit_;
};

/// Any function as a term: the host's own score, a learned interest, a price.
///
/// One number at a time, `double(user, item, now)`, or all at once, `void(question, values)`, as a network prefers it.
template <class Function>
class function_term {
 public:
  function_term(std::string name, Function function) : name_(std::move(name)), function_(std::move(function)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class Store>
  void fill(const ranking_question<Store>& question, std::span<double> values) const {
    if constexpr (std::invocable<const Function&, const ranking_question<Store>&, std::span<double>>) {
      function_(question, values);
    } else {
      static_assert(std::is_invocable_r_v<double, const Function&, const typename Store::user_type&,
                                          const typename Store::item_type&, time_point>,
                    "ebb::function_term: the function must be double(user, item, now) or void(question, values), "
                    "callable while const");
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<double>(function_(question.user, question.items[i], question.now));
    }
  }

 private:
  std::string name_;
  Function function_;
};

}  // namespace ebb

#endif  // EBB_RANKING_TERM_HPP
