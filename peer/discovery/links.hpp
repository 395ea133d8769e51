#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace peer::discovery {

/// An interface that leads to a local network.
struct Link {
  std::string name;
  unsigned index = 0;
  bool v4 = false;   ///< it has an address of that family
  bool v6 = false;   ///< a link-local one
  bool low = false;  ///< a bridge of containers or a tunnel, not a network that people share
  friend bool operator==(const Link&, const Link&) = default;
};

/// By its name: a bridge of containers or a tunnel.
bool ranks_low(std::string_view name);

/// Those that are up, carry multicast, and are neither loopback nor point-to-point.
std::vector<Link> local_links();

}  // namespace peer::discovery
