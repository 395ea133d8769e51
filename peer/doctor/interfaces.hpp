#pragma once

#include <string>
#include <vector>

#include "doctor/check.hpp"

namespace peer::doctor {

struct Interface {
  std::string name;
  std::vector<std::string> addresses;
  bool discovery = false;  ///< others of a local network hear this peer there
  bool low = false;        ///< a bridge of containers or a tunnel: tried last
  bool loopback = false;
};
Check interfaces_check(const std::vector<Interface>& interfaces);

/// A datagram said to the group of the local network on one interface.
struct Heard {
  std::string interface;
  std::string family;  ///< "IPv4", "IPv6"
  bool heard = false;  ///< it came back
  std::string trouble;
};
/// `quiet`: why this peer says nothing to the local network, by its settings; else empty.
Check multicast_check(const std::vector<Heard>& heard, const std::string& quiet);

}  // namespace peer::doctor
