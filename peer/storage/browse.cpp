#include "storage/browse.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "base/text.hpp"
#include "protocol/errors.hpp"
#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "storage/final_name.hpp"
#include "storage/folder.hpp"
#include "storage/roots.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;
using protocol::ListedEntry;

/// Bytes of JSON on a page: the smallest message less its other fields.
constexpr std::size_t kPageBytes = protocol::kMinMessageBytes - 8 * 1024;
/// What an entry takes beside its name: keys, a kind, two numbers of at most 20 digits.
constexpr std::size_t kEntryBytes = 120;

struct Close {
  void operator()(DIR* listing) const { ::closedir(listing); }
};

/// At most what `name` takes in JSON: escapes for control characters, quotes and backslashes, and
/// base64 if it is not UTF-8.
std::size_t json_bytes(std::string_view name) {
  std::size_t sum = 0;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    sum += byte < 0x20 ? 6 : byte == '"' || byte == '\\' || byte >= 0x7F ? 2 : 1;
  }
  return sum;
}

/// Says not why: whether a thing exists that is not shared is nobody's business.
Error not_shared() { return Error(protocol::Errc::not_shared); }

Error not_shared_or(Error error) {
  const bool ours =
      error.code.category() == std::generic_category() && is_out_of_resources(error.code.value());
  return ours ? std::move(error) : not_shared();
}

/// Whether any part of the path is a folder where a transfer is under way.
bool is_staged(std::string_view path) {
  for (std::size_t begin = 0; begin < path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    if (is_staging_name(path.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

bool is_legal(const std::string& path) {
  return path.empty() || (protocol::RelativePath::parse(path) && !is_staged(path));
}

std::optional<ListedEntry> listed(std::string name, const struct stat& st) {
  ListedEntry entry;
  if (S_ISDIR(st.st_mode))
    entry.kind = Kind::folder;
  else if (S_ISLNK(st.st_mode))
    entry.kind = Kind::link;
  else if (!S_ISREG(st.st_mode))
    return std::nullopt;
  entry.name = std::move(name);
  if (entry.kind == Kind::file) entry.size = static_cast<std::uint64_t>(st.st_size);
  entry.mtime = nanoseconds(st.st_mtim);
  return entry;
}

/// The first names of a folder behind `after`, one more than a page holds, sorted.
Result<std::vector<std::string>> next_names(const Folder& folder, const std::string& after) {
  constexpr std::size_t kKept = protocol::kMaxListingEntries + 1;
  Fd own(::openat(folder.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return errno_error("read folder", folder.shown(), errno);
  const std::unique_ptr<DIR, Close> listing(::fdopendir(own.get()));
  if (!listing) return errno_error("read folder", folder.shown(), errno);
  own.release();
  std::vector<std::string> names;  // a heap, the last name on top
  for (errno = 0; const dirent* entry = ::readdir(listing.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    const bool shown = entry->d_type == DT_REG || entry->d_type == DT_DIR ||
                       entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
    if (!shown || name == "." || name == ".." || name <= after) continue;
    if (names.size() == kKept) {
      if (name >= names.front()) continue;
      std::pop_heap(names.begin(), names.end());
      names.pop_back();
    }
    names.emplace_back(name);
    std::push_heap(names.begin(), names.end());
  }
  if (errno != 0) return errno_error("read folder", folder.shown(), errno);
  std::sort_heap(names.begin(), names.end());
  return names;
}

/// `absolute` is where the folder lies, without links.
Result<Page> page_of(const Folder& folder, const std::string& absolute,
                     const std::vector<std::string>& never, const std::string& after) {
  auto names = next_names(folder, after);
  if (!names) return std::move(names).error();
  Page page;
  std::size_t bytes = 0;
  std::string last;  // name looked at
  for (auto& name : *names) {
    bytes += kEntryBytes + json_bytes(name);
    if (page.entries.size() == protocol::kMaxListingEntries || bytes > kPageBytes) {
      page.cursor = base::base64(last);
      break;
    }
    last = name;
    if (std::ranges::find(never, absolute + "/" + name) != never.end()) continue;
    if (is_staging_name(name)) continue;
    const auto st = folder.stat(name);
    if (!st) continue;  // gone meanwhile
    if (auto entry = listed(std::move(name), *st)) page.entries.push_back(std::move(*entry));
  }
  // Some of a full heap were nothing to list: what lies behind it is still to come.
  if (names->size() > protocol::kMaxListingEntries && page.cursor.empty())
    page.cursor = base::base64(last);
  return page;
}

/// A page that holds one thing alone.
Page page_of_one(std::string name, const struct stat& st) {
  Page page;
  if (auto entry = listed(std::move(name), st)) page.entries.push_back(std::move(*entry));
  return page;
}

}  // namespace

Page browse_shares(const std::vector<SharedPlace>& shares, const std::string& cursor) {
  const auto after = base::from_base64(cursor);
  Page page;
  std::size_t bytes = 0;
  std::string last;  // name looked at
  for (const auto& share : shares) {
    if (after && share.name <= *after) continue;
    bytes += kEntryBytes + json_bytes(share.name);
    if (page.entries.size() == protocol::kMaxListingEntries || bytes > kPageBytes) {
      page.cursor = base::base64(last);
      break;
    }
    last = share.name;
    struct stat st {};
    if (::stat(share.folder.c_str(), &st) != 0) continue;
    if (auto entry = listed(share.name, st)) page.entries.push_back(std::move(*entry));
  }
  return page;
}

Result<Page> browse(const SharedPlace& shared, const std::string& path, const std::string& cursor) {
  if (!is_legal(path)) return not_shared();
  const auto after = base::from_base64(cursor);
  if (!after) return Error(protocol::Errc::bad_message, "list: cursor");
  struct stat st {};
  if (::stat(shared.folder.c_str(), &st) != 0) return not_shared();
  if (!S_ISDIR(st.st_mode)) {
    if (!path.empty()) return not_shared();
    return page_of_one(shared.name, st);
  }
  auto share = Folder::open(shared.folder);
  if (!share) return not_shared_or(std::move(share).error());
  auto found = share->stat(path);
  if (!found) return not_shared_or(std::move(found).error());
  if (!S_ISDIR(found->st_mode)) {
    auto page = page_of_one(std::string(last_part(path)), *found);
    return page.entries.empty() ? Result<Page>(not_shared()) : page;
  }
  auto folder = share->folder(path);
  if (!folder) return not_shared_or(std::move(folder).error());
  const auto absolute = real_path(shared.folder) + (path.empty() ? "" : "/" + path);
  std::vector<std::string> never;
  for (const auto& one : shared.never)
    if (auto real = real_path(one); !real.empty()) never.push_back(std::move(real));
  if (std::ranges::any_of(never, [&](const auto& one) { return lies_in(absolute, one); }))
    return not_shared();
  auto page = page_of(*folder, absolute, never, *after);
  return page ? std::move(page) : not_shared_or(std::move(page).error());
}

Result<std::string> resolve_shared(const std::string& shared_folder, const std::string& path) {
  if (!is_legal(path)) return not_shared();
  const std::string real = real_path(shared_folder);
  if (real.empty()) return not_shared();
  if (path.empty()) return real;
  auto share = Folder::open(real);
  if (!share) return not_shared_or(std::move(share).error());
  auto found = share->stat(path);
  if (!found) return not_shared_or(std::move(found).error());
  if (!S_ISDIR(found->st_mode) && !S_ISREG(found->st_mode)) return not_shared();
  return (real == "/" ? "" : real) + "/" + path;
}

}  // namespace peer::storage
