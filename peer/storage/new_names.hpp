#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/result.hpp"
#include "storage/folder.hpp"

namespace peer::storage {

/// Up to so many files and folders are synced one by one, beyond it their whole file system at
/// once: that costs less, but waits for what other programs have written.
inline constexpr std::size_t kSyncedOneByOne = 64;

/// Folders below the receiving folder in which something got a name, or whose looks changed: what a
/// durable delivery has to get to the disk at its end. Remembers kSyncedOneByOne at most. One
/// thread.
class NewNames {
 public:
  /// "" is the receiving folder, which is always synced.
  void add(std::string_view folder);
  void add_all() { all_ = true; }  ///< which they are is not known
  bool all() const { return all_; }
  /// `same` is any folder on the same file system that may be read.
  Result<void> sync(const Folder& destination, const Folder& same) const;

 private:
  std::vector<std::string> folders_;
  bool all_ = false;
};

}  // namespace peer::storage
