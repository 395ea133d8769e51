#include "node/speed.hpp"

#include "base/text.hpp"

namespace peer::node {

using On = TimeSpent::On;

namespace {

std::int64_t in_ms(TimeSpent::Clock::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

std::string limited_text(const TimeSpent::Totals& totals, const std::string& who) {
  switch (held_back_by(totals)) {
    case HeldBack::network:
      return "limited by the network";
    case HeldBack::other:
      return "limited by " + who + "'s side: its disk, its processor or a limit set there";
    case HeldBack::disk:
      return "limited by the disk here";
    case HeldBack::processor:
      return "limited by the processor here";
    case HeldBack::limit:
      return "limited by the limit of " + base::rate_text(static_cast<double>(totals.limit)) +
             " set here";
    case HeldBack::unknown:
      break;
  }
  return "too little to tell what limits it";
}

}  // namespace

TimeSpent::Totals time_spent_on(const OfferRecord& offer) {
  const auto totals = offer.spent->totals();
  return totals.bytes > 0 ? totals : TimeSpent::parse(offer.row.spent);
}

nlohmann::json speed_json(const TimeSpent::Totals& totals) {
  const auto by = held_back_by(totals);
  nlohmann::json json;
  json["bytes"] = totals.bytes;
  json["bytes_per_second"] = totals.rate();
  json["limited_by"] = to_string(by);
  if (by == HeldBack::limit) json["limit"] = totals.limit;
  json["moving_ms"] = in_ms(totals.moving);
  json["network_ms"] = in_ms(totals[On::network]);
  json["other_side_ms"] = in_ms(totals[On::other]);
  json["disk_ms"] = in_ms(totals[On::disk]);
  json["limit_ms"] = in_ms(totals[On::limit]);
  json["processor_ms"] = in_ms(totals.processor);
  return json;
}

std::string speed_text(const TimeSpent::Totals& totals, const std::string& who) {
  const auto limited = limited_text(totals, who);
  if (held_back_by(totals) == HeldBack::unknown) return limited;
  return base::rate_text(static_cast<double>(totals.rate())) + ", " + limited;
}

}  // namespace peer::node
