#include <doctest/doctest.h>

#include <ostream>

#include "discovery/nearby.hpp"
#include "protocol/limits.hpp"

using namespace peer::discovery;
using peer::protocol::Beacon;
using peer::protocol::PeerId;

namespace {

constexpr Time kStart{std::chrono::hours(1)};

PeerId id_of(std::uint32_t n) {
  PeerId id;
  for (std::size_t i = 0; i < 4; ++i) id.bytes[i] = static_cast<std::byte>(n >> (8 * i));
  return id;
}

Beacon here(std::uint32_t n, std::uint16_t port = 56744) {
  Beacon beacon;
  beacon.kind = Beacon::Kind::here;
  beacon.id = id_of(n);
  beacon.port = port;
  beacon.name = "peer " + std::to_string(n);
  return beacon;
}

std::string host(std::uint32_t n) {
  return "10.0." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1);
}

}  // namespace

TEST_SUITE("nearby") {
  TEST_CASE("who is heard is there, with where it was heard, until nobody heard it for long") {
    Nearby nearby;
    CHECK(nearby.heard(here(1), {"10.0.0.1"}, kStart));
    CHECK_FALSE(nearby.heard(here(1), {"10.0.0.1"}, kStart + std::chrono::seconds(60)));
    CHECK(nearby.heard(here(1), {"fe80::1%eth0"}, kStart + std::chrono::seconds(61)));
    const auto* peer = nearby.find(id_of(1));
    REQUIRE(peer);
    CHECK(peer->name == "peer 1");
    CHECK(peer->since == kStart);
    CHECK(peer->addresses[0].text() == "[fe80::1%eth0]:56744");
    CHECK(peer->addresses[1].text() == "10.0.0.1:56744");
    CHECK_FALSE(nearby.expire(kStart + peer::protocol::kBeaconLife));
    CHECK(nearby.expire(kStart + std::chrono::seconds(60) + peer::protocol::kBeaconLife));
    CHECK(nearby.find(id_of(1))->addresses.size() == 1);
    CHECK(nearby.expire(kStart + std::chrono::seconds(61) + peer::protocol::kBeaconLife));
    CHECK(nearby.all().empty());
  }

  TEST_CASE("networks that people share come before tunnels and bridges") {
    Nearby nearby;
    nearby.heard(here(1), {"172.17.0.2", true}, kStart);
    nearby.heard(here(1), {"192.168.1.7"}, kStart);
    nearby.heard(here(1), {"172.17.0.2", true}, kStart + std::chrono::seconds(9));
    CHECK(nearby.find(id_of(1))->addresses.front().host == "192.168.1.7");
  }

  TEST_CASE("a goodbye counts only for where it was said") {
    Nearby nearby;
    nearby.heard(here(1), {"10.0.0.1"}, kStart);
    Beacon bye;
    bye.kind = Beacon::Kind::leaving;
    bye.id = id_of(1);
    CHECK_FALSE(nearby.heard(bye, {"10.0.0.66"}, kStart));
    CHECK(nearby.find(id_of(1)));
    CHECK(nearby.heard(bye, {"10.0.0.1"}, kStart));
    CHECK_FALSE(nearby.find(id_of(1)));
  }

  TEST_CASE("a flood of invented peers stays within its bounds, and evicts nobody who is known") {
    Nearby nearby;
    nearby.is_known = [](const PeerId& id) { return id == id_of(7); };
    nearby.heard(here(7), {"10.0.9.9"}, kStart);
    SUBCASE("from one address") {
      nearby.heard(here(8), {"10.0.8.8"}, kStart);
      for (std::uint32_t n = 100; n < 20'000; ++n)
        nearby.heard(here(n), {"10.6.6.6"}, kStart + std::chrono::milliseconds(n));
      CHECK(nearby.all().size() == 2 + kMaxNearbyPerHost);
      CHECK(nearby.find(id_of(8)));
    }
    SUBCASE("from many") {
      for (std::uint32_t n = 100; n < 20'000; ++n)
        nearby.heard(here(n), {host(n)}, kStart + std::chrono::milliseconds(n));
      CHECK(nearby.all().size() == kMaxNearby);
      CHECK(nearby.find(id_of(19'999)));
    }
    CHECK(nearby.find(id_of(7)));
  }

  TEST_CASE("forged addresses of one peer are bounded") {
    Nearby nearby;
    for (std::uint32_t n = 0; n < 1000; ++n)
      nearby.heard(here(1), {host(n)}, kStart + std::chrono::milliseconds(n));
    CHECK(nearby.find(id_of(1))->addresses.size() == kMaxNearbyAddresses);
  }
}
