#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/result.hpp"

namespace peer::net {

/// Listens on addresses; the accept loop survives EMFILE and every client's failure (logged once a
/// minute, pauses 50 ms doubling to 1 s).
class Listener {
 public:
  using Take = std::function<void(asio::ip::tcp::socket)>;
  /// Empty `addresses`: all IPv6 and IPv4. Port 0: the kernel's choice, one port for all. The error
  /// names address and port (address in use has std::errc::address_in_use).
  static Result<std::unique_ptr<Listener>> open(asio::any_io_executor executor,
                                                const std::vector<std::string>& addresses,
                                                std::uint16_t port);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();  ///< closes; run() may still be on its way out
  /// Runs until close(): every accepted socket (TCP_NODELAY set) goes to `take`. Run as one task.
  asio::awaitable<void> run(Take take);
  void close();
  std::uint16_t port() const;
  /// "192.168.1.7:56744" for every address this machine can be reached at here: loopback only if it
  /// listens nowhere else.
  std::vector<std::string> reachable_at() const;

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace peer::net
