#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "net/tls.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"

namespace peer::node {

/// The connection of one try at pairing: one message at a time, each way. Control thread.
class PairingLine {
 public:
  /// `read` was read of it already.
  explicit PairingLine(std::unique_ptr<net::TlsStream> stream, std::string read = {})
      : stream_(std::move(stream)), unread_(std::move(read)) {}

  net::TlsStream& stream() { return *stream_; }
  asio::awaitable<Result<void>> say(protocol::Message message,
                                    std::chrono::steady_clock::time_point until);
  asio::awaitable<Result<protocol::Message>> hear(std::chrono::steady_clock::time_point until);
  /// Whether the other side ends it in order, without another word.
  asio::awaitable<bool> ends(std::chrono::steady_clock::time_point until);

 private:
  asio::awaitable<Result<protocol::Message>> next();
  asio::awaitable<Result<bool>> at_end();

  std::unique_ptr<net::TlsStream> stream_;
  std::string unread_;
  protocol::FrameReader frames_{protocol::kMinMessageBytes};
};

}  // namespace peer::node
