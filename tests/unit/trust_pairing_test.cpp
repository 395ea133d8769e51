#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "trust/pairing.hpp"
#include "trust_support.hpp"

using peer::protocol::PeerId;
using peer::trust::Pairing;
using peer::trust::PairingCode;
using peer::trust::Secret;
using Role = Pairing::Role;

namespace {

PeerId id_of(unsigned char value) {
  PeerId id;
  id.bytes.fill(std::byte{value});
  return id;
}

const PairingCode kCode{7, "guitar-otter-lamp"};
const PeerId kJoiner = id_of(0x0A);
const PeerId kInviter = id_of(0x0B);
const std::array<std::byte, 32> kExporter{std::byte{1}, std::byte{2}};

Pairing joiner(const PairingCode& code = kCode) {
  return {Role::joiner, code, kJoiner, kInviter, kExporter};
}
Pairing inviter(const PairingCode& code = kCode) {
  return {Role::inviter, code, kJoiner, kInviter, kExporter};
}

/// Both exchange shares; whether the inviter then believes the joiner, and the joiner it.
bool joiner_convinces(Pairing& a, Pairing& b) {
  REQUIRE(b.take_share(a.share()));
  REQUIRE(a.take_share(b.share()));
  return b.check(a.confirmation());
}

void is_dead(Pairing& one, Pairing& other) {
  CHECK(!one.proven());
  CHECK(one.confirmation().empty());
  CHECK(!one.take_share(other.share()));
  CHECK(!one.check(std::string(32, 'x')));
  CHECK(!one.proven());
}

}  // namespace

