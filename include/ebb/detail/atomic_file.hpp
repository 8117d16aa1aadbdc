// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_ATOMIC_FILE_HPP
#define EBB_DETAIL_ATOMIC_FILE_HPP

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <ostream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ebb::detail {

/// A file that appears whole or not at all: written aside, flushed to the disk, then renamed over `path`.
///
/// Whoever is killed, or fails to write, at whatever moment, leaves the file that was at `path` before. Bytes go through `stream()`;
/// nothing appears before `commit()`. A symbolic link at `path` stays and the file it names is replaced; the new file has the old one's
/// permissions. The file aside is that file's path + ".part", locked while it is written.
/// Errors: std::system_error; std::runtime_error when another process is just writing the same file. POSIX only.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path)
      : path_(followed(path)), part_(path_.string() + ".part"), has_mode_(::stat(path_.c_str(), &replaced_) == 0) {
    open_locked();
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (descriptor_ < 0) return;
    ::unlink(part_.c_str());  // not committed: an error is on its way
    ::close(descriptor_);
  }

  [[nodiscard]] std::ostream& stream() noexcept { return stream_; }

  /// Throws std::system_error if the bytes so far could not be written.
  void throw_if_failed() const {
    if (buffer_.error != 0) fail("cannot write", buffer_.error);
  }

  void commit() {
    stream_.flush();
    throw_if_failed();
    if (has_mode_) check(::fchmod(descriptor_, replaced_.st_mode & 07777) == 0, "cannot set the permissions of");
    check(::fsync(descriptor_) == 0, "cannot flush");
    check(::rename(part_.c_str(), path_.c_str()) == 0, "cannot rename");
    ::close(descriptor_);
    descriptor_ = -1;
    sync_directory();
  }

 private:
  /// Writes to a file descriptor; remembers why it could not.
  class descriptor_buffer : public std::streambuf {
   public:
    explicit descriptor_buffer(const int& descriptor) : descriptor_(descriptor) {
      setp(bytes_.data(), bytes_.data() + bytes_.size());
    }
    int error = 0;

   protected:
    int_type overflow(int_type c) override {
      if (!write_out()) return traits_type::eof();
      if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
      return traits_type::not_eof(c);
    }
    int sync() override { return write_out() ? 0 : -1; }
    std::streamsize xsputn(const char* from, std::streamsize n) override {
      if (n < static_cast<std::streamsize>(bytes_.size())) return std::streambuf::xsputn(from, n);
      return write_out() && write_all(from, from + n) ? n : 0;  // what is larger than the buffer need not go through it
    }

   private:
    bool write_out() {
      if (!write_all(pbase(), pptr())) return false;
      setp(bytes_.data(), bytes_.data() + bytes_.size());
      return true;
    }

    bool write_all(const char* from, const char* end) {
      while (from < end) {
        const ssize_t written = ::write(descriptor_, from, static_cast<std::size_t>(end - from));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
          error = errno;
          return false;
        }
        from += written;
      }
      return true;
    }

    const int& descriptor_;
    std::array<char, std::size_t{1} << 16> bytes_;
  };

  /// Where a chain of links ends, be there a file or not.
  [[nodiscard]] static std::filesystem::path followed(std::filesystem::path path) {
    for (int links = 0; std::filesystem::is_symlink(path); ++links) {
      if (links == 40) throw std::system_error(ELOOP, std::generic_category(), "ebb: cannot follow " + path.string());
      path = path.parent_path() / std::filesystem::read_symlink(path);  // an absolute one replaces the whole
    }
    return path;
  }

  void open_locked() {
    // What may not be read by all in the end may not be read by all while it is written.
    const mode_t mode = has_mode_ ? 0600 : 0666;
    for (;;) {
      descriptor_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
      check(descriptor_ >= 0, "cannot create");
      if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        ::close(descriptor_);
        descriptor_ = -1;
        throw std::runtime_error("ebb: " + part_.string() + " is being written by somebody else");
      }
      // Between the two calls another writer may have renamed the file we opened: then it is no longer ours to write.
      struct stat opened {};
      struct stat named {};
      if (::fstat(descriptor_, &opened) == 0 && ::stat(part_.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
          opened.st_dev == named.st_dev)
        break;
      ::close(descriptor_);
    }
    if (::ftruncate(descriptor_, 0) != 0) fail("cannot empty", errno);
  }

  void sync_directory() const {
    const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : ".";
    const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;  // the rename stands; only its survival of a power cut is not certain yet
    ::fsync(directory);
    ::close(directory);
  }

  void check(bool ok, const char* what) const {
    if (!ok) fail(what, errno);
  }
  [[noreturn]] void fail(const char* what, int error) const {
    throw std::system_error(error, std::generic_category(), std::string("ebb: ") + what + " " + part_.string());
  }

  std::filesystem::path path_;
  std::filesystem::path part_;
  struct stat replaced_ {};
  bool has_mode_;
  int descriptor_ = -1;
  descriptor_buffer buffer_{descriptor_};
  std::ostream stream_{&buffer_};
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_ATOMIC_FILE_HPP
