#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "protocol/result.hpp"
#include "storage/intake_state.hpp"

namespace peer::storage {

/// Tells which files in staging somebody changed between two runs of the program, by the ctime that
/// survey() has of each anyway: nobody can set it, and every change of bytes, size or mode does.
///
/// The journal is written after the files, so its own mtime, as the last run left it, is behind
/// the ctime of every file that nobody touched; Journal::mark_time() makes it so at an orderly end
/// even for files changed within the last tick of the clock. A file changed then or later is
/// suspect. After a kill that takes in files that were being written just then: they are re-hashed
/// for nothing, and a file completed without its record being written is simply lacking.
///
/// Both times come from one clock: where the journal lies on another file system than staging, an
/// empty file beside the staged tree has its times set with every record and stands for it. A clock
/// that was set back since the last run would hide changes, so then all is suspect; how far it is
/// ahead of the time since the machine started tells. It cannot be told when it was set ahead and
/// back by the same amount, nor from a clock of another machine that ran ahead and back.
///
/// What is found lost or suspect is noted in the journal, between `opened`, the first record that a
/// run appends, and `surveyed`: if the program ends before that, the next run goes by the times
/// that `opened` has preserved. Bits that the disk itself loses leave no trace here; they are what
/// file systems with checksums are for.
class Touched {
 public:
  /// `opened` or `surveyed`, as the journal is read.
  void take(const JournalRecord& record, std::uint64_t boot);
  /// Staging and journal are open, nothing is appended yet but `fresh`. Appends `opened`.
  Result<void> begin(IntakeState& state);
  /// The clock tells nothing: every claim is to be re-hashed.
  bool anything_may_be() const { return unknown_; }
  bool since_last_run(const struct stat& staged) const;

 private:
  bool interrupted_ = false;     ///< the last run that opened this did not finish its survey
  std::int64_t last_known_ = 0;  ///< files with this ctime or a later one were touched
  std::int64_t clock_ahead_ = 0;
  bool clock_known_ = false;
  bool unknown_ = false;
};

}  // namespace peer::storage
