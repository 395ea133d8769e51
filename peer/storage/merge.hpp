#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/ranges.hpp"
#include "protocol/result.hpp"
#include "storage/intake_state.hpp"

namespace peer::storage {

/// Entries that got their final names.
struct Tally {
  protocol::RangeSet entries;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  void add(const PlacedEntry& entry);
};

/// How one file or link gets its name in a folder where something may bear it already.
struct Placing {
  OnClash rule = OnClash::rename;
  bool own = false;  ///< in a root that this offer made: what is the same was placed before
};
enum class Placed : std::uint8_t { placed, stays };
/// Moves the staged file or link `from_name` by the rule; never through a link. What is in the way
/// and may not be replaced is an entry's error (EISDIR).
Result<Placed> place_file(const protocol::Entry& entry, const Folder& from,
                          std::string_view from_name, const Folder& to, std::string to_name,
                          const Placing& placing);

/// Moves the staged entries of the folder root `root` (they end before number `end`) one by one
/// into the existing folder `name` of the receiving folder, by the plan's rule. Folders that are
/// there keep their modes, and their mtimes where those are the offered ones. `tally` counts what
/// was placed, also when an error (the disk's) ends it before its time.
Result<void> merge(IntakeState& state, const PlacedEntry& root, std::uint64_t end,
                   const std::string& name, bool own, Tally& tally);

}  // namespace peer::storage
