#pragma once

#include <cstdint>

#include "protocol/ranges.hpp"
#include "storage/journal.hpp"

namespace peer::storage {

/// What the journal claims to be in staging.
struct Claims {
  protocol::RangeSet now;    ///< written since this start of the machine
  protocol::RangeSet old;    ///< before it, or suspect: to be re-hashed
  protocol::RangeSet zeros;  ///< of both, holes: nothing was written

  /// A record of `stored`, `zeros`, `dropped`, `suspect` or `fresh`, in the journal's order. What
  /// does not lie in a stream of `bytes` claims nothing.
  void take(const JournalRecord& record, std::uint64_t boot, std::uint64_t bytes);
  void suspect(protocol::Range range);
};

}  // namespace peer::storage
