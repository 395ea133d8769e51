#include <doctest/doctest.h>

#include <array>
#include <ostream>
#include <string>

#include "trust/link.hpp"
#include "trust/look_alike.hpp"

using namespace peer::trust;
using peer::protocol::PeerId;

namespace {

std::string id_text() {
  PeerId id;
  id.bytes.fill(std::byte{7});
  return id.text();
}

}  // namespace

TEST_CASE("a link holds an ID and addresses, and comes back as it was") {
  const std::string text = "peer://" + id_text() + "@192.168.1.7:56744,[fd00::1]:7,bob.example:80";
  const auto link = parse_link(text, 1);
  REQUIRE(link);
  CHECK(link->id.text() == id_text());
  REQUIRE(link->addresses.size() == 3);
  CHECK(link->addresses[1].host == "fd00::1");
  CHECK(link->text() == text);
  const auto bare = parse_link("PEER://" + id_text(), 1);
  REQUIRE(bare);
  CHECK(bare->addresses.empty());
  CHECK(bare->text() == "peer://" + id_text());
  CHECK(parse_link("peer://" + id_text() + "@bob.example", 99)->addresses[0].port == 99);
  CHECK(is_link("peer://x"));
  CHECK(!is_link("peer:/x"));
}

TEST_CASE("what is no link is refused by what is wrong with it") {
  const auto refused = [](const std::string& text) {
    const auto link = parse_link(text, 1);
    REQUIRE(!link);
    return link.error().context;
  };
  CHECK(refused("http://x").find("peer://") != std::string::npos);
  CHECK(refused("peer://").find("peer ID") != std::string::npos);
  CHECK(refused("peer://ABC@1.2.3.4").find("ABC") != std::string::npos);
  CHECK(refused("peer://" + id_text() + "@").find("address") != std::string::npos);
  CHECK(refused("peer://" + id_text() + "@1.2.3.4:5,").find("address") != std::string::npos);
  CHECK(refused("peer://" + id_text() + "@1.2.3.4:99999").find("99999") != std::string::npos);
  CHECK(refused("peer://" + id_text() + "@a b:1").find("a b") != std::string::npos);
  std::string many = "peer://" + id_text() + "@1.2.3.4:1";
  for (std::size_t i = 0; i < kMaxLinkAddresses; ++i) many += ",1.2.3.4:2";
  CHECK(refused(many).find("more than 16") != std::string::npos);
  auto other = id_text();
  other[0] = other[0] == 'A' ? 'B' : 'A';  // a check letter is wrong now
  CHECK(!parse_link("peer://" + other, 1));
}

TEST_CASE("names that can be taken for each other have one skeleton") {
  constexpr std::array<std::array<const char*, 2>, 12> kTwins{{
      {"bob", "BOB"},
      {"bob", "b0b"},
      {"paul", "pau1"},
      {"paul", "pauI"},
      {"anna", "аnnа"},    // Cyrillic
      {"bob", "bοb"},      // Greek
      {"SCOPE", "ЅСОРЕ"},  // Cyrillic
      {"bob", "ｂｏｂ"},
      {"norman", "nonnan-"},
      {"carmen", "cannen-"},
      {"rene", "rené"},
      {"rene", "rene\xcc\x81"},
  }};
  for (const auto& [a, b] : kTwins) {
    CAPTURE(a);
    CAPTURE(b);
    const bool differ = std::string(b).ends_with('-');
    CHECK((skeleton(a) == skeleton(b)) == !differ);
  }
  CHECK(skeleton("modern") == skeleton("rnodern"));
  CHECK(skeleton("willow") == skeleton("vvi11ovv"));
  CHECK(skeleton("bob") != skeleton("rob"));
  CHECK(skeleton("鈴木") != skeleton("佐藤"));
  CHECK(skeleton("\xff") == skeleton("\xff"));
  CHECK(skeleton("").empty());
}
