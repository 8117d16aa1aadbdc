// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_SNAPSHOT_FORMAT_HPP
#define EBB_DETAIL_SNAPSHOT_FORMAT_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <istream>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/detail/checksum64.hpp"
#include "ebb/detail/crc32.hpp"
#include "ebb/detail/nesting.hpp"

namespace ebb {

/// How a snapshot is written; a reader sees by itself which one it has.
enum class snapshot_format {
  binary,  ///< checksummed blocks of packed columns: small and fast
  json     ///< one JSON text a line: for people; names must be UTF-8
};

/// A snapshot that cannot be used; the message says why and where.
class snapshot_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

inline constexpr std::string_view snapshot_magic = "ebbsnap\n";

/// The unsigned number with the bits of a column's value.
template <class T>
using bits_of = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// Bytes after which a block ends, with the user or item that fills it.
inline constexpr std::size_t block_limit = std::size_t{1} << 20;

/// The number as a T; refused if it is not in T's range.
template <std::integral T, std::integral Number>
[[nodiscard]] T in_range_of(Number value) {
  using number =
      std::conditional_t<std::is_signed_v<T>, std::make_signed_t<T>, std::make_unsigned_t<T>>;  // of a char too
  if (!std::in_range<number>(value)) throw snapshot_error("what must be a whole number of its range is not");
  return static_cast<T>(value);
}

/// The value as a T, refused where nlohmann_json would convert: a whole number stays whole and in range, a flag is no number.
template <class T>
[[nodiscard]] T strict(const nlohmann::json& value) {
  if constexpr (std::floating_point<T>) {
    if (!value.is_number()) throw snapshot_error("what must be a number is not");
  } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    if (value.is_number_unsigned()) return in_range_of<T>(value.get<std::uint64_t>());
    if (value.is_number_integer()) return in_range_of<T>(value.get<std::int64_t>());
    throw snapshot_error("what must be a whole number of its range is not");
  }
  return value.get<T>();
}

/// The numbers of a column, an array or their little-endian bytes (as version 1 wrote them); throws unless there are exactly n.
template <class T>
void unpack(const nlohmann::json& column, std::size_t n, std::vector<T>& out) {
  if (!column.is_binary()) {
    if (!column.is_array() || column.size() != n) throw snapshot_error("a column has the wrong length");
    out.resize(n);
    for (std::size_t i = 0; i < n; ++i) out[i] = strict<T>(column[i]);
    return;
  }
  const auto& bytes = column.get_binary();
  if (bytes.size() != n * sizeof(T)) throw snapshot_error("a column has the wrong length");
  out.resize(n);
  std::size_t at = 0;
  for (std::size_t i = 0; i < n; ++i) {
    bits_of<T> bits = 0;
    for (std::size_t b = 0; b < sizeof(T); ++b) bits |= static_cast<bits_of<T>>(bytes[at++]) << (8 * b);
    out[i] = std::bit_cast<T>(bits);
  }
}

