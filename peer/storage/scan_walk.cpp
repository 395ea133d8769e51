#include "storage/scan_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include "storage/beneath.hpp"
#include "storage/final_name.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;

/// Descriptors a walk holds open at a time, whatever the depth.
constexpr std::size_t kOpenLevels = 64;

constexpr std::size_t kNamed = 100;  ///< in each list of a report

constexpr std::string_view kOwnState = "peer's own state";
constexpr std::string_view kLeadsOut = "link leads out of the offer";
constexpr std::string_view kLoops = "link loops";

/// errno's text in the style of the other reasons: in lower case.
std::string reason(int number) {
  std::string text = std::generic_category().message(number);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::string_view special_kind(mode_t mode) {
  if (S_ISSOCK(mode)) return "socket";
  if (S_ISFIFO(mode)) return "fifo";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "device";
  return "not a file, a folder or a link";
}

void name_in(std::vector<LeftOut>& list, std::uint64_t& count, const std::string& path,
             std::string_view why) {
  if (++count <= kNamed) list.push_back({path, std::string(why)});
}

SourceStamp stamp_of(const struct stat& st) { return {st.st_ino, nanoseconds(st.st_ctim)}; }

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Whether a link's target, taken word by word from the folder the link lies in, stays below the
/// first part of `path`.
bool stays_inside(std::string_view path, std::string_view target) {
  if (target.starts_with('/')) return false;
  auto depth = std::count(path.begin(), path.end(), '/');
  for (std::size_t begin = 0; begin <= target.size();) {
    const auto end = std::min(target.find('/', begin), target.size());
    const auto part = target.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 1) return false;
  }
  return true;
}

}  // namespace

ScanWalk::ScanWalk(const ScanOptions& options, OfferWriter& out, ScanReport& report,
                   ScanProgress& progress)
    : options_(options),
      out_(out),
      report_(report),
      progress_(progress),
      not_carried_(report),
      user_(::geteuid()) {
  for (const auto& folder : options.never) {
    struct stat st {};
    if (::stat(folder.c_str(), &st) != 0) continue;  // not made yet
    own_.push_back(st);
    own_paths_.push_back(real_path(folder));
  }
}

Result<void> ScanWalk::root(const Root& root) {
  path_ = root.name;
  root_bytes_ = path_.size();
  levels_.clear();
  added_levels_ = 0;
  const bool is_folder = root.base.empty();
  if (is_own_path(is_folder ? root.folder : root.folder + "/" + root.base))
    return leave_out(kOwnState);
  root_ = Fd(open_without_links(root.folder, is_folder ? O_RDONLY : O_PATH));
  if (!root_ && errno == ENOENT) return errno_error("open folder", root.folder, ENOENT);
  if (!root_) return lost(errno);
  if (!is_folder) {
    if (!chooses()) return {};
    struct stat st {};
    const char* name = root.base.c_str();
    if (::fstatat(root_.get(), name, &st, AT_SYMLINK_NOFOLLOW) != 0) return lost(errno);
    return S_ISREG(st.st_mode) ? add_file(st, root_.get(), name, false)
                               : leave_out(special_kind(st.st_mode));
  }
  if (options_.selection.excludes(path_)) return {};
  if (auto r = enter(Fd(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0))); !r) return r;
  return walk();
}

Result<void> ScanWalk::walk() {
  while (!levels_.empty()) {
    if (progress_.stop.load(std::memory_order_relaxed))
      return Error(std::make_error_code(std::errc::operation_canceled), "look at what is offered");
    Level& level = levels_.back();
    if (level.next == level.names.size()) {
      levels_.pop_back();
      added_levels_ = std::min(added_levels_, levels_.size());
      continue;
    }
    const auto i = level.next++;
    path_.resize(level.path_bytes);
    path_.append("/").append(level.names.name(i));
    if (auto r = look_at(level.names.name(i).data(), level.names.type(i)); !r) return r;
  }
  return {};
}

