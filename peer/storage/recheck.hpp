#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "protocol/result.hpp"
#include "storage/intake_state.hpp"
#include "storage/staged_tree.hpp"

namespace peer::storage {

/// Re-hashes what the journal claims from before this start of the machine, or of files that
/// somebody touched. Runs beside the writers; any thread, one at a time.
class Recheck {
 public:
  explicit Recheck(IntakeState& state) : s_(state) {}
  /// One range of the journal. False when none is left: what was not found good is lacking again.
  bool step();
  /// There is more to re-hash: step() begins again.
  void begin_again();

 private:
  bool is_good(const JournalRecord& record);
  bool is_hole(const JournalRecord& record);
  Result<void> complete(const PlacedEntry& file);
  Result<void> keep(const JournalRecord& record, const protocol::RangeSet& parts);
  bool read(const PlacedEntry& file, std::uint64_t at, std::span<std::byte> out);

  IntakeState& s_;
  std::mutex mutex_;
  std::optional<Journal::Reader> reader_;
  std::optional<StagedTree> tree_;
  std::unique_ptr<Catalogue::Cursor> cursor_;
  std::vector<std::byte> buffer_;
  bool over_ = false;
};

}  // namespace peer::storage
