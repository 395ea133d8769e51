#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

#include "base/home.hpp"
#include "base/settings.hpp"

namespace fs = std::filesystem;
using namespace peer::base;

namespace {

class File {
 public:
  File() {
    std::string name = "/tmp/peer-settings-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~File() { fs::remove_all(folder_); }
  std::string path() const { return folder_ + "/config.toml"; }
  const std::string& folder() const { return folder_; }
  void write(const std::string& text) const { std::ofstream(path()) << text; }
  std::string read() const {
    std::ifstream in(path());
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string folder_;
};

std::string after(const std::string& text, const std::string& key, const std::string& value) {
  const File file;
  file.write(text);
  const auto changed = change_setting(file.path(), key, value);
  if (!changed) return "error: " + changed.error().text();
  REQUIRE(Settings::load(file.path()));
  return file.read();
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("without a file everything has its default") {
  const File file;
  const auto settings = Settings::load(file.path());
  REQUIRE(settings);
  CHECK(!settings->name.empty());
  CHECK(settings->port == 56744);
  CHECK(settings->listen.empty());
  CHECK(settings->downloads.starts_with('/'));
  CHECK(settings->offers_from == "anyone");
  CHECK(!settings->hidden);
  CHECK(settings->on_clash == "rename");
  CHECK(settings->warnings.empty());
}

TEST_CASE("a file's values are taken") {
  const File file;
  file.write(
      "name = \"Ann's laptop\"\nport = 7000\nlisten = [\"192.168.1.7\", \"::1\", "
      "\"fe80::1%eth0\"]\n"
      "downloads = \"~/in\"\noffers_from = \"contacts\"\nhidden = true\non_clash = \"update\"\n");
  const auto settings = Settings::load(file.path());
  REQUIRE(settings);
  CHECK(settings->name == "Ann's laptop");
  CHECK(settings->port == 7000);
  CHECK(settings->listen == std::vector<std::string>{"192.168.1.7", "::1", "fe80::1%eth0"});
  CHECK(settings->downloads == user_home() + "/in");
  CHECK(settings->offers_from == "contacts");
  CHECK(settings->hidden);
  CHECK(settings->on_clash == "update");
}

TEST_CASE("a value that cannot be is an error with its place and what is allowed") {
  struct Case {
    const char* line;
    SettingsErrc error;
  };
  const Case cases[] = {
      {"name = \"\"", SettingsErrc::bad_name},
      {"name = 5", SettingsErrc::bad_name},
      {"name = \"a\\u001B[2J\"", SettingsErrc::bad_name},
      {"port = 0", SettingsErrc::bad_port},
      {"port = 65536", SettingsErrc::bad_port},
      {"port = -1", SettingsErrc::bad_port},
      {"port = 1.5", SettingsErrc::bad_port},
      {"port = \"7000\"", SettingsErrc::bad_port},
      {"port = true", SettingsErrc::bad_port},
      {"listen = \"::1\"", SettingsErrc::bad_listen},
      {"listen = [\"localhost\"]", SettingsErrc::bad_listen},
      {"listen = [\"10.0.0.1:80\"]", SettingsErrc::bad_listen},
      {"listen = [1]", SettingsErrc::bad_listen},
      {"downloads = \"in\"", SettingsErrc::bad_downloads},
      {"downloads = \"/\"", SettingsErrc::bad_downloads},
      {"downloads = \"~/\"", SettingsErrc::bad_downloads},
      {"offers_from = \"nobody\"", SettingsErrc::bad_offers_from},
      {"hidden = \"yes\"", SettingsErrc::bad_hidden},
      {"hidden = 1", SettingsErrc::bad_hidden},
      {"on_clash = \"replace\"", SettingsErrc::bad_on_clash},
      {"port = ", SettingsErrc::not_toml},
      {"port = 1\nport = 2", SettingsErrc::not_toml},
      {"name = \"\xff\"", SettingsErrc::not_toml},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const File file;
    file.write(std::string("# first\n") + c.line + "\n");
    const auto settings = Settings::load(file.path());
    REQUIRE(!settings);
    CHECK(settings.error().code == c.error);
    CHECK(holds(settings.error().text(), file.path()));
    CHECK((holds(settings.error().text(), "line 2, column ") ||
           holds(settings.error().text(), "line 3, column ")));
  }
}

TEST_CASE("names and lists are taken up to their limits and no further") {
  const File file;
  const auto loads = [&file](const std::string& text) {
    file.write(text);
    return static_cast<bool>(Settings::load(file.path()));
  };
  CHECK(loads("name = \"" + std::string(256, 'x') + "\""));
  CHECK(!loads("name = \"" + std::string(257, 'x') + "\""));
  std::string list;
  for (std::size_t i = 0; i < kMaxListenAddresses; ++i) list += "\"::1\",";
  CHECK(loads("listen = [" + list + "]"));
  CHECK(!loads("listen = [" + list + "\"::1\"]"));
  CHECK(loads("port = 1"));
  CHECK(loads("history_days = 0"));
  CHECK(loads("history_days = 36500"));
  CHECK(!loads("history_days = 36501"));
  CHECK(!loads("history_days = -1"));
  CHECK(loads("give_up_after = \"1s\""));
  CHECK(!loads("give_up_after = \"0s\""));
  CHECK(!loads("give_up_after = 30"));
  CHECK(loads("sessions = \"trusted\""));
  CHECK(!loads("sessions = \"anyone\""));
  CHECK(!loads("durable = \"true\""));
  CHECK(loads("port = 65535"));
  CHECK(loads(std::string(kMaxSettingsBytes - 1, '#') + "\n"));
  CHECK(!loads(std::string(kMaxSettingsBytes, '#') + "\n"));
}

TEST_CASE("keys that mean nothing are warned about, not refused") {
  const File file;
  file.write("prot = 7000\n\n[table]\nx = 1\n");
  const auto settings = Settings::load(file.path());
  REQUIRE(settings);
  CHECK(settings->port == 56744);
  REQUIRE(settings->warnings.size() == 2);
  CHECK(holds(settings->warnings[0], "line 1, column 1"));
  CHECK(holds(settings->warnings[0], "did you mean ‘port’?"));
  CHECK(holds(settings->warnings[1], "‘table’"));
}

TEST_CASE("what is no regular file is not waited for") {
  const File file;
  REQUIRE(::mkfifo(file.path().c_str(), 0600) == 0);
  const auto settings = Settings::load(file.path());
  REQUIRE(!settings);
  CHECK(settings.error().code == SettingsErrc::not_a_file);
}

TEST_CASE("a list of all settings tells values and defaults") {
  const File file;
  file.write("port = 7000\n");
  const auto list = list_settings(file.path());
  REQUIRE(list);
  CHECK(list->size() == 13);
  for (const SettingInfo& info : *list) {
    CHECK(!info.help.empty());
    CHECK(info.is_default == (info.key != "port"));
    if (info.key == "port") CHECK(info.value == "7000");
    if (info.key == "on_clash") CHECK(info.value == "\"rename\"");
    if (info.key == "listen") CHECK(info.value == "[]");
    if (info.key == "limit") CHECK(info.value == "\"none\"");
    if (info.key == "hidden") CHECK(info.value == "false");
    if (info.key == "sessions") CHECK(info.value == "\"contacts\"");
    if (info.key == "durable") CHECK(info.value == "false");
    if (info.key == "history_days") CHECK(info.value == "90");
    if (info.key == "give_up_after") CHECK(info.value == "\"30m\"");
  }
}

TEST_CASE("changing a setting leaves the rest as the person wrote it") {
  CHECK(after("", "port", "7000") == "port = 7000\n");
  CHECK(after("# mine\nport = 1 # why\nhidden=true\n", "port", "7000") ==
        "# mine\nport = 7000 # why\nhidden=true\n");
  CHECK(after("# mine", "port", "7000") == "# mine\nport = 7000\n");
  CHECK(after("\"port\"   =   1", "port", "2") == "\"port\"   =   2");
  CHECK(after("name = \"ä\" # ö\nport = 1", "name", "ü") == "name = \"ü\" # ö\nport = 1");
  CHECK(after("a = [ \"ä\", 1 ] # x\r\nport = 1\r\n", "port", "2") ==
        "a = [ \"ä\", 1 ] # x\r\nport = 2\r\n");
  CHECK(after("listen = [\n  \"::1\", # local\n  \"10.0.0.1\"\n] # end\nport = 1\n", "listen",
              "::1") == "listen = [\"::1\"] # end\nport = 1\n");
  CHECK(after("name = \"\"\"\nfirst\"\"\"\n", "name", "x") == "name = \"x\"\n");
}

TEST_CASE("a new setting goes into the top table, not into the last one") {
  CHECK(after("hidden = true\n\n[later]\nport = 1\n", "port", "2") ==
        "hidden = true\nport = 2\n\n[later]\nport = 1\n");
  CHECK(after("[later]\nport = 1\n", "port", "2") == "port = 2\n[later]\nport = 1\n");
  CHECK(after("[[x]]\na = 1\n", "hidden", "true") == "hidden = true\n[[x]]\na = 1\n");
}

TEST_CASE("quotes are optional, and a list may be written with commas") {
  CHECK(after("", "name", "Ann's laptop") == "name = \"Ann's laptop\"\n");
  CHECK(after("", "name", "\"Ann\"") == "name = \"Ann\"\n");
  CHECK(after("", "name", "'Ann'") == "name = \"Ann\"\n");
  CHECK(after("", "name", "a\\b\"c") == "name = \"a\\\\b\\\"c\"\n");
  CHECK(after("", "on_clash", "skip") == "on_clash = \"skip\"\n");
  CHECK(after("", "listen", "::1,10.0.0.1") == "listen = [\"::1\", \"10.0.0.1\"]\n");
  CHECK(after("", "listen", "[\"::1\"]") == "listen = [\"::1\"]\n");
  CHECK(after("", "downloads", "~/in") == "downloads = \"~/in\"\n");
}

TEST_CASE("an empty value goes back to the default") {
  CHECK(after("hidden = true\nport = 1 # x\nname = \"a\"\n", "port", "") ==
        "hidden = true\nname = \"a\"\n");
  CHECK(after("port = 1", "port", "") == "");
  CHECK(after("hidden = true\n", "port", "") == "hidden = true\n");
}

TEST_CASE("a wrong value or key changes nothing and says what is allowed") {
  const File file;
  file.write("port = 1\n");
  const auto error = [&file](const char* key, const char* value) {
    const auto changed = change_setting(file.path(), key, value);
    CHECK(file.read() == "port = 1\n");
    return changed ? std::string("none") : changed.error().text();
  };
  CHECK(holds(error("prot", "1"), "‘port’"));
  CHECK(holds(error("port", "65536"), "1 to 65535"));
  CHECK(holds(error("port", "7000\nhidden = true"), "1 to 65535"));
  CHECK(holds(error("port", "7000 # x\nname"), "1 to 65535"));
  CHECK(holds(error("hidden", "maybe"), "true or false"));
  CHECK(holds(error("name", "\x1b[2J"), "control"));
  CHECK(holds(error("name", "\xff"), "the name is"));
  CHECK(holds(error("listen", "::1,,::2"), "IPs"));
  CHECK(holds(error("on_clash", "replace"), "overwrite"));
  file.write("port = \n");
  CHECK(!change_setting(file.path(), "port", "1"));
  CHECK(file.read() == "port = \n");
}

TEST_CASE("the file is written whole, private, and through a link") {
  const File file;
  fs::create_symlink(file.folder() + "/real.toml", file.path());
  std::ofstream(file.folder() + "/real.toml") << "port = 1\n";
  REQUIRE(change_setting(file.path(), "port", "2"));
  CHECK(fs::is_symlink(file.path()));
  CHECK(file.read() == "port = 2\n");
  struct stat found {};
  REQUIRE(::stat(file.path().c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  CHECK(std::distance(fs::directory_iterator(file.folder()), {}) == 2);
}
