#include "storage/folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include "base/text.hpp"
#include "protocol/limits.hpp"
#include "storage/beneath.hpp"
#include "storage/disk_error.hpp"

namespace peer::storage {
namespace {

std::string joined(const std::string& folder, std::string_view path) {
  std::string all = folder;
  if (!path.empty() && (all.empty() || all.back() != '/')) all += '/';
  return all += path;
}

/// errno on `path` below `folder`.
Error failed(std::string_view did, const Folder& folder, std::string_view path) {
  const int number = errno;
  return errno_error(did, joined(folder.shown(), path), number);
}

Error refused(int number, std::string_view did, const Folder& folder, std::string_view path) {
  errno = number;
  return failed(did, folder, path);
}

/// No empty part, no `.`, no `..`, no NUL. The second line of defence: open_beneath() is the first.
bool is_legal(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

/// The folder an entry lies in, confined, and its own name.
struct Place {
  Fd opened;  ///< holds `fd` open unless that is the folder asked
  int fd = -1;
  std::string name;
};

Result<Place> place(std::string_view did, const Folder& folder, std::string_view path) {
  if (!is_legal(path)) return refused(EINVAL, did, folder, path);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return Place{Fd(), folder.fd(), std::string(path)};
  Fd parent(open_beneath(folder.fd(), std::string(path.substr(0, slash)), O_PATH | O_DIRECTORY, 0));
  if (!parent) return failed(did, folder, path);
  const int fd = parent.get();
  return Place{std::move(parent), fd, std::string(path.substr(slash + 1))};
}

int open_folder(const std::string& path, int flags) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

/// Makes `path` and what lacks above it.
int make_path(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return 0;
  if (errno != ENOENT) return -1;
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (::mkdir(path.substr(0, slash).c_str(), mode) != 0 && errno != EEXIST && errno != EROFS &&
        errno != EACCES)
      return -1;
  }
  return ::mkdir(path.c_str(), mode) == 0 || errno == EEXIST ? 0 : -1;
}

}  // namespace

Error errno_error(std::string_view did, std::string_view path, int number) {
  return Error(std::error_code(number, std::generic_category()),
               std::string(did) + " " + base::quoted(path));
}

bool is_out_of_resources(int number) {
  return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS;
}

std::int64_t nanoseconds(const struct timespec& time) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(std::int64_t{time.tv_sec}, std::int64_t{1'000'000'000}, &result) ||
      __builtin_add_overflow(result, std::int64_t{time.tv_nsec}, &result))
    return time.tv_sec < 0 ? std::numeric_limits<std::int64_t>::min()
                           : std::numeric_limits<std::int64_t>::max();
  return result;
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Folder> Folder::open(const std::string& path, bool create, mode_t mode) {
  if (create && make_path(path, mode) != 0) return errno_error("make folder", path, errno);
  Fd fd(open_folder(path, O_RDONLY));
  if (!fd && errno == EACCES) fd = Fd(open_folder(path, O_PATH));
  if (!fd) return errno_error("open folder", path, errno);
  return Folder(std::move(fd), path);
}

Result<Folder> Folder::folder(std::string_view path) const {
  if (!path.empty() && !is_legal(path)) return refused(EINVAL, "open folder", *this, path);
  const std::string below(path);
  Fd fd(open_beneath(fd_.get(), below, O_RDONLY | O_DIRECTORY));
  if (!fd && errno == EACCES) fd = Fd(open_beneath(fd_.get(), below, O_PATH | O_DIRECTORY));
  if (!fd) return failed("open folder", *this, path);
  return Folder(std::move(fd), joined(shown_, path));
}

Result<Fd> Folder::file(std::string_view path, int flags, mode_t mode) const {
  if (!is_legal(path)) return refused(EINVAL, "open", *this, path);
  Fd fd(open_beneath(fd_.get(), std::string(path), flags | O_NONBLOCK | O_NOCTTY, mode));
  if (!fd) return failed("open", *this, path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return failed("open", *this, path);
  if (!S_ISREG(st.st_mode)) return refused(EINVAL, "open as a regular file", *this, path);
  return fd;
}

Result<struct stat> Folder::stat(std::string_view path) const {
  struct stat st {};
  if (path.empty()) {
    if (::fstat(fd_.get(), &st) != 0) return failed("look at", *this, path);
    return st;
  }
  auto at = place("look at", *this, path);
  if (!at) return std::move(at).error();
  if (::fstatat(at->fd, at->name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return failed("look at", *this, path);
  return st;
}

Result<bool> Folder::has(std::string_view path) const {
  auto st = stat(path);
  if (st) return true;
  if (is_errno(st.error().code, ENOENT) || is_entry_error(st.error().code)) return false;
  return std::move(st).error();
}

Result<std::string> Folder::link_target(std::string_view path) const {
  auto at = place("read link", *this, path);
  if (!at) return std::move(at).error();
  std::array<char, protocol::kMaxTargetBytes + 1> target;
  const ssize_t n = ::readlinkat(at->fd, at->name.c_str(), target.data(), target.size());
  if (n < 0) return failed("read link", *this, path);
  if (static_cast<std::size_t>(n) == target.size())
    return refused(ENAMETOOLONG, "read link", *this, path);
  return std::string(target.data(), static_cast<std::size_t>(n));
}

Result<void> Folder::make_folder(std::string_view path, mode_t mode) const {
  auto at = place("make folder", *this, path);
  if (!at) return std::move(at).error();
  if (::mkdirat(at->fd, at->name.c_str(), mode) != 0) return failed("make folder", *this, path);
  return {};
}

Result<void> Folder::make_link(std::string_view path, const std::string& target) const {
  auto at = place("make link", *this, path);
  if (!at) return std::move(at).error();
  if (::symlinkat(target.c_str(), at->fd, at->name.c_str()) != 0)
    return failed("make link", *this, path);
  return {};
}

Result<void> Folder::rename_new(std::string_view from, const Folder& to_folder,
                                std::string_view to) const {
  auto source = place("rename", *this, from);
  if (!source) return std::move(source).error();
  auto target = place("rename to", to_folder, to);
  if (!target) return std::move(target).error();
  if (rename_to_new(source->fd, source->name, target->fd, target->name) != 0)
    return failed("rename to", to_folder, to);
  return {};
}

Result<void> Folder::rename_over(std::string_view from, const Folder& to_folder,
                                 std::string_view to) const {
  auto source = place("rename", *this, from);
  if (!source) return std::move(source).error();
  auto target = place("rename to", to_folder, to);
  if (!target) return std::move(target).error();
  if (::renameat(source->fd, source->name.c_str(), target->fd, target->name.c_str()) != 0)
    return failed("rename to", to_folder, to);
  return {};
}

Result<void> Folder::remove_file(std::string_view path) const {
  auto at = place("remove", *this, path);
  if (!at) return std::move(at).error();
  if (::unlinkat(at->fd, at->name.c_str(), 0) != 0) return failed("remove", *this, path);
  return {};
}

Result<void> Folder::remove_folder(std::string_view path) const {
  auto at = place("remove folder", *this, path);
  if (!at) return std::move(at).error();
  if (::unlinkat(at->fd, at->name.c_str(), AT_REMOVEDIR) != 0)
    return failed("remove folder", *this, path);
  return {};
}

}  // namespace peer::storage
