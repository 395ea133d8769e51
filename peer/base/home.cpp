#include "base/home.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace peer::base {
namespace {

constexpr mode_t kPrivate = 0700;
constexpr mode_t kWritableByOthers = 0022;

Error failed(int code, std::string what) {
  return Error(std::error_code(code, std::generic_category()), std::move(what));
}

// The variable's value if it is an absolute path; the specification says to ignore any other.
std::string absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || value[0] != '/') return {};
  return absolute_path(value);
}

std::string xdg(const char* variable, const char* below_home) {
  const std::string value = absolute_variable(variable);
  return value.empty() ? user_home() + below_home : value;
}

// Makes the folder and those above it that are missing.
Result<void> make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), kPrivate) == 0 || errno == EEXIST) return {};
  const std::size_t slash = folder.rfind('/');
  if (errno != ENOENT || slash == 0 || slash == std::string::npos)
    return failed(errno, "make the folder " + quoted(folder));
  if (auto above = make_folder(folder.substr(0, slash)); !above) return above;
  if (::mkdir(folder.c_str(), kPrivate) != 0 && errno != EEXIST)
    return failed(errno, "make the folder " + quoted(folder));
  return {};
}

// Makes the folder if it is missing; whatever stands there must be a folder of this user's, and
// loses the permissions in `forbidden`.
Result<void> own_folder(const std::string& folder, mode_t forbidden) {
  if (auto made = make_folder(folder); !made) return made;
  struct stat found {};
  if (::stat(folder.c_str(), &found) != 0)
    return failed(errno, "look at the folder " + quoted(folder));
  if (!S_ISDIR(found.st_mode)) return failed(ENOTDIR, "use " + quoted(folder));
  if (found.st_uid != ::geteuid())
    return failed(EPERM, "use the folder " + quoted(folder) + ", which belongs to user " +
                             std::to_string(found.st_uid));
  if ((found.st_mode & S_ISVTX) != 0 && (found.st_mode & S_IWOTH) != 0)
    return failed(EPERM, "use the folder " + quoted(folder) + ", in which everybody may write");
  const mode_t mode = found.st_mode & 07777;
  if ((mode & forbidden) != 0 && ::chmod(folder.c_str(), mode & ~forbidden) != 0)
    return failed(errno, "keep others out of the folder " + quoted(folder));
  return {};
}

bool is_own_folder(const std::string& folder) {
  struct stat found {};
  return ::stat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
         found.st_uid == ::geteuid();
}

Home under(const std::string& folder) {
  Home home;
  home.config_file = folder + "/config.toml";
  home.data_folder = home.state_folder = folder;
  home.socket = folder + "/node.sock";
  return home;
}

Home in_base_directories() {
  Home home;
  home.config_file = xdg("XDG_CONFIG_HOME", "/.config") + "/peer/config.toml";
  home.data_folder = xdg("XDG_DATA_HOME", "/.local/share") + "/peer";
  home.state_folder = xdg("XDG_STATE_HOME", "/.local/state") + "/peer";
  home.socket = home.state_folder + "/node.sock";
  // Under sudo or su the variable may name another user's folder.
  const std::string runtime = absolute_variable("XDG_RUNTIME_DIR");
  if (!runtime.empty() && is_own_folder(runtime)) home.socket = runtime + "/peer/node.sock";
  return home;
}

std::string folder_of(const std::string& file) { return file.substr(0, file.rfind('/')); }

// The value of XDG_DOWNLOAD_DIR in the file that xdg-user-dirs writes: "$HOME/..." or absolute,
// between double quotes, with backslashes before special characters. Empty if it is not there.
std::string download_dir_in(const std::string& file) {
  constexpr std::string_view kKey = "XDG_DOWNLOAD_DIR=\"";
  std::ifstream in(file);
  std::string found;
  for (std::string line; std::getline(in, line);) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line.compare(start, kKey.size(), kKey) != 0) continue;
    found.clear();
    for (std::size_t i = start + kKey.size(); i < line.size() && line[i] != '"'; ++i) {
      if (line[i] == '\\' && i + 1 < line.size()) ++i;
      found += line[i];
    }
  }
  if (found.starts_with("$HOME/")) return absolute_path(user_home() + found.substr(5));
  return found.starts_with('/') ? absolute_path(found) : std::string{};
}

}  // namespace

Result<Home> Home::locate(const std::string& given) {
  std::string folder = given;
  if (folder.empty()) {
    const char* variable = std::getenv("PEER_HOME");
    if (variable != nullptr) folder = variable;
  }
  Home home = folder.empty() ? in_base_directories() : under(absolute_path(folder));
  home.identity_file = home.data_folder + "/identity.pem";
  home.database_file = home.data_folder + "/peer.db";
  home.offers = home.state_folder + "/offers";
  home.spool = home.state_folder + "/spool";
  home.log_file = home.state_folder + "/peer.log";
  home.lock = home.state_folder + "/node.lock";

  const mode_t others = folder.empty() ? 0077 : kWritableByOthers;
  const std::vector<std::string> roots{home.data_folder, home.state_folder,
                                       folder_of(home.config_file), folder_of(home.socket)};
  for (const std::string& root : roots)
    if (auto owned = own_folder(root, others); !owned) return std::move(owned).error();
  for (const std::string& inner : {home.offers, home.spool})
    if (auto owned = own_folder(inner, 0077); !owned) return std::move(owned).error();
  return home;
}

bool Home::is_spooled(const std::string& path) const {
  const auto name = path.rfind('/');
  return name == spool.size() && path.starts_with(spool) &&
         path.find_first_not_of('.', name + 1) != std::string::npos;
}

std::string downloads_folder() {
  const std::string variable = absolute_variable("XDG_DOWNLOAD_DIR");
  if (!variable.empty()) return variable;
  const std::string user_dirs = xdg("XDG_CONFIG_HOME", "/.config") + "/user-dirs.dirs";
  const std::string configured = download_dir_in(user_dirs);
  // xdg-user-dirs writes the home itself for "there is no such folder".
  if (!configured.empty() && configured != user_home()) return configured;
  return absolute_path(user_home() + "/Downloads");
}

std::string downloads_error(const std::string& folder) {
  const auto same = [&folder](const std::string& other) {
    struct stat a {};
    struct stat b {};
    return absolute_path(folder) == other ||
           (::stat(folder.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 &&
            a.st_dev == b.st_dev && a.st_ino == b.st_ino);
  };
  if (same("/")) return "files cannot land in / itself: name a folder in it";
  if (same(user_home())) return "files cannot land in your home folder itself: name a folder in it";
  return {};
}

std::string landing_folder(const std::string& written) {
  if (written.find('\0') != std::string::npos) return {};
  const std::string folder = written.starts_with("~/") ? user_home() + written.substr(1) : written;
  if (!folder.starts_with('/') || !downloads_error(folder).empty()) return {};
  return absolute_path(folder);
}

std::string user_home() {
  const std::string variable = absolute_variable("HOME");
  if (!variable.empty()) return variable;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16 * 1024> buffer{};
  const int error = ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  const bool usable = error == 0 && found != nullptr && found->pw_dir != nullptr;
  return usable && found->pw_dir[0] == '/' ? absolute_path(found->pw_dir) : "/";
}

std::string absolute_path(const std::string& path) {
  if (path.empty()) return {};
  std::error_code error;
  std::string out = std::filesystem::absolute(path, error).lexically_normal().string();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

}  // namespace peer::base
