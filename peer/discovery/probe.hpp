#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <functional>
#include <string>
#include <vector>

#include "discovery/link_socket.hpp"

namespace peer::discovery {

/// One link and family that was tried.
struct Probed {
  Link link;
  LinkSocket::Family family = LinkSocket::Family::v4;
  bool heard = false;   ///< what was said there came back
  std::string trouble;  ///< why nothing could be said
};
/// Asks on every local link who is there, beside what Discovery does, and listens for that very
/// question for a moment; `is_own` knows the hosts that are this machine.
asio::awaitable<std::vector<Probed>> probe_links(asio::any_io_executor executor,
                                                 std::function<bool(const std::string&)> is_own);

}  // namespace peer::discovery
