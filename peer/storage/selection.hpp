#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/manifest.hpp"

namespace peer::storage {

/// Which entries of an offer are meant: all, less what the globs say. A GLOB without `/` matches
/// the base name at any depth, one with `/` the path from the root (a `/` at its beginning or end
/// is dropped; one at the beginning counts as having one); `*` and `?` stay within a part, `**`
/// crosses folders, `**` and `/` together match no folder too, `[...]` is a set, `[!...]` and
/// `[^...]` its opposite, `\` takes the meaning from the next character. `?` and sets take one
/// character of UTF-8, or one byte where the name is none. An entry whose folder matches is matched
/// too.
struct Selection {
  std::vector<std::string> only;  ///< empty: everything
  std::vector<std::string> except;
  std::vector<std::uint64_t> entries;  ///< indices a person picked, ascending; a folder means what
                                       ///< lies in it; empty: everything
  bool all() const { return only.empty() && except.empty() && entries.empty(); }
  /// For files and links; folders are made when something chosen lies in them, or when they match
  /// by themselves.
  /// `entries` is not looked at: a path has no number.
  bool chooses(std::string_view path) const;
  /// Whether an `except` glob matches the path or a folder above it: of a folder, nothing in it is
  /// chosen.
  bool excludes(std::string_view path) const;
};

/// Errors of a pattern (an unclosed `[`, a `\` at the end, nothing at all), empty if it is good.
std::string glob_error(std::string_view glob);
/// The path itself; whether a folder above it matches is Selection's question. A bad glob matches
/// nothing.
bool glob_matches(std::string_view glob, std::string_view path);

}  // namespace peer::storage
