// SPDX-License-Identifier: MIT
#include "ebb/snapshot.hpp"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.hpp"
#include "snapshot_bytes.hpp"
#include "store_oracle.hpp"

namespace snapshot_test {

using namespace std::chrono_literals;
using oracle::day;

namespace {

using ebb::snapshot_format;
using snapshots::check_same;
using snapshots::int_store;
using snapshots::read_back;
using snapshots::small_store;
using snapshots::string_store;
using snapshots::written;

constexpr snapshot_format formats[] = {snapshot_format::binary, snapshot_format::json};

/// A path in a directory of its own, removed with everything in it at the end.
class scratch {
 public:
  scratch() : directory_(std::filesystem::temp_directory_path() / ("ebb_snapshot_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::filesystem::path file() const { return directory_ / "store.ebb"; }

 private:
  std::filesystem::path directory_;
};

}  // namespace

TEST_CASE("a snapshot comes back bit for bit in both formats", "[snapshot]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    ebb::random_engine random(seed);
    auto options = oracle::random_options(random);
    options.heat = seed % 3 != 0;
    int_store s(options);
    auto log = oracle::random_log(random, 300, 5, 100, options.dislike_half_life.has_value());
    oracle::replay(s, log);
    for (std::size_t i = 0; i < 20; ++i)
      if (!log[i].dislike) s.retract(log[i].user, log[i].item, log[i].time, log[i].amount);
    for (const auto format : formats) {
      auto loaded = read_back<int_store>(written(s, format), &s.options());
      check_same(s, loaded);
      loaded.observe(1, 1, day(2000));
      loaded.merge(s);  // the half-lives are the same to the last tick
    }
  }
  for (const auto format : formats) check_same(small_store(), read_back<string_store>(written(small_store(), format)));
  for (const auto format : formats)
    check_same(string_store(), read_back<string_store>(written(string_store(), format)));
}

TEST_CASE("the formats are converted into each other without loss", "[snapshot]") {
  const auto binary = written(small_store(), snapshot_format::binary);
  const auto json = written(read_back<string_store>(binary), snapshot_format::json);
  check_same(small_store(), read_back<string_store>(json));
  CHECK(json.find("\"half_lives\":[3600000000000,86400000000000]") != std::string::npos);
}

TEST_CASE("a snapshot cut short anywhere is refused", "[snapshot]") {
  for (const auto format : formats) {
    const std::string bytes = written(small_store(), format);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      CAPTURE(length);
      CHECK_THROWS_AS(read_back<string_store>(bytes.substr(0, length)), ebb::snapshot_error);
    }
    CHECK_THROWS_AS(read_back<string_store>(bytes + "x"), ebb::snapshot_error);
  }
}

TEST_CASE("a snapshot with any one bit flipped is refused", "[snapshot]") {
  for (const auto format : formats) {
    const std::string bytes = written(small_store(), format);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      CAPTURE(bit);
      CHECK_THROWS_AS(read_back<string_store>(flipped), ebb::snapshot_error);
    }
  }
}

TEST_CASE("records left out, doubled or exchanged are refused", "[snapshot]") {
  std::istringstream lines(written(small_store(), snapshot_format::json));
  std::vector<std::string> records;
  for (std::string line; std::getline(lines, line);) records.push_back(line + '\n');
  for (std::size_t i = 0; i + 1 < records.size(); ++i) {
    std::string without;
    std::string doubled;
    for (std::size_t j = 0; j < records.size(); ++j) {
      if (j != i) without += records[j];
      doubled += records[j] + (j == i ? records[j] : "");
    }
    CHECK_THROWS_AS(read_back<string_store>(without), ebb::snapshot_error);
    CHECK_THROWS_AS(read_back<string_store>(doubled), ebb::snapshot_error);
  }
}

