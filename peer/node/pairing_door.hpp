#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "node/contacts.hpp"
#include "node/pairing_line.hpp"
#include "node/services.hpp"
#include "trust/pairing.hpp"
#include "trust/pairing_code.hpp"

namespace peer::node {

/// Somebody who came to the door.
struct Visitor {
  protocol::PeerId id;
  std::string address;       ///< "192.168.1.7:40112", where it came from
  bool was_contact = false;  ///< before
};

/// One code, and what became of it. Its holder looks at it whenever services.changed says so.
struct Invite {
  enum class End {
    open,
    keeping,  ///< the code was proven on both sides, and the contact is being stored
    paired,
    refused,  ///< somebody came who did not have the code
    cut,      ///< the code was proven, and the connection broke before the other side said its last
    closed,   ///< by its holder, or its time is over
  };
  trust::PairingCode code;
  std::string name;  ///< what the contact is to be called, or empty
  std::chrono::steady_clock::time_point until;
  End end = End::open;
  std::size_t inside = 0;     ///< visitors in the door
  Visitor last;               ///< who ended it, if somebody who came did
  std::vector<Visitor> left;  ///< without having tried the code; the first kLeaversTold of them
};

/// The door for strangers who hold a code (PROTOCOL.md "Pairing"): open while the user holds it
/// open, for one. Several may be in it at once, each with a proof of its own, so that who says
/// nothing keeps nobody out; they have one try together. Control thread.
class PairingDoor {
 public:
  PairingDoor(Services& services, Contacts& contacts) : services_(services), contacts_(contacts) {}

  std::function<void()> slot_changed;   ///< what the local network is to hear has
  std::function<std::uint16_t()> port;  ///< where this peer listens, 0: nowhere

  bool is_open() const { return invite_ != nullptr; }
  /// Only when none is open. Whoever proves the code is a verified contact called `name`, or as it
  /// calls itself.
  std::shared_ptr<Invite> open(std::chrono::seconds how_long, std::string name);
  /// Nothing if that one is over, or its contact is being stored.
  void close(const std::shared_ptr<Invite>& invite);
  /// Somebody whose first message is `pair`, to the end of that connection. Whatever goes wrong is
  /// answered alike, and after the same time.
  asio::awaitable<void> visit(std::unique_ptr<net::TlsStream> stream, protocol::Pair pair,
                              std::string rest);

 private:
  struct Guest;

  bool stands(const std::shared_ptr<Invite>& invite) const { return invite && invite_ == invite; }
  bool make_room(const std::string& network);
  void shut(const std::shared_ptr<Invite>& invite, const Guest* but);
  void refuse(Guest& guest);
  asio::awaitable<bool> come_in(PairingLine& line, std::shared_ptr<Invite> invite,
                                protocol::Pair pair);
  asio::awaitable<bool> prove(Guest& guest, protocol::Pair pair);
  asio::awaitable<void> finish(Guest& guest, std::string mac);

  Services& services_;
  Contacts& contacts_;
  std::shared_ptr<Invite> invite_;
  std::list<Guest*> guests_;  ///< those awaited in the order in which that began
  std::size_t refused_ = 0;   ///< who wait to be told so
};

}  // namespace peer::node
