#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <optional>
#include <ostream>
#include <thread>
#include <utility>

#include "async/with_timeout.hpp"
#include "net/tls_error.hpp"
#include "net_support.hpp"

using namespace peer::test;
using namespace std::chrono_literals;
using peer::Error;
using peer::Result;
using peer::net::TlsErrc;
using peer::net::TlsStream;

namespace {

constexpr std::string_view kPeerAlpn("\x06peer/1");

/// The other side of a connection, written with OpenSSL alone: everything is as a peer does it but
/// for what the test changes.
struct Stranger {
  const Person& person;
  bool listens = false;
  std::string alpn{kPeerAlpn};
  int version = TLS1_3_VERSION;
  bool certificate = true;
  int extra_certificates = 0;
  std::optional<std::pair<int, int>> valid;  ///< days from now: another certificate of the same key
  std::function<void(SSL*)> then;            ///< after the handshake
};

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned int, void*) {
  *out = in + 1;
  *out_size = in[0];
  return SSL_TLSEXT_ERR_OK;
}

/// Says nothing about ALPN, as a server that does not know it.
int ignore_alpn(SSL*, const unsigned char**, unsigned char*, const unsigned char*, unsigned int,
                void*) {
  return SSL_TLSEXT_ERR_NOACK;
}

/// Blocking; owns fd.
void be_stranger(const Stranger& who, int fd) {
  const timeval limit{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  SSL_CTX* context = SSL_CTX_new(who.listens ? TLS_server_method() : TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, who.version);
  if (who.certificate) {
    X509* certificate = X509_dup(who.person.identity->certificate());
    if (who.valid) {
      X509_time_adj_ex(X509_getm_notBefore(certificate), who.valid->first, 0, nullptr);
      X509_time_adj_ex(X509_getm_notAfter(certificate), who.valid->second, 0, nullptr);
      X509_sign(certificate, who.person.identity->key(), EVP_sha256());
    }
    SSL_CTX_use_certificate(context, certificate);
    X509_free(certificate);
    SSL_CTX_use_PrivateKey(context, who.person.identity->key());
  }
  for (int i = 0; i < who.extra_certificates; ++i)
    SSL_CTX_add1_chain_cert(context, who.person.identity->certificate());
  if (!who.alpn.empty())
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(who.alpn.data()),
                            static_cast<unsigned>(who.alpn.size()));
  if (who.listens)
    SSL_CTX_set_alpn_select_cb(context, who.alpn.empty() ? ignore_alpn : choose_alpn, nullptr);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  const int done = who.listens ? SSL_accept(ssl) : SSL_connect(ssl);
  if (done == 1 && who.then) {
    who.then(ssl);
  } else if (done == 1) {
    char byte = 0;
    SSL_read(ssl, &byte, 1);
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  ERR_clear_error();
  ::close(fd);
}

/// Runs a peer against `other`, on a thread, and gives what came of the peer's `talk`.
template <class Talk>
auto meet(TlsStream::Side side, const Person& person, std::function<void(int fd)> other,
          Talk talk) {
  asio::io_context io;
  auto [near, far] = connected(io);
  const int fd = static_cast<int>(far.release());
  std::thread thread(other, fd);
  typename decltype(talk(std::declval<TlsStream&>()))::value_type result =
      Error(std::make_error_code(std::errc::timed_out));
  {
    TlsStream stream(std::move(near), *person.tls, side);
    auto body = [&]() -> asio::awaitable<void> {
      auto outcome = co_await peer::async::with_timeout(talk(stream), 20s);
      result = std::move(outcome);
    };
    run(io, body());
  }
  thread.join();
  return result;
}

Result<void> handshake_with(TlsStream::Side side, const Person& person,
                            std::function<void(int fd)> other) {
  auto talk = [](TlsStream& stream) { return stream.handshake(); };
  return meet(side, person, std::move(other), talk);
}

Result<void> handshake_with(const Person& person, const Stranger& stranger) {
  const auto side = stranger.listens ? TlsStream::Side::client : TlsStream::Side::server;
  return handshake_with(side, person, [&](int fd) { be_stranger(stranger, fd); });
}

/// For ever, until the other side's end or an error.
asio::awaitable<Result<std::size_t>> read_to_end(TlsStream& stream) {
  auto done = co_await stream.handshake();
  if (!done) co_return done.error();
  std::vector<std::byte> buffer(64 * 1024);
  std::size_t total = 0;
  for (;;) {
    auto got = co_await stream.read(buffer);
    if (!got) co_return got;
    if (*got == 0) co_return total;
    total += *got;
  }
}

std::function<void(int)> say(std::string text) {
  return [text](int fd) {
    static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
    char byte = 0;
    while (::recv(fd, &byte, 1, 0) > 0) continue;
    ::close(fd);
  };
}

}  // namespace

