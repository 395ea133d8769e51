#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/catalogue.hpp"
#include "storage/folder.hpp"
#include "storage/roots.hpp"

namespace peer::storage {

/// Opens the files of an offer again, confined below their roots, keeping the folder of the last
/// one open: neighbours cost one system call. One thread.
class SourceFiles {
 public:
  /// `roots` outlives it.
  explicit SourceFiles(const Roots& roots) : roots_(roots) {}

  /// For reading; never hangs. Whether it is still the file that was offered is for is_unchanged()
  /// to say. -1 with errno.
  int open(const std::string& path);
  /// 0, or -1 with errno.
  int stat(const std::string& path, struct stat& st);

 private:
  bool enter(const std::string& path);
  bool enter_root(std::string_view name);

  const Roots& roots_;
  const Root* root_ = nullptr;
  Fd root_folder_;
  std::string parent_path_;  ///< in the manifest, of parent_; empty: none
  Fd parent_;
  std::string name_;  ///< of the entry asked for, below parent_folder()
  int folder_ = -1;   ///< what name_ lies in: parent_ or root_folder_
};

/// Whether this is a regular file with the size, mtime, ctime and inode noted when it was offered.
/// Devices get other numbers when a machine starts again, so they do not count.
bool is_unchanged(const struct stat& st, const PlacedEntry& entry);

/// Finds the holes of an open file that does not change meanwhile, remembering the last answer.
class Extents {
 public:
  struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool hole = false;
  };
  /// What lies at `at` (< asked_end <= size), as far as it goes: a hole of at least kMinHoleBytes,
  /// or one that covers all up to `asked_end`; else data with no such hole in it, up to one or to
  /// `asked_end` at least.
  Extent at(int fd, std::uint64_t at, std::uint64_t asked_end, std::uint64_t size);
  void forget() { known_ = {}; }

  /// Shorter holes are sent as the zeros they are.
  static constexpr std::uint64_t kMinHoleBytes = 64 * 1024;

 private:
  Extent known_;
};

}  // namespace peer::storage
