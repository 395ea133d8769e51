#include <doctest/doctest.h>

#include <ostream>

#include "protocol/errors.hpp"
#include "storage/browse.hpp"
#include "storage_scratch.hpp"

using namespace peer;
using namespace peer::storage;
using peer::test::Scratch;
using protocol::Errc;
using protocol::Kind;

namespace {

std::vector<std::string> names(const Page& page) {
  std::vector<std::string> all;
  for (const auto& entry : page.entries) all.push_back(entry.name);
  return all;
}

}  // namespace

TEST_SUITE("storage browse") {
  TEST_CASE("a folder lists its files, folders and links by name") {
    Scratch scratch;
    scratch.write("share/b.txt", "12345");
    scratch.write("share/a/inner");
    scratch.link("share/c", "../secret");
    scratch.write("secret/x");
    scratch.set_times("share/b.txt", 1'000, 7);
    REQUIRE(::mkfifo((scratch / "share/fifo").c_str(), 0600) == 0);
    const auto page = browse({"s", scratch / "share", {}}, "", "");
    REQUIRE(page);
    CHECK(names(*page) == std::vector<std::string>{"a", "b.txt", "c"});
    CHECK(page->cursor.empty());
    CHECK(page->entries[0].kind == Kind::folder);
    CHECK(page->entries[1].kind == Kind::file);
    CHECK(page->entries[1].size == 5);
    CHECK(page->entries[1].mtime == 1'000'000'000'007);
    CHECK(page->entries[2].kind == Kind::link);
    CHECK(page->entries[2].size == 0);
    CHECK(names(*browse({"s", scratch / "share", {}}, "a", "")) ==
          std::vector<std::string>{"inner"});
    CHECK(names(*browse({"s", scratch / "share", {}}, "a/inner", "")) ==
          std::vector<std::string>{"inner"});
    CHECK(browse({"s", scratch / "share", {}}, "c", "")->entries[0].kind == Kind::link);
  }

  TEST_CASE("nothing outside is told from nothing at all") {
    Scratch scratch;
    scratch.write("share/f");
    scratch.write("secret/x");
    scratch.link("share/out", "../secret");
    for (const std::string path :
         {"../secret", "..", "none", "out/x", "f/x", "/etc", ".", "a//b", "fifo"}) {
      CAPTURE(path);
      CHECK(browse({"s", scratch / "share", {}}, path, "").error().code == Errc::not_shared);
      CHECK(resolve_shared(scratch / "share", path).error().code == Errc::not_shared);
    }
    CHECK(resolve_shared(scratch / "share", "out").error().code == Errc::not_shared);
    CHECK(browse({"s", scratch / "gone", {}}, "", "").error().code == Errc::not_shared);
    CHECK(resolve_shared(scratch / "gone", "").error().code == Errc::not_shared);
  }

  TEST_CASE("a shared file is itself") {
    Scratch scratch;
    const auto file = scratch.write("doc.txt", "123");
    CHECK(names(*browse({"letter", file, {}}, "", "")) == std::vector<std::string>{"letter"});
    CHECK(browse({"letter", file, {}}, "x", "").error().code == Errc::not_shared);
    CHECK(*resolve_shared(file, "") == file);
    CHECK(resolve_shared(file, "x").error().code == Errc::not_shared);
  }

  TEST_CASE("our own state in a share is not there for others") {
    Scratch scratch;
    scratch.write("share/doc");
    scratch.write("share/.peer/identity.pem");
    const peer::storage::SharedPlace place{"s", scratch / "share", {scratch / "share/.peer"}};
    CHECK(names(*browse(place, "", "")) == std::vector<std::string>{"doc"});
    CHECK(browse(place, ".peer", "").error().code == Errc::not_shared);
  }

  TEST_CASE("the shares themselves are listed page by page, with what they are") {
    Scratch scratch;
    scratch.write("doc.txt", "text");
    scratch.write("music/one");
    using peer::storage::SharedPlace;
    const std::vector<SharedPlace> few{{"letter", scratch / "doc.txt", {}},
                                       {"lost", scratch / "unmounted", {}},
                                       {"songs", scratch / "music", {}}};
    const auto page = peer::storage::browse_shares(few, "");
    CHECK(names(page) == std::vector<std::string>{"letter", "songs"});
    CHECK(page.entries[0].kind == Kind::file);
    CHECK(page.entries[0].size == 4);
    CHECK(page.entries[1].kind == Kind::folder);
    CHECK(page.cursor.empty());

    std::vector<SharedPlace> many;
    for (int i = 1000; i < 1400; ++i)
      many.push_back({std::to_string(i) + std::string(250, 'x'), scratch / "music", {}});
    std::size_t seen = 0;
    std::string cursor;
    do {
      const auto next = peer::storage::browse_shares(many, cursor);
      REQUIRE(!next.entries.empty());
      CHECK(next.entries.front().name == many[seen].name);
      seen += next.entries.size();
      CHECK(next.entries.size() < 250);
      cursor = next.cursor;
    } while (!cursor.empty());
    CHECK(seen == many.size());
  }

  TEST_CASE("resolving goes through links to the share, not in it") {
    Scratch scratch;
    scratch.write("share/sub/f");
    scratch.link("way", "share");
    CHECK(*resolve_shared(scratch / "way", "sub/f") == scratch / "share/sub/f");
    CHECK(*resolve_shared(scratch / "way", "sub") == scratch / "share/sub");
    CHECK(*resolve_shared(scratch / "way", "") == scratch / "share");
  }

  TEST_CASE("pages together hold every name once, in order, and each fits a message") {
    Scratch scratch;
    std::vector<std::string> all;
    for (int i = 0; i < 1201; ++i) {
      std::string name = std::to_string(100'000 + i);
      if (i % 3 == 0) name.append(200, '\x01');
      if (i % 5 == 0) name += '\xFF';
      scratch.write(std::string("s/").append(name));
      all.push_back(std::move(name));
    }
    std::vector<std::string> seen;
    std::string cursor;
    do {
      const auto page = browse({"s", scratch / "s", {}}, "", cursor);
      REQUIRE(page);
      CHECK(page->entries.size() <= protocol::kMaxListingEntries);
      for (const auto& name : names(*page)) seen.push_back(name);
      protocol::Listing listing{{}, page->entries, page->cursor};
      CHECK(protocol::encode(listing).size() <= protocol::kMinMessageBytes);
      cursor = page->cursor;
    } while (!cursor.empty());
    CHECK(seen == all);
    CHECK(browse({"s", scratch / "s", {}}, "", "not base64!").error().code == Errc::bad_message);
  }
}
