#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <ostream>

#include "storage/catalogue.hpp"
#include "storage/digest.hpp"
#include "storage/folder.hpp"
#include "storage/scan.hpp"
#include "storage_scratch.hpp"

using namespace peer;
using namespace peer::storage;
using peer::test::Scratch;
using protocol::Entry;
using protocol::Kind;

namespace {

using Names = std::vector<std::string>;

ScanOptions offering(std::vector<std::string> paths) {
  ScanOptions options;
  options.paths = std::move(paths);
  return options;
}

/// Scans into scratch/record and reads the manifest back through protocol's judge.
struct Scanned {
  ScanReport report;
  std::vector<Entry> entries;

  Scanned(const Scratch& scratch, const ScanOptions& options) {
    ScanProgress progress;
    auto result = scan(options, scratch / "record", progress);
    REQUIRE_MESSAGE(result, result.error().text());
    report = std::move(*result);
    const std::string manifest = scratch.read("record/manifest");
    protocol::Offer offer;
    offer.files = report.totals.files;
    offer.folders = report.totals.folders;
    offer.links = report.totals.links;
    offer.bytes = report.totals.bytes;
    offer.manifest_bytes = report.manifest_bytes;
    protocol::ManifestReader reader(manifest.size(), offer.entries());
    auto read = reader.feed(test::bytes_of(manifest), [this](Entry&& entry) -> Result<void> {
      entries.push_back(std::move(entry));
      return {};
    });
    REQUIRE_MESSAGE(read, read.error().text());
    auto whole = reader.finish(offer);
    REQUIRE_MESSAGE(whole, whole.error().text());
    CHECK(report.manifest_bytes == manifest.size());
    ManifestHasher hasher;
    hasher.add(test::bytes_of(manifest));
    CHECK(report.manifest == hasher.finish());
    CHECK(progress.files == report.totals.files);
    CHECK(progress.bytes == report.totals.bytes);
  }

  Names paths() const {
    Names all;
    for (const auto& entry : entries) all.push_back(entry.path);
    return all;
  }
  const Entry& entry(const std::string& path) const {
    for (const auto& e : entries)
      if (e.path == path) return e;
    REQUIRE_MESSAGE(false, path);
    return entries.front();
  }
};

std::string why(const std::vector<LeftOut>& list, const std::string& path) {
  for (const auto& item : list)
    if (item.path == path) return item.why;
  return {};
}

std::error_code failure(const Scratch& scratch, const ScanOptions& options,
                        std::string* context = nullptr) {
  ScanProgress progress;
  auto result = scan(options, scratch / "record", progress);
  REQUIRE_FALSE(result);
  if (context) *context = result.error().context;
  return result.error().code;
}

}  // namespace

