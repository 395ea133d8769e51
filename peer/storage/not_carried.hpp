#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <unordered_set>

namespace peer::storage {

struct ScanReport;

/// Takes note of what an offer does not carry: hard links, owners, ACLs and extended attributes.
class NotCarried {
 public:
  explicit NotCarried(ScanReport& report);
  /// Of every file and folder offered; `name` lies in `folder_fd`, "" is that folder itself.
  void look(const struct stat& st, int folder_fd, const char* name);

 private:
  static constexpr std::size_t kHardLinksRemembered = 1'000'000;  ///< later ones are not counted
  static constexpr unsigned kAttributesSample = 1'000;

  ScanReport& report_;
  std::uint64_t user_;
  std::uint64_t group_;
  unsigned looked_ = 0;
  /// Device and inode mixed into one number: a collision costs a wrong count in a warning.
  std::unordered_set<std::uint64_t> linked_;
};

}  // namespace peer::storage
