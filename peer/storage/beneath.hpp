#pragma once

#include <sys/types.h>

#include <string>

/// Opening and renaming that cannot be led astray, with plain descriptors; what is Linux's alone
/// (openat2, renameat2) and its fallbacks hide here. Every function returns -1 with errno set when
/// it fails. Callers have checked that a path has no empty part, no `.` and no `..`.
namespace peer::storage {

/// Opens `path` below `folder` ("" is the folder itself) without leaving it and without passing a
/// link; O_NOFOLLOW and O_CLOEXEC are added to `flags`. A link at the end or on the way is ELOOP or
/// ENOTDIR.
int open_beneath(int folder, const std::string& path, int flags, mode_t mode = 0);

/// The same for kernels without openat2: each part is opened with O_NOFOLLOW below the one before.
int open_part_by_part(int folder, const std::string& path, int flags, mode_t mode = 0);

/// Follows links as long as they stay below `folder`; EXDEV for one that leads out (absolute ones
/// always do), ENOSYS where the kernel cannot promise it.
int open_following(int folder, const std::string& path, int flags);

/// Renames one part to one part; EEXIST when `to` is there.
int rename_to_new(int from_folder, const std::string& from, int to_folder, const std::string& to);

/// The same for file systems without RENAME_NOREPLACE: a file is linked and unlinked, or, where
/// there are no hard links, renamed over an empty file made first; a folder over an empty folder.
int rename_to_new_by_link(int from_folder, const std::string& from, int to_folder,
                          const std::string& to);

}  // namespace peer::storage
