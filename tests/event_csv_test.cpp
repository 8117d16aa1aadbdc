// SPDX-License-Identifier: MIT
#include "ebb/event_csv.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace event_csv_test {

using namespace std::chrono_literals;

namespace {

const std::string header = "user,item,timestamp,event,value\n";

ebb::read_result read(const std::string& text, const ebb::read_options& options = {}) {
  std::istringstream in(text);
  return ebb::read_events(in, options);
}

std::string error_of(const std::string& text, const ebb::read_options& options = {}) {
  try {
    (void)read(text, options);
  } catch (const ebb::input_error& bad) {
    return bad.what();
  }
  return "";
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::vector<std::vector<std::string>> records_of(const std::string& text) {
  std::istringstream in(text);
  ebb::detail::csv_reader csv(in);
  std::vector<std::vector<std::string>> records;
  while (csv.next()) records.emplace_back(csv.fields().begin(), csv.fields().end());
  return records;
}

}  // namespace

TEST_CASE("events are read by the names of their columns", "[event_csv]") {
  const auto [log, report] =
      read("note,value,timestamp,item,event,user\nx,2.5,1333476009,shoe,buy,ann\n,1,1333476010,hat,view,bob\n");
  REQUIRE(log.size() == 2);
  CHECK(log.users()[log[0].user] == "ann");
  CHECK(log.items()[log[0].item] == "shoe");
  CHECK(log.behaviours()[log[0].behaviour] == "buy");
  CHECK(log[0].value == 2.5);
  CHECK(log[0].time == ebb::time_point(1333476009s));
  CHECK(log.users()[log[1].user] == "bob");
  CHECK(report.rows == 2);
  CHECK(report.skipped == 0);
  CHECK(report.was_sorted);
}

TEST_CASE("whatever a field holds comes back out of its quotes", "[event_csv]") {
  ebb::random_engine random(3);
  const std::string alphabet = "ab,\"\n\r\t ;é";
  std::vector<std::vector<std::string>> wanted;
  std::string text;
  for (int row = 0; row < 200; ++row) {
    wanted.emplace_back();
    for (int field = 0; field < 4; ++field) {
      std::string value = "x";
      for (std::uint64_t n = random.below(6); n > 0; --n) value += alphabet[random.below(alphabet.size())];
      text += (field > 0 ? "," : "") + quoted(value);
      wanted.back().push_back(value);
    }
    text += random.below(2) == 0 ? "\n" : "\r\n";
  }
  CHECK(records_of(text) == wanted);
  text.resize(text.find_last_not_of("\r\n") + 1);  // the last line end is optional
  CHECK(records_of(text) == wanted);
}

TEST_CASE("fields across the reader's chunks are whole", "[event_csv]") {
  std::string text;
  std::vector<std::vector<std::string>> wanted;
  for (int row = 0; row < 40; ++row) {
    const std::string field(static_cast<std::size_t>(30'000 + 997 * row), static_cast<char>('a' + row % 26));
    wanted.push_back({field, "\n" + field, ""});
    text += field + ",\"\n" + field + "\",\n";
  }
  CHECK(records_of(text) == wanted);
}

TEST_CASE("a byte order mark, CRLF line ends, empty lines and a missing last line end change nothing", "[event_csv]") {
  const std::string rows = header + "a,1,100,view,1\nb,2,200,view,1\n";
  std::string other = "\xEF\xBB\xBF";
  for (const char c : rows.substr(0, rows.size() - 1)) other += c == '\n' ? std::string("\r\n\r\n") : std::string(1, c);
  const ebb::read_result plain = read(rows);
  const ebb::read_result dressed = read(other);
  REQUIRE(plain.log.size() == 2);
  REQUIRE(dressed.log.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) CHECK(plain.log[i] == dressed.log[i]);
}

TEST_CASE("the same moments in s, ms and µs give the same log, and the unit is said", "[event_csv]") {
  const std::vector<std::pair<std::string, ebb::time_unit>> units{
      {"", ebb::time_unit::seconds}, {"000", ebb::time_unit::milliseconds}, {"000000", ebb::time_unit::microseconds}};
  // From March 1973 to 2261: the whole range in which the size decides.
  for (const std::string seconds : {"100000000", "1333476009", "9190000000"})
    for (const auto& [zeros, unit] : units) {
      const auto [log, report] = read(header + "a,1," + seconds + zeros + ",view,1\n");
      CHECK(report.unit == unit);
      CHECK(report.unit_reason.find("1 of 1") == 0);
      REQUIRE(log.size() == 1);
      CHECK(log[0].time == ebb::time_point(std::chrono::seconds(std::stoll(seconds))));
    }
}

TEST_CASE("microseconds and fractions of seconds are kept", "[event_csv]") {
  CHECK(read(header + "a,1,1333476009123457,view,1\n").log[0].time == ebb::time_point(1333476009123457us));
  CHECK(read(header + "a,1,1333476009.25,view,1\n").log[0].time == ebb::time_point(1333476009250ms));
  CHECK(read(header + "a,1,1.333476009e9,view,1\n").log[0].time == ebb::time_point(1333476009s));
}

TEST_CASE("mixed units are an error at the odd row, or a counted skip", "[event_csv]") {
  const std::string text = header + "a,1,1333476009000,view,1\nb,1,1333476010,view,1\nc,1,1333476011000,view,1\n";
  CHECK_THAT(error_of(text), contains("line 3: the timestamp looks like seconds in a log of milliseconds"));
  const auto [log, report] = read(text, {.skip_bad = true});
  CHECK(log.size() == 2);
  CHECK(log.users().size() == 2);
  CHECK(report.skipped == 1);
  CHECK(read("user,item,timestamp,event,value\na,1,5,x,1\n", {.unit = ebb::time_unit::milliseconds}).log[0].time ==
        ebb::time_point(5ms));
}

TEST_CASE("unsorted rows are sorted stably and the report says so", "[event_csv]") {
  const auto [log, report] = read(header + "a,1,300,view,1\na,2,100,view,2\na,3,300,view,3\na,4,100,view,4\n");
  CHECK_FALSE(report.was_sorted);
  REQUIRE(log.size() == 4);
  const std::vector<double> order{2, 4, 1, 3};
  for (std::size_t i = 0; i < 4; ++i) CHECK(log[i].value == order[i]);
}

TEST_CASE("a bad row is an error that names line and reason, or a counted skip", "[event_csv]") {
  const std::vector<std::pair<std::string, std::string>> bad{
      {"a,1,nan,view,1", "the timestamp must be a finite number, got \"nan\""},
      {"a,1,inf,view,1", "the timestamp must be a finite number"},
      {"a,1,12x,view,1", "the timestamp must be a finite number, got \"12x\""},
      {"a,1,2012-04-03,view,1", "the timestamp must be a finite number"},
      {"a,1,-5,view,1", "the timestamp must not be negative"},
      {"a,1,1e400,view,1", "the timestamp must be a finite number"},
      {"a,1,1333476009000000000,view,1", "the timestamp is too large for seconds, milliseconds or microseconds"},
      {"a,1,99000000000,view,1", "the timestamp is beyond the year 2261 in seconds"},
      {"a,1,100,view,NaN", "the value must be a finite number"},
      {"a,1,100,view,one", "the value must be a finite number, got \"one\""},
      {"a,1,100,view,", "the value is empty"},
      {",1,100,view,1", "the user is empty"},
      {"a,,100,view,1", "the item is empty"},
      {"a,1,100,,1", "the event is empty"},
      {"a,1,100,view", "4 fields where the header has 5"},
      {"a,1,100,view,1,2", "6 fields where the header has 5"},
      {"\"a\"b,1,100,view,1", "text behind a closing quote"},
  };
  for (const auto& [row, reason] : bad) {
    const std::string text = header + "g,\"two\nlines\",100,view,1\n" + row + "\nh,1,200,view,1\n";
    CHECK_THAT(error_of(text), contains("line 4: " + reason));
    const auto [log, report] = read(text, {.skip_bad = true});
    CHECK(log.size() == 2);
    CHECK(report.rows == 2);
    CHECK(report.skipped == 1);
    REQUIRE(report.first_reasons.size() == 1);
    CHECK_THAT(report.first_reasons[0], contains("line 4: " + reason));
  }
}

TEST_CASE("an open quote or an endless line costs its own row only", "[event_csv]") {
  const std::string open = header + "a,1,100,view,1\n\"b,1,200,view,1\nc,1,300,view,1\n";
  CHECK(error_of(open) == "line 3: a quote is opened and never closed");
  CHECK(read(open, {.skip_bad = true}).log.size() == 2);

  const std::string endless =
      header + "a,1,100,view,1\n" + std::string(10'000'000, 'x') + "\nc,1,300,view,1\n" + std::string(3'000'000, 'y');
  CHECK_THAT(error_of(endless), contains("line 3: a record is longer than 1048576 bytes"));
  const auto [log, report] = read(endless, {.skip_bad = true});
  CHECK(log.size() == 2);
  CHECK(report.skipped == 2);
  REQUIRE(report.first_reasons.size() == 2);
  CHECK_THAT(report.first_reasons[1], contains("line 5: "));
}

TEST_CASE("only the first five reasons are kept", "[event_csv]") {
  std::string text = header;
  for (int i = 0; i < 9; ++i) text += "a,1,x,view,1\n";
  const auto [log, report] = read(text, {.skip_bad = true});
  CHECK(log.empty());
  CHECK(report.skipped == 9);
  CHECK(report.first_reasons.size() == 5);
}

TEST_CASE("an empty input or a wrong header is refused, whatever the options", "[event_csv]") {
  for (const bool skip : {false, true}) {
    CHECK_THAT(error_of("", {.skip_bad = skip}), contains("the input is empty"));
    CHECK_THAT(error_of("\n\n", {.skip_bad = skip}), contains("the input is empty"));
    CHECK_THAT(error_of("user,item,time,event,value\n", {.skip_bad = skip}),
               contains("line 1: ") && contains("\"timestamp\" is missing"));
    CHECK_THAT(error_of("user,item,timestamp,event,value,user\n", {.skip_bad = skip}),
               contains("\"user\" is there twice"));
    CHECK_THAT(error_of("a,1,100,view,1\n", {.skip_bad = skip}), contains("\"user\" is missing"));
  }
  CHECK(read(header).log.empty());
}

TEST_CASE("a stream that fails is an error", "[event_csv]") {
  std::ifstream folder("/");
  CHECK_THROWS_AS(ebb::read_events(folder), std::runtime_error);
}

TEST_CASE("titles and tags find the items of the log", "[event_csv]") {
  const ebb::event_log log = read(header + "a,x,100,view,1\na,y,200,view,1\n").log;
  std::istringstream in("item,title,tags\ny,\"The \"\"Y\"\"\",red|blue\nz,Z,\nx,,blue\n");
  const ebb::items_result result = ebb::read_items(in, log);
  CHECK(result.rows == 2);
  CHECK(result.unknown == 1);
  REQUIRE(result.catalogue.titles.size() == 2);
  CHECK(result.catalogue.titles[0].empty());
  CHECK(result.catalogue.titles[1] == "The \"Y\"");
  CHECK(result.catalogue.tags[1].size() == 2);
  CHECK(result.catalogue.tags[0] == std::vector<std::uint32_t>{result.catalogue.tag_names.find("blue").value()});

  std::istringstream twice("item,title,tags\nx,A,\nx,B,\n");
  CHECK_THROWS_WITH(ebb::read_items(twice, log), contains("line 3: item \"x\" is described twice"));
}

TEST_CASE("whatever the bytes, reading ends with a log or an input_error, and skipping adds up", "[event_csv]") {
  ebb::random_engine random(11);
  const std::string bytes = "\",\n\r0123456789.e-+naifu \xEF\xBB\xBF\xFF" + std::string(1, '\0');
  for (int round = 0; round < 3000; ++round) {
    std::string text = header;
    for (std::uint64_t n = random.below(8); n > 0; --n) text += "u" + std::to_string(n) + ",i,1333476009,view,1\n";
    for (std::uint64_t n = random.below(12); n > 0; --n) {
      const std::size_t place = header.size() + random.below(text.size() - header.size() + 1);
      const char byte = bytes[random.below(bytes.size())];
      if (place < text.size() && random.below(2) == 0)
        text[place] = byte;
      else
        text.insert(place, 1, byte);
    }
    const auto [log, report] = read(text, {.skip_bad = true, .longest_record = 60});
    REQUIRE(report.rows == log.size());
    REQUIRE(report.first_reasons.size() == std::min<std::size_t>(5, report.skipped));
    for (const ebb::logged_event& event : log.events()) REQUIRE(std::isfinite(event.value));
    const std::string error = error_of(text, {.longest_record = 60});  // anything but an input_error gets through
    REQUIRE(error.empty() == (report.skipped == 0));
    if (!error.empty()) REQUIRE(error == report.first_reasons[0]);
  }
}

TEST_CASE("the open event sets have the sizes their description says", "[event_csv]") {
  const char* folder = std::getenv("EBB_DATA_DIR");
  if (folder == nullptr) {
    WARN("skipped: EBB_DATA_DIR is not set");
    return;
  }
  struct expectation {
    std::string name;
    std::size_t rows, users, items;
    double repeats;
  };
  for (const expectation& set :
       {expectation{"foursquare_nyc", 227'178, 1'083, 38'333, 0.599},
        expectation{"online_retail", 386'331, 4'334, 3'659, 0.311},
        expectation{"git_sympy", 100'968, 1'691, 4'029, 0.746}, expectation{"ml100k", 100'000, 943, 1'682, 0.0}}) {
    std::ifstream in(std::string(folder) + "/" + set.name + ".csv");
    REQUIRE(in);
    const auto [log, report] = ebb::read_events(in);
    CHECK(log.size() == set.rows);
    CHECK(log.users().size() == set.users);
    CHECK(log.items().size() == set.items);
    CHECK(report.unit == ebb::time_unit::seconds);
    CHECK(report.was_sorted);
    CHECK(ebb::repeat_share(log.events()) == Approx(set.repeats).margin(0.0005));
    std::ifstream items(std::string(folder) + "/" + set.name + ".items.csv");
    CHECK(ebb::read_items(items, log).rows == set.items);
  }
}

}  // namespace event_csv_test
