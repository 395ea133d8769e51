#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <ostream>

#include "storage/journal.hpp"
#include "storage/new_names.hpp"
#include "storage_intake_fixture.hpp"

/// These stand for the C library's in this program: they tell what was synced, by its path at that
/// time, and fail where a test wants it.
namespace {

struct Disk {
  std::mutex mutex;
  bool watching = false;
  std::vector<std::string> log;  ///< "fsync PATH", "syncfs PATH", "begin"
  struct Failure {
    std::string call;  ///< how one of the log ends
    int error;
    int times;
    int pass;  ///< so many go well before
  };
  std::vector<Failure> failures;

  int called(const char* what, int fd) {
    const std::lock_guard lock(mutex);
    if (!watching) return 0;
    std::string path(4096, '\0');
    const auto n =
        ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
    path.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    log.push_back(std::string(what) + " " + path);
    for (Failure& one : failures) {
      if (one.times == 0 || !log.back().ends_with(one.call) || one.pass-- > 0) continue;
      --one.times;
      return one.error;
    }
    return 0;
  }
};

Disk disk;

int answer(int error) {
  errno = error;
  return error == 0 ? 0 : -1;
}

}  // namespace

extern "C" int fsync(int fd) { return answer(disk.called("fsync", fd)); }
extern "C" int syncfs(int fd) noexcept { return answer(disk.called("syncfs", fd)); }
extern "C" int sync_file_range(int fd, off64_t, off64_t, unsigned) {
  return answer(disk.called("begin", fd));
}

using namespace peer::storage;
using namespace fixture;

namespace {

constexpr std::uint64_t kMiB = peer::protocol::kBlockBytes;

struct Watch {
  Watch() {
    disk.watching = true;
    disk.log.clear();
    disk.failures.clear();
  }
  Watch(const Watch&) = delete;
  ~Watch() { disk.watching = false; }

  static void fail(const std::string& call, int times = 1, int error = EIO, int pass = 0) {
    disk.failures.push_back({call, error, times, pass});
  }
  /// Where a call for this path stands in the log; -1 if it does not.
  static std::ptrdiff_t at(const char* what, const fs::path& path) {
    const auto found =
        std::find(disk.log.begin(), disk.log.end(), std::string(what) + " " + path.string());
    return found == disk.log.end() ? -1 : found - disk.log.begin();
  }
  static std::ptrdiff_t last(const char* what, const fs::path& path) {
    const auto found =
        std::find(disk.log.rbegin(), disk.log.rend(), std::string(what) + " " + path.string());
    return disk.log.rend() - found - 1;
  }
  static std::ptrdiff_t count(const std::string& what) {
    return std::count_if(disk.log.begin(), disk.log.end(),
                         [&](const auto& call) { return call.starts_with(what + " "); });
  }
};

std::vector<Entry> tree() {
  return {folder("t"),
          folder("t/in", 0555),
          folder("t/none"),
          file("t/big", 3 * kMiB + 17),
          file("t/in/x", 5, 0400),
          file("t/nothing", 0),
          soft_link("t/way", "in/x"),
          file("z", 100)};
}

std::vector<Entry> many(std::size_t count) {
  std::vector<Entry> entries{folder("m")};
  for (std::size_t i = 0; i < count; ++i) entries.push_back(file("m/" + std::to_string(i), 100));
  return entries;
}

}  // namespace

