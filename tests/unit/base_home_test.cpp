#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/home.hpp"

namespace fs = std::filesystem;
using peer::base::absolute_path;
using peer::base::downloads_error;
using peer::base::downloads_folder;
using peer::base::Home;
using peer::base::user_home;

namespace {

// An empty folder and an environment in which it is the user's home; both as before afterwards.
class Place {
 public:
  Place() {
    std::string name = "/tmp/peer-home-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    for (const char* variable : kVariables) {
      const char* value = std::getenv(variable);
      old_.push_back(value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(variable);
    }
    set("HOME", folder_);
  }
  ~Place() {
    for (std::size_t i = 0; i < old_.size(); ++i) {
      if (old_[i])
        ::setenv(kVariables[i], old_[i]->c_str(), 1);
      else
        ::unsetenv(kVariables[i]);
    }
    fs::remove_all(folder_);
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  const std::string& path() const { return folder_; }
  std::string operator/(const std::string& name) const { return folder_ + "/" + name; }

 private:
  static constexpr const char* kVariables[] = {
      "HOME",           "PEER_HOME",       "XDG_CONFIG_HOME", "XDG_DATA_HOME",
      "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_DOWNLOAD_DIR"};
  std::string folder_;
  std::vector<std::optional<std::string>> old_;
};

unsigned mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777;
}

}  // namespace

TEST_CASE("a home of its own holds everything, private, and is made when it is missing") {
  const Place place;
  const mode_t old = ::umask(0);
  const auto home = Home::locate(place / "a/b");
  ::umask(old);
  REQUIRE(home);
  const std::string root = place / "a/b";
  CHECK(home->config_file == root + "/config.toml");
  CHECK(home->identity_file == root + "/identity.pem");
  CHECK(home->database_file == root + "/peer.db");
  CHECK(home->offers == root + "/offers");
  CHECK(home->spool == root + "/spool");
  CHECK(home->log_file == root + "/peer.log");
  CHECK(home->socket == root + "/node.sock");
  CHECK(home->lock == root + "/node.lock");
  CHECK(home->data_folder == root);
  CHECK(home->state_folder == root);
  for (const std::string& folder : {root, home->offers, home->spool})
    CHECK(mode_of(folder) == 0700);
}

TEST_CASE("--home wins over PEER_HOME, and PEER_HOME over the base directories") {
  const Place place;
  Place::set("PEER_HOME", place / "variable");
  CHECK(Home::locate(place / "given")->data_folder == place / "given");
  CHECK(Home::locate("")->data_folder == place / "variable");
  Place::set("PEER_HOME", "");
  CHECK(Home::locate("")->data_folder == place / ".local/share/peer");
}

TEST_CASE("a relative home is taken from the current folder and made absolute") {
  const Place place;
  const fs::path before = fs::current_path();
  fs::current_path(place.path());
  const auto home = Home::locate("x/../y/");
  fs::current_path(before);
  REQUIRE(home);
  CHECK(home->data_folder == place / "y");
}

TEST_CASE("the base directories are used, each for its kind") {
  const Place place;
  Place::set("XDG_CONFIG_HOME", place / "config");
  Place::set("XDG_DATA_HOME", place / "data");
  Place::set("XDG_STATE_HOME", "relative/is/ignored");
  const auto home = Home::locate("");
  REQUIRE(home);
  CHECK(home->config_file == place / "config/peer/config.toml");
  CHECK(home->identity_file == place / "data/peer/identity.pem");
  CHECK(home->database_file == place / "data/peer/peer.db");
  CHECK(home->offers == place / ".local/state/peer/offers");
  CHECK(home->lock == place / ".local/state/peer/node.lock");
  CHECK(home->socket == place / ".local/state/peer/node.sock");
  CHECK(mode_of(place / "config/peer") == 0700);
}

TEST_CASE("the socket lies in the runtime folder if that is ours") {
  const Place place;
  fs::create_directory(place / "run");
  Place::set("XDG_RUNTIME_DIR", place / "run");
  CHECK(Home::locate("")->socket == place / "run/peer/node.sock");
  CHECK(mode_of(place / "run/peer") == 0700);
  Place::set("XDG_RUNTIME_DIR", place / "missing");
  CHECK(Home::locate("")->socket == place / ".local/state/peer/node.sock");
  if (::geteuid() != 0) {
    Place::set("XDG_RUNTIME_DIR", "/usr");
    CHECK(Home::locate("")->socket == place / ".local/state/peer/node.sock");
  }
}

