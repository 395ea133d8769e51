#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocol/beacon.hpp"
#include "protocol/peer_id.hpp"

namespace peer::discovery {

inline constexpr std::size_t kMaxNearby = 256;        ///< peers kept; of strangers the latest heard
inline constexpr std::size_t kMaxNearbyPerHost = 16;  ///< strangers of one address
inline constexpr std::size_t kMaxNearbyAddresses = 8;  ///< of one peer, the latest heard

using Time = std::chrono::steady_clock::time_point;

/// Where a datagram came from.
struct Source {
  std::string host;  ///< an IP without brackets; a link-local one with its scope, "fe80::1%eth0"
  bool low = false;  ///< over a bridge of containers or a tunnel: others are tried before
};

struct NearbyAddress {
  std::string host;
  std::uint16_t port = 0;
  bool low = false;
  Time heard;
  std::string text() const;  ///< "192.168.1.7:56744", "[fe80::1%eth0]:56744"
};

/// What somebody on the local network said of itself. A hint: only a handshake proves an identity.
struct NearbyPeer {
  protocol::PeerId id;                   ///< as announced, unproven
  std::string name;                      ///< what it calls itself: hostile text, maybe empty
  std::optional<std::uint32_t> slot;     ///< of the invite it holds open
  std::vector<NearbyAddress> addresses;  ///< its packets came from there; best first, never empty
  Time since;                            ///< first heard, without a gap since
  Time heard;                            ///< last
};

/// The table of who was heard nearby. Bounded whatever is announced: strangers give way to others,
/// those that `is_known` names never do. No sockets, no clock of its own; control thread.
class Nearby {
 public:
  std::function<bool(const protocol::PeerId&)> is_known = [](const protocol::PeerId&) {
    return false;
  };

  const std::vector<NearbyPeer>& all() const { return peers_; }
  const NearbyPeer* find(const protocol::PeerId& id) const;

  /// A `here` or a `leaving`. Whether that told anything new: a peer, an address, a name, a slot.
  bool heard(const protocol::Beacon& beacon, const Source& from, Time now);
  /// Forgets who was not heard for kBeaconLife; whether anybody.
  bool expire(Time now);

 private:
  bool here(const protocol::Beacon& beacon, const Source& from, Time now);
  bool leaving(const protocol::PeerId& id, const std::string& host);
  bool make_room(const std::string& host);

  std::vector<NearbyPeer> peers_;
};

}  // namespace peer::discovery
