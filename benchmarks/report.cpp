// SPDX-License-Identifier: MIT
// How do ours stand against the best peer? Reads what the benchmarks wrote as JSON, medians of repetitions, and prints one
// table: bench_report report.json decay_bench.json mlp_bench.json …
//
// A benchmark named path/who/params is compared with those of the same path and params: `ebb` are ours, `ebb_batch` ours many
// at a time, `ebb_…` other ways of ours, all others are peers. A path that begins with `growth` is compared with itself at its first params.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

/// What a path is to reach: ours `ratio` times faster than the best peer, or than `peer` where one is named.
struct ratio_goal {
  std::string_view path, params;  // the params begin so
  double ratio;
  std::string_view peer = "";
  std::string_view who = "ebb";
};
constexpr std::array ratio_goals = {
    ratio_goal{"exponential_float", "10000/", 1.4},
    ratio_goal{"exponential_float", "100000/", 1.4},
    ratio_goal{"exponential_float", "10000000/", 1.0, "xsimd_native"},
    ratio_goal{"exponential_double", "", 1.25},
    ratio_goal{"power_law_float", "", 2.5},
    ratio_goal{"power_law_double", "", 1.5},
    ratio_goal{"observe_build", "", 2.4},
    ratio_goal{"observe_steady", "", 1.3},
    ratio_goal{"observe_build", "", 2.4, "", "ebb_batch"},
    ratio_goal{"observe_steady", "", 2.0, "", "ebb_batch"},
    ratio_goal{"observe_sharded", "", 2.0},
    ratio_goal{"observe_sharded", "", 2.0, "", "ebb_batch"},
    ratio_goal{"top10_k8", "1000/", 3.0},
    ratio_goal{"top10_k8", "10000/", 4.0},
    ratio_goal{"top10_k8", "100000/", 3.0},
    ratio_goal{"top10_k1", "", 10.0},
    ratio_goal{"train", "1-10-1/", 5.0, "mlpack"},
    ratio_goal{"train", "8-32-16-1/", 2.0, "mlpack"},
    ratio_goal{"train", "16-64-64-1/", 1.5, "mlpack"},
    ratio_goal{"score", "", 2.0},
    ratio_goal{"snapshot_write", "", 40.0},
    ratio_goal{"snapshot_read", "", 60.0},
};

/// What a path is to cost at most, whoever else is there.
struct time_goal {
  std::string_view path;
  double nanoseconds;
};
constexpr std::array time_goals = {time_goal{"page", 150e3}};

/// How much more than at its first params a growth path may cost at any other.
constexpr double most_growth = 1.2;

struct measured {
  std::string path, who, params;
  double nanoseconds;           // an item of work where the benchmark counts them, else a call
  std::optional<double> bytes;  // an entry
};

/// The parts of path/who/params; params may be empty.
std::array<std::string, 3> parts_of(const std::string& name) {
  const std::size_t first = name.find('/');
  const std::size_t second = first == name.npos ? name.npos : name.find('/', first + 1);
  const auto between = [&](std::size_t from, std::size_t to) {
    return from == name.npos ? std::string() : name.substr(from + 1, to == name.npos ? to : to - from - 1);
  };
  return {name.substr(0, first), between(first, second), between(second, name.npos)};
}

