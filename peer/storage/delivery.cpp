#include "storage/delivery.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "storage/chooser.hpp"
#include "storage/disk_error.hpp"
#include "storage/durable.hpp"
#include "storage/final_name.hpp"
#include "storage/furnish.hpp"
#include "storage/merge.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;

constexpr std::size_t kRecordsAtOnce = 1024;

/// A root with its entries, as far as delivery cares.
struct Root {
  PlacedEntry entry;
  std::uint64_t end = 0;  ///< number of the first entry behind it
  Tally tally;            ///< what is to be placed
};

std::string absolute(const IntakeState& state, const std::string& name) {
  return state.plan.folder + (state.plan.folder.ends_with('/') ? "" : "/") + name;
}

class Delivery {
 public:
  Delivery(IntakeState& state, bool bare_folders) : s_(state), bare_folders_(bare_folders) {}

  /// Whether nothing of the offer is left to be wanted.
  bool complete() const { return !rest_left_; }

  /// Notes the name that each root which is moved whole will get, before any is moved.
  Result<void> announce_roots() {
    const auto cursor = s_.catalogue->cursor();
    for (Root root;;) {
      auto more = cursor->next(root.entry);
      if (!more) return std::move(more).error();
      if (!*more) return {};
      if (root.entry.entry.path.find('/') != std::string::npos) continue;
      const RootMark* mark = s_.roots.find(root.entry.index);
      const auto st = s_.staging->tree().stat(root.entry.entry.path);
      if (!st || (mark && s_.still_there(root.entry, *mark))) continue;
      std::uint32_t number = 0;
      const bool renaming = s_.plan.on_clash == OnClash::rename;
      while (renaming && s_.staging->destination().stat(s_.final_name(root.entry, number)))
        ++number;
      auto noted = note(JournalRecord::Type::root, root, number, *st);
      if (!noted) return noted;
    }
  }

  Result<void> place_roots() {
    const auto cursor = s_.catalogue->cursor();
    Chooser chooser(s_.plan.selection);
    PlacedEntry entry;
    auto more = cursor->next(entry);
    while (more && *more) {
      Root root;
      root.entry = entry;
      do {
        look(root, entry, chooser.chooses(entry));
        more = cursor->next(entry);
      } while (more && *more && lies_below(entry.entry.path, root.entry.entry.path));
      end_of_folder({});
      root.end = more && *more ? entry.index : s_.catalogue->entries();
      if (!more || root.tally.entries.empty()) continue;
      auto placed = place(root);
      if (!placed) return placed;
    }
    if (!more) return std::move(more).error();
    return {};
  }

 private:
  void look(Root& root, const PlacedEntry& entry, bool chosen) {
    const bool settled = s_.marks.settled(entry.index);
    if (chosen && !settled && (bare_folders_ || entry.entry.kind != Kind::folder))
      root.tally.add(entry);
    // A folder that something lies in comes with that; only empty ones count by themselves.
    end_of_folder(entry.entry.path);
    const bool answered = chosen || settled || s_.marks.failed_before(entry.index);
    if (entry.entry.kind == Kind::folder) {
      folder_ = entry.entry.path;
      folder_answered_ = answered;
    } else if (!answered) {
      rest_left_ = true;
    }
  }

  /// The entry at `next` comes behind the folder noted last: if it does not lie in it, that one is
  /// empty.
  void end_of_folder(std::string_view next) {
    if (folder_.empty()) return;
    if (!lies_below(next, folder_) && !folder_answered_) rest_left_ = true;
    folder_.clear();
  }

  Result<void> place(const Root& root) {
    const RootMark* mark = s_.roots.find(root.entry.index);
    auto known = Result<bool>(false);
    if (mark) known = s_.still_there(root.entry, *mark);
    if (!known) return std::move(known).error();
    auto moved = s_.moved_already(root.entry);
    if (!moved) return std::move(moved).error();
    auto staged = s_.staging->tree().has(root.entry.entry.path);
    if (!staged) return std::move(staged).error();
    const bool folder = root.entry.entry.kind == Kind::folder;
    // What an earlier try has placed may not be on the disk.
    if (*known && mark->round == static_cast<std::uint32_t>(s_.round)) s_.new_names.add_all();
    if (*moved) {
      if (folder) {
        auto settled = settle_moved(s_, root.entry, s_.final_name(root.entry, mark->number));
        if (!settled) return settled;
      }
      return placed(root.tally, root, mark->number);
    }
    // A folder that was there before this offer is merged into again only in the same round.
    if (*known && folder && (!mark->merging || mark->round == static_cast<std::uint32_t>(s_.round)))
      return merge_into(root, mark->number, !mark->merging);
    if (!*staged) return place_lost(root);
    if (s_.plan.on_clash == OnClash::rename) return place_new(root);
    return place_by_rule(root);
  }