TEST_CASE("a home that others may write in is closed to them; inner folders to all others") {
  const Place place;
  fs::create_directories(place / "h/offers");
  REQUIRE(::chmod((place / "h").c_str(), 0775) == 0);
  REQUIRE(::chmod((place / "h/offers").c_str(), 0755) == 0);
  REQUIRE(Home::locate(place / "h"));
  CHECK(mode_of(place / "h") == 0755);
  CHECK(mode_of(place / "h/offers") == 0700);
}

TEST_CASE("a folder that cannot be a home is an error that names it") {
  const Place place;
  std::ofstream(place / "file") << "x";
  const auto file = Home::locate(place / "file");
  REQUIRE(!file);
  CHECK(file.error().text().find(place / "file") != std::string::npos);
  CHECK(file.error().code == std::errc::not_a_directory);

  fs::create_symlink(place / "nowhere", place / "dangling");
  CHECK(!Home::locate(place / "dangling"));

  fs::create_directory(place / "everybody");
  REQUIRE(::chmod((place / "everybody").c_str(), 01777) == 0);
  CHECK(!Home::locate(place / "everybody"));
  CHECK(mode_of(place / "everybody") == 01777);

  if (::geteuid() == 0) {  // only root can give a folder away
    fs::create_directory(place / "theirs");
    REQUIRE(::chown((place / "theirs").c_str(), 12345, 12345) == 0);
    fs::create_symlink(place / "theirs", place / "link");
    const auto theirs = Home::locate(place / "link");
    REQUIRE(!theirs);
    CHECK(theirs.error().text().find("12345") != std::string::npos);
  } else {
    CHECK(!Home::locate("/usr"));
  }
}

TEST_CASE("files land in the folder the desktop names, else in Downloads") {
  const Place place;
  CHECK(downloads_folder() == place / "Downloads");
  fs::create_directory(place / ".config");
  const auto write = [&](const char* text) {
    std::ofstream(place / ".config/user-dirs.dirs") << "# comment\n" << text;
  };
  write("XDG_DOWNLOAD_DIR=\"$HOME/T\\\"l\\$\"\nXDG_MUSIC_DIR=\"$HOME/m\"\n");
  CHECK(downloads_folder() == place / "T\"l$");
  write("XDG_DOWNLOAD_DIR=\"/srv/in/\"\n");
  CHECK(downloads_folder() == "/srv/in");
  write("XDG_DOWNLOAD_DIR=\"$HOME/\"\n");
  CHECK(downloads_folder() == place / "Downloads");
  write("XDG_DOWNLOAD_DIR=\"relative\"\n");
  CHECK(downloads_folder() == place / "Downloads");
  Place::set("XDG_DOWNLOAD_DIR", "/srv/env");
  CHECK(downloads_folder() == "/srv/env");
}

TEST_CASE("files never land in the home folder or the root folder themselves") {
  const Place place;
  CHECK(!downloads_error("/").empty());
  CHECK(!downloads_error("//").empty());
  CHECK(!downloads_error(place.path()).empty());
  CHECK(!downloads_error(place / ".").empty());
  CHECK(downloads_error(place / "Downloads").empty());
  fs::create_symlink(place.path(), place / "me");
  CHECK(!downloads_error(place / "me").empty());
}

TEST_CASE("the user's home is $HOME, or what the password database says") {
  const Place place;
  CHECK(user_home() == place.path());
  ::unsetenv("HOME");
  CHECK(user_home().starts_with('/'));
  CHECK(user_home() != place.path());
}

TEST_CASE("paths become absolute without detours") {
  CHECK(absolute_path("/a/./b//c/../d/") == "/a/b/d");
  CHECK(absolute_path("/") == "/");
  CHECK(absolute_path("") == "");
  CHECK(absolute_path("x") == (fs::current_path() / "x").string());
}
