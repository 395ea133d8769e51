#pragma once

#include "protocol/result.hpp"
#include "storage/intake.hpp"
#include "storage/intake_state.hpp"

namespace peer::storage {

/// Gives everything that is whole its final name, notes that in the journal and removes the staging
/// folder. May be called again after an error or a crash and then goes on. Without `bare_folders`,
/// folders that nothing lies in are left out. One thread, nothing stores meanwhile.
Result<Intake::Delivered> deliver_all(IntakeState& state, bool bare_folders);

}  // namespace peer::storage