  /// Under the first free name.
  Result<void> place_new(const Root& root) {
    for (std::uint32_t number = 0;; ++number) {
      const std::string name = s_.final_name(root.entry, number);
      if (s_.staging->destination().stat(name)) continue;
      auto moved = move_root(root, number, name);
      if (moved) return placed(root.tally, root, number);
      if (!is_errno(moved.error().code, EEXIST)) return fail_root(root, std::move(moved).error());
    }
  }

  Result<void> place_by_rule(const Root& root) {
    const std::string name = s_.wished_name(root.entry);
    for (;;) {
      const auto st = s_.staging->destination().stat(name);
      if (!st) {
        if (!is_errno(st.error().code, ENOENT)) return fail_root(root, st.error());
        auto moved = move_root(root, 0, name);
        if (moved) return placed(root.tally, root, 0);
        if (is_errno(moved.error().code, EEXIST)) continue;
        return fail_root(root, std::move(moved).error());
      }
      const bool folder = root.entry.entry.kind == Kind::folder;
      if (name.starts_with(kStagingPrefix))
        return fail_root(root, "its name is kept for transfers under way");
      if (folder && !S_ISDIR(st->st_mode)) return fail_root(root, "a file of that name is there");
      if (!folder && S_ISDIR(st->st_mode)) return fail_root(root, "a folder of that name is there");
      if (!folder) return place_over(root, name);
      auto noted = note(JournalRecord::Type::merging, root, 0, *st);
      if (!noted) return noted;
      return merge_into(root, 0, false);
    }
  }

  Result<void> place_over(const Root& root, const std::string& name) {
    auto done = place_file(root.entry.entry, s_.staging->tree(), root.entry.entry.path,
                           s_.staging->destination(), name, {s_.plan.on_clash, false});
    if (!done) return fail_root(root, std::move(done).error());
    if (*done == Placed::placed) return placed(root.tally, root, 0);
    s_.marks.there(root.entry.index);
    return {};
  }

  Result<void> merge_into(const Root& root, std::uint32_t number, bool own) {
    Tally tally;
    const auto name = s_.final_name(root.entry, number);
    auto merged = merge(s_, root.entry, root.end, name, own, tally);
    auto counted = placed(tally, root, number);
    return merged ? std::move(counted) : std::move(merged);
  }

  /// A file or link that replaced another just before the program ended is there; else it is lost.
  Result<void> place_lost(const Root& root) {
    auto same = Result<bool>(false);
    if (root.entry.entry.kind != Kind::folder)
      same = has_same(root.entry.entry, s_.staging->destination(), s_.wished_name(root.entry));
    if (!same) return std::move(same).error();
    if (s_.plan.on_clash != OnClash::rename && *same) {
      s_.new_names.add_all();
      return placed(root.tally, root, 0);
    }
    return fail_root(root, "it was lost from the staging folder");
  }

  /// The mark is in the journal before the root moves: it tells after a crash what became of it.
  Result<void> move_root(const Root& root, std::uint32_t number, const std::string& name) {
    auto st = s_.staging->tree().stat(root.entry.entry.path);
    if (!st) return std::move(st).error();
    if (!is_noted(root, number, *st)) {
      auto noted = note(JournalRecord::Type::root, root, number, *st);
      if (noted && s_.plan.durable) noted = sync_journal(s_);
      if (!noted) return noted;
    }
    if (root.entry.entry.kind == Kind::folder) {
      auto moved = move_folder(s_, root.entry, root.end, s_.staging->destination(), name);
      return moved ? note_moved(s_, root.entry, root.end, name) : std::move(moved);
    }
    return s_.staging->tree().rename_new(root.entry.entry.path, s_.staging->destination(), name);
  }

  bool is_noted(const Root& root, std::uint32_t number, const struct stat& st) const {
    const RootMark* mark = s_.roots.find(root.entry.index);
    return mark && !mark->merging && mark->number == number && mark->inode == st.st_ino &&
           mark->device == st.st_dev && mark->boot == s_.journal->boot() &&
           mark->round == static_cast<std::uint32_t>(s_.round);
  }

  Result<void> note(JournalRecord::Type type, const Root& root, std::uint32_t number,
                    const struct stat& st) {
    auto record = JournalRecord::of(type, root.entry.index, st.st_ino, number);
    record.set_number(0, st.st_dev);
    record.set_number(1, s_.round);
    auto noted = s_.journal->append(record);
    if (!noted) return noted;
    s_.roots.set({root.entry.index, st.st_ino, st.st_dev, s_.journal->boot(),
                  static_cast<std::uint32_t>(s_.round), number,
                  type == JournalRecord::Type::merging});
    return {};
  }

