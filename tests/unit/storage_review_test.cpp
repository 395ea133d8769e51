#include <doctest/doctest.h>

#include <ostream>

#include "storage/catalogue.hpp"
#include "storage/review.hpp"
#include "storage_intake_fixture.hpp"

using namespace peer::storage;
using namespace fixture;

namespace {

Review look(const World& world) {
  const auto catalogue = Catalogue::open(world.record.string());
  REQUIRE(catalogue);
  auto result = review(**catalogue, world.plan);
  if (!result) FAIL(result.error().text());
  return *result;
}

std::vector<Entry> offer() {
  auto sparse = file("t/sparse", std::uint64_t{1} << 40);
  sparse.allocated = 8192;
  return {folder("t"),       file("t/a", 1),          file("t/b", 4096),
          file("t/c", 4097), file("t/run", 10, 0755), file("t/.hidden", 2),
          folder("t/.git"),  soft_link("t/l", "a"),   file("t/none", 0),
          std::move(sparse)};
}

}  // namespace

TEST_SUITE("review") {
  TEST_CASE("counts, sizes on disk, the largest, hidden and executable ones") {
    World world(offer());
    const auto found = look(world);
    CHECK(found.all.files == 7);
    CHECK(found.all.folders == 2);
    CHECK(found.all.links == 1);
    CHECK(found.chosen == found.all);
    CHECK(found.needed_bytes == 4096U * (1 + 1 + 2 + 1 + 1 + 0 + 2 + 2));
    REQUIRE(found.largest.size() == 5);
    CHECK(found.largest[0].path == "t/sparse");
    CHECK(found.largest[1].path == "t/c");
    CHECK(found.largest[4].path == "t/.hidden");
    CHECK(found.hidden_count == 2);
    CHECK(found.hidden == Names{"t/.git", "t/.hidden"});
    CHECK(found.executable_count == 1);
    CHECK(found.executable == Names{"t/run"});
    CHECK(found.roots == Names{"t"});
    CHECK(found.root_count == 1);
    CHECK(found.clashing_root_count == 0);
    CHECK(found.folder_exists);
    CHECK(!found.folder_refuses);
    CHECK(found.free_bytes > 0);
    CHECK(found.capacity_bytes >= found.free_bytes);
  }

  TEST_CASE("what is there already is counted by the rule") {
    World world(
        {folder("t"), file("t/a", 5), file("t/b", 6), file("t/c", 7), soft_link("t/l", "a")});
    fs::create_directory(world.downloads / "t");
    spill(world.downloads / "t/a", "12345");
    set_mtime(world.downloads / "t/a", kTime);
    spill(world.downloads / "t/b", "123456");
    fs::create_symlink("a", world.downloads / "t/l");
    struct Case {
      OnClash rule;
      std::uint64_t files;
      std::uint64_t bytes;
    };
    for (const auto& c : {Case{OnClash::rename, 3, 18}, Case{OnClash::skip, 1, 7},
                          Case{OnClash::update, 2, 13}, Case{OnClash::overwrite, 3, 18}}) {
      CAPTURE(to_string(c.rule));
      world.plan.on_clash = c.rule;
      const auto found = look(world);
      CHECK(found.already_there == 1);
      CHECK(found.there_but_different == 1);
      CHECK(found.chosen.files == c.files);
      CHECK(found.chosen.bytes == c.bytes);
      CHECK(found.clashing_roots == Names{"t"});
    }
    world.plan.on_clash = OnClash::rename;
    world.plan.as = "u";
    CHECK(look(world).clashing_root_count == 0);
    CHECK(look(world).already_there == 0);
  }

  TEST_CASE("a choice counts what it chooses, picked folders with what lies in them") {
    World world(offer());
    world.plan.selection.only = {"[ab]"};
    CHECK(look(world).chosen.files == 2);
    world.plan.selection.only.clear();
    world.plan.selection.entries = {0};
    CHECK(look(world).chosen == look(world).all);
    world.plan.selection.except = {"c"};
    CHECK(look(world).chosen.files == 6);
  }

  TEST_CASE("links in the download folder are looked at, not through") {
    World world({folder("t"), folder("t/d"), file("t/d/a", 5)});
    fs::create_directories(world.home / "out/d");
    spill(world.home / "out/d/a", "12345");
    set_mtime(world.home / "out/d/a", kTime);
    fs::create_directory(world.downloads / "t");
    fs::create_symlink(world.home / "out/d", world.downloads / "t/d");
    const auto found = look(world);
    CHECK(found.already_there == 0);
    CHECK(found.there_but_different == 1);
  }

  TEST_CASE("names that do not fit are refused by name, a folder that is none is an error") {
    World world({file(std::string(256, 'x'), 1), file("y", 1)});
    const auto found = look(world);
    CHECK(found.refused_count == 1);
    CHECK(found.chosen.files == 1);
    spill(world.home / "file", "x");
    world.plan.folder = (world.home / "file").string();
    const auto catalogue = Catalogue::open(world.record.string());
    CHECK_FALSE(review(**catalogue, world.plan));
  }

  TEST_CASE("a folder that is not there yet") {
    World world({file("y", 1)});
    world.plan.folder = (world.home / "not/yet").string();
    const auto found = look(world);
    CHECK_FALSE(found.folder_exists);
    CHECK(!found.folder_refuses);
    CHECK(found.free_bytes > 0);
    CHECK_FALSE(fs::exists(world.home / "not"));
  }

  TEST_CASE("rules have names") {
    OnClash rule = OnClash::rename;
    CHECK(parse_on_clash("overwrite", rule));
    CHECK(rule == OnClash::overwrite);
    CHECK(to_string(rule) == "overwrite");
    CHECK_FALSE(parse_on_clash("Skip", rule));
    CHECK_FALSE(parse_on_clash("", rule));
  }
}
