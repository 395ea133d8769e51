#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "protocol/result.hpp"
#include "storage/intake.hpp"
#include "storage/intake_state.hpp"
#include "storage/recheck.hpp"

namespace peer::storage {

/// What the giver is to confirm of files that an earlier run stored in part, by the digests that
/// came with it. Any thread, one at a time; beside the writers.
class Confirm {
 public:
  Confirm(IntakeState& state, Recheck& recheck) : s_(state), recheck_(recheck) {}
  /// To be called once, when the journal holds what earlier runs wrote and no block of this one.
  void begin() { reader_.emplace(*s_.journal); }

  std::optional<Intake::Claim> next();
  Result<void> differs(protocol::Range range);

 private:
  Result<bool> concerns_us(protocol::Range range);

  IntakeState& s_;
  Recheck& recheck_;
  std::mutex mutex_;
  std::optional<Journal::Reader> reader_;  ///< of what was there at begin()
  std::unique_ptr<Catalogue::Cursor> cursor_;
  protocol::RangeSet asked_;
  bool over_ = false;
};

}  // namespace peer::storage
