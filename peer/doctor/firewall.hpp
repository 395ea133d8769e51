#pragma once

#include <cstdint>
#include <string>

#include "doctor/check.hpp"

namespace peer::doctor {

/// What this machine tells of its firewall; without root that is little.
struct FirewallFacts {
  bool ufw = false;        ///< switched on
  bool firewalld = false;  ///< runs
  bool iptables = false;   ///< the kernel filters by rules of the old iptables
  bool readable = false;   ///< `ruleset` is what the kernel has, maybe nothing
  std::string ruleset;     ///< as nft prints it; else what is loaded when the machine starts
};
FirewallFacts look_at_firewall();
/// `port` of TCP, and of UDP where the local network is heard.
Check firewall_check(const FirewallFacts& facts, std::uint16_t port, std::uint16_t udp_port);

}  // namespace peer::doctor
