#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/folder.hpp"

namespace peer::storage {

/// The names in a folder, sorted by their bytes: 16 bytes each beside their own.
class FolderNames {
 public:
  /// Reads all but `.` and `..`; the descriptor stays the caller's. 0 or an errno.
  int read(int folder_fd);

  std::size_t size() const { return names_.size(); }
  /// Followed by a NUL.
  std::string_view name(std::size_t i) const {
    return {bytes_.data() + names_[i].begin, names_[i].length};
  }
  /// DT_REG, DT_DIR, ... of <dirent.h>; DT_UNKNOWN where the file system does not tell.
  unsigned char type(std::size_t i) const { return names_[i].type; }

 private:
  struct Name {
    std::size_t begin;
    unsigned short length;
    unsigned char type;
  };
  std::string bytes_;
  std::vector<Name> names_;
};

}  // namespace peer::storage
