#include "storage/durable.hpp"

#include <fcntl.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "protocol/path.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/staged_entries.hpp"
#include "storage/staged_tree.hpp"
#include "storage/sync.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;

/// It is not there, or cannot be opened: what it says of the disk is nothing.
bool is_no_answer(const Error& error) {
  return is_errno(error.code, ENOENT) || is_entry_error(error.code);
}

class StagedSync {
 public:
  explicit StagedSync(IntakeState& state) : s_(state), folders_(state.staging->tree()) {}

  Result<void> run() {
    auto few = are_few();
    if (!few) return std::move(few).error();
    if (!*few) return in_bulk();
    auto done = one_by_one();
    if (!done) return done;
    if (lost_) return *lost_;
    return unopened_ ? in_bulk() : Result<void>();
  }

 private:
  Result<bool> are_few() {
    std::size_t count = 0;
    auto counted = each_staged(
        s_, [&](const PlacedEntry&) -> Result<bool> { return ++count <= kSyncedOneByOne; });
    if (!counted) return std::move(counted).error();
    return count <= kSyncedOneByOne;
  }

  Result<void> one_by_one() {
    auto done = each_staged(s_, [this](const PlacedEntry& entry) -> Result<bool> {
      Result<void> synced;
      if (entry.entry.kind == Kind::folder) synced = folder(entry.entry.path);
      if (entry.entry.kind == Kind::file) synced = file(entry);
      if (!synced) return std::move(synced).error();
      return true;
    });
    return done ? folder("") : std::move(done);
  }

  Result<void> folder(std::string_view path) {
    auto synced = sync_folder(s_.staging->tree(), path);
    if (!synced) return std::move(synced).error();
    unopened_ = unopened_ || !*synced;
    return {};
  }

  Result<void> file(const PlacedEntry& entry) {
    auto parent = folders_.at(protocol::parent_of(entry.entry.path));
    if (!parent) return unless_no_answer(std::move(parent).error());
    const auto name = last_part(entry.entry.path);
    auto fd = (*parent)->file(name, O_RDONLY);
    if (!fd && is_errno(fd.error().code, EACCES)) fd = (*parent)->file(name, O_WRONLY);
    if (!fd) return unless_no_answer(std::move(fd).error());
    auto synced = sync_file(fd->get(), entry.entry.path);
    if (synced) return {};
    if (is_no_answer(synced.error())) return unless_no_answer(std::move(synced).error());
    if (!lost_) lost_ = synced.error();
    return s_.lose(entry);
  }

  Result<void> unless_no_answer(Error error) {
    if (!is_no_answer(error)) return error;
    unopened_ = unopened_ || !is_errno(error.code, ENOENT);
    return {};
  }

  Result<void> in_bulk() {
    auto synced = sync_file_system(s_.staging->tree().fd(), s_.plan.folder);
    if (synced) return {};
    // It does not tell whose bytes are lost; a file of ours that still knows it does.
    auto asked = one_by_one();
    if (!asked) return asked;
    if (lost_) return *lost_;
    auto none = each_staged(s_, [this](const PlacedEntry& entry) -> Result<bool> {
      auto lost = s_.lose(entry);
      if (!lost) return std::move(lost).error();
      return true;
    });
    return none ? std::move(synced) : std::move(none);
  }

  IntakeState& s_;
  FolderCache folders_;
  bool unopened_ = false;  ///< something there could not be opened to be synced
  std::optional<Error> lost_;
};

}  // namespace

Result<void> sync_staged(IntakeState& state) {
  const auto alone = state.gate.alone();
  auto synced = StagedSync(state).run();
  return synced ? sync_journal(state) : std::move(synced);
}

Result<void> sync_journal(const IntakeState& state) {
  auto synced = state.journal->sync();
  if (!synced) return synced;
  auto named = sync_folder(state.record, "");
  if (!named) return std::move(named).error();
  return {};
}

Result<void> note_moved(IntakeState& state, const PlacedEntry& folder, std::uint64_t end,
                        const std::string& to) {
  if (!state.plan.durable) return {};
  state.new_names.add(protocol::parent_of(to));
  const auto cursor = state.catalogue->cursor();
  auto at = cursor->to_entry(folder.index);
  if (!at) return at;
  PlacedEntry entry;
  for (auto i = folder.index; i < end && !state.new_names.all(); ++i) {
    auto more = cursor->next(entry);
    if (!more) return std::move(more).error();
    if (entry.entry.kind == Kind::folder)
      state.new_names.add(to + entry.entry.path.substr(folder.entry.path.size()));
  }
  return {};
}

}  // namespace peer::storage
