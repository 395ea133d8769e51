#include "discovery/nearby.hpp"

#include <algorithm>
#include <tuple>

#include "protocol/limits.hpp"

namespace peer::discovery {

using protocol::Beacon;
using protocol::PeerId;

namespace {

bool is_at(const NearbyPeer& peer, const std::string& host) {
  return std::ranges::any_of(peer.addresses, [&](const auto& one) { return one.host == host; });
}

/// Best first: those of people's networks, then the latest heard.
void sort(std::vector<NearbyAddress>& addresses) {
  std::ranges::stable_sort(addresses, [](const NearbyAddress& a, const NearbyAddress& b) {
    return std::tuple(a.low, b.heard) < std::tuple(b.low, a.heard);
  });
}

}  // namespace

std::string NearbyAddress::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const NearbyPeer* Nearby::find(const PeerId& id) const {
  const auto found = std::ranges::find(peers_, id, &NearbyPeer::id);
  return found == peers_.end() ? nullptr : &*found;
}

bool Nearby::heard(const Beacon& beacon, const Source& from, Time now) {
  if (beacon.kind == Beacon::Kind::here) return here(beacon, from, now);
  return beacon.kind == Beacon::Kind::leaving && leaving(beacon.id, from.host);
}

bool Nearby::here(const Beacon& beacon, const Source& from, Time now) {
  auto found = std::ranges::find(peers_, beacon.id, &NearbyPeer::id);
  bool news = found == peers_.end();
  if (news) {
    if (!make_room(from.host) && !is_known(beacon.id)) return false;
    peers_.push_back({beacon.id, {}, {}, {}, now, now});
    found = peers_.end() - 1;
  }
  auto& peer = *found;
  news = news || peer.name != beacon.name || peer.slot != beacon.slot;
  peer.name = beacon.name;
  peer.slot = beacon.slot;
  peer.heard = now;
  auto& addresses = peer.addresses;
  const auto at = std::ranges::find_if(
      addresses, [&](const auto& one) { return one.host == from.host && one.port == beacon.port; });
  if (at != addresses.end()) {
    at->heard = now;
  } else {
    news = true;
    if (addresses.size() == kMaxNearbyAddresses)
      addresses.erase(std::ranges::min_element(addresses, {}, &NearbyAddress::heard));
    addresses.push_back({from.host, beacon.port, from.low, now});
  }
  sort(addresses);
  return news;
}

/// Anybody may say that anybody leaves: only of the address it was said from is it believed.
bool Nearby::leaving(const PeerId& id, const std::string& host) {
  const auto found = std::ranges::find(peers_, id, &NearbyPeer::id);
  if (found == peers_.end()) return false;
  const auto gone =
      std::erase_if(found->addresses, [&](const auto& one) { return one.host == host; });
  if (found->addresses.empty()) peers_.erase(found);
  return gone > 0;
}

/// For one more stranger, heard from `host`. False when only known peers are here.
bool Nearby::make_room(const std::string& host) {
  const auto evict = [&](auto which) {
    auto oldest = peers_.end();
    for (auto it = peers_.begin(); it != peers_.end(); ++it) {
      if (!which(*it) || is_known(it->id)) continue;
      if (oldest == peers_.end() || it->heard < oldest->heard) oldest = it;
    }
    if (oldest == peers_.end()) return false;
    peers_.erase(oldest);
    return true;
  };
  const auto from_host = [&](const NearbyPeer& peer) { return is_at(peer, host); };
  const auto here = static_cast<std::size_t>(std::ranges::count_if(peers_, from_host));
  if (here >= kMaxNearbyPerHost && evict(from_host)) return true;
  return peers_.size() < kMaxNearby || evict([](const NearbyPeer&) { return true; });
}

bool Nearby::expire(Time now) {
  const auto old = [&](const auto& one) { return now - one.heard >= protocol::kBeaconLife; };
  std::size_t gone = 0;
  for (auto& peer : peers_) gone += std::erase_if(peer.addresses, old);
  gone += std::erase_if(peers_, [](const NearbyPeer& peer) { return peer.addresses.empty(); });
  return gone > 0;
}

}  // namespace peer::discovery
