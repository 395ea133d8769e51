#include <doctest/doctest.h>
#include <fcntl.h>

#include <limits>
#include <ostream>

#include "storage/beneath.hpp"
#include "storage/folder.hpp"
#include "storage_scratch.hpp"

using namespace peer;
using namespace peer::storage;
using peer::test::Scratch;

namespace {

Folder open_folder(const std::string& path) {
  auto folder = Folder::open(path);
  REQUIRE(folder);
  return std::move(*folder);
}

std::string content(const Fd& fd) {
  std::string text(100, '\0');
  const auto n = ::pread(fd.get(), text.data(), text.size(), 0);
  REQUIRE(n >= 0);
  text.resize(static_cast<std::size_t>(n));
  return text;
}

}  // namespace

TEST_SUITE("storage folder") {
  TEST_CASE("a path that climbs, is absolute or empty in part is refused") {
    Scratch scratch;
    scratch.write("in/x", "x");
    scratch.write("secret", "s");
    const auto folder = open_folder(scratch / "in");
    for (const std::string path : {"..", "../secret", "x/..", ".", "./x", "a/../../secret",
                                   "/etc/passwd", "//x", "x//y", "x/", "", "a/./b"}) {
      CAPTURE(path);
      CHECK_FALSE(folder.file(path, O_RDONLY));
      CHECK_FALSE(folder.make_folder(path, 0700));
      CHECK_FALSE(folder.make_link(path, "y"));
      CHECK_FALSE(folder.remove_file(path));
      CHECK_FALSE(folder.remove_folder(path));
      CHECK_FALSE(folder.rename_new("x", folder, path));
      CHECK_FALSE(folder.rename_over("x", folder, path));
    }
    CHECK_FALSE(folder.file(std::string("x\0y", 3), O_RDONLY));
    CHECK(scratch.read("secret") == "s");
    CHECK(scratch.read("in/x") == "x");
  }

  TEST_CASE("links are not passed, neither on the way nor at the end") {
    Scratch scratch;
    scratch.write("outside/victim", "v");
    scratch.folder("in");
    scratch.link("in/link", "../outside/victim");
    scratch.link("in/dir", "../outside");
    scratch.link("in/dangling", "nowhere");
    const auto folder = open_folder(scratch / "in");
    CHECK_FALSE(folder.file("link", O_RDONLY));
    CHECK_FALSE(folder.file("link", O_WRONLY | O_TRUNC));
    CHECK_FALSE(folder.file("dir/victim", O_RDONLY));
    CHECK_FALSE(folder.file("dir/new", O_WRONLY | O_CREAT, 0600));
    CHECK_FALSE(folder.file("dangling", O_WRONLY | O_CREAT, 0600));
    CHECK_FALSE(folder.folder("dir"));
    CHECK_FALSE(folder.make_folder("dir/sub", 0700));
    CHECK_FALSE(folder.make_link("dir/l", "x"));
    CHECK_FALSE(folder.remove_file("dir/victim"));
    CHECK_FALSE(folder.stat("dir/victim"));
    CHECK_FALSE(folder.rename_new("dir/victim", folder, "mine"));
    CHECK(scratch.read("outside/victim") == "v");
    CHECK_FALSE(scratch.has("outside/new"));
    CHECK_FALSE(scratch.has("in/nowhere"));

    CHECK(S_ISLNK(folder.stat("link")->st_mode));
    CHECK(*folder.link_target("link") == "../outside/victim");
    CHECK(folder.remove_file("link"));
    CHECK(scratch.has("outside/victim"));
  }

  TEST_CASE("part by part is confined as openat2 is") {
    Scratch scratch;
    scratch.write("in/a/b/file", "deep");
    scratch.write("secret", "s");
    scratch.link("in/a/out", "../..");
    scratch.link("in/a/last", "b/file");
    const auto folder = open_folder(scratch / "in");
    for (auto* open : {&open_beneath, &open_part_by_part}) {
      CHECK(content(Fd(open(folder.fd(), "a/b/file", O_RDONLY, 0))) == "deep");
      CHECK(Fd(open(folder.fd(), "", O_RDONLY | O_DIRECTORY, 0)));
      CHECK(Fd(open(folder.fd(), "a/b/made", O_WRONLY | O_CREAT, 0600)));
      CHECK_FALSE(Fd(open(folder.fd(), "a/out/secret", O_RDONLY, 0)));
      CHECK_FALSE(Fd(open(folder.fd(), "a/last", O_RDONLY, 0)));
      CHECK_FALSE(Fd(open(folder.fd(), "a/none/file", O_RDONLY, 0)));
      CHECK(errno == ENOENT);
    }
    CHECK(scratch.has("in/a/b/made"));
  }

  TEST_CASE("following stays below the folder") {
    Scratch scratch;
    scratch.write("in/a/file", "f");
    scratch.write("secret", "s");
    scratch.link("in/good", "a/file");
    scratch.link("in/bad", "../secret");
    scratch.link("in/absolute", scratch / "in/a/file");
    const auto folder = open_folder(scratch / "in");
    const Fd good(open_following(folder.fd(), "good", O_RDONLY));
    if (!good && errno == ENOSYS) return;
    CHECK(content(good) == "f");
    CHECK_FALSE(Fd(open_following(folder.fd(), "bad", O_RDONLY)));
    CHECK(errno == EXDEV);
    CHECK_FALSE(Fd(open_following(folder.fd(), "absolute", O_RDONLY)));
    CHECK(errno == EXDEV);
  }

  TEST_CASE("what is no regular file is refused at once") {
    Scratch scratch;
    REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
    scratch.folder("folder");
    const auto folder = open_folder(scratch.path());
    CHECK(folder.file("fifo", O_RDONLY).error().code == std::errc::invalid_argument);
    CHECK_FALSE(folder.file("fifo", O_WRONLY));
    CHECK_FALSE(folder.file("folder", O_RDONLY));
  }

  TEST_CASE("a new name is never one that is there") {
    Scratch scratch;
    scratch.write("a", "a");
    scratch.write("there", "t");
    scratch.write("tree/x", "x");
    scratch.folder("empty");
    const auto folder = open_folder(scratch.path());
    CHECK(folder.rename_new("a", folder, "there").error().code == std::errc::file_exists);
    CHECK(folder.rename_new("tree", folder, "empty").error().code == std::errc::file_exists);
    CHECK(scratch.read("there") == "t");
    CHECK(folder.rename_new("a", folder, "tree/b"));
    CHECK(scratch.read("tree/b") == "a");
    CHECK(folder.rename_over("tree/b", folder, "there"));
    CHECK(scratch.read("there") == "a");
  }

  TEST_CASE("without RENAME_NOREPLACE a new name is not one that is there either") {
    Scratch scratch;
    scratch.write("a", "a");
    scratch.write("there", "t");
    scratch.write("tree/x", "x");
    scratch.folder("empty");
    scratch.link("link", "a");
    const auto folder = open_folder(scratch.path());
    const auto rename = [&](const char* from, const char* to) {
      return rename_to_new_by_link(folder.fd(), from, folder.fd(), to);
    };
    CHECK(rename("a", "there") == -1);
    CHECK(errno == EEXIST);
    CHECK(rename("tree", "empty") == -1);
    CHECK(errno == EEXIST);
    CHECK(rename("a", "b") == 0);
    CHECK(scratch.read("b") == "a");
    CHECK_FALSE(scratch.has("a"));
    CHECK(rename("tree", "tree2") == 0);
    CHECK(scratch.read("tree2/x") == "x");
    CHECK(rename("link", "link2") == 0);
    CHECK(*folder.link_target("link2") == "a");
    CHECK(rename("none", "c") == -1);
    CHECK_FALSE(scratch.has("c"));
  }

  TEST_CASE("a tree is removed, links in it are not followed") {
    Scratch scratch;
    scratch.write("outside/keep", "k");
    scratch.write("t/a/b/c/file");
    scratch.write("t/z");
    scratch.link("t/a/link", "../../outside");
    scratch.folder("t/closed/inner");
    ::chmod((scratch / "t/closed/inner").c_str(), 0);
    ::chmod((scratch / "t/closed").c_str(), 0500);
    const auto folder = open_folder(scratch.path());
    CHECK(folder.remove_tree("t"));
    CHECK_FALSE(scratch.has("t"));
    CHECK(scratch.read("outside/keep") == "k");
    scratch.link("l", "outside");
    CHECK(folder.remove_tree("l"));
    CHECK(scratch.has("outside/keep"));
    CHECK(folder.remove_tree("none").error().code == std::errc::no_such_file_or_directory);
  }

  TEST_CASE("a tree deeper than there are descriptors is removed") {
    Scratch scratch;
    auto top = open_folder(scratch.path());
    REQUIRE(top.make_folder("deep", 0700));
    auto at = *top.folder("deep");
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(at.make_folder("d", 0700));
      at = *at.folder("d");
    }
    CHECK(top.remove_tree("deep"));
    CHECK_FALSE(scratch.has("deep"));
  }

  TEST_CASE("the longest path one system call takes works, a longer one is refused") {
    Scratch scratch;
    const auto folder = open_folder(scratch.path());
    std::string path;
    while (path.size() + 201 <= 4050) {
      if (!path.empty()) path += '/';
      path.append(200, 'p');
      REQUIRE(folder.make_folder(path, 0700));
    }
    path += '/';
    path.append(4095 - path.size(), 'f');
    REQUIRE(path.size() == 4095);
    CHECK(folder.file(path, O_WRONLY | O_CREAT, 0600));
    CHECK(S_ISREG(folder.stat(path)->st_mode));
    CHECK(folder.file(path + "g", O_WRONLY | O_CREAT, 0600).error().code ==
          std::errc::filename_too_long);
    CHECK(folder.remove_tree(path.substr(0, 200)));
  }

  TEST_CASE("opening can make a folder with its parents") {
    Scratch scratch;
    CHECK_FALSE(Folder::open(scratch / "a/b/c"));
    CHECK(Folder::open(scratch / "a/b/c", true, 0700));
    CHECK(Folder::open(scratch / "a/b/c", true));
    CHECK((open_folder(scratch / "a/b").stat("")->st_mode & 0777) == 0700);
    scratch.write("file");
    CHECK(Folder::open(scratch / "file", true).error().code == std::errc::not_a_directory);
  }

  TEST_CASE("errors name what was tried and the path") {
    Scratch scratch;
    const auto error = open_folder(scratch.path()).file("a/b", O_RDONLY).error();
    CHECK(error.code == std::errc::no_such_file_or_directory);
    CHECK(error.context.find(scratch / "a/b") != std::string::npos);
  }

  TEST_CASE("times outside 64 bits of nanoseconds are clamped") {
    CHECK(nanoseconds({1, 5}) == 1'000'000'005);
    CHECK(nanoseconds({-1, 999'999'999}) == -1);
    CHECK(nanoseconds({9'223'372'036, 854'775'807}) == std::numeric_limits<std::int64_t>::max());
    CHECK(nanoseconds({9'223'372'036, 854'775'808}) == std::numeric_limits<std::int64_t>::max());
    CHECK(nanoseconds({std::numeric_limits<time_t>::min(), 0}) ==
          std::numeric_limits<std::int64_t>::min());
  }
}
