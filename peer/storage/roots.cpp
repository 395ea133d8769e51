#include "storage/roots.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/text.hpp"
#include "protocol/path.hpp"
#include "storage/beneath.hpp"
#include "storage/record_file.hpp"

namespace peer::storage {
namespace {

/// `roots` is fields that each end in a NUL, which no path holds: this one, "follow" or "", then
/// name, folder, base and inode of each root.
constexpr std::string_view kFormat = "peer roots 1";

Error invalid(std::string text) {
  return Error(std::make_error_code(std::errc::invalid_argument), std::move(text));
}

/// What a path calls its root: its last part, or where that is no name, the real one.
std::string_view name_of(std::string_view path, std::string_view real) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const auto last = path.substr(path.rfind('/') + 1);
  if (!last.empty() && last != "." && last != "..") return last;
  return real.substr(real.rfind('/') + 1);
}

Result<Root> find_root(const std::string& path, const std::string& beneath) {
  const std::string real = real_path(path);
  if (real.empty()) return errno_error("offer", path, errno);
  if (real == "/") return invalid("offer " + base::quoted(path) + ": the whole system cannot be");
  if (!beneath.empty() && !lies_in(real, beneath)) return errno_error("offer", path, ENOENT);

  struct stat st {};
  if (::lstat(real.c_str(), &st) != 0) return errno_error("offer", path, errno);
  Root root;
  root.name = name_of(path, real);
  root.folder = real;
  if (!S_ISDIR(st.st_mode)) {
    const auto slash = real.rfind('/');
    root.base = real.substr(slash + 1);
    root.folder = slash == 0 ? "/" : real.substr(0, slash);
    if (::lstat(root.folder.c_str(), &st) != 0) return errno_error("offer", path, errno);
  }
  root.inode = st.st_ino;
  return root;
}

/// The next field of `rest`; nothing if it does not end.
std::optional<std::string> field(std::string_view& rest) {
  const auto end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  std::string text(rest.substr(0, end));
  rest.remove_prefix(end + 1);
  return text;
}

}  // namespace

bool lies_in(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string real_path(const std::string& path) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
  return real ? std::string(real.get()) : std::string();
}

int open_without_links(const std::string& absolute, int flags) {
  const Fd top(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return -1;
  return open_beneath(top.get(), absolute.substr(1), flags | O_DIRECTORY);
}

Result<Roots> find_roots(const std::vector<std::string>& paths,
                         const std::vector<std::string>& names, const std::string& beneath) {
  if (!names.empty() && names.size() != paths.size())
    return invalid("a new name is for one path only");
  for (const auto& as : names) {
    const auto name = protocol::RelativePath::parse(as);
    if (!name || name->depth() != 1)
      return invalid(base::quoted(as) + " cannot be the name of a file");
  }
  const std::string within = beneath.empty() ? std::string() : real_path(beneath);
  if (!beneath.empty() && within.empty()) return errno_error("open folder", beneath, errno);

  std::vector<std::pair<Root, std::string>> found;  // with the path it came from
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto root = find_root(paths[i], within);
    if (!root) return std::move(root).error();
    if (!names.empty()) root->name = names[i];
    found.emplace_back(std::move(*root), paths[i]);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first.name < b.first.name; });
  Roots roots;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0 && found[i].first.name == roots.all.back().name)
      return invalid(base::quoted(found[i - 1].second) + " and " + base::quoted(found[i].second) +
                     " would have one name");
    roots.all.push_back(std::move(found[i].first));
  }
  return roots;
}

const Root* Roots::find(std::string_view name) const {
  const auto it = std::lower_bound(all.begin(), all.end(), name,
                                   [](const Root& r, std::string_view n) { return r.name < n; });
  return it != all.end() && it->name == name ? &*it : nullptr;
}

Result<void> Roots::write(const Folder& record) const {
  auto file = AppendFile::create(record, kRootsFile);
  if (!file) return std::move(file).error();
  std::string text;
  const auto add = [&text](std::string_view f) { text.append(f).push_back('\0'); };
  add(kFormat);
  add(following ? "follow" : "");
  for (const auto& root : all) {
    add(root.name);
    add(root.folder);
    add(root.base);
    add(std::to_string(root.inode));
  }
  if (auto r = file->append(text); !r) return r;
  return file->flush();
}

Result<Roots> Roots::read(const Folder& record) {
  const std::string shown = record.shown() + "/" + kRootsFile;
  auto fd = record.file(kRootsFile, O_RDONLY);
  if (!fd) return record_error(std::move(fd).error());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return errno_error("look at", shown, errno);
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  auto n = read_fully(fd->get(), 0, std::as_writable_bytes(std::span(text)), shown);
  if (!n) return std::move(n).error();
  if (*n != text.size()) return damaged(shown);

  std::string_view rest = text;
  if (field(rest) != kFormat) return damaged(shown);
  const auto following = field(rest);
  if (!following) return damaged(shown);
  Roots roots;
  roots.following = *following == "follow";
  while (!rest.empty()) {
    auto name = field(rest);
    auto folder = field(rest);
    auto base = field(rest);
    const auto inode = field(rest);
    if (!inode || name->empty() || !folder->starts_with('/')) return damaged(shown);
    Root root{std::move(*name), std::move(*folder), std::move(*base), 0};
    const char* end = inode->data() + inode->size();
    if (std::from_chars(inode->data(), end, root.inode).ptr != end) return damaged(shown);
    roots.all.push_back(std::move(root));
  }
  return roots;
}

}  // namespace peer::storage
