#include "party.hpp"

#include <algorithm>

namespace peer::sim {

namespace {
constexpr std::uint64_t kMostChecked = 25;
}

// ---- the rows

std::int64_t Party::wall_at(Time now) const {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch() + wall).count();
}

void Party::once(const OfferId& id, char what, std::uint64_t round) {
  if (!once_.emplace(id, what, round).second)
    trouble += std::string("twice: ") + what + std::to_string(round) + " of #" +
               std::to_string(number_of(id)) + "; ";
}

/// Copies what the ledger holds into the row and saves it.
void Party::note(const OfferId& id) {
  Row& row = records.at(id).row;
  row.accept.reset();
  row.done.reset();
  row.reject.reset();
  row.cancel.reset();
  if (const auto* given = ledger.find_given(id)) {
    row.ledger_state = static_cast<std::uint8_t>(given->state);
    row.round = given->round;
    row.done_round = given->done_round;
    const bool cancelling = given->state == GivenOffer::State::cancelling;
    if (cancelling)
      row.cancel = given->cancel;
    else
      row.accept = given->accept;
  }
  if (const auto* taken = ledger.find_taken(id)) {
    using State = TakenOffer::State;
    row.ledger_state = static_cast<std::uint8_t>(taken->state);
    row.round = taken->round;
    row.done = taken->done;
    if (taken->state == State::accepted) row.accept = taken->accept;
    if (taken->state == State::rejecting) row.reject = taken->reject;
    if (taken->state == State::cancelling) row.cancel = taken->cancel;
  }
  disk.save(id, row);
}

/// The last stage of an offer that the ledger has ended.
void Party::end(const OfferId& id, Stage stage) {
  const auto it = records.find(id);
  const auto plan = plans.find(id);
  if (it == records.end() && plan != plans.end() && plan->second == Plan::turn_away) return;
  if (it == records.end() || !ledger.find_ended(id)) {
    trouble += "#" + std::to_string(number_of(id)) + " ended and was not open; ";
    return;
  }
  it->second.row.stage = stage;
  it->second.row.ended = true;
  disk.save(id, it->second.row);
  records.erase(it);
  drop_folder(id);
}

/// With its journal goes the memory of what was delivered.
void Party::drop_folder(const OfferId& id) {
  disk.folders.erase(id);
  std::erase_if(deliveries_, [&](const auto& one) { return one.first.first == id; });
}

void Party::give(std::uint64_t number, Time now, std::chrono::seconds keep,
                 std::optional<RequestId> get) {
  GivenOffer given;
  given.offer.id = offer_id(number);
  given.offer.files = kFiles.size();
  given.offer.bytes = kStreamBytes;
  given.offer.manifest_bytes = kManifestBytes;
  std::copy(given.offer.id.bytes.begin(), given.offer.id.bytes.end(),
            given.offer.manifest.bytes.begin());
  given.offer.get = get;
  given.expires_at = now + keep;
  const OfferId id = given.offer.id;
  Record record;
  record.row.offer = given.offer;
  record.row.stage = Stage::pending;
  record.row.expires = wall_at(now) + keep.count();
  records.emplace(id, std::move(record));
  disk.folders[id];
  ledger.give(std::move(given));
  note(id);
}

bool Party::cancel(const OfferId& id, const char* reason) {
  const auto it = records.find(id);
  if (it == records.end() || !ledger.cancel(Cancel{id, reason, ""})) return false;
  Record& record = it->second;
  record.row.stage = *reason == 'e' ? Stage::expired : Stage::cancelled;
  if (record.row.direction == Direction::taken && record.taking) {
    record.taking = false;
    drop_folder(id);
    disk.folders[id];  // all but its staging
    may_come_again[id] += kStreamBytes;
  }
  note(id);
  return true;
}

