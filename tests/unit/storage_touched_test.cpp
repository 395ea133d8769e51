#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <functional>
#include <ostream>

#include "storage/journal.hpp"
#include "storage_half_done.hpp"

using namespace peer::storage;
using namespace fixture;
using Type = JournalRecord::Type;

namespace {

std::vector<JournalRecord> journal_of(const World& world) {
  const auto record = Folder::open(world.record.string());
  const auto journal = Journal::open(*record);
  std::vector<JournalRecord> records;
  Journal::Reader reader(**journal);
  for (JournalRecord one; *reader.next(one);) records.push_back(one);
  return records;
}

void write_journal(const World& world, const std::vector<JournalRecord>& records) {
  fs::remove(world.record / Journal::kName);
  const auto record = Folder::open(world.record.string());
  const auto journal = Journal::open(*record);
  REQUIRE((*journal)->append(records));
}

/// A file system of its own in `at`; false where tests may not mount.
bool mount_at(const fs::path& at) {
  if (::geteuid() == 0 && ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=64m") == 0) return true;
  MESSAGE("skipped: needs to mount a tmpfs");
  return false;
}

}  // namespace

TEST_SUITE("touched staging") {
  TEST_CASE("after an orderly end nothing is read again, on one file system or two") {
    World world = half_done();
    SUBCASE("one") {}
    SUBCASE("two") {
      if (!mount_at(world.downloads)) return;
    }
    for (int run = 0; run < 3; ++run) {
      auto intake = world.open();
      if (run == 0) give_first(*intake, world);
      CHECK_FALSE(intake->recheck_step());
      CHECK(intake->progress().have_bytes == world.bytes - 2 * kUnit);
      if (run > 0) CHECK(intake->progress().resumed_bytes == world.bytes - 2 * kUnit);
      World::end(intake);
    }
    finish(world, 2 * kUnit);
  }

  TEST_CASE("what somebody did to a staged file between two runs is found") {
    struct Deed {
      std::string what;
      std::uint64_t lacking;  ///< beside the half that was never stored
      std::uint64_t doubted;  ///< what is not believed when it is opened
      std::function<void(const World&)> run;
    };
    const Deed deeds[] = {
        {"a bit of a half file", kUnit, 2 * kUnit,
         [](const World& w) { flip(w.staged("half"), 17); }},
        {"a bit of a half file, its mtime restored", kUnit, 2 * kUnit,
         [](const World& w) {
           const auto was = mtime(w.staged("half"));
           flip(w.staged("half"), kUnit + 17);
           set_mtime(w.staged("half"), was);
         }},
        {"a bit of a whole file, its mtime restored", kUnit, 2 * kUnit,
         [](const World& w) {
           flip(w.staged("whole"), 2 * kUnit - 1);
           set_mtime(w.staged("whole"), kTime);
         }},
        {"a bit of a small one", 10, 10, [](const World& w) { flip(w.staged("x1"), 3); }},
        {"read only", 0, 20, [](const World& w) { REQUIRE(!::chmod(w.staged("x2").c_str(), 0)); }},
        {"truncated and extended again", kUnit, 2 * kUnit,
         [](const World& w) {
           fs::resize_file(w.staged("half"), kUnit);
           fs::resize_file(w.staged("half"), 2 * kUnit);
         }},
        {"extended", 0, 2 * kUnit,
         [](const World& w) { fs::resize_file(w.staged("half"), 7 * kUnit); }},
        {"a whole one extended", 2 * kUnit, 2 * kUnit,
         [](const World& w) { fs::resize_file(w.staged("whole"), 2 * kUnit + 1); }},
        {"truncated", 2 * kUnit, 2 * kUnit,
         [](const World& w) { fs::resize_file(w.staged("half"), 2 * kUnit - 1); }},
        {"replaced by a copy", 0, 2 * kUnit,
         [](const World& w) {
           fs::copy_file(w.staged("whole"), w.home / "copy");
           set_mtime(w.home / "copy", kTime);
           fs::rename(w.home / "copy", w.staged("whole"));
         }},
        {"replaced by a link to the same bytes", 2 * kUnit, 2 * kUnit,
         [](const World& w) {
           fs::rename(w.staged("whole"), w.home / "moved");
           fs::create_symlink(w.home / "moved", w.staged("whole"));
         }},
        {"replaced by a folder", 2 * kUnit, 2 * kUnit,
         [](const World& w) {
           fs::remove(w.staged("half"));
           fs::create_directories(w.staged("half") / "in");
         }},
        {"replaced by a pipe", 30, 30,
         [](const World& w) {
           fs::remove(w.staged("x3"));
           REQUIRE(!::mkfifo(w.staged("x3").c_str(), 0600));
         }},
        {"deleted", 2 * kUnit, 2 * kUnit, [](const World& w) { fs::remove(w.staged("half")); }},
    };
    for (const bool orderly : {true, false}) {
      for (const Deed& deed : deeds) {
        CAPTURE(deed.what);
        CAPTURE(orderly);
        World world = half_done();
        auto intake = world.open();
        give_first(*intake, world);
        if (orderly) World::end(intake);
        intake.reset();
        deed.run(world);
        intake = world.open();
        const auto believed = intake->progress().have_bytes;
        if (orderly) CHECK(believed == world.bytes - 2 * kUnit - deed.doubted);
        CHECK(believed <= world.bytes - 2 * kUnit - deed.doubted);
        intake.reset();  // what was found is not forgotten when this run gets no further
        finish(world, 2 * kUnit + deed.lacking, !orderly);
      }
    }
  }

  TEST_CASE("it is found where the journal lies on another file system") {
    for (const bool witnessed : {true, false}) {
      CAPTURE(witnessed);
      World world = half_done();
      if (!mount_at(world.downloads)) return;
      auto intake = world.open();
      give_first(*intake, world);
      World::end(intake);
      flip(world.staged("half"), 17);
      if (!witnessed) fs::remove(world.downloads / world.staging_name() / "written");
      finish(world, 3 * kUnit);
    }
  }

  TEST_CASE("a new link to the journal, or another mode of it, hides nothing") {
    World world = half_done();
    auto intake = world.open();
    give_first(*intake, world);
    World::end(intake);
    flip(world.staged("half"), 17);
    fs::create_hard_link(world.record / Journal::kName, world.home / "backup");
    REQUIRE(!::chmod((world.record / Journal::kName).c_str(), 0644));
    finish(world, 3 * kUnit);
  }

  TEST_CASE("a run that was killed in its survey hides nothing") {
    World world = half_done();
    auto intake = world.open();
    give_first(*intake, world);
    World::end(intake);
    flip(world.staged("half"), 17);
    intake = world.open();
    intake.reset();
    // As if the survey had come no further than its first record: all later ones are cut off.
    auto records = journal_of(world);
    REQUIRE(records.back().type == Type::surveyed);
    while (records.back().type != Type::opened) records.pop_back();
    write_journal(world, records);
    finish(world, 3 * kUnit);
  }

  TEST_CASE("a clock that was set back makes all suspect, once") {
    World world = half_done();
    auto intake = world.open();
    give_first(*intake, world);
    World::end(intake);
    auto records = journal_of(world);
    for (auto& one : records)
      if (one.type == Type::opened) one.b += 10'000'000'000;  // as the clock stood then
    write_journal(world, records);
    intake = world.open();
    CHECK(intake->progress().have_bytes == 0);
    CHECK(World::recheck(*intake) == 4);
    CHECK(intake->progress().have_bytes == world.bytes - 2 * kUnit);
    World::end(intake);
    intake = world.open();
    CHECK_FALSE(intake->recheck_step());
    CHECK(intake->progress().have_bytes == world.bytes - 2 * kUnit);
  }

  TEST_CASE("a whole file without the offered time is suspect whatever the clock says") {
    World world = half_done();
    auto intake = world.open();
    give_first(*intake, world);
    World::end(intake);
    flip(world.staged("x1"), 3);
    World::end(intake = world.open());  // sees it; the next run would believe its time
    auto records = journal_of(world);
    std::erase_if(records, [](const auto& one) { return one.type == Type::suspect; });
    write_journal(world, records);
    finish(world, 2 * kUnit + 10);
  }

  TEST_CASE("what is no file in the place of one gives way when pieces or all of it are written") {
    for (const std::string what : {"link", "folder", "pipe"}) {
      for (const bool pieces : {true, false}) {
        CAPTURE(what);
        CAPTURE(pieces);
        World world = half_done();
        const auto intake = world.open();
        if (what == "link") fs::create_symlink(world.home / "out", world.staged("half"));
        if (what == "folder") fs::create_directories(world.staged("half") / "in");
        if (what == "pipe") REQUIRE(!::mkfifo(world.staged("half").c_str(), 0600));
        if (pieces) give_first(*intake, world);
        World::give_rest(*intake);
        CHECK(deliver(*intake).failed == 0);
        CHECK_FALSE(fs::exists(world.home / "out"));
        world.check_delivered("half", "half");
      }
    }
  }
}
