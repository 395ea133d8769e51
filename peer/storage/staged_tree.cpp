#include "storage/staged_tree.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/sync.hpp"

namespace peer::storage {
namespace {

using protocol::Entry;

constexpr std::uint64_t kWritebackBytes = 256 * 1024;  ///< pieces from here on go to the disk early

/// The last part of a path, which ends where the string does: good for a system call.
const char* name_of(const std::string& path) { return last_part(path).data(); }

Result<void> write_all(int fd, std::span<const std::byte> bytes, std::uint64_t at,
                       const std::string& path) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return {};
}

/// Some file systems tell of a failed write only here.
Result<void> close_file(Fd fd, const std::string& path) {
  if (::close(fd.release()) != 0 && errno != EINTR) return errno_error("close", path, errno);
  return {};
}

std::array<struct timespec, 2> times(std::int64_t mtime) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  auto seconds = mtime / kSecond;
  auto rest = mtime % kSecond;
  if (rest < 0) rest += kSecond, --seconds;
  std::array<struct timespec, 2> result{};
  result[0].tv_nsec = UTIME_OMIT;
  result[1].tv_sec = static_cast<time_t>(seconds);
  result[1].tv_nsec = static_cast<long>(rest);
  return result;
}

/// Gives the owner back the right to read and write a file of ours. Through a descriptor: chmod by
/// name would follow a link.
bool make_accessible(const Folder& parent, const char* name) {
  const Fd fd(::openat(parent.fd(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  return ::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), 0600) == 0;
}

}  // namespace

Result<const Folder*> FolderCache::at(std::string_view path) {
  if (path.empty()) return &top_;
  if (held_ && path_ == path) return &held_;
  auto opened = top_.folder(path);
  if (!opened) return std::move(opened).error();
  held_ = std::move(*opened);
  path_ = path;
  return &held_;
}

Result<const Folder*> FolderCache::make(std::string_view path) {
  auto there = at(path);
  if (there || !is_errno(there.error().code, ENOENT)) return there;
  // Up to the deepest folder that is there, then down again making the others.
  std::vector<std::string_view> lacking{path};
  Folder here;
  for (;;) {
    const auto above = protocol::parent_of(lacking.back());
    auto opened = top_.folder(above);
    if (opened) {
      here = std::move(*opened);
      break;
    }
    if (above.empty() || !is_errno(opened.error().code, ENOENT)) return std::move(opened).error();
    lacking.push_back(above);
  }
  for (; !lacking.empty(); lacking.pop_back()) {
    const auto name = last_part(lacking.back());
    auto made = here.make_folder(name, 0700);
    if (!made && !is_errno(made.error().code, EEXIST)) return std::move(made).error();
    auto next = here.folder(name);
    if (!next) return std::move(next).error();
    here = std::move(*next);
  }
  held_ = std::move(here);
  path_ = path;
  return &held_;
}

