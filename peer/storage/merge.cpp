#include "storage/merge.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "protocol/path.hpp"
#include "storage/chooser.hpp"
#include "storage/disk_error.hpp"
#include "storage/durable.hpp"
#include "storage/final_name.hpp"
#include "storage/furnish.hpp"
#include "storage/staged_tree.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;
using protocol::parent_of;

constexpr char kFileInTheWay[] = "a file of that name is there";
constexpr char kFolderInTheWay[] = "a folder of that name is there";

class Merge {
 public:
  Merge(IntakeState& state, const PlacedEntry& root, std::uint64_t end, const std::string& name,
        bool own, Tally& tally)
      : s_(state),
        root_(root),
        end_(end),
        name_(name),
        placing_{state.plan.on_clash, own},
        tally_(tally),
        from_(state.staging->tree()),
        to_(state.staging->destination()) {}

  Result<void> run() {
    Chooser chooser(s_.plan.selection, root_.index);
    const auto cursor = s_.catalogue->cursor();
    auto at = cursor->to_entry(root_.index);
    if (!at) return at;
    Result<void> done;
    for (PlacedEntry entry; done;) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (!*more || entry.index >= end_) break;
      const bool wanted = chooser.chooses(entry) && !s_.marks.settled(entry.index);
      done = one(entry, wanted);
    }
    leave_all_but("");
    return done;
  }

 private:
  /// A folder there that entries are put into.
  struct Level {
    std::string path;
    std::string to;
    std::optional<mode_t> mode;         ///< to be given back
    std::optional<std::int64_t> mtime;  ///< to be given back
  };

  Result<void> one(const PlacedEntry& entry, bool wanted) {
    const std::string& path = entry.entry.path;
    if (!moved_.empty() && lies_below(path, moved_)) {
      if (wanted) tally_.add(entry);
      return {};
    }
    if (!failed_.empty() && lies_below(path, failed_))
      return wanted ? s_.fail(entry, failed_why_) : Result<void>();
    leave_all_but(path);
    if (entry.entry.kind == Kind::folder) return folder(entry, wanted);
    return wanted ? file(entry) : Result<void>();
  }

  std::string target(const PlacedEntry& entry) const {
    return name_ + entry.entry.path.substr(root_.entry.path.size());
  }

  Result<void> fail_folder(const PlacedEntry& entry, bool wanted, const std::string& why) {
    failed_ = entry.entry.path;
    failed_why_ = why;
    return wanted ? s_.fail(entry, why) : Result<void>();
  }

  Result<void> fail_folder(const PlacedEntry& entry, bool wanted, Error error) {
    if (!is_entry_error(error.code)) return error;
    const bool in_the_way = is_errno(error.code, ENOTDIR) || is_errno(error.code, ELOOP);
    return fail_folder(entry, wanted, in_the_way ? kFileInTheWay : reason_of(error));
  }

  Result<void> folder(const PlacedEntry& entry, bool wanted) {
    const std::string to = target(entry);
    auto parent = to_.at(parent_of(to));
    if (!parent) {
      if (is_errno(parent.error().code, ENOENT)) return {};  // nothing was to be put there
      return fail_folder(entry, wanted, std::move(parent).error());
    }
    auto st = (*parent)->stat(last_part(to));
    if (st) {
      if (!S_ISDIR(st->st_mode)) return fail_folder(entry, wanted, std::string(kFileInTheWay));
      if (wanted) tally_.add(entry);
      enter(entry, to, **parent);
      return {};
    }
    if (!is_errno(st.error().code, ENOENT))
      return fail_folder(entry, wanted, std::move(st).error());
    auto staged = s_.staging->tree().has(entry.entry.path);
    if (!staged) return std::move(staged).error();
    if (!*staged) return {};
    auto behind = end_of(entry);
    if (!behind) return std::move(behind).error();
    auto moved = move_folder(s_, entry, *behind, **parent, last_part(to));
    if (!moved) return fail_folder(entry, wanted, std::move(moved).error());
    from_.forget();
    moved_ = entry.entry.path;
    if (wanted) tally_.add(entry);
    return note_moved(s_, entry, *behind, to);
  }

  Result<void> file(const PlacedEntry& entry) {
    const std::string to = target(entry);
    auto parent = to_.at(parent_of(to));
    if (!parent) return s_.fail_or_return(entry, std::move(parent).error());
    const auto name = last_part(entry.entry.path);
    auto from = from_.at(parent_of(entry.entry.path));
    if (!from && !is_errno(from.error().code, ENOENT) && !is_entry_error(from.error().code))
      return std::move(from).error();
    auto staged = Result<bool>(false);
    if (from) staged = (*from)->has(name);
    if (!staged) return std::move(staged).error();
    if (!*staged) {
      // Placed before the program ended in the middle of this, or lost.
      auto same = has_same(entry.entry, **parent, last_part(to));
      if (!same) return std::move(same).error();
      if (!*same) return s_.fail(entry, "it was lost from the staging folder");
      s_.new_names.add_all();
      tally_.add(entry);
      return {};
    }
    auto placed =
        place_file(entry.entry, **from, name, **parent, std::string(last_part(to)), placing_);
    if (!placed) {
      if (is_errno(placed.error().code, EISDIR)) return s_.fail(entry, kFolderInTheWay);
      return s_.fail_or_return(entry, std::move(placed).error());
    }
    if (*placed == Placed::placed) {
      s_.new_names.add(parent_of(to));
      tally_.add(entry);
    } else {
      s_.marks.there(entry.index);
    }
    return {};
  }

  /// The number of the first entry behind this folder's.
  Result<std::uint64_t> end_of(const PlacedEntry& folder) {
    const auto cursor = s_.catalogue->cursor();
    auto at = cursor->to_entry(folder.index + 1);
    if (!at) return std::move(at).error();
    for (PlacedEntry entry;;) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (!*more) return s_.catalogue->entries();
      if (!lies_below(entry.entry.path, folder.entry.path)) return entry.index;
    }
  }

  void enter(const PlacedEntry& entry, const std::string& to, const Folder& parent) {
    Level level{entry.entry.path, to, {}, {}};
    auto fd = open_for_attributes(parent, last_part(to));
    struct stat st {};
    if (fd && ::fstat(fd->get(), &st) == 0) {
      if (mtime_of(st) == entry.entry.mtime) level.mtime = entry.entry.mtime;
      const mode_t mode = st.st_mode & 07777;
      if (placing_.own && st.st_uid == ::geteuid() && (mode & S_IRWXU) != S_IRWXU &&
          ::fchmod(fd->get(), mode | S_IRWXU) == 0)
        level.mode = mode;
    }
    levels_.push_back(std::move(level));
  }

  /// Leaves the folders that `path` does not lie in; "" leaves all.
  void leave_all_but(std::string_view path) {
    while (!levels_.empty() && !lies_below(path, levels_.back().path)) {
      const Level& level = levels_.back();
      auto parent = to_.at(parent_of(level.to));
      if (parent && (level.mode || level.mtime)) {
        auto fd = open_for_attributes(**parent, last_part(level.to));
        if (fd && level.mtime) (void)set_mtime(fd->get(), *level.mtime, level.to);
        if (fd && level.mode) (void)::fchmod(fd->get(), *level.mode);
      }
      levels_.pop_back();
    }
  }

  IntakeState& s_;
  const PlacedEntry& root_;
  std::uint64_t end_;
  const std::string& name_;
  Placing placing_;
  Tally& tally_;
  FolderCache from_;
  FolderCache to_;
  std::vector<Level> levels_;
  std::string moved_;   ///< a folder that was moved whole
  std::string failed_;  ///< a folder that could not be placed
  std::string failed_why_;
};

}  // namespace

