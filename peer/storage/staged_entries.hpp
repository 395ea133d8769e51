#pragma once

#include "storage/chooser.hpp"
#include "storage/intake_state.hpp"

namespace peer::storage {

/// Calls `visit(entry)` with all that may be in staging for this delivery, in order, until it
/// returns false; an error it returns ends the walk. Not with what lies in a root that has been
/// moved to its final name already.
template <class Visit>
Result<void> each_staged(const IntakeState& state, Visit visit) {
  const auto cursor = state.catalogue->cursor();
  Chooser chooser(state.plan.selection);
  bool moved = false;
  for (PlacedEntry entry;;) {
    auto more = cursor->next(entry);
    if (!more) return std::move(more).error();
    if (!*more) return {};
    if (entry.entry.path.find('/') == std::string::npos) {
      auto is_moved = state.moved_already(entry);
      if (!is_moved) return std::move(is_moved).error();
      moved = *is_moved;
    }
    const bool chosen = chooser.chooses(entry) && !state.marks.settled(entry.index);
    // A folder that was not chosen may hold what was.
    if (moved || (entry.entry.kind != protocol::Kind::folder && !chosen)) continue;
    Result<bool> go_on = visit(entry);
    if (!go_on) return std::move(go_on).error();
    if (!*go_on) return {};
  }
}

}  // namespace peer::storage
