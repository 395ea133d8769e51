#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <vector>

#include "node/known_addresses.hpp"

using namespace peer::node;

namespace {

std::vector<std::string> texts(const std::vector<peer::trust::Address>& order) {
  std::vector<std::string> out;
  for (const auto& address : order) out.push_back(address.text());
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_SUITE("node known_addresses") {
  TEST_CASE("how an address was learned only gets better, and when it answered is kept") {
    std::vector<AddressRow> known;
    learn(known, "10.0.0.1:1", Learned::heard, false, 10);
    CHECK(!worth_a_session(known));
    learn(known, "10.0.0.2:1", Learned::imported, false, 10);
    CHECK(!worth_a_session(known));
    known.pop_back();
    learn(known, "10.0.0.1:1", Learned::met, true, 20);
    CHECK(worth_a_session(known));
    learn(known, "10.0.0.1:1", Learned::given, false, 30);
    learn(known, "10.0.0.1:1", Learned::met, true, 40);
    learn(known, "10.0.0.1:1", Learned::heard, false, 50);
    learn(known, "", Learned::heard, false, 50);
    REQUIRE(known.size() == 1);
    CHECK(known[0].learned == Learned::given);
    CHECK(known[0].first_seen == 10);
    CHECK(known[0].last_seen == 50);
    CHECK(known[0].last_answered == 40);
    CHECK(find_address(known, "10.0.0.1:1") == &known[0]);
    CHECK(find_address(known, "10.0.0.1:2") == nullptr);
  }

  TEST_CASE("addresses are bounded; those the user gave are never thrown out") {
    std::vector<AddressRow> known;
    learn(known, "bob.example:1", Learned::given, false, 1);
    for (int i = 0; i < 100; ++i)
      learn(known, "10.0.0." + std::to_string(i) + ":1", Learned::met, true, 100 + i);
    CHECK(known.size() == kMaxKnownAddresses + 1);
    CHECK(find_address(known, "bob.example:1"));
    CHECK(find_address(known, "10.0.0.99:1"));
    CHECK(!find_address(known, "10.0.0.0:1"));
    // What is only claimed does not drive out what has answered, but for its own place.
    for (int i = 0; i < 100; ++i)
      learn(known, "10.9.0." + std::to_string(i) + ":1", Learned::heard, false, 1000 + i);
    CHECK(known.size() == kMaxKnownAddresses + 1);
    CHECK(find_address(known, "10.9.0.99:1"));
    CHECK(!find_address(known, "10.9.0.97:1"));
    CHECK(find_address(known, "10.0.0.99:1"));
    for (std::size_t i = 0; may_be_given(known, "x.example:" + std::to_string(i + 1)); ++i)
      learn(known, "x.example:" + std::to_string(i + 1), Learned::given, false, 2000);
    CHECK(known.size() == kMaxKnownAddresses + kMaxGivenAddresses);
    CHECK(may_be_given(known, "bob.example:1"));
    CHECK(find_address(known, "10.0.0.99:1"));
  }

  TEST_CASE("nearby first, then the latest that answered, then what never did") {
    std::vector<AddressRow> known;
    learn(known, "10.0.0.1:1", Learned::heard, false, 90);
    learn(known, "10.0.0.2:1", Learned::met, true, 50);
    learn(known, "10.0.0.3:1", Learned::met, true, 70);
    learn(known, "10.0.0.4:1", Learned::given, false, 10);
    learn(known, "10.0.0.5:1", Learned::imported, false, 95);
    learn(known, "192.168.1.7:1", Learned::nearby, true, 99);
    CHECK(texts(dialling_order({"192.168.1.9:1", "192.168.1.7:1"}, known)) ==
          Texts{"192.168.1.9:1", "192.168.1.7:1", "10.0.0.3:1", "10.0.0.2:1", "10.0.0.4:1",
                "10.0.0.5:1", "10.0.0.1:1"});
    CHECK(dialling_order({}, {}).empty());
  }

  TEST_CASE("the families take turns") {
    std::vector<AddressRow> known;
    int now = 100;
    for (const char* text :
         {"10.0.0.1:1", "10.0.0.2:1", "bob.example:1", "10.0.0.3:1", "[fd00::1]:1", "[fd00::2]:1"})
      learn(known, text, Learned::met, true, now--);
    CHECK(texts(dialling_order({"192.168.1.7:1", "192.168.1.8:1", "[fe80::1%eth0]:1"}, known)) ==
          Texts{"192.168.1.7:1", "[fe80::1%eth0]:1", "192.168.1.8:1", "10.0.0.1:1", "bob.example:1",
                "10.0.0.2:1", "[fd00::1]:1", "10.0.0.3:1", "[fd00::2]:1"});
  }

  TEST_CASE("what is no address is passed over") {
    std::vector<AddressRow> known;
    learn(known, "no address", Learned::imported, false, 1);
    CHECK(dialling_order({"\x1b"}, known).empty());
  }
}
