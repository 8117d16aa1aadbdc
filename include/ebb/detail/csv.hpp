// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_CSV_HPP
#define EBB_DETAIL_CSV_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <istream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ebb {

/// Input that cannot be used: the message says "line 7: …" and `line()` the number, 0 where no one line is to blame.
class input_error : public std::runtime_error {
 public:
  input_error(std::size_t line, const std::string& reason)
      : std::runtime_error(line == 0 ? reason : "line " + std::to_string(line) + ": " + reason), line_(line) {}

  [[nodiscard]] std::size_t line() const noexcept { return line_; }

 private:
  std::size_t line_;
};

namespace detail {

/// A piece of somebody's input as an error message may show it: in quotes, at most 40 bytes, control characters as '?'.
[[nodiscard]] inline std::string shown(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (text.size() > longest ? "…\"" : "\"");
}

[[nodiscard]] inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Reads a stream as comma-separated records, one at a time, in bounded memory.
///
/// A field that begins with '"' runs to the closing quote, over commas and line ends, and "" in it is one quote (RFC 4180); elsewhere a
/// quote is a character like any other. Lines end with LF or CRLF; a UTF-8 byte order mark and empty lines are passed over.
/// Errors: input_error for an unclosed quote, text behind a closing quote, a record of more than `longest` bytes; std::runtime_error
///         when the stream cannot be read. After an input_error reading goes on at the line below the one named.
class csv_reader {
 public:
  explicit csv_reader(std::istream& in, std::size_t longest = std::size_t{1} << 20) : in_(&in), longest_(longest) {}

  /// Moves to the next record; false at the end of the input.
  bool next() {
    fields_.clear();
    for (;;) {
      begin_ = next_;
      line_ = next_line_;
      if (!has(0)) return false;
      const std::size_t length = find_end();
      std::size_t text = length;  // without the line end
      if (text > 0 && at(text - 1) == '\n') --text;
      if (text > 0 && at(text - 1) == '\r' && text < length) --text;
      step_over(length);
      if (text == 0) continue;
      split(text);
      return true;
    }
  }

  /// The fields of the record, valid until `next` is called again.
  [[nodiscard]] std::span<const std::string_view> fields() const noexcept { return fields_; }

  /// The line on which the record begins, from 1.
  [[nodiscard]] std::size_t line() const noexcept { return line_; }

 private:
  static constexpr std::size_t chunk = std::size_t{1} << 18;

  [[nodiscard]] char& at(std::size_t offset) { return buffer_[begin_ + offset]; }

  // Whether the byte `offset` behind the record's first exists; reads on when it is not in the buffer yet.
  bool has(std::size_t offset) {
    while (begin_ + offset >= end_) {
      if (ended_) return false;
      fill();
    }
    return true;
  }

  void fill() {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      next_ -= begin_;
      end_ -= begin_;
      begin_ = 0;
    }
    if (buffer_.size() < end_ + chunk) buffer_.resize(end_ + chunk);
    in_->read(buffer_.data() + end_, static_cast<std::streamsize>(chunk));
    const auto got = static_cast<std::size_t>(in_->gcount());
    if (in_->bad() || (got == 0 && !in_->eof())) throw std::runtime_error("the input cannot be read");
    ended_ = got < chunk;
    const bool first = !started_;
    started_ = true;
    end_ += got;
    if (first && std::string_view(buffer_.data(), end_).substr(0, 3) == "\xEF\xBB\xBF") next_ = begin_ = 3;
  }

  // Length of the record at begin_, its line end included; throws input_error after having stepped over the bad line.
  std::size_t find_end() {
    enum class state { field_start, plain, quoted, quote_closed };
    state now = state::field_start;
    for (std::size_t i = 0;; ++i) {
      if (i > longest_)
        fail("a record is longer than " + std::to_string(longest_) +
             " bytes (is a quote left open, or a line end missing?)");
      if (!has(i)) {
        if (now == state::quoted) fail("a quote is opened and never closed");
        return i;
      }
      const char c = at(i);
      switch (now) {
        case state::quoted:
          if (c == '"') now = state::quote_closed;
          continue;
        case state::quote_closed:
          if (c == '"') {
            now = state::quoted;
            continue;
          }
          if (c != ',' && c != '\n' && !(c == '\r' && has(i + 1) && at(i + 1) == '\n'))
            fail("text behind a closing quote");
          break;
        case state::field_start:
          now = state::plain;
          if (c == '"') {
            now = state::quoted;
            continue;
          }
          break;
        case state::plain:
          break;
      }
      if (c == ',') now = state::field_start;
      if (c == '\n') return i + 1;
    }
  }

  void step_over(std::size_t length) {
    next_ = begin_ + length;
    const std::string_view record(buffer_.data() + begin_, length);
    next_line_ += static_cast<std::size_t>(std::count(record.begin(), record.end(), '\n'));
  }

  [[noreturn]] void fail(const std::string& reason) {
    const std::size_t bad = line_;
    for (;;) {  // what is in the buffer holds no line end: drop it and read on
      const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
      const std::size_t line_end = rest.find('\n');
      step_over(line_end == std::string_view::npos ? rest.size() : line_end + 1);
      begin_ = next_;
      if (line_end != std::string_view::npos || ended_) break;
      fill();
    }
    throw input_error(bad, reason);
  }

  void split(std::size_t text) {
    std::size_t i = 0;
    for (;;) {
      const std::size_t start = i;
      if (i < text && at(i) == '"') {
        std::size_t out = ++i;  // the field is unquoted in place: it only gets shorter
        const std::size_t first = out;
        for (; !(at(i) == '"' && (i + 1 >= text || at(i + 1) != '"')); ++i) {
          if (at(i) == '"') ++i;
          at(out++) = at(i);
        }
        ++i;
        fields_.emplace_back(&at(0) + first, out - first);
      } else {
        const void* comma = i < text ? std::memchr(&at(i), ',', text - i) : nullptr;
        i = comma == nullptr ? text : static_cast<std::size_t>(static_cast<const char*>(comma) - &at(0));
        fields_.emplace_back(buffer_.data() + begin_ + start, i - start);
      }
      if (i >= text) return;
      ++i;  // the comma
    }
  }

  std::istream* in_;
  std::size_t longest_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of the current record in buffer_
  std::size_t next_ = 0;   // of the record after it
  std::size_t end_ = 0;    // of what has been read
  std::size_t line_ = 1;
  std::size_t next_line_ = 1;
  bool started_ = false;
  bool ended_ = false;
  std::vector<std::string_view> fields_;
};

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_CSV_HPP
