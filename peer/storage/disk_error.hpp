#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include "protocol/result.hpp"

namespace peer::storage {

/// Whether a disk operation's error is one entry's own (its name or size does not fit this file
/// system, something else is in its way), so that the entry fails by name and the rest goes on. All
/// other errors (no space, I/O, a vanished folder) are the disk's and pause the transfer.
bool is_entry_error(const std::error_code& code);

bool is_errno(const std::error_code& code, int number);

/// Where a folder was that holds part of a transfer another file system is mounted now.
constexpr int kDriveAway = ENOMEDIUM;
bool is_drive_away(const std::error_code& code);

/// The same for the other side: "cannot write: Input/output error".
std::string without_path(const Error& error);

/// What a person can do about it in the folder that receives: a clause such as "may you write
/// there? (chmod u+w FOLDER)"; empty where nothing is known.
std::string disk_remedy(const std::error_code& code, const std::string& folder);

}  // namespace peer::storage