/// Of the processor's time, which others on the machine disturb least; of several threads, by the clock on the wall.
double in_nanoseconds(const nlohmann::json& run) {
  if (run.contains("items_per_second")) return 1e9 / run.at("items_per_second").get<double>();
  static const std::map<std::string, double> units = {{"ns", 1.0}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
  const char* const time = run.at("threads") == 1 ? "cpu_time" : "real_time";
  return run.at(time).get<double>() * units.at(run.at("time_unit"));
}

std::vector<measured> read(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot open " + file);
  nlohmann::json runs = nlohmann::json::parse(in).at("benchmarks");
  // They ran in a random order, so that what disturbed them hit all alike; back to that of the file.
  const auto place = [](const nlohmann::json& run) {
    return std::pair(run.at("family_index").get<int>(), run.at("per_family_instance_index").get<int>());
  };
  std::stable_sort(runs.begin(), runs.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  std::vector<measured> out;
  for (const auto& run : runs) {
    if (run.value("aggregate_name", "") != "median") continue;
    auto [path, who, params] = parts_of(run.at("run_name"));
    out.push_back({std::move(path), std::move(who), std::move(params), in_nanoseconds(run), std::nullopt});
    if (run.contains("bytes_per_entry")) out.back().bytes = run.at("bytes_per_entry").get<double>();
  }
  return out;
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "an unknown processor";
}

/// Three digits and a unit.
std::string shown(double nanoseconds) {
  const char* unit = "ns";
  for (const char* const larger : {"µs", "ms", "s"}) {
    if (nanoseconds < 1000) break;
    nanoseconds /= 1000;
    unit = larger;
  }
  std::array<char, 32> text{};
  const int digits = nanoseconds < 10 ? 2 : nanoseconds < 100 ? 1 : 0;
  std::snprintf(text.data(), text.size(), "%.*f %s", digits, nanoseconds, unit);
  return text.data();
}
std::string shown_number(double x) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), x < 10 ? "%.2f" : "%.1f", x);
  return text.data();
}

bool is_ours(const measured& m) { return m.who == "ebb" || m.who.starts_with("ebb_"); }

/// One row of the table, as JSON: a null is a cell without a value.
using row = nlohmann::ordered_json;

row row_of(const measured& ours) {
  const std::string how = ours.who == "ebb" ? "" : " (" + ours.who + ")";
  return {{"path", ours.path + how}, {"params", ours.params},   {"ours_ns", ours.nanoseconds}, {"ours_bytes", nullptr},
          {"best_peer", nullptr},    {"best_peer_ns", nullptr}, {"best_peer_bytes", nullptr},  {"ratio", nullptr},
          {"goal", nullptr},         {"met", nullptr},          {"peers_ns", row::object()}};
}

void set_goal(row& to, std::string words, bool met) {
  to["goal"] = std::move(words);
  to["met"] = met;
}

row compared(const measured& ours, const std::vector<measured>& all) {
  row out = row_of(ours);
  const measured* best = nullptr;
  for (const measured& m : all) {
    if (is_ours(m) || m.path != ours.path || m.params != ours.params) continue;
    out["peers_ns"][m.who] = m.nanoseconds;
    if (best == nullptr || m.nanoseconds < best->nanoseconds) best = &m;
  }
  if (ours.bytes) out["ours_bytes"] = *ours.bytes;
  if (best != nullptr) {
    out["best_peer"] = best->who;
    out["best_peer_ns"] = best->nanoseconds;
    if (best->bytes) out["best_peer_bytes"] = *best->bytes;
    out["ratio"] = best->nanoseconds / ours.nanoseconds;
  }
  for (const time_goal& g : time_goals)
    if (g.path == ours.path) set_goal(out, "≤ " + shown(g.nanoseconds), ours.nanoseconds <= g.nanoseconds);
  for (const ratio_goal& g : ratio_goals) {
    if (g.path != ours.path || g.who != ours.who || !(ours.params + '/').starts_with(g.params) || best == nullptr)
      continue;
    std::string words = "≥ " + shown_number(g.ratio);
    if (g.peer.empty()) {
      set_goal(out, words, out["ratio"].get<double>() >= g.ratio);
    } else if (out["peers_ns"].contains(g.peer)) {
      const double ratio = out["peers_ns"][std::string(g.peer)].get<double>() / ours.nanoseconds;
      set_goal(out, words + " × " + std::string(g.peer) + ": " + shown_number(ratio), ratio >= g.ratio);
    }
  }
  return out;
}

