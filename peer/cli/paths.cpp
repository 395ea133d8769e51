#include "cli/paths.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/fd.hpp"
#include "cli/output.hpp"
#include "protocol/path.hpp"
#include "storage/selection.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kSpoolBytes = 256 * 1024;
constexpr int kSpoolNames = 10'000;  ///< tried before giving up

std::string current_folder() {
  std::array<char, PATH_MAX> buffer;
  if (!::getcwd(buffer.data(), buffer.size()))
    throw CommandError(ExitCode::failed,
                       std::string("find the current folder: ") + std::strerror(errno));
  return buffer.data();
}

[[noreturn]] void spool_failed(int error) {
  throw CommandError(error == ENOSPC || error == EDQUOT ? ExitCode::no_space : ExitCode::failed,
                     std::string("keep standard input for the offer: ") + std::strerror(error));
}

void copy_stdin(int to) {
  const auto buffer = std::make_unique<std::array<char, kSpoolBytes>>();
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer->data(), buffer->size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) spool_failed(errno);
    if (n == 0) return;
    std::string_view rest(buffer->data(), static_cast<std::size_t>(n));
    while (!rest.empty()) {
      const ssize_t written = ::write(to, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) spool_failed(errno);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }
}

/// Gives the unnamed file a name that nothing has.
std::string name_file(int file, const std::string& folder) {
  const std::string from = "/proc/self/fd/" + std::to_string(file);
  for (int i = 0; i < kSpoolNames; ++i) {
    const std::string path =
        folder + "/stdin-" + std::to_string(::getpid()) + "-" + std::to_string(i);
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return path;
    if (errno != EEXIST) spool_failed(errno);
  }
  spool_failed(EEXIST);
}

}  // namespace

std::string absolute_path(const std::string& path) {
  const std::string whole = path.starts_with('/') ? path : current_folder() + "/" + path;
  std::string result;
  for (std::size_t at = 0; at < whole.size();) {
    const auto end = std::min(whole.find('/', at), whole.size());
    const auto part = whole.substr(at, end - at);
    if (!part.empty() && part != ".") result += "/" + part;
    at = end + 1;
  }
  if (result.ends_with("/..")) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(result.c_str(), nullptr),
                                                           &std::free);
    if (real) result = real.get();
  }
  return result.empty() ? "/" : result;
}

std::string existing_path(const std::string& path) {
  if (path.empty()) throw CommandError(ExitCode::usage, "an empty word is no path");
  const std::string absolute = absolute_path(path);
  struct stat info {};
  if (::stat(absolute.c_str(), &info) == 0) return absolute;
  const int error = errno;
  if (error == ENOENT && ::lstat(absolute.c_str(), &info) == 0)
    throw CommandError(ExitCode::unknown, base::quoted(path) + " is a link to nothing");
  if (error == ENOENT || error == ENOTDIR)
    throw CommandError(ExitCode::unknown,
                       "there is no file or folder " + base::quoted(path) + " here");
  throw CommandError(ExitCode::failed,
                     "look at " + base::quoted(path) + ": " + std::strerror(error));
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void check_root_name(const Arguments& arguments, const std::string& name) {
  const auto parsed = protocol::RelativePath::parse(name);
  if (!parsed || parsed->depth() != 1)
    arguments.fail("--as takes one name, " +
                   (name.find('/') != std::string::npos
                        ? "without '/', not " + base::quoted(name)
                        : base::quoted(name) + " cannot be one: " + parsed.error().text()));
}

void check_globs(const Arguments& arguments) {
  for (const char* option : {"only", "except"}) {
    for (const std::string& glob : arguments.list(option)) {
      const std::string error = storage::glob_error(glob);
      if (!error.empty() || glob.empty())
        arguments.fail("--" + std::string(option) + " " + base::quoted(glob) + ": " +
                       (glob.empty() ? "an empty pattern matches nothing" : error));
    }
  }
}

std::string spool_stdin(const base::Home& home) {
  if (::mkdir(home.spool.c_str(), 0700) != 0 && errno != EEXIST) spool_failed(errno);
  const Fd unnamed(::open(home.spool.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (unnamed) {
    show_status("reading standard input");
    copy_stdin(unnamed.get());
    clear_status();
    return name_file(unnamed.get(), home.spool);
  }
  // A file system without unnamed files: a named one, taken away if the input fails.
  std::string path = home.spool + "/stdin-XXXXXX";
  const Fd named(::mkostemp(path.data(), O_CLOEXEC));
  if (!named) spool_failed(errno);
  try {
    copy_stdin(named.get());
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  return path;
}

}  // namespace peer::cli
