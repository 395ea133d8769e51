#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace peer::storage {

/// Beginning of the names of staging folders. Nothing received is ever merged into a folder whose
/// name begins so.
inline constexpr std::string_view kStagingPrefix = ".peer-";
/// Whether a folder of that name is where a transfer under way keeps what has arrived: `.peer-`,
/// the id of its offer, perhaps a number. That is for nobody else yet.
bool is_staging_name(std::string_view name);

/// `name` with ` (n)`, for files before the extension: "x.txt" -> "x (1).txt". n = 0 is the name
/// itself. Never longer than kMaxPartBytes: the stem is cut, between UTF-8 characters.
std::string numbered_name(std::string_view name, std::uint32_t n, bool folder);

/// The last part of a legal path, and the first.
std::string_view last_part(std::string_view path);
std::string_view first_part(std::string_view path);
/// Whether `path` lies in the folder `folder` (and is not it).
bool lies_below(std::string_view path, std::string_view folder);

}  // namespace peer::storage
