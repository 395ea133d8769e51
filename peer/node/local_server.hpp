#pragma once

#include <asio/awaitable.hpp>
#include <asio/local/stream_protocol.hpp>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "node/node.hpp"

namespace peer::node {

class LocalClient;

/// One request of a client while its handler runs.
class Request {
 public:
  Request(LocalClient& client, std::uint64_t number, nlohmann::json arguments);

  const nlohmann::json& arguments() const { return arguments_; }
  /// `{"request":N,"event":name, ...fields}`
  void event(std::string_view name, nlohmann::json fields);
  /// Asks the client and waits for its answer; throws Failure when it stops or goes away.
  asio::awaitable<nlohmann::json> ask(std::string_view kind, nlohmann::json fields);
  bool stopped() const { return stopped_; }
  /// Waits while a slow client has much to read yet; before every page of something long.
  asio::awaitable<void> room();

 private:
  friend class LocalClient;
  LocalClient& client_;
  std::uint64_t number_;
  nlohmann::json arguments_;
  std::uint64_t questions_ = 0;
  std::map<std::uint64_t, nlohmann::json> answers_;
  bool stopped_ = false;
};

/// Listens on the node's Unix socket; only processes of the same user are heard. Control thread.
class LocalServer {
 public:
  explicit LocalServer(Node& node);
  ~LocalServer();
  Result<void>
  open();  ///< binds, mode 0600; a socket left by a node that died is replaced (we hold the lock)
  asio::awaitable<void> run();  ///< until close()
  void stop_accepting();
  asio::awaitable<void> close();
  std::size_t clients() const { return clients_.size(); }
  bool had_client() const { return had_client_; }

 private:
  friend class LocalClient;
  asio::awaitable<void> serve(std::shared_ptr<LocalClient> client);

  Node& node_;
  asio::local::stream_protocol::acceptor acceptor_;
  std::list<std::shared_ptr<LocalClient>> clients_;
  bool had_client_ = false;
  async::TaskGroup tasks_;
};

}  // namespace peer::node
