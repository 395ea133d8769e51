#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/log_limit.hpp"

using namespace peer::base;
using namespace std::chrono_literals;

namespace {

/// The log goes to a file of its own folder while this lives.
struct LogFile {
  std::string folder;
  std::string file;
  explicit LogFile(Level least = Level::info) {
    std::string pattern = std::filesystem::temp_directory_path() / "peer-log-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    file = folder + "/log";
    log_to(file, least);
  }
  ~LogFile() {
    log_to("");
    std::filesystem::remove_all(folder);
  }
  std::vector<std::string> lines() const {
    std::ifstream in(file);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
};

}  // namespace

TEST_SUITE("log") {
  TEST_CASE("a line has time, level, area and text, in a file for nobody else") {
    LogFile log_file;
    log(Level::warning, "net", "something happened: here");
    const auto lines = log_file.lines();
    REQUIRE(lines.size() == 1);
    std::string shape = lines[0];
    for (char& c : shape)
      if (c >= '0' && c <= '9') c = '9';
    CHECK(shape == "9999-99-99T99:99:99Z warning net: something happened: here");
    struct stat status {};
    REQUIRE(::stat(log_file.file.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }

  TEST_CASE("nothing in a text can forge a line or reach a terminal") {
    LogFile log_file;
    log(Level::info, "net", "name\n2026-01-01T00:00:00Z info node: accepted\x1b[2J\x9b");
    const auto lines = log_file.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find('\x1b') == std::string::npos);
    CHECK(lines[0].find('\x9b') == std::string::npos);
  }

  TEST_CASE("an endless text is cut") {
    LogFile log_file;
    log(Level::info, "net", std::string(1 << 20, 'x'));
    const auto lines = log_file.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].size() < 3 * kMaxLogColumns);
  }

  TEST_CASE("details are left out unless asked for") {
    {
      LogFile log_file;
      log(Level::debug, "detail", "not asked");
      CHECK(log_file.lines().empty());
    }
    LogFile log_file(Level::debug);
    log(Level::debug, "detail", "asked");
    CHECK(log_file.lines().size() == 1);
  }

  TEST_CASE("a link in place of the log is not followed") {
    LogFile log_file;
    const std::string victim = log_file.folder + "/victim";
    const std::string link = log_file.folder + "/link";
    std::ofstream(victim) << "precious";
    std::filesystem::create_symlink(victim, link);
    log_to(link);
    log(Level::error, "link", "must not arrive");
    CHECK(std::filesystem::file_size(victim) == 8);
  }

  TEST_CASE("threads do not mix their lines") {
    LogFile log_file;
    std::vector<std::future<void>> threads;
    for (int t = 0; t < 4; ++t)
      threads.push_back(std::async(std::launch::async, [t] {
        const std::string area(1, static_cast<char>('a' + t));
        for (int i = 0; i < 8; ++i) log(Level::info, area, "thread says: " + std::string(200, 'x'));
      }));
    for (auto& thread : threads) thread.get();
    const auto lines = log_file.lines();
    CHECK(lines.size() == 32);
    for (const auto& line : lines) CHECK(line.ends_with(std::string(200, 'x')));
  }

  TEST_CASE("the file is rotated before it grows beyond its limit") {
    LogFile log_file;
    {
      std::ofstream out(log_file.file, std::ios::app);
      out << std::string(kMaxLogBytes - 1, 'x');
    }
    log_to(log_file.file);  // takes note of the size
    log(Level::info, "rotation", "first line of a new file");
    CHECK(log_file.lines().size() == 1);
    CHECK(std::filesystem::file_size(log_file.file + ".1") == kMaxLogBytes - 1);
  }
}

TEST_SUITE("log limit") {
  constexpr LogLimit::Time kStart{1h};

  TEST_CASE("ten lines of one meaning pass, the eleventh is counted and told of later") {
    LogLimit limit;
    for (int i = 0; i < 10; ++i)
      CHECK(limit.admit("net", "handshake with 10.0.0." + std::to_string(i) + ": x", kStart));
    CHECK(!limit.admit("net", "handshake with 10.0.0.250: something else", kStart));
    CHECK(!limit.admit("net", "handshake with 10.0.0.1", kStart + 59s));
    CHECK(limit.admit("net", "another matter", kStart));
    CHECK(limit.admit("node", "handshake with 10.0.0.1", kStart));
    CHECK(limit.turn(kStart + 59s).empty());
    const auto skipped = limit.turn(kStart + 60s);
    REQUIRE(skipped.size() == 1);
    CHECK(skipped[0].area == "net");
    CHECK(skipped[0].what == "handshake with #.#.#.#");
    CHECK(skipped[0].count == 2);
    CHECK(limit.admit("net", "handshake with 10.0.0.1", kStart + 60s));
  }

  TEST_CASE("a flood of ever new texts is bounded too") {
    LogLimit limit;
    std::size_t written = 0;
    for (int i = 0; i < 100'000; ++i) {
      std::string text = "x";
      for (int n = i; n > 0; n /= 26) text += static_cast<char>('a' + n % 26);
      written += limit.admit("net", text, kStart) ? 1 : 0;
    }
    CHECK(written <= LogLimit::kAllLines);
    CHECK(limit.turn(kStart + 60s).size() <= LogLimit::kMeanings + 1);
  }
}
