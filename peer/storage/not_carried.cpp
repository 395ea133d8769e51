#include "storage/not_carried.hpp"

#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "storage/scan.hpp"

namespace peer::storage {
namespace {

/// Whether there is any extended attribute (ACLs are some) that a user or an administrator set.
/// Labels that the system gives every file do not count.
bool has_attributes(int folder_fd, const char* name) {
  std::array<char, 4096> names;
  const std::string path = "/proc/self/fd/" + std::to_string(folder_fd) + "/" + name;
  const ssize_t n = *name ? ::llistxattr(path.c_str(), names.data(), names.size())
                          : ::flistxattr(folder_fd, names.data(), names.size());
  if (n <= 0) return false;
  std::string_view rest(names.data(), static_cast<std::size_t>(n));
  while (!rest.empty()) {
    const auto attribute = rest.substr(0, rest.find('\0'));
    if (attribute != "security.selinux" && !attribute.starts_with("system.nfs4_")) return true;
    rest.remove_prefix(std::min(attribute.size() + 1, rest.size()));
  }
  return false;
}

}  // namespace

NotCarried::NotCarried(ScanReport& report)
    : report_(report), user_(::geteuid()), group_(::getegid()) {}

void NotCarried::look(const struct stat& st, int folder_fd, const char* name) {
  if (st.st_uid != user_ || st.st_gid != group_) report_.other_owners = true;
  if (!report_.acls_or_xattrs && looked_ < kAttributesSample) {
    ++looked_;
    report_.acls_or_xattrs = has_attributes(folder_fd, name);
  }
  if (!S_ISREG(st.st_mode) || st.st_nlink < 2) return;
  const std::uint64_t key =
      std::uint64_t{st.st_dev} * 0x9E3779B97F4A7C15 ^ std::uint64_t{st.st_ino};
  if (linked_.contains(key)) {
    report_.hard_link_copies += 1;
    report_.hard_link_bytes += static_cast<std::uint64_t>(st.st_size);
  } else if (linked_.size() < kHardLinksRemembered) {
    linked_.insert(key);
  }
}

}  // namespace peer::storage
