#pragma once

#include <asio/ip/address.hpp>
#include <string>
#include <vector>

namespace peer::net {

/// An address of this machine and the interface that has it.
struct MachineAddress {
  std::string interface;
  asio::ip::address address;
};

/// Of all interfaces that are up; empty if the system does not tell.
std::vector<MachineAddress> machine_addresses();

/// Where others reach a listener bound to `bound`: its own addresses, and for an unspecified one
/// every address of that family in `machine`. Link-local IPv6 is left out (useless without the
/// other side's interface), loopback too unless nothing else remains; addresses of container
/// bridges come last.
std::vector<asio::ip::address> reachable_addresses(const std::vector<asio::ip::address>& bound,
                                                   const std::vector<MachineAddress>& machine);

}  // namespace peer::net
