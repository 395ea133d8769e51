#pragma once

#include "protocol/result.hpp"
#include "storage/intake_state.hpp"

namespace peer::storage {

/// Reads what earlier runs and rounds left (the journal, the staging folder) and works out what is
/// lacking now: fills in everything of `state` behind `catalogue` and `record`. Blocking: looks at
/// every file that the journal claims, and under skip, update and overwrite at every entry of a
/// root that exists.
Result<void> survey(IntakeState& state);

}  // namespace peer::storage
