#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"
#include "trust/names.hpp"

namespace peer::trust {

inline constexpr std::size_t kMaxLinkAddresses = 16;

/// A peer in one word, to be shown as a picture or sent over another way:
/// peer://FULLID@host:port,[v6]:port
struct Link {
  protocol::PeerId id;
  std::vector<Address> addresses;  ///< maybe none
  std::string text() const;
};

/// Whether the word can only be meant as a link.
bool is_link(std::string_view word);
/// The error's context says what is wrong with which part.
Result<Link> parse_link(std::string_view text, std::uint16_t default_port);

}  // namespace peer::trust
