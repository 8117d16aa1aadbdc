// SPDX-License-Identifier: MIT
// Where the events come from: files, standard input, or a made log whose truth is known.
#ifndef EBB_EXAMPLES_REPLAY_INPUT_HPP
#define EBB_EXAMPLES_REPLAY_INPUT_HPP

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ebb/event_csv.hpp"
#include "ebb/recovery.hpp"
#include "ebb/synthetic_log.hpp"
#include "options.hpp"
#include "text.hpp"

namespace replay {

struct input {
  ebb::event_log log;
  std::optional<ebb::item_catalogue> catalogue;
};

/// Calls `read(stream)` on the file, or on standard input for "-"; what goes wrong is named with the file.
template <class Read>
auto read_file(const std::string& path, Read read) {
  try {
    if (path == "-") return read(std::cin);
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error(std::string("cannot be opened: ") + std::strerror(errno));
    return read(in);
  } catch (const std::runtime_error& bad) {
    throw usage_error((path == "-" ? "standard input" : path) + ": " + bad.what());
  }
}

inline void print_events(const ebb::event_log& log) {
  std::cout << grouped(log.size()) << " events of " << grouped(log.users().size()) << " users on "
            << grouped(log.items().size()) << " items, " << iso(log[0].time) << " to " << iso(log[log.size() - 1].time)
            << ", repeat share " << fixed(ebb::repeat_share(log.events()), 3) << '\n';
}

inline input read_input(const options& o) {
  if (o.events == "-" && o.items == "-") throw usage_error("--events and --items cannot both be standard input");
  const ebb::read_options how{.skip_bad = o.skip_bad};
  auto [log, report] = read_file(o.events, [&](std::istream& in) { return ebb::read_events(in, how); });
  const std::string name = o.events == "-" ? "standard input" : o.events;
  if (log.empty())
    throw usage_error(name + ": there is no usable event" +
                      (report.skipped > 0
                           ? "; the first of " + grouped(report.skipped) + " bad rows: " + report.first_reasons[0]
                           : std::string()));
  std::cout << "read " << name << ": ";
  print_events(log);
  std::cout << "  timestamps taken as " << ebb::to_string(report.unit) << " (" << report.unit_reason << ")\n";
  if (!report.was_sorted)
    std::cout << "  note: the rows were not in time order; sorted, equal times kept in file order\n";
  if (report.skipped > 0) {
    std::cout << "  skipped " << grouped(report.skipped) << " bad rows:\n";
    for (const std::string& reason : report.first_reasons) std::cout << "    " << reason << '\n';
    if (report.skipped > report.first_reasons.size()) std::cout << "    …\n";
  }
  input out{std::move(log), std::nullopt};
  if (!o.items.empty()) {
    auto items = read_file(o.items, [&](std::istream& in) { return ebb::read_items(in, out.log, how); });
    std::cout << "read " << o.items << ": " << grouped(items.rows) << " of the items described, "
              << grouped(items.unknown) << " rows on items that have no event";
    if (items.skipped > 0) std::cout << ", " << grouped(items.skipped) << " bad rows skipped";
    std::cout << '\n';
    out.catalogue = std::move(items.catalogue);
  }
  return out;
}

/// Makes a log of users with known half-lives and rhythms, and shows how well they can be told from it.
inline input make_input(const options& o) {
  const ebb::synthetic_options made;
  ebb::synthetic_log synthetic = ebb::make_synthetic_log(o.seed, made);
  std::cout << "no --events: made a log of users with known half-lives and rhythms (seed " << o.seed << "): ";
  print_events(synthetic.log);

  std::vector<std::size_t> groups;
  for (const ebb::synthetic_user& user : synthetic.users) groups.push_back(user.group);
  const auto found = ebb::estimate_half_lives(synthetic.log, groups);
  std::cout << "half-lives told from the log by maximum likelihood:\n"
            << left("  true", 14) << left("found", 12) << left("std. error", 12) << left("off by", 10) << "from\n";
  for (std::size_t g = 0; g < found.size(); ++g) {
    const double off = found[g].half_life / made.groups[g].half_life - 1;
    std::cout << left("  " + length_of(made.groups[g].half_life), 14) << left(length_of(found[g].half_life), 12)
              << left(fixed(100 * found[g].relative_error, 1) + " %", 12)
              << left((off < 0 ? "" : "+") + fixed(100 * off, 1) + " %", 10) << grouped(found[g].returns)
              << " returns\n";
  }
  const auto peak_error = [&](ebb::duration period, ebb::duration ebb::synthetic_user::*peak) {
    const std::vector<ebb::duration> peaks = ebb::estimate_peaks(synthetic.log, period);
    ebb::duration sum{0};
    for (std::size_t u = 0; u < peaks.size(); ++u) sum += ebb::apart(peaks[u], synthetic.users[u].*peak, period);
    return length_of(sum / static_cast<double>(peaks.size())) + " (chance: " + length_of(period / 4) + ")";
  };
  std::cout << "peaks of activity told from it, mean error: of the day "
            << peak_error(std::chrono::days(1), &ebb::synthetic_user::peak_of_day) << ", of the week "
            << peak_error(std::chrono::weeks(1), &ebb::synthetic_user::peak_of_week) << '\n';
  return {std::move(synthetic.log), std::move(synthetic.catalogue)};
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_INPUT_HPP
