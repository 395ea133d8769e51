#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace peer::doctor {

/// What a ruleset does with a new connection, or a datagram, from outside to a port of this
/// machine.
struct Verdict {
  enum class Kind : std::uint8_t {
    open,  ///< nothing in the way
    some,  ///< let in, or dropped, by conditions that are not judged here (addresses, interfaces)
    dropped,  ///< by a rule, or by the policy of a chain
  };
  Kind kind = Kind::open;
  std::string where;     ///< "inet filter input": family, table and chain that drops
  bool by_name = false;  ///< a rule that names this port does
};
/// As `nft list ruleset` prints them. `protocol` is "tcp" or "udp". Rules that are not understood
/// count as conditions.
Verdict judge_ruleset(std::string_view ruleset, std::string_view protocol, std::uint16_t port);

}  // namespace peer::doctor
