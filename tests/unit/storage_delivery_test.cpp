#include <doctest/doctest.h>

#include <ostream>

#include "storage/final_name.hpp"
#include "storage/journal.hpp"
#include "storage_intake_fixture.hpp"

using namespace peer::storage;
using namespace fixture;

namespace {

std::vector<Entry> photos() {
  return {folder("photos"),     file("photos/a.jpg", 100),     file("photos/b.jpg", 200),
          folder("photos/sub"), file("photos/sub/c.jpg", 300), soft_link("photos/sub/l", "c.jpg"),
          folder("photos/new"), file("photos/new/d.jpg", 400), folder("photos/none")};
}

Intake::Delivered transfer(const World& world, std::uint64_t round = 1) {
  const auto intake = world.open(round);
  World::give_rest(*intake);
  return deliver(*intake);
}

/// What stood in the download folder before: `photos` with a.jpg of another size, b.jpg the same as
/// offered, and something of the user's own.
void plant(const World& world) {
  fs::create_directories(world.downloads / "photos/sub");
  spill(world.downloads / "photos/a.jpg", "old");
  spill(world.downloads / "photos/b.jpg", world.content("photos/b.jpg"));
  set_mtime(world.downloads / "photos/b.jpg", kTime);
  spill(world.downloads / "photos/own", "own");
  set_mtime(world.downloads / "photos/sub", 1'000'000'000);
}

}  // namespace

TEST_SUITE("final names") {
  TEST_CASE("numbers come before the extension, and a long stem is cut between characters") {
    CHECK(numbered_name("x.txt", 0, false) == "x.txt");
    CHECK(numbered_name("x.txt", 1, false) == "x (1).txt");
    CHECK(numbered_name("x.txt", 12, true) == "x.txt (12)");
    CHECK(numbered_name("x", 1, false) == "x (1)");
    CHECK(numbered_name(".bashrc", 1, false) == ".bashrc (1)");
    CHECK(numbered_name("x.tar.gz", 1, false) == "x (1).tar.gz");
    CHECK(numbered_name("x." + std::string(60, 'e'), 1, false) ==
          "x." + std::string(60, 'e') + " (1)");
    const std::string longest(255, 'n');
    CHECK(numbered_name(longest, 1, true) == std::string(251, 'n') + " (1)");
    std::string wide;
    for (int i = 0; i < 85; ++i) wide += "\u20ac";
    const auto cut = numbered_name(wide, 1, true);
    CHECK(cut.size() == 249 + 4);
    CHECK(peer::protocol::is_utf8(cut));
    CHECK(numbered_name(std::string(255, '\x80'), 1, true).size() <= 255);
  }
}

TEST_SUITE("delivery") {
  TEST_CASE("a staging folder is known by its name, and nothing else is taken for one") {
    const std::string id(32, 'a');
    CHECK(is_staging_name(".peer-" + id));
    CHECK(is_staging_name(".peer-" + id + "-12"));
    for (const auto& name :
         {std::string(".peer-"), ".peer-" + id.substr(1), ".peer-" + id + "a", ".peer-" + id + "-",
          ".peer-" + id + "-1a", ".peer-" + std::string(32, 'g'), "peer-" + id, id}) {
      CAPTURE(name);
      CHECK_FALSE(is_staging_name(name));
    }
  }

  TEST_CASE("rename: a root of a name that is taken gets a number, never merged") {
    World world(
        {file("n.txt", 5), folder("photos"), file("photos/a", 6), soft_link("way", "n.txt")});
    fs::create_directory(world.downloads / "photos");
    spill(world.downloads / "photos (1)", "a file");
    spill(world.downloads / "n.txt", "old");
    fs::create_symlink("/nowhere", world.downloads / "way");
    const auto done = transfer(world);
    CHECK(done.files == 2);
    CHECK(world.landed() ==
          Names{"n (1).txt", "n.txt", "photos", "photos (1)", "photos (2)", "way", "way (1)"});
    CHECK(slurp(world.downloads / "n.txt") == "old");
    CHECK(fs::is_empty(world.downloads / "photos"));
    CHECK(fs::read_symlink(world.downloads / "way") == "/nowhere");
    world.check_delivered("photos", "photos (2)");
  }

  TEST_CASE("two offers of one name at once end as two whole roots") {
    World one({file("x", 1000)});
    World two({file("x", 2000)});
    two.plan.folder = one.plan.folder;
    two.id.bytes.fill(std::byte{2});
    const auto first = one.open();
    const auto second = two.open();
    World::give_rest(*first);
    World::give_rest(*second);
    deliver(*first);
    deliver(*second);
    CHECK(fs::file_size(one.downloads / "x") == 1000);
    CHECK(fs::file_size(one.downloads / "x (1)") == 2000);
  }

  TEST_CASE("as renames the root") {
    World world(photos());
    world.plan.as = "holiday";
    CHECK(transfer(world).roots == Names{(world.downloads / "holiday").string()});
    CHECK(world.landed() == Names{"holiday"});
    world.check_delivered("photos", "holiday");
  }

  TEST_CASE("skip: what is there stays and is not wanted") {
    World world(photos());
    plant(world);
    world.plan.on_clash = OnClash::skip;
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == 700);
    const auto done = deliver(*intake);
    CHECK(done.files == 2);
    CHECK(done.failed == 0);
    CHECK(done.complete);
    CHECK(slurp(world.downloads / "photos/a.jpg") == "old");
    CHECK(slurp(world.downloads / "photos/own") == "own");
    world.check_delivered("photos/new", "photos/new");
    world.check_delivered("photos/none", "photos/none");
    world.check_entry(world.entries[world.index_of("photos/sub/l")],
                      world.downloads / "photos/sub/l");
    CHECK(world.landed() == Names{"photos"});
  }

