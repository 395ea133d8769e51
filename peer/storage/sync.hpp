#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/result.hpp"
#include "storage/folder.hpp"

/// Getting what was written to the disk. What is Linux's alone hides here.
namespace peer::storage {

/// Has the disk begin with these bytes; waits for it only where its queue is full. Advice: nothing
/// is promised, and an error is left for sync_file() to tell.
void begin_writeback(int fd, std::uint64_t at, std::uint64_t length);

/// Bytes and inode of a file, or names and inode of a folder, are on the disk. An error tells once
/// what went wrong since the file was opened or, if nobody was told yet, before: the kernel forgets
/// it then and may show the bytes as if they were on the disk.
Result<void> sync_file(int fd, std::string_view path);
/// The same for a folder; where a file system cannot do that for folders it has no need of it.
Result<void> sync_folder(int fd, std::string_view path);
/// ... and for the one at `path` below `parent`, if it is there. False if it may not be read.
Result<bool> sync_folder(const Folder& parent, std::string_view path);
/// Everything on the file system of `fd`. An error may be another program's.
Result<void> sync_file_system(int fd, std::string_view path);

}  // namespace peer::storage
