#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/manifest.hpp"

namespace peer::storage {

/// Which entries of an offer are meant: all, less what the globs say. A GLOB without `/` matches
/// the base name at any depth, one with `/` the path from the root; `*` and `?` stay within a part,
/// `**` crosses folders, `[...]` is a set. An entry whose folder matches is matched too.
struct Selection {
  std::vector<std::string> only;  ///< empty: everything
  std::vector<std::string> except;
  std::vector<std::uint64_t> entries;  ///< indices a person picked, ascending; a folder means what
                                       ///< lies in it; empty: everything
  bool all() const { return only.empty() && except.empty() && entries.empty(); }
  /// For files and links; folders are made when something chosen lies in them, or when they match
  /// by themselves.
  bool chooses(std::string_view path) const;
};

/// Errors of a pattern (an unclosed `[`), empty if it is good.
std::string glob_error(std::string_view glob);
bool glob_matches(std::string_view glob, std::string_view path);

}  // namespace peer::storage
