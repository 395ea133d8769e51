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
///
/// Its text is what Syncthing calls a device ID:
/// 1. The 32 bytes as base32 (RFC 4648, `A`-`Z` then `2`-`7`, values 0 to 31) without padding: 52
///    characters; the low four bits of the last one are 0.
/// 2. Behind each 13 of them their check character: 56 characters. Of the 13 values v, from the
///    left, those at even places (the first is 0) count v, those at odd places v / 16 + 2 * v mod
///    32 (the two base-32 digits of 2 * v, added); the check character's value is what the sum
///    lacks to a multiple of 32.
/// 3. 8 groups of 7, joined by `-`.
struct PeerId {
  std::array<std::byte, 32> bytes{};

  /// `MFZWI3D-...`, 63 characters.
  std::string text() const;
  /// The first two groups, `ABCDEFG-HIJKLMN`: for people beside a name, never to identify.
  std::string short_text() const;
  /// Case, spaces and dashes do not matter; 0, 1 and 8 are read as O, I and B. A wrong check
  /// character is an error that names the groups. 52 characters without check characters are
  /// refused. std::errc::invalid_argument: no ID in text travels on the wire.
  static Result<PeerId> parse(std::string_view text);

  friend auto operator<=>(const PeerId&, const PeerId&) = default;
};

/// Hashes for unordered containers: the bytes are already uniform.
struct PeerIdHash {
  std::size_t operator()(const PeerId& id) const noexcept;
};

}  // namespace peer::protocol
