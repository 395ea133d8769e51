#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/check.hpp"

namespace peer::doctor {

/// The program that listens on a port.
struct Holder {
  pid_t pid = 0;  ///< 0: of another user, who is not ours to look at
  std::string program;
};
/// Nobody: no program listens there.
std::optional<Holder> port_holder(std::uint16_t port);
/// The sockets (inodes) that listen on `port`, of a table as /proc/net/tcp.
std::vector<std::uint64_t> listening_sockets(std::string_view table, std::uint16_t port);

struct PortFacts {
  std::uint16_t port = 0;
  bool listening = false;  ///< this peer does
  bool lasting = false;    ///< and stays
  std::string why_not;     ///< it does not
  std::optional<Holder> holder;
  /// An own address at which this peer was dialled.
  struct Own {
    std::string address;
    bool loopback = false;
    std::string trouble;  ///< empty: it answers there
  };
  std::vector<Own> own;
};
Check port_check(const PortFacts& facts);

/// Linux picks ports for outgoing connections from a range; `range` and `reserved` are its settings
/// ip_local_port_range and ip_local_reserved_ports.
Check port_range_check(std::uint16_t port, std::string_view range, std::string_view reserved);
/// As this machine has them.
Check port_range_check(std::uint16_t port);

}  // namespace peer::doctor
