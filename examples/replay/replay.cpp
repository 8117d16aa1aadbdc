// SPDX-License-Identifier: MIT
// How well does each model rank what users did next? Replays a log of events, test then learn, by the protocol of ebb/replay.hpp and
// ebb/next_task.hpp, and prints a table of models and one user's top items with their reasons.
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "diversity.hpp"
#include "input.hpp"
#include "model_file.hpp"
#include "options.hpp"
#include "reasons.hpp"
#include "report.hpp"
#include "run.hpp"
#include "whole_file.hpp"

namespace {

/// The half-life that the best single decay has found.
ebb::duration half_life_in(const ebb::model_parameters& params) {
  for (const auto& [name, value] : params)
    if (name == "half_life_seconds") return ebb::duration(std::get<double>(value));
  return std::chrono::days(30);
}

constexpr const char* nothing_to_ask =
    "  note: the log is too short to ask anything: no figures, and parameters are the defaults\n";

/// The wanted model that did best by `metric`, the first of equals.
template <class Done, class Metric>
auto& best_of(Done& done, Metric metric) {
  auto* best = &done.front();
  for (auto& one : done)
    if (one.wanted && (!best->wanted || metric(one.result) > metric(best->result))) best = &one;
  return *best->model;
}

void run_repeat(const replay::options& o, const replay::input& in, ebb::user_id user, replay::whole_file& json) {
  replay::whole_file saved("--save-model", o.save_model, o);
  const auto models = replay::repeat_models(o);
  const ebb::repeat_task task(in.log);
  const auto queries = task.testing().queries();
  std::cout << "task repeat: " << replay::grouped(queries.size())
            << " queries at positions from 70 % on; parameters come from "
            << replay::grouped(task.tuning().queries().size()) << " queries at positions 50-70 %; seed " << o.seed
            << std::endl;
  if (queries.empty()) std::cout << nothing_to_ask;
  auto done = replay::run_models(models, replay::best_repeat_decay, o,
                                 [&](ebb::repeat_model& model, const ebb::progress_callback& progress) {
                                   return ebb::evaluate(model, task, o.seed, progress);
                                 });
  for (const auto& one : done)
    if (one.result.name == replay::saved_model) replay::save_network(*one.model, saved);
  const ebb::repeat_result& decay = replay::result_of(done, replay::best_repeat_decay);
  std::vector<replay::outcome> rows;
  for (const auto& one : done)
    if (one.wanted) rows.push_back(replay::row_of(one.result, ebb::compare(one.result, decay, task, o.seed)));
  replay::print_table(rows, replay::best_repeat_decay);
  replay::print_returns(in, task, best_of(done, [](const ebb::repeat_result& r) { return r.metrics.mrr; }), user, o.top,
                        half_life_in(decay.params));
  replay::write_json(json, replay::to_json(o, in.log, queries.size(), rows, nlohmann::ordered_json::object()));
}

void run_next(const replay::options& o, const replay::input& in, ebb::user_id user, replay::whole_file& json) {
  const ebb::next_task task(in.log, in.catalogue ? &*in.catalogue : nullptr);
  std::cout << "task next: " << replay::grouped(task.queries().size()) << " users with new items from 80 % on; "
            << replay::grouped(task.history().candidates.size()) << " items can be recommended; "
            << replay::fixed(100 * task.cold_share(), 1)
            << " % of the new items are cold and left out; parameters come from 64-80 %; seed " << o.seed << std::endl;
  if (task.queries().empty()) std::cout << nothing_to_ask;
  auto done = replay::run_models(
      replay::next_models(), replay::best_next_decay, o,
      [&](ebb::next_model& model, const ebb::progress_callback&) { return ebb::evaluate(model, task); });
  const ebb::next_result& decay = replay::result_of(done, replay::best_next_decay);
  std::vector<replay::outcome> rows;
  for (const auto& one : done)
    if (one.wanted) rows.push_back(replay::row_of(one.result, ebb::compare(one.result, decay, o.seed)));
  replay::print_table(rows, replay::best_next_decay);
  ebb::next_model& best = best_of(done, [](const ebb::next_result& r) { return r.metrics.ndcg10; });
  replay::print_recommendations(in, task, best, user, o.top, half_life_in(decay.params));
  nlohmann::ordered_json extra = {{"cold_share", task.cold_share()}};
  if (o.diversity) {
    const replay::item_likeness like(task.history());
    const auto measured = replay::measure_diversity(task, best, like);
    replay::print_diversity(measured, best.name(), like);
    extra["diversity"] = {{"model", best.name()}, {"alike_by", like.name()}, {"rows", replay::to_json(measured)}};
  }
  replay::write_json(json, replay::to_json(o, in.log, task.queries().size(), rows, extra));
}

/// Says what is wrong in one line.
int refuse(std::string reason) {
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  std::cout << std::flush;
  std::cerr << "replay: " << reason << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Replays a log of events and measures how well each model ranks what users did next.", "replay");
  replay::options o;
  replay::declare(app, o);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& bad) {
    return refuse(std::string(bad.what()) + " (see --help)");
  }
  try {
    replay::check(o);
    const replay::input in = o.events.empty() ? replay::make_input(o) : replay::read_input(o);
    const ebb::user_id user = replay::pick_user(in.log, o.user);
    replay::whole_file json("--json", o.json, o);
    (o.repeat() ? run_repeat : run_next)(o, in, user, json);
    return EXIT_SUCCESS;
  } catch (const std::exception& bad) {
    return refuse(bad.what());
  }
}
