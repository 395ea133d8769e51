#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "doctor/check.hpp"
#include "protocol/result.hpp"

namespace peer::doctor {

/// The folder where files land, as it is now.
struct FolderFacts {
  std::string folder;
  bool there = false;
  bool usable = false;  ///< written into; or, where it is missing, it can be made
  std::string why_not;  ///< a clause
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::string file_system;  ///< "ext4"; empty if unknown
};
FolderFacts look_at_folder(const std::string& folder);
Check folder_check(const FolderFacts& facts);

/// The type of the file system that `path` (absolute, without links) lies on, by a table as
/// /proc/self/mountinfo; empty if it does not tell.
std::string file_system_at(std::string_view mounts, std::string_view path);

struct WriteSpeed {
  std::uint64_t bytes = 0;
  std::chrono::nanoseconds took{};
};
/// Writes for about a second, at most 64 MiB and at most a sixteenth of what is free, into a file
/// without a name, until it is on the disk.
Result<WriteSpeed> write_speed(const std::string& folder);
Check disk_check(const Result<WriteSpeed>& speed);

}  // namespace peer::doctor
