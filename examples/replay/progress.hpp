// SPDX-License-Identifier: MIT
// One line on a terminal that says how far the models are; nothing at all anywhere else.
#ifndef EBB_EXAMPLES_REPLAY_PROGRESS_HPP
#define EBB_EXAMPLES_REPLAY_PROGRESS_HPP

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <mutex>
#include <string>

#include "text.hpp"

namespace replay {

class progress_line {
 public:
  explicit progress_line(std::size_t models) : models_(models), shown_(isatty(STDERR_FILENO) != 0) {}
  ~progress_line() { clear(); }
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  void working(const std::string& model, const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (shown_)
      std::fprintf(
          stderr, "\r%s",
          left(std::to_string(done_) + "/" + std::to_string(models_) + " models done; " + model + " " + what, width)
              .c_str());
  }

  void finished() {
    const std::lock_guard lock(mutex_);
    ++done_;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    if (shown_) std::fprintf(stderr, "\r%s\r", std::string(width, ' ').c_str());
  }

 private:
  static constexpr std::size_t width = 70;

  std::mutex mutex_;
  std::size_t models_;
  std::size_t done_ = 0;
  bool shown_;
};

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_PROGRESS_HPP