TEST_SUITE("pairing") {
  TEST_CASE("two that know the code convince each other, the joiner first") {
    auto a = joiner();
    auto b = inviter();
    CHECK(a.share().size() == 65);
    CHECK(a.share() != b.share());
    CHECK(a.confirmation().empty());
    CHECK(b.confirmation().empty());
    REQUIRE(b.take_share(a.share()));
    REQUIRE(a.take_share(b.share()));
    CHECK(b.confirmation().empty());  // not before the joiner has proven that it knows the code
    CHECK(a.confirmation().size() == 32);
    REQUIRE(b.check(a.confirmation()));
    CHECK(b.proven());
    CHECK(!a.proven());
    REQUIRE(a.check(b.confirmation()));
    CHECK(a.proven());
  }

  TEST_CASE("the example of PROTOCOL.md comes out") {
    auto v = peer::test::vectors("pairing.txt").at(0);
    const auto bytes = [&](const char* name) { return peer::test::unhex(v[name]); };
    const auto id = [&](const char* name) {
      PeerId out;
      std::memcpy(out.bytes.data(), bytes(name).data(), out.bytes.size());
      return out;
    };
    const std::string exporter = bytes("exporter");
    const auto exported = std::as_bytes(std::span(exporter));
    const PairingCode code{1, v["words"]};
    Pairing a(Role::joiner, code, id("joiner"), id("inviter"), exported, Secret(bytes("x")));
    Pairing b(Role::inviter, code, id("joiner"), id("inviter"), exported, Secret(bytes("y")));
    CHECK(peer::test::hex(a.share()) == v["share_a"]);
    CHECK(peer::test::hex(b.share()) == v["share_b"]);
    REQUIRE(joiner_convinces(a, b));
    CHECK(peer::test::hex(a.confirmation()) == v["mac_a"]);
    CHECK(peer::test::hex(b.confirmation()) == v["mac_b"]);
  }

  TEST_CASE("the slot is no part of the secret, the words are") {
    auto a = joiner({8, "guitar-otter-lamp"});
    auto b = inviter();
    CHECK(joiner_convinces(a, b));
  }

  TEST_CASE("whatever the two see differently, neither believes the other") {
    struct Case {
      const char* name;
      PairingCode code = kCode;
      PeerId joiner = kJoiner;
      PeerId inviter = kInviter;
      std::array<std::byte, 32> exporter = kExporter;
    };
    Case other_exporter{"another connection"};
    other_exporter.exporter[31] = std::byte{1};
    const std::vector<Case> cases{
        {"a wrong word", {7, "guitar-otter-land"}},
        {"words in another order", {7, "otter-guitar-lamp"}},
        {"another joiner", kCode, id_of(0x0C)},
        {"another inviter", kCode, kJoiner, id_of(0x0C)},
        {"swapped certificates", kCode, kInviter, kJoiner},
        other_exporter,
    };
    for (const auto& c : cases) {
      CAPTURE(c.name);
      Pairing a(Role::joiner, c.code, c.joiner, c.inviter, c.exporter);
      auto b = inviter();
      CHECK(!joiner_convinces(a, b));
      is_dead(b, a);
    }
  }

  TEST_CASE("two of one role do not pair") {
    for (const Role role : {Role::joiner, Role::inviter}) {
      Pairing one(role, kCode, kJoiner, kInviter, kExporter);
      Pairing other(role, kCode, kJoiner, kInviter, kExporter);
      REQUIRE(one.take_share(other.share()));
      REQUIRE(other.take_share(one.share()));
      CHECK(!one.check(other.confirmation()));
      is_dead(one, other);
    }
  }

  TEST_CASE("our own words thrown back are refused") {
    auto a = joiner();
    CHECK(!a.take_share(a.share()));
    auto b = inviter();
    is_dead(a, b);

    auto again = joiner();
    REQUIRE(again.take_share(b.share()));
    CHECK(!again.check(again.confirmation()));
    is_dead(again, b);
  }

  TEST_CASE("words of an earlier try are worth nothing in another") {
    auto a = joiner();
    auto b = inviter();
    REQUIRE(joiner_convinces(a, b));
    auto later = inviter();
    REQUIRE(later.take_share(a.share()));
    CHECK(!later.check(a.confirmation()));
    is_dead(later, a);
    auto late = joiner();
    REQUIRE(late.take_share(b.share()));
    CHECK(!late.check(b.confirmation()));
    is_dead(late, b);
  }

  TEST_CASE("a changed confirmation is refused, and the right one comes too late") {
    for (const std::size_t bit : {0U, 100U, 255U}) {
      const auto changed = [&](std::string mac) {
        mac[bit / 8] = static_cast<char>(mac[bit / 8] ^ (1 << bit % 8));
        return mac;
      };
      auto a = joiner();
      auto b = inviter();
      REQUIRE(b.take_share(a.share()));
      REQUIRE(a.take_share(b.share()));
      CHECK(!b.check(changed(a.confirmation())));
      CHECK(!b.check(a.confirmation()));
      is_dead(b, a);

      auto other = inviter();
      auto again = joiner();
      REQUIRE(joiner_convinces(again, other));
      CHECK(!again.check(changed(other.confirmation())));
      CHECK(!again.check(other.confirmation()));
      is_dead(again, other);
    }
    for (const std::string& mac :
         {std::string(), std::string(31, '\0'), std::string(32, '\0'), std::string(33, '\0')}) {
      auto a = joiner();
      auto b = inviter();
      REQUIRE(b.take_share(a.share()));
      CHECK(!b.check(mac));
      is_dead(b, a);
    }
  }

  TEST_CASE("a share is taken once, and a confirmation not before it") {
    auto a = joiner();
    auto b = inviter();
    REQUIRE(b.take_share(a.share()));
    CHECK(!b.take_share(a.share()));
    is_dead(b, a);
    auto early = inviter();
    CHECK(!early.check(std::string()));
    is_dead(early, a);
  }

  TEST_CASE("points that are none are refused") {
    auto a = joiner();
    for (const std::string& share :
         {std::string(), std::string(1, '\0'), std::string(65, '\0'), std::string(65, '\x04'),
          a.share().substr(0, 64), a.share() + "x"}) {
      auto b = inviter();
      CHECK(!b.take_share(share));
      is_dead(b, a);
    }
  }
}
