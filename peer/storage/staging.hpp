#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/ids.hpp"
#include "protocol/result.hpp"
#include "storage/folder.hpp"
#include "storage/journal.hpp"

namespace peer::storage {

/// The bits that new files do not get, of this process.
mode_t current_umask();

/// The hidden folder in the receiving folder where a transfer's tree grows until it gets its final
/// names: `.peer-ID`, 0700, the tree below `files`, beside it `written` (touched.hpp). Which one is
/// ours is remembered by name, inode and file system in the record's file `staging` and a copy of
/// it; what else bears such a name is left alone. Thread-safe.
class Staging {
 public:
  static constexpr char kFile[] = "staging";  ///< in the record
  static constexpr char kTree[] = "files";    ///< in the staging folder
  static constexpr std::size_t kOpenFiles = 16;

  /// Finds the staging folder of an earlier run, or makes a new one and notes that in the journal
  /// (`fresh`). One that lies in another receiving folder is removed. `folder` is made if need be.
  /// Where another file system is mounted than the noted one nothing is made: is_drive_away().
  static Result<std::unique_ptr<Staging>> open(const Folder& record, const protocol::OfferId& id,
                                               const std::string& folder, Journal& journal);

  const Folder& destination() const { return destination_; }  ///< the receiving folder
  const Folder& own() const { return own_; }                  ///< the staging folder
  const Folder& tree() const { return tree_; }
  const std::string& name() const { return name_; }
  bool is_new() const { return new_; }  ///< made by open()
  mode_t umask() const { return umask_; }

  /// Whether the receiving folder is still the one at its path. ENOENT: it was removed; ESTALE: it
  /// is elsewhere, or cannot be told to be gone; is_drive_away().
  Result<void> still_there() const;
  /// Removes the staging folder, if it is still ours, and forgets it. Harmless when done already.
  Result<void> remove();
  /// The same without an open Staging, by what the record knows. False: it is on a drive that is
  /// away, and stays noted for remove_noted().
  static Result<bool> leave(const Folder& record);
  /// leave(), and what was left before. is_drive_away() where some of it still is.
  static Result<void> remove_noted(const Folder& record);
  /// Whether a file of the record is such a note.
  static bool is_note(std::string_view name);
  /// Whether the file system that the record knows is the one mounted there now; else
  /// is_drive_away().
  static Result<void> drive_there(const Folder& record);
  /// What is on a drive that is away is left: the next open() begins anew where its folder is now.
  static Result<void> leave_drive_away(const Folder& record);

  /// Descriptors of files that are written in several pieces, by entry; the latest kOpenFiles.
  std::shared_ptr<const Fd> opened(std::uint64_t entry) const;
  void keep_open(std::uint64_t entry, std::shared_ptr<const Fd> fd);
  void close(std::uint64_t entry);

 private:
  Staging() = default;

  std::string path_;
  Folder destination_;
  Folder own_;
  Folder tree_;
  Folder record_;
  std::string name_;
  mode_t umask_ = 0;
  bool new_ = false;
  mutable std::mutex mutex_;
  struct Open {
    std::uint64_t entry;
    std::shared_ptr<const Fd> fd;
  };
  std::vector<Open> open_;  ///< latest last
};

}  // namespace peer::storage
