#include "storage/staging.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>

#include "base/log.hpp"
#include "base/text.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/record_file.hpp"
#include "storage/space_book.hpp"

namespace peer::storage {
namespace {

constexpr std::string_view kFirstLine = "peer staging 1";
constexpr char kNewFile[] = "staging.new";
/// Two, for where one is damaged the hidden folder would be nobody's.
constexpr std::array<const char*, 2> kNotes{Staging::kFile, "staging.copy"};
/// Notes of folders on drives that are away, numbered from 0.
constexpr char kAside[] = "staging.away-";
constexpr unsigned kMaxAside = 4;
constexpr std::size_t kNoteBytes = 16 * 1024;
constexpr unsigned kMaxNames = 1000;  ///< `.peer-ID-N` tried before giving up

/// What the record's file `staging`, and its copy, say. inode 0: the folder was about to be made.
/// Without a name: there is none, or it is damaged.
struct Note {
  explicit operator bool() const { return !name.empty(); }
  std::uint64_t inode = 0;
  std::string folder;
  std::string name;
  std::uint64_t file_system = 0;  ///< that it is on; 0: not known
};

/// Which file system it is, the same however often it is mounted (device numbers are not); 0 where
/// that cannot be told.
std::uint64_t file_system_at(const std::string& path) {
  struct statfs about {};
  if (::statfs(path.c_str(), &about) != 0) return 0;
  std::uint64_t id = 0;
  static_assert(sizeof about.f_fsid == sizeof id);
  std::memcpy(&id, &about.f_fsid, sizeof id);
  return id;
}

Note parse_note(const std::string& text) {
  std::istringstream in(text);
  std::string first, inode, folder, name;
  if (!std::getline(in, first) || first != kFirstLine || !std::getline(in, inode) ||
      !std::getline(in, folder) || !std::getline(in, name) || in.eof())
    return {};
  const auto path = base::from_base64(folder);
  if (!path || !name.starts_with(kStagingPrefix) || name.find('/') != std::string::npos) return {};
  std::string file_system;                                   // not in records of earlier versions
  if (std::getline(in, file_system) && in.eof()) return {};  // it was cut
  return {std::strtoull(inode.c_str(), nullptr, 10), *path, name,
          std::strtoull(file_system.c_str(), nullptr, 16)};
}

/// In the record, which is ours alone: what is no file in the place of one gives way.
Result<void> make_way(const Folder& record, const char* name) {
  const auto st = record.stat(name);
  return st && !S_ISREG(st->st_mode) ? record.remove_tree(name) : Result<void>();
}

Result<void> write_as(const Folder& record, const char* name, std::string_view text) {
  for (const char* way : {kNewFile, name}) {
    auto made = make_way(record, way);
    if (!made) return made;
  }
  auto file = AppendFile::create(record, kNewFile);
  if (!file) return std::move(file).error();
  auto written = file->append(text);
  if (written) written = file->flush();
  if (!written) return written;
  return record.rename_over(kNewFile, record, name);
}

std::string text_of(const Note& note) {
  std::ostringstream out;
  out << kFirstLine << '\n'
      << note.inode << '\n'
      << base::base64(note.folder) << '\n'
      << note.name << '\n'
      << std::hex << note.file_system << '\n';
  return out.str();
}

Result<void> write_note(const Folder& record, const Note& note) {
  const std::string text = text_of(note);
  for (const char* name : kNotes) {
    auto written = write_as(record, name, text);
    if (!written) return written;
  }
  return {};
}

/// What cannot be read now is an error.
Result<Note> read_one(const Folder& record, const char* name) {
  auto fd = record.file(name, O_RDONLY);
  for (const int number : {ENOENT, ELOOP, EINVAL}) {  // what is no file gives way
    if (!fd && is_errno(fd.error().code, number)) return Note();
  }
  if (!fd) return std::move(fd).error();
  std::string text(kNoteBytes, '\0');
  auto n = read_fully(fd->get(), 0, std::as_writable_bytes(std::span(text)), name);
  if (!n) return std::move(n).error();
  text.resize(*n);
  return parse_note(text);
}

Result<Note> read_note(const Folder& record) {
  for (const char* name : kNotes) {
    auto note = read_one(record, name);
    if (!note || *note) return note;
  }
  return Note();
}

/// Whether the folder that a note names is there and ours. By inode: device numbers change between
/// starts of the machine.
Result<bool> is_noted(const Folder& destination, const Note& note) {
  const auto st = destination.stat(note.name);
  if (!st && is_errno(st.error().code, ENOENT)) return false;
  if (!st) return st.error();
  return S_ISDIR(st->st_mode) && st->st_ino == note.inode && st->st_uid == ::geteuid();
}

/// Whether the noted folder's place is on another file system now. A folder of that name there is
/// taken for the noted one: some file systems are known by their device alone.
Result<void> drive_of(const Note& note) {
  if (note.inode == 0 || note.file_system == 0) return {};
  const auto now = file_system_at(nearest_existing(note.folder));
  if (now == 0 || now == note.file_system) return {};
  struct stat st {};
  if (::lstat((note.folder + '/' + note.name).c_str(), &st) == 0) return {};
  return errno_error("find what has arrived in", note.folder, kDriveAway);
}

/// Makes the staging folder under the first free name, noting before what it will be called so
/// that a crash leaves no nameless one.
Result<Note> make_folder(const Folder& record, const Folder& destination, const std::string& path,
                         const protocol::OfferId& id) {
  for (unsigned n = 0; n < kMaxNames; ++n) {
    Note note{0, path, std::string(kStagingPrefix) + id.text(), file_system_at(path)};
    if (n > 0) (note.name += '-') += std::to_string(n);
    auto noted = write_note(record, note);
    if (!noted) return std::move(noted).error();
    auto made = destination.make_folder(note.name, 0700);
    if (!made) {
      if (!is_errno(made.error().code, EEXIST)) return std::move(made).error();
      base::log(base::Level::warning, "storage",
                base::quoted(path + "/" + note.name) +
                    " is not known to be this peer's, and is left alone. It may hold what had "
                    "arrived of an offer whose record is damaged, and can be removed then");
      continue;
    }
    const auto st = destination.stat(note.name);
    if (!st) return st.error();
    note.inode = st->st_ino;
    noted = write_note(record, note);
    if (!noted) return std::move(noted).error();
    return note;
  }
  return errno_error("make a staging folder in", path, EEXIST);
}

Result<void> forget(const Folder& record) {
  for (const char* name : kNotes) {
    auto forgotten = record.remove_file(name);
    if (!forgotten && !is_errno(forgotten.error().code, ENOENT)) return forgotten;
  }
  return {};
}

Result<void> remove_hidden(const Folder& destination, const Note& note) {
  if (note.inode == 0) {
    (void)destination.remove_folder(note.name);  // only goes if nothing is in it
    return {};
  }
  auto ours = is_noted(destination, note);
  if (!ours) return std::move(ours).error();
  return *ours ? destination.remove_tree(note.name) : Result<void>();
}

/// Where its folder was removed, what was in it is gone too.
Result<void> remove_hidden(const Note& note) {
  auto there = drive_of(note);
  if (!there) return there;
  auto destination = Folder::open(note.folder);
  if (destination) return remove_hidden(*destination, note);
  const auto& code = destination.error().code;
  if (is_errno(code, ENOENT) || is_entry_error(code)) return {};
  return std::move(destination).error();
}

/// Its drive is away: the note makes room for another, and is found by Staging::remove_noted().
Result<void> set_aside(const Folder& record, const Note& note) {
  for (unsigned n = 0; n < kMaxAside; ++n) {
    const std::string name = kAside + std::to_string(n);
    auto taken = record.has(name);
    if (!taken) return std::move(taken).error();
    if (!*taken) return write_as(record, name.c_str(), text_of(note));
  }
  base::log(base::Level::warning, "storage",
            base::quoted(note.folder + "/" + note.name) + " stays where it is: too many were left");
  return {};
}

Result<void> remove_aside(const Folder& record, const std::string& name) {
  const auto note = read_one(record, name.c_str());
  if (!note) return note.error();
  if (!*note) return {};
  auto removed = remove_hidden(*note);
  return removed ? record.remove_file(name) : removed;
}

}  // namespace

mode_t current_umask() {
  // umask(2) only tells by changing it, which other threads would see.
  const Fd fd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> text{};
  const auto n = fd ? ::read(fd.get(), text.data(), text.size() - 1) : 0;
  const std::string_view all(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  constexpr std::string_view kKey = "\nUmask:";
  if (const auto at = all.find(kKey); at != std::string_view::npos)
    return static_cast<mode_t>(std::strtoul(all.data() + at + kKey.size(), nullptr, 8)) & 0777;
  return 077;
}

Result<std::unique_ptr<Staging>> Staging::open(const Folder& record, const protocol::OfferId& id,
                                               const std::string& folder, Journal& journal) {
  auto noted = read_note(record);
  if (!noted) return std::move(noted).error();
  auto note = std::move(*noted);
  if (note && note.folder == folder) {
    auto there = drive_of(note);
    if (!there) return std::move(there).error();
  }
  auto destination = Folder::open(folder, true);
  if (!destination) return std::move(destination).error();
  std::unique_ptr<Staging> staging(new Staging);
  auto own_record = record.folder("");
  if (!own_record) return std::move(own_record).error();
  staging->record_ = std::move(*own_record);
  staging->destination_ = std::move(*destination);
  staging->path_ = folder;
  staging->umask_ = current_umask();

  if (note && note.folder != folder) {
    auto left = leave(record);
    if (!left) return std::move(left).error();
    note = {};
  }
  if (note && note.inode == 0) {
    (void)staging->destination_.remove_folder(note.name);  // only goes if nothing is in it
    note = {};
  }
  auto there = Result<bool>(false);
  if (note) there = is_noted(staging->destination_, note);
  if (!there) return std::move(there).error();
  if (!*there) {
    auto fresh = journal.append(JournalRecord::of(JournalRecord::Type::fresh, 0, 0));
    if (!fresh) return std::move(fresh).error();
    auto made = make_folder(record, staging->destination_, folder, id);
    if (!made) return std::move(made).error();
    note = std::move(*made);
    staging->new_ = true;
  }
  staging->name_ = note.name;
  auto own = staging->destination_.folder(note.name);
  if (!own) return std::move(own).error();
  auto tree = own->make_folder(kTree, 0700);
  if (!tree && !is_errno(tree.error().code, EEXIST)) return std::move(tree).error();
  auto opened = own->folder(kTree);
  if (!opened) return std::move(opened).error();
  staging->own_ = std::move(*own);
  staging->tree_ = std::move(*opened);
  return staging;
}

Result<void> Staging::still_there() const {
  struct stat now {};
  struct stat then {};
  if (::fstat(destination_.fd(), &then) != 0) return errno_error("receive into", path_, errno);
  const int gone = ::stat(path_.c_str(), &now) == 0 ? 0 : errno;
  if (gone == 0 && now.st_ino == then.st_ino && now.st_dev == then.st_dev) return {};
  if (auto drive = drive_there(record_); !drive) return drive;
  if (gone != 0 && gone != ENOENT) return errno_error("receive into", path_, gone);
  return errno_error("receive into", path_, then.st_nlink == 0 ? ENOENT : ESTALE);
}

Result<void> Staging::remove() {
  {
    const std::lock_guard lock(mutex_);
    open_.clear();
  }
  const auto note = read_note(record_);
  if (!note) return note.error();
  if (!*note || note->name != name_) return {};
  auto removed = remove_hidden(destination_, *note);
  return removed ? forget(record_) : removed;
}

Result<bool> Staging::leave(const Folder& record) {
  const auto note = read_note(record);
  if (!note) return note.error();
  if (!*note) return true;
  auto removed = remove_hidden(*note);
  const bool away = !removed && is_drive_away(removed.error().code);
  if (!removed && !away) return std::move(removed).error();
  auto forgotten = away ? set_aside(record, *note) : Result<void>();
  if (forgotten) forgotten = forget(record);
  if (!forgotten) return std::move(forgotten).error();
  return !away;
}

Result<void> Staging::remove_noted(const Folder& record) {
  Result<void> all;
  auto left = leave(record);
  if (!left) all = std::move(left).error();
  for (unsigned n = 0; n < kMaxAside; ++n) {
    auto removed = remove_aside(record, kAside + std::to_string(n));
    // Other trouble is told before a drive that is away.
    if (!removed && (all || is_drive_away(all.error().code))) all = std::move(removed);
  }
  return all;
}

bool Staging::is_note(std::string_view name) { return name.starts_with(kFile); }

Result<void> Staging::drive_there(const Folder& record) {
  const auto note = read_note(record);
  if (!note) return note.error();
  return *note ? drive_of(*note) : Result<void>();
}

Result<void> Staging::leave_drive_away(const Folder& record) {
  const auto note = read_note(record);
  if (!note) return note.error();
  auto there = *note ? drive_of(*note) : Result<void>();
  if (there || !is_drive_away(there.error().code)) return there;
  auto aside = set_aside(record, *note);
  return aside ? forget(record) : aside;
}

std::shared_ptr<const Fd> Staging::opened(std::uint64_t entry) const {
  const std::lock_guard lock(mutex_);
  for (const Open& file : open_) {
    if (file.entry == entry) return file.fd;
  }
  return nullptr;
}

void Staging::keep_open(std::uint64_t entry, std::shared_ptr<const Fd> fd) {
  const std::lock_guard lock(mutex_);
  if (open_.size() == kOpenFiles) open_.erase(open_.begin());
  open_.push_back({entry, std::move(fd)});
}

void Staging::close(std::uint64_t entry) {
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [&](const Open& file) { return file.entry == entry; });
}

}  // namespace peer::storage
