#include "storage/chooser.hpp"

#include <algorithm>

#include "storage/final_name.hpp"

namespace peer::storage {

Chooser::Chooser(const Selection& selection, std::uint64_t first) : selection_(selection) {
  const auto& picks = selection.entries;
  next_ =
      static_cast<std::size_t>(std::lower_bound(picks.begin(), picks.end(), first) - picks.begin());
}

bool Chooser::chooses(const PlacedEntry& entry) {
  if (selection_.all()) return true;
  return picked(entry) && selection_.chooses(entry.entry.path);
}

bool Chooser::picked(const PlacedEntry& entry) {
  const auto& picks = selection_.entries;
  if (picks.empty()) return true;
  while (next_ < picks.size() && picks[next_] < entry.index) ++next_;
  const bool named = next_ < picks.size() && picks[next_] == entry.index;
  if (!folder_.empty()) {
    if (lies_below(entry.entry.path, folder_)) return true;
    folder_.clear();
  }
  if (named && entry.entry.kind == protocol::Kind::folder) folder_ = entry.entry.path;
  return named;
}

}  // namespace peer::storage
