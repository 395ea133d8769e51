#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "net/tls.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"

namespace peer::node {

/// The connection of one try at pairing: one message at a time, each way, within the time of the
/// whole try. Control thread.
class PairingLine {
 public:
  /// kPairingTime begins. `read` was read of it already.
  PairingLine(asio::any_io_executor executor, std::unique_ptr<net::TlsStream> stream,
              std::string read = {});

  net::TlsStream& stream() { return *stream_; }
  asio::awaitable<Result<void>> say(protocol::Message message);
  asio::awaitable<Result<protocol::Message>> hear();
  /// Whether the other side ends it in order, without another word.
  asio::awaitable<bool> ends();
  /// Ends what waits now, with std::errc::timed_out. From now on there is so much time.
  void give(std::chrono::steady_clock::duration time) { alarm_.expires_after(time); }

 private:
  asio::awaitable<Result<protocol::Message>> next();
  asio::awaitable<Result<bool>> at_end();

  std::unique_ptr<net::TlsStream> stream_;
  std::string unread_;
  asio::steady_timer alarm_;
  protocol::FrameReader frames_{protocol::kMinMessageBytes};
};

}  // namespace peer::node
