#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"

namespace peer::trust {

inline constexpr std::size_t kMaxContactNameCharacters = 64;

/// Why a word cannot name a contact; empty if it can. 1 to 64 characters, no spaces, control or
/// bidi characters, none of
/// `/ : , @`, not all digits, no leading `-`, not a word for many (`anyone`, `contacts`,
/// `verified`, `trusted`, `strangers`), not of the form of a peer ID or an address. A whole clause
/// that fits behind "‘bob@work’ cannot be a contact's name: ".
std::string name_error(std::string_view name);

/// Names are the same when this is: without regard to the case of ASCII letters.
std::string folded(std::string_view name);

/// A name made of what a stranger calls itself: spaces and dots become `-`, other characters that
/// are not legal are dropped, the rest cut; may be empty.
std::string name_from(std::string_view display_name);

/// What is wrong with a word where a peer or an address was expected; the context of the Error is
/// the word. The message says what the word may be.
enum class WordErrc { bad_peer = 1, bad_address, bad_port };
std::error_code make_error_code(WordErrc code);

/// An address as a user gives it: an IP, `host:port`, `[v6]:port`, a host name with a dot.
struct Address {
  std::string host;  ///< an IP without brackets, or a name
  std::uint16_t port = 0;
  std::string text() const;  ///< "192.168.1.7:56744", "[::1]:56744"
  friend bool operator==(const Address&, const Address&) = default;
};
/// WordErrc::bad_address or bad_port. IPs come out in their shortest form.
Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

/// What the word PEER on the command line means; a bare word is only ever a contact's name.
struct ContactName {
  std::string name;
};
using PeerWord = std::variant<ContactName, protocol::PeerId, Address>;
/// Every error means that the word can be no peer at all (a usage error): WordErrc, or what
/// PeerId::parse says of a word that can only be meant as an ID.
Result<PeerWord> parse_peer_word(std::string_view word, std::uint16_t default_port);

}  // namespace peer::trust

template <>
struct std::is_error_code_enum<peer::trust::WordErrc> : std::true_type {};
