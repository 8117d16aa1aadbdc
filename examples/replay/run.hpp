// SPDX-License-Identifier: MIT
// Runs the models of a task, several at a time, and brings what they did into one shape.
#ifndef EBB_EXAMPLES_REPLAY_RUN_HPP
#define EBB_EXAMPLES_REPLAY_RUN_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ebb/next_task.hpp"
#include "ebb/replay.hpp"
#include "models.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace replay {

/// One row of the table.
struct outcome {
  std::string name;
  ebb::model_parameters params;
  std::vector<std::pair<std::string, double>> metrics;  // by their names in the JSON
  ebb::difference vs_best_decay;
  ebb::duration training{0};
  ebb::duration per_query{0};
};

/// A model after its run, with what came out; the model still knows every event.
template <class Model, class Result>
struct finished {
  std::unique_ptr<Model> model;
  Result result;
  bool wanted;  // false: run only for the comparison
};

/// Calls work(0) … work(jobs − 1) on `threads` threads, the last first, since the costly models stand last; rethrows the first exception.
inline void in_parallel(std::size_t jobs, unsigned threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> taken{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto worker = [&] {
    for (std::size_t k = taken++; k < jobs; k = taken++) try {
        work(jobs - 1 - k);
      } catch (...) {
        const std::lock_guard lock(failing);
        if (!failure) failure = std::current_exception();
        taken = jobs;
      }
  };
  std::vector<std::thread> crew;
  for (unsigned t = 1; t < std::min<std::size_t>(threads, jobs); ++t) crew.emplace_back(worker);
  worker();
  for (std::thread& thread : crew) thread.join();
  if (failure) std::rethrow_exception(failure);
}

/// Runs the models that `o` asks for, and the best single decay in any case; `evaluate(model, report progress)` runs one.
template <class Model, class Evaluate>
auto run_models(const std::vector<entry<Model>>& known, const std::string& best_decay, const options& o,
                Evaluate evaluate) {
  using result = decltype(evaluate(std::declval<Model&>(), ebb::progress_callback{}));
  const auto wanted = chosen(known, o.models);
  const auto asked = [&](const std::string& name) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& model) { return model.name == name; });
  };
  const auto at_once = std::min<std::size_t>(o.threads, wanted.size() + (asked(best_decay) ? 0 : 1));
  const making with{o.seed, static_cast<int>(o.threads / at_once)};
  std::vector<finished<Model, result>> done;
  for (const auto& model : known)
    if (asked(model.name) || model.name == best_decay) done.push_back({model.make(with), {}, asked(model.name)});
  progress_line progress(done.size());
  in_parallel(done.size(), o.threads, [&](std::size_t k) {
    Model& model = *done[k].model;
    const std::string name = model.name();
    progress.working(name, "is being fitted");
    done[k].result =
        evaluate(model, [&](double share) { progress.working(name, fixed(100 * share, 0) + " % replayed"); });
    progress.finished();
  });
  return done;
}

template <class Model, class Result>
const Result& result_of(const std::vector<finished<Model, Result>>& done, const std::string& name) {
  return std::find_if(done.begin(), done.end(), [&](const auto& one) { return one.result.name == name; })->result;
}

/// A row of figures, which are all NaN where there was nothing to measure.
inline outcome measured_row(outcome row, bool anything) {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  if (anything) return row;
  for (auto& [name, value] : row.metrics) value = nothing;
  row.vs_best_decay = {nothing, nothing, nothing};
  return row;
}

inline outcome row_of(const ebb::repeat_result& r, const ebb::difference& vs) {
  return measured_row({r.name,
                       r.params,
                       {{"mrr", r.metrics.mrr},
                        {"hit1", r.metrics.hit1},
                        {"hit10", r.metrics.hit10},
                        {"ndcg10", r.metrics.ndcg10},
                        {"mrr_user_mean", r.metrics.mrr_user_mean}},
                       vs,
                       r.training,
                       r.per_query},
                      !r.ranks.empty());
}

inline outcome row_of(const ebb::next_result& r, const ebb::difference& vs) {
  return measured_row(
      {r.name,
       r.params,
       {{"ndcg10", r.metrics.ndcg10}, {"recall10", r.metrics.recall10}, {"coverage", r.metrics.coverage}},
       vs,
       r.training,
       r.per_query},
      !r.ndcg.empty());
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_RUN_HPP
