#include <algorithm>
#include <utility>

#include "party.hpp"
#include "protocol/errors.hpp"

/// What a simulated program makes of what its sessions tell.
namespace peer::sim {

namespace {

constexpr std::chrono::seconds kGiverPause{5};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Stage stage_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
      return Stage::done;
    case Outcome::rejected:
      return Stage::rejected;
    case Outcome::cancelled:
      return Stage::cancelled;
    case Outcome::expired:
      return Stage::expired;
    default:
      return Stage::failed;
  }
}

}  // namespace

void Party::happened(const Event& event, Conversation& talk, Time now) {
  std::visit(Overloaded{[&](const Offered& e) { noted(e, now); },
                        [&](const Accepted& e) {
                          if (e.repeated || !records.contains(e.accept.id)) return;
                          once(e.accept.id, 'a', e.accept.round);
                          records.at(e.accept.id).row.stage = Stage::active;
                          note(e.accept.id);
                        },
                        [&](const Finished& e) { finished(e); },
                        [&](const Rejected& e) { end(e.reject.id, Stage::rejected); },
                        [&](const Cancelled& e) {
                          end(e.cancel.id,
                              e.cancel.reason == "expired" ? Stage::expired : Stage::cancelled);
                        },
                        [&](const Settled& e) { settled(e); },
                        [&](const RoundClosed& e) {
                          if (records.contains(e.id)) note(e.id);
                        },
                        [&](const EntryGone& e) { entry_gone(e.gone); },
                        [&](const CheckAnswered& e) {
                          const auto it = records.find(e.id);
                          if (it == records.end() || !it->second.check_asked.contains(e.range))
                            return;
                          it->second.check_asked.remove(e.range);
                          it->second.checking.remove(e.range);
                          if (e.same) {
                            disk.folders.at(e.id).have.add(e.range);
                          } else {
                            it->second.unasked.add(e.range);
                            may_come_again[e.id] += e.range.length();
                          }
                        },
                        [&](const ListAsked& e) {
                          Listing empty;
                          empty.request = e.list.request;
                          talk.listing(empty);
                        },
                        [&](const GetAsked& e) { gets_asked.insert(e.get.request); },
                        [&](const Troubled& e) { troubled(e, now); },
                        [&](const Over& e) {
                          const auto& code = e.error.code;
                          const bool expected = code == std::errc::connection_reset ||
                                                code == Errc::replaced || code == Errc::timed_out ||
                                                code == Errc::leaving;
                          if (!expected) trouble += "over: " + e.error.text() + "; ";
                        },
                        [](const auto&) {}},
             event);
}

void Party::noted(const Offered& event, Time now) {
  const OfferId& id = event.offer.id;
  if (event.repeated) return;
  if (plans[id] == Plan::turn_away && !event.offer.get) {
    if (ledger.reject(Reject{id, "not_accepted", ""})) turned_away.push_back(id);
    return;
  }
  once(id, 'o', 0);
  Record record;
  record.row.direction = Direction::taken;
  record.row.offer = event.offer;
  record.row.expires = wall_at(now) + static_cast<std::int64_t>(event.offer.expires);
  disk.save(id, record.row);
  records.insert_or_assign(id, std::move(record));
  if (disk.folders.contains(id)) {
    may_come_again[id] += kStreamBytes;
    drop_folder(id);
  }
  disk.folders[id];
}

void Party::finished(const Finished& event) {
  const Done& done = event.done;
  if (event.repeated || !records.contains(done.id)) return;
  once(done.id, 'f', done.round);
  if (done.complete) return end(done.id, Stage::done);
  const auto* given = ledger.find_given(done.id);
  if (given && given->round > done.round) return;  // the next round has begun
  Row& row = records.at(done.id).row;
  if (row.stage < Stage::done) row.stage = Stage::partial;
  note(done.id);
}

