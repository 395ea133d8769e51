#pragma once

#include "protocol/result.hpp"
#include "storage/intake_state.hpp"

namespace peer::storage {

/// Looks, before anything gets its final name, whether what stands in staging is still what was
/// written there: somebody may have removed, cut, replaced or edited it while bytes arrived. One
/// look at the inode of each file: what is not there or too short is lacking again, what bears
/// another time than it was given, or was found doubtful when it was completed, is to be re-hashed.
/// What the inode does not tell: an edit of a part that had arrived while the rest of that file was
/// still on its way, and one that set the time back.
/// False if anything was found: then there is something to want or to re-hash.
Result<bool> inspect_staged(IntakeState& state);

}  // namespace peer::storage
