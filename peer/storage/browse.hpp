#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/message.hpp"
#include "protocol/result.hpp"

namespace peer::storage {

/// One page of a shared folder for `list`.
struct Page {
  std::vector<protocol::ListedEntry> entries;
  std::string cursor;  ///< for the next page; text, opaque; empty at the end
};

/// A share as others see it.
struct SharedPlace {
  std::string name;
  std::string folder;              ///< absolute; may be a file
  std::vector<std::string> never;  ///< absolute folders that nobody sees: our own state
};

/// A page of the shares themselves, which come sorted by name; those that are not there now are
/// left out. `cursor` and the page's size as of browse(), a cursor that is none of ours begins
/// anew. Blocking.
Page browse_shares(const std::vector<SharedPlace>& shares, const std::string& cursor);

/// A page of `path` (relative to the share's folder, "" for itself), sorted by name bytes, from
/// where `cursor` of the page before says ("" for the first); so short that its `listing` fits the
/// smallest message a peer must take. A file gives itself, a shared one under the share's name.
/// Files, folders and links only. Confined below the shared folder; links are listed, never
/// followed. Errc::not_shared for whatever is not there or may not be read, Errc::bad_message for a
/// cursor that is none of ours. Memory is a page. Blocking.
Result<Page> browse(const SharedPlace& share, const std::string& path, const std::string& cursor);

/// The absolute path that `path` (a file or a folder, no link) below `shared_folder` is, after a
/// confined open; for scan(), with `shared_folder` as its `beneath`. Errc::not_shared.
Result<std::string> resolve_shared(const std::string& shared_folder, const std::string& path);

}  // namespace peer::storage
