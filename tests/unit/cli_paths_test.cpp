#include <ostream>
// <ostream> first: doctest prints with it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/command_error.hpp"
#include "cli/paths.hpp"

using namespace peer::cli;
namespace fs = std::filesystem;

namespace {

/// A folder of this test, and the current one while the test runs.
class Scratch {
 public:
  Scratch() : before_(fs::current_path()) {
    std::string name = (fs::temp_directory_path() / "peer-cli-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = fs::canonical(name).string();
    fs::current_path(path_);
  }
  ~Scratch() {
    fs::current_path(before_);
    fs::remove_all(path_);
  }
  const std::string& path() const { return path_; }

 private:
  fs::path before_;
  std::string path_;
};

ExitCode code_of(const std::string& path) {
  try {
    existing_path(path);
  } catch (const CommandError& error) {
    return error.code();
  }
  return ExitCode::done;
}

}  // namespace

TEST_SUITE("cli paths") {
  TEST_CASE("a path becomes absolute without looking at links") {
    const Scratch scratch;
    CHECK(absolute_path("x") == scratch.path() + "/x");
    CHECK(absolute_path("x/") == scratch.path() + "/x");
    CHECK(absolute_path("./x//y/.") == scratch.path() + "/x/y");
    CHECK(absolute_path(".") == scratch.path());
    CHECK(absolute_path("/a//b/") == "/a/b");
    CHECK(absolute_path("/") == "/");
    CHECK(absolute_path("a/../b") == scratch.path() + "/a/../b");
  }

  TEST_CASE("a path that ends in .. gets the folder's own name") {
    const Scratch scratch;
    fs::create_directories("one/two");
    fs::current_path("one/two");
    CHECK(absolute_path("..") == scratch.path() + "/one");
    fs::current_path(scratch.path());
  }

  TEST_CASE("what is not there is told before anything else happens") {
    const Scratch scratch;
    std::ofstream("file") << "x";
    fs::create_symlink("file", "link");
    fs::create_symlink("nowhere", "dangling");
    CHECK(code_of("file") == ExitCode::done);
    CHECK(code_of("link") == ExitCode::done);
    CHECK(existing_path("link") == scratch.path() + "/link");
    CHECK(code_of("dangling") == ExitCode::unknown);
    CHECK(code_of("missing") == ExitCode::unknown);
    CHECK(code_of("file/below") == ExitCode::unknown);
    CHECK(code_of("") == ExitCode::usage);
  }

  TEST_CASE("standard input is spooled whole, for this user only") {
    const Scratch scratch;
    peer::base::Home home;
    home.spool = scratch.path() + "/spool";
    const std::string content(1'000'000, 'z');
    std::ofstream("input") << content;
    const int before = ::dup(STDIN_FILENO);
    REQUIRE(std::freopen("input", "r", stdin) != nullptr);
    const std::string path = spool_stdin(home);
    ::dup2(before, STDIN_FILENO);
    ::close(before);
    CHECK(fs::file_size(path) == content.size());
    CHECK((fs::status(path).permissions() & fs::perms::all) ==
          (fs::perms::owner_read | fs::perms::owner_write));
    CHECK((fs::status(home.spool).permissions() & fs::perms::all) == fs::perms::owner_all);
  }
}
