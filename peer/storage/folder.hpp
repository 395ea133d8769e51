#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/result.hpp"

/// Operations confined to an open folder (DESIGN: openat2 with RESOLVE_BENEATH |
/// RESOLVE_NO_SYMLINKS; where the kernel lacks it, part by part with O_NOFOLLOW). What is Linux's
/// alone hides here. Errors carry errno and the path as context.
namespace peer::storage {

/// What failed, on which path, and why: "open ‘a/b’" with errno's code.
Error errno_error(std::string_view did, std::string_view path, int number);

/// Whether an errno tells of this process or machine (no descriptors, no memory) and nothing of the
/// file that was asked for.
bool is_out_of_resources(int number);

/// Nanoseconds since 1970 UTC, clamped to what 64 bits hold.
std::int64_t nanoseconds(const struct timespec& time);

/// An owned file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// An open folder. Relative paths below it never leave it and never pass a link. Thread-safe (it is
/// one descriptor).
class Folder {
 public:
  Folder() = default;
  /// A path the user gave: links in it are followed. `create` makes it and its parents, each with
  /// `mode` less the umask. A folder that may be passed but not read is opened all the same;
  /// reading its names then fails.
  static Result<Folder> open(const std::string& path, bool create = false, mode_t mode = 0777);
  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  const std::string& shown() const { return shown_; }  ///< the path it was opened by, for messages

  // Paths here have no empty part, no `.`, no `..` and no NUL (EINVAL).

  /// "" is this folder itself. May be one that can be passed but not read, as in open().
  Result<Folder> folder(std::string_view path) const;
  /// `flags` as of open(2); O_NOFOLLOW and O_CLOEXEC are added. A FIFO or device does not hang it
  /// (O_NONBLOCK, then refused with EINVAL unless a regular file).
  Result<Fd> file(std::string_view path, int flags, mode_t mode = 0600) const;
  Result<struct stat> stat(
      std::string_view path) const;  ///< of the entry itself, a link is not followed
  /// Whether something bears that name. Only trouble of the disk or machine is an error.
  Result<bool> has(std::string_view path) const;
  Result<std::string> link_target(std::string_view path) const;
  Result<void> make_folder(std::string_view path, mode_t mode) const;  ///< less the umask
  Result<void> make_link(std::string_view path, const std::string& target) const;
  /// Fails with EEXIST when `to` is there (RENAME_NOREPLACE; where the file system lacks it, link
  /// and unlink, or mkdir for folders).
  Result<void> rename_new(std::string_view from, const Folder& to_folder,
                          std::string_view to) const;
  Result<void> rename_over(std::string_view from, const Folder& to_folder,
                           std::string_view to) const;
  Result<void> remove_file(std::string_view path) const;
  Result<void> remove_folder(std::string_view path) const;  ///< an empty one
  /// A folder with all below it, or what else bears that name. Links are removed, not followed;
  /// folders of ours without the rights to empty them are given them. Memory grows with the depth
  /// only, and the stack not at all. Stops at the first error.
  Result<void> remove_tree(std::string_view path) const;

 private:
  Folder(Fd fd, std::string shown) : fd_(std::move(fd)), shown_(std::move(shown)) {}
  Fd fd_;
  std::string shown_;
};

}  // namespace peer::storage