TEST_SUITE("hostile tls") {
  TEST_CASE("a client that does all as a peer is taken") {
    const Person bob;
    const Person mallory;
    CHECK(handshake_with(bob, Stranger{mallory}));
  }

  TEST_CASE("the dates of a certificate, and so this machine's clock, play no part") {
    const Person bob;
    const Person mallory;
    for (const bool listens : {false, true}) {
      for (const auto& days : {std::pair(-11'000, -1), std::pair(1, 11'000), std::pair(5, -5)}) {
        CAPTURE(days.first);
        Stranger stranger{mallory};
        stranger.listens = listens;
        stranger.valid = days;
        CHECK(handshake_with(bob, stranger));
      }
    }
  }

  TEST_CASE("a client without ALPN, or with another, is refused") {
    const Person bob;
    const Person mallory;
    for (const std::string alpn : {"", "\x02h2", "\x06peer/2", "\x07peer/11", "\x05peer/"}) {
      CAPTURE(alpn);
      Stranger stranger{mallory};
      stranger.alpn = alpn;
      const auto done = handshake_with(bob, stranger);
      REQUIRE(!done);
      CHECK(done.error().code == TlsErrc::wrong_protocol);
    }
  }

  TEST_CASE("a client that offers ours among others is taken") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.alpn = std::string("\x02h2") + std::string(kPeerAlpn);
    CHECK(handshake_with(bob, stranger));
  }

  TEST_CASE("a client with at most TLS 1.2 is refused") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.version = TLS1_2_VERSION;
    const auto done = handshake_with(bob, stranger);
    REQUIRE(!done);
    CHECK(done.error().code == TlsErrc::old_version);
  }

  TEST_CASE("a client without a certificate is refused") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.certificate = false;
    const auto done = handshake_with(bob, stranger);
    REQUIRE(!done);
    CHECK(done.error().code == TlsErrc::no_certificate);
  }

  TEST_CASE("a list of certificates beyond 16 KB is refused, a shorter one taken") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.extra_certificates = 3;
    CHECK(handshake_with(bob, stranger));
    stranger.extra_certificates = 60;
    CHECK(!handshake_with(bob, stranger));
  }

  TEST_CASE("a server without our ALPN or with old TLS is no peer") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.listens = true;
    CHECK(handshake_with(bob, stranger));
    stranger.alpn.clear();
    const auto silent = handshake_with(bob, stranger);
    REQUIRE(!silent);
    CHECK(silent.error().code == TlsErrc::wrong_protocol);
    stranger.version = TLS1_2_VERSION;
    const auto old = handshake_with(bob, stranger);
    REQUIRE(!old);
    CHECK(old.error().code == TlsErrc::old_version);
  }

  TEST_CASE("what is no TLS is said to be none") {
    const Person bob;
    for (const auto side : {TlsStream::Side::client, TlsStream::Side::server}) {
      for (const std::string text : {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                     "\x16\x01\x01 not a version that ever was"}) {
        CAPTURE(text);
        const auto done = handshake_with(side, bob, say(text));
        REQUIRE(!done);
        CHECK(done.error().code == TlsErrc::not_tls);
      }
    }
  }

  TEST_CASE("a connection that closes before a word is a cut") {
    const Person bob;
    const auto done = handshake_with(TlsStream::Side::server, bob, [](int fd) { ::close(fd); });
    REQUIRE(!done);
    CHECK(done.error().code == TlsErrc::truncated);
  }

  TEST_CASE("a flood of key updates ends the connection, some of them do not") {
    const Person bob;
    const Person mallory;
    for (const int updates : {900, 5000}) {
      CAPTURE(updates);
      Stranger stranger{mallory};
      stranger.then = [updates](SSL* ssl) {
        for (int i = 0; i < updates; ++i) {
          if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1) break;
          if (SSL_do_handshake(ssl) != 1) break;
        }
        if (SSL_write(ssl, "end", 3) == 3) SSL_shutdown(ssl);
      };
      const auto done = meet(
          TlsStream::Side::server, bob, [&](int fd) { be_stranger(stranger, fd); }, read_to_end);
      if (updates < 1000) {
        REQUIRE(done);
        CHECK(*done == 3);
      } else {
        REQUIRE(!done);
        CHECK(done.error().code == TlsErrc::too_much);
      }
    }
  }

  TEST_CASE("a key update that wants an answer gets it") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.then = [](SSL* ssl) {
      SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
      SSL_write(ssl, "ask", 3);
      std::array<char, 8> answer{};
      const int got = SSL_read(ssl, answer.data(), static_cast<int>(answer.size()));
      SSL_write(ssl, answer.data(), got > 0 ? got : 1);
      SSL_shutdown(ssl);
    };
    auto talk = [](TlsStream& stream) -> asio::awaitable<Result<std::size_t>> {
      auto done = co_await stream.handshake();
      if (!done) co_return done.error();
      std::array<std::byte, 64> buffer{};
      auto asked = co_await stream.read(buffer);
      if (!asked) co_return asked;
      auto sent = co_await stream.write(bytes_of("1234567"));
      if (!sent) co_return sent.error();
      co_return co_await stream.read(buffer);
    };
    const auto done = meet(
        TlsStream::Side::server, bob, [&](int fd) { be_stranger(stranger, fd); }, talk);
    REQUIRE(done);
    CHECK(*done == 7);
  }

  TEST_CASE("no session can be resumed, and no ticket is given") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    int resumable = -1;
    stranger.then = [&](SSL* ssl) {
      char byte = 0;
      SSL_read(ssl, &byte, 1);
      resumable = SSL_SESSION_is_resumable(SSL_get_session(ssl));
    };
    CHECK(handshake_with(bob, stranger));
    CHECK(resumable == 0);
  }

  TEST_CASE("a client learns from its first read that the server refused it") {
    const Person bob;
    const Person mallory;
    Stranger stranger{mallory};
    stranger.listens = true;
    const auto refuse = [&](int fd) {
      Stranger one = stranger;
      one.then = [](SSL*) {};  // closes at once, without close_notify
      be_stranger(one, fd);
    };
    const auto done = meet(TlsStream::Side::client, bob, refuse, read_to_end);
    CHECK(!done);
  }
}
