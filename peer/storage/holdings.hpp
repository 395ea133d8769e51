#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "protocol/ranges.hpp"

namespace peer::storage {

/// Where every chosen byte of a transfer stands: lacking, taken by somebody, written and being
/// settled, here, or claimed by an earlier start of the machine and not re-hashed yet. Thread-safe,
/// quick.
class Holdings {
 public:
  struct Start {
    protocol::RangeSet missing;
    protocol::RangeSet have;
    protocol::RangeSet suspect;
  };
  void begin(Start start);

  std::optional<protocol::Range> take(std::uint64_t max_length);
  std::optional<protocol::Range> take_within(protocol::Range hole);
  void give_back(protocol::Range range);

  /// The parts of `range` that may be written now: taken or lacking; they are in flight after this.
  protocol::RangeSet begin_store(protocol::Range range);
  /// These parts are written. Tells which of `files` are whole by this; each file is told once. To
  /// be followed by settled() or given back.
  std::vector<bool> written(const protocol::RangeSet& parts,
                            const std::vector<protocol::Range>& files);
  /// They are noted in the journal: here, less what was dropped meanwhile.
  void settled(const protocol::RangeSet& parts);

  /// The parts of `range` that wait to be re-hashed.
  protocol::RangeSet suspected(protocol::Range range) const;
  /// As written(), for parts found good by re-hashing.
  std::vector<bool> rehashed(const protocol::RangeSet& parts,
                             const std::vector<protocol::Range>& files);
  void settled_rehashed(const protocol::RangeSet& parts);
  /// What was here is to be re-hashed. False, and nothing changes, unless all of it was here.
  bool suspect(protocol::Range range);
  void end_of_suspects();  ///< what is left of them is lacking

  /// Nothing of it is lacking or here any more.
  void drop(protocol::Range range);
  /// What of it was here, or was to be re-hashed, is lacking again. Nobody stores any of it
  /// meanwhile. True if all of it was here.
  bool lose(protocol::Range range);
  bool knows(protocol::Range range) const;  ///< whether any of it is lacking, on its way or here

  bool has(protocol::Range range) const;
  /// The parts of `range` that are here since an earlier run.
  protocol::RangeSet resumed(protocol::Range range) const;
  bool all_here() const;
  std::uint64_t have_bytes() const;
  std::uint64_t resumed_bytes() const;

 private:
  /// Moves what of `parts` lies in `from` to what is here; which. With the mutex held.
  protocol::RangeSet settle(const protocol::RangeSet& parts, protocol::RangeSet& from);
  std::vector<bool> whole(const std::vector<protocol::Range>& files) const;

  mutable std::mutex mutex_;
  protocol::RangeSet missing_;
  protocol::RangeSet in_flight_;
  protocol::RangeSet settling_;  ///< part of in_flight_ or suspect_: written, not journaled yet
  protocol::RangeSet have_;
  protocol::RangeSet suspect_;
  protocol::RangeSet resumed_;  ///< part of have_: an earlier run stored it
};

}  // namespace peer::storage
