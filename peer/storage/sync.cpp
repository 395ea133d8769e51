#include "storage/sync.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "storage/disk_error.hpp"

namespace peer::storage {

void begin_writeback(int fd, std::uint64_t at, std::uint64_t length) {
  (void)::sync_file_range(fd, static_cast<off64_t>(at), static_cast<off64_t>(length),
                          SYNC_FILE_RANGE_WRITE);
}

Result<void> sync_file(int fd, std::string_view path) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) return errno_error("get to the disk", path, errno);
  }
  return {};
}

Result<void> sync_folder(int fd, std::string_view path) {
  auto synced = sync_file(fd, path);
  if (!synced && (is_errno(synced.error().code, EINVAL) || is_errno(synced.error().code, ENOTSUP)))
    return {};
  return synced;
}

Result<bool> sync_folder(const Folder& parent, std::string_view path) {
  auto folder = parent.folder(path);
  if (!folder) {
    if (is_errno(folder.error().code, ENOENT)) return true;
    if (is_entry_error(folder.error().code)) return false;
    return std::move(folder).error();
  }
  auto synced = sync_folder(folder->fd(), folder->shown());
  if (synced) return true;
  if (is_errno(synced.error().code, EBADF)) return false;  // it may be passed, not read
  return std::move(synced).error();
}

Result<void> sync_file_system(int fd, std::string_view path) {
  while (::syncfs(fd) != 0) {
    if (errno != EINTR) return errno_error("get to the disk what is in", path, errno);
  }
  return {};
}

}  // namespace peer::storage
