#include "storage/survey.hpp"

#include <xxhash.h>

#include <cerrno>
#include <optional>
#include <string>

#include "protocol/path.hpp"
#include "storage/chooser.hpp"
#include "storage/claims.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/staged_tree.hpp"
#include "storage/touched.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;
using protocol::Range;
using protocol::RangeSet;

std::uint64_t hash_of(const LandingPlan& plan) {
  std::string text;
  const auto put = [&](std::string_view part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  };
  for (const auto& glob : plan.selection.only) put(glob);
  put("/");
  for (const auto& glob : plan.selection.except) put(glob);
  put("/");
  for (const auto entry : plan.selection.entries) put(std::to_string(entry));
  put("/");
  put(plan.as);
  put(to_string(plan.on_clash));
  return XXH3_64bits(text.data(), text.size());
}

/// What the look of a staged file says of the claims to it.
enum class Staged : std::uint8_t { good, suspect, lost };

class Survey {
 public:
  explicit Survey(IntakeState& state) : s_(state) {}

  Result<void> run() {
    auto read = read_journal();
    if (!read) return read;
    if (s_.ended || !begun_) {  // what an earlier round, or this one, left when it had ended
      auto left = Staging::leave(s_.record);
      if (!left) return std::move(left).error();
    }
    if (s_.ended) return {};
    auto staging = Staging::open(s_.record, s_.id, s_.plan.folder, *s_.journal);
    if (!staging) return std::move(staging).error();
    s_.staging = std::move(*staging);
    // A new staging folder has voided all claims.
    if (s_.staging->is_new()) claims_ = Claims();
    tree_.emplace(*s_.staging);
    destination_.emplace(s_.staging->destination());
    auto begun = touched_.begin(s_);
    if (!begun) return begun;
    if (touched_.anything_may_be()) {
      auto suspected = suspect({0, s_.catalogue->bytes()});
      if (!suspected) return suspected;
    }
    auto noted = note_plan();
    if (!noted) return noted;
    auto walked = walk();
    if (!walked) return walked;
    s_.holdings.begin(std::move(start_));
    s_.zeros = std::move(claims_.zeros);
    return s_.journal->append(JournalRecord::of(JournalRecord::Type::surveyed, 0, 0));
  }

 private:
  Result<void> read_journal() {
    auto journal = Journal::open(s_.record);
    if (!journal) return std::move(journal).error();
    s_.journal = std::move(*journal);
    Journal::Reader reader(*s_.journal);
    for (JournalRecord record;;) {
      auto more = reader.next(record);
      if (!more) return std::move(more).error();
      // What took back a claim may be lost: re-hash all.
      if (reader.passed_damage()) claims_.suspect({0, s_.catalogue->bytes()});
      if (!*more) return {};
      take(record);
    }
  }

  bool entries_exist(std::uint64_t first, std::uint64_t count) const {
    const auto all = s_.catalogue->entries();
    return first < all && count > 0 && count <= all - first;
  }

  void take(const JournalRecord& r) {
    using Type = JournalRecord::Type;
    const bool this_round = r.b == s_.round;
    switch (r.type) {
      case Type::stored:
      case Type::zeros:
      case Type::dropped:
      case Type::suspect:
      case Type::fresh:
        claims_.take(r, s_.journal->boot(), s_.catalogue->bytes());
        break;
      case Type::opened:
      case Type::surveyed:
        touched_.take(r, s_.journal->boot());
        break;
      case Type::plan:
        if (r.a == s_.round) {
          begun_ = true;
          s_.sweep = s_.sweep || r.b != hash_of(s_.plan);
          plan_noted_ = r.b == hash_of(s_.plan);
        }
        break;
      case Type::gone:
        if (entries_exist(r.a, 1)) s_.marks.load_gone(r.a, r.text(), this_round);
        break;
      case Type::failed:
        if (entries_exist(r.a, r.aux)) s_.marks.load_failed(r.a, r.aux, r.text(), this_round);
        break;
      case Type::root:
      case Type::merging:
        if (entries_exist(r.a, 1))
          s_.roots.set({r.a, r.b, r.number(0), r.boot, static_cast<std::uint32_t>(r.number(1)),
                        r.aux, r.type == Type::merging});
        break;
      case Type::delivered:
        if (r.a < r.b && r.b <= s_.catalogue->entries()) s_.marks.load_delivered(r.a, r.b);
        break;
      case Type::round_done:
        if (r.a == s_.round) s_.ended = RoundEnd{r.b, r.number(0), r.number(1) != 0};
        break;
    }
  }

