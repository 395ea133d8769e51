#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "storage/catalogue.hpp"
#include "storage/selection.hpp"

namespace peer::storage {

/// Judges entries by a whole selection, globs and picked numbers, while they are walked in order
/// from a root's first entry on. Memory is one path. `selection` outlives it.
class Chooser {
 public:
  /// `first` is the number of the first entry that will be judged: 0, or a root's.
  explicit Chooser(const Selection& selection, std::uint64_t first = 0);
  bool chooses(const PlacedEntry& entry);

 private:
  bool picked(const PlacedEntry& entry);

  const Selection& selection_;
  std::size_t next_ = 0;  ///< in selection_.entries
  std::string folder_;    ///< a picked folder, until its entries have passed
};

}  // namespace peer::storage