/// A growth path's params beside its first ones: by bytes where they are counted, else by time.
row grown(const measured& ours, const measured& first) {
  row out = row_of(ours);
  out["best_peer"] = "itself at " + first.params;
  const bool in_bytes = ours.bytes && first.bytes;
  if (in_bytes) {
    out["ours_bytes"] = *ours.bytes;
    out["best_peer_bytes"] = *first.bytes;
  }
  out["best_peer_ns"] = first.nanoseconds;
  out["ratio"] = in_bytes ? *first.bytes / *ours.bytes : first.nanoseconds / ours.nanoseconds;
  set_goal(out, "≥ " + shown_number(1 / most_growth), out["ratio"].get<double>() >= 1 / most_growth);
  return out;
}

std::vector<row> rows_of(const std::vector<measured>& all) {
  std::vector<row> rows;
  const auto has_goal = [](const measured& m) {
    return std::any_of(time_goals.begin(), time_goals.end(), [&](const time_goal& g) { return g.path == m.path; });
  };
  for (const measured& m : all) {
    if (m.who != "ebb" && m.who != "ebb_batch") continue;
    if (m.path.starts_with("growth")) {
      const auto first = std::find_if(all.begin(), all.end(), [&](const measured& f) { return f.path == m.path; });
      if (m.params != first->params) rows.push_back(grown(m, *first));
      continue;
    }
    row r = compared(m, all);
    if (!r["best_peer"].is_null() || has_goal(m)) rows.push_back(std::move(r));
  }
  return rows;
}

void print(const nlohmann::ordered_json& report) {
  std::printf("%s, flags `%s`, %s, %d processors; peers not found: %s.\n\n",
              report["compiler"].get<std::string>().c_str(), report["flags"].get<std::string>().c_str(),
              report["processor"].get<std::string>().c_str(), report["processors"].get<int>(),
              report["peers_not_found"].get<std::string>().c_str());
  std::printf("| path | of | ours | bytes | best peer | its time | bytes | ratio | goal | met |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|---|\n");
  const auto text = [](const row& cell) { return cell.is_null() ? std::string("–") : cell.get<std::string>(); };
  const auto number = [](const row& cell) {
    return cell.is_null() ? std::string("–") : shown_number(cell.get<double>());
  };
  const auto time = [](const row& cell) { return cell.is_null() ? std::string("–") : shown(cell.get<double>()); };
  for (const row& r : report["rows"])
    std::printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", text(r["path"]).c_str(),
                text(r["params"]).c_str(), time(r["ours_ns"]).c_str(), number(r["ours_bytes"]).c_str(),
                text(r["best_peer"]).c_str(), time(r["best_peer_ns"]).c_str(), number(r["best_peer_bytes"]).c_str(),
                number(r["ratio"]).c_str(), text(r["goal"]).c_str(),
                r["met"].is_null()     ? "–"
                : r["met"].get<bool>() ? "yes"
                                       : "no");
}

void run(const std::vector<std::string>& files) {
  if (files.size() < 2) throw std::runtime_error("usage: bench_report report.json results.json …");
  std::vector<measured> all;
  for (std::size_t f = 1; f < files.size(); ++f)
    for (measured& m : read(files[f])) all.push_back(std::move(m));
  const std::string absent = EBB_BENCH_ABSENT;
  const nlohmann::ordered_json report{{"compiler", EBB_BENCH_COMPILER},
                                      {"flags", EBB_BENCH_FLAGS},
                                      {"processor", processor()},
                                      {"processors", std::thread::hardware_concurrency()},
                                      {"peers_not_found", absent.empty() ? "none" : absent},
                                      {"rows", rows_of(all)}};
  print(report);
  std::ofstream out(files[0]);
  if (!(out << report.dump(2) << '\n')) throw std::runtime_error("cannot write " + files[0]);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_report: %s\n", error.what());
    return 1;
  }
}
