#include "storage/space_book.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

namespace peer::storage {

struct SpaceBook::Impl {
  struct Promise {
    dev_t device = 0;
    std::uint64_t bytes = 0;
  };
  std::mutex mutex;
  std::map<protocol::OfferId, Promise> promises;
};

SpaceBook::SpaceBook() : impl_(std::make_unique<Impl>()) {}
SpaceBook::~SpaceBook() = default;

bool SpaceBook::reserve(const protocol::OfferId& id, const std::string& folder, std::uint64_t bytes,
                        std::uint64_t& missing) {
  const std::string place = nearest_existing(folder);
  missing = 0;
  struct stat st {};
  struct statvfs space {};
  if (::stat(place.c_str(), &st) != 0 || ::statvfs(place.c_str(), &space) != 0) {
    missing = bytes;  // nothing can be promised where nothing can be asked
    return bytes == 0;
  }
  const std::lock_guard lock(impl_->mutex);
  std::uint64_t left = std::uint64_t{space.f_bavail} * space.f_frsize;
  for (const auto& [other, promise] : impl_->promises) {
    if (other == id || promise.device != st.st_dev) continue;
    left -= std::min(left, promise.bytes);
  }
  if (bytes > left) {
    missing = bytes - left;
    return false;
  }
  impl_->promises[id] = {st.st_dev, bytes};
  return true;
}

std::uint64_t SpaceBook::promised(const std::string& folder) const {
  struct stat st {};
  if (::stat(nearest_existing(folder).c_str(), &st) != 0) return 0;
  const std::lock_guard lock(impl_->mutex);
  std::uint64_t sum = 0;
  for (const auto& [id, promise] : impl_->promises)
    if (promise.device == st.st_dev) sum += promise.bytes;
  return sum;
}

void SpaceBook::update(const protocol::OfferId& id, std::uint64_t bytes_left) {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->promises.find(id);
  // Never more than was reserved: holes count in what is left, but take no space.
  if (found != impl_->promises.end())
    found->second.bytes = std::min(found->second.bytes, bytes_left);
}

void SpaceBook::release(const protocol::OfferId& id) {
  const std::lock_guard lock(impl_->mutex);
  impl_->promises.erase(id);
}

std::string nearest_existing(const std::string& path) {
  struct stat st {};
  for (std::string place = path;;) {
    if (!place.empty() && ::stat(place.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return place;
    const auto slash = place.rfind('/');
    if (slash == std::string::npos) return ".";
    if (slash == 0) return "/";
    place.resize(slash);
  }
}

bool has_inodes(const std::string& folder) {
  struct statvfs space {};
  // 0 of 0 are left where a file system makes them as it goes.
  return ::statvfs(nearest_existing(folder).c_str(), &space) != 0 || space.f_files == 0 ||
         space.f_favail > 0;
}

std::uint64_t free_bytes(const std::string& folder) {
  struct statvfs space {};
  return ::statvfs(folder.c_str(), &space) == 0 ? std::uint64_t{space.f_bavail} * space.f_frsize
                                                : 0;
}

std::error_code refuses_files(const std::string& folder) {
  const std::string place = nearest_existing(folder);
  if (::faccessat(AT_FDCWD, place.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return {errno, std::generic_category()};
  const auto slash = folder.find('/', place == "/" ? 1 : place.size() + 1);
  struct stat in_the_way {};
  if (place == folder || ::lstat(folder.substr(0, slash).c_str(), &in_the_way) != 0) return {};
  return std::make_error_code(std::errc::not_a_directory);
}

}  // namespace peer::storage
