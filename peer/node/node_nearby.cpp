#include <algorithm>
#include <asio/ip/address.hpp>
#include <chrono>
#include <string>

#include "net/resolve.hpp"
#include "node/node.hpp"

/// What the local network hears of this peer, and what comes of hearing others.
namespace peer::node {

using std::chrono::steady_clock;

namespace {

/// What is announced cannot make us dial more often than this.
constexpr std::chrono::seconds kHurryLeast{10};

bool is_loopback(const std::string& address) {
  const auto ip = net::literal_address(address.substr(0, address.rfind(':')));
  return ip && ip->is_loopback();
}

}  // namespace

discovery::Saying Node::saying() const {
  discovery::Saying saying;
  const auto& settings = services.settings;
  if (settings.discovery == "off") return saying;
  saying.listens = true;
  if (settings.hidden) return saying;
  saying.asks = true;
  const auto addresses = reachable_at();
  if (addresses.empty() || std::ranges::all_of(addresses, is_loopback)) return saying;
  auto& here = saying.here.emplace();
  here.kind = protocol::Beacon::Kind::here;
  here.id = services.identity->id();
  here.port = port();
  here.name = settings.name;
  here.slot = services.invite_slot;
  return saying;
}

void Node::nearby_changed() {
  services.changed.notify_all();
  const auto now = steady_clock::now();
  for (const auto& peer : services.nearby.all()) {
    if (!contacts.is_contact(peer.id)) continue;
    auto& pair = sessions.pair(peer.id);
    if (pair.session || !has_business(pair)) continue;
    auto& hurried = hurried_[peer.id];
    if (!pair.dialling) {
      sessions.keep_trying(pair);
    } else if (now - hurried >= kHurryLeast) {
      hurried = now;
      sessions.try_now(pair);
    }
  }
}

}  // namespace peer::node
