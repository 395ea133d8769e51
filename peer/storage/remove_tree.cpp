#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "storage/beneath.hpp"
#include "storage/folder.hpp"

namespace peer::storage {
namespace {

/// Empties a folder and all below it. One descriptor is open at a time however deep it goes: the
/// way back up is `..`, taken only if it is the folder we came down from.
class Emptying {
 public:
  /// `top` is open for reading. 0, or -1 with errno.
  int run(Fd top) {
    if (!take(std::move(top))) return -1;
    for (;;) {
      std::string child;
      if (!remove_until_folder(child)) return -1;
      if (!child.empty()) {
        if (!descend(child)) return -1;
      } else if (levels_.size() == 1) {
        return 0;
      } else if (!ascend()) {
        return -1;
      }
    }
  }

 private:
  struct Level {
    dev_t device;
    ino_t inode;
    std::string name;  ///< in the level above
  };
  struct Close {
    void operator()(DIR* listing) const { ::closedir(listing); }
  };

  /// Reads `fd` from now on. A folder of ours gets the rights that emptying needs.
  bool take(Fd fd, std::string name = {}) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return false;
    if ((st.st_mode & 0700) != 0700 && st.st_uid == ::geteuid()) ::fchmod(fd.get(), 0700);
    levels_.push_back({st.st_dev, st.st_ino, std::move(name)});
    return read(std::move(fd));
  }

  bool read(Fd fd) {
    DIR* listing = ::fdopendir(fd.get());
    if (!listing) return false;
    fd.release();
    listing_.reset(listing);
    return true;
  }

  /// Removes entries up to the first folder that is not empty, whose name it gives; "" at the end.
  bool remove_until_folder(std::string& child) {
    ::rewinddir(listing_.get());
    const int fd = ::dirfd(listing_.get());
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(listing_.get());
      if (!entry) return errno == 0;
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (entry->d_type != DT_DIR) {
        if (::unlinkat(fd, name.c_str(), 0) == 0 || errno == ENOENT) continue;
        const bool may_be_folder = entry->d_type == DT_UNKNOWN && errno == EPERM;
        if (errno != EISDIR && !may_be_folder) return false;
      }
      if (::unlinkat(fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
      if (errno != ENOTEMPTY && errno != EEXIST) return false;
      child = name;
      return true;
    }
  }

  bool descend(const std::string& name) {
    const int above = ::dirfd(listing_.get());
    Fd fd(open_beneath(above, name, O_RDONLY | O_DIRECTORY));
    if (!fd && errno == EACCES && make_readable(above, name))
      fd = Fd(open_beneath(above, name, O_RDONLY | O_DIRECTORY));
    return fd && take(std::move(fd), name);
  }

  /// fchmod() refuses an O_PATH descriptor, and by name a link could be followed.
  static bool make_readable(int above, const std::string& name) {
    Fd folder(open_beneath(above, name, O_PATH | O_DIRECTORY));
    const bool done =
        folder && ::chmod(("/proc/self/fd/" + std::to_string(folder.get())).c_str(), 0700) == 0;
    if (!done) errno = EACCES;
    return done;
  }

  bool ascend() {
    const std::string name = std::move(levels_.back().name);
    levels_.pop_back();
    Fd above(
        ::openat(::dirfd(listing_.get()), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {};
    if (!above || ::fstat(above.get(), &st) != 0) return false;
    if (st.st_dev != levels_.back().device || st.st_ino != levels_.back().inode) {
      errno = ESTALE;
      return false;
    }
    if (::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return false;
    return read(std::move(above));
  }

  std::vector<Level> levels_;
  std::unique_ptr<DIR, Close> listing_;
};

}  // namespace

Result<void> Folder::remove_tree(std::string_view path) const {
  auto st = stat(path);
  if (!st) return std::move(st).error();
  if (!S_ISDIR(st->st_mode)) return remove_file(path);
  if ((st->st_mode & 0700) != 0700 && st->st_uid == ::geteuid()) {
    Fd bare(open_beneath(fd(), std::string(path), O_PATH | O_DIRECTORY));
    if (bare) ::chmod(("/proc/self/fd/" + std::to_string(bare.get())).c_str(), 0700);
  }
  Fd top(open_beneath(fd(), std::string(path), O_RDONLY | O_DIRECTORY));
  Emptying emptying;
  if (!top || emptying.run(std::move(top)) != 0) {
    const int number = errno;
    return errno_error("remove tree", shown() + "/" + std::string(path), number);
  }
  return remove_folder(path);
}

}  // namespace peer::storage
