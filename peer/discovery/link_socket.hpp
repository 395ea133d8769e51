#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/links.hpp"
#include "discovery/nearby.hpp"
#include "protocol/result.hpp"

namespace peer::discovery {

/// The discovery group of one family on one link (PROTOCOL.md "Discovery"): what is said goes out
/// there and nowhere else, what is heard came in there. Control thread.
class LinkSocket {
 public:
  enum class Family { v4, v6 };
  /// The error names the link.
  static Result<std::shared_ptr<LinkSocket>> open(asio::any_io_executor executor, const Link& link,
                                                  Family family);
  ~LinkSocket() = default;

  /// Until something can be read. Throws when the task is cancelled or the socket closed.
  asio::awaitable<void> readable();
  struct Datagram {
    std::span<const std::byte> bytes;  ///< valid until the next read; more than fits is cut
    Source from;
  };
  /// Without waiting; none when nothing is there.
  std::optional<Datagram> read();
  /// Without waiting: a datagram that cannot be sent now is lost, as any may be.
  bool send(std::string_view datagram);
  void close();

 private:
  LinkSocket(asio::any_io_executor executor, int fd, Link link, Family family);

  asio::posix::stream_descriptor socket_;
  Link link_;
  Family family_;
  std::vector<std::byte> buffer_;
};

}  // namespace peer::discovery
