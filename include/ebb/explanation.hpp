// SPDX-License-Identifier: MIT
#ifndef EBB_EXPLANATION_HPP
#define EBB_EXPLANATION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "ebb/decay_function.hpp"
#include "ebb/ranker.hpp"
#include "ebb/time.hpp"

// Why an interest is what it is, event by event, where the host keeps the events; and explanations as one line of text. As JSON they are
// written by json/explanation.hpp.

namespace ebb {

/// An event as the host kept it: what was done, when, and what it was worth.
struct past_event {
  std::string what;  ///< "bought", "watched 3 min" …, for the reader
  time_point time;
  double amount = 1;
};

/// An event's part in an interest, decay spelled out: contribution = amount · decay.
struct explained_event {
  std::string what;
  duration age;
  double amount;
  double decay;  ///< D(age)
  double contribution;
};

/// An interest and what it is made of.
struct explained_interest {
  double interest;                      ///< the sum of the contributions, added in their order, to the last bit
  std::vector<explained_event> events;  ///< the largest contribution first, ties as given
};

/// The interest that these events make at `now`, and what each of them has to do with it.
///
///   interest = Σ amount · D(now − time)
///
/// With a store's reading for D it is the store's interest, to within rounding.   Complexity: O(n log n).
/// Errors: std::invalid_argument for an amount that is negative or not finite, a decay outside [0, 1], or a sum that is not finite;
///         std::domain_error for an event after `now`.
template <decay_function Decay>
[[nodiscard]] explained_interest explain_interest(std::span<const past_event> events, const Decay& decay,
                                                  time_point now) {
  explained_interest out{0.0, {}};
  for (const past_event& e : events) {
    detail::require(std::isfinite(e.amount) && e.amount >= 0, "explain_interest", "an amount must be finite and >= 0",
                    e.amount);
    if (e.time > now) throw std::domain_error("ebb::explain_interest: now must not be before an event");
    const duration age = detail::elapsed(e.time, now);
    const auto left = static_cast<double>(decay(age));
    detail::require(left >= 0 && left <= 1, "explain_interest", "a decay must be in [0, 1]", left);
    out.events.push_back({e.what, age, e.amount, left, e.amount * left});
  }
  std::stable_sort(out.events.begin(), out.events.end(),
                   [](const explained_event& a, const explained_event& b) { return a.contribution > b.contribution; });
  for (const explained_event& e : out.events) out.interest += e.contribution;
  detail::require(std::isfinite(out.interest), "explain_interest", "the interest must be finite", out.interest);
  return out;
}

namespace detail {

/// A number as a reader wants it: 3 digits tell a score and 2 an age, but the whole part is written out up to a million.
[[nodiscard]] inline std::string short_number(double value, int digits = 3) {
  char text[32];
  if (std::abs(value) >= 99.5 && std::abs(value) < 999999.5)
    std::snprintf(text, sizeof text, "%.0f", value);
  else
    std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

}  // namespace detail

/// A length of time in the largest unit of which there is at least one: "40 s", "3 min", "5.5 h", "2 days", "3 weeks", "1.5 years".
///
/// Two digits or the whole part, so that it is right to within 5 %.   Range: gap >= 0, finite.
[[nodiscard]] inline std::string in_words(duration gap) {
  struct unit {
    double seconds;
    const char* name;
  };
  static constexpr unit units[] = {{31556952, " years"}, {604800, " weeks"}, {86400, " days"},
                                   {3600, " h"},         {60, " min"},       {1, " s"}};
  detail::require(std::isfinite(gap.count()) && gap.count() >= 0, "in_words", "gap must be finite and >= 0", gap);
  for (const unit& u : units) {
    const double count = gap.count() / u.seconds;
    if (count < 0.995 && u.seconds > 1) continue;
    const std::string number = detail::short_number(count, 2);
    std::string name = u.name;
    if (number == "1" && u.seconds > 3600) name.pop_back();
    return number + name;
  }
  return {};  // not reached: the last unit takes all that is left
}

/// "0.413 = bought 0.31 (1 × 0.31, 4 days ago) + viewed 0.103 (0.2 × 0.515, 2.3 days ago)"; after `most` events "+ 7 more 0.02".
[[nodiscard]] inline std::string one_line(const explained_interest& why, std::size_t most = 3) {
  std::string text = detail::short_number(why.interest) + " =";
  if (why.events.empty()) return text + " no events";
  double rest = 0;
  for (std::size_t j = 0; j < why.events.size(); ++j) {
    const explained_event& e = why.events[j];
    if (j >= most) {
      rest += e.contribution;
      continue;
    }
    text += (j == 0 ? " " : " + ") + e.what + " " + detail::short_number(e.contribution) + " (" +
            detail::short_number(e.amount) + " × " + detail::short_number(e.decay) + ", " + in_words(e.age) + " ago)";
  }
  if (why.events.size() > most)
    text +=
        (most == 0 ? " " : " + ") + std::to_string(why.events.size() - most) + " more " + detail::short_number(rest);
  return text;
}

/// "jazz 0.928 = interest 0.8 + popularity 0.128": the terms by the size of their part; those that add less than a
/// thousandth of the largest are left out.
///
/// The item is written with `<<`.
template <class Item>
[[nodiscard]] std::string one_line(const recommendation<Item>& r) {
  std::vector<contribution> parts = r.why;
  double largest = 0;
  for (const contribution& part : parts) largest = std::max(largest, std::abs(part.amount));
  std::erase_if(parts, [&](const contribution& part) { return std::abs(part.amount) <= largest / 1000; });
  std::stable_sort(parts.begin(), parts.end(), [](const contribution& a, const contribution& b) {
    return std::abs(a.amount) > std::abs(b.amount);
  });
  std::ostringstream text;
  text << r.item << ' ' << detail::short_number(r.score) << " =";
  if (parts.empty()) text << " nothing known";
  bool first = true;
  for (const contribution& part : parts) {
    const char* const sign = part.amount < 0 ? (first ? " −" : " − ") : (first ? " " : " + ");
    text << sign << part.term << ' ' << detail::short_number(std::abs(part.amount));
    first = false;
  }
  return text.str();
}

}  // namespace ebb

#endif  // EBB_EXPLANATION_HPP
