#include <algorithm>
#include <map>

#include "base/exit_code.hpp"
#include "node/bytes_json.hpp"
#include "node/requests.hpp"
#include "protocol/errors.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;
using protocol::Errc;

namespace {

bool has_trouble(const OfferRecord& offer, Errc code) {
  return offer.trouble && offer.trouble->code == protocol::wire_code(code);
}

/// What the disk refuses now, it may take at the next try.
constexpr std::chrono::seconds kDiskPatience{8};

/// A command does not wait for somebody to make room on our disk or to mend it, nor for a taker
/// that was given up.
bool stuck_here(const OfferRecord& offer) {
  if (!offer.is(state::active) || !offer.trouble || !offer.trouble_is_ours) return false;
  if (has_trouble(offer, Errc::disk))
    return std::chrono::steady_clock::now() - offer.trouble_since >= kDiskPatience;
  return !has_trouble(offer, Errc::paused);
}

}  // namespace

bool is_settled(const OfferRecord& offer) {
  if (offer.ended() || stuck_here(offer)) return true;
  if (offer.given() && offer.is(state::active)) return false;
  return !(offer.is(state::preparing) || offer.is(state::pending) || offer.is(state::active));
}

int exit_of(const OfferRecord& offer) {
  auto exit = Exit::failed;
  if (has_trouble(offer, Errc::no_space)) {
    exit = Exit::no_space;
  } else if (has_trouble(offer, Errc::bad_digest)) {
    exit = Exit::integrity;
  } else if (offer.is(state::active) && has_trouble(offer, Errc::timed_out)) {
    exit = Exit::timed_out;
  } else if (offer.is(state::done) || offer.is(state::partial)) {
    exit = offer.row.failed == 0 && offer.row.unreadable == 0 ? Exit::done : Exit::partly;
  } else if (offer.is(state::rejected) || offer.is(state::cancelled)) {
    exit = Exit::rejected;
  } else if (offer.is(state::expired)) {
    exit = Exit::timed_out;
  }
  return static_cast<int>(exit);
}

std::string shown_state_of(Node& node, const OfferRecord& offer) {
  return offer.row.state + (offer.trouble ? "!" + offer.trouble->code : std::string()) +
         (is_away(node, offer) ? "-" : "");
}

asio::awaitable<Json> follow(Node& node, Request& request, std::vector<OfferPtr> offers) {
  std::map<const OfferRecord*, std::string> shown_state;
  auto last = std::chrono::steady_clock::time_point{};
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    const bool tick = now - last >= kProgressEvery;
    if (tick) last = now;
    for (const auto& offer : offers) {
      auto& shown = shown_state[offer.get()];
      const auto state = shown_state_of(node, *offer);
      if (tick || shown != state)
        request.event("progress", Json{{"offer", offer_json(node, *offer)}});
      shown = state;
    }
    if (request.stopped() ||
        std::ranges::all_of(offers, [](const auto& offer) { return is_settled(*offer); }))
      break;
    co_await node.services.changed.wait_for(kProgressEvery);
  }
  Json result;
  result["stopped"] = !std::ranges::all_of(offers, [](const auto& o) { return is_settled(*o); });
  result["offers"] = Json::array();
  std::vector<int> exits;
  for (const auto& offer : offers) {
    result["offers"].push_back(offer_json(node, *offer));
    exits.push_back(exit_of(*offer));
  }
  const bool alike = std::ranges::all_of(exits, [&](int exit) { return exit == exits.front(); });
  result["exit"] = exits.empty() ? 0 : alike ? exits.front() : static_cast<int>(Exit::partly);
  co_return result;
}

asio::awaitable<Json> follow_or_number(Node& node, Request& request, std::vector<OfferPtr> offers) {
  if (flag_of(request.arguments(), "wait", true))
    co_return co_await follow(node, request, std::move(offers));
  Json result;
  result["numbers"] = Json::array();
  for (const auto& offer : offers) result["numbers"].push_back(offer->row.number);
  co_return result;
}

}  // namespace peer::node