bool Party::look_after(Time now) {
  bool some = false;
  std::vector<OfferId> ids;
  for (const auto& [id, record] : records) ids.push_back(id);
  for (const OfferId& id : ids) {
    Record& record = records.at(id);
    const auto* given = ledger.find_given(id);
    if (given && given->state == GivenOffer::State::open && given->expires_at <= now) {
      some = cancel(id, "expired") || some;
      continue;
    }
    const bool last_word = record.row.stage >= Stage::done;
    if (last_word && record.row.expires + kEndedIdsKept.count() <= wall_at(now)) {
      const Stage stage = record.row.stage;
      own_words.insert(id);
      ledger.end(id, Outcome::expired);
      end(id, stage);
      continue;
    }
    const auto* taken = ledger.find_taken(id);
    if (taken && taken->state == TakenOffer::State::open &&
        (taken->expires_at <= now || record.row.expires <= wall_at(now))) {
      ledger.end(id, Outcome::expired);
      end(id, Stage::expired);
      some = true;
    }
  }
  return some;
}

bool Party::has_business() const {
  if (!ledger.given().empty() || !ledger.gets().empty()) return true;
  return std::ranges::any_of(ledger.taken(), [&](const auto& entry) {
    if (entry.second.state != TakenOffer::State::open) return true;
    const auto it = records.find(entry.first);
    return it != records.end() && !it->second.row.manifest_here;
  });
}

// ---- deciding

bool Party::decide() {
  bool some = false;
  std::vector<OfferId> ids;
  for (const auto& [id, offer] : ledger.taken()) ids.push_back(id);
  for (const OfferId& id : ids) {
    const auto it = records.find(id);
    if (it != records.end()) some = decide(id, it->second) || some;
  }
  return some;
}

void Party::accept(const OfferId& id, Record& record, RangeSet chosen) {
  Accept message;
  message.id = id;
  message.manifest = record.row.offer.manifest;
  message.bytes = chosen.length();
  if (!ledger.accept(message)) trouble += "cannot accept; ";
  if (record.row.offer.get) ledger.answered(*record.row.offer.get);
  record.row.chosen = std::move(chosen);
  record.row.stage = Stage::active;
  note(id);
  start_taking(id, record);
}

bool Party::decide(const OfferId& id, Record& record) {
  const TakenOffer& offer = *ledger.find_taken(id);
  const Plan plan = record.row.offer.get ? Plan::all : plans[id];
  const bool halves = takes_half_first(plan);
  const RangeSet half(Range{0, kHalfBytes});
  const RangeSet whole(Range{0, kStreamBytes});
  using State = TakenOffer::State;
  const bool part_done = halves && offer.round == 1;
  switch (offer.state) {
    case State::open:
      if (offer.round == 0) {
        // Its list may have been lost with a crash.
        if (!record.row.manifest_here || plan == Plan::ignore || !disk.folders.contains(id))
          return false;
        if (plan == Plan::cancel) return cancel(id, "cancelled");
        if (plan == Plan::reject) {
          (void)ledger.reject(Reject{id, "declined", ""});
          record.row.stage = Stage::rejected;
          note(id);
          record.row.manifest_here = false;
          drop_folder(id);
        } else {
          accept(id, record, halves ? half : whole);
        }
        return true;
      }
      if (!part_done || plan == Plan::half_only || !disk.folders.contains(id)) return false;
      if (plan == Plan::half_then_cancel) return cancel(id, "cancelled");
      accept(id, record, whole);
      return true;
    case State::accepted:
      return carry_out(id, record, offer);
    case State::finishing:
      if (plan != Plan::half_rest_early || !part_done || offer.done->complete) return false;
      accept(id, record, whole);
      return true;
    default:
      return false;
  }
}

bool Party::carry_out(const OfferId& id, Record& record, const TakenOffer& offer) {
  const Plan plan = record.row.offer.get ? Plan::all : plans[id];
  if (!record.taking || plan == Plan::never_want) return false;
  Folder& folder = disk.folders.at(id);
  const bool half_chosen = record.row.chosen.length() == kHalfBytes;
  if (plan == Plan::accept_then_cancel && folder.have.contains(Range{0, kHalfBytes}))
    return cancel(id, "cancelled");
  if (plan == Plan::widen && half_chosen && !folder.have.empty()) {
    accept(id, record, RangeSet(Range{0, kStreamBytes}));
    return true;
  }
  if (!all_here(id, record)) return false;
  if (folder.delivered.insert(offer.round).second && ++deliveries_[{id, offer.round}] > 1)
    trouble += "#" + std::to_string(number_of(id)) + " delivered twice; ";
  Done done;
  done.id = id;
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    if (!record.row.chosen.contains(kFiles[i])) continue;
    if (folder.gone.contains(i)) {
      ++done.failed;
      done.failures.push_back({i, "changed"});
    } else {
      ++done.files;
      done.bytes += kFiles[i].length();
      if (!folder.have.contains(kFiles[i])) trouble += "done without the bytes; ";
    }
  }
  done.complete = !half_chosen || record.row.offer.get;
  if (!ledger.finish(done)) trouble += "cannot finish; ";
  record.row.stage = done.complete ? Stage::done : Stage::partial;
  record.taking = false;
  note(id);
  return true;
}

