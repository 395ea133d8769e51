#pragma once

#include <asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async_support.hpp"
#include "net/tls.hpp"
#include "trust/identity.hpp"

namespace peer::test {

/// A folder that goes with everything in it.
struct TemporaryFolder {
  std::string path;
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "peer-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// Somebody with an identity.
struct Person {
  TemporaryFolder folder;
  std::shared_ptr<const trust::Identity> identity;
  std::unique_ptr<net::TlsContext> tls;
  Person() {
    auto made = trust::Identity::load_or_make(folder.path + "/identity.pem");
    if (!made) throw std::runtime_error(made.error().text());
    identity = *made;
    tls = std::make_unique<net::TlsContext>(identity->key(), identity->certificate());
  }
};

using Sockets = std::pair<asio::ip::tcp::socket, asio::ip::tcp::socket>;

/// Two connected sockets over loopback: the dialler's and the listener's.
inline Sockets connected(asio::io_context& io) {
  using asio::ip::tcp;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket client(io);
  client.connect(acceptor.local_endpoint());
  tcp::socket server(io);
  acceptor.accept(server);
  return {std::move(client), std::move(server)};
}

/// Both ends of one connection.
struct Ends {
  std::unique_ptr<net::TlsStream> client;
  std::unique_ptr<net::TlsStream> server;
};

inline asio::awaitable<void> must_handshake(net::TlsStream& stream) {
  auto done = co_await stream.handshake();
  if (!done) throw std::runtime_error(done.error().text());
}

/// After both handshakes.
inline Ends tls_pair(asio::io_context& io, const Person& dialler, const Person& listener) {
  auto [near, far] = connected(io);
  Ends ends;
  using Side = net::TlsStream::Side;
  ends.client = std::make_unique<net::TlsStream>(std::move(near), *dialler.tls, Side::client);
  ends.server = std::make_unique<net::TlsStream>(std::move(far), *listener.tls, Side::server);
  std::exception_ptr failure;
  int done = 0;
  const auto ended = [&](std::exception_ptr e) {
    ++done;
    if (e) failure = e;
  };
  asio::co_spawn(io, must_handshake(*ends.client), ended);
  asio::co_spawn(io, must_handshake(*ends.server), ended);
  io.restart();
  while (done < 2 && io.run_one_for(std::chrono::seconds(20)) > 0) continue;
  if (failure) std::rethrow_exception(failure);
  if (done < 2) throw std::runtime_error("no handshake");
  return ends;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Bytes that differ from place to place, and by `seed`.
inline std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
  std::vector<std::byte> out(size);
  unsigned state = seed * 2654435761U + 1;
  for (auto& byte : out) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return out;
}

}  // namespace peer::test