TEST_CASE("another version, type or shape is refused by name", "[snapshot]") {
  std::string json = written(small_store(), snapshot_format::json);
  std::string newer = json;
  newer.replace(newer.find("\"version\":2"), 11, "\"version\":3");
  CHECK_THROWS_WITH(read_back<string_store>(newer), contains("of version 3, this program reads versions 1 to 2"));
  CHECK_THROWS_WITH((read_back<ebb::interest_store<std::string, std::string, double>>(json)),
                    contains("sums of type \"float\", the store is of double"));
  CHECK_THROWS_AS((read_back<ebb::interest_store<int, std::string, float>>(json)), ebb::snapshot_error);
  CHECK_THROWS_AS((read_back<ebb::interest_store<std::string, std::string, float, 8>>(json)), ebb::snapshot_error);
  const auto refuses = [&](auto change, const char* what) {
    auto wanted = small_store().options();
    change(wanted);
    CHECK_THROWS_WITH(read_back<string_store>(json, &wanted), contains(what));
  };
  refuses([](auto& o) { o.lanes = {1h, 25h}; }, "the half-lives differ");
  refuses([](auto& o) { o.rhythms.clear(); }, "the rhythms differ");
  refuses([](auto& o) { o.heat = false; }, "the heat differ");
  CHECK_THROWS_WITH(read_back<string_store>("PK whatever"), contains("not a snapshot"));
  CHECK_THROWS_WITH(read_back<string_store>(""), contains("cut short"));
  CHECK_THROWS_WITH(read_back<string_store>("{\"a\":1}\n"), contains("not a snapshot"));
}

TEST_CASE("a number of another kind or out of range is refused, not converted", "[snapshot]") {
  ebb::interest_store<int, int> s({.lanes = {24h}});
  s.observe(300, 7, day(0));
  const std::string json = written(s, snapshot_format::json);
  const auto refuses = [&](const std::string& what, const std::string& forged) {
    std::string text = json;
    REQUIRE(text.find(what) != std::string::npos);
    text.replace(text.find(what), what.size(), forged);
    CHECK_THROWS_AS((read_back<ebb::interest_store<int, int>>(text)), ebb::snapshot_error);
    CHECK_THROWS_WITH((read_back<ebb::interest_store<int, int>>(text)), contains("whole number"));
  };
  refuses("\"user\":300", "\"user\":3e10");
  refuses("\"user\":300", "\"user\":3.5");
  refuses("\"user\":300", "\"user\":9000000000");
  refuses("\"item\":7", "\"item\":true");
  refuses("\"counts\":[1]", "\"counts\":[-1]");
  refuses("\"events\":1", "\"events\":1e300");
  refuses("\"half_lives\":[8", "\"half_lives\":[-9.9e18,8");
  CHECK_THROWS_AS((read_back<ebb::interest_store<unsigned char, int>>(json)), ebb::snapshot_error);
}

TEST_CASE("a number of dislikes that cannot be is refused", "[snapshot]") {
  ebb::interest_store<int, int> s({.lanes = {24h}, .dislike_half_life = 24h});
  s.dislike(300, 7, day(0));
  const std::string json = written(s, snapshot_format::json);
  const std::string what = ",1],\"user\"";
  REQUIRE(json.find(what) != std::string::npos);
  for (const char* const forged : {",-1],\"user\"", ",9223372036854775807],\"user\""}) {
    std::string text = json;
    text.replace(text.find(what), what.size(), forged);
    CHECK_THROWS_WITH((read_back<ebb::interest_store<int, int>>(text)), contains("number of dislikes is out of range"));
  }
}

TEST_CASE("names that are not UTF-8 need the binary format", "[snapshot]") {
  string_store s;
  s.observe("\xff\xfe", "x", day(0));
  check_same(s, read_back<string_store>(written(s, snapshot_format::binary)));
  CHECK_THROWS_WITH(written(s, snapshot_format::json), contains("UTF-8"));
}

