#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "protocol/manifest.hpp"
#include "protocol/message.hpp"
#include "protocol/result.hpp"
#include "storage/selection.hpp"

namespace peer::storage {

enum class Links : std::uint8_t {
  inside,  ///< keep links whose target stays inside the offered tree; leave others out, reported
  all,     ///< keep every link as it is
  /// Offer what they point to if that lies below the same root and is reached by relative links;
  /// loops and all other links are left out, reported.
  follow,
};

struct ScanOptions {
  std::vector<std::string>
      paths;  ///< absolute; a link given here is followed; `x/` and `x` are the same
  std::vector<std::string>
      names;            ///< of the roots instead of the paths' own, one for each path; or none
  Selection selection;  ///< only, except
  Links links = Links::inside;
  std::vector<std::string>
      never;  ///< absolute folders that are left out wherever met: our own state
  std::string
      beneath;  ///< absolute folder, for shares: a path that a link leads out of it is ENOENT
};

struct LeftOut {
  std::string path;  ///< as in the manifest
  std::string
      why;  ///< "socket", "device", "fifo", "link leads out of the offer", "permission denied", ...
};

/// What was found, for the giver to see before anyone is asked.
struct ScanReport {
  protocol::ManifestTotals totals;
  std::uint64_t manifest_bytes = 0;
  protocol::ManifestDigest manifest;
  std::uint64_t left_out_count = 0;
  std::vector<LeftOut> left_out;  ///< the first 100
  std::uint64_t unreadable_count = 0;
  std::vector<LeftOut> unreadable;  ///< the first 100
  std::uint64_t hard_link_copies =
      0;  ///< files that share their bytes with an earlier one here and will be copies
  std::uint64_t hard_link_bytes = 0;  ///< what those copies take beyond the first
  bool other_owners = false;          ///< some entries belong to another user or group: not carried
  bool acls_or_xattrs = false;  ///< some have ACLs or extended attributes: not carried (looked at
                                ///< on a sample of 1,000)
};

struct ScanProgress {
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<bool> stop{false};  ///< set by the caller: the scan ends with operation_canceled
};

/// Walks `paths` and writes the offer's record into `folder` (created; 0700): `manifest` (the
/// wire's bytes), the catalogue with its stamps, and `roots` (which local path each root is). Two
/// roots of one name are an error. Blocking; for a pool thread. Every step goes through directory
/// descriptors; a folder swapped for a link meanwhile is not followed. Memory grows with the
/// largest single folder only.
Result<ScanReport> scan(const ScanOptions& options, const std::string& folder,
                        ScanProgress& progress);

}  // namespace peer::storage
