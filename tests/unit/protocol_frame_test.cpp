#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/frame.hpp"

using namespace peer::protocol;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// Feeds `wire` in pieces of `piece` bytes; all bodies that come out.
std::vector<std::string> read_all(std::string_view wire, std::size_t piece) {
  FrameReader reader;
  std::vector<std::string> bodies;
  while (!wire.empty()) {
    std::string_view part = wire.substr(0, piece);
    wire.remove_prefix(part.size());
    while (!part.empty()) {
      const auto taken = reader.feed(bytes_of(part));
      REQUIRE(taken);
      part.remove_prefix(*taken);
      if (const auto body = reader.next()) bodies.emplace_back(*body);
    }
  }
  CHECK_FALSE(reader.in_message());
  return bodies;
}

std::string prefix(std::uint32_t length) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(length >> shift & 0xff);
  return text;
}

}  // namespace

TEST_CASE("the length is four bytes, the highest first") {
  const std::string framed = with_length(std::string(0x010203, 'x'));
  CHECK(framed.substr(0, 4) == std::string("\0\1\2\3", 4));
  CHECK(framed.size() == 4 + 0x010203);
}

TEST_CASE("messages come out the same however the bytes were split") {
  const std::vector<std::string> bodies{"{}", "x", std::string(300, 'y'), "last"};
  std::string wire;
  for (const std::string& body : bodies) wire += with_length(body);
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) {
    CAPTURE(piece);
    CHECK(read_all(wire, piece) == bodies);
  }
}

TEST_CASE("nothing is taken past the end of a message, nor while one waits") {
  FrameReader reader;
  const std::string wire = with_length("abc") + "raw bytes";
  auto taken = reader.feed(bytes_of(wire));
  REQUIRE(taken);
  CHECK(*taken == 7);
  taken = reader.feed(bytes_of("more"));
  REQUIRE(taken);
  CHECK(*taken == 0);
  CHECK(reader.next() == "abc");
  CHECK_FALSE(reader.next());
}

TEST_CASE("a cut is told from an end") {
  const std::string wire = with_length("abc");
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    CAPTURE(cut);
    FrameReader reader;
    REQUIRE(reader.feed(bytes_of(wire).first(cut)));
    CHECK(reader.in_message() == (cut > 0 && cut < wire.size()));
    CHECK(reader.next().has_value() == (cut == wire.size()));
    CHECK(reader.in_message() == (cut > 0 && cut < wire.size()));
  }
}

TEST_CASE("a length is judged before anything is kept for it") {
  const auto refused = [](std::uint32_t length, std::size_t limit) {
    FrameReader reader(limit);
    const auto fed = reader.feed(bytes_of(prefix(length)));
    if (fed) return false;
    CHECK(fed.error().code == Errc::message_too_large);
    CHECK_FALSE(reader.feed(bytes_of("x")));  // and it stays so
    return true;
  };
  CHECK(refused(0, kMaxMessageBytes));
  CHECK(refused(kMaxMessageBytes + 1, kMaxMessageBytes));
  CHECK(refused(0xffffffff, kMaxMessageBytes));
  CHECK_FALSE(refused(kMaxMessageBytes, kMaxMessageBytes));
  CHECK_FALSE(refused(1, kMaxMessageBytes));
  CHECK_FALSE(refused(100, 100));
  CHECK(refused(101, 100));
}

TEST_CASE("the largest message passes whole") {
  const std::string body(kMaxMessageBytes, 'z');
  CHECK(read_all(with_length(body) + with_length("a"), 4096) ==
        std::vector<std::string>{body, "a"});
}
