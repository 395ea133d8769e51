#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <unordered_set>

#include "protocol/ids.hpp"

using namespace peer::protocol;

TEST_CASE("an id goes to text and back") {
  const std::string text = "00112233445566778899aabbccddeeff";
  const auto id = OfferId::parse(text);
  REQUIRE(id);
  CHECK(id->text() == text);
  CHECK(id->bytes[1] == std::byte{0x11});
  CHECK(id->bytes[15] == std::byte{0xff});
}

TEST_CASE("an id is 32 lower-case hexadecimal digits and nothing else") {
  for (const std::string& text :
       {std::string(), std::string(31, 'a'), std::string(33, 'a'), std::string(32, 'A'),
        std::string(32, 'g'), std::string(32, '\0'), "0x" + std::string(30, '0')}) {
    CAPTURE(text);
    CHECK_FALSE(OfferId::parse(text));
  }
}

TEST_CASE("ids are ordered by their bytes and spread by their hash") {
  const auto low = *OfferId::parse("00ffffffffffffffffffffffffffffff");
  const auto high = *OfferId::parse("01000000000000000000000000000000");
  CHECK(low < high);
  std::unordered_set<OfferId, RandomIdHash> set{low, high, low};
  CHECK(set.size() == 2);
}

TEST_CASE("digests name their algorithm") {
  for (const std::string& text :
       {std::string("xxh3:00112233445566778899aabbccddeeff"), "sha256:" + std::string(64, 'b')}) {
    const auto digest = Digest::parse(text);
    REQUIRE(digest);
    CHECK(digest->text() == text);
  }
  CHECK(Digest::parse("xxh3:00112233445566778899aabbccddeeff")->bytes[16] == std::byte{0});
  for (const std::string& text :
       {std::string("xxh3:"), "xxh3:" + std::string(64, 'a'), "sha256:" + std::string(32, 'a'),
        std::string(64, 'a'), "SHA256:" + std::string(64, 'a'),
        "sha256:" + std::string(63, 'a') + "G"}) {
    CAPTURE(text);
    CHECK_FALSE(Digest::parse(text));
  }
}

TEST_CASE("a manifest's digest is 64 digits") {
  const std::string text(64, 'c');
  CHECK(ManifestDigest::parse(text)->text() == text);
  CHECK_FALSE(ManifestDigest::parse(std::string(63, 'c')));
  CHECK_FALSE(ManifestDigest::parse(std::string(65, 'c')));
}
