#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"

namespace peer::trust {

/// Why a word cannot name a contact; empty if it can. 1 to 64 characters, no spaces, control or
/// bidi characters, none of
/// `/ : , @`, not all digits, no leading `-`, not `anyone` or `contacts`, not of the form of a peer
/// ID or an address.
std::string name_error(std::string_view name);

/// A name made of what a stranger calls itself: legal, escaped characters dropped, cut; may be
/// empty.
std::string name_from(std::string_view display_name);

/// An address as a user gives it: an IP, `host:port`, `[v6]:port`, a host name with a dot.
struct Address {
  std::string host;  ///< an IP without brackets, or a name
  std::uint16_t port = 0;
  std::string text() const;  ///< "192.168.1.7:56744", "[::1]:56744"
  friend bool operator==(const Address&, const Address&) = default;
};
Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

/// What the word PEER on the command line means; a bare word is only ever a contact's name.
struct ContactName {
  std::string name;
};
using PeerWord = std::variant<ContactName, protocol::PeerId, Address>;
Result<PeerWord> parse_peer_word(std::string_view word, std::uint16_t default_port);

}  // namespace peer::trust
