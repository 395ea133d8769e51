#include "storage/furnish.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "storage/chooser.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/staged_tree.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;

constexpr std::uint64_t kEntriesAtOnce = 1024;  ///< walked forward while going backward

Result<void> furnish_entry(StagedTree& tree, const protocol::Entry& entry, bool bare_folders) {
  switch (entry.kind) {
    case Kind::folder:
      return bare_folders ? tree.make_folder(entry.path) : Result<void>();
    case Kind::link:
      return tree.make_link(entry);
    case Kind::file:
      return entry.size == 0 ? tree.write_whole(entry, {}) : Result<void>();
  }
  return {};
}

struct FolderLook {
  std::string path;
  std::uint32_t mode = 0;
  std::int64_t mtime = 0;
};

/// Missing ones were not wanted; an inaccessible one got its mode in an earlier try, and all in it
/// before that.
bool is_settled(const Error& error) {
  return is_errno(error.code, ENOENT) || is_errno(error.code, EACCES) ||
         is_errno(error.code, ENOTDIR) || is_errno(error.code, ELOOP);
}

Result<void> settle(FolderCache& folders, const FolderLook& look, mode_t umask) {
  auto parent = folders.at(protocol::parent_of(look.path));
  if (!parent) return is_settled(parent.error()) ? Result<void>() : std::move(parent).error();
  auto fd = open_for_attributes(**parent, last_part(look.path));
  if (!fd) return is_settled(fd.error()) ? Result<void>() : std::move(fd).error();
  auto timed = set_mtime(fd->get(), look.mtime, look.path);
  if (!timed) return timed;
  if (::fchmod(fd->get(), look.mode & protocol::kModeMask & ~umask) != 0)
    return errno_error("set the mode of", look.path, errno);
  return {};
}

}  // namespace

Result<void> furnish(IntakeState& state, bool bare_folders) {
  StagedTree tree(*state.staging);
  Chooser chooser(state.plan.selection);
  const auto cursor = state.catalogue->cursor();
  bool moved = false;  // the root being walked
  for (PlacedEntry entry;;) {
    auto more = cursor->next(entry);
    if (!more) return std::move(more).error();
    if (!*more) return {};
    if (entry.entry.path.find('/') == std::string::npos) {
      auto already = state.moved_already(entry);
      if (!already) return std::move(already).error();
      moved = *already;
    }
    const bool chosen = chooser.chooses(entry);
    if (moved) continue;
    Result<void> done;
    if (state.marks.unfit(entry.index)) {
      if (entry.entry.kind != Kind::folder) done = tree.remove(entry);
    } else if (!chosen || state.marks.settled(entry.index)) {
      if (state.sweep && entry.entry.kind != Kind::folder) done = tree.remove(entry);
    } else {
      done = furnish_entry(tree, entry.entry, bare_folders);
      if (!done) done = state.fail_or_return(entry, std::move(done).error());
    }
    if (!done) return done;
  }
}

Result<void> settle_folders(IntakeState& state, std::uint64_t begin, std::uint64_t end) {
  FolderCache folders(state.staging->tree());
  const auto cursor = state.catalogue->cursor();
  std::vector<FolderLook> looks;
  while (end > begin) {
    const auto first = std::max(begin, end > kEntriesAtOnce ? end - kEntriesAtOnce : 0);
    auto moved = cursor->to_entry(first);
    if (!moved) return moved;
    looks.clear();
    PlacedEntry entry;
    for (auto i = first; i < end; ++i) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (entry.entry.kind == Kind::folder)
        looks.push_back({entry.entry.path, entry.entry.mode, entry.entry.mtime});
    }
    for (auto look = looks.rbegin(); look != looks.rend(); ++look) {
      auto done = settle(folders, *look, state.staging->umask());
      if (!done) return done;
    }
    end = first;
  }
  return {};
}

Result<void> move_folder(IntakeState& state, const PlacedEntry& entry, std::uint64_t end,
                         const Folder& to, std::string_view name) {
  auto settled = settle_folders(state, entry.index + 1, end);
  if (!settled) return settled;
  const std::string& path = entry.entry.path;
  auto parent = state.staging->tree().folder(protocol::parent_of(path));
  if (!parent) return std::move(parent).error();
  auto fd = open_for_attributes(*parent, last_part(path));
  if (!fd) return std::move(fd).error();
  // A folder that is moved must be writable: its `..` changes.
  const mode_t mode = entry.entry.mode & protocol::kModeMask & ~state.staging->umask();
  if (::fchmod(fd->get(), mode | S_IRWXU) != 0) return errno_error("set the mode of", path, errno);
  auto timed = set_mtime(fd->get(), entry.entry.mtime, path);
  if (!timed) return timed;
  auto moved = parent->rename_new(last_part(path), to, name);
  if (!moved) return moved;
  Result<void> done;
  if ((mode & S_IRWXU) != S_IRWXU && ::fchmod(fd->get(), mode) != 0)
    done = errno_error("set the mode of", path, errno);
  if (done) done = set_mtime(fd->get(), entry.entry.mtime, path);
  // Back again, or the next try would find a folder there that is not known to be this one.
  if (!done) (void)to.rename_new(name, *parent, last_part(path));
  return done;
}

Result<void> settle_moved(IntakeState& state, const PlacedEntry& entry, std::string_view name) {
  FolderCache folders(state.staging->destination());
  return settle(folders, {std::string(name), entry.entry.mode, entry.entry.mtime},
                state.staging->umask());
}

}  // namespace peer::storage