TEST_CASE("loading a bad file leaves the live store unchanged", "[snapshot]") {
  const scratch place;
  string_store live = small_store();
  std::ofstream(place.file()) << written(small_store(), snapshot_format::binary).substr(0, 300);
  CHECK_THROWS_AS(live = ebb::load_snapshot<string_store>(place.file(), &live.options()), ebb::snapshot_error);
  check_same(live, small_store());
  CHECK_THROWS_WITH(ebb::load_snapshot<string_store>(place.file() / "none"), contains("cannot open"));
}

TEST_CASE("a save that fails at any write leaves the previous snapshot", "[snapshot]") {
  const scratch place;
  ebb::save_snapshot(small_store(), place.file());
  int_store big;
  for (int i = 0; i < 1500; ++i) big.observe(i % 50, i, day(i % 100));
  const std::size_t size = written(big, snapshot_format::binary).size();
  REQUIRE(size > 3 * 65536);
  for (std::size_t limit = 0; limit < size; limit += 65536 / 3) {
    const pid_t child = ::fork();
    if (child == 0) {  // the kernel makes the write at the limit fail
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit most{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &most);
      try {
        ebb::save_snapshot(big, place.file());
      } catch (const std::system_error& error) {
        ::_exit(error.code().value() == EFBIG ? 7 : 8);
      } catch (...) {
        ::_exit(9);
      }
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
    check_same(small_store(), ebb::load_snapshot<string_store>(place.file()));
    CHECK_FALSE(std::filesystem::exists(place.file().string() + ".part"));
  }
  ebb::save_snapshot(big, place.file());
  check_same(big, ebb::load_snapshot<int_store>(place.file()));
}

TEST_CASE("a saved snapshot keeps the permissions of the one before and the link to it", "[snapshot]") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("ebb_links_" + std::to_string(::getpid()));
  fs::create_directories(folder / "data");
  int_store s({.lanes = {24h}});
  s.observe(1, 1, day(1));
  const fs::path file = folder / "data" / "store.ebb";
  ebb::save_snapshot(s, file);
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("data/store.ebb", folder / "link");
  fs::create_symlink("link", folder / "link to the link");
  s.observe(2, 2, day(2));
  ebb::save_snapshot(s, folder / "link to the link");
  CHECK((fs::is_symlink(folder / "link") && fs::is_symlink(folder / "link to the link")));
  CHECK_FALSE(fs::is_symlink(file));
  CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(ebb::load_snapshot<int_store>(file).users() == 2);
  CHECK_FALSE(fs::exists(file.string() + ".part"));
  fs::create_symlink("nowhere yet", folder / "dangling");
  ebb::save_snapshot(s, folder / "dangling");
  CHECK(ebb::load_snapshot<int_store>(folder / "nowhere yet").users() == 2);
  fs::create_symlink("loop", folder / "loop");
  CHECK_THROWS_AS(ebb::save_snapshot(s, folder / "loop"), std::system_error);
  fs::remove_all(folder);
}

TEST_CASE("what was merged with itself until its sums could not grow can be saved and loaded", "[snapshot]") {
  string_store s({.lanes = {24h}});
  s.observe("a", "b", day(0), 1e18);
  for (int doubling = 0; doubling < 100; ++doubling) s.merge(s);
  for (const auto format : formats) check_same(read_back<string_store>(written(s, format)), s);
}

