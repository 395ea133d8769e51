#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/result.hpp"

namespace peer::protocol {

/// A path inside an offer or a share: parts joined by `/`, each 1 to 255 bytes, no NUL, not `.` or
/// `..`; 1 to kMaxPathBytes bytes in all. Any other byte is legal, UTF-8 or not. Refused, never
/// cleaned.
class RelativePath {
 public:
  /// Errc::bad_path, with what is wrong as context (the path itself, escaped, is the caller's to
  /// add).
  static Result<RelativePath> parse(std::string bytes);

  const std::string& bytes() const { return bytes_; }
  /// The first part: the root of an offer.
  std::string_view root() const;
  /// The last part.
  std::string_view name() const;
  /// All but the last part; empty for a root.
  std::string_view parent() const;
  std::size_t depth() const;  ///< the number of parts, at least 1

  /// Part by part, each compared by its bytes as unsigned numbers: `a` < `a/b` < `a!` although '!'
  /// < '/'.
  friend std::strong_ordering operator<=>(const RelativePath& a, const RelativePath& b);
  friend bool operator==(const RelativePath& a, const RelativePath& b) = default;

 private:
  explicit RelativePath(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

/// What keeps `bytes` from being a RelativePath, e.g. "a part is empty"; null when nothing does.
const char* path_fault(std::string_view bytes);

/// The order of RelativePath on bytes that are known to be legal.
std::strong_ordering compare_paths(std::string_view a, std::string_view b);

/// All but the last part of a legal path; empty for a root.
std::string_view parent_of(std::string_view path);

/// Whether `bytes` are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view bytes);

}  // namespace peer::protocol
