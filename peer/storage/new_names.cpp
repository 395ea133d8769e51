#include "storage/new_names.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "storage/sync.hpp"

namespace peer::storage {
namespace {

/// The folders above the receiving one, as far as this program may have made them: their names too
/// must be on the disk. What may not be opened was not made by us.
Result<void> sync_above(const Folder& folder) {
  struct stat here {};
  if (::fstat(folder.fd(), &here) != 0) return errno_error("look at", folder.shown(), errno);
  Fd above(::openat(folder.fd(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (struct stat st{}; above && ::fstat(above.get(), &st) == 0; here = st) {
    if (st.st_dev != here.st_dev || st.st_ino == here.st_ino) break;
    auto synced = sync_folder(above.get(), folder.shown());
    if (!synced) return synced;
    above = Fd(::openat(above.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  return {};
}

}  // namespace

void NewNames::add(std::string_view folder) {
  if (all_ || folder.empty() || (!folders_.empty() && folders_.back() == folder)) return;
  if (folders_.size() < kSyncedOneByOne) {
    folders_.emplace_back(folder);
  } else {
    all_ = std::find(folders_.begin(), folders_.end(), folder) == folders_.end();
  }
}

Result<void> NewNames::sync(const Folder& destination, const Folder& same) const {
  bool all = all_;
  for (auto folder = folders_.begin(); folder != folders_.end() && !all; ++folder) {
    auto synced = sync_folder(destination, *folder);
    if (!synced) return std::move(synced).error();
    all = !*synced;
  }
  if (!all) {
    auto synced = sync_folder(destination, "");
    if (!synced) return std::move(synced).error();
    all = !*synced;
  }
  if (all) {
    auto synced = sync_file_system(same.fd(), destination.shown());
    if (!synced) return synced;
  }
  return sync_above(destination);
}

}  // namespace peer::storage
