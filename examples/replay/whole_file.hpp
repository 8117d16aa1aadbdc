// SPDX-License-Identifier: MIT
// A result in a file: whole or not at all.
#ifndef EBB_EXAMPLES_REPLAY_WHOLE_FILE_HPP
#define EBB_EXAMPLES_REPLAY_WHOLE_FILE_HPP

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include "options.hpp"

namespace replay {

/// Writes beside the file and renames at the end, so that what was there stays until there is something better. Opens before the work begins, so
/// that a wrong path is known at once. An empty path writes nothing.
class whole_file {
 public:
  /// `option` is named in errors. Errors: usage_error when the path cannot be written, or is one of the run's inputs.
  whole_file(std::string option, std::string path, const options& o)
      : option_(std::move(option)), path_(std::move(path)) {
    if (path_.empty()) return;
    for (const std::string& input : {o.events, o.items, o.load_model}) {
      std::error_code ignored;
      if (!input.empty() && std::filesystem::equivalent(input, path_, ignored)) fail("it is read by this very run");
    }
    std::error_code ignored;
    in_place_ = std::filesystem::exists(path_, ignored) && !std::filesystem::is_regular_file(path_, ignored);
    out_.open(in_place_ ? path_ : part(), std::ios::binary);
    if (!out_) fail(std::strerror(errno));
  }
  whole_file(const whole_file&) = delete;
  whole_file& operator=(const whole_file&) = delete;
  ~whole_file() {
    std::error_code ignored;
    if (!path_.empty() && !in_place_) std::filesystem::remove(part(), ignored);  // gone already where it was renamed
  }

  [[nodiscard]] explicit operator bool() const noexcept { return !path_.empty(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Errors: usage_error when the text could not be written.
  void write(const std::string& text) {
    out_ << text << '\n';
    out_.close();
    if (!out_) fail("the disk is full?");
    std::error_code bad;
    if (!in_place_) std::filesystem::rename(part(), path_, bad);
    if (bad) fail(bad.message());
  }

 private:
  [[nodiscard]] std::string part() const { return path_ + ".part"; }
  [[noreturn]] void fail(const std::string& why) const {
    throw usage_error(option_ + ": " + path_ + " cannot be written: " + why);
  }

  std::string option_;
  std::string path_;
  bool in_place_ = false;  // a pipe or a device has nothing to be kept whole
  std::ofstream out_;
};

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_WHOLE_FILE_HPP
