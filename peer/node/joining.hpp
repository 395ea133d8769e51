#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "discovery/nearby.hpp"
#include "node/local_server.hpp"
#include "node/node.hpp"
#include "trust/names.hpp"
#include "trust/pairing_code.hpp"

/// The side that types the code (PROTOCOL.md "Pairing"). Everything throws Failure.
namespace peer::node {

/// Who shows that slot on the local network; waits for the first, and a moment for others. Exit 10
/// when there is nobody.
asio::awaitable<std::vector<discovery::NearbyPeer>> await_slot(Node& node, Request& request,
                                                               unsigned slot);

/// A connection on which nothing was said yet.
struct Inviter {
  std::unique_ptr<net::TlsStream> stream;
  std::string address;  ///< "host:port" that was dialled
};
/// Whoever answers there. Exit 4; 2 when that is this peer itself.
asio::awaitable<Inviter> dial_inviter(Node& node, trust::Address address);
/// That peer, at one of its addresses. Exit 4.
asio::awaitable<Inviter> dial_inviter(Node& node, discovery::NearbyPeer peer);

struct Joined {
  protocol::PeerId id;
  std::string address;
  bool was_contact = false;
  bool sure = false;  ///< the other side ended the connection in order: it has heard our last word
};
/// One try, then the connection has ended. The inviter is a verified contact, called `name` if that
/// is not empty. Exit 5 when either side does not know the code, 1 when the connection breaks.
asio::awaitable<Joined> join(Node& node, Inviter inviter, trust::PairingCode code,
                             std::string name);

}  // namespace peer::node