  Result<void> placed(const Tally& tally, const Root& root, std::uint32_t number) {
    if (tally.entries.empty()) return {};
    s_.marks.delivered(tally.entries);
    s_.delivered_files += tally.files;
    s_.delivered_bytes += tally.bytes;
    if (s_.delivered_roots.size() < kMaxRootsNamed)
      s_.delivered_roots.push_back(absolute(s_, s_.final_name(root.entry, number)));
    return {};
  }

  Result<void> fail_root(const Root& root, Error error) {
    if (!is_entry_error(error.code)) return error;
    // A folder that may not be written into now is trouble of the disk, not of one entry.
    const int destination = s_.staging->destination().fd();
    if (::faccessat(destination, ".", W_OK | X_OK, AT_EACCESS) != 0) return error;
    return fail_root(root, reason_of(error));
  }

  Result<void> fail_root(const Root& root, const std::string& why) {
    const auto cursor = s_.catalogue->cursor();
    for (const auto& range : root.tally.entries.ranges()) {
      auto at = cursor->to_entry(range.begin);
      if (!at) return at;
      PlacedEntry entry;
      for (auto i = range.begin; i < range.end; ++i) {
        auto more = cursor->next(entry);
        if (!more) return std::move(more).error();
        auto failed = s_.fail(entry, why);
        if (!failed) return failed;
      }
    }
    return {};
  }

  IntakeState& s_;
  bool bare_folders_;
  bool rest_left_ = false;
  std::string folder_;  ///< the entry before, if it was a folder
  bool folder_answered_ = false;
};

/// The roots of a round that ended before the program was started again.
Result<void> find_roots(IntakeState& state) {
  auto destination = Folder::open(state.plan.folder);
  if (!destination) return {};  // gone since: nothing to name
  const auto cursor = state.catalogue->cursor();
  for (PlacedEntry entry; state.delivered_roots.size() < kMaxRootsNamed;) {
    auto more = cursor->next(entry);
    if (!more) return std::move(more).error();
    if (!*more) return {};
    const RootMark* mark = state.roots.find(entry.index);
    if (!mark || mark->round != static_cast<std::uint32_t>(state.round)) continue;
    const auto name = state.final_name(entry, mark->number);
    if (destination->stat(name)) state.delivered_roots.push_back(absolute(state, name));
  }
  return {};
}

Intake::Delivered result_of(const IntakeState& state) {
  auto summary = state.marks.summary();
  Intake::Delivered result;
  result.files = state.ended->files;
  result.bytes = state.ended->bytes;
  result.complete = state.ended->complete;
  result.failed = summary.failed;
  result.failures = std::move(summary.failures);
  result.gone = summary.gone;
  result.gone_entries = std::move(summary.gone_entries);
  result.roots = state.delivered_roots;
  return result;
}

Result<void> note_end(IntakeState& state, bool complete) {
  std::vector<JournalRecord> records;
  for (const auto& range : state.marks.delivered_now().ranges()) {
    records.push_back(JournalRecord::of(JournalRecord::Type::delivered, range.begin, range.end));
    if (records.size() < kRecordsAtOnce) continue;
    auto noted = state.journal->append(std::exchange(records, {}));
    if (!noted) return noted;
  }
  auto end = JournalRecord::of(JournalRecord::Type::round_done, state.round, state.delivered_files);
  end.set_number(0, state.delivered_bytes);
  end.set_number(1, complete ? 1 : 0);
  records.push_back(end);
  return state.journal->append(std::move(records));
}

}  // namespace

Result<Intake::Delivered> deliver_all(IntakeState& state, bool bare_folders) {
  if (state.ended) {
    if (state.delivered_roots.empty()) {
      auto found = find_roots(state);
      if (!found) return std::move(found).error();
    }
    return result_of(state);
  }
  auto there = state.staging->still_there();
  if (!there) return std::move(there).error();
  auto furnished = furnish(state, bare_folders);
  if (!furnished) return std::move(furnished).error();
  Delivery delivery(state, bare_folders);
  if (state.plan.durable) {
    auto safe = sync_staged(state);
    if (safe) safe = delivery.announce_roots();
    if (safe) safe = sync_journal(state);
    if (!safe) return std::move(safe).error();
  }
  auto placed = delivery.place_roots();
  if (placed && state.plan.durable)
    placed = state.new_names.sync(state.staging->destination(), state.staging->tree());
  if (!placed) return std::move(placed).error();
  auto noted = note_end(state, delivery.complete());
  if (noted && state.plan.durable) noted = sync_journal(state);
  if (!noted) return std::move(noted).error();
  state.ended = RoundEnd{state.delivered_files, state.delivered_bytes, delivery.complete()};
  auto removed = state.staging->remove();
  // Everything is delivered; what is left of staging goes with the offer's record.
  if (!removed) base::log(base::Level::warning, "storage", removed.error().text());
  return result_of(state);
}

}  // namespace peer::storage
