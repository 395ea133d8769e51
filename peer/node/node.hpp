#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/task_group.hpp"
#include "base/home.hpp"
#include "discovery/discovery.hpp"
#include "net/listener.hpp"
#include "node/contacts.hpp"
#include "node/exchange.hpp"
#include "node/offers.hpp"
#include "node/pairing_door.hpp"
#include "node/policies.hpp"
#include "node/services.hpp"
#include "node/sessions.hpp"
#include "node/sharing.hpp"

namespace peer::node {

/// Everything one running peer consists of; made, started and stopped in this order. Control
/// thread.
class Node {
 public:
  Node(asio::io_context& io, base::Home home, bool lasting);
  ~Node();

  /// Opens settings, identity and database and restores what was going on. Blocking; once.
  Result<void> open();
  /// Until stop(): runs what open() restored.
  void start();
  /// Ends sessions, transfers and tasks in order; then nothing of the node runs any more.
  asio::awaitable<void> stop();

  /// Listens on these addresses too (empty: all). `must`: a taken port is retried, then an error;
  /// else it is passed over.
  asio::awaitable<Result<void>> listen(std::vector<std::string> addresses, std::uint16_t port,
                                       bool must);
  bool listening() const { return !listeners_.empty(); }
  std::uint16_t port() const { return listeners_.empty() ? 0 : listeners_.front()->port(); }
  std::vector<std::string> reachable_at() const;
  /// Reads the settings file again; what `start` was told otherwise stays.
  Result<void> reload();
  /// Where files land in this run of the program, whatever the settings file says.
  void land_in(const std::string& folder);
  const std::string& downloads_told() const { return downloads_told_; }  ///< maybe empty

  /// Stays when the last client has gone; dials every contact.
  void set_lasting();
  bool lasting() const { return lasting_; }
  std::function<void()> on_stop;  ///< a client asked the node to stop

  /// What the local network hears of this peer now, by its settings and where it listens.
  discovery::Saying saying() const;
  std::chrono::steady_clock::time_point started_at() const { return started_at_; }

  Services services;
  Contacts contacts;
  Policies policies;
  Offers offers;
  Exchange exchange;
  Sessions sessions;
  Sharing sharing;
  discovery::Discovery discovery;
  PairingDoor door;

 private:
  void nearby_changed();
  void set_limits();  ///< as the settings say
  bool has_business(const Pair& pair) const;
  bool keeps_session(const protocol::PeerId& id) const;
  asio::awaitable<void> keep_contacts();
  asio::awaitable<void> keep_forgetting();
  asio::awaitable<void> forget();
  void forget_history();
  void dial_contacts();

  bool lasting_;
  std::string downloads_told_;        ///< by land_in(); maybe empty
  storage::UnixTime ended_from_ = 0;  ///< ids of offers that ended before are forgotten
  bool started_ = false;
  std::chrono::steady_clock::time_point started_at_ = std::chrono::steady_clock::now();
  std::map<protocol::PeerId, std::chrono::steady_clock::time_point> hurried_;  ///< contacts only
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  async::TaskGroup tasks_;
};

}  // namespace peer::node
