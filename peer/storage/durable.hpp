#pragma once

#include <cstdint>
#include <string>

#include "protocol/result.hpp"
#include "storage/intake_state.hpp"

/// What LandingPlan::durable asks of a delivery, in this order:
///
///   1. sync_staged(): bytes, inodes and names of the staged tree, then the journal's claims to it.
///   2. Roots that will be moved whole are noted in the journal with their new names (Delivery).
///   3. sync_journal().
///   4. Everything gets its final name; folders get their modes and times.
///   5. NewNames::sync(): every folder that something was moved into, or whose looks changed.
///   6. The end of the round is noted; sync_journal(). Then staging is removed.
///
/// The power may go at any point. Before 4 nothing has a final name: claims of an earlier boot are
/// re-hashed. Between 4 and 6 each root is in staging or under the name that was noted, whole in
/// both places: survey() moves it back, has it re-hashed and it is delivered again. Entries that
/// were being merged one by one are wanted again, unless they are found there by the plan's rule.
/// After 6 the round has ended; what is left of staging is removed by the next round or with the
/// record.
namespace peer::storage {

/// 1. A file of which the disk says that it did not get there is lost: removed and lacking again.
/// So are all of them when it only says that some file did not. The error is returned.
Result<void> sync_staged(IntakeState& state);

/// 3 and 6.
Result<void> sync_journal(const IntakeState& state);

/// For 5: the folder `folder` with all below it, entries up to `end`, was moved to `to`.
Result<void> note_moved(IntakeState& state, const PlacedEntry& folder, std::uint64_t end,
                        const std::string& to);

}  // namespace peer::storage
