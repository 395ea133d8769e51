#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "node/contacts.hpp"

namespace peer::node {

/// Somebody who has proven to know the code.
struct Proven {
  protocol::PeerId id;
  std::string calls_itself;
  std::string dialled_at;  ///< "host:port", or empty
  std::string listens_at;  ///< or empty
};

/// "192.168.1.7:56744", for a connection that came from "192.168.1.7:40112" and a peer that listens
/// on that port; empty for port 0.
std::string listens_at(const std::string& remote, std::uint16_t port);

/// Makes it a verified contact and keeps where it was met. A contact keeps its name; a new one is
/// called `name` (empty: what it calls itself) if no other contact is, else with a number behind
/// it. Throws Failure when the database refuses.
asio::awaitable<void> keep_proven(Contacts& contacts, Proven proven, std::string name);

}  // namespace peer::node
