#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <ostream>

#include "storage/journal.hpp"
#include "storage_intake_fixture.hpp"

using namespace peer::storage;
using namespace fixture;
using Type = JournalRecord::Type;

namespace {

struct Place {
  World world{{file("a", 1)}};
  peer::Result<Folder> folder = Folder::open(world.record.string());
  std::string path = (world.record / Journal::kName).string();

  std::unique_ptr<Journal> open(std::uint64_t boot = 7) const {
    auto journal = Journal::open(*folder, boot);
    REQUIRE(journal);
    return std::move(*journal);
  }
};

std::vector<JournalRecord> all(const Journal& journal, bool* damage = nullptr) {
  Journal::Reader reader(journal);
  std::vector<JournalRecord> records;
  for (JournalRecord record;;) {
    const auto more = reader.next(record);
    REQUIRE(more);
    if (damage && reader.passed_damage()) *damage = true;
    if (!*more) return records;
    records.push_back(record);
  }
}

}  // namespace

TEST_SUITE("journal") {
  TEST_CASE("what was appended is read back after opening it again, with the boot it was made in") {
    Place place;
    const auto block = World::stream({5, 9});
    const auto digest = digest_of(peer::protocol::Digest::Kind::sha256, block);
    {
      const auto journal = place.open(7);
      REQUIRE(journal->append(JournalRecord::stored({5, 9}, digest)));
    }
    {
      const auto journal = place.open(8);
      auto failed = JournalRecord::of(Type::failed, 3, 1, 2);
      failed.set_text("file name too long");
      REQUIRE(journal->append(failed));
    }
    const auto records = all(*place.open(9));
    REQUIRE(records.size() == 2);
    CHECK(records[0].boot == 7);
    CHECK(records[0].range() == Range{5, 9});
    CHECK(records[0].digest() == digest);
    CHECK(records[1].boot == 8);
    CHECK(records[1].aux == 2);
    CHECK(records[1].text() == "file name too long");
  }

  TEST_CASE("a text that does not fit is cut between characters") {
    JournalRecord record;
    record.set_text(std::string(55, 'x') + "\u00e9");
    CHECK(record.text() == std::string(55, 'x'));
    record.set_text(std::string(54, 'x') + "\u00e9");
    CHECK(record.text() == std::string(54, 'x') + "\u00e9");
  }

  TEST_CASE("an end torn at any byte is passed over, and written over") {
    for (std::size_t keep = 0; keep < Journal::kRecordBytes; ++keep) {
      CAPTURE(keep);
      Place place;
      {
        const auto journal = place.open();
        REQUIRE(journal->append(JournalRecord::of(Type::zeros, 1, 2)));
        REQUIRE(journal->append(JournalRecord::of(Type::zeros, 3, 4)));
      }
      std::filesystem::resize_file(place.path, 2 * Journal::kRecordBytes + keep);
      {
        const auto journal = place.open();
        CHECK(all(*journal).size() == 1);
        REQUIRE(journal->append(JournalRecord::of(Type::zeros, 5, 6)));
      }
      const auto records = all(*place.open());
      REQUIRE(records.size() == 2);
      CHECK(records[1].a == 5);
    }
  }

  TEST_CASE("a damaged record is passed over and said") {
    Place place;
    {
      const auto journal = place.open();
      for (std::uint64_t i = 0; i < 3; ++i)
        REQUIRE(journal->append(JournalRecord::of(Type::zeros, i, 1)));
    }
    auto bytes = slurp(place.path);
    bytes[2 * Journal::kRecordBytes + 9] ^= 1;
    spill(place.path, bytes);
    bool damage = false;
    const auto records = all(*place.open(), &damage);
    CHECK(damage);
    REQUIRE(records.size() == 2);
    CHECK(records[1].a == 2);
  }

  TEST_CASE("a file of a later version, or none of ours, counts as empty") {
    Place place;
    (void)place.open()->append(JournalRecord::of(Type::zeros, 1, 1));
    auto bytes = slurp(place.path);
    SUBCASE("later version") { bytes[8] = 2; }
    SUBCASE("another magic") { bytes[0] = 'x'; }
    SUBCASE("half a header") { bytes.resize(40); }
    SUBCASE("nothing") { bytes.clear(); }
    spill(place.path, bytes);
    const auto journal = place.open();
    CHECK(all(*journal).empty());
    REQUIRE(journal->append(JournalRecord::of(Type::zeros, 4, 1)));
    CHECK(all(*place.open()).size() == 1);
  }

  TEST_CASE("what is no file in its place gives way, a link is not followed") {
    Place place;
    const auto elsewhere = place.world.home / "elsewhere";
    SUBCASE("a link to nothing") { std::filesystem::create_symlink(elsewhere, place.path); }
    SUBCASE("a link to a journal") {
      {
        const auto journal = place.open();
        REQUIRE(journal->append(JournalRecord::of(Type::zeros, 1, 2)));
      }
      std::filesystem::rename(place.path, elsewhere);
      std::filesystem::create_symlink(elsewhere, place.path);
    }
    SUBCASE("a folder") { std::filesystem::create_directories(place.path + "/with/more"); }
    SUBCASE("a pipe") { REQUIRE(::mkfifo(place.path.c_str(), 0600) == 0); }
    const bool linked = std::filesystem::exists(elsewhere);
    const auto before = linked ? std::filesystem::file_size(elsewhere) : 0;
    {
      const auto journal = place.open();
      CHECK(all(*journal).empty());
      REQUIRE(journal->append(JournalRecord::of(Type::zeros, 4, 1)));
    }
    CHECK(all(*place.open()).size() == 1);
    CHECK(std::filesystem::exists(elsewhere) == linked);
    if (linked) CHECK(std::filesystem::file_size(elsewhere) == before);
  }
}
