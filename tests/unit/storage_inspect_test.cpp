#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <ostream>

#include "storage_intake_fixture.hpp"

using namespace peer::storage;
using namespace fixture;

namespace {

constexpr std::uint64_t kUnit = peer::protocol::kBlockBytes;

std::vector<Entry> some_files() {
  return {folder("d"), file("d/big", 3 * kUnit + 5), file("d/small", 100), file("d/tail", 50)};
}

/// Delivers what was changed while it lay in staging: it is asked for again first.
void deliver_again(Intake& intake, std::uint64_t lacking) {
  auto refused = intake.deliver();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == std::errc::resource_unavailable_try_again);
  CHECK_FALSE(intake.all_here());
  CHECK(World::give_rest(intake) == lacking);
  const auto done = deliver(intake);
  CHECK(done.complete);
  CHECK(done.failed == 0);
}

}  // namespace

TEST_SUITE("inspected staging") {
  TEST_CASE("what somebody did to staged files while bytes arrived is found before delivery") {
    struct Deed {
      std::string what;
      std::uint64_t lacking;
      std::function<void(const World&)> run;
    };
    const Deed deeds[] = {
        {"a small one edited", 100, [](const World& w) { flip(w.staged("d/small"), 7); }},
        {"a big one edited", kUnit, [](const World& w) { flip(w.staged("d/big"), 7); }},
        {"deleted", 3 * kUnit + 5, [](const World& w) { fs::remove(w.staged("d/big")); }},
        {"a folder deleted", 3 * kUnit + 155,
         [](const World& w) { fs::remove_all(w.staged("d")); }},
        {"truncated", 100, [](const World& w) { fs::resize_file(w.staged("d/small"), 99); }},
        {"extended", 100, [](const World& w) { fs::resize_file(w.staged("d/small"), 101); }},
        {"replaced by a link", 100,
         [](const World& w) {
           fs::rename(w.staged("d/small"), w.home / "small");
           fs::create_symlink(w.home / "small", w.staged("d/small"));
         }},
    };
    for (const Deed& deed : deeds) {
      CAPTURE(deed.what);
      World world(some_files());
      auto intake = world.open();
      World::give_rest(*intake);
      deed.run(world);
      deliver_again(*intake, deed.lacking);
      world.check_delivered("d", "d");
    }
  }

  TEST_CASE("a touch or another mode costs a look at the bytes, no more") {
    World world(some_files());
    auto intake = world.open();
    World::give_rest(*intake);
    set_mtime(world.staged("d/big"), kTime + 1);
    deliver_again(*intake, 0);
    world.check_delivered("d", "d");
  }

  TEST_CASE("what was removed, cut or replaced while it was still arriving is found") {
    const std::function<void(const World&)> deeds[] = {
        [](const World& w) { fs::remove(w.staged("d/big")); },
        [](const World& w) { fs::resize_file(w.staged("d/big"), 0); },
        [](const World& w) {
          fs::copy_file(w.staged("d/big"), w.home / "copy");
          flip(w.home / "copy", 3);
          fs::rename(w.home / "copy", w.staged("d/big"));
        },
    };
    for (const auto& deed : deeds) {
      World world(some_files());
      auto intake = world.open();
      CHECK(World::give_rest(*intake, 2 * kUnit) == 2 * kUnit);
      deed(world);
      World::give_rest(*intake);
      REQUIRE(intake->all_here());
      const auto refused = intake->deliver();
      REQUIRE_FALSE(refused);
      CHECK(World::give_rest(*intake) > 0);
      CHECK(deliver(*intake).complete);
      world.check_delivered("d", "d");
    }
  }

  TEST_CASE("holes that were sent are no damage") {
    World world({file("sparse", 4 * kUnit)});
    auto intake = world.open();
    const auto writer = intake->writer();
    while (const auto range = intake->take(kUnit)) {
      const bool hole = range->begin == kUnit || range->begin == 3 * kUnit;
      REQUIRE((hole ? writer->store_zeros(range->begin, range->length())
                    : World::give(*writer, *range)));
    }
    CHECK(deliver(*intake).complete);
  }

  TEST_CASE("--keep keeps nothing that somebody changed") {
    World world({file("a", kUnit), file("b", kUnit), file("c", 2 * kUnit)});
    auto intake = world.open();
    World::give_rest(*intake, 3 * kUnit);
    flip(world.staged("a"), 5);
    REQUIRE(intake->abandon(true));
    CHECK(world.landed() == Names{"b"});
  }
}
