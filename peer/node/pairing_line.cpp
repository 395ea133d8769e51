#include "node/pairing_line.hpp"

#include <span>
#include <utility>
#include <vector>

#include "async/with_timeout.hpp"
#include "protocol/limits.hpp"

namespace peer::node {

PairingLine::PairingLine(asio::any_io_executor executor, std::unique_ptr<net::TlsStream> stream,
                         std::string read)
    : stream_(std::move(stream)),
      unread_(std::move(read)),
      alarm_(std::move(executor), protocol::kPairingTime) {}

asio::awaitable<Result<void>> PairingLine::say(protocol::Message message) {
  const auto out = protocol::frame(message);
  auto sent = co_await async::with_alarm(stream_->write(std::as_bytes(std::span(out))), alarm_);
  co_return std::move(sent);
}

asio::awaitable<Result<protocol::Message>> PairingLine::hear() {
  auto heard = co_await async::with_alarm(next(), alarm_);
  co_return std::move(heard);
}

asio::awaitable<Result<protocol::Message>> PairingLine::next() {
  std::vector<std::byte> buffer(4096);
  for (;;) {
    while (!unread_.empty()) {
      auto taken = frames_.feed(std::as_bytes(std::span(unread_)));
      if (!taken) co_return std::move(taken).error();
      unread_.erase(0, *taken);
      if (const auto body = frames_.next()) co_return protocol::decode(*body);
    }
    auto got = co_await stream_->read(buffer);
    if (!got) co_return std::move(got).error();
    if (*got == 0)
      co_return Error(std::make_error_code(std::errc::connection_reset), "closed while pairing");
    unread_.assign(reinterpret_cast<const char*>(buffer.data()), *got);
  }
}

asio::awaitable<bool> PairingLine::ends() {
  auto ended = co_await async::with_alarm(at_end(), alarm_);
  co_return ended&&* ended;
}

asio::awaitable<Result<bool>> PairingLine::at_end() {
  std::vector<std::byte> buffer(1);
  auto got = co_await stream_->read(buffer);
  if (!got) co_return std::move(got).error();
  co_return unread_.empty() && *got == 0;
}

}  // namespace peer::node
