#pragma once

#include <asio/awaitable.hpp>
#include <deque>
#include <functional>
#include <list>
#include <memory>

#include "async/event.hpp"
#include "node/pair.hpp"
#include "node/services.hpp"
#include "protocol/ranges.hpp"
#include "storage/intake.hpp"

namespace peer::node {

/// Asks the giver whether it still has what an earlier run of the program received of files that
/// were here in part (`check`), beside the bytes that flow; until then nothing is delivered. What
/// differs is lacking again. Control thread; the journal is read on the disk pool.
class Confirming {
 public:
  /// `failed` hears of trouble with the disk here.
  Confirming(Services& services, const Pair& pair, protocol::OfferId offer,
             std::shared_ptr<storage::Intake> intake, std::function<void(const Error&)> failed);

  /// Until all is answered, or cancelled.
  asio::awaitable<void> run();
  void answered(const protocol::Range& range, bool same);
  /// Nothing comes any more for what was asked: another session, or an `error` about the offer.
  void ask_again();
  /// The other side does not know `check`: what its blocks' digests prove must do.
  void give_up();

 private:
  using Claim = storage::Intake::Claim;
  asio::awaitable<bool> take_claim();
  asio::awaitable<void> forget(protocol::Range range);
  void ask(const Claim& claim);

  Services& services_;
  const Pair& pair_;
  protocol::OfferId offer_;
  std::shared_ptr<storage::Intake> intake_;
  std::function<void(const Error&)> failed_;
  std::deque<Claim> waiting_;  ///< to be asked
  std::list<Claim> asked_;     ///< without an answer
  std::deque<protocol::Range> differing_;
  bool more_ = true;  ///< the journal may hold more
  async::Event wake_;
};

}  // namespace peer::node
