#include <doctest/doctest.h>

#include <ostream>
#include <random>
#include <string>
#include <unordered_set>

#include "protocol/peer_id.hpp"

using namespace peer::protocol;

namespace {

// An ID that other programs write the same way.
constexpr char kKnown[] = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2";

PeerId random_id(std::mt19937& random) {
  PeerId id;
  for (std::byte& byte : id.bytes) byte = static_cast<std::byte>(random());
  return id;
}

}  // namespace

TEST_CASE("a known ID is read and written the same") {
  const auto id = PeerId::parse(kKnown);
  REQUIRE_MESSAGE(id, id.error().text());
  CHECK(id->text() == kKnown);
  CHECK(id->short_text() == "P56IOI7-MZJNU2Y");
}

TEST_CASE("IDs of all bits equal have the text they must") {
  CHECK(PeerId{}.text() == "AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA");
  PeerId ones;
  ones.bytes.fill(std::byte{0xff});
  // 13 times 31: seven of them count 31, six 1 + 30; the sum 403 lacks 13 to 416, which is 'N'.
  CHECK(ones.text().substr(0, 15) == "7777777-777777N");
}

TEST_CASE("every ID goes to text and back") {
  std::mt19937 random(1);
  std::unordered_set<PeerId, PeerIdHash> seen;
  for (int i = 0; i < 1000; ++i) {
    const PeerId id = random_id(random);
    const std::string text = id.text();
    CHECK(text.size() == 63);
    const auto back = PeerId::parse(text);
    REQUIRE(back);
    CHECK(*back == id);
    seen.insert(id);
  }
  CHECK(seen.size() == 1000);
}

TEST_CASE("people may write it their way") {
  const PeerId id = *PeerId::parse(kKnown);
  std::string lower = kKnown;
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  CHECK(*PeerId::parse(lower) == id);
  std::string bare;
  for (const char c : std::string(kKnown)) {
    if (c == '-') continue;
    bare += c == 'O' ? '0' : c == 'I' ? '1' : c == 'B' ? '8' : c;
  }
  CHECK(*PeerId::parse(bare) == id);
  CHECK(*PeerId::parse(" " + bare + " ") == id);
}

TEST_CASE("every single mistyped character is found, and its groups are named") {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const std::string text = kKnown;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') continue;
    for (const char c : alphabet) {
      if (c == text[at]) continue;
      std::string wrong = text;
      wrong[at] = c;
      const auto parsed = PeerId::parse(wrong);
      REQUIRE_FALSE(parsed);
      const std::size_t first_of_two = at / 16 * 2 + 1;
      const std::string named =
          "group " + std::to_string(first_of_two) + " or " + std::to_string(first_of_two + 1);
      CHECK(parsed.error().context.find(named) != std::string::npos);
    }
  }
}

TEST_CASE("what is no ID is refused with the reason") {
  const auto why = [](const std::string& text) { return PeerId::parse(text).error().context; };
  CHECK(why("").find("56 characters") != std::string::npos);
  CHECK(why("bob").find("56 characters") != std::string::npos);
  CHECK(why(std::string(kKnown) + "A").find("not 57") != std::string::npos);
  CHECK(why(std::string(52, 'A')).find("check characters are missing") != std::string::npos);
  CHECK(why("P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ9")
            .find("letters A to Z") != std::string::npos);
  CHECK(why("\xc3\xbc").find("letters A to Z") != std::string::npos);
}

TEST_CASE("two texts never name one ID") {
  // The last data character carries one bit of the ID; its four low bits must be 0.
  PeerId id;
  id.bytes[31] = std::byte{1};
  const std::string text = id.text();
  CHECK(text.substr(text.size() - 2, 1) == "Q");  // 10000
  // 'A' and 'B' differ in an unused bit; find the check character that fits 'B'.
  int taken = 0;
  for (const char check : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")) {
    std::string other = PeerId{}.text();
    other[other.size() - 2] = 'B';
    other.back() = check;
    if (PeerId::parse(other)) ++taken;
  }
  CHECK(taken == 0);
}
