#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "trust/names.hpp"

using namespace peer::trust;
using peer::protocol::PeerId;

namespace {

constexpr std::uint16_t kPort = 56744;

std::string address(std::string_view text) {
  const auto parsed = parse_address(text, kPort);
  return parsed ? parsed->text() : "error";
}

PeerId some_id() {
  PeerId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::byte>(i * 7);
  return id;
}

std::string kind(std::string_view word) {
  const auto parsed = parse_peer_word(word, kPort);
  if (!parsed) return "error";
  if (std::holds_alternative<ContactName>(*parsed)) return "contact";
  return std::holds_alternative<PeerId>(*parsed) ? "id" : "address";
}

}  // namespace

TEST_CASE("a contact's name is short and cannot be taken for anything else") {
  for (const char* good : {"bob", "Bob_2", "b", "bob-work", "1st", "Jürgen", "写真", "o'neill",
                           "charles-dickens", "contact", "x[1]"})
    CHECK_MESSAGE(name_error(good).empty(), good);
  for (const char* bad : {"",
                          "two words",
                          "tab\there",
                          "no\u00a0break",
                          "wide\u3000space",
                          "a\x1b[2J",
                          "rtl\u202e",
                          "zero\u200bwidth",
                          "\xff",
                          "a/b",
                          "a:b",
                          "a,b",
                          "a@b",
                          "bob.smith",
                          "12345",
                          "-bob",
                          "anyone",
                          "Verified",
                          "trusted",
                          "strangers",
                          "Anyone",
                          "contacts",
                          "CONTACTS",
                          "ABCDEFG-HIJKLMN",
                          "\u0301x"})
    CHECK_MESSAGE(!name_error(bad).empty(), bad);
  CHECK(!name_error(some_id().text()).empty());
  CHECK(!name_error(std::string("zero\0byte", 9)).empty());
}

TEST_CASE("a contact's name has 64 characters at most, however many bytes they take") {
  const auto times = [](int n, const char* text) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
  };
  CHECK(name_error(times(64, "x")).empty() == false);  // could only be an ID
  CHECK(name_error(times(32, "x_")).empty());
  CHECK(!name_error(times(32, "x_") + "x").empty());
  CHECK(name_error(times(64, "写")).empty());
  CHECK(!name_error(times(65, "写")).empty());
}

TEST_CASE("what a stranger calls itself becomes a legal name or nothing") {
  struct Case {
    std::string shown;
    std::string name;
  };
  const std::vector<Case> cases{
      {"bob", "bob"},
      {"Ann's laptop", "Ann's-laptop"},
      {"  bob  smith. ", "bob-smith"},
      {"nas.home.lan", "nas-home-lan"},
      {"--bob--", "bob"},
      {"a/b:c,d@e", "abcde"},
      {"\x1b[2Jx\u202e", "[2Jx"},
      {"\xff\xfe", ""},
      {"12345", ""},
      {"anyone", ""},
      {"", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.shown);
    CHECK(name_from(c.shown) == c.name);
    const std::string name = name_from(c.shown);
    CHECK((name.empty() || name_error(name).empty()));
  }
  CHECK(name_from(std::string(4096, '_')) == std::string(64, '_'));
  CHECK(name_from(some_id().text()).empty());
}

TEST_CASE("addresses are IPs, names with a dot, or either with a port") {
  CHECK(address("192.168.1.7") == "192.168.1.7:56744");
  CHECK(address("192.168.1.7:7000") == "192.168.1.7:7000");
  CHECK(address("::1") == "[::1]:56744");
  CHECK(address("[::1]") == "[::1]:56744");
  CHECK(address("[::1]:7000") == "[::1]:7000");
  CHECK(address("2001:DB8:0:0::1") == "[2001:db8::1]:56744");
  CHECK(address("fe80::1%eth0") == "[fe80::1%eth0]:56744");
  CHECK(address("nas.home") == "nas.home:56744");
  CHECK(address("nas.home:7000") == "nas.home:7000");
  CHECK(address("localhost:7000") == "localhost:7000");
  CHECK(address("my_host-2.example.") == "my_host-2.example.:56744");
  CHECK(address("nas.home:1") == "nas.home:1");
  CHECK(address("nas.home:65535") == "nas.home:65535");
}

TEST_CASE("what is no address is refused") {
  for (const char* wrong : {"",          "bob",        ":",           ":7000",
                            "bob:",      "bob:0",      "bob:65536",   "bob:+1",
                            "bob:1x",    "bob:7000:1", "[::1",        "[::1]x",
                            "[::1]:",    "[1.2.3.4]",  "[bob]:7000",  "::g",
                            "1.2.3",     "1.2.3.4.5",  "256.1.1.1",   "10.1:7000",
                            "a..b",      ".",          ".a",          "-a.b",
                            "a b.c",     "a/b.c",      "peer://a.b",  "a@b.c",
                            "\u00e4.de", "fe80::1%",   "fe80::1%a/b", "1.2.3.4%eth0",
                            "a.b\n",     "[]:1"})
    CHECK_MESSAGE(address(wrong) == "error", wrong);
  CHECK(address(std::string("1.2.3.4\0x", 9)) == "error");
  CHECK(address(std::string(63, 'a') + ".b") != "error");
  CHECK(address(std::string(64, 'a') + ".b") == "error");
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  CHECK(address(longest + "b") != "error");
  CHECK(address(longest + "bb") == "error");
  CHECK(parse_address("bob:65536", kPort).error().code == WordErrc::bad_port);
}

TEST_CASE("PEER is a contact's name, an ID or an address; a bare word only ever a contact") {
  CHECK(kind("bob") == "contact");
  CHECK(kind("localhost") == "contact");
  CHECK(kind("bob.example") == "address");
  CHECK(kind("bob:7000") == "address");
  CHECK(kind("10.0.0.1") == "address");
  CHECK(kind("::1") == "address");
  CHECK(kind("[::1]:7000") == "address");
  CHECK(kind(some_id().text()) == "id");
  const auto parsed = parse_peer_word(some_id().text(), kPort);
  REQUIRE(parsed);
  CHECK(std::get<PeerId>(*parsed) == some_id());
}

TEST_CASE("a word that can be no peer is an error that says what it may be") {
  for (const char* wrong : {"", "two words", "12345", "-bob", "anyone", "a/b", "a,b", "a@b",
                            "\u202e", "ABCDEFG-HIJKLMN", "bob:", "1.2.3"})
    CHECK_MESSAGE(kind(wrong) == "error", wrong);
  const auto spaces = parse_peer_word("two words", kPort);
  REQUIRE(!spaces);
  CHECK(spaces.error().text().find("‘two words’") != std::string::npos);
  CHECK(spaces.error().text().find("a contact's name") != std::string::npos);

  std::string mistyped = some_id().text();
  mistyped[3] = mistyped[3] == 'A' ? 'B' : 'A';
  const auto id = parse_peer_word(mistyped, kPort);
  REQUIRE(!id);
  CHECK(id.error().code != WordErrc::bad_peer);
}
