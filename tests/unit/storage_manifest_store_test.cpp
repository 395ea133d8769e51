#include <doctest/doctest.h>

#include <ostream>

#include "protocol/errors.hpp"
#include "storage/catalogue.hpp"
#include "storage/manifest_store.hpp"
#include "storage/scan.hpp"
#include "storage_scratch.hpp"

using namespace peer;
using namespace peer::storage;
using peer::test::Scratch;

namespace {

/// A tree's offer with the manifest's bytes, made by scan().
struct Made {
  protocol::Offer offer;
  std::string manifest;

  explicit Made(const Scratch& scratch) {
    scratch.write("t/a", "12345");
    scratch.write("t/b/c", "678");
    scratch.link("t/l", "a");
    ScanOptions options;
    options.paths = {scratch / "t"};
    ScanProgress progress;
    const auto report = scan(options, scratch / "given", progress);
    REQUIRE(report);
    offer.files = report->totals.files;
    offer.folders = report->totals.folders;
    offer.links = report->totals.links;
    offer.bytes = report->totals.bytes;
    offer.manifest_bytes = report->manifest_bytes;
    offer.manifest = report->manifest;
    manifest = scratch.read("given/manifest");
  }
};

Result<void> store(const std::string& folder, const protocol::Offer& offer,
                   std::string_view manifest, std::size_t piece) {
  auto store = ManifestStore::create(folder, offer);
  REQUIRE(store);
  for (; !manifest.empty(); manifest.remove_prefix(std::min(piece, manifest.size())))
    if (auto r = (*store)->add(test::bytes_of(manifest.substr(0, piece))); !r) return r;
  return (*store)->finish();
}

}  // namespace

TEST_SUITE("storage manifest store") {
  TEST_CASE("a fetched manifest becomes the giver's catalogue, in pieces of any size") {
    Scratch scratch;
    const Made made(scratch);
    const auto given = *Catalogue::open(scratch / "given");
    for (std::size_t piece = 1; piece <= made.manifest.size(); ++piece) {
      REQUIRE(store(scratch / "taken", made.offer, made.manifest, piece));
      const auto taken = *Catalogue::open(scratch / "taken");
      REQUIRE(taken->entries() == given->entries());
      const auto ours = taken->cursor();
      const auto theirs = given->cursor();
      PlacedEntry a;
      PlacedEntry b;
      while (*ours->next(a)) {
        REQUIRE(*theirs->next(b));
        CHECK(a.entry == b.entry);
        CHECK(a.offset == b.offset);
        CHECK(a.stamp.inode == 0);
      }
    }
    CHECK(scratch.read("taken/manifest") == made.manifest);
  }

  TEST_CASE("what is not what the offer said leaves no catalogue") {
    Scratch scratch;
    const Made made(scratch);
    using protocol::Errc;
    const auto code = [&](const protocol::Offer& offer, std::string_view manifest) {
      auto result = store(scratch / "taken", offer, manifest, 10);
      REQUIRE_FALSE(result);
      CHECK_FALSE(Catalogue::open(scratch / "taken"));
      return result.error().code;
    };
    auto offer = made.offer;
    offer.manifest.bytes[3] ^= std::byte{1};
    CHECK(code(offer, made.manifest) == Errc::bad_digest);
    offer = made.offer;
    offer.bytes += 1;
    CHECK(code(offer, made.manifest) == Errc::bad_manifest);
    offer = made.offer;
    offer.files -= 1;
    CHECK(code(offer, made.manifest) == Errc::bad_manifest);
    const std::string_view all = made.manifest;
    CHECK(code(made.offer, all.substr(0, all.size() - 1)) == Errc::bad_manifest);
    CHECK(code(made.offer, made.manifest + "\n") == Errc::bad_manifest);
    const auto second = all.find('\n') + 1;
    CHECK(code(made.offer, std::string(all.substr(second)) + std::string(all.substr(0, second))) ==
          Errc::bad_manifest);
  }
}
