#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <optional>
#include <ostream>
#include <thread>

#include "protocol/errors.hpp"
#include "storage/folder.hpp"
#include "storage/journal.hpp"
#include "storage_intake_fixture.hpp"

using namespace peer::storage;
using namespace fixture;
using peer::protocol::kBlockBytes;

namespace {

constexpr std::uint64_t kMiB = kBlockBytes;

std::vector<Entry> mixed() {
  std::vector<Entry> entries{folder("t"),
                             folder("t/deep", 0555),
                             folder("t/deep/er"),
                             folder("t/empty", 0700),
                             file("t/big", 3 * kMiB + 17),
                             file("t/deep/er/x", 5, 0755),
                             file("t/nothing", 0, 0600),
                             file("t/one", 1, 0400),
                             file("t/exact", kMiB),
                             soft_link("t/way", "../no/where")};
  for (int i = 0; i < 300; ++i) {
    entries.push_back(file("t/many" + std::to_string(i), 1 + static_cast<std::uint64_t>(i) * 37));
  }
  return entries;
}

}  // namespace

TEST_SUITE("intake") {
  TEST_CASE("a tree arrives whole: bytes, modes, times, links, empty files and folders") {
    World world(mixed());
    const auto intake = world.open();
    CHECK(intake->progress().chosen_bytes == world.bytes);
    CHECK(World::give_rest(*intake) == world.bytes);
    CHECK(intake->progress().have_files == intake->progress().chosen_files);
    CHECK(world.landed() == Names{world.staging_name()});
    const auto done = deliver(*intake);
    CHECK(done.files == 305);
    CHECK(done.bytes == world.bytes);
    CHECK(done.failed == 0);
    CHECK(done.complete);
    CHECK(done.roots == Names{(world.downloads / "t").string()});
    CHECK(world.landed() == Names{"t"});
    world.check_delivered("t", "t");
  }

  TEST_CASE("wants are cut at the grid, and what is given back is wanted again") {
    World world({file("a", 5 * kMiB)});
    const auto intake = world.open();
    CHECK(*intake->take(kMiB) == Range{0, kMiB});
    const auto writer = intake->writer();
    REQUIRE(World::give(*writer, {0, 1000}));
    intake->give_back({1000, kMiB});
    CHECK(*intake->take(kMiB + 5) == Range{1000, kMiB});
    CHECK(*intake->take(2 * kMiB + 5) == Range{kMiB, 3 * kMiB});
    CHECK(intake->take_within({3 * kMiB + 1, 5 * kMiB}) == Range{3 * kMiB + 1, 5 * kMiB});
    CHECK(*intake->take(16 * kMiB) == Range{3 * kMiB, 3 * kMiB + 1});
    CHECK_FALSE(intake->take(16 * kMiB));
    CHECK_FALSE(intake->all_here());
  }

  TEST_CASE("blocks out of order from two threads make the same files") {
    World world(mixed());
    const auto intake = world.open();
    std::vector<Range> ranges;
    while (const auto range = intake->take(kMiB)) {
      for (auto at = range->begin; at < range->end; at += 100'000)
        ranges.push_back({at, std::min(at + 100'000, range->end)});
    }
    std::reverse(ranges.begin(), ranges.end());
    const auto work = [&](std::size_t first) {
      const auto writer = intake->writer();
      for (auto i = first; i < ranges.size(); i += 2)
        if (!World::give(*writer, ranges[i])) std::abort();
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    CHECK(deliver(*intake).files == 305);
    world.check_delivered("t", "t");
  }

  TEST_CASE("a block with a wrong digest leaves no byte") {
    World world({file("a", 1000)});
    const auto intake = world.open();
    const auto range = *intake->take(kMiB);
    auto block = World::stream(range);
    const auto digest = digest_of(peer::protocol::Digest::Kind::sha256, block);
    for (const std::size_t wrong : {0UL, 500UL, 999UL}) {
      block[wrong] ^= std::byte{1};
      const auto stored = intake->writer()->store(0, block, digest);
      REQUIRE_FALSE(stored);
      CHECK(stored.error().code == peer::protocol::Errc::bad_digest);
      block[wrong] ^= std::byte{1};
    }
    CHECK_FALSE(fs::exists(world.staged("a")));
    intake->give_back(range);
    World::give_rest(*intake);
    CHECK(deliver(*intake).files == 1);
  }

  TEST_CASE("blocks and holes outside of the stream are refused") {
    World world({file("a", 10), file("b", 10)});
    const auto writer = world.open()->writer();
    const auto bad = [](const peer::Result<void>& result) {
      return !result && result.error().code == peer::protocol::Errc::bad_message;
    };
    CHECK(bad(World::give(*writer, {20, 21})));
    CHECK(bad(World::give(*writer, {19, 21})));
    CHECK(bad(writer->store_zeros(0, 11)));
    CHECK(bad(writer->store_zeros(15, 6)));
    CHECK(bad(writer->store_zeros(5, UINT64_MAX)));
    CHECK(bad(writer->store_zeros(5, 0)));
  }

  TEST_CASE(
      "what a killed program had stored is here in the next run, and only the rest is wanted") {
    World world(mixed());
    const pid_t child = ::fork();
    if (child == 0) {
      auto intake = Intake::open(world.record.string(), world.id, world.plan, 1);
      if (!intake) ::_exit(1);
      const auto writer = (*intake)->writer();
      for (int i = 0; i < 2; ++i)
        if (!World::give(*writer, *(*intake)->take(kMiB))) ::_exit(2);
      (void)(*intake)->take(kMiB);
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    const auto intake = world.open();
    World::recheck(*intake);
    CHECK(intake->progress().resumed_bytes == 2 * kMiB);
    CHECK(World::give_rest(*intake) == world.bytes - 2 * kMiB);
    CHECK(deliver(*intake).complete);
    world.check_delivered("t", "t");
  }

  TEST_CASE("staged files that were truncated, removed or replaced by a link are wanted again") {
    World world({file("big", 2 * kMiB), file("small", 100)});
    World::give_rest(*world.open());
    const auto canary = world.home / "canary";
    spill(canary, "precious");
    std::uint64_t again = 100;
    SUBCASE("removed") { fs::remove(world.staged("small")); }
    SUBCASE("truncated") { fs::resize_file(world.staged("small"), 99); }
    SUBCASE("extended") { fs::resize_file(world.staged("small"), 101); }
    SUBCASE("a link") {
      fs::remove(world.staged("small"));
      fs::create_symlink(canary, world.staged("small"));
    }
    SUBCASE("the whole folder") {
      fs::remove_all(world.downloads / world.staging_name());
      again = world.bytes;
    }
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == again);
    CHECK(deliver(*intake).files == 2);
    world.check_delivered("big", "big");
    world.check_delivered("small", "small");
    CHECK(slurp(canary) == "precious");
  }

  TEST_CASE("old claims do not come back when only the end of a lost file was written again") {
    World world({file("big", 2 * kMiB)});
    World::give_rest(*world.open());
    fs::remove(world.staged("big"));
    {
      const auto intake = world.open();
      REQUIRE(World::give(*intake->writer(), {kMiB, 2 * kMiB}));
    }
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == kMiB);
    deliver(*intake);
    world.check_delivered("big", "big");
  }

  TEST_CASE("after the machine started again claims are re-hashed before anything is delivered") {
    World world({file("a", 2 * kMiB + 5), file("b", 10, 0400), file("c", 3)});
    World::give_rest(*world.open());
    // The journal as an earlier start of the machine would have written it.
    {
      auto record = Folder::open(world.record.string());
      std::vector<JournalRecord> records;
      {
        const auto journal = Journal::open(*record);
        Journal::Reader reader(**journal);
        for (JournalRecord one; *reader.next(one);) records.push_back(one);
      }
      fs::remove(world.record / Journal::kName);
      const auto journal = Journal::open(*record, 12345);
      for (const auto& one : records) REQUIRE((*journal)->append(one));
    }
    std::uint64_t again = 0;
    SUBCASE("all is as it was written") {}
    SUBCASE("a flipped bit") {
      auto bytes = slurp(world.staged("a"));
      bytes[kMiB + 7] ^= 1;
      spill(world.staged("a"), bytes);
      again = kMiB;
    }
    SUBCASE("a torn end") {
      fs::resize_file(world.staged("a"), 2 * kMiB);
      again =
          world.bytes;  // not even its size is right: the file is wanted, and what shares a block
    }
    const auto intake = world.open();
    CHECK_FALSE(intake->all_here());
    if (again == 0) CHECK_FALSE(intake->take(kMiB));
    int steps = 0;
    while (intake->recheck_step()) ++steps;
    CHECK(steps > 0);
    CHECK(World::give_rest(*intake) == (again == world.bytes ? world.bytes : again));
    CHECK(deliver(*intake).files == 3);
    for (const auto* name : {"a", "b", "c"}) world.check_delivered(name, name);
  }

  TEST_CASE("a damaged journal only makes ranges lacking, or re-hashed") {
    World world({file("a", 3 * kMiB)});
    World::give_rest(*world.open());
    const auto journal = world.record / Journal::kName;
    auto bytes = slurp(journal);
    SUBCASE("a flipped bit in the middle") { bytes[bytes.size() - 150] ^= 1; }
    SUBCASE("a torn end") { bytes.resize(bytes.size() - 30); }
    SUBCASE("another version") { bytes[8] ^= 0x40; }
    spill(journal, bytes);
    const auto intake = world.open();
    while (intake->recheck_step()) {
    }
    CHECK(World::give_rest(*intake) > 0);
    deliver(*intake);
    world.check_delivered("a", "a");
  }

  TEST_CASE("holes stay holes, at the beginning, in the middle and at the end") {
    constexpr std::uint64_t kSize = std::uint64_t{6} << 30;
    World world({file("sparse", kSize), file("zeros", 4 * kMiB)});
    world.entries[0].allocated = 0;
    const auto intake = world.open();
    const auto writer = intake->writer();
    const Range middle{kSize / 2, kSize / 2 + kMiB};
    REQUIRE(writer->store_zeros(middle.end, kSize - middle.end));
    REQUIRE(World::give(*writer, middle));
    REQUIRE(writer->store_zeros(0, middle.begin));
    REQUIRE(writer->store_zeros(kSize, 4 * kMiB));
    const auto done = deliver(*intake);
    CHECK(done.bytes == kSize + 4 * kMiB);
    struct stat st {};
    REQUIRE(::stat((world.downloads / "sparse").c_str(), &st) == 0);
    CHECK(static_cast<std::uint64_t>(st.st_size) == kSize);
    CHECK(static_cast<std::uint64_t>(st.st_blocks) * 512 <= 2 * kMiB);
    CHECK(slurp(world.downloads / "zeros") == std::string(4 * kMiB, '\0'));
    std::ifstream in(world.downloads / "sparse", std::ios::binary);
    in.seekg(static_cast<std::streamoff>(middle.begin));
    std::string read(kMiB, '\0');
    in.read(read.data(), static_cast<std::streamsize>(read.size()));
    const auto want = World::stream(middle);
    CHECK(std::memcmp(read.data(), want.data(), want.size()) == 0);
  }

  TEST_CASE("an entry that the giver cannot send any more is left out by name, the rest arrives") {
    World world({folder("t"), file("t/a", 2 * kMiB), file("t/b", kMiB), file("t/c", 10)});
    const auto intake = world.open();
    const auto writer = intake->writer();
    REQUIRE(World::give(*writer, *intake->take(kMiB)));
    CHECK(fs::exists(world.staged("t/a")));
    const auto taken = *intake->take(kMiB);
    CHECK_FALSE(intake->gone(world.index_of("t/b"), taken, "changed"));
    REQUIRE(intake->gone(world.index_of("t/a"), taken, "changed"));
    CHECK_FALSE(fs::exists(world.staged("t/a")));
    REQUIRE(World::give(*writer, taken));  // was on its way: nothing of it is kept
    World::give_rest(*intake);
    CHECK_FALSE(intake->gone(99, taken, "changed"));
    std::shared_ptr<Intake> last = intake;
    SUBCASE("in one run") {}
    SUBCASE("after starting again") { last = world.open(); }
    const auto done = deliver(*last);
    CHECK(done.files == 2);
    CHECK(done.failed == 0);
    CHECK(done.gone == 1);
    REQUIRE(done.gone_entries.size() == 1);
    CHECK(done.gone_entries[0].entry == world.index_of("t/a"));
    CHECK(done.gone_entries[0].text == "changed");
    CHECK(done.complete);
    CHECK_FALSE(fs::exists(world.downloads / "t/a"));
    CHECK(slurp(world.downloads / "t/b") == world.content("t/b"));
  }

  TEST_CASE("a name that this system cannot store fails by name") {
    World world(
        {file(std::string(255, 'n'), 3), file(std::string(256, 'n'), 4), file("z", 2 * kMiB)});
    const auto intake = world.open();
    World::give_rest(*intake);
    const auto done = deliver(*intake);
    CHECK(done.files == 2);
    CHECK(done.failed == 1);
    REQUIRE(done.failures.size() == 1);
    CHECK(done.failures[0].entry == world.index_of(std::string(256, 'n')));
    CHECK(fs::exists(world.downloads / std::string(255, 'n')));
  }

  TEST_CASE("a chain of 400 folders and a path of 4000 bytes are stored") {
    std::vector<Entry> entries;
    std::string path = "d";
    for (int i = 0; i < 400; ++i, path += "/123456789") entries.push_back(folder(path));
    entries.push_back(file(path, 5));
    World world(std::move(entries));
    const auto intake = world.open();
    World::give_rest(*intake);
    CHECK(deliver(*intake).files == 1);
    const auto downloads = Folder::open(world.downloads.string());
    const auto st = downloads->stat(path);
    REQUIRE(st);
    CHECK(st->st_size == 5);
  }

  TEST_CASE("a full disk is an error, and after freeing the transfer goes on") {
    World world({file("a", 3 * kMiB), file("b", 2 * kMiB)});
    if (::geteuid() != 0 || ::mount("tmpfs", world.downloads.c_str(), "tmpfs", 0, "size=6m") != 0) {
      MESSAGE("skipped: needs to mount a tmpfs");
      return;
    }
    spill(world.downloads / "ballast", std::string(3 * kMiB, 'x'));
    const auto intake = world.open();
    const auto writer = intake->writer();
    std::optional<peer::Error> full;
    while (const auto range = intake->take(kMiB)) {
      auto stored = World::give(*writer, *range);
      if (stored) continue;
      full = stored.error();
      intake->give_back(*range);
      break;
    }
    REQUIRE(full);
    CHECK(full->code.value() == ENOSPC);
    CHECK(full->text().find("write ‘") != std::string::npos);
    fs::remove(world.downloads / "ballast");
    World::give_rest(*intake);
    CHECK(deliver(*intake).files == 2);
    world.check_delivered("a", "a");
    world.check_delivered("b", "b");
  }

  TEST_CASE("a folder of our name that is not ours is left alone") {
    World world({file("a", 5)});
    fs::create_directory(world.downloads / world.staging_name());
    spill(world.downloads / world.staging_name() / "files", "theirs");
    const auto intake = world.open();
    World::give_rest(*intake);
    deliver(*intake);
    CHECK(slurp(world.downloads / world.staging_name() / "files") == "theirs");
    CHECK(world.landed() == Names{world.staging_name(), "a"});
  }

  TEST_CASE("giving a transfer up removes what it made and nothing else") {
    World world({folder("t"), file("t/a", kMiB), file("t/b", 2 * kMiB), soft_link("t/l", "a")});
    spill(world.downloads / "other", "other");
    const auto intake = world.open();
    World::give_rest(*intake, 2 * kMiB);
    SUBCASE("without a trace") {
      REQUIRE(intake->abandon(false));
      CHECK(world.landed() == Names{"other"});
    }
    SUBCASE("but for what is complete") {
      REQUIRE(intake->abandon(true));
      CHECK(world.landed() == Names{"other", "t"});
      CHECK(slurp(world.downloads / "t/a") == world.content("t/a"));
      CHECK_FALSE(fs::exists(world.downloads / "t/b"));
      CHECK(intake->delivered().files == 1);
      CHECK(intake->delivered().roots == Names{(world.downloads / "t").string()});
    }
    CHECK_FALSE(fs::exists(world.record / Journal::kName));
    CHECK_FALSE(fs::exists(world.record / "staging"));
    CHECK_FALSE(fs::exists(world.record / "staging.copy"));
  }

  TEST_CASE("a name for the root that is no name is refused") {
    World world({file("a", 5)});
    for (const auto* name : {"..", ".", "a/b", "/", "../x"}) {
      world.plan.as = name;
      CHECK_FALSE(Intake::open(world.record.string(), world.id, world.plan, 1));
    }
  }
}
