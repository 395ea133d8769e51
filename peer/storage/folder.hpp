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
  /// A path the user gave: links in it are followed. `create` makes it and its parents.
  static Result<Folder> open(const std::string& path, bool create = false);
  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  const std::string& shown() const { return shown_; }  ///< the path it was opened by, for messages

  /// "" is this folder itself.
  Result<Folder> folder(std::string_view path) const;
  /// `flags` as of open(2); O_NOFOLLOW and O_CLOEXEC are added. A FIFO or device does not hang it
  /// (O_NONBLOCK, then refused with EINVAL unless a regular file).
  Result<Fd> file(std::string_view path, int flags, mode_t mode = 0600) const;
  Result<struct stat> stat(
      std::string_view path) const;  ///< of the entry itself, a link is not followed
  Result<std::string> link_target(std::string_view path) const;
  Result<void> make_folder(std::string_view name, mode_t mode) const;
  Result<void> make_link(std::string_view path, const std::string& target) const;
  /// Fails with EEXIST when `to` is there (RENAME_NOREPLACE; where the file system lacks it, link
  /// and unlink, or mkdir for folders).
  Result<void> rename_new(std::string_view from, const Folder& to_folder,
                          std::string_view to) const;
  Result<void> rename_over(std::string_view from, const Folder& to_folder,
                           std::string_view to) const;
  Result<void> remove_file(std::string_view path) const;
  Result<void> remove_folder(std::string_view path) const;  ///< an empty one
  Result<void> remove_tree(
      std::string_view path) const;  ///< no recursion on the stack, links removed and not followed

 private:
  Folder(Fd fd, std::string shown) : fd_(std::move(fd)), shown_(std::move(shown)) {}
  Fd fd_;
  std::string shown_;
};

}  // namespace peer::storage
