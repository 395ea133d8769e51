#include <doctest/doctest.h>

#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <optional>
#include <ostream>

#include "async/sleep.hpp"
#include "async/with_timeout.hpp"
#include "net/tls_error.hpp"
#include "net_support.hpp"

using namespace peer::test;
using namespace std::chrono_literals;
using peer::Result;
using peer::net::TlsErrc;
using peer::net::TlsStream;

namespace {

asio::awaitable<void> send_all(TlsStream& stream, const std::vector<std::byte>& bytes) {
  auto sent = co_await stream.write(bytes);
  CHECK(sent);
}

asio::awaitable<void> expect_all(TlsStream& stream, const std::vector<std::byte>& wanted,
                                 int& matching) {
  std::vector<std::byte> have(wanted.size());
  std::size_t at = 0;
  while (at < have.size()) {
    auto got = co_await stream.read(std::span(have).subspan(at));
    REQUIRE(got);
    REQUIRE(*got > 0);
    REQUIRE(*got <= 256 * 1024);
    at += *got;
  }
  matching += have == wanted ? 1 : 0;
}

}  // namespace

TEST_SUITE("tls stream") {
  TEST_CASE("both sides see the other's id and address") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    CHECK(ends.client->peer_id() == bob.identity->id());
    CHECK(ends.server->peer_id() == alice.identity->id());
    CHECK(alice.identity->id() != bob.identity->id());
    CHECK(ends.client->remote().starts_with("127.0.0.1:"));
    CHECK(ends.server->remote().starts_with("127.0.0.1:"));
    CHECK(ends.client->remote() != ends.server->remote());
  }

  TEST_CASE("a peer that dials itself sees its own id") {
    asio::io_context io;
    const Person alice;
    auto ends = tls_pair(io, alice, alice);
    CHECK(ends.client->peer_id() == alice.identity->id());
  }

  TEST_CASE("much goes both ways at once") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    const auto there = pattern(24 << 20, 1);
    const auto back = pattern((24 << 20) + 1, 2);
    int matching = 0;
    asio::co_spawn(io, send_all(*ends.client, there), asio::detached);
    asio::co_spawn(io, send_all(*ends.server, back), asio::detached);
    asio::co_spawn(io, expect_all(*ends.client, back, matching), asio::detached);
    asio::co_spawn(io, expect_all(*ends.server, there, matching), asio::detached);
    io.restart();
    io.run_for(60s);
    CHECK(matching == 2);
  }

  TEST_CASE("a close is a clean end, a vanished socket a cut") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    for (const bool clean : {true, false}) {
      CAPTURE(clean);
      auto ends = tls_pair(io, alice, bob);
      auto body = [&]() -> asio::awaitable<void> {
        auto sent = co_await ends.client->write(bytes_of("last"));
        CHECK(sent);
        if (clean) ends.client->close();
        ends.client.reset();
        std::array<std::byte, 16> buffer{};
        auto got = co_await ends.server->read(buffer);
        REQUIRE(got);
        CHECK(*got == 4);
        for (int twice = 0; twice < 2; ++twice) {
          auto end = co_await ends.server->read(buffer);
          CHECK(static_cast<bool>(end) == clean);
          if (end) CHECK(*end == 0);
          if (!end) CHECK(end.error().code == TlsErrc::truncated);
        }
      };
      run(io, body());
    }
  }

  TEST_CASE("closing ends what waits, even if the stream goes at once") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    auto body = [&]() -> asio::awaitable<void> {
      asio::post(io, [&] {
        ends.server->close();
        ends.server.reset();
      });
      std::array<std::byte, 16> buffer{};
      auto got = co_await ends.server->read(buffer);
      REQUIRE(!got);
      CHECK(got.error().code == std::errc::operation_canceled);
    };
    run(io, body());
  }

  TEST_CASE("a read that timed out loses nothing") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    auto body = [&]() -> asio::awaitable<void> {
      std::array<std::byte, 16> buffer{};
      auto early = co_await peer::async::with_timeout(ends.server->read(buffer), 1ms);
      REQUIRE(!early);
      CHECK(early.error().code == std::errc::timed_out);
      auto sent = co_await ends.client->write(bytes_of("hello"));
      CHECK(sent);
      auto got = co_await ends.server->read(buffer);
      REQUIRE(got);
      CHECK(*got == 5);
    };
    run(io, body());
  }

  TEST_CASE("a write that was given up half-way cannot be followed by another") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    auto body = [&]() -> asio::awaitable<void> {
      const auto much = pattern(64 << 20, 3);
      auto cut = co_await peer::async::with_timeout(ends.client->write(much), 20ms);
      REQUIRE(!cut);
      CHECK(cut.error().code == std::errc::timed_out);
      auto next = co_await ends.client->write(bytes_of("x"));
      CHECK(!next);
    };
    run(io, body());
  }

  TEST_CASE("a client that nobody answers can be given up") {
    asio::io_context io;
    const Person alice;
    auto sockets = connected(io);
    TlsStream client(std::move(sockets.first), *alice.tls, TlsStream::Side::client);
    auto body = [&]() -> asio::awaitable<void> {
      auto done = co_await peer::async::with_timeout(client.handshake(), 5ms);
      REQUIRE(!done);
      CHECK(done.error().code == std::errc::timed_out);
    };
    run(io, body());
  }

  TEST_CASE("exported keys are alike on both ends, and on no other connection or label") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    auto others = tls_pair(io, alice, bob);
    const auto key = ends.client->export_key("EXPORTER-test", 32);
    CHECK(key.size() == 32);
    CHECK(ends.server->export_key("EXPORTER-test", 32) == key);
    CHECK(ends.client->export_key("EXPORTER-tesu", 32) != key);
    CHECK(others.client->export_key("EXPORTER-test", 32) != key);
    CHECK(ends.client->export_key("EXPORTER-test", 48).size() == 48);
    ends.client->close();
    CHECK(ends.client->export_key("EXPORTER-test", 32).empty());

    auto sockets = connected(io);
    const TlsStream fresh(std::move(sockets.first), *alice.tls, TlsStream::Side::client);
    CHECK(fresh.export_key("EXPORTER-test", 32).empty());
  }

  TEST_CASE("released in the middle of a talk, socket and state go on elsewhere") {
    asio::io_context io;
    const Person alice;
    const Person bob;
    auto ends = tls_pair(io, alice, bob);
    auto raw = ends.server->release();
    CHECK(raw.fd >= 0);
    CHECK(raw.ssl != nullptr);
    auto again = ends.server->release();
    CHECK(again.fd == -1);
    auto body = [&]() -> asio::awaitable<void> {
      std::array<std::byte, 16> buffer{};
      auto got = co_await ends.server->read(buffer);
      CHECK(!got);
    };
    run(io, body());
  }
}
