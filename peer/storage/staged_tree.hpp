#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/manifest.hpp"
#include "protocol/ranges.hpp"
#include "protocol/result.hpp"
#include "storage/catalogue.hpp"
#include "storage/folder.hpp"
#include "storage/staging.hpp"

namespace peer::storage {

/// A folder and the one below it that was used last, so that neighbours cost one open. One thread.
class FolderCache {
 public:
  explicit FolderCache(const Folder& top) : top_(top) {}
  /// The folder at `path` ("" is the top); valid until the next call.
  Result<const Folder*> at(std::string_view path);
  /// The same; what is missing on the way is made, 0700.
  Result<const Folder*> make(std::string_view path);
  void forget() { held_ = Folder(); }

 private:
  const Folder& top_;
  Folder held_;
  std::string path_;
};

/// A folder's own descriptor, to set its mode and mtime by. One whose owner may not read it, or
/// what is no folder, is an error (EACCES, ENOTDIR, ELOOP).
Result<Fd> open_for_attributes(const Folder& parent, std::string_view name);
Result<void> set_mtime(int fd, std::int64_t mtime, std::string_view path);
std::int64_t mtime_of(const struct stat& st);
/// Whether it bears this mtime, to two seconds where the file system has whole seconds only.
bool has_mtime(const struct stat& st, std::int64_t mtime);

/// The tree in staging, as one thread writes it. Paths are those of the manifest. Everything is
/// 0600/0700 until it is whole. Files whole at once are made anew each time they are written; what
/// is no file of ours in the place of one gives way. With `durable` the disk begins with large
/// pieces at once.
class StagedTree {
 public:
  explicit StagedTree(Staging& staging, bool durable = false)
      : staging_(staging), folders_(staging.tree()), durable_(durable) {}

  /// A file with all its bytes, mode and mtime.
  Result<void> write_whole(const protocol::Entry& entry, std::span<const std::byte> bytes);
  /// Some bytes of a file, at `at` in it.
  Result<void> write_part(const PlacedEntry& file, std::uint64_t at,
                          std::span<const std::byte> bytes);
  /// A hole in a file: nothing is written unless other bytes lie there.
  Result<void> write_zeros(const PlacedEntry& file, std::uint64_t at, std::uint64_t length);
  /// Whether a file whose parts are all written is the one that they were written to, and has no
  /// holes but `zeros` (as offsets in the stream): nobody removed, replaced or cut it meanwhile.
  Result<bool> is_unbroken(const PlacedEntry& file, const protocol::RangeSet& zeros);
  /// All its bytes are written: its size (a hole at its end), mode, mtime.
  Result<void> complete(const PlacedEntry& file);
  Result<void> make_folder(std::string_view path);
  Result<void> make_link(const protocol::Entry& entry);
  /// Reading back what was written. Empty if there is no such file.
  Result<std::optional<Fd>> open_to_read(std::string_view path);

  Result<std::optional<struct stat>> look(std::string_view path);
  /// A file or link, if it is there.
  Result<void> remove(const PlacedEntry& entry);

 private:
  void write_back(int fd, std::uint64_t at, std::uint64_t length) const;
  Result<Fd> open_to_write(const protocol::Entry& entry);
  Result<std::shared_ptr<const Fd>> kept_open(const PlacedEntry& file);

  Staging& staging_;
  FolderCache folders_;
  bool durable_;
};

}  // namespace peer::storage