  Result<void> suspect(Range range) {
    claims_.suspect(range);
    return s_.note_suspect(range);
  }

  Result<void> note_plan() {
    if (plan_noted_) return {};
    return s_.journal->append(
        JournalRecord::of(JournalRecord::Type::plan, s_.round, hash_of(s_.plan)));
  }

  Result<void> walk() {
    const auto cursor = s_.catalogue->cursor();
    Chooser chooser(s_.plan.selection);
    for (PlacedEntry entry;;) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (!*more) return {};
      if (entry.entry.path.find('/') == std::string::npos) {
        auto begun = begin_root(entry);
        if (!begun) return begun;
      }
      if (!chooser.chooses(entry) || s_.marks.settled(entry.index)) continue;
      auto judged = judge(entry);
      if (!judged) return judged;
    }
  }

  Result<void> begin_root(const PlacedEntry& root) {
    const RootMark* mark = s_.roots.find(root.index);
    auto known = Result<bool>(false);
    if (mark) known = s_.still_there(root, *mark);
    if (!known) return std::move(known).error();
    auto moved = s_.moved_already(root);
    if (!moved) return std::move(moved).error();
    moved_ = *moved;
    merging_ = *known && mark->merging && mark->round == static_cast<std::uint32_t>(s_.round);
    name_ = s_.final_name(root, *known ? mark->number : 0);
    root_bytes_ = root.entry.path.size();
    auto there = Result<bool>(false);
    if (s_.plan.on_clash != OnClash::rename && !moved_)
      there = s_.staging->destination().has(name_);
    if (!there) return std::move(there).error();
    clashes_ = *there;
    if (!moved_ || mark->boot == s_.journal->boot()) return {};
    // It got its name just before the machine stopped; its bytes are to be re-hashed where claims
    // are.
    // Where it cannot be moved back it stays.
    moved_ = !s_.staging->destination().rename_new(name_, s_.staging->tree(), root.entry.path);
    return {};
  }

  std::string final_path(const PlacedEntry& entry) const {
    return name_ + entry.entry.path.substr(root_bytes_);
  }

  Result<void> judge(const PlacedEntry& entry) {
    if (clashes_ && !merging_) {
      auto stays = judge_clash(entry);
      if (!stays) return std::move(stays).error();
      if (*stays) return {};
    }
    if (entry.entry.kind != Kind::file) return {};
    ++s_.chosen_files;
    s_.chosen_bytes += entry.entry.size;
    if (entry.entry.size == 0) {
      ++s_.have_files;
      return {};
    }
    return place_claims(entry);
  }

  /// True if nothing is to be fetched for it: by the rule what is there stays, or nothing can be
  /// put there.
  Result<bool> judge_clash(const PlacedEntry& entry) {
    if (name_.starts_with(kStagingPrefix))
      return mark_failed(entry, "its name is kept for transfers under way");
    const std::string path = final_path(entry);
    auto parent = destination_->at(protocol::parent_of(path));
    if (!parent) return not_there(entry, std::move(parent).error());
    const auto name = last_part(path);
    auto st = (*parent)->stat(name);
    if (!st) return not_there(entry, std::move(st).error());
    const bool folder = entry.entry.kind == Kind::folder;
    if (folder != S_ISDIR(st->st_mode))
      return mark_failed(
          entry, folder ? "a file of that name is there" : "a folder of that name is there");
    if (folder || s_.plan.on_clash == OnClash::overwrite) return false;
    if (s_.plan.on_clash == OnClash::update) {
      auto same = is_same(entry.entry, **parent, name, *st);
      if (!same || !*same) return same;
    }
    s_.marks.there(entry.index);
    return true;
  }

  Result<bool> not_there(const PlacedEntry& entry, Error error) {
    if (is_errno(error.code, ENOENT)) return false;
    if (!is_entry_error(error.code)) return error;
    const bool file = is_errno(error.code, ENOTDIR) || is_errno(error.code, ELOOP);
    return mark_failed(entry,
                       file ? "something that is no folder is in its way" : reason_of(error));
  }

  Result<bool> mark_failed(const PlacedEntry& entry, const std::string& why) {
    if (!s_.marks.failed(entry.index, why)) return true;
    auto record = JournalRecord::of(JournalRecord::Type::failed, entry.index, s_.round, 1);
    record.set_text(why);
    auto noted = s_.journal->append(record);
    if (!noted) return std::move(noted).error();
    return true;
  }

  Result<void> place_claims(const PlacedEntry& entry) {
    const Range range = entry.range();
    RangeSet now = claims_.now.intersection(range);
    RangeSet old = claims_.old.intersection(range);
    if (now.empty() && old.empty()) {
      start_.missing.add(range);
      return {};
    }
    auto staged = moved_ ? Result<Staged>(Staged::good) : look_at(entry, now, old);
    if (!staged) return std::move(staged).error();
    if (*staged == Staged::lost) {
      // Said in the journal too: the same claims must not come back when new bytes lie there.
      start_.missing.add(range);
      return s_.journal->append(
          JournalRecord::of(JournalRecord::Type::dropped, range.begin, range.length()));
    }
    if (*staged == Staged::suspect && !now.empty()) {
      auto suspected = suspect(range);
      if (!suspected) return suspected;
      old.add(now);
      now = RangeSet();
    }
    RangeSet lacking(range);
    lacking.remove(now);
    lacking.remove(old);
    if (!now.contains(range)) s_.in_part.add(range);
    start_.missing.add(lacking);
    start_.have.add(now);
    start_.suspect.add(old);
    if (now.contains(range)) ++s_.have_files;
    return {};
  }

  /// Whether the file can hold what is claimed of it, as far as its inode tells.
  Result<Staged> look_at(const PlacedEntry& entry, const RangeSet& now, const RangeSet& old) {
    auto st = tree_->look(entry.entry.path);
    if (!st) return std::move(st).error();
    const Range range = entry.range();
    if (!*st && !(merging_ && now.contains(range))) return Staged::lost;
    if (!*st) {
      auto placed = is_placed(entry);
      if (!placed) return std::move(placed).error();
      return *placed ? Staged::good : Staged::lost;
    }
    if (!S_ISREG((*st)->st_mode)) return Staged::lost;
    const auto size = static_cast<std::uint64_t>((*st)->st_size);
    if (now.contains(range) && size != entry.entry.size) return Staged::lost;
    RangeSet data = now;
    data.add(old);
    data.remove(claims_.zeros.intersection(range));
    const auto ranges = data.view();
    if (!ranges.empty() && size < ranges.back().end - range.begin) return Staged::lost;
    // A whole file has been given the offered mtime.
    const bool timed = !now.contains(range) || has_mtime(**st, entry.entry.mtime);
    return timed && !touched_.since_last_run(**st) ? Staged::good : Staged::suspect;
  }

  /// Moved to its final name before the program ended in the middle of a merge.
  Result<bool> is_placed(const PlacedEntry& entry) {
    const std::string path = final_path(entry);
    auto parent = destination_->at(protocol::parent_of(path));
    if (!parent && (is_errno(parent.error().code, ENOENT) || is_entry_error(parent.error().code)))
      return false;
    if (!parent) return std::move(parent).error();
    return has_same(entry.entry, **parent, last_part(path));
  }

  IntakeState& s_;
  Claims claims_;
  Touched touched_;
  bool begun_ = false;       ///< the journal knows of this round
  bool plan_noted_ = false;  ///< and of this choice
  Holdings::Start start_;
  std::optional<StagedTree> tree_;
  std::optional<FolderCache> destination_;
  // of the root being walked
  std::string name_;
  std::size_t root_bytes_ = 0;
  bool moved_ = false;
  bool merging_ = false;
  bool clashes_ = false;
};

}  // namespace

Result<void> survey(IntakeState& state) { return Survey(state).run(); }

}  // namespace peer::storage
