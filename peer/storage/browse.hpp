#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/message.hpp"
#include "protocol/result.hpp"

namespace peer::storage {

/// One page of a shared folder for `list`: entries of `path` (relative to `shared_folder`, "" for
/// itself), sorted by name bytes, after the name `cursor`. A file gives itself. Confined below the
/// shared folder; links are listed, never followed. Errc::not_shared for whatever is not there.
/// Blocking.
struct Page {
  std::vector<protocol::ListedEntry> entries;
  std::string cursor;  ///< empty at the end
};
Result<Page> browse(const std::string& shared_folder, const std::string& path,
                    const std::string& cursor);

/// The absolute path that `path` below `shared_folder` is, after a confined open; for scan().
/// Errc::not_shared.
Result<std::string> resolve_shared(const std::string& shared_folder, const std::string& path);

}  // namespace peer::storage
