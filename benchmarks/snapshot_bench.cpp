// SPDX-License-Identifier: MIT
// What does it cost to write a store's state and to read it back, beside the same columns as a CBOR document of
// nlohmann_json? Names are path/who/entries; items are entries, and bytes those of the encoding. Both write to the same
// kind of string, which keeps its memory from run to run, and read from it where it is: what a growing string costs,
// page by page, is nobody's format.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>
#include <ebb/snapshot.hpp>
#include <istream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <vector>

#include "bench_size.hpp"

namespace {

using store_type = ebb::interest_store<std::uint32_t, std::uint32_t, float, 8>;

constexpr std::uint32_t items_of_a_user = 50;
constexpr std::uint32_t catalogue = 10'000;

/// Users with fifty items each, used one to three times.
const store_type& store_of(std::int64_t entries) {
  static std::map<std::int64_t, std::unique_ptr<store_type>> made;
  std::unique_ptr<store_type>& store = made[entries];
  if (store) return *store;
  store = std::make_unique<store_type>(ebb::store_options{.heat = false});
  ebb::random_engine random(1);
  const ebb::time_point start = std::chrono::sys_days(std::chrono::days(20000));
  for (std::uint32_t user = 0; store->size() < static_cast<std::size_t>(entries); ++user)
    for (std::uint32_t i = 0; i < items_of_a_user; ++i)
      for (std::uint64_t use = random.below(3) + 1; use > 0; --use)
        store->observe(user, (user * 7919 + i * 499) % catalogue, start + std::chrono::seconds(random.below(8640000)));
  return *store;
}

/// What a peer keeps of the store: all of it, in columns.
struct columns {
  std::vector<std::uint32_t> users, entries_of_user, items, counts;
  std::vector<std::int64_t> times;
  std::vector<float> sums;  // eight an entry

  columns() = default;
  explicit columns(const store_type& store) {
    for (const auto& [user, state] : store.all_users()) {
      users.push_back(user);
      entries_of_user.push_back(static_cast<std::uint32_t>(state.entries.size()));
      for (std::size_t i = 0; i < state.entries.size(); ++i) {
        items.push_back(state.entries.item(i));
        counts.push_back(state.entries.count(i));
        times.push_back(state.entries.times(store.layout(), i)[0]);
        const float* const row = state.entries.sums(store.layout(), i);
        sums.insert(sums.end(), row, row + store.layout().sums());
      }
    }
  }
  friend bool operator==(const columns&, const columns&) = default;
};

/// A stream's end at a string: appends to it.
class to_string : public std::streambuf {
 public:
  explicit to_string(std::string& out) : out_(out) {}

 protected:
  std::streamsize xsputn(const char* from, std::streamsize n) override {
    out_.append(from, static_cast<std::size_t>(n));
    return n;
  }
  int_type overflow(int_type c) override {
    if (!traits_type::eq_int_type(c, traits_type::eof())) out_ += traits_type::to_char_type(c);
    return traits_type::not_eof(c);
  }

 private:
  std::string& out_;
};

/// A stream's beginning at a string: reads it where it is.
class from_string : public std::streambuf {
 public:
  explicit from_string(const std::string& in) {
    char* const begin = const_cast<char*>(in.data());  // a get area is only read
    setg(begin, begin, begin + in.size());
  }
};

class by_cbor {
 public:
  explicit by_cbor(const store_type& store) : kept_(store) {}
  void write(std::string& out) const {
    const nlohmann::json document{{"users", kept_.users}, {"entries_of_user", kept_.entries_of_user},
                                  {"items", kept_.items}, {"counts", kept_.counts},
                                  {"times", kept_.times}, {"sums", kept_.sums}};
    nlohmann::json::to_cbor(document, out);
  }
  [[nodiscard]] static columns read(const std::string& written) {
    const nlohmann::json document = nlohmann::json::from_cbor(written);
    columns out;
    document.at("users").get_to(out.users);
    document.at("entries_of_user").get_to(out.entries_of_user);
    document.at("items").get_to(out.items);
    document.at("counts").get_to(out.counts);
    document.at("times").get_to(out.times);
    document.at("sums").get_to(out.sums);
    return out;
  }
  [[nodiscard]] bool is_same(const columns& other) const { return other == kept_; }

 private:
  columns kept_;
};

class by_ebb {
 public:
  explicit by_ebb(const store_type& store) : store_(store) {}
  void write(std::string& to) const {
    to_string buffer(to);
    std::ostream out(&buffer);
    ebb::write_snapshot(store_, out);
  }
  [[nodiscard]] static store_type read(const std::string& written) {
    from_string buffer(written);
    std::istream in(&buffer);
    return ebb::read_snapshot<store_type>(in);
  }
  /// Entry by entry, in whatever order the users come.
  [[nodiscard]] bool is_same(const store_type& other) const {
    if (other.users() != store_.users() || other.size() != store_.size()) return false;
    for (const auto& [user, state] : store_.all_users()) {
      const auto* const theirs = other.find(user);
      if (theirs == nullptr || theirs->entries.size() != state.entries.size()) return false;
      for (std::size_t i = 0; i < state.entries.size(); ++i) {
        const float* const a = state.entries.sums(store_.layout(), i);
        const float* const b = theirs->entries.sums(other.layout(), i);
        if (theirs->entries.item(i) != state.entries.item(i) || theirs->entries.count(i) != state.entries.count(i) ||
            *theirs->entries.times(other.layout(), i) != *state.entries.times(store_.layout(), i) ||
            !std::equal(a, a + store_.layout().sums(), b))
          return false;
      }
    }
    return true;
  }

 private:
  const store_type& store_;
};

void report(benchmark::State& state, const std::string& written) {
  const auto size = static_cast<std::int64_t>(written.size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * size);
  state.counters["bytes_per_entry"] = static_cast<double>(size) / static_cast<double>(state.range(0));
}

template <class Way>
void write(benchmark::State& state) {
  const Way way(store_of(state.range(0)));
  std::string written;
  way.write(written);
  for (auto _ : state) {
    written.clear();
    way.write(written);
    benchmark::DoNotOptimize(written.data());
  }
  report(state, written);
}

template <class Way>
void read(benchmark::State& state) {
  const Way way(store_of(state.range(0)));
  std::string written;
  way.write(written);
  if (!way.is_same(Way::read(written))) throw std::logic_error("what was read is not what was written");
  for (auto _ : state) {
    const auto got = Way::read(written);
    benchmark::DoNotOptimize(&got);
  }
  report(state, written);
}

const std::int64_t entries = bench_size(50'000, 1'000'000, 10'000'000);

BENCHMARK(write<by_ebb>)->Name("snapshot_write/ebb")->Arg(entries)->Unit(benchmark::kMillisecond);
BENCHMARK(write<by_cbor>)->Name("snapshot_write/nlohmann_cbor")->Arg(entries)->Unit(benchmark::kMillisecond);
BENCHMARK(read<by_ebb>)->Name("snapshot_read/ebb")->Arg(entries)->Unit(benchmark::kMillisecond);
BENCHMARK(read<by_cbor>)->Name("snapshot_read/nlohmann_cbor")->Arg(entries)->Unit(benchmark::kMillisecond);

}  // namespace
