#include "disk.hpp"

#include <algorithm>

namespace peer::sim {

const char* to_string(Stage stage) {
  constexpr const char* kNames[] = {"preparing", "pending",   "active",  "partial", "done",
                                    "rejected",  "cancelled", "expired", "failed"};
  return kNames[static_cast<std::size_t>(stage)];
}

Outcome outcome_of(Stage stage) {
  switch (stage) {
    case Stage::done:
      return Outcome::done;
    case Stage::rejected:
      return Outcome::rejected;
    case Stage::cancelled:
      return Outcome::cancelled;
    case Stage::expired:
      return Outcome::expired;
    default:
      return Outcome::failed;
  }
}

void Disk::write(std::size_t count) {
  for (; count > 0 && !late_.empty(); --count) {
    rows.insert_or_assign(late_.front().first, std::move(late_.front().second));
    late_.pop_front();
  }
}

std::set<OfferId> Disk::crash() {
  std::set<OfferId> lost;
  for (const auto& [id, row] : late_) lost.insert(id);
  late_.clear();
  return lost;
}

}  // namespace peer::sim