[[nodiscard]] inline std::string hexadecimal(std::uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

/// To be asked by who writes names: what would not be read again is not written.
inline void check_nesting(bool is_right) {
  if (!is_right) throw std::invalid_argument("ebb::write_snapshot: a name must not be nested more than 98 times");
}

/// Writes records one after another, each checked, the check running on from one to the next; the last one is told so.
///
/// Binary: "ebbsnap\n", then frames [length: 4 bytes | check of length and payload: 4 bytes | payload: CBOR], numbers little-endian. A record
///         with the number of "bytes" of a block and their "checksum" (of 64 bits) is followed by that block: see column_blocks.hpp.
/// JSON:   a line a record; the last one carries the check of all bytes before it.
class record_writer {
 public:
  record_writer(std::ostream& out, snapshot_format format) : out_(out), format_(format) {
    if (format_ == snapshot_format::binary) out_ << snapshot_magic;
  }

  void write(const nlohmann::json& record) {
    if (format_ == snapshot_format::json) {
      put_line(record);
    } else {
      payload_.clear();
      nlohmann::json::to_cbor(record, payload_);
      if (payload_.size() > 0xffffffffU) throw std::length_error("ebb::save_snapshot: one record is over 4 GiB");
      const std::string length = little_endian(static_cast<std::uint32_t>(payload_.size()));
      check_ = crc32(payload_, crc32(length, check_));
      out_ << length << little_endian(check_) << payload_;
    }
    if (!out_) throw std::runtime_error("ebb::save_snapshot: cannot write");
  }

  /// A record and the block it speaks of; binary only.
  void write_block(nlohmann::json record, std::string_view block) {
    record["bytes"] = block.size();
    record["checksum"] = checksum64(block);
    write(record);
    if (!out_.write(block.data(), static_cast<std::streamsize>(block.size())))
      throw std::runtime_error("ebb::save_snapshot: cannot write");
  }

  void write_last(nlohmann::json record) {
    record["end"] = true;
    if (format_ == snapshot_format::json) record["checksum"] = hexadecimal(check_);
    write(record);
    if (!out_.flush()) throw std::runtime_error("ebb::save_snapshot: cannot write");
  }

 private:
  [[nodiscard]] static std::string little_endian(std::uint32_t value) {
    std::string bytes;
    for (int b = 0; b < 4; ++b) bytes += static_cast<char>(static_cast<unsigned char>(value >> (8 * b)));
    return bytes;
  }

  void put_line(const nlohmann::json& record) {
    try {
      payload_ = record.dump();
    } catch (const nlohmann::json::type_error&) {
      throw std::invalid_argument(
          "ebb::save_snapshot: in the JSON format names must be UTF-8 text, got other bytes; the binary format takes "
          "them");
    }
    check_nesting(!is_json_too_deep(payload_));
    payload_ += '\n';
    check_ = crc32(payload_, check_);
    out_ << payload_;
  }

  std::ostream& out_;
  snapshot_format format_;
  std::string payload_;
  std::uint32_t check_ = 0;
};

/// Reads records back and refuses whatever is not exactly what was written. Memory: one record or block.
class record_reader {
 public:
  explicit record_reader(std::istream& in) : in_(in) {
    if (in_.peek() == '{') {
      format_ = snapshot_format::json;
      return;
    }
    if (read_bytes(snapshot_magic.size()) != snapshot_magic)
      throw snapshot_error("not a snapshot: it begins with neither a JSON object nor \"ebbsnap\"");
  }

  /// The next record.
  [[nodiscard]] nlohmann::json read() {
    ++number_;
    const bool is_text = format_ == snapshot_format::json;
    const std::string bytes = is_text ? read_line() : read_frame();
    if (is_text ? is_json_too_deep(bytes) : is_cbor_too_deep(bytes))
      throw snapshot_error("record " + std::to_string(number_) + " is nested too deeply");
    nlohmann::json record;
    try {
      record = is_text ? nlohmann::json::parse(bytes) : nlohmann::json::from_cbor(bytes);
    } catch (const nlohmann::json::exception&) {
      throw snapshot_error("record " + std::to_string(number_) + " is corrupt");
    }
    if (!record.is_object()) throw snapshot_error("record " + std::to_string(number_) + " is corrupt");
    if (record.contains("end")) check_end(record);
    return record;
  }

  /// The block that follows the record, there until the next one is read.
  [[nodiscard]] std::span<char> read_block(const nlohmann::json& record) {
    const auto size = strict<std::size_t>(record.at("bytes"));
    const auto wanted = strict<std::uint64_t>(record.at("checksum"));
    if (format_ == snapshot_format::json) throw snapshot_error("record " + std::to_string(number_) + " is corrupt");
    read_bytes(size, block_);
    if (checksum64({block_.data(), size}) != wanted) throw_corrupt();
    return {block_.data(), size};
  }

  [[nodiscard]] std::size_t number() const noexcept { return number_; }

 private:
  [[noreturn]] void throw_corrupt() const {
    throw snapshot_error("record " + std::to_string(number_) + " is corrupt: its checksum does not match");
  }

  /// So many bytes, in pieces that grow with what came: a wrong length must not become a huge allocation. The buffer keeps its size.
  template <class Buffer>
  void read_bytes(std::size_t length, Buffer& bytes) {
    for (std::size_t at = 0; at < length;) {
      const std::size_t piece = std::min(std::max(at, 2 * block_limit), length - at);
      if (bytes.size() < at + piece) bytes.resize(at + piece);
      in_.read(bytes.data() + at, static_cast<std::streamsize>(piece));
      if (in_.gcount() != static_cast<std::streamsize>(piece))
        throw snapshot_error("it is cut short in record " + std::to_string(number_));
      at += piece;
    }
  }

  std::string read_bytes(std::size_t length) {
    std::string bytes;
    read_bytes(length, bytes);
    return bytes;
  }

  [[nodiscard]] static std::uint32_t number_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t b = 0; b < 4; ++b)
      value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + b])) << (8 * b);
    return value;
  }

  std::string read_frame() {
    const std::string head = read_bytes(8);
    std::string payload = read_bytes(number_at(head, 0));
    check_ = crc32(payload, crc32(std::string_view(head).substr(0, 4), check_));
    if (check_ != number_at(head, 4)) throw_corrupt();
    return payload;
  }

  std::string read_line() {
    std::string line;
    if (!std::getline(in_, line) || in_.eof())
      throw snapshot_error("it is cut short in record " + std::to_string(number_));
    check_before_ = check_;
    line += '\n';
    check_ = crc32(line, check_);
    return line;
  }

  void check_end(const nlohmann::json& record) {
    if (format_ == snapshot_format::json && record.value("checksum", "") != hexadecimal(check_before_))
      throw snapshot_error("it is corrupt: its checksum does not match");
    if (in_.peek() != std::istream::traits_type::eof()) throw snapshot_error("something follows its last record");
  }

  std::istream& in_;
  snapshot_format format_ = snapshot_format::binary;
  std::vector<char> block_;
  std::size_t number_ = 0;
  std::uint32_t check_ = 0;
  std::uint32_t check_before_ = 0;
};

}  // namespace detail

}  // namespace ebb

#endif  // EBB_DETAIL_SNAPSHOT_FORMAT_HPP
