#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <future>
#include <ostream>
#include <thread>

#include "net/data_stream.hpp"
#include "net/tls_error.hpp"
#include "net_support.hpp"
#include "protocol/limits.hpp"

using namespace peer::test;
using peer::net::DataStream;
using peer::net::RawConnection;
using peer::net::TlsErrc;

namespace {

constexpr int kLimitMs = 30'000;

struct DataEnds {
  Person alice;
  Person bob;
  std::unique_ptr<DataStream> near;
  std::unique_ptr<DataStream> far;
  explicit DataEnds(std::string rest = {}) {
    asio::io_context io;
    auto ends = tls_pair(io, alice, bob);
    near = std::make_unique<DataStream>(ends.client->release());
    auto raw = ends.server->release();
    raw.rest = std::move(rest);
    far = std::make_unique<DataStream>(std::move(raw));
  }
};

/// Writes and reads by turns, as two sides that both have something to say; whether all came right.
bool exchange(DataStream& stream, std::size_t pieces, std::size_t piece_bytes, unsigned mine,
              unsigned theirs) {
  const auto out = pattern(piece_bytes, mine);
  const auto wanted = pattern(piece_bytes, theirs);
  std::vector<std::byte> in(piece_bytes);
  for (std::size_t i = 0; i < pieces; ++i) {
    if (!stream.write(out, kLimitMs)) return false;
    std::fill(in.begin(), in.end(), std::byte{});
    if (!stream.read_exactly(in, kLimitMs)) return false;
    if (in != wanted) return false;
  }
  return true;
}

}  // namespace

TEST_SUITE("data stream") {
  TEST_CASE("what the control thread had read comes first") {
    DataEnds ends("from before, ");
    CHECK(ends.near->write(bytes_of("and after"), kLimitMs));
    std::array<char, 22> text{};
    REQUIRE(ends.far->read_exactly(std::as_writable_bytes(std::span(text)), kLimitMs));
    CHECK(std::string_view(text.data(), text.size()) == "from before, and after");
  }

  TEST_CASE("two sides that both write first do not wait for each other") {
    DataEnds ends;
    constexpr std::size_t kPiece = peer::protocol::kMaxMessageBytes;
    constexpr std::size_t kPieces = (std::size_t{64} << 20) / kPiece;
    auto other =
        std::async(std::launch::async, [&] { return exchange(*ends.far, kPieces, kPiece, 1, 2); });
    CHECK(exchange(*ends.near, kPieces, kPiece, 2, 1));
    CHECK(other.get());
  }

  TEST_CASE("two sides that write without end both give up") {
    DataEnds ends;
    const auto much = pattern(std::size_t{64} << 20, 1);
    auto other = std::async(std::launch::async, [&] { return ends.far->write(much, 300); });
    const auto mine = ends.near->write(much, 300);
    REQUIRE(!mine);
    CHECK(mine.error().code == std::errc::timed_out);
    CHECK(!other.get());
  }

  TEST_CASE("a close_notify is a clean end, but not in the middle of what was awaited") {
    DataEnds ends;
    CHECK(ends.near->write(bytes_of("half"), kLimitMs));
    ends.near->shutdown();
    ends.near.reset();
    std::array<std::byte, 8> buffer{};
    const auto all = ends.far->read_exactly(buffer, kLimitMs);
    REQUIRE(!all);
    CHECK(all.error().code == TlsErrc::truncated);
    CHECK(ends.far->readable());
    const auto end = ends.far->read(buffer, kLimitMs);
    REQUIRE(end);
    CHECK(*end == 0);
  }

  TEST_CASE("a socket that goes without a word is a cut") {
    DataEnds ends;
    ends.near.reset();
    std::array<std::byte, 8> buffer{};
    const auto got = ends.far->read(buffer, kLimitMs);
    REQUIRE(!got);
    CHECK(got.error().code == TlsErrc::truncated);
  }

  TEST_CASE("silence ends at the limit, and the stream goes on") {
    DataEnds ends;
    std::array<std::byte, 3> buffer{};
    CHECK(!ends.far->readable());
    const auto none = ends.far->read(buffer, 0);
    REQUIRE(!none);
    CHECK(none.error().code == std::errc::timed_out);
    const auto late = ends.far->read_exactly(buffer, 10);
    REQUIRE(!late);
    CHECK(late.error().code == std::errc::timed_out);
    CHECK(ends.near->write(bytes_of("abc"), kLimitMs));
    CHECK(ends.far->read_exactly(buffer, kLimitMs));
  }

  TEST_CASE("readable tells of bytes and takes none") {
    DataEnds ends;
    CHECK(ends.near->write(bytes_of("abc"), kLimitMs));
    std::array<std::byte, 1> one{};
    CHECK(ends.far->read_exactly(one, kLimitMs));
    CHECK(ends.far->readable());
    CHECK(ends.far->readable());
    std::array<std::byte, 2> rest{};
    CHECK(ends.far->read_exactly(rest, kLimitMs));
    CHECK(rest[1] == std::byte{'c'});
    CHECK(!ends.far->readable());
  }

  TEST_CASE("stop wakes a reader and a writer, and refuses whoever comes later") {
    DataEnds ends;
    std::array<std::byte, 8> buffer{};
    auto reader = std::async(std::launch::async, [&] { return ends.far->read(buffer, -1); });
    const auto much = pattern(std::size_t{64} << 20, 1);
    auto writer = std::async(std::launch::async, [&] { return ends.near->write(much, -1); });
    // The reader takes something first, so that both are under way.
    const auto some = reader.get();
    REQUIRE(some);
    auto again = std::async(std::launch::async, [&] {
      for (;;) {
        auto got = ends.far->read(buffer, -1);
        if (!got) return got;
      }
    });
    ends.far->stop();
    const auto stopped = again.get();
    REQUIRE(!stopped);
    CHECK(stopped.error().code == std::errc::operation_canceled);
    ends.near->stop();
    const auto unsent = writer.get();
    REQUIRE(!unsent);
    CHECK(unsent.error().code == std::errc::operation_canceled);
    CHECK(!ends.near->write(bytes_of("x"), -1));
    CHECK(!ends.far->read(buffer, -1));
  }

  TEST_CASE("key updates between read-ahead records do not stall the reader") {
    Person alice;
    Person bob;
    asio::io_context io;
    auto ends = tls_pair(io, alice, bob);
    auto raw = ends.client->release();
    DataStream far(ends.server->release());
    // Small enough to fit the socket: all is there before the first read.
    for (int i = 0; i < 50; ++i) {
      CHECK(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
      CHECK(SSL_write(raw.ssl, "0123456789", 10) == 10);
    }
    std::vector<std::byte> all(500);
    CHECK(far.read_exactly(all, kLimitMs));
  }
}
