#include "storage/source_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "storage/beneath.hpp"

namespace peer::storage {
namespace {

constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

std::uint64_t seek(int fd, std::uint64_t from, int what, std::uint64_t size, bool& supported) {
  const off_t at = ::lseek(fd, static_cast<off_t>(from), what);
  supported = at >= 0 || errno == ENXIO;  // ENXIO: no more data, the file ends in a hole
  return at < 0 ? size : std::min(static_cast<std::uint64_t>(at), size);
}

}  // namespace

bool SourceFiles::enter_root(std::string_view name) {
  if (root_ && root_->name == name) return true;
  root_ = nullptr;
  parent_path_.clear();
  const Root* root = roots_.find(name);
  if (!root) {
    errno = ENOENT;
    return false;
  }
  Fd folder(open_without_links(root->folder, O_PATH));
  struct stat st {};
  if (!folder || ::fstat(folder.get(), &st) != 0) return false;
  if (st.st_ino != root->inode) {
    errno = ESTALE;
    return false;
  }
  root_folder_ = std::move(folder);
  root_ = root;
  return true;
}

/// Makes folder_ and name_ those of the entry.
bool SourceFiles::enter(const std::string& path) {
  const auto first = std::min(path.find('/'), path.size());
  if (!enter_root(std::string_view(path).substr(0, first))) return false;
  if (!root_->base.empty()) {
    folder_ = root_folder_.get();
    name_ = root_->base;
    return true;
  }
  const auto below = first == path.size() ? std::string() : path.substr(first + 1);
  const auto slash = below.rfind('/');
  if (roots_.following || slash == std::string::npos) {
    folder_ = root_folder_.get();
    name_ = below;
    return true;
  }
  const std::string_view parent = std::string_view(path).substr(0, first + 1 + slash);
  if (parent_path_ != parent) {
    parent_path_.clear();
    parent_ = Fd(open_beneath(root_folder_.get(), below.substr(0, slash), O_PATH | O_DIRECTORY));
    if (!parent_) return false;
    parent_path_ = parent;
  }
  folder_ = parent_.get();
  name_ = below.substr(slash + 1);
  return true;
}

int SourceFiles::open(const std::string& path) {
  if (!enter(path)) return -1;
  if (roots_.following && root_->base.empty()) return open_following(folder_, name_, kReadFlags);
  for (;;) {
    const int fd = ::openat(folder_, name_.c_str(), kReadFlags | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

int SourceFiles::stat(const std::string& path, struct stat& st) {
  if (!enter(path)) return -1;
  if (!roots_.following || !root_->base.empty())
    return ::fstatat(folder_, name_.c_str(), &st, AT_SYMLINK_NOFOLLOW);
  const Fd fd(open_following(folder_, name_, O_PATH));
  return fd ? ::fstat(fd.get(), &st) : -1;
}

bool is_unchanged(const struct stat& st, const PlacedEntry& entry) {
  return S_ISREG(st.st_mode) && static_cast<std::uint64_t>(st.st_size) == entry.entry.size &&
         nanoseconds(st.st_mtim) == entry.entry.mtime &&
         nanoseconds(st.st_ctim) == entry.stamp.ctime && st.st_ino == entry.stamp.inode;
}

Extents::Extent Extents::at(int fd, std::uint64_t at, std::uint64_t asked_end, std::uint64_t size) {
  if (known_.begin <= at && at < known_.end) return known_;
  bool supported = true;
  const auto first_data = seek(fd, at, SEEK_DATA, size, supported);
  if (!supported) return known_ = {at, size, false};
  if (first_data - at >= kMinHoleBytes || (first_data > at && first_data >= asked_end))
    return known_ = {at, first_data, true};

  for (auto data_until = first_data; data_until < asked_end;) {
    const auto hole = seek(fd, data_until, SEEK_HOLE, size, supported);
    const auto data = supported ? seek(fd, hole, SEEK_DATA, size, supported) : size;
    if (!supported) return known_ = {at, size, false};
    if (hole > at && data - hole >= kMinHoleBytes) return known_ = {at, hole, false};
    if (data <= data_until) break;  // changing under us: the stamp will tell
    data_until = data;
  }
  return known_ = {at, asked_end, false};
}

}  // namespace peer::storage
