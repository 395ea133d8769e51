#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "node/exchange.hpp"
#include "node/offers.hpp"
#include "node/services.hpp"
#include "storage/scan.hpp"

namespace peer::node {

/// A tree that has been walked, its record in a folder of its own until it becomes an offer.
struct Scanned {
  storage::ScanOptions options;
  storage::ScanReport report;
  std::string folder;
};

/// Walks what is to be offered, on the disk pool. Throws Failure.
asio::awaitable<Scanned> scan_for_offer(Services& services, storage::ScanOptions options,
                                        storage::ScanProgress& progress);
/// Throws the record away: what was offered has its own.
void discard(Services& services, const Scanned& scanned);
/// discard() at the end of a scope.
class ScannedUse {
 public:
  ScannedUse(Services& services, const Scanned& scanned) : services_(services), scanned_(scanned) {}
  ScannedUse(const ScannedUse&) = delete;
  ScannedUse& operator=(const ScannedUse&) = delete;
  ~ScannedUse() { discard(services_, scanned_); }

 private:
  Services& services_;
  const Scanned& scanned_;
};

struct OfferWords {
  std::string title;
  std::string note;
  std::chrono::seconds expires{};
  std::optional<protocol::RequestId> get;
};

/// Makes it an offer to `peer`, with a record of its own that shares its bytes, and gives it.
/// `scanned` outlives the call and may be offered to others too. Throws Failure.
asio::awaitable<OfferPtr> make_offer(Services& services, Offers& offers, Exchange& exchange,
                                     protocol::PeerId peer, const Scanned& scanned,
                                     OfferWords words);

/// The unfinished offer to `peer` that is this very one: same paths, same manifest, files still
/// those of its record.
asio::awaitable<OfferPtr> same_offer(Services& services, Offers& offers, protocol::PeerId peer,
                                     const Scanned& scanned);

}  // namespace peer::node
