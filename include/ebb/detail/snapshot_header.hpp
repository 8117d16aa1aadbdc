// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SNAPSHOT_HEADER_HPP
#define EBB_DETAIL_SNAPSHOT_HEADER_HPP

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/entry_layout.hpp"
#include "ebb/detail/snapshot_format.hpp"
#include "ebb/store_options.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// The first record of a snapshot: what it is and the options of the store.

namespace ebb {

/// The snapshot format this header writes; version 1, whose binary form was a record a user, is read as well.
inline constexpr int snapshot_version = 2;

namespace detail {

/// A duration that rounds to exactly these ticks again: a half-life must come back to the last bit.
[[nodiscard]] inline duration exact_duration(time_point::rep ticks) {
  const auto to_ticks = [](double seconds) { return to_time_point(duration(seconds)).time_since_epoch().count(); };
  const double near = duration(time_point::duration(ticks)).count();
  double up = near;
  double down = near;
  for (int i = 0; i < 16; ++i) {
    if (to_ticks(up) == ticks) return duration(up);
    if (to_ticks(down) == ticks) return duration(down);
    up = std::nextafter(up, std::numeric_limits<double>::infinity());
    down = std::nextafter(down, 0.0);
  }
  throw snapshot_error("a half-life or period is out of range");
}

[[nodiscard]] inline nlohmann::json options_to_json(const store_options& options) {
  const entry_layout layout = entry_layout_of(options);
  nlohmann::json rhythms = nlohmann::json::array();
  for (const auto& r : layout.rhythms) rhythms.push_back({{"period", r.period}, {"lane", r.lane}});
  nlohmann::json half_lives = nlohmann::json::array();
  for (int k = 0; k < layout.lanes; ++k) half_lives.push_back(layout.grid.half_life(k));
  nlohmann::json out{{"half_lives", half_lives},      {"rhythms", rhythms},   {"recent", layout.recent},
                     {"first_use", layout.first_use}, {"heat", options.heat}, {"dislike_half_life", nullptr}};
  if (layout.dislike) out["dislike_half_life"] = layout.grid.half_life(layout.lanes);
  return out;
}

[[nodiscard]] inline store_options options_from_json(const nlohmann::json& in) {
  std::vector<duration> half_lives;
  for (const auto& ticks : in.at("half_lives")) half_lives.push_back(exact_duration(strict<time_point::rep>(ticks)));
  store_options options{.lanes = timescales(half_lives),
                        .recent = strict<int>(in.at("recent")),
                        .first_use = in.at("first_use").get<bool>(),
                        .heat = in.at("heat").get<bool>()};
  for (const auto& r : in.at("rhythms"))
    options.rhythms.push_back({exact_duration(strict<time_point::rep>(r.at("period"))), strict<int>(r.at("lane"))});
  if (!in.at("dislike_half_life").is_null())
    options.dislike_half_life = exact_duration(strict<time_point::rep>(in.at("dislike_half_life")));
  return options;
}

/// `sums`: "float" or "double".
[[nodiscard]] inline nlohmann::json snapshot_header(const store_options& options, const char* sums, bool is_shard) {
  nlohmann::json out{{"format", "ebb snapshot"},
                     {"version", snapshot_version},
                     {"sums", sums},
                     {"ticks_per_second", time_point::period::den}};
  if (is_shard) out["shard"] = true;
  out["options"] = options_to_json(options);
  return out;
}

/// The options a header says, if a store with such sums, and of the wanted shape, can be read with them.
[[nodiscard]] inline store_options check_header(const nlohmann::json& header, const char* sums,
                                                const store_options* wanted) {
  if (header.value("format", "") != "ebb snapshot") throw snapshot_error("not a snapshot of an interest store");
  const nlohmann::json& version = header.at("version");
  if (version != 1 && version != snapshot_version)
    throw snapshot_error("it is of version " + version.dump() + ", this program reads versions 1 to " +
                         std::to_string(snapshot_version));
  if (header.at("sums") != sums)
    throw snapshot_error("it holds sums of type " + header.at("sums").dump() + ", the store is of " + sums);
  if (header.at("ticks_per_second") != time_point::period::den)
    throw snapshot_error("its clock has " + header.at("ticks_per_second").dump() + " ticks a second, ours " +
                         std::to_string(time_point::period::den));
  store_options options = options_from_json(header.at("options"));
  const char* const difference = wanted == nullptr ? nullptr : difference_of(options, *wanted);
  if (difference != nullptr)
    throw snapshot_error(std::string("it is of another shape: the ") + difference + " differ from the store's");
  return options;
}

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_SNAPSHOT_HEADER_HPP
