#include "storage/folder_names.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace peer::storage {
namespace {

struct Close {
  void operator()(DIR* listing) const { ::closedir(listing); }
};

}  // namespace

int FolderNames::read(int folder_fd) {
  bytes_.clear();
  names_.clear();
  Fd own(::openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));  // its own position
  if (!own) return errno;
  const std::unique_ptr<DIR, Close> listing(::fdopendir(own.get()));
  if (!listing) return errno;
  own.release();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    names_.push_back({bytes_.size(), static_cast<unsigned short>(name.size()), entry->d_type});
    bytes_.append(name).push_back('\0');
  }
  if (errno != 0) return errno;
  std::sort(names_.begin(), names_.end(), [this](const Name& a, const Name& b) {
    return std::string_view(bytes_.data() + a.begin, a.length) <
           std::string_view(bytes_.data() + b.begin, b.length);
  });
  return 0;
}

}  // namespace peer::storage
