#include "storage/intake_state.hpp"

#include <algorithm>

#include "protocol/limits.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/staged_tree.hpp"

namespace peer::storage {

using protocol::Kind;
using protocol::Range;
using protocol::RangeSet;

namespace {

bool in(const RangeSet& set, std::uint64_t entry) {
  return !set.empty() && set.contains({entry, entry + 1});
}

void name_failure(std::vector<protocol::Failure>& list, std::uint64_t entry,
                  const std::string& why) {
  if (list.size() < protocol::kMaxFailuresNamed) list.push_back({entry, why});
}

}  // namespace

void EntryMarks::load_gone(std::uint64_t entry, const std::string& why, bool this_round) {
  gone_.add(Range{entry, entry + 1});
  if (!this_round) return;
  ++summary_.gone;
  name_failure(summary_.gone_entries, entry, why);
}

void EntryMarks::load_failed(std::uint64_t first, std::uint64_t count, const std::string& why,
                             bool this_round) {
  if (!this_round) {
    failed_before_.add(Range{first, first + count});
    return;
  }
  for (std::uint64_t i = 0; i < count && i < protocol::kMaxFailuresNamed; ++i)
    name_failure(summary_.failures, first + i, why);
  summary_.failed += count;
  failed_.add(Range{first, first + count});
}

void EntryMarks::load_delivered(std::uint64_t begin, std::uint64_t end) {
  delivered_.add(Range{begin, end});
  failed_before_.remove(Range{begin, end});
}

bool EntryMarks::gone(std::uint64_t entry, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (in(gone_, entry) || in(failed_, entry) || in(delivered_, entry)) return false;
  gone_.add(Range{entry, entry + 1});
  ++summary_.gone;
  name_failure(summary_.gone_entries, entry, why);
  return true;
}

bool EntryMarks::failed(std::uint64_t entry, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (in(gone_, entry) || in(failed_, entry) || in(delivered_, entry)) return false;
  failed_.add(Range{entry, entry + 1});
  ++summary_.failed;
  name_failure(summary_.failures, entry, why);
  return true;
}

void EntryMarks::there(std::uint64_t entry) {
  const std::lock_guard lock(mutex_);
  there_.add(Range{entry, entry + 1});
}

void EntryMarks::left_out(std::uint64_t entry) {
  const std::lock_guard lock(mutex_);
  left_out_.add(Range{entry, entry + 1});
}

void EntryMarks::delivered(const RangeSet& entries) {
  const std::lock_guard lock(mutex_);
  delivered_.add(entries);
  delivered_now_.add(entries);
}

bool EntryMarks::settled(std::uint64_t entry) const {
  const std::lock_guard lock(mutex_);
  return in(delivered_, entry) || in(there_, entry) || in(gone_, entry) || in(failed_, entry) ||
         in(left_out_, entry);
}

bool EntryMarks::unfit(std::uint64_t entry) const {
  const std::lock_guard lock(mutex_);
  return in(gone_, entry) || in(failed_, entry) || in(left_out_, entry);
}

bool EntryMarks::failed_before(std::uint64_t entry) const {
  const std::lock_guard lock(mutex_);
  return in(failed_before_, entry);
}

RangeSet EntryMarks::delivered_now() const {
  const std::lock_guard lock(mutex_);
  return delivered_now_;
}

EntryMarks::Summary EntryMarks::summary() const {
  const std::lock_guard lock(mutex_);
  return summary_;
}

std::uint64_t EntryMarks::failed_count() const {
  const std::lock_guard lock(mutex_);
  return summary_.failed + summary_.gone;
}

void RootMarks::set(const RootMark& mark) {
  const auto at =
      std::lower_bound(marks_.begin(), marks_.end(), mark.entry,
                       [](const RootMark& one, std::uint64_t entry) { return one.entry < entry; });
  if (at != marks_.end() && at->entry == mark.entry) {
    *at = mark;
  } else {
    marks_.insert(at, mark);
  }
}

const RootMark* RootMarks::find(std::uint64_t entry) const {
  const auto at = std::lower_bound(
      marks_.begin(), marks_.end(), entry,
      [](const RootMark& one, std::uint64_t wanted) { return one.entry < wanted; });
  return at != marks_.end() && at->entry == entry ? &*at : nullptr;
}

std::string IntakeState::wished_name(const PlacedEntry& root) const {
  return plan.as.empty() ? root.entry.path : plan.as;
}

std::string IntakeState::final_name(const PlacedEntry& root, std::uint32_t n) const {
  return numbered_name(wished_name(root), n, root.entry.kind == Kind::folder);
}

Result<bool> IntakeState::still_there(const PlacedEntry& root, const RootMark& mark) const {
  if (!staging) return false;
  const std::string name = final_name(root, mark.number);
  auto there = staging->destination().has(name);
  if (!there || !*there) return there;
  const auto st = staging->destination().stat(name);
  if (!st) return st.error();
  if (st->st_ino != mark.inode) return false;
  return mark.boot != journal->boot() || st->st_dev == mark.device;
}

Result<bool> IntakeState::moved_already(const PlacedEntry& root) const {
  const RootMark* mark = roots.find(root.index);
  if (!mark || mark->merging || mark->round != static_cast<std::uint32_t>(round)) return false;
  auto there = still_there(root, *mark);
  if (!there || !*there) return there;
  auto staged = staging->tree().has(root.entry.path);
  if (!staged) return staged;
  return !*staged;
}

void IntakeState::forget_bytes(const PlacedEntry& entry) {
  if (entry.entry.kind != Kind::file) return;
  if (entry.entry.size == 0) {
    --have_files;
  } else {
    if (!holdings.knows(entry.range())) return;
    if (holdings.has(entry.range())) --have_files;
    holdings.drop(entry.range());
  }
  chosen_bytes -= entry.entry.size;
  --chosen_files;
}

Result<void> IntakeState::lose(const PlacedEntry& file) {
  if (marks.settled(file.index) || !holdings.knows(file.range())) return {};
  if (holdings.lose(file.range())) --have_files;
  in_part.remove(file.range());
  auto noted = journal->append(
      JournalRecord::of(JournalRecord::Type::dropped, file.offset, file.entry.size));
  StagedTree tree(*staging);
  auto removed = tree.remove(file);
  return noted ? std::move(removed) : std::move(noted);
}

Result<void> IntakeState::suspect(const PlacedEntry& file) {
  if (!holdings.suspect(file.range())) return {};
  --have_files;
  {
    const std::lock_guard lock(doubts_mutex);
    doubted.remove(file.range());
  }
  return note_suspect(file.range());
}

Result<void> IntakeState::note_suspect(Range range) const {
  return journal->append(
      JournalRecord::of(JournalRecord::Type::suspect, range.begin, range.length()));
}

void IntakeState::add_zeros(Range hole) {
  const std::lock_guard lock(doubts_mutex);
  zeros.add(hole);
}

RangeSet IntakeState::zeros_of(const PlacedEntry& file) const {
  const std::lock_guard lock(doubts_mutex);
  return zeros.intersection(file.range());
}

void IntakeState::completed(const PlacedEntry& file, bool unbroken) {
  const std::lock_guard lock(doubts_mutex);
  zeros.remove(file.range());
  if (!unbroken) doubted.add(file.range());
}

bool IntakeState::is_doubted(const PlacedEntry& file) const {
  const std::lock_guard lock(doubts_mutex);
  return doubted.intersects(file.range());
}

Result<void> IntakeState::fail(const PlacedEntry& entry, const std::string& why) {
  if (!marks.failed(entry.index, why)) return {};
  forget_bytes(entry);
  auto line = JournalRecord::of(JournalRecord::Type::failed, entry.index, round, 1);
  line.set_text(why);
  return journal->append(line);
}

Result<void> IntakeState::fail_or_return(const PlacedEntry& entry, Error error) {
  if (!is_entry_error(error.code)) return error;
  return fail(entry, reason_of(error));
}

Result<bool> is_same(const protocol::Entry& entry, const Folder& parent, std::string_view name,
                     const struct stat& st) {
  switch (entry.kind) {
    case Kind::folder:
      return S_ISDIR(st.st_mode);
    case Kind::file:
      return S_ISREG(st.st_mode) && static_cast<std::uint64_t>(st.st_size) == entry.size &&
             mtime_of(st) == entry.mtime;
    case Kind::link: {
      if (!S_ISLNK(st.st_mode)) return false;
      auto target = parent.link_target(name);
      if (!target) return std::move(target).error();
      return *target == entry.target;
    }
  }
  return false;
}

Result<bool> has_same(const protocol::Entry& entry, const Folder& parent, std::string_view name) {
  auto there = parent.has(name);
  if (!there || !*there) return there;
  const auto st = parent.stat(name);
  if (!st) return st.error();
  return is_same(entry, parent, name, *st);
}

std::string reason_of(const Error& error) { return error.code.message(); }

}  // namespace peer::storage
