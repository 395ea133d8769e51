#pragma once

#include <openssl/ossl_typ.h>

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"

namespace peer::net {

/// TLS as the protocol wants it: 1.3 only, ALPN peer/1 demanded, both certificates required and
/// accepted unjudged (identity is the SHA-256 of the certificate, judged by the caller), no
/// tickets, no resumption, no early data, certificate lists up to 16 KB, AES-128-GCM preferred
/// where the processor has it. Thread-safe once made. Making one ignores SIGPIPE in the whole
/// process: OpenSSL writes to sockets with write().
class TlsContext {
 public:
  /// Takes references of its own. Throws std::runtime_error if OpenSSL refuses key or certificate.
  TlsContext(EVP_PKEY* key, X509* certificate);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  SSL_CTX* client() const { return client_; }
  SSL_CTX* server() const { return server_; }

 private:
  SSL_CTX* client_ = nullptr;
  SSL_CTX* server_ = nullptr;
};

/// A socket with its TLS state, on its way to a data thread. Owns both. Empty (fd -1) when made
/// from a closed stream.
struct RawConnection {
  int fd = -1;         ///< non-blocking
  SSL* ssl = nullptr;  ///< handshake done
  std::string rest;    ///< decrypted bytes already read, to be taken first
  RawConnection() = default;
  RawConnection(RawConnection&&) noexcept;
  RawConnection& operator=(RawConnection&&) noexcept;
  ~RawConnection();
};

/// One TLS connection on the control thread. One reader and one writer coroutine may be in flight
/// at once; they may outlive the stream, whose end aborts them. A cancelled read loses nothing;
/// after a cancelled write the stream is only good for close(). Not thread-safe.
class TlsStream {
 public:
  enum class Side { client, server };
  TlsStream(asio::ip::tcp::socket socket, const TlsContext& context, Side side);
  ~TlsStream();  ///< closes without a word
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// The caller limits its time. Errors are of TlsErrc (refused ALPN, old TLS, no certificate) or
  /// the socket's. The client's side succeeds before the server has judged its certificate: only
  /// its first read tells.
  asio::awaitable<Result<void>> handshake();
  protocol::PeerId peer_id() const;  ///< after handshake(); zeros before
  /// Bytes that this connection alone has, alike on both ends (RFC 8446, 7.5, without a context).
  /// After handshake(); empty before, and when the connection is closed.
  std::string export_key(const std::string& label, std::size_t length) const;
  std::string remote_network() const;  ///< network_text() of it
  asio::ip::address local() const;     ///< of this machine; as it was when this was made
  std::string remote() const;          ///< "192.168.1.7:56744", as it was when this was made

  /// At least one byte, or 0 at a clean end (close_notify); a cut is TlsErrc::truncated or the
  /// socket's error. Pieces of at most 256 KiB. `buffer` is not empty
  /// and stays valid until it returns.
  asio::awaitable<Result<std::size_t>> read(std::span<std::byte> buffer);
  /// Whether read() would give bytes without waiting (TLS has some decrypted).
  bool has_pending() const;
  /// All of `bytes`, which stay the caller's until it returns.
  asio::awaitable<Result<void>> write(std::span<const std::byte> bytes);
  /// Sends close_notify and the end of the stream: nothing is written after it, reading goes on. So
  /// the last words arrive, where close() with something unread would have the kernel reset them.
  void end_writing();
  /// Sends close_notify without waiting for the other's, then closes. Waiting operations end with
  /// std::errc::operation_canceled.
  void close();
  /// Hands socket and TLS state to a data thread; no operation may be in flight.
  RawConnection release();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace peer::net