TEST_CASE("killed at any moment of a save, a whole snapshot is there", "[snapshot]") {
  const scratch place;
  int_store stores[2];
  for (int i = 0; i < 1000; ++i) stores[i % 2].observe(i % 50, i, day(i % 100));
  ebb::save_snapshot(stores[0], place.file());
  ebb::random_engine random(1);
  int seen[2] = {0, 0};
  for (int round = 0; round < 40; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 1;; ++i) ebb::save_snapshot(stores[i % 2], place.file());
    }
    ::usleep(static_cast<useconds_t>(random.below(30000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto loaded = ebb::load_snapshot<int_store>(place.file());
    const int which = loaded.handle(0) ? 0 : 1;
    check_same(stores[which], loaded);
    ++seen[which];
  }
  INFO("even " << seen[0] << ", odd " << seen[1]);
  CHECK(seen[0] + seen[1] == 40);
  ebb::save_snapshot(stores[1], place.file());  // what the killed ones left aside does not disturb
  check_same(stores[1], ebb::load_snapshot<int_store>(place.file()));
}

TEST_CASE("two writers of one file at the same time: the second is refused", "[snapshot]") {
  const scratch place;
  ebb::detail::atomic_file first(place.file());
  CHECK_THROWS_WITH(ebb::save_snapshot(small_store(), place.file()), contains("being written by somebody else"));
  ebb::write_snapshot(small_store(), first.stream());
  first.commit();
  check_same(small_store(), ebb::load_snapshot<string_store>(place.file()));
  CHECK_THROWS_AS(ebb::save_snapshot(small_store(), place.file() / "no" / "such"), std::system_error);
}

TEST_CASE("writing and reading hold one block in memory, not the whole file", "[snapshot]") {
  // A stream that keeps count of what it was given and the most it was given at once.
  class counting_buffer : public std::streambuf {
   public:
    std::size_t total = 0;
    std::size_t largest = 0;

   protected:
    std::streamsize xsputn(const char*, std::streamsize n) override {
      total += static_cast<std::size_t>(n);
      largest = std::max(largest, static_cast<std::size_t>(n));
      return n;
    }
    int_type overflow(int_type c) override { return traits_type::not_eof(c); }
  };
  int_store s;
  for (int user = 0; user < 4000; ++user)
    for (int item = 0; item < 20; ++item) s.observe(user, item, day(item));
  counting_buffer buffer;
  std::ostream out(&buffer);
  ebb::write_snapshot(s, out);
  constexpr std::size_t block_and_a_user = (std::size_t{1} << 20) + 20 * 100;
  CHECK(buffer.total > 5 * block_and_a_user);
  CHECK(buffer.largest < block_and_a_user);

  /// And one that gives bytes on demand and keeps count of the most that was asked for at once.
  class asking_buffer : public std::stringbuf {
   public:
    using std::stringbuf::stringbuf;
    std::size_t largest = 0;

   protected:
    std::streamsize xsgetn(char* to, std::streamsize n) override {
      largest = std::max(largest, static_cast<std::size_t>(n));
      return std::stringbuf::xsgetn(to, n);
    }
  };
  asking_buffer bytes(written(s, snapshot_format::binary), std::ios::in);
  std::istream in(&bytes);
  check_same(s, ebb::read_snapshot<int_store>(in));
  CHECK(bytes.largest < block_and_a_user);
}

TEST_CASE("a sharded store is written and read shard by shard, and loses nothing", "[snapshot]") {
  using shards = ebb::sharded_store<int, int, float>;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    ebb::random_engine random(seed);
    auto options = oracle::random_options(random);
    options.dislike_half_life = 50h;
    shards many(options, 1 + random.below(6));
    shards::store_type whole(options);  // the truth: the same operations on one store
    const auto log = oracle::random_log(random, 150, 12, 15, true);
    oracle::replay(whole, log);
    oracle::replay(many, log);
    const auto now = oracle::newest(log) + 1h;
    const auto how = oracle::random_reading(random, options.lanes);
    many.prune(how, now, 0, 4);  // heat that is nobody's any more
    whole.prune(how, now, 0, 4);
    const auto format = formats[seed % 2];
    const std::string bytes = written(many, format);
    const auto together = read_back<shards::store_type>(bytes, &options);
    auto dealt_out = read_back<shards>(bytes, &options, 1 + random.below(6));
    auto from_whole = read_back<shards>(written(whole, format), &options, 3);
    const auto check = [&] {
      CHECK(together.users() == whole.users());
      CHECK(dealt_out.users() == whole.users());
      CHECK(from_whole.size() == whole.size());
      for (int user = 0; user < 12; ++user)
        for (int item = 0; item < 15; ++item) {
          const double truth = whole.interest(user, item, how, now);
          CHECK(together.interest(user, item, how, now) == truth);
          CHECK(dealt_out.interest(user, item, how, now) == truth);
          CHECK(from_whole.interest(user, item, how, now) == truth);
          CHECK(dealt_out.dislike_of(user, item, now) == whole.dislike_of(user, item, now));
        }
      for (int item = 0; item < 15; ++item) {
        const auto truth = Approx(whole.heat(item, how, now)).epsilon(1e-5).margin(1e-30);
        CHECK(together.heat(item, how, now) == truth);
        CHECK(dealt_out.heat(item, how, now) == truth);
        CHECK(from_whole.heat(item, how, now) == truth);
      }
    };
    check();
    // The heat came to the shard of the user whose it is: it goes when they go.
    for (const int user : {log.front().user, log.back().user}) {
      whole.forget_user(user);
      dealt_out.forget_user(user);
    }
    for (int item = 0; item < 15; ++item)
      CHECK(dealt_out.heat(item, how, now) == Approx(whole.heat(item, how, now)).epsilon(1e-4).margin(1e-6));
  }
}