/// What this user was told already stays: a delivered offer is not un-delivered by a late word.
void Party::settled(const Settled& event) {
  const auto it = records.find(event.id);
  if (it == records.end()) return;
  const Stage stage = it->second.row.stage;
  const bool known = stage == Stage::done || stage == Stage::rejected ||
                     stage == Stage::cancelled || stage == Stage::failed;
  const bool stays = (known && event.outcome != Outcome::done) || stage == Stage::failed;
  if (stays && stage != stage_of(event.outcome)) own_words.insert(event.id);
  end(event.id, stays ? stage : stage_of(event.outcome));
}

void Party::troubled(const Troubled& event, Time now) {
  const Trouble& what = event.trouble;
  if (what.fatal) return;
  for (const Want& want : event.dropped) give_back(want);
  if (what.id) {
    if (const auto it = records.find(*what.id); it != records.end()) {
      Record& record = it->second;
      void_checks(record);
      record.list_asked = record.listed;
      record.list_link = 0;
      if (record.row.direction == Direction::taken) record.not_before = now + kGiverPause;
    }
  }
  if (what.code == "paused" || what.code == "disk" || what.code == "no_space") return;
  if (what.request && (what.code == "not_shared" || what.code == "unknown_offer")) return;
  // Too many: ends of others that it has said were lost. It says the offer in a later session.
  if (what.code == "busy" && what.about == "offer") return;
  const bool late = what.code == "bad_state" && (what.about == "want" || what.about == "check");
  (late ? overtaken : trouble) += what.code + " " + what.about + " " + what.text + "; ";
}

void Party::entry_gone(const Gone& gone) {
  const auto it = records.find(gone.id);
  if (it == records.end() || !it->second.taking) return;
  const Range file = kFiles.at(static_cast<std::size_t>(gone.entry));
  if (gone.offset < file.begin || gone.offset + gone.length > file.end)
    trouble += "gone beyond its file; ";
  Folder& folder = disk.folders.at(gone.id);
  folder.gone.insert(gone.entry);
  folder.have.remove(file);
  it->second.unasked.remove(file);
  it->second.checking.remove(file);
  it->second.check_asked.remove(file);
}

// ---- bytes that come

void Party::give_back(const Want& want) {
  const auto it = records.find(want.id);
  if (it == records.end()) return;
  if (want.of == Of::manifest) {
    it->second.list_link = 0;
    return;
  }
  may_come_again[want.id] += want.length;
  if (!it->second.taking) return;
  RangeSet lacking(Range{want.offset, want.offset + want.length});
  const Folder& folder = disk.folders.at(want.id);
  lacking.remove(folder.have);
  for (const auto file : folder.gone) lacking.remove(kFiles[file]);
  it->second.unasked.add(lacking);
}

void Party::void_checks(Record& record) {
  may_come_again[record.row.offer.id] += record.check_asked.length();
  record.unasked.add(record.check_asked);
  record.checking.remove(record.check_asked);
  record.check_asked = {};
}

void Party::session_ended(const std::vector<Want>& unanswered) {
  for (const Want& want : unanswered) give_back(want);
  for (auto& [id, record] : records) void_checks(record);
}

void Party::arrived(const Data& data, const std::string& bytes, Conversation& talk,
                    bool is_current) {
  const Range range{data.offset, data.offset + data.length};
  if (!data.zeros() && bytes != content(data.id, data.of, range)) trouble += "other bytes came; ";
  const auto it = records.find(data.id);
  if (it == records.end()) return;
  Record& record = it->second;
  if (data.of == Of::manifest) {
    if (record.row.stage != Stage::preparing || data.offset != record.listed) return;
    record.listed += data.length;
    if (record.listed < kManifestBytes) return;
    record.row.manifest_here = true;
    record.row.stage = Stage::pending;
    disk.save(data.id, record.row);
    return;
  }
  if (!record.taking) return;
  Folder& folder = disk.folders.at(data.id);
  RangeSet fresh(range);
  for (const auto file : folder.gone) fresh.remove(kFiles[file]);
  folder.have.add(fresh);
  if (!data.zeros() || *data.until <= range.end || !is_current || talk.over()) return;
  const RangeSet rest = record.unasked.intersection(Range{range.end, *data.until});
  if (const auto hole = rest.first()) {
    const Want want{data.id, Of::stream, hole->begin, hole->length()};
    if (!talk.asked().room(want)) return;
    record.unasked.remove(*hole);
    talk.want(want);
  }
}

