#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/manifest.hpp"
#include "protocol/result.hpp"
#include "storage/folder.hpp"
#include "storage/folder_names.hpp"
#include "storage/not_carried.hpp"
#include "storage/offer_writer.hpp"
#include "storage/roots.hpp"
#include "storage/scan.hpp"

namespace peer::storage {

/// Walks roots in the order of a manifest and writes down what is offered. Depth first, names
/// sorted within each folder; no recursion. Errors are the record's or the machine's; what one
/// entry suffers from goes into the report.
class ScanWalk {
 public:
  /// All outlive the walk.
  ScanWalk(const ScanOptions& options, OfferWriter& out, ScanReport& report,
           ScanProgress& progress);
  /// Roots come sorted by name.
  Result<void> root(const Root& root);

 private:
  /// A folder on the way from the root to where the walk is.
  struct Level {
    Fd folder;  ///< closed while the walk is kOpenLevels below
    struct stat st;
    std::size_t path_bytes;  ///< of path_: this folder's path
    FolderNames names;
    std::size_t next = 0;  ///< of names
  };

  Result<void> walk();
  Result<void> look_at(const char* name, unsigned char type);
  Result<void> enter(Fd folder);
  Result<void> add_folders();
  Result<void> add_file(const struct stat& st, int folder, const char* name, bool following);
  Result<void> add_link(const struct stat& st, int folder, const char* name);
  Result<void> follow_link(bool chosen);
  int folder_of(Level& level);
  bool chooses() const;
  bool is_own(const struct stat& st) const;
  bool is_own_path(std::string_view real) const;
  bool loops(const struct stat& st) const;
  std::string below_root(std::size_t path_bytes) const;

  Result<void> leave_out(std::string_view why);
  Result<void> lost(int number);

  const ScanOptions& options_;
  OfferWriter& out_;
  ScanReport& report_;
  ScanProgress& progress_;
  NotCarried not_carried_;
  uid_t user_;
  std::vector<struct stat> own_;  ///< folders of ours that are never offered
  std::vector<std::string> own_paths_;

  Fd root_;
  std::size_t root_bytes_ = 0;  ///< of path_: the root's name
  std::string path_;            ///< in the manifest, of the entry being looked at
  std::vector<Level> levels_;
  std::size_t added_levels_ = 0;  ///< the first so many levels are in the manifest
  protocol::Entry entry_;
};

}  // namespace peer::storage
