#include "storage/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>

#include "storage/folder.hpp"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

namespace peer::storage {
namespace {

/// openat2 gives EAGAIN when a rename elsewhere may have moved something on the way; more often
/// than this in a row it is something else.
constexpr int kOpenTries = 128;

int openat2_call(int folder, const std::string& path, int flags, mode_t mode,
                 std::uint64_t how_to) {
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) & O_CREAT ? mode & 07777 : 0;
  how.resolve = how_to;
  for (int tries = 0;; ++tries) {
    const long fd =
        ::syscall(SYS_openat2, folder, path.empty() ? "." : path.c_str(), &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EINTR || (errno == EAGAIN && tries < kOpenTries)) continue;
    return -1;
  }
}

/// Found out once: missing before Linux 5.6, and some sandboxes answer EPERM.
bool has_openat2() {
  static const bool has = [] {
    const int fd =
        openat2_call(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (fd >= 0) ::close(fd);
    return fd >= 0 || (errno != ENOSYS && errno != EPERM);
  }();
  return has;
}

int openat_call(int folder, const char* name, int flags, mode_t mode) {
  for (;;) {
    const int fd = ::openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

/// Renames over a placeholder that `make` just made; takes it away again if that fails.
int rename_over_placeholder(int from_folder, const std::string& from, int to_folder,
                            const std::string& to, bool folder) {
  if (::renameat(from_folder, from.c_str(), to_folder, to.c_str()) == 0) return 0;
  const int why = errno;
  ::unlinkat(to_folder, to.c_str(), folder ? AT_REMOVEDIR : 0);
  errno = why;
  return -1;
}

}  // namespace

int open_beneath(int folder, const std::string& path, int flags, mode_t mode) {
  if (!has_openat2()) return open_part_by_part(folder, path, flags, mode);
  return openat2_call(folder, path, flags | O_NOFOLLOW, mode,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int open_part_by_part(int folder, const std::string& path, int flags, mode_t mode) {
  if (path.empty()) return openat_call(folder, ".", flags, mode);
  Fd on_the_way;
  int at = folder;
  std::size_t begin = 0;
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
    const std::string part = path.substr(begin, slash - begin);
    Fd next(openat_call(at, part.c_str(), O_PATH | O_DIRECTORY, 0));
    if (!next) return -1;
    on_the_way = std::move(next);
    at = on_the_way.get();
    begin = slash + 1;
  }
  return openat_call(at, path.c_str() + begin, flags, mode);
}

int open_following(int folder, const std::string& path, int flags) {
  if (!has_openat2()) {
    errno = ENOSYS;
    return -1;
  }
  return openat2_call(folder, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

int rename_to_new(int from_folder, const std::string& from, int to_folder, const std::string& to) {
  if (::syscall(SYS_renameat2, from_folder, from.c_str(), to_folder, to.c_str(),
                RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  return rename_to_new_by_link(from_folder, from, to_folder, to);
}

int rename_to_new_by_link(int from_folder, const std::string& from, int to_folder,
                          const std::string& to) {
  struct stat st {};
  if (::fstatat(from_folder, from.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  if (S_ISDIR(st.st_mode)) {
    if (::mkdirat(to_folder, to.c_str(), 0700) != 0) return -1;
    return rename_over_placeholder(from_folder, from, to_folder, to, true);
  }
  if (::linkat(from_folder, from.c_str(), to_folder, to.c_str(), 0) == 0)
    return ::unlinkat(from_folder, from.c_str(), 0);
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK) return -1;
  Fd placeholder(openat_call(to_folder, to.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600));
  if (!placeholder) return -1;
  return rename_over_placeholder(from_folder, from, to_folder, to, false);
}

}  // namespace peer::storage
