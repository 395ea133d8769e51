#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "protocol/result.hpp"

namespace peer::protocol {

/// SHA-256 of a certificate's DER: who a peer is (PROTOCOL.md "Peer IDs").
struct PeerId {
  std::array<std::byte, 32> bytes{};

  /// 52 base32 characters, a Luhn mod 32 check character after each 13, in 8 groups of 7 joined by
  /// `-`: the form Syncthing uses for a device ID.
  std::string text() const;
  /// The first two groups, `ABCDEFG-HIJKLMN`: for people beside a name, never to identify.
  std::string short_text() const;
  /// Case, spaces and dashes do not matter; 0, 1 and 8 are read as O, I and B. A wrong check
  /// character is an error that names the group. 52 characters without check characters are
  /// refused.
  static Result<PeerId> parse(std::string_view text);

  friend auto operator<=>(const PeerId&, const PeerId&) = default;
};

/// Hashes for unordered containers: the bytes are already uniform.
struct PeerIdHash {
  std::size_t operator()(const PeerId& id) const noexcept;
};

}  // namespace peer::protocol
