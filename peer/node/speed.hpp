#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "node/offers.hpp"
#include "node/time_spent.hpp"

namespace peer::node {

/// Of a transfer that runs, or of what its row tells.
TimeSpent::Totals time_spent_on(const OfferRecord& offer);
/// LOCAL.md, SPEED.
nlohmann::json speed_json(const TimeSpent::Totals& totals);
/// "418 MB/s, limited by the network"; `who` is the other side.
std::string speed_text(const TimeSpent::Totals& totals, const std::string& who);

}  // namespace peer::node
