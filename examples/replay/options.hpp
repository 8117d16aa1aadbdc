// SPDX-License-Identifier: MIT
// The command line of `replay`.
#ifndef EBB_EXAMPLES_REPLAY_OPTIONS_HPP
#define EBB_EXAMPLES_REPLAY_OPTIONS_HPP

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "models.hpp"

namespace replay {

/// Anything wrong with the command line or the input: one line for the user, exit status 2.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct options {
  std::string events;
  std::string items;
  std::string task = "repeat";
  std::vector<std::string> models = {"all"};
  std::string user;
  std::size_t top = 10;
  std::uint64_t seed = 1;
  std::string json;
  std::string save_model;
  std::string load_model;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  bool skip_bad = false;
  bool diversity = false;

  [[nodiscard]] bool repeat() const { return task == "repeat"; }
};

template <class Model>
std::string names_of(const std::vector<entry<Model>>& known) {
  std::string names;
  for (const auto& model : known) names += (names.empty() ? "" : " ") + model.name;
  return names;
}

/// Those of `known` that `wanted` names, in the order known; all of them for "all".
template <class Model>
std::vector<entry<Model>> chosen(const std::vector<entry<Model>>& known, const std::vector<std::string>& wanted) {
  const auto asked = [&](const std::string& name) {
    return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  for (const std::string& name : wanted)
    if (name != "all" &&
        std::none_of(known.begin(), known.end(), [&](const auto& model) { return model.name == name; }))
      throw usage_error("--models: there is no model \"" + name + "\" for this task; there are: " + names_of(known));
  std::vector<entry<Model>> out;
  for (const auto& model : known)
    if (asked("all") || asked(model.name)) out.push_back(model);
  return out;
}

/// Refuses what reading a seed would change silently: a sign, another base, more than 64 bits. As CLI11 has it: what is wrong, or nothing.
inline std::string whole_number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad == std::errc() && end == text.data() + text.size() && std::to_string(value) == text) return "";
  return "\"" + text + "\" is not a whole number from 0 to 18446744073709551615";
}

inline void declare(CLI::App& app, options& o) {
  app.add_option(
      "--events", o.events,
      "CSV with the columns user,item,timestamp,event,value; - reads standard input; without it a log is made");
  app.add_option("--items", o.items, "CSV with the columns item,title,tags");
  app.add_option("--task", o.task, "repeat: which of my items will I come back to; next: which new one will I take up")
      ->check(CLI::IsMember({"repeat", "next"}))
      ->capture_default_str();
  app.add_option("--models", o.models,
                 "names separated by commas, or all; repeat: " + names_of(repeat_models()) +
                     "; next: " + names_of(next_models()))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--user", o.user, "the user whose top items are shown with their reasons; else the most active one");
  app.add_option("--top", o.top, "how many of them")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1000}))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of all chance: ties, the made log, training")
      ->check(whole_number)
      ->capture_default_str();
  app.add_option("--json", o.json, "file to write the results to");
  app.add_option("--save-model", o.save_model, "file to write the trained " + saved_model + " to");
  app.add_option("--load-model", o.load_model, "file to read it from instead of training it");
  app.add_option("--threads", o.threads,
                 "how many to use: for models that run at the same time, and where there are fewer, for training")
      ->check(CLI::Range(1U, 256U))
      ->capture_default_str();
  app.add_flag("--diversity", o.diversity,
               "with --task next: what the best model's lists gain in variety and lose in accuracy, for λ from 1 to 0");
  app.add_flag("--skip-bad", o.skip_bad, "pass over rows that cannot be used, and count them");
}

template <class Model>
void check_model_files(const options& o, const std::vector<entry<Model>>& models) {
  if (o.save_model.empty() && o.load_model.empty()) return;
  if (!o.save_model.empty() && !o.load_model.empty())
    throw usage_error("--save-model and --load-model exclude each other: what is loaded is not trained");
  if (std::none_of(models.begin(), models.end(), [](const auto& model) { return model.name == saved_model; }))
    throw usage_error((o.save_model.empty() ? "--load-model" : "--save-model") +
                      (" needs --task repeat and the model " + saved_model + " among --models"));
  if (o.load_model == "-" && o.events == "-")
    throw usage_error("--load-model and --events cannot both be standard input");
}

/// What no single option can know; throws usage_error.
inline void check(const options& o) {
  if (o.events.empty() && !o.items.empty()) throw usage_error("--items needs --events");
  if (o.diversity && o.repeat()) throw usage_error("--diversity needs --task next: a return has no list to vary");
  if (o.events.empty() && o.skip_bad) throw usage_error("--skip-bad needs --events");
  if (o.repeat())
    check_model_files(o, chosen(repeat_models(), o.models));
  else
    check_model_files(o, chosen(next_models(), o.models));
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_OPTIONS_HPP