// ---- bytes that go

void Party::want(Conversation& talk, std::uint64_t link, Time now) {
  if (!talk.theirs() || talk.over()) return;
  for (auto& [id, record] : records) {
    if (record.row.direction == Direction::given || now < record.not_before) continue;
    if (!ledger.find_taken(id)) continue;
    if (record.row.stage == Stage::preparing)
      want_manifest(id, record, talk, link);
    else if (record.taking && !record.no_space &&
             (record.row.offer.get || plans[id] != Plan::never_want))
      want_stream(id, record, talk);
  }
}

void Party::want_manifest(const OfferId& id, Record& record, Conversation& talk,
                          std::uint64_t link) {
  if (std::exchange(record.list_link, link) != link) record.list_asked = record.listed;
  while (record.list_asked < kManifestBytes) {
    const auto length =
        std::min<std::uint64_t>(kPieceBytes / 2, kManifestBytes - record.list_asked);
    if (!talk.asked().room(length)) return;
    talk.want(Want{id, Of::manifest, record.list_asked, length});
    record.list_asked += length;
  }
}

void Party::want_stream(const OfferId& id, Record& record, Conversation& talk) {
  RangeSet unknown = record.checking;
  unknown.remove(record.check_asked);
  while (const auto piece = unknown.take_front(kPieceBytes, 1)) {
    if (!talk.room_for_check()) break;
    Check check;
    check.id = id;
    check.offset = piece->begin;
    check.length = piece->length();
    record.check_asked.add(*piece);
    talk.check(check);
  }
  while (talk.asked().room(kPieceBytes)) {
    const auto piece = record.unasked.take_front(kPieceBytes, 1);
    if (!piece) return;
    talk.want(Want{id, Of::stream, piece->begin, piece->length()});
  }
}

bool Party::serve(Conversation& talk, std::string& out) {
  const auto want = talk.over() ? std::nullopt : talk.served().next();
  if (!want) return false;
  if (paused.contains(want->id) || !disk.folders.contains(want->id)) {
    Trouble why;
    why.code = paused.contains(want->id) ? "paused" : "disk";
    why.id = want->id;
    talk.trouble(why);
    return true;
  }
  std::uint64_t stop = want->offset + want->length;
  Data data;
  data.id = want->id;
  data.of = want->of;
  data.offset = want->offset;
  if (want->of == Of::stream) {
    if (const auto it = changed.find(want->id); it != changed.end()) {
      const Range file = kFiles[it->second];
      if (file.begin <= want->offset && want->offset < file.end) {
        talk.gone(Gone{want->id, it->second, want->offset, std::min(stop, file.end) - want->offset,
                       "changed", ""});
        return true;
      }
      if (want->offset < file.begin) stop = std::min(stop, file.begin);
    }
    if (talk.both_have("zeros") && want->offset < kHole.end) {
      if (want->offset >= kHole.begin) {
        stop = std::min(stop, kHole.end);
        data.until = kHole.end;
      } else {
        stop = std::min(stop, kHole.begin);
      }
    }
  }
  data.length = stop - want->offset;
  if (!data.zeros()) {
    data.length = std::min({data.length, kSimBlockBytes, talk.theirs()->limits.block_bytes});
    data.digest.emplace();
    if (talk.both_have("xxh3")) data.digest->kind = Digest::Kind::xxh3;
    if (data.of == Of::stream) sent[data.id] += data.length;
  }
  out = talk.data_header(data);
  if (!data.zeros())
    out += content(data.id, data.of, Range{data.offset, data.offset + data.length});
  return true;
}

}  // namespace peer::sim
