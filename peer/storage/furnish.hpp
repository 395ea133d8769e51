#pragma once

#include <cstdint>

#include "protocol/result.hpp"
#include "storage/intake_state.hpp"

/// The last touches to the tree in staging, before it gets its final names. All may be done again
/// after a crash in the middle.
namespace peer::storage {

/// Makes what has no bytes (links, empty files and, with `bare_folders`, folders that hold
/// nothing) and removes what must not be delivered.
Result<void> furnish(IntakeState& state, bool bare_folders);

/// Sets modes and mtimes of the folders among the entries [begin, end) that are in staging, deepest
/// first. Memory does not grow with their number.
Result<void> settle_folders(IntakeState& state, std::uint64_t begin, std::uint64_t end);

/// Moves the staged folder of `entry` to a free name, EEXIST if it is taken, and sets its own mode
/// and mtime; those of the folders in it are set before. `end` is the number of the first entry
/// behind it. After an error it is in staging again if that could be.
Result<void> move_folder(IntakeState& state, const PlacedEntry& entry, std::uint64_t end,
                         const Folder& to, std::string_view name);

/// Mode and mtime of a root's folder that got its final name just before the program ended.
Result<void> settle_moved(IntakeState& state, const PlacedEntry& entry, std::string_view name);

}  // namespace peer::storage