void Tally::add(const PlacedEntry& entry) {
  entries.add(protocol::Range{entry.index, entry.index + 1});
  if (entry.entry.kind != Kind::file) return;
  ++files;
  bytes += entry.entry.size;
}

Result<Placed> place_file(const protocol::Entry& entry, const Folder& from,
                          std::string_view from_name, const Folder& to, std::string to_name,
                          const Placing& placing) {
  const std::string wished = to_name;
  for (std::uint32_t number = 0;;) {
    auto moved = from.rename_new(from_name, to, to_name);
    if (moved) return Placed::placed;
    if (!is_errno(moved.error().code, EEXIST)) return std::move(moved).error();
    const auto st = to.stat(to_name);
    if (!st) {
      if (is_errno(st.error().code, ENOENT)) continue;  // gone again
      return st.error();
    }
    const auto same = is_same(entry, to, to_name, *st);
    if (!same) return same.error();
    if (placing.own && *same) {
      auto removed = from.remove_file(from_name);
      if (!removed) return std::move(removed).error();
      return Placed::placed;
    }
    if (placing.rule == OnClash::rename) {
      to_name = numbered_name(wished, ++number, false);
      continue;
    }
    if (S_ISDIR(st->st_mode)) return errno_error("replace", to_name, EISDIR);
    if (placing.rule == OnClash::skip) return Placed::stays;
    if (placing.rule == OnClash::update && *same) return Placed::stays;
    auto over = from.rename_over(from_name, to, to_name);
    if (!over) return std::move(over).error();
    return Placed::placed;
  }
}

Result<void> merge(IntakeState& state, const PlacedEntry& root, std::uint64_t end,
                   const std::string& name, bool own, Tally& tally) {
  return Merge(state, root, end, name, own, tally).run();
}

}  // namespace peer::storage
