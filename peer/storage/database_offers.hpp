#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/result.hpp"
#include "storage/database.hpp"

namespace peer::storage {

class Connection;

/// The database's offers, open and ended; the functions of Database with the same names.
class OfferTable {
 public:
  explicit OfferTable(Connection& connection) : connection_(connection) {}

  Result<std::uint64_t> next_number();
  Result<void> save(const OfferRow& offer);
  Result<void> remove(std::uint64_t number);
  Result<std::vector<OfferRow>> open_offers();
  Result<std::optional<OfferRow>> offer(std::uint64_t number);
  Result<std::vector<Database::EndedOffer>> ended_between(UnixTime from, UnixTime until);
  Result<std::vector<OfferRow>> history(std::uint64_t before, std::size_t limit,
                                        const std::optional<protocol::PeerId>& peer);
  Result<std::uint64_t> clear_history(UnixTime until, const std::optional<protocol::PeerId>& peer);
  Result<void> forget_cleared(UnixTime until);

 private:
  Connection& connection_;
};

}  // namespace peer::storage
