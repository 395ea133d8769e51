#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <ostream>

#include "protocol/beacon.hpp"
#include "protocol/errors.hpp"

using namespace peer::protocol;
using peer::Result;

namespace {

PeerId some_id() {
  PeerId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::byte>(i * 7 + 1);
  return id;
}

Beacon here() {
  Beacon beacon;
  beacon.kind = Beacon::Kind::here;
  beacon.id = some_id();
  beacon.port = 56744;
  beacon.name = "alice's laptop";
  beacon.slot = 7;
  return beacon;
}

Result<Beacon> read(std::string_view text) { return decode_beacon(std::as_bytes(std::span(text))); }

std::string golden(const char* name) {
  std::ifstream in(std::string(PEER_TEST_DATA "/beacon/") + name, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_SUITE("beacon") {
  TEST_CASE("every kind is written as it always was, and read back") {
    Beacon leaving;
    leaving.kind = Beacon::Kind::leaving;
    leaving.id = some_id();
    Beacon bare = here();
    bare.name.clear();
    bare.slot.reset();
    const std::pair<const char*, Beacon> kinds[] = {{"here.json", here()},
                                                    {"here-bare.json", bare},
                                                    {"ask.json", Beacon{}},
                                                    {"leaving.json", leaving}};
    for (const auto& [name, beacon] : kinds) {
      CAPTURE(name);
      CHECK(encode(beacon) == golden(name));
      const auto again = read(encode(beacon));
      REQUIRE(again);
      CHECK(*again == beacon);
    }
  }

  TEST_CASE("no answer is larger than what it answers") {
    auto longest = here();
    longest.name = std::string(300, '"');
    longest.port = 65535;
    longest.slot = kMaxInviteSlot;
    CHECK(encode(longest).size() <= encode(Beacon{}).size());
    CHECK(encode(Beacon{}).size() == kAskBytes);
    CHECK(read(encode(longest))->name == std::string(kMaxBeaconNameBytes, '"'));
  }

  TEST_CASE("a long name is cut between characters") {
    auto beacon = here();
    beacon.name = std::string(kMaxBeaconNameBytes - 1, 'x') + "\u00e9tude";
    CHECK(read(encode(beacon))->name == std::string(kMaxBeaconNameBytes - 1, 'x'));
  }

  TEST_CASE("what is not exactly a beacon is refused") {
    const auto whole = encode(here());
    const auto with = [&](std::string_view from, std::string_view to) {
      auto text = whole;
      const auto at = text.find(from);
      REQUIRE(at != text.npos);
      return text.replace(at, from.size(), to);
    };
    const std::pair<std::string, Errc> wrong[] = {
        {"", Errc::bad_json},
        {"{}", Errc::bad_message},
        {std::string(64 * 1024, '{'), Errc::message_too_large},
        {std::string(kMaxBeaconBytes, '['), Errc::bad_json},
        {whole.substr(0, whole.size() - 1), Errc::bad_json},
        {whole + "x", Errc::bad_json},
        {with("\"version\":1", "\"version\":99"), Errc::bad_version},
        {with("\"here\"", "\"sing\""), Errc::unknown_type},
        {with("56744", "0"), Errc::bad_message},
        {with("56744", "65536"), Errc::bad_message},
        {with("56744", "-1"), Errc::bad_message},
        {with("\"slot\":7", "\"slot\":0"), Errc::bad_message},
        {with("alice's laptop", std::string(kMaxBeaconNameBytes + 1, 'x')), Errc::bad_message},
        {with("alice", "\\u0000lice"), Errc::bad_message},
        {with(some_id().text(), some_id().text().substr(1)), Errc::bad_message},
        {with(some_id().text(), std::string(63, 'A')), Errc::bad_message},
        {R"({"type":"ask","version":1})", Errc::bad_message},
    };
    for (const auto& [text, code] : wrong) {
      CAPTURE(text.substr(0, 200));
      const auto beacon = read(text);
      REQUIRE_FALSE(beacon);
      CHECK(beacon.error().code == code);
    }
  }

  TEST_CASE("unknown fields are ignored") {
    auto text = encode(here());
    text.insert(1, R"("colour":"blue",)");
    CHECK(*read(text) == here());
  }
}
