#pragma once

#include <asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "async/task_group.hpp"
#include "node/contacts.hpp"
#include "node/exchange.hpp"
#include "node/sessions.hpp"
#include "storage/scan.hpp"

namespace peer::node {

/// Folders that chosen contacts may list and get from: answers `list` and `get`, and keeps our own
/// `list`s. Control thread.
class Sharing {
 public:
  Sharing(Services& services, Contacts& contacts, Offers& offers, Exchange& exchange);
  Result<void> load();  ///< blocking; once

  const std::map<std::string, storage::ShareRow>& shares() const { return shares_; }
  asio::awaitable<void> share(storage::ShareRow row);  ///< throws Failure
  asio::awaitable<bool> unshare(std::string name);

  /// Every page of a folder there, handed to `page`. Throws Failure.
  asio::awaitable<void> list(
      Pair& pair, std::shared_ptr<Session> session, std::string path,
      std::function<asio::awaitable<void>(std::vector<protocol::ListedEntry>)> page);

  void happened(Pair& pair, Session& session, protocol::Event event);
  asio::awaitable<void> stop();

 private:
  struct OpenList {
    protocol::Listing listing;
    std::string error;
    std::string error_code;
    bool answered = false;
  };
  bool may_see(const protocol::PeerId& peer, const storage::ShareRow& share) const;
  const storage::ShareRow* find(const protocol::PeerId& peer, std::string_view name) const;
  asio::awaitable<void> answer_list(Pair& pair, std::shared_ptr<Session> session,
                                    protocol::List list);
  asio::awaitable<void> answer_get(Pair& pair, std::shared_ptr<Session> session, protocol::Get get);
  void refuse(Session& session, const protocol::RequestId& request, protocol::Errc code,
              std::string about, std::string text);

  Services& services_;
  Contacts& contacts_;
  Offers& offers_;
  Exchange& exchange_;
  std::map<std::string, storage::ShareRow> shares_;
  std::map<protocol::RequestId, std::shared_ptr<OpenList>> lists_;
  using GetKey = std::pair<protocol::PeerId, protocol::RequestId>;
  std::set<GetKey> gets_walked_;            ///< their files are being looked at
  std::set<GetKey> gets_answered_;          ///< by an offer, in this run of the program
  std::set<storage::ScanProgress*> scans_;  ///< going on for a `get`
  async::TaskGroup tasks_;
};

}  // namespace peer::node
