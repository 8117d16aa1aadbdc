// SPDX-License-Identifier: MIT
// The table of models and the JSON file.
#ifndef EBB_EXAMPLES_REPLAY_REPORT_HPP
#define EBB_EXAMPLES_REPLAY_REPORT_HPP

#include <cmath>
#include <iostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/event_log.hpp"
#include "options.hpp"
#include "run.hpp"
#include "text.hpp"
#include "whole_file.hpp"

namespace replay {

/// The first few parameters, for the table; the JSON has them all.
inline std::string summary_of(const ebb::model_parameters& params) {
  constexpr std::size_t most = 3;
  constexpr std::string_view seconds = "_seconds";
  std::string text;
  for (std::size_t k = 0; k < std::min(most, params.size()); ++k) {
    const auto& [name, value] = params[k];
    text += text.empty() ? "" : ", ";
    const std::size_t unit = name.find(seconds);
    if (const double* number = std::get_if<double>(&value))
      text += unit == std::string::npos
                  ? name + " " + short_number(*number)
                  : std::string(name).erase(unit, seconds.size()) + " " + length_of(ebb::duration(*number));
    else
      text += name + " " + std::get<std::string>(value);
  }
  return params.size() > most ? text + ", …" : text;
}

/// A figure, or a dash where there was nothing to measure.
inline std::string measured(double value) { return std::isnan(value) ? "-" : fixed(value, 4); }

inline void print_table(const std::vector<outcome>& rows, const std::string& best_decay) {
  if (rows.empty()) return;
  std::size_t widest = 5;
  for (const outcome& row : rows) widest = std::max(widest, row.name.size());
  std::cout << '\n' << left("model", widest);
  for (const auto& [name, value] : rows[0].metrics) std::cout << right(name, std::max<std::size_t>(9, name.size() + 2));
  std::cout << right("vs " + best_decay + " [95 %]", 32) << right("train s", 9) << right("µs/query", 11)
            << "  parameters\n";
  for (const outcome& row : rows) {
    std::cout << left(row.name, widest);
    for (const auto& [name, value] : row.metrics)
      std::cout << right(measured(value), std::max<std::size_t>(9, name.size() + 2));
    const ebb::difference& d = row.vs_best_decay;
    const auto with_sign = [](double value) { return (value < 0 ? "" : "+") + fixed(value, 4); };
    const std::string difference = row.name == best_decay || std::isnan(d.diff)
                                       ? "-"
                                       : with_sign(d.diff) + " [" + with_sign(d.lo) + ", " + with_sign(d.hi) + "]";
    std::cout << right(difference, 32) << right(fixed(row.training.count(), 1), 9)
              << right(fixed(1e6 * row.per_query.count(), 2), 10) << "  " << summary_of(row.params) << '\n';
  }
}

/// The results as one JSON object; `extra` goes in at its top.
inline nlohmann::ordered_json to_json(const options& o, const ebb::event_log& log, std::size_t queries,
                                      const std::vector<outcome>& rows, const nlohmann::ordered_json& extra) {
  nlohmann::ordered_json out;
  out["dataset"] = {{"events", log.size()},
                    {"users", log.users().size()},
                    {"items", log.items().size()},
                    {"first", iso(log[0].time)},
                    {"last", iso(log[log.size() - 1].time)},
                    {"repeat_share", ebb::repeat_share(log.events())}};
  out["task"] = o.task;
  out["queries"] = queries;
  out["seed"] = o.seed;
  out.update(extra);
  out["models"] = nlohmann::ordered_json::array();
  for (const outcome& row : rows) {
    nlohmann::ordered_json model;
    model["name"] = row.name;
    model["params"] = nlohmann::ordered_json::object();
    for (const auto& param : row.params)
      std::visit([&](const auto& value) { model["params"][param.first] = value; }, param.second);
    for (const auto& metric : row.metrics) model["metrics"][metric.first] = metric.second;
    const ebb::difference& d = row.vs_best_decay;
    model["vs_best_decay"] = {{"diff", d.diff}, {"lo", d.lo}, {"hi", d.hi}};
    model["train_seconds"] = row.training.count();
    model["us_per_query"] = 1e6 * row.per_query.count();
    out["models"].push_back(std::move(model));
  }
  return out;
}

inline void write_json(whole_file& to, const nlohmann::ordered_json& json) {
  if (!to) return;
  to.write(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  std::cout << "\nwrote " << to.path() << '\n';
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_REPORT_HPP
