#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include "protocol/ids.hpp"

namespace peer::storage {

/// What transfers have been promised and not yet written, by file system, so that offers that only
/// fit singly are not all accepted. Thread-safe, quick.
class SpaceBook {
 public:
  /// False if `bytes` do not fit beside what is promised to others already; `missing` tells by how
  /// much. A promise made to the same transfer before is replaced. `folder` need not exist yet.
  bool reserve(const protocol::OfferId& id, const std::string& folder, std::uint64_t bytes,
               std::uint64_t& missing);
  /// To all transfers that write into the file system of `folder`.
  std::uint64_t promised(const std::string& folder) const;
  /// What remains promised to a transfer as it writes.
  void update(const protocol::OfferId& id, std::uint64_t bytes_left);
  void release(const protocol::OfferId& id);
  SpaceBook();
  ~SpaceBook();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The path, or the nearest folder above it that exists. For questions about its file system.
std::string nearest_existing(const std::string& path);

/// Whether the file system of `folder` has room for more files: some have bytes left, and no
/// inodes.
bool has_inodes(const std::string& folder);

/// Free there for this user; 0 where that cannot be told. Blocking.
std::uint64_t free_bytes(const std::string& folder);

/// Why no files can be put there now; of what is not there yet, why it cannot be made. Blocking.
std::error_code refuses_files(const std::string& folder);

}  // namespace peer::storage
