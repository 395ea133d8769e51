#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "protocol/limits.hpp"
#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"

namespace peer::protocol {

/// The datagram of the local network (PROTOCOL.md "Discovery"): what somebody says of itself. A
/// hint; only a handshake proves an identity.
struct Beacon {
  enum class Kind : std::uint8_t {
    here,     ///< this peer listens there
    ask,      ///< who is here? says nothing of the asker
    leaving,  ///< it does not listen any more
  };
  Kind kind = Kind::ask;
  PeerId id;                          ///< not of an `ask`
  std::uint16_t port = 0;             ///< of a `here`: the TCP port
  std::string name;                   ///< of a `here`: its display name, maybe empty
  std::optional<std::uint32_t> slot;  ///< of a `here`: of the invite it holds open
  friend bool operator==(const Beacon&, const Beacon&) = default;
};

/// At most kMaxBeaconBytes. An `ask` is padded to kAskBytes, so that no answer is larger; a name is
/// cut to kMaxBeaconNameBytes.
std::string encode(const Beacon& beacon);
/// Strict, as all JSON here. A datagram of another version, of an unknown type, too large, or an
/// `ask` below kAskBytes is Errc::bad_version, unknown_type, message_too_large, bad_message.
Result<Beacon> decode_beacon(std::span<const std::byte> datagram);

}  // namespace peer::protocol