TEST_SUITE("durable") {
  TEST_CASE("without it nothing is synced") {
    World world(tree());
    const Watch watch;
    const auto intake = world.open();
    World::give_rest(*intake);
    deliver(*intake);
    REQUIRE(intake->flush());
    CHECK(disk.log.empty());
  }

  TEST_CASE("bytes are on the disk before names, names before it is said") {
    World world(tree());
    world.plan.durable = true;
    const Watch watch;
    const auto intake = world.open();
    World::give_rest(*intake);
    // Large pieces begin while others come, small ones do not.
    CHECK(Watch::at("begin", world.staged("t/big")) >= 0);
    CHECK(Watch::at("begin", world.staged("z")) < 0);
    CHECK(Watch::count("fsync") == 0);
    CHECK(deliver(*intake).complete);

    const auto journal = world.record / Journal::kName;
    const auto claims = Watch::at("fsync", journal);
    REQUIRE(claims >= 0);
    for (const auto* name : {"t/big", "t/in/x", "t/nothing", "z", "t", "t/in", "t/none", ""}) {
      CAPTURE(name);
      const auto path = *name ? world.staged(name) : world.staged("x").parent_path();
      CHECK(Watch::at("fsync", path) >= 0);
      CHECK(Watch::last("fsync", path) < claims);
    }
    const auto end = Watch::last("fsync", journal);
    for (const auto* name : {"t", "t/in", "t/none", ""}) {
      CAPTURE(name);
      const auto path = *name ? world.downloads / name : world.downloads;
      CHECK(Watch::at("fsync", path) > claims);
      CHECK(Watch::last("fsync", path) < end);
    }
    CHECK(Watch::at("fsync", world.home) > claims);  // the receiving folder's own name
    CHECK(Watch::at("fsync", world.record) > claims);
    CHECK(Watch::count("syncfs") == 0);
    world.check_delivered("t", "t");
    world.check_delivered("z", "z");
  }

  TEST_CASE("the names that roots will get are noted before the first one is moved") {
    World world({file("a", 10), file("b", 20), folder("c"), file("c/d", 30)});
    spill(world.downloads / "b", "mine");
    world.plan.durable = true;
    const auto intake = world.open();
    World::give_rest(*intake);
    const Watch watch;
    Watch::fail("fsync " + (world.record / Journal::kName).string(), 1, EIO, 1);
    CHECK_FALSE(intake->deliver());
    CHECK(world.landed() == Names{world.staging_name(), "b"});
    const auto record = Folder::open(world.record.string());
    const auto journal = Journal::open(*record);
    Journal::Reader reader(**journal);
    std::vector<std::pair<std::uint64_t, std::uint32_t>> noted;
    for (JournalRecord one; *reader.next(one);)
      if (one.type == JournalRecord::Type::root) noted.emplace_back(one.a, one.aux);
    CHECK(noted == decltype(noted){{0, 0}, {1, 1}, {2, 0}});
    CHECK(deliver(*intake).files == 3);
    CHECK(world.landed() == Names{"a", "b", "b (1)", "c"});
  }

  TEST_CASE("many are synced at once, at both ends") {
    for (const auto count : {kSyncedOneByOne - 2, kSyncedOneByOne, std::size_t{2000}}) {
      CAPTURE(count);
      World world(many(count));
      world.plan.durable = true;
      const Watch watch;
      const auto intake = world.open();
      World::give_rest(*intake);
      CHECK(deliver(*intake).files == count);
      const bool few = count < kSyncedOneByOne;
      CHECK(Watch::count("syncfs") == (few ? 0 : 1));
      CHECK(Watch::count("fsync") < static_cast<std::ptrdiff_t>(2 * kSyncedOneByOne));
      if (!few)
        CHECK(Watch::at("syncfs", world.staged("m").parent_path()) <
              Watch::at("fsync", world.record / Journal::kName));
    }
    std::vector<Entry> folders{folder("f"), file("f/x", 1)};
    for (int i = 0; i < 200; ++i) folders.push_back(folder("f/" + std::to_string(i)));
    World world(std::move(folders));
    world.plan.durable = true;
    const Watch watch;
    const auto intake = world.open();
    World::give_rest(*intake);
    CHECK(deliver(*intake).files == 1);
    CHECK(Watch::count("syncfs") == 2);
  }

  TEST_CASE("a merge syncs every folder that got a name") {
    World world(tree());
    fs::create_directories(world.downloads / "t/in");
    fs::create_directories(world.downloads / "t/other");
    world.plan.durable = true;
    world.plan.on_clash = OnClash::overwrite;
    const auto intake = world.open();
    World::give_rest(*intake);
    const Watch watch;
    CHECK(deliver(*intake).failed == 0);
    const auto claims = Watch::at("fsync", world.record / Journal::kName);
    for (const auto* name : {"t", "t/in", "t/none"}) {
      CAPTURE(name);
      CHECK(Watch::last("fsync", world.downloads / name) > claims);
    }
    CHECK(Watch::at("fsync", world.downloads / "t/other") < 0);
  }

  TEST_CASE("a file of which the disk says that it did not get there is wanted anew") {
    for (const int error : {EIO, ENOSPC}) {
      World world(tree());
      world.plan.durable = true;
      auto intake = world.open();
      World::give_rest(*intake);
      const auto files = intake->progress().have_files;
      {
        const Watch watch;
        Watch::fail("files/t/big", 1, error);
        const auto done = intake->deliver();
        REQUIRE_FALSE(done);
        CHECK(done.error().code.value() == error);
        CHECK(done.error().text().find("t/big") != std::string::npos);
      }
      CHECK(world.landed() == Names{world.staging_name()});
      CHECK_FALSE(fs::exists(world.staged("t/big")));
      CHECK(fs::exists(world.staged("z")));
      CHECK_FALSE(intake->all_here());
      CHECK(intake->progress().have_files == files - 1);
      if (error == EIO) {
        World::end(intake);
        intake = world.open();
      }
      CHECK(World::give_rest(*intake) == 3 * kMiB + 17);
      CHECK(deliver(*intake).failed == 0);
      world.check_delivered("t", "t");
    }
  }

  TEST_CASE(
      "where the disk does not say which file it was none is believed, or the one that knows") {
    for (const bool knows : {true, false}) {
      CAPTURE(knows);
      World world(many(300));
      world.plan.durable = true;
      auto intake = world.open();
      World::give_rest(*intake);
      {
        const Watch watch;
        Watch::fail("syncfs " + world.staged("m").parent_path().string());
        if (knows) Watch::fail("m/7");
        auto done = intake->deliver();
        REQUIRE_FALSE(done);
        CHECK(done.error().code.value() == EIO);
      }
      CHECK(world.landed() == Names{world.staging_name()});
      CHECK_FALSE(intake->all_here());
      CHECK(World::give_rest(*intake) == (knows ? 100 : world.bytes));
      CHECK(deliver(*intake).files == 300);
      world.check_delivered("m", "m");
    }
  }

  TEST_CASE("trouble with names or the journal is an error, and calling it again goes on") {
    World world(tree());
    const fs::path paths[] = {world.record / Journal::kName, world.record, world.staged("t"),
                              world.downloads, world.downloads / "t/in"};
    world.plan.durable = true;
    const auto intake = world.open();
    World::give_rest(*intake);
    const Watch watch;
    for (const auto& path : paths) {
      CAPTURE(path.string());
      Watch::fail("fsync " + path.string());
      const auto done = intake->deliver();
      REQUIRE_FALSE(done);
      CHECK(done.error().code.value() == EIO);
      CHECK(intake->all_here());
      if (path == paths[4]) break;
    }
    CHECK(deliver(*intake).complete);
    world.check_delivered("t", "t");
    world.check_delivered("z", "z");
  }

  TEST_CASE("the power goes when roots have their names and nobody was told") {
    World world(tree());
    spill(world.downloads / "z", "mine");
    world.plan.durable = true;
    auto intake = world.open();
    World::give_rest(*intake);
    {
      const Watch watch;
      Watch::fail("fsync " + world.downloads.string());
      CHECK_FALSE(intake->deliver());
    }
    CHECK(world.landed() == Names{world.staging_name(), "t", "z", "z (1)"});
    intake.reset();
    // What was synced is what is left: the journal, as written in an earlier start of the machine.
    {
      const auto record = Folder::open(world.record.string());
      std::vector<JournalRecord> records;
      {
        const auto journal = Journal::open(*record);
        Journal::Reader reader(**journal);
        for (JournalRecord one; *reader.next(one);) records.push_back(one);
      }
      fs::remove(world.record / Journal::kName);
      REQUIRE((*Journal::open(*record, 12345))->append(records));
    }
    std::uint64_t lacking = 0;
    SUBCASE("all bytes are there") {}
    SUBCASE("the disk lied") {
      fs::resize_file(world.downloads / "z (1)", 50);
      lacking = 17 + 5 + 100;  // what shares its block
    }
    intake = world.open();
    CHECK(World::give_rest(*intake) == lacking);
    CHECK(deliver(*intake).complete);
    CHECK(world.landed() == Names{"t", "z", "z (1)"});
    CHECK(slurp(world.downloads / "z") == "mine");
    world.check_delivered("t", "t");
    world.check_delivered("z", "z (1)");
  }

  TEST_CASE("a file system that cannot sync folders has no need of it") {
    World world(tree());
    world.plan.durable = true;
    const auto intake = world.open();
    World::give_rest(*intake);
    const Watch watch;
    Watch::fail("fsync " + world.downloads.string(), 100, EINVAL);
    CHECK(deliver(*intake).complete);
  }
}