/// `name` is valid until a level is added.
Result<void> ScanWalk::look_at(const char* name, unsigned char type) {
  if (options_.selection.excludes(path_)) return {};
  const bool chosen = chooses();
  const bool may_hold_chosen =
      type == DT_DIR || type == DT_UNKNOWN || (type == DT_LNK && options_.links == Links::follow);
  if (!chosen && !may_hold_chosen) return {};
  if (path_.size() > protocol::kMaxPathBytes) return leave_out("path too long");

  Level& level = levels_.back();
  const int folder = folder_of(level);
  if (folder < 0) {
    const int number = errno;
    level.next = level.names.size();
    path_.resize(level.path_bytes);
    return lost(number);
  }
  if (type == DT_DIR)
    return enter(Fd(::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
  struct stat st {};
  if (::fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return lost(errno);
  if (S_ISDIR(st.st_mode))
    return enter(Fd(::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
  if (S_ISLNK(st.st_mode) && options_.links == Links::follow) return follow_link(chosen);
  if (!chosen) return {};
  if (S_ISREG(st.st_mode)) return add_file(st, folder, name, false);
  if (S_ISLNK(st.st_mode)) return add_link(st, folder, name);
  return leave_out(special_kind(st.st_mode));
}

/// Goes on in a folder that was just opened at path_; errno tells why if it was not.
Result<void> ScanWalk::enter(Fd folder) {
  if (!folder) return lost(errno);
  if (is_staging_name(last_part(path_))) return leave_out("a transfer is under way in it");
  Level level{};
  if (::fstat(folder.get(), &level.st) != 0) return lost(errno);
  if (is_own(level.st)) return leave_out(kOwnState);
  if (const int number = level.names.read(folder.get())) return lost(number);
  level.folder = std::move(folder);
  level.path_bytes = path_.size();
  levels_.push_back(std::move(level));
  if (levels_.size() > kOpenLevels) levels_[levels_.size() - 1 - kOpenLevels].folder = Fd();
  return chooses() ? add_folders() : Result<void>();
}

/// Writes down the folders on the way that are not written yet: something in them is chosen, or
/// they are.
Result<void> ScanWalk::add_folders() {
  for (; added_levels_ < levels_.size(); ++added_levels_) {
    const Level& level = levels_[added_levels_];
    entry_ = {};
    entry_.path.assign(path_, 0, level.path_bytes);
    entry_.kind = Kind::folder;
    entry_.mode = level.st.st_mode & protocol::kModeMask;
    entry_.mtime = nanoseconds(level.st.st_mtim);
    not_carried_.look(level.st, level.folder.get(), "");
    if (auto r = out_.add(entry_, stamp_of(level.st)); !r) return r;
  }
  return {};
}

Result<void> ScanWalk::add_file(const struct stat& st, int folder, const char* name,
                                bool following) {
  // Where the owner's bits decide, which no ACL changes, there is no need to ask.
  const bool owner_reads = st.st_uid == user_ && (st.st_mode & S_IRUSR) != 0;
  const int at = AT_EACCESS | (following ? 0 : AT_SYMLINK_NOFOLLOW);
  if (!owner_reads && ::faccessat(folder, name, R_OK, at) != 0) return lost(errno);
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (!out_.has_room(size)) return leave_out("the offer would be too large");
  if (auto r = add_folders(); !r) return r;
  entry_.path = path_;
  entry_.kind = Kind::file;
  entry_.size = size;
  entry_.allocated = std::min(static_cast<std::uint64_t>(st.st_blocks) * 512, size);
  entry_.mode = st.st_mode & protocol::kModeMask;
  entry_.mtime = nanoseconds(st.st_mtim);
  entry_.target.clear();
  not_carried_.look(st, folder, name);
  progress_.files.fetch_add(1, std::memory_order_relaxed);
  progress_.bytes.fetch_add(size, std::memory_order_relaxed);
  return out_.add(entry_, stamp_of(st));
}

Result<void> ScanWalk::add_link(const struct stat& st, int folder, const char* name) {
  std::array<char, protocol::kMaxTargetBytes + 1> target;
  const ssize_t n = ::readlinkat(folder, name, target.data(), target.size());
  if (n < 0) return lost(errno);
  if (n == 0 || static_cast<std::size_t>(n) == target.size()) return leave_out("target too long");
  const std::string_view to(target.data(), static_cast<std::size_t>(n));
  if (options_.links == Links::inside && !stays_inside(path_, to)) return leave_out(kLeadsOut);
  if (auto r = add_folders(); !r) return r;
  entry_ = {};
  entry_.path = path_;
  entry_.kind = Kind::link;
  entry_.mode = 0777;
  entry_.mtime = nanoseconds(st.st_mtim);
  entry_.target = to;
  return out_.add(entry_, stamp_of(st));
}

/// The kernel follows it below the root only.
Result<void> ScanWalk::follow_link(bool chosen) {
  const std::string below = below_root(path_.size());
  const Fd target(open_following(root_.get(), below, O_PATH));
  struct stat st {};
  if (!target || ::fstat(target.get(), &st) != 0) {
    if (!chosen) return {};
    if (errno == EXDEV) return leave_out(kLeadsOut);
    if (errno == ELOOP) return leave_out(kLoops);
    if (errno == ENOENT || errno == ENOTDIR) return leave_out("link leads nowhere");
    if (errno == ENOSYS) return leave_out("links cannot be followed safely on this system");
    return lost(errno);
  }
  if (is_own_path(real_path("/proc/self/fd/" + std::to_string(target.get()))))
    return leave_out(kOwnState);
  if (S_ISDIR(st.st_mode)) {
    if (loops(st)) return leave_out(kLoops);
    return enter(Fd(open_following(root_.get(), below, O_RDONLY | O_DIRECTORY)));
  }
  if (!chosen) return {};
  if (!S_ISREG(st.st_mode)) return leave_out(special_kind(st.st_mode));
  return add_file(st, root_.get(), below.c_str(), true);
}

/// The level's descriptor, opened again if need be; -1 with errno if it is no longer that folder.
int ScanWalk::folder_of(Level& level) {
  if (level.folder) return level.folder.get();
  const std::string below = below_root(level.path_bytes);
  Fd again(options_.links == Links::follow
               ? open_following(root_.get(), below, O_RDONLY | O_DIRECTORY)
               : open_beneath(root_.get(), below, O_RDONLY | O_DIRECTORY));
  struct stat st {};
  if (!again || ::fstat(again.get(), &st) != 0) return -1;
  if (!is_same(st, level.st)) {
    errno = ESTALE;
    return -1;
  }
  level.folder = std::move(again);
  return level.folder.get();
}

bool ScanWalk::chooses() const { return options_.selection.chooses(path_); }

bool ScanWalk::is_own(const struct stat& st) const {
  return std::any_of(own_.begin(), own_.end(),
                     [&](const struct stat& own) { return is_same(own, st); });
}

bool ScanWalk::is_own_path(std::string_view real) const {
  return std::any_of(own_paths_.begin(), own_paths_.end(),
                     [&](const std::string& own) { return lies_in(real, own); });
}

bool ScanWalk::loops(const struct stat& st) const {
  return std::any_of(levels_.begin(), levels_.end(),
                     [&](const Level& level) { return is_same(level.st, st); });
}

std::string ScanWalk::below_root(std::size_t path_bytes) const {
  return path_bytes == root_bytes_ ? std::string()
                                   : path_.substr(root_bytes_ + 1, path_bytes - root_bytes_ - 1);
}

Result<void> ScanWalk::leave_out(std::string_view why) {
  if (!options_.selection.excludes(path_))
    name_in(report_.left_out, report_.left_out_count, path_, why);
  return {};
}

/// The entry at path_ could not be looked at. One that is no longer there is none.
Result<void> ScanWalk::lost(int number) {
  if (is_out_of_resources(number)) return errno_error("look at", path_, number);
  if (number == ENOENT) return {};
  const bool swapped = number == ELOOP || number == ENOTDIR || number == ESTALE;
  name_in(report_.unreadable, report_.unreadable_count, path_,
          swapped ? "changed while it was looked at" : reason(number));
  return {};
}

}  // namespace peer::storage
