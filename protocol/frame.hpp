#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/limits.hpp"
#include "protocol/result.hpp"

namespace peer::protocol {

/// Cuts a byte stream into the JSON bodies of its messages (PROTOCOL.md "Framing"). Raw bytes
/// behind a `data` message are not its business: after next() returned such a message, the caller
/// takes them away before it feeds on.
class FrameReader {
 public:
  explicit FrameReader(std::size_t max_bytes = kMaxMessageBytes) : max_bytes_(max_bytes) {}

  /// Takes bytes up to the end of the message being read, never past it; returns how many were
  /// taken. Nothing is taken while a whole message waits in next(). Memory grows with what has
  /// arrived, not with what the prefix claims. Errc::message_too_large when a prefix is 0 or over
  /// the limit; the reader is then useless.
  Result<std::size_t> feed(std::span<const std::byte> bytes);

  /// The body of a whole message, once; valid until the next feed().
  std::optional<std::string_view> next();

  /// Whether a message has begun and is not whole: an end of the connection here is a cut.
  bool in_message() const { return !ready_ && !handed_out_ && !buffer_.empty(); }

 private:
  /// Bytes still lacking of the prefix, or behind a whole prefix of the body.
  Result<std::size_t> lacking() const;

  std::size_t max_bytes_;
  std::string buffer_;       ///< prefix and body of one message
  bool ready_ = false;       ///< whole, and waiting in next()
  bool handed_out_ = false;  ///< next() gave it out; the next feed() forgets it
};

/// `body` behind its 4-byte big-endian length. At most kMaxMessageBytes long.
std::string with_length(std::string_view body);

}  // namespace peer::protocol
