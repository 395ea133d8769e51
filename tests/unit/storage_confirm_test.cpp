#include <doctest/doctest.h>

#include <atomic>
#include <ostream>
#include <thread>

#include "storage/journal.hpp"
#include "storage_intake_fixture.hpp"

using namespace peer::storage;
using namespace fixture;

namespace {

constexpr std::uint64_t kUnit = 64 * 1024;

std::vector<Entry> three() {
  return {file("a", 4 * kUnit), file("b", kUnit), file("c", 3 * kUnit + 5)};
}

std::vector<Range> claims(Intake& intake) {
  std::vector<Range> ranges;
  while (const auto claim = intake.next_claim()) {
    const auto bytes = World::stream(claim->range);
    CHECK(claim->digest == digest_of(claim->digest.kind, bytes));
    ranges.push_back(claim->range);
  }
  CHECK_FALSE(intake.next_claim());
  return ranges;
}

void store(Intake& intake, std::vector<Range> ranges) {
  const auto writer = intake.writer();
  for (const Range range : ranges) REQUIRE(World::give(*writer, range));
}

using Ranges = std::vector<Range>;

}  // namespace

TEST_SUITE("confirm") {
  TEST_CASE("asked is what an earlier run stored of files that are here in part, each once") {
    World world(three());
    auto intake = world.open();
    CHECK(claims(*intake).empty());
    // a in part, its last block a hole; b whole; of c the first bytes, in one block with b's end.
    store(*intake,
          {{kUnit, 2 * kUnit}, {4 * kUnit, 5 * kUnit - 10}, {5 * kUnit - 10, 5 * kUnit + 7}});
    REQUIRE(intake->writer()->store_zeros(3 * kUnit, kUnit));
    store(*intake, {{kUnit, 2 * kUnit}});
    CHECK(claims(*intake).empty());
    World::end(intake);
    intake = world.open();
    store(*intake, {{0, kUnit}});
    CHECK(claims(*intake) == Ranges{{kUnit, 2 * kUnit}, {5 * kUnit - 10, 5 * kUnit + 7}});
    World::end(intake);
    intake = world.open();
    store(*intake, {{2 * kUnit, 3 * kUnit}});
    World::end(intake);
    intake = world.open();  // a is whole now
    CHECK(claims(*intake) == Ranges{{5 * kUnit - 10, 5 * kUnit + 7}});
    World::give_rest(*intake);
    CHECK(deliver(*intake).files == 3);
    CHECK(claims(*intake).empty());
  }

  TEST_CASE("what is re-hashed is asked when it was found good") {
    World world(three());
    auto intake = world.open();
    store(*intake, {{0, kUnit}, {kUnit, 2 * kUnit}, {4 * kUnit, 5 * kUnit}});
    World::end(intake);
    auto bytes = slurp(world.staged("a"));
    bytes[5] ^= 1;
    spill(world.staged("a"), bytes);
    intake = world.open();
    CHECK(claims(*intake) == Ranges{{kUnit, 2 * kUnit}});
    CHECK_FALSE(intake->recheck_step());
  }

  TEST_CASE("where the giver differs all of the files that were here in part is lacking again") {
    struct Answer {
      Ranges differing;
      std::uint64_t here;  ///< of the 4 units that were
      Ranges left;         ///< to be asked
    };
    const std::uint64_t all = 8 * kUnit + 5;
    const Answer answers[] = {
        {{{kUnit, 2 * kUnit}}, 2 * kUnit, {{5 * kUnit, 6 * kUnit}}},
        {{{0, all}}, kUnit, {}},  // the whole file stays
        {{{all, all + 1}, {5, 5}, {4 * kUnit, 5 * kUnit}},
         4 * kUnit,
         {{kUnit, 2 * kUnit}, {5 * kUnit, 6 * kUnit}}},
    };
    for (const bool next_run : {false, true}) {
      for (const Answer& answer : answers) {
        CAPTURE(next_run);
        CAPTURE(answer.here);
        World world(three());
        auto intake = world.open();
        store(*intake, {{kUnit, 2 * kUnit}, {4 * kUnit, 5 * kUnit}, {5 * kUnit, 6 * kUnit}});
        World::end(intake);
        intake = world.open();
        store(*intake, {{0, kUnit}});
        for (const Range range : answer.differing) REQUIRE(intake->differs(range));
        CHECK(intake->progress().have_bytes == answer.here);
        CHECK(fs::exists(world.staged("a")) == (answer.here == 4 * kUnit));
        CHECK(fs::exists(world.staged("b")));
        CHECK(claims(*intake) == answer.left);
        if (next_run) {
          World::end(intake);
          intake = world.open();
        }
        CHECK(World::give_rest(*intake) == world.bytes - answer.here);
        CHECK(deliver(*intake).files == 3);
        for (const auto* name : {"a", "b", "c"}) world.check_delivered(name, name);
      }
    }
  }

  TEST_CASE("a file that is whole by then is not any more") {
    World world(three());
    auto intake = world.open();
    store(*intake, {{kUnit, 2 * kUnit}});
    World::end(intake);
    intake = world.open();
    const auto asked = intake->next_claim();
    REQUIRE(asked);
    World::give_rest(*intake);
    CHECK(intake->all_here());
    CHECK(intake->progress().have_files == 3);
    REQUIRE(intake->differs(asked->range));
    CHECK_FALSE(intake->all_here());
    CHECK(intake->progress().have_files == 2);
    CHECK(World::give_rest(*intake) == 4 * kUnit);
    CHECK(intake->progress().have_files == 3);
    CHECK(deliver(*intake).files == 3);
    world.check_delivered("a", "a");
  }

  TEST_CASE("an entry that is gone is not asked for and does not come back") {
    World world(three());
    auto intake = world.open();
    store(*intake, {{0, kUnit}});
    World::end(intake);
    intake = world.open();
    REQUIRE(intake->gone(0, {kUnit, 2 * kUnit}, "changed"));
    CHECK(claims(*intake).empty());
    REQUIRE(intake->differs({0, kUnit}));
    CHECK(World::give_rest(*intake) == world.bytes - 4 * kUnit);
    CHECK(deliver(*intake).gone == 1);
  }

  TEST_CASE("a block is stored wholly before or wholly behind that") {
    World world({file("a", 64 * kUnit)});
    auto intake = world.open();
    store(*intake, {{0, kUnit}});
    World::end(intake);
    intake = world.open();
    std::atomic<bool> over = false;
    const auto work = [&] {
      const auto writer = intake->writer();
      while (!over) {
        const auto range = intake->take(4096);
        if (range && !World::give(*writer, *range)) std::abort();
      }
    };
    std::thread one(work);
    std::thread other(work);
    // Each takes back what two threads are writing at that time.
    for (int i = 0; i < 30; ++i) {
      while (intake->progress().have_bytes < kUnit) std::this_thread::yield();
      if (!intake->differs({0, kUnit})) std::abort();
      if (i < 29) {
        // It counts once for a run: the next one asks again.
        over = true;
        one.join();
        other.join();
        World::end(intake);
        intake = world.open();
        over = false;
        one = std::thread(work);
        other = std::thread(work);
      }
    }
    while (!intake->all_here()) std::this_thread::yield();
    over = true;
    one.join();
    other.join();
    CHECK(deliver(*intake).files == 1);
    world.check_delivered("a", "a");
  }
}