/// Chosen, less what is here and what will never come; what is wanted stays wanted.
void Party::start_taking(const OfferId& id, Record& record) {
  const auto it = disk.folders.find(id);
  if (it == disk.folders.end()) return;  // it cannot be opened
  const bool goes_on = std::exchange(record.taking, true);
  RangeSet lacking = record.row.chosen;
  if (goes_on) {
    // Another choice amid the first: what the half lacks is asked for or in `unasked`.
    lacking.remove(Range{0, kHalfBytes});
  }
  lacking.remove(it->second.have);
  for (const auto file : it->second.gone) lacking.remove(kFiles[file]);
  record.unasked.add(lacking);
}

bool Party::all_here(const OfferId& id, const Record& record) const {
  const Folder& folder = disk.folders.at(id);
  RangeSet lacking = record.row.chosen;
  lacking.remove(folder.have);
  for (const auto file : folder.gone) lacking.remove(kFiles[file]);
  return lacking.empty() && record.checking.empty();
}

// ---- starting anew

void Party::restore(const OfferId& id, const Row& row, Time now) {
  if (row.ended) {
    ledger.restore_ended(id, {row.direction, outcome_of(row.stage)});
    return;
  }
  const auto expires_at =
      now + std::chrono::seconds(std::max<std::int64_t>(row.expires - wall_at(now), 0));
  Record& record = records[id];
  record.row = row;
  if (row.direction == Direction::given) {
    GivenOffer given;
    given.offer = row.offer;
    given.expires_at = expires_at;
    given.state = static_cast<GivenOffer::State>(row.ledger_state);
    given.round = row.round;
    given.done_round = row.done_round;
    given.accept = row.accept;
    given.cancel = row.cancel;
    ledger.restore(std::move(given));
    return;
  }
  TakenOffer taken;
  taken.offer = row.offer;
  taken.expires_at = expires_at;
  taken.state = static_cast<TakenOffer::State>(row.ledger_state);
  taken.round = row.round;
  taken.accept = row.accept;
  taken.done = row.done;
  taken.reject = row.reject;
  taken.cancel = row.cancel;
  if (taken.state == TakenOffer::State::accepted) start_taking(id, record);
  if (taken.state == TakenOffer::State::open && !row.manifest_here) disk.folders[id];
  ledger.restore(std::move(taken));
}

void Party::restart(bool power, bool ask_again, Time now) {
  for (const OfferId& id : disk.crash()) {
    lost.insert(id);
    if (!disk.rows.contains(id)) {
      lost_whole.insert(id);
      may_come_again[id] += kStreamBytes;
    }
    std::erase_if(once_, [&](const Once& one) { return std::get<0>(one) == id; });
  }
  if (power) {
    for (auto& [id, folder] : disk.folders) {
      const Folder left = disk.synced.contains(id) ? disk.synced.at(id) : Folder();
      may_come_again[id] += kStreamBytes;
      for (const auto round : folder.delivered)
        if (!left.delivered.contains(round)) deliveries_.erase({id, round});
      folder = left;
    }
  }
  ledger = Ledger();
  records.clear();
  gets_asked.clear();
  gets_answered.clear();
  turned_away.clear();
  dials = 0;
  current = 0;
  for (const auto& [id, row] : disk.rows) restore(id, row, now);
  if (!ask_again) return;
  for (auto& [id, record] : records) {
    if (!record.taking) continue;
    Folder& folder = disk.folders.at(id);
    if (const auto claimed = folder.have.take_front(kMostChecked, 1)) record.checking.add(*claimed);
  }
}

}  // namespace peer::sim
