#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "node/contacts.hpp"
#include "node/pairing_line.hpp"
#include "node/services.hpp"
#include "trust/pairing.hpp"
#include "trust/pairing_code.hpp"

namespace peer::node {

/// One code, and what became of it. Its holder looks at it whenever services.changed says so.
struct Invite {
  enum class End {
    open,
    paired,
    refused,  ///< somebody came who did not have the code
    cut,      ///< the code was proven, and the connection broke before the other side said its last
    closed,   ///< by its holder, or its time is over
  };
  trust::PairingCode code;
  std::string name;  ///< what the contact is to be called, or empty
  std::chrono::steady_clock::time_point until;
  End end = End::open;
  bool busy = false;  ///< somebody is in the door
  // Who came last, whatever it ended in.
  protocol::PeerId id;
  std::string address;       ///< "192.168.1.7:40112", where it came from
  bool was_contact = false;  ///< before
  std::size_t left = 0;      ///< went away, one after the other, without having tried the code
};

/// The door for strangers who hold a code (PROTOCOL.md "Pairing"): open while the user holds it
/// open, for one. Control thread.
class PairingDoor {
 public:
  PairingDoor(Services& services, Contacts& contacts) : services_(services), contacts_(contacts) {}

  std::function<void()> slot_changed;   ///< what the local network is to hear has
  std::function<std::uint16_t()> port;  ///< where this peer listens, 0: nowhere

  bool is_open() const { return invite_ != nullptr; }
  /// Only when none is open. Whoever proves the code is a verified contact called `name`, or as it
  /// calls itself.
  std::shared_ptr<Invite> open(std::chrono::seconds how_long, std::string name);
  /// Nothing if that one is over.
  void close(const std::shared_ptr<Invite>& invite, Invite::End end = Invite::End::closed);
  /// Somebody whose first message is `pair`, to the end of that connection. Whatever goes wrong is
  /// answered alike, and after the same time.
  asio::awaitable<void> visit(std::unique_ptr<net::TlsStream> stream, protocol::Pair pair,
                              std::string rest);

 private:
  bool stands(const std::shared_ptr<Invite>& invite) const { return invite && invite_ == invite; }
  asio::awaitable<bool> come_in(PairingLine& line, std::shared_ptr<Invite> invite,
                                protocol::Pair pair);
  asio::awaitable<bool> prove(PairingLine& line, std::shared_ptr<Invite> invite,
                              protocol::Pair pair);
  asio::awaitable<void> finish(PairingLine& line, std::shared_ptr<Invite> invite, std::string mac,
                               std::chrono::steady_clock::time_point until);

  Services& services_;
  Contacts& contacts_;
  std::shared_ptr<Invite> invite_;
  std::size_t refused_ = 0;  ///< who wait to be told so
};

}  // namespace peer::node
