#pragma once

#include <asio/awaitable.hpp>
#include <deque>
#include <memory>
#include <string>

#include "async/event.hpp"
#include "node/pair.hpp"
#include "node/services.hpp"
#include "node/session.hpp"
#include "storage/manifest_store.hpp"

namespace peer::node {

/// Brings the manifest of an offer here over the session, whole and judged, before anybody is
/// asked. Goes on with the next session after a cut. Control thread; the disk pool judges and
/// writes.
class Fetching : public std::enable_shared_from_this<Fetching> {
 public:
  Fetching(Services& services, Pair& pair, protocol::Offer offer, std::string folder);
  /// The manifest stands in the folder; or what is wrong with it (bad_manifest, bad_digest), or the
  /// disk; operation_canceled after stop().
  asio::awaitable<Result<void>> run();
  void stop();
  void block_came(IncomingBlock block);
  void session_changed();
  /// The giver cannot serve it now: asked again after a pause.
  void retry_later();

 private:
  void want_more();
  asio::awaitable<Result<void>> store(IncomingBlock block);

  Services& services_;
  Pair& pair_;
  protocol::Offer offer_;
  std::string folder_;
  std::unique_ptr<storage::ManifestStore> store_;
  std::deque<IncomingBlock> queue_;
  std::uint64_t asked_ = 0;  ///< offset up to which the present session was asked
  std::uint64_t stored_ = 0;
  std::weak_ptr<Session> session_;
  std::chrono::steady_clock::time_point first_want_{};  ///< while its answer is awaited
  bool stopping_ = false;
  std::chrono::steady_clock::time_point not_before_{};
  async::Event wake_;
};

}  // namespace peer::node
