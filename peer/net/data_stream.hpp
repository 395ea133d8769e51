#pragma once

#include <cstddef>
#include <span>

#include "net/tls.hpp"
#include "protocol/result.hpp"

namespace peer::net {

/// A TLS connection of one data thread: waits with poll, never busy. stop() may come from any
/// thread, all else from its own.
class DataStream {
 public:
  explicit DataStream(RawConnection connection);
  ~DataStream();
  DataStream(const DataStream&) = delete;

  /// At least one byte, waiting up to `timeout_ms` (-1: for ever); 0 bytes: a clean end.
  /// std::errc::timed_out, operation_canceled after stop(), else the cut's error.
  Result<std::size_t> read(std::span<std::byte> buffer, int timeout_ms);
  /// Exactly that many.
  Result<void> read_exactly(std::span<std::byte> buffer, int timeout_ms);
  /// Whether bytes can be read without waiting.
  bool readable();
  /// All of it. While the socket does not take more, what arrives is read and kept for read(), so
  /// that two sides that both write cannot wait for each other (at most kMaxMessageBytes are kept;
  /// more waits in the kernel). std::errc::timed_out when nothing at all moved for `timeout_ms`.
  Result<void> write(std::span<const std::byte> bytes, int timeout_ms);
  /// Wakes and ends every call, now and later.
  void stop();
  /// Sends close_notify; then the destructor closes.
  void shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace peer::net