TEST_CASE("a sharded snapshot is refused as any other, and the number of shards is checked", "[snapshot]") {
  using shards = ebb::sharded_store<std::string, std::string, float>;
  const shards many(small_store(), 3);
  const std::string bytes = written(many, snapshot_format::binary);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    CHECK_THROWS_AS(read_back<shards>(bytes.substr(0, cut)), ebb::snapshot_error);
  const ebb::store_options other{.lanes = {1h}};
  CHECK_THROWS_WITH(read_back<shards>(bytes, &other), contains("of another shape"));
  CHECK_THROWS_AS((read_back<shards>(bytes, nullptr, 0)), std::invalid_argument);
  scratch place;
  ebb::save_snapshot(many, place.file());
  CHECK(ebb::load_snapshot<shards>(place.file()).size() == many.size());
}

TEST_CASE("a user with thousands of items is ranked after a round trip as before", "[snapshot]") {
  for (const snapshot_format format : formats) {
    int_store s({.lanes = {1h, 24h}});
    for (int item = 0; item < 3000; ++item) s.observe(1, item, day(item * 7919 % 100), 1.0 + item % 13);
    const int_store back = read_back<int_store>(written(s, format));
    CHECK(back.find(1)->entries.has_groups());
    const auto before = s.top(1, 20, ebb::reading::lane(s.lanes(), 1), day(100));
    const auto after = back.top(1, 20, ebb::reading::lane(s.lanes(), 1), day(100));
    REQUIRE(after.size() == 20);
    for (std::size_t r = 0; r < after.size(); ++r) CHECK(after[r].item == before[r].item);
  }
}

TEST_CASE("an item's first use by anybody comes through shards, and one shard stays one", "[snapshot]") {
  using shards = ebb::sharded_store<int, int>;
  shards many({.lanes = {24h}}, 4);  // no first uses a user: only heat knows
  for (int user = 0; user < 8; ++user) {
    many.observe(user, 100 + user, day(0));
    many.observe(user, 7, day(10 + user));
  }
  const auto first_of = [](const shards& s) {
    const auto whole = s.snapshot();
    return whole.heat_entries().times(whole.heat_layout(), *whole.handle(7))[whole.heat_layout().first_time()];
  };
  CHECK(first_of(many) == day(10).time_since_epoch().count());
  for (const std::size_t n : {std::size_t{1}, std::size_t{3}, std::size_t{8}})
    CHECK(first_of(read_back<shards>(written(many, snapshot_format::binary), nullptr, n)) ==
          day(10).time_since_epoch().count());
  const auto part = many.copy_of_shard(0);
  CHECK(part.is_shard());
  CHECK(read_back<shards::store_type>(written(part, snapshot_format::json)).is_shard());
  CHECK_FALSE(read_back<shards::store_type>(written(many, snapshot_format::json)).is_shard());
}

}  // namespace snapshot_test
