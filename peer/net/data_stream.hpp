#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

#include "net/path_state.hpp"
#include "net/tls.hpp"
#include "protocol/result.hpp"

namespace peer::net {

/// A TLS connection of one data thread: waits with poll, never busy. stop() may come from any
/// thread, all else from its own. Time limits are of silence: every byte that moves starts them
/// anew; -1 waits for ever. Every call may fail with std::errc::timed_out, operation_canceled after
/// stop(), or the cut's error (TlsErrc::truncated, the socket's).
class DataStream {
 public:
  explicit DataStream(RawConnection connection);
  ~DataStream();
  DataStream(const DataStream&) = delete;
  DataStream& operator=(const DataStream&) = delete;

  /// At least one byte, or 0 at a clean end. `buffer` is not empty.
  Result<std::size_t> read(std::span<std::byte> buffer, int timeout_ms);
  /// Exactly that many; a clean end before them is TlsErrc::truncated.
  Result<void> read_exactly(std::span<std::byte> buffer, int timeout_ms);
  /// Whether read() would return without waiting: bytes, the end, or an error.
  bool readable();
  /// All of it. While the socket does not take more, what arrives is read and kept for read(), so
  /// that two sides that both write cannot wait for each other (at most kMaxMessageBytes are kept;
  /// more waits in the kernel, so two sides may owe each other that much and no more). After an
  /// error the stream is only good for reading what is left.
  Result<void> write(std::span<const std::byte> bytes, int timeout_ms);
  /// How long nothing has moved, though a call waited for it. Of the thread that makes the calls.
  std::chrono::steady_clock::duration silent_for() const;
  /// Moves nothing for so long. False when stopped.
  bool pause(std::chrono::nanoseconds time);
  PathState path() const;  ///< of what was written
  /// Wakes and ends every call, now and later.
  void stop();
  /// Sends close_notify, within a second or not at all; then the destructor closes.
  void shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace peer::net