  TEST_CASE("update: other size or time is replaced, the same is not wanted") {
    World world(photos());
    plant(world);
    world.plan.on_clash = OnClash::update;
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == 800);
    CHECK(deliver(*intake).files == 3);
    CHECK(slurp(world.downloads / "photos/a.jpg") == world.content("photos/a.jpg"));
    CHECK(slurp(world.downloads / "photos/own") == "own");
  }

  TEST_CASE("overwrite: everything is replaced by rename, hard links are not written through") {
    World world(photos());
    plant(world);
    fs::create_hard_link(world.downloads / "photos/a.jpg", world.home / "precious");
    world.plan.on_clash = OnClash::overwrite;
    CHECK(transfer(world).files == 4);
    CHECK(slurp(world.downloads / "photos/a.jpg") == world.content("photos/a.jpg"));
    CHECK(slurp(world.home / "precious") == "old");
    CHECK(slurp(world.downloads / "photos/own") == "own");
  }

  TEST_CASE("a folder in the way of a file, and a file in the way of a folder, fail by name") {
    for (const auto rule : {OnClash::skip, OnClash::update, OnClash::overwrite}) {
      CAPTURE(to_string(rule));
      World world(photos());
      fs::create_directories(world.downloads / "photos/a.jpg");
      spill(world.downloads / "photos/new", "a file");
      world.plan.on_clash = rule;
      const auto done = transfer(world);
      CHECK(done.files == 2);
      CHECK(done.failed == 3);
      REQUIRE(done.failures.size() == 3);
      CHECK(done.failures[0].entry == world.index_of("photos/a.jpg"));
      CHECK(done.failures[0].text == "a folder of that name is there");
      CHECK(done.failures[1].text == "a file of that name is there");
      CHECK(fs::is_directory(world.downloads / "photos/a.jpg"));
      CHECK(slurp(world.downloads / "photos/new") == "a file");
      CHECK(fs::exists(world.downloads / "photos/sub/c.jpg"));
    }
  }

  TEST_CASE("planted links in the download folder are never followed") {
    for (const auto rule : {OnClash::rename, OnClash::skip, OnClash::update, OnClash::overwrite}) {
      CAPTURE(to_string(rule));
      World world(photos());
      const auto out = world.home / "out";
      fs::create_directory(out);
      spill(out / "bashrc", "precious");
      fs::create_directories(world.downloads / "photos");
      fs::create_symlink(out / "bashrc", world.downloads / "photos/a.jpg");
      fs::create_symlink(out, world.downloads / "photos/sub");
      fs::create_symlink("dangling", world.downloads / "photos/b.jpg");
      world.plan.on_clash = rule;
      transfer(world);
      CHECK(slurp(out / "bashrc") == "precious");
      CHECK(std::distance(fs::directory_iterator(out), {}) == 1);
      CHECK_FALSE(fs::exists(world.downloads / "photos/dangling"));
    }
  }

  TEST_CASE("a root that is a planted link is not followed either") {
    for (const auto rule : {OnClash::rename, OnClash::skip, OnClash::update, OnClash::overwrite}) {
      CAPTURE(to_string(rule));
      World world(photos());
      const auto out = world.home / "out";
      fs::create_directory(out);
      fs::create_symlink(out, world.downloads / "photos");
      world.plan.on_clash = rule;
      transfer(world);
      CHECK(fs::is_empty(out));
      CHECK(fs::is_symlink(world.downloads / "photos"));
    }
  }

  TEST_CASE("a giver that names its root like our staging cannot touch it") {
    World name({file("x", 1)});
    for (const auto rule : {OnClash::rename, OnClash::skip, OnClash::overwrite}) {
      CAPTURE(to_string(rule));
      const std::string root = name.staging_name();
      World world(
          {folder(root), folder(root + "/files"), file(root + "/files/" + root, 5), file("x", 6)});
      world.plan.on_clash = rule;
      const auto done = transfer(world);
      CHECK(done.files == (rule == OnClash::rename ? 2 : 1));
      CHECK(done.failed == (rule == OnClash::rename ? 0 : 3));
      CHECK(slurp(world.downloads / "x") == world.content("x"));
      if (rule == OnClash::rename) world.check_delivered(root, root + " (1)");
    }
  }

  TEST_CASE("some now and the rest later end in one tree") {
    World world(photos());
    world.plan.selection.only = {"a.jpg"};
    const auto first = transfer(world);
    CHECK(first.files == 1);
    CHECK_FALSE(first.complete);
    CHECK(world.landed() == Names{"photos"});
    CHECK_FALSE(fs::exists(world.downloads / "photos/none"));
    CHECK(mtime(world.downloads / "photos") == kTime);

    world.plan.selection.only = {"sub"};
    const auto second = transfer(world, 2);
    CHECK(second.files == 1);
    CHECK_FALSE(second.complete);

    world.plan.selection.only.clear();
    const auto last = world.open(3);
    CHECK(World::give_rest(*last) == 600);
    const auto done = deliver(*last);
    CHECK(done.files == 2);
    CHECK(done.bytes == 600);
    CHECK(done.complete);
    CHECK(world.landed() == Names{"photos"});
    world.check_delivered("photos", "photos");
  }

  TEST_CASE("an empty folder that was not chosen is left to be wanted") {
    World world({folder("e"), file("f", 1)});
    world.plan.selection.only = {"f"};
    CHECK_FALSE(transfer(world).complete);
    CHECK(world.landed() == Names{"f"});
    world.plan.selection.only.clear();
    CHECK(transfer(world, 2).complete);
    CHECK(world.landed() == Names{"e", "f"});
  }

  TEST_CASE("when the root of an earlier round is not there any more its name is judged anew") {
    World world(photos());
    world.plan.selection.except = {"b.jpg"};
    transfer(world);
    fs::rename(world.downloads / "photos", world.downloads / "moved");
    fs::create_directory(world.downloads / "photos");
    world.plan.selection.except.clear();
    CHECK(transfer(world, 2).files == 1);
    CHECK(fs::is_empty(world.downloads / "photos"));
    CHECK(world.landed() == Names{"moved", "photos", "photos (1)"});
    CHECK(fs::exists(world.downloads / "photos (1)/b.jpg"));
  }

  TEST_CASE("a file that came into the way in a later round is not touched") {
    World world(photos());
    world.plan.selection.except = {"b.jpg"};
    transfer(world);
    spill(world.downloads / "photos/b.jpg", "mine");
    world.plan.selection.except.clear();
    transfer(world, 2);
    CHECK(slurp(world.downloads / "photos/b.jpg") == "mine");
    CHECK(slurp(world.downloads / "photos/b (1).jpg") == world.content("photos/b.jpg"));
  }

  TEST_CASE("entries that a person picked by number arrive, a folder with what lies in it") {
    World world(photos());
    world.plan.selection.entries = {world.index_of("photos/b.jpg"), world.index_of("photos/sub")};
    CHECK(transfer(world).files == 2);
    CHECK(fs::exists(world.downloads / "photos/sub/c.jpg"));
    CHECK(fs::is_symlink(world.downloads / "photos/sub/l"));
    CHECK_FALSE(fs::exists(world.downloads / "photos/a.jpg"));
    CHECK_FALSE(fs::exists(world.downloads / "photos/new"));
  }

  TEST_CASE("another choice within a round: what is no longer chosen is not delivered") {
    World world(photos());
    World::give_rest(*world.open());
    world.plan.selection.except = {"a.jpg"};
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == 0);
    CHECK(deliver(*intake).files == 3);
    CHECK_FALSE(fs::exists(world.downloads / "photos/a.jpg"));
  }

  TEST_CASE("deliver again after the end tells the same, in a new run too") {
    World world(photos());
    const auto first = transfer(world);
    const auto again = world.open();
    CHECK(again->all_here());
    CHECK_FALSE(again->take(1 << 20));
    const auto second = deliver(*again);
    CHECK(second.files == first.files);
    CHECK(second.bytes == first.bytes);
    CHECK(second.complete);
    CHECK(second.roots == first.roots);
    CHECK(world.landed() == Names{"photos"});
  }

  TEST_CASE("a crash between two roots: the next run goes on with the second") {
    World world({file("one", 10), folder("two"), file("two/x", 20), folder("two/e"),
                 soft_link("two/l", "x")});
    World::give_rest(*world.open());
    // As it is when the program ends right behind the first rename.
    struct stat st {};
    REQUIRE(::stat(world.staged("one").c_str(), &st) == 0);
    {
      auto record = Folder::open(world.record.string());
      const auto journal = Journal::open(*record);
      auto mark = JournalRecord::of(JournalRecord::Type::root, world.index_of("one"), st.st_ino, 0);
      mark.set_number(0, st.st_dev);
      mark.set_number(1, 1);
      REQUIRE((*journal)->append(mark));
    }
    fs::rename(world.staged("one"), world.downloads / "one");
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == 0);
    const auto done = deliver(*intake);
    CHECK(done.files == 2);
    CHECK(done.bytes == 30);
    CHECK(done.complete);
    CHECK(world.landed() == Names{"one", "two"});
    world.check_delivered("one", "one");
    world.check_delivered("two", "two");
  }

  TEST_CASE("a crash in the middle of a merge: the next run merges the rest") {
    World world(photos());
    fs::create_directory(world.downloads / "photos");
    world.plan.on_clash = OnClash::overwrite;
    World::give_rest(*world.open());
    struct stat st {};
    REQUIRE(::stat((world.downloads / "photos").c_str(), &st) == 0);
    {
      auto record = Folder::open(world.record.string());
      const auto journal = Journal::open(*record);
      auto mark = JournalRecord::of(JournalRecord::Type::merging, 0, st.st_ino, 0);
      mark.set_number(0, st.st_dev);
      mark.set_number(1, 1);
      REQUIRE((*journal)->append(mark));
    }
    fs::rename(world.staged("photos/a.jpg"), world.downloads / "photos/a.jpg");
    fs::rename(world.staged("photos/new"), world.downloads / "photos/new");
    const auto intake = world.open();
    CHECK(World::give_rest(*intake) == 0);
    const auto done = deliver(*intake);
    CHECK(done.files == 4);
    CHECK(done.failed == 0);
    for (const auto* name :
         {"photos/a.jpg", "photos/b.jpg", "photos/sub/c.jpg", "photos/new/d.jpg"})
      CHECK(slurp(world.downloads / name) == world.content(name));
  }

  TEST_CASE("a download folder that vanished is said, with its path") {
    World world({file("a", 5)});
    const auto intake = world.open();
    World::give_rest(*intake);
    fs::rename(world.downloads, world.home / "elsewhere");
    const auto done = intake->deliver();
    REQUIRE_FALSE(done);
    CHECK(done.error().text().find(world.downloads.string()) != std::string::npos);
    fs::create_directory(world.downloads);
    CHECK_FALSE(intake->deliver());
    fs::remove(world.downloads);
    fs::rename(world.home / "elsewhere", world.downloads);
    CHECK(deliver(*intake).files == 1);
  }

  TEST_CASE("many roots, folders without rights and odd modes") {
    std::vector<Entry> entries;
    for (int i = 0; i < 100; ++i) {
      std::string root = std::to_string(i);
      entries.push_back(folder(root, static_cast<std::uint32_t>(i * 5 % 0777)));
      entries.push_back(folder(root + "/in", static_cast<std::uint32_t>(i * 7 % 0777)));
      entries.push_back(file(root + "/in/f", 10, static_cast<std::uint32_t>(i * 3 % 0777)));
    }
    World world(std::move(entries));
    const auto done = transfer(world);
    CHECK(done.files == 100);
    CHECK(done.roots.size() == 20);
    if (::geteuid() == 0) {
      for (const auto& name : world.landed()) world.check_delivered(name, name);
    }
  }

  TEST_CASE("times before 1970 and far off are set") {
    World world({file("old", 1), file("older", 1), file("new", 1)});
    fs::remove_all(world.record);
    fs::create_directory(world.record);
    world.entries[1].mtime = -1'500'000'000;             // old
    world.entries[2].mtime = 4'102'444'800'000'000'001;  // older, in 2100
    auto writer = CatalogueWriter::create(world.record.string());
    for (const auto& entry : world.entries) REQUIRE(writer->add(entry));
    REQUIRE(writer->finish());
    CHECK(transfer(world).files == 3);
    for (const auto* name : {"old", "older", "new"}) world.check_delivered(name, name);
  }
}
