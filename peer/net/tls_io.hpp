#pragma once

#include <openssl/ossl_typ.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "protocol/result.hpp"

namespace peer::net {

/// The most that one read or write of TLS moves between two looks at anything else.
inline constexpr std::size_t kTlsPieceBytes = 256 * 1024;

/// Handshake messages after the handshake (key updates, tickets) that one connection may carry,
/// beside one more per kBytesPerKeyUpdate of data received. A real peer rekeys every few GiB.
inline constexpr std::uint64_t kMaxIdleKeyUpdates = 1000;
inline constexpr std::uint64_t kBytesPerKeyUpdate = 1 << 20;

/// Calls OpenSSL on a non-blocking socket and says what to wait for. Does not own `ssl`, which it
/// must not outlive. After `failed` the connection is only good for closing; but when the socket
/// takes no more bytes, those that had come can still be read, as they may say why.
class TlsIo {
 public:
  enum class Step {
    moved,       ///< something was read or written, or the handshake is done
    want_read,   ///< again when the socket is readable
    want_write,  ///< again when the socket is writable; a write: with the same bytes
    ended,       ///< the other side's close_notify came
    failed,      ///< see read_error() after a handshake or read, else write_error()
  };

  explicit TlsIo(SSL* ssl);
  ~TlsIo();
  TlsIo(const TlsIo&) = delete;
  TlsIo& operator=(const TlsIo&) = delete;

  Step handshake();
  /// At most one record. `buffer` is not empty.
  Step read(std::span<std::byte> buffer, std::size_t& got);
  /// At most one record. `bytes` are not empty.
  Step write(std::span<const std::byte> bytes, std::size_t& put);
  /// Sends our close_notify; `moved` when it is on its way.
  Step close_notify();

  /// Ends the use of TLS here.
  void fail(Error error);
  /// The same for writing only, e.g. when a write was given up half-way.
  void fail_writing(Error error);
  const Error& read_error() const { return *error_; }
  const Error& write_error() const { return error_ ? *error_ : *write_error_; }

 private:
  static void on_message(int outgoing, int version, int type, const void* data, std::size_t size,
                         SSL* ssl, void* self);
  enum class Call { reading, writing };
  Step judge(int result, Call call);

  SSL* ssl_;
  bool shaken_;  ///< the handshake is done
  std::uint64_t received_bytes_ = 0;
  std::uint64_t messages_ = 0;  ///< handshake messages received after the handshake
  std::optional<Error> error_;
  std::optional<Error> write_error_;
};

}  // namespace peer::net