TEST_SUITE("storage scan") {
  TEST_CASE("a tree is written in the manifest's order, with sizes, modes and times") {
    Scratch scratch;
    scratch.write("t/a/b", "123");
    scratch.write("t/a!", "12");
    scratch.write("t/a-c/x");
    scratch.write("t/\xFF\n\"", "odd");
    scratch.folder("t/empty");
    ::chmod((scratch / "t/a/b").c_str(), 06751);
    ::chmod((scratch / "t/empty").c_str(), 0700);
    scratch.set_times("t/a/b", -5, 123'456'789);
    scratch.set_times("t/empty", 1'700'000'000, 999'999'999);
    Scanned s(scratch, offering({scratch / "t"}));
    CHECK(s.paths() ==
          Names{"t", "t/a", "t/a/b", "t/a!", "t/a-c", "t/a-c/x", "t/empty", "t/\xFF\n\""});
    CHECK(s.entry("t/a/b").size == 3);
    CHECK(s.entry("t/a/b").mode == 0751);
    CHECK(s.entry("t/a/b").mtime == -5'000'000'000 + 123'456'789);
    CHECK(s.entry("t/empty").kind == Kind::folder);
    CHECK(s.entry("t/empty").mode == 0700);
    CHECK(s.entry("t/empty").mtime == 1'700'000'000'999'999'999);
    CHECK(s.report.totals.files == 4);
    CHECK(s.report.totals.folders == 4);
    CHECK(s.report.totals.bytes == 8);
    CHECK(s.report.left_out_count + s.report.unreadable_count == 0);
  }

  TEST_CASE("the catalogue agrees with the manifest and holds the stamps") {
    Scratch scratch;
    const auto file = scratch.write("t/f", "12345");
    scratch.write("t/g", "1");
    Scanned s(scratch, offering({scratch / "t"}));
    const auto catalogue = *Catalogue::open(scratch / "record");
    REQUIRE(catalogue->entries() == s.entries.size());
    CHECK(catalogue->bytes() == 6);
    const auto cursor = catalogue->cursor();
    PlacedEntry entry;
    for (const auto& expected : s.entries) {
      REQUIRE(*cursor->next(entry));
      CHECK(entry.entry == expected);
      struct stat st {};
      REQUIRE(::stat((scratch / expected.path).c_str(), &st) == 0);
      CHECK(entry.stamp.inode == st.st_ino);
    }
    struct stat st {};
    REQUIRE(::stat((scratch / "record").c_str(), &st) == 0);
    CHECK((st.st_mode & 0777) == 0700);
  }

  TEST_CASE("roots bear the names they were given by") {
    Scratch scratch;
    scratch.write("z/file", "z");
    scratch.write("m.txt", "m");
    scratch.write("deep/tree/x");
    scratch.link("link", "deep/tree");
    scratch.link("l.txt", "m.txt");
    Scanned s(scratch, offering({scratch / "z/", scratch / "m.txt", scratch / "deep/tree/.",
                                 scratch / "link", scratch / "l.txt"}));
    CHECK(s.paths() == Names{"l.txt", "link", "link/x", "m.txt", "tree", "tree/x", "z", "z/file"});
    CHECK(s.entry("l.txt").kind == Kind::file);

    auto renamed = offering({scratch / "z//"});
    renamed.names = {"new name"};
    CHECK(Scanned(scratch, renamed).paths() == Names{"new name", "new name/file"});
    renamed.paths = {scratch / "m.txt"};
    CHECK(Scanned(scratch, renamed).paths() == Names{"new name"});
    CHECK(Scanned(scratch, offering({scratch / "deep/tree/.."})).paths() ==
          Names{"deep", "deep/tree", "deep/tree/x"});
  }

  TEST_CASE("what cannot be offered is an error that names it") {
    Scratch scratch;
    scratch.write("a/x");
    scratch.write("b/x");
    scratch.link("dangling", "nowhere");
    std::string text;
    CHECK(failure(scratch, offering({scratch / "none"}), &text) ==
          std::errc::no_such_file_or_directory);
    CHECK(text.find(scratch / "none") != std::string::npos);
    CHECK(failure(scratch, offering({scratch / "dangling"})) ==
          std::errc::no_such_file_or_directory);
    CHECK(failure(scratch, offering({scratch / "a/x/"})) == std::errc::not_a_directory);
    for (const auto* all : {"/", "//", "/.", "/usr/.."})
      CHECK(failure(scratch, offering({all})) == std::errc::invalid_argument);
    CHECK(failure(scratch, offering({scratch / "a/x", scratch / "b/x"}), &text) ==
          std::errc::invalid_argument);
    CHECK(text.find(scratch / "a/x") != std::string::npos);
    CHECK(text.find(scratch / "b/x") != std::string::npos);
    for (const auto& name : Names{"x/y", "..", ".", std::string(1, '\0'), std::string(256, 'n')}) {
      auto options = offering({scratch / "a"});
      options.names = {name};
      CHECK(failure(scratch, options) == std::errc::invalid_argument);
    }
    auto two = offering({scratch / "a", scratch / "b"});
    two.names = {"c"};
    CHECK(failure(scratch, two) == std::errc::invalid_argument);
    auto glob = offering({scratch / "a"});
    glob.selection.except = {"[x"};
    CHECK(failure(scratch, glob) == std::errc::invalid_argument);
  }

  TEST_CASE("sockets and fifos are left out, by name") {
    Scratch scratch;
    scratch.write("t/f");
    REQUIRE(::mkfifo((scratch / "t/fifo").c_str(), 0600) == 0);
    const Fd sock(::socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    (scratch / "t/sock").copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(sock.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    Scanned s(scratch, offering({scratch / "t"}));
    CHECK(s.paths() == Names{"t", "t/f"});
    CHECK(s.report.left_out_count == 2);
    CHECK(why(s.report.left_out, "t/fifo") == "fifo");
    CHECK(why(s.report.left_out, "t/sock") == "socket");
    CHECK(Scanned(scratch, offering({scratch / "t/fifo"})).report.left_out_count == 1);
    auto chosen = offering({scratch / "t"});
    chosen.selection.except = {"fifo", "so*"};
    CHECK(Scanned(scratch, chosen).report.left_out_count == 0);
  }

  TEST_CASE("at most a hundred are named, all are counted") {
    Scratch scratch;
    for (int i = 0; i < 101; ++i) {
      scratch.folder("t");
      REQUIRE(::mkfifo((scratch / "t/" + std::to_string(i)).c_str(), 0600) == 0);
    }
    Scanned s(scratch, offering({scratch / "t"}));
    CHECK(s.report.left_out_count == 101);
    CHECK(s.report.left_out.size() == 100);
  }

  TEST_CASE("links are kept if they stay inside the offered tree") {
    Scratch scratch;
    scratch.write("t/a/file", "f");
    scratch.write("outside", "o");
    scratch.link("t/a/same", "file");
    scratch.link("t/a/up", "../b/none");
    scratch.link("t/a/root", "..");
    scratch.link("t/a/over", "../..");
    scratch.link("t/a/back", "../../t/a/file");
    scratch.link("t/abs", scratch / "t/a/file");
    scratch.link("t/out", "../outside");
    scratch.link("t/dots", "./a//.././a/file");
    SUBCASE("inside") {
      Scanned s(scratch, offering({scratch / "t"}));
      CHECK(s.paths() == Names{"t", "t/a", "t/a/file", "t/a/root", "t/a/same", "t/a/up", "t/dots"});
      CHECK(s.entry("t/a/up").kind == Kind::link);
      CHECK(s.entry("t/a/up").target == "../b/none");
      CHECK(s.entry("t/a/up").mode == 0777);
      CHECK(s.entry("t/a/up").size == 0);
      CHECK(s.report.left_out_count == 4);
      CHECK(why(s.report.left_out, "t/out") == "link leads out of the offer");
    }
    SUBCASE("all") {
      auto options = offering({scratch / "t"});
      options.links = Links::all;
      Scanned s(scratch, options);
      CHECK(s.report.totals.links == 8);
      CHECK(s.entry("t/abs").target == scratch / "t/a/file");
      CHECK(s.report.left_out_count == 0);
    }
    SUBCASE("follow") {
      auto options = offering({scratch / "t"});
      options.links = Links::follow;
      scratch.link("t/a/loop", "../a");
      scratch.link("t/copy", "a");
      Scanned s(scratch, options);
      CHECK(s.entry("t/a/same").kind == Kind::file);
      CHECK(s.entry("t/a/same").size == 1);
      CHECK(s.entry("t/copy").kind == Kind::folder);
      CHECK(s.entry("t/copy/file").size == 1);
      CHECK(why(s.report.left_out, "t/out") == "link leads out of the offer");
      CHECK(why(s.report.left_out, "t/abs") == "link leads out of the offer");
      CHECK(why(s.report.left_out, "t/a/loop") == "link loops");
      CHECK(why(s.report.left_out, "t/copy/loop") == "link loops");
      CHECK(why(s.report.left_out, "t/a/root") == "link loops");
      CHECK(why(s.report.left_out, "t/a/up") == "link leads nowhere");
      CHECK(s.report.totals.links == 0);
    }
  }

  TEST_CASE("our own state is never offered, wherever it is met") {
    Scratch scratch;
    scratch.write("home/state/key.pem", "secret");
    scratch.write("home/doc", "d");
    scratch.link("home/way", "state");
    scratch.link("home/key", "state/key.pem");
    scratch.link("elsewhere", "home/state");
    auto options = offering({scratch / "home"});
    options.never = {scratch / "home/state/", scratch / "not made yet"};
    options.links = Links::follow;
    Scanned s(scratch, options);
    CHECK(s.paths() == Names{"home", "home/doc"});
    CHECK(why(s.report.left_out, "home/state") == "peer's own state");
    CHECK(why(s.report.left_out, "home/way") == "peer's own state");
    CHECK(why(s.report.left_out, "home/key") == "peer's own state");
    for (const auto* path : {"home/state", "home/state/key.pem", "elsewhere", "home/key"}) {
      options.paths = {scratch / path};
      Scanned none(scratch, options);
      CHECK(none.entries.empty());
      CHECK(none.report.left_out_count == 1);
    }
  }

  TEST_CASE("what may not be read is named and the rest is offered") {
    Scratch scratch;
    scratch.write("t/good", "g");
    scratch.write("t/secret", "s");
    scratch.write("t/closed/x");
    ::chmod((scratch / "t/secret").c_str(), 0200);
    ::chmod((scratch / "t/closed").c_str(), 0);
    ::chmod(scratch.path().c_str(), 0777);
    {
      test::Unprivileged nobody;
      Scanned s(scratch, offering({scratch / "t"}));
      CHECK(s.paths() == Names{"t", "t/good"});
      CHECK(s.report.unreadable_count == 2);
      CHECK(why(s.report.unreadable, "t/secret") == "permission denied");
      CHECK(why(s.report.unreadable, "t/closed") == "permission denied");
      Scanned root(scratch, offering({scratch / "t/secret", scratch / "t/good"}));
      CHECK(root.paths() == Names{"good"});
      CHECK(why(root.report.unreadable, "secret") == "permission denied");
    }
    ::chmod((scratch / "t/closed").c_str(), 0700);
  }

  TEST_CASE("only and except choose, folders come with what lies in them") {
    Scratch scratch;
    for (const auto* file :
         {"t/a.jpg", "t/b.txt", "t/one/two/c.jpg", "t/one/d.txt", "t/raw/e.jpg", "t/none/f.txt"})
      scratch.write(file);
    scratch.folder("t/empty");
    auto options = offering({scratch / "t"});
    options.selection.only = {"*.jpg"};
    CHECK(Scanned(scratch, options).paths() ==
          Names{"t", "t/a.jpg", "t/one", "t/one/two", "t/one/two/c.jpg", "t/raw", "t/raw/e.jpg"});
    options.selection.except = {"raw"};
    CHECK(Scanned(scratch, options).paths() ==
          Names{"t", "t/a.jpg", "t/one", "t/one/two", "t/one/two/c.jpg"});
    options.selection.only = {};
    options.selection.except = {"t/one", "*.txt"};
    CHECK(Scanned(scratch, options).paths() ==
          Names{"t", "t/a.jpg", "t/empty", "t/none", "t/raw", "t/raw/e.jpg"});
    options.selection = {{"empty", "two"}, {}, {}};
    CHECK(Scanned(scratch, options).paths() ==
          Names{"t", "t/empty", "t/one", "t/one/two", "t/one/two/c.jpg"});
    options.selection = {{"nothing"}, {}, {}};
    CHECK(Scanned(scratch, options).paths().empty());
    options.selection = {{}, {"t"}, {}};
    CHECK(Scanned(scratch, options).paths().empty());
  }

  TEST_CASE("what is not carried is told") {
    Scratch scratch;
    scratch.write("t/one", "12345");
    REQUIRE(::link((scratch / "t/one").c_str(), (scratch / "t/two").c_str()) == 0);
    REQUIRE(::link((scratch / "t/one").c_str(), (scratch / "t/three").c_str()) == 0);
    REQUIRE(::link((scratch / "t/one").c_str(), (scratch / "elsewhere").c_str()) == 0);
    Scanned s(scratch, offering({scratch / "t"}));
    CHECK(s.report.totals.files == 3);
    CHECK(s.report.hard_link_copies == 2);
    CHECK(s.report.hard_link_bytes == 10);
    CHECK_FALSE(s.report.other_owners);
    if (::setxattr((scratch / "t/two").c_str(), "user.note", "x", 1, 0) == 0)
      CHECK(Scanned(scratch, offering({scratch / "t"})).report.acls_or_xattrs);
    if (::geteuid() == 0) {
      std::filesystem::remove_all(scratch / "record");
      ::chmod(scratch.path().c_str(), 0777);
      test::Unprivileged nobody;
      CHECK(Scanned(scratch, offering({scratch / "t"})).report.other_owners);
    }
  }

  TEST_CASE("holes are told by what is allocated") {
    Scratch scratch;
    const auto file = scratch.write("sparse");
    REQUIRE(::truncate(file.c_str(), off_t{1} << 40) == 0);
    Scanned s(scratch, offering({file}));
    CHECK(s.entry("sparse").size == std::uint64_t{1} << 40);
    CHECK(s.entry("sparse").allocated < 100'000);
  }

  TEST_CASE("folders deeper than there are descriptors, and as deep as paths go") {
    Scratch scratch;
    auto at = Folder::open(scratch.folder("t"));
    for (int i = 0; i < 2'100; ++i) {
      REQUIRE(at->make_folder("d", 0700));
      for (const char* name : {"a", "z"}) REQUIRE(at->file(name, O_WRONLY | O_CREAT, 0600));
      at = at->folder("d");
    }
    Scanned s(scratch, offering({scratch / "t"}));
    CHECK(s.entries.back().path == "t/z");
    // t and 2,047 folders of 2 bytes fit 4,095 bytes; beside each of the first 2,047 lie a and z
    CHECK(s.report.totals.folders == 2'048);
    CHECK(s.report.totals.files == 2 * 2'047);
    CHECK(s.report.left_out_count == 3);
    CHECK(s.report.left_out[0].why == "path too long");
    CHECK(Folder::open(scratch.path())->remove_tree("t"));
  }

  TEST_CASE("a shared path that a link leads elsewhere is not there") {
    Scratch scratch;
    scratch.write("share/sub/x");
    scratch.write("secret/x");
    scratch.link("share/out", "../secret");
    scratch.link("way", "share");
    auto options = offering({scratch / "share/sub"});
    options.beneath = scratch / "way";
    CHECK(Scanned(scratch, options).paths() == Names{"sub", "sub/x"});
    options.paths = {scratch / "share/out"};
    CHECK(failure(scratch, options) == std::errc::no_such_file_or_directory);
  }

  TEST_CASE("a scan stops when it is told to") {
    Scratch scratch;
    scratch.write("t/x");
    ScanProgress progress;
    progress.stop = true;
    auto result = scan(offering({scratch / "t"}), scratch / "record", progress);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == std::errc::operation_canceled);
    CHECK_FALSE(Catalogue::open(scratch / "record"));
  }
}
