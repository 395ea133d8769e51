#include <doctest/doctest.h>

#include <ostream>

#include "storage/catalogue.hpp"
#include "storage_scratch.hpp"

using namespace peer;
using namespace peer::storage;
using peer::test::Scratch;
using protocol::Entry;
using protocol::Kind;

namespace {

Entry file(std::string path, std::uint64_t size) {
  Entry entry;
  entry.path = std::move(path);
  entry.size = entry.allocated = size;
  entry.mode = 0644;
  return entry;
}

std::string numbered(std::uint64_t i) { return std::string("f").append(std::to_string(i)); }

std::shared_ptr<const Catalogue> write(const std::string& folder, const std::vector<Entry>& all) {
  auto writer = CatalogueWriter::create(folder);
  REQUIRE(writer);
  for (const auto& entry : all) REQUIRE(writer->add(entry, {entry.size + 7, -3}));
  REQUIRE(writer->finish());
  auto catalogue = Catalogue::open(folder);
  REQUIRE(catalogue);
  return *catalogue;
}

}  // namespace

TEST_SUITE("storage catalogue") {
  TEST_CASE("what was written is read back") {
    Scratch scratch;
    Entry link;
    link.path = std::string(4095, 'p');
    link.kind = Kind::link;
    link.mode = 0777;
    link.target = std::string(4095, '\xFF');
    Entry folder;
    folder.path = "d";
    folder.kind = Kind::folder;
    folder.mtime = std::numeric_limits<std::int64_t>::min();
    auto holes = file("d/f", 1 << 30);
    holes.allocated = 5;
    const std::vector<Entry> all{folder, file("d/e", 0), holes, link};
    const auto catalogue = write(scratch / "new/record", all);
    CHECK(catalogue->entries() == 4);
    CHECK(catalogue->bytes() == 1 << 30);
    const auto cursor = catalogue->cursor();
    PlacedEntry entry;
    for (std::size_t i = 0; i < all.size(); ++i) {
      REQUIRE(*cursor->next(entry));
      CHECK(entry.entry == all[i]);
      CHECK(entry.index == i);
      CHECK(entry.offset == (i < 3 ? 0 : 1 << 30));
      CHECK(entry.stamp.inode == all[i].size + 7);
      CHECK(entry.stamp.ctime == -3);
    }
    CHECK_FALSE(*cursor->next(entry));
  }

  TEST_CASE("an empty one has no entries") {
    Scratch scratch;
    const auto catalogue = write(scratch.path(), {});
    PlacedEntry entry;
    CHECK(catalogue->entries() == 0);
    CHECK_FALSE(*catalogue->cursor()->next(entry));
    CHECK(catalogue->cursor()->to_entry(0));
    CHECK_FALSE(catalogue->cursor()->to_entry(1));
    CHECK_FALSE(catalogue->cursor()->to_offset(0));
  }

  TEST_CASE("entries are found by number and by offset, also past the index's marks") {
    Scratch scratch;
    constexpr std::uint64_t kCount = 100'000;  // more than StreamIndex::kMarks
    auto writer = CatalogueWriter::create(scratch.path());
    REQUIRE(writer);
    std::vector<std::uint64_t> begins;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < kCount; ++i) {
      auto entry = file(numbered(i), i % 3 == 0 ? 0 : i % 1000);
      begins.push_back(sum);
      sum += entry.size;
      REQUIRE(writer->add(entry));
    }
    REQUIRE(writer->finish());
    const auto catalogue = *Catalogue::open(scratch.path());
    CHECK(catalogue->bytes() == sum);
    const auto cursor = catalogue->cursor();
    PlacedEntry entry;
    for (std::uint64_t i = 0; i < kCount; i += 997) {
      REQUIRE(cursor->to_entry(i));
      REQUIRE(*cursor->next(entry));
      CHECK(entry.index == i);
      CHECK(entry.entry.path == numbered(i));
      CHECK(entry.offset == begins[i]);
      if (entry.entry.size == 0) continue;
      for (const auto offset : {entry.offset, entry.range().end - 1}) {
        PlacedEntry found;
        REQUIRE(cursor->to_offset(offset));
        REQUIRE(*cursor->next(found));
        CHECK(found.index == i);
      }
    }
    CHECK_FALSE(cursor->to_offset(sum));
    CHECK(cursor->to_entry(kCount));
    CHECK_FALSE(*cursor->next(entry));
    CHECK_FALSE(cursor->to_entry(kCount + 1));
  }

  TEST_CASE("a cursor may outlive its catalogue") {
    Scratch scratch;
    auto catalogue = write(scratch.path(), {file("a", 1)});
    const auto cursor = catalogue->cursor();
    catalogue.reset();
    PlacedEntry entry;
    CHECK(*cursor->next(entry));
    CHECK(entry.entry.path == "a");
  }

  TEST_CASE("one that was not finished, cut or changed is refused") {
    Scratch scratch;
    CHECK_FALSE(Catalogue::open(scratch / "none"));
    {
      auto writer = CatalogueWriter::create(scratch / "half");
      REQUIRE(writer->add(file("a", 1)));
    }
    CHECK_FALSE(Catalogue::open(scratch / "half"));

    (void)write(scratch / "r", {file("a", 1), file("b", 2)});
    const std::string good = scratch.read("r/catalogue");
    for (const std::size_t length :
         {std::size_t{0}, std::size_t{39}, std::size_t{40}, good.size() - 72, good.size() - 1}) {
      scratch.write("r/catalogue", good.substr(0, length));
      CHECK_FALSE(Catalogue::open(scratch / "r"));
    }
    for (std::size_t i = 0; i < good.size(); i += 5) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 0x10);
      scratch.write("r/catalogue", bad);
      CAPTURE(i);
      CHECK_FALSE(Catalogue::open(scratch / "r"));
    }
    scratch.write("r/catalogue", good);
    CHECK(Catalogue::open(scratch / "r"));
    scratch.write("r/names", "a");
    CHECK(Catalogue::open(scratch / "r").error().code == std::errc::state_not_recoverable);
  }

  TEST_CASE("a name that changed on the disk is never given") {
    Scratch scratch;
    (void)write(scratch / "r", {file("a", 1), file("bb", 2), file("c", 3)});
    scratch.write("r/names", "aBbc");
    const auto cursor = (*Catalogue::open(scratch / "r"))->cursor();
    PlacedEntry entry;
    CHECK(*cursor->next(entry));
    const auto damaged = cursor->next(entry);
    REQUIRE_FALSE(damaged);
    CHECK(damaged.error().text().find("is damaged") != std::string::npos);
  }
}