Result<Fd> open_for_attributes(const Folder& parent, std::string_view name) {
  Fd fd(::openat(parent.fd(), std::string(name).c_str(),
                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno_error("open folder", name, errno);
  return fd;
}

Result<void> set_mtime(int fd, std::int64_t mtime, std::string_view path) {
  if (::futimens(fd, times(mtime).data()) != 0) return errno_error("set the time of", path, errno);
  return {};
}

std::int64_t mtime_of(const struct stat& st) { return nanoseconds(st.st_mtim); }

bool has_mtime(const struct stat& st, std::int64_t mtime) {
  constexpr std::int64_t kCoarsest = 2'000'000'000;
  const auto has = mtime_of(st);
  if (has == mtime) return true;
  std::int64_t apart = 0;
  return st.st_mtim.tv_nsec == 0 && !__builtin_sub_overflow(has, mtime, &apart) &&
         apart > -kCoarsest && apart < kCoarsest;
}

Result<void> StagedTree::write_whole(const Entry& entry, std::span<const std::byte> bytes) {
  auto parent = folders_.make(protocol::parent_of(entry.path));
  if (!parent) return std::move(parent).error();
  const char* name = name_of(entry.path);
  const auto create = [&] {
    return Fd(::openat((*parent)->fd(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       entry.mode & protocol::kModeMask));
  };
  Fd fd = create();
  if (!fd && errno == EEXIST) {  // of a write that was cut off
    auto removed = (*parent)->remove_tree(name);
    if (!removed) return removed;
    fd = create();
  }
  if (!fd) return errno_error("create", entry.path, errno);
  auto written = write_all(fd.get(), bytes, 0, entry.path);
  if (!written) return written;
  write_back(fd.get(), 0, bytes.size());
  auto timed = set_mtime(fd.get(), entry.mtime, entry.path);
  if (!timed) return timed;
  return close_file(std::move(fd), entry.path);
}

void StagedTree::write_back(int fd, std::uint64_t at, std::uint64_t length) const {
  if (durable_ && length >= kWritebackBytes) begin_writeback(fd, at, length);
}

Result<Fd> StagedTree::open_to_write(const Entry& entry) {
  auto parent = folders_.make(protocol::parent_of(entry.path));
  if (!parent) return std::move(parent).error();
  const char* name = name_of(entry.path);
  const auto open = [&] {
    return Fd(::openat((*parent)->fd(), name,
                       O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  };
  Fd fd = open();
  if (!fd && errno == EACCES && make_accessible(**parent, name)) fd = open();
  if (!fd && (errno == ELOOP || errno == EISDIR || errno == ENXIO)) {  // link, folder, pipe
    auto removed = (*parent)->remove_tree(name);
    if (!removed) return std::move(removed).error();
    fd = open();
  }
  if (!fd) return errno_error("open", entry.path, errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error("look at", entry.path, errno);
  if (!S_ISREG(st.st_mode) || st.st_nlink != 1) return errno_error("open", entry.path, EINVAL);
  return fd;
}

Result<std::shared_ptr<const Fd>> StagedTree::kept_open(const PlacedEntry& file) {
  auto fd = staging_.opened(file.index);
  if (fd) return fd;
  auto opened = open_to_write(file.entry);
  if (!opened) return std::move(opened).error();
  fd = std::make_shared<const Fd>(std::move(*opened));
  staging_.keep_open(file.index, fd);
  return fd;
}

Result<void> StagedTree::write_part(const PlacedEntry& file, std::uint64_t at,
                                    std::span<const std::byte> bytes) {
  auto fd = kept_open(file);
  if (!fd) return std::move(fd).error();
  auto written = write_all((*fd)->get(), bytes, at, file.entry.path);
  if (written) write_back((*fd)->get(), at, bytes.size());
  return written;
}

Result<void> StagedTree::write_zeros(const PlacedEntry& file, std::uint64_t at,
                                     std::uint64_t length) {
  auto kept = kept_open(file);
  if (!kept) return std::move(kept).error();
  const int fd = (*kept)->get();
  const auto data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
  if (data < 0) {
    if (errno == ENXIO) return {};
    return errno_error("look for holes in", file.entry.path, errno);
  }
  if (static_cast<std::uint64_t>(data) >= at + length) return {};
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                  static_cast<off_t>(length)) == 0)
    return {};
  if (errno != EOPNOTSUPP) return errno_error("make a hole in", file.entry.path, errno);
  static constexpr std::array<std::byte, 64 * 1024> kZeros{};
  struct stat st {};
  if (::fstat(fd, &st) != 0) return errno_error("look at", file.entry.path, errno);
  const auto end = std::min(at + length, static_cast<std::uint64_t>(st.st_size));
  for (; at < end; at += kZeros.size()) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kZeros.size(), end - at));
    auto written = write_all(fd, std::span(kZeros).first(count), at, file.entry.path);
    if (!written) return written;
  }
  return {};
}

Result<bool> StagedTree::is_unbroken(const PlacedEntry& file, const protocol::RangeSet& zeros) {
  auto fd = open_to_read(file.entry.path);
  if (!fd) return std::move(fd).error();
  if (!*fd) return false;
  struct stat st {};
  if (::fstat((*fd)->get(), &st) != 0) return errno_error("look at", file.entry.path, errno);
  if (const auto kept = staging_.opened(file.index)) {
    struct stat written {};
    if (::fstat(kept->get(), &written) != 0) return errno_error("look at", file.entry.path, errno);
    if (written.st_ino != st.st_ino || written.st_dev != st.st_dev) return false;
  }
  const auto size = std::min(static_cast<std::uint64_t>(st.st_size), file.entry.size);
  for (std::uint64_t at = 0; at < size;) {
    const auto hole = ::lseek((*fd)->get(), static_cast<off_t>(at), SEEK_HOLE);
    if (hole < 0 || static_cast<std::uint64_t>(hole) >= size) break;  // or none can be told
    const auto data = ::lseek((*fd)->get(), hole, SEEK_DATA);
    at = data < 0 ? size : std::min(static_cast<std::uint64_t>(data), size);
    const auto begin = file.offset + static_cast<std::uint64_t>(hole);
    if (!zeros.contains({begin, file.offset + at})) return false;
  }
  return size == file.entry.size || zeros.contains({file.offset + size, file.range().end});
}

Result<void> StagedTree::complete(const PlacedEntry& file) {
  const Entry& entry = file.entry;
  staging_.close(file.index);
  auto fd = open_to_write(entry);
  if (!fd) return std::move(fd).error();
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return errno_error("look at", entry.path, errno);
  if (static_cast<std::uint64_t>(st.st_size) != entry.size &&
      ::ftruncate(fd->get(), static_cast<off_t>(entry.size)) != 0)
    return errno_error("write", entry.path, errno);
  if (::fchmod(fd->get(), entry.mode & protocol::kModeMask & ~staging_.umask()) != 0)
    return errno_error("set the mode of", entry.path, errno);
  auto timed = set_mtime(fd->get(), entry.mtime, entry.path);
  if (!timed) return timed;
  return close_file(std::move(*fd), entry.path);
}

Result<void> StagedTree::make_folder(std::string_view path) {
  auto made = folders_.make(path);
  if (!made) return std::move(made).error();
  return {};
}

Result<void> StagedTree::make_link(const Entry& entry) {
  auto parent = folders_.make(protocol::parent_of(entry.path));
  if (!parent) return std::move(parent).error();
  const char* name = name_of(entry.path);
  const int folder = (*parent)->fd();
  int made = ::symlinkat(entry.target.c_str(), folder, name);
  if (made != 0 && errno == EEXIST && ::unlinkat(folder, name, 0) == 0)
    made = ::symlinkat(entry.target.c_str(), folder, name);
  if (made != 0) return errno_error("make link", entry.path, errno);
  if (::utimensat(folder, name, times(entry.mtime).data(), AT_SYMLINK_NOFOLLOW) != 0)
    return errno_error("set the time of", entry.path, errno);
  return {};
}

Result<std::optional<Fd>> StagedTree::open_to_read(std::string_view path) {
  auto parent = folders_.at(protocol::parent_of(path));
  if (!parent) {
    if (is_errno(parent.error().code, ENOENT)) return std::optional<Fd>();
    return std::move(parent).error();
  }
  const std::string name(last_part(path));
  auto fd = (*parent)->file(name, O_RDONLY);
  if (!fd && is_errno(fd.error().code, EACCES) && make_accessible(**parent, name.c_str()))
    fd = (*parent)->file(name, O_RDONLY);
  if (fd) return std::optional<Fd>(std::move(*fd));
  if (is_errno(fd.error().code, ENOENT) || is_entry_error(fd.error().code))
    return std::optional<Fd>();
  return std::move(fd).error();
}

Result<std::optional<struct stat>> StagedTree::look(std::string_view path) {
  auto parent = folders_.at(protocol::parent_of(path));
  if (!parent) {
    const auto code = parent.error().code;
    if (is_errno(code, ENOENT) || is_entry_error(code)) return std::optional<struct stat>();
    return std::move(parent).error();
  }
  auto st = (*parent)->stat(last_part(path));
  if (st) return std::optional<struct stat>(*st);
  if (is_errno(st.error().code, ENOENT) || is_entry_error(st.error().code))
    return std::optional<struct stat>();
  return std::move(st).error();
}

Result<void> StagedTree::remove(const PlacedEntry& entry) {
  staging_.close(entry.index);
  auto parent = folders_.at(protocol::parent_of(entry.entry.path));
  if (!parent) {
    const auto code = parent.error().code;
    if (is_errno(code, ENOENT) || is_entry_error(code)) return {};
    return std::move(parent).error();
  }
  if (::unlinkat((*parent)->fd(), name_of(entry.entry.path), 0) == 0) return {};
  // It is still there only for these.
  if (errno != EACCES && errno != EPERM && errno != EIO && errno != EROFS && errno != EBUSY)
    return {};
  return errno_error("remove", entry.entry.path, errno);
}

}  // namespace peer::storage
