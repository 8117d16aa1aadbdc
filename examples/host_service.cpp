// SPDX-License-Identifier: MIT
// How does a service hold a store: a thread taking in events, others ranking, a snapshot now and then, and a restart after a crash?
//
// A user's own interest is read from their shard at the moment of the request. What everybody is into is in no single shard: now and then it
// is copied into a table, which all rankings read until the next one is there.
// Events come from a stream that can be read again from a position, as most queues can. A snapshot is named after the position it was taken
// at, and appears whole or not at all; a restart loads the newest and reads on from there. So nothing is lost, and nothing counted twice.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ebb/heat_table.hpp>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/ranker.hpp>
#include <ebb/sharded_store.hpp>
#include <ebb/snapshot.hpp>
#include <ebb/store_terms.hpp>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono;
using live_store = ebb::sharded_store<int, int>;
using store_type = live_store::store_type;
namespace files = std::filesystem;

struct event {
  int user;
  int item;
  ebb::time_point time;
};

/// The position of the newest snapshot in the folder, 0 if there is none.
std::size_t newest_snapshot(const files::path& folder) {
  std::size_t newest = 0;
  for (const auto& file : files::directory_iterator(folder))
    if (file.path().extension() == ".snapshot")
      newest = std::max<std::size_t>(newest, std::stoul(file.path().stem().string()));
  return newest;
}

/// The newest table of what everybody is into: one thread replaces it, many read it.
class popular_now {
 public:
  using table = std::shared_ptr<const ebb::heat_table<int>>;
  void replace(table newest) {
    const std::lock_guard lock(mutex_);
    newest_.swap(newest);
  }
  table newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }

 private:
  mutable std::mutex mutex_;
  table newest_;
};

struct request_counts {
  std::atomic<std::size_t> full{0};
  std::atomic<std::size_t> incomplete{0};
};

/// Runs from the last snapshot up to the position where it is killed; returns the store as it was then.
store_type serve(const ebb::store_options& options, const std::vector<event>& stream, const files::path& folder,
                 std::size_t killed_at, request_counts& counts) {
  const std::size_t start = newest_snapshot(folder);
  const auto name = [&](std::size_t position) { return folder / (std::to_string(position) + ".snapshot"); };
  live_store store = start == 0 ? live_store(options, 8) : ebb::load_snapshot<live_store>(name(start), &options, 8);
  const auto how = ebb::reading::inverse_half_life(options.lanes);
  popular_now popular;
  ebb::ranker<store_type> ranker;
  ranker.add(ebb::interest_term(how), {.role = ebb::term_role::own});
  ranker.add(ebb::heat_table_term([&](int) { return popular.newest(); }), {.role = ebb::term_role::prior});

  // The service's clock: here that of the newest event. It is read inside `read`, after which no event of that user's is newer.
  std::atomic<ebb::time_point> clock = stream[start].time;
  std::atomic<bool> running = true;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      ebb::random_engine random(t);
      do {  // what a request does: one user's shard is read, the others stay free
        const int user = static_cast<int>(random.below(50));
        const auto list = store.read(user, [&](const store_type& shard) {
          return ranker.rank(shard, user, clock.load(), std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {.k = 3});
        });
        ++(list.size() == 3 ? counts.full : counts.incomplete);
      } while (running);
    });
  for (std::size_t i = start; i < killed_at; ++i) {
    clock = stream[i].time;
    store.observe(stream[i].user, stream[i].item, stream[i].time);
    if ((i + 1) % 1000 != 0) continue;  // now and then, while ranking goes on:
    ebb::save_snapshot(store, name(i + 1));
    popular.replace(
        std::make_shared<const ebb::heat_table<int>>(ebb::heat_table<int>::of_everybody(store, how, stream[i].time)));
  }
  running = false;
  for (std::thread& t : threads) t.join();
  return store.snapshot();
}

int main() {
  const sys_days monday = year(2026) / November / 23;
  const ebb::store_options options{.lanes = ebb::timescales{hours(1), days(1), days(30)}};
  ebb::random_engine random(1);
  std::vector<event> stream;
  for (int i = 0; i < 10000; ++i)
    stream.push_back({int(random.below(50)), int(random.below(10)), monday + seconds(8 * i)});

  const files::path folder = files::current_path() / "host_service_snapshots";
  files::remove_all(folder);
  files::create_directories(folder);
  request_counts counts;
  serve(options, stream, folder, 6789, counts);
  std::printf("killed at 6789, newest snapshot %zu\n", newest_snapshot(folder));
  const store_type after = serve(options, stream, folder, stream.size(), counts);

  store_type never_killed(options);
  for (const event& e : stream) never_killed.observe(e.user, e.item, e.time);
  const auto how = ebb::reading::inverse_half_life(options.lanes);
  std::size_t same = 0;
  for (int user = 0; user < 50; ++user) {
    const auto a = after.top(user, 10, how, stream.back().time);
    const auto b = never_killed.top(user, 10, how, stream.back().time);
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i)
      equal = a[i].item == b[i].item && a[i].interest == b[i].interest;
    same += equal ? 1 : 0;
  }
  std::printf("users with the lists of a service never killed: %zu of 50\n", same);
  std::printf("ranked meanwhile: %s, incomplete: %zu\n", counts.full > 0 ? "yes" : "no", counts.incomplete.load());
  files::remove_all(folder);
}
