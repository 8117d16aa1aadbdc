// SPDX-License-Identifier: MIT
#ifndef EBB_EVENT_CSV_HPP
#define EBB_EVENT_CSV_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ebb/detail/csv.hpp"
#include "ebb/event_log.hpp"
#include "ebb/time.hpp"

namespace ebb {

/// What one step of a log's timestamps is.
enum class time_unit { seconds, milliseconds, microseconds };

[[nodiscard]] inline std::string_view to_string(time_unit unit) noexcept {
  constexpr std::array<std::string_view, 3> names{"seconds", "milliseconds", "microseconds"};
  return names[static_cast<std::size_t>(unit)];
}

struct read_options {
  bool skip_bad = false;  ///< pass over rows that cannot be used and count them, instead of throwing
  std::optional<time_unit> unit = std::nullopt;       ///< the unit of the timestamps; found from their size when absent
  std::size_t longest_record = std::size_t{1} << 20;  ///< bytes; a longer one is a bad row
};

/// What `read_events` found.
struct read_report {
  std::size_t rows = 0;                    ///< events in the log
  std::size_t skipped = 0;                 ///< rows passed over
  std::vector<std::string> first_reasons;  ///< why, for the first five of them: "line 7: …"
  time_unit unit = time_unit::seconds;
  std::string unit_reason;  ///< how the unit was found
  bool was_sorted = true;   ///< whether the rows stood in time order
};

struct read_result {
  event_log log;
  read_report report;
};

namespace detail {

/// The unit in which `raw` since 1970 is a moment between March 1973 and the year 5138; the bands do not overlap.
[[nodiscard]] inline time_unit likely_unit(double raw) noexcept {
  return raw < 1e11 ? time_unit::seconds : raw < 1e14 ? time_unit::milliseconds : time_unit::microseconds;
}

/// The whole of `text` as a finite number, or nothing.
[[nodiscard]] inline std::optional<double> parse_number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// `raw` units after 1970, to the clock's tick: whole numbers convert exactly. Nothing when the clock cannot hold it.
[[nodiscard]] inline std::optional<time_point> moment(double raw, time_unit unit) {
  constexpr std::array<double, 3> per_second{1, 1e3, 1e6};
  const double scale = per_second[static_cast<std::size_t>(unit)];
  if (!(raw >= 0) || raw / scale > 9.2e9) return std::nullopt;
  const double whole = std::floor(raw);
  const auto count = static_cast<std::int64_t>(whole);
  const auto rest = std::chrono::duration_cast<time_point::duration>(duration((raw - whole) / scale));
  switch (unit) {
    case time_unit::seconds:
      return time_point(std::chrono::seconds(count)) + rest;
    case time_unit::milliseconds:
      return time_point(std::chrono::milliseconds(count)) + rest;
    case time_unit::microseconds:
      return time_point(std::chrono::microseconds(count)) + rest;
  }
  return std::nullopt;
}

/// Finds each of `wanted` in a header record and returns their columns; input_error names what is missing or there twice.
template <std::size_t N>
[[nodiscard]] std::array<std::size_t, N> find_columns(csv_reader& csv, const std::array<std::string_view, N>& wanted) {
  std::string all;
  for (const std::string_view name : wanted) all += (all.empty() ? "" : ",") + std::string(name);
  if (!csv.next()) throw input_error(0, "the input is empty, expected the header " + all);
  std::array<std::size_t, N> columns{};
  for (std::size_t k = 0; k < N; ++k) {
    std::size_t found = 0;
    for (std::size_t c = 0; c < csv.fields().size(); ++c)
      if (trimmed(csv.fields()[c]) == wanted[k]) {
        columns[k] = c;
        ++found;
      }
    if (found != 1)
      throw input_error(csv.line(),
                        "the header must name the columns " + all + " once each, but \"" + std::string(wanted[k]) +
                            (found == 0 ? "\" is missing (the first column is " + shown(csv.fields()[0]) + ")"
                                        : std::string("\" is there twice")));
  }
  return columns;
}

/// Calls `row` for every record below the header; a bad one is thrown on, or counted when options say so.
template <class Row>
void read_rows(csv_reader& csv, std::size_t columns, const read_options& options, read_report& report, Row row) {
  for (;;) {
    try {
      if (!csv.next()) return;
      if (csv.fields().size() != columns)
        throw input_error(csv.line(), std::to_string(csv.fields().size()) + " fields where the header has " +
                                          std::to_string(columns));
      row();
    } catch (const input_error& bad) {
      if (!options.skip_bad) throw;
      ++report.skipped;
      if (report.first_reasons.size() < 5) report.first_reasons.emplace_back(bad.what());
    }
  }
}

}  // namespace detail

/// Reads a log of events from CSV text and sorts it by time, stably.
///
/// The header must name user, item, timestamp, event and value, in any order among other columns. Timestamps count seconds,
/// milliseconds or microseconds since 1970 (UTC); which of them follows from their size, since from March 1973 on the three cannot be
/// mistaken for each other. A row whose size speaks for another unit than most rows is a bad row.
/// A row is also bad when a field is empty or missing, when timestamp or value is not a finite number, or when the time is negative.
/// Complexity: O(n) time for sorted input; one pass, in chunks, so a pipe will do.
/// Errors: input_error (naming the line) at the first bad row unless `options.skip_bad`, and always for a bad header or empty input;
///         std::runtime_error when the stream cannot be read.
[[nodiscard]] inline read_result read_events(std::istream& in, const read_options& options = {}) {
  constexpr std::array<std::string_view, 5> names{"user", "item", "timestamp", "event", "value"};
  detail::csv_reader csv(in, options.longest_record);
  const auto columns = detail::find_columns(csv, names);
  const std::size_t width = csv.fields().size();

  struct row {
    user_id user;
    item_id item;
    behaviour_id behaviour;
    double value;
    double timestamp;
    std::size_t line;
  };
  read_result result;
  std::vector<row> rows;
  name_table users;
  name_table items;
  name_table behaviours;
  detail::read_rows(csv, width, options, result.report, [&] {
    const auto field = [&](std::size_t k) { return csv.fields()[columns[k]]; };
    for (std::size_t k = 0; k < names.size(); ++k)
      if (field(k).empty()) throw input_error(csv.line(), "the " + std::string(names[k]) + " is empty");
    const auto timestamp = detail::parse_number(field(2));
    if (!timestamp)
      throw input_error(csv.line(), "the timestamp must be a finite number, got " + detail::shown(field(2)));
    if (*timestamp < 0)
      throw input_error(csv.line(), "the timestamp must not be negative, got " + detail::shown(field(2)));
    if (*timestamp > 9.2e15)
      throw input_error(csv.line(), "the timestamp is too large for seconds, milliseconds or microseconds, got " +
                                        detail::shown(field(2)));
    const auto value = detail::parse_number(field(4));
    if (!value) throw input_error(csv.line(), "the value must be a finite number, got " + detail::shown(field(4)));
    rows.push_back(
        {users.intern(field(0)), items.intern(field(1)), behaviours.intern(field(3)), *value, *timestamp, csv.line()});
  });

  std::array<std::size_t, 3> votes{};
  for (const row& r : rows) ++votes[static_cast<std::size_t>(detail::likely_unit(r.timestamp))];
  const auto most = static_cast<std::size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  read_report& report = result.report;
  report.unit = options.unit.value_or(static_cast<time_unit>(most));
  constexpr std::array<std::string_view, 3> bands{"below 1e11", "in [1e11, 1e14)", "1e14 or above"};
  report.unit_reason = options.unit   ? "as told"
                       : rows.empty() ? "no rows"
                                      : std::to_string(votes[most]) + " of " + std::to_string(rows.size()) +
                                            " timestamps are " + std::string(bands[most]);
  for (const row& r : rows) {
    const time_unit likely = detail::likely_unit(r.timestamp);
    const auto time = detail::moment(r.timestamp, report.unit);
    const bool mixed = !options.unit && likely != report.unit;
    if (mixed || !time) {
      const input_error bad(r.line,
                            mixed ? "the timestamp looks like " + std::string(to_string(likely)) + " in a log of " +
                                        std::string(to_string(report.unit)) + " (" + report.unit_reason + ")"
                                  : "the timestamp is beyond the year 2261 in " + std::string(to_string(report.unit)));
      if (!options.skip_bad) throw bad;
      ++report.skipped;
      if (report.first_reasons.size() < 5) report.first_reasons.emplace_back(bad.what());
      continue;
    }
    result.log.append(users[r.user], items[r.item], *time, behaviours[r.behaviour], r.value);
  }
  report.rows = result.log.size();
  report.was_sorted = result.log.sort();
  return result;
}

/// What `read_items` found.
struct items_result {
  item_catalogue catalogue;
  std::size_t rows = 0;     ///< rows that describe an item of the log
  std::size_t unknown = 0;  ///< rows whose item the log does not have; they are left out
  std::size_t skipped = 0;  ///< bad rows
};

/// Reads titles and tags for the items of `log` from CSV text with the columns item, title and tags (split by '|'; either may be empty).
///
/// Errors: as `read_events`; an item described twice is a bad row.
[[nodiscard]] inline items_result read_items(std::istream& in, const event_log& log, const read_options& options = {}) {
  detail::csv_reader csv(in, options.longest_record);
  const auto columns = detail::find_columns(csv, std::array<std::string_view, 3>{"item", "title", "tags"});
  const std::size_t width = csv.fields().size();
  items_result result;
  item_catalogue& catalogue = result.catalogue;
  catalogue.titles.resize(log.items().size());
  catalogue.tags.resize(log.items().size());
  std::vector<bool> seen(log.items().size());
  read_report report;
  detail::read_rows(csv, width, options, report, [&] {
    const auto item = log.items().find(csv.fields()[columns[0]]);
    if (!item) {
      ++result.unknown;
      return;
    }
    if (seen[*item])
      throw input_error(csv.line(), "item " + detail::shown(csv.fields()[columns[0]]) + " is described twice");
    seen[*item] = true;
    catalogue.titles[*item] = csv.fields()[columns[1]];
    std::string_view tags = csv.fields()[columns[2]];
    while (!tags.empty()) {
      const std::size_t bar = std::min(tags.find('|'), tags.size());
      const std::string_view tag = detail::trimmed(tags.substr(0, bar));
      if (!tag.empty()) catalogue.tags[*item].push_back(catalogue.tag_names.intern(tag));
      tags.remove_prefix(std::min(bar + 1, tags.size()));
    }
    ++result.rows;
  });
  result.skipped = report.skipped;
  return result;
}

}  // namespace ebb

#endif  // EBB_EVENT_CSV_HPP
