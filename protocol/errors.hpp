#pragma once

#include <optional>
#include <string_view>
#include <system_error>

#include "protocol/result.hpp"

namespace peer::protocol {

/// Why a peer's bytes, or a conversation, cannot go on. Each has a code of the wire (PROTOCOL.md
/// "Error codes"); the table both ways is in errors.cpp. "The peer is wrong" ends in one of these;
/// "we are wrong" is an assert.
enum class Errc {
  message_too_large = 1,  ///< a length prefix over the limit, or 0
  bad_json,      ///< not one JSON object in UTF-8: depth, repeated keys, BOM, trailing bytes
  bad_message,   ///< a field is missing, of the wrong type or out of range; the context names it
  unknown_type,  ///< answered, and the talk goes on
  bad_state,     ///< the message may not be said now
  bad_version,
  bad_path,      ///< a path that climbs, is absolute, empty, too long or holds NUL
  bad_manifest,  ///< lines out of order, parents missing, sums wrong
  bad_digest,    ///< raw bytes that do not have the digest named for them
  bad_offer,     ///< an id reused: other direction, other manifest
  unknown_offer,
  not_shared,    ///< a `list` or `get` of something this peer may not have; says not whether it
                 ///< exists
  not_accepted,  ///< strangers' offers are not taken here, or this peer is blocked
  too_large,     ///< more entries or bytes of manifest than allowed from this peer
  busy,          ///< too many offers, requests or connections
  too_much,      ///< more wants, messages or bytes than allowed
  paused,
  no_space,
  disk,
  leaving,         ///< a session ended on purpose
  replaced,        ///< a newer session of the same pair took over
  pairing_failed,  ///< whatever the reason, so that no guess learns anything
  timed_out,
  internal,
};

const std::error_category& category();
std::error_code make_error_code(Errc code);

/// The code of the wire, e.g. "unknown_offer".
std::string_view wire_code(Errc code);
/// Unknown codes of later versions have no Errc; treat them by their `fatal`.
std::optional<Errc> from_wire_code(std::string_view code);

}  // namespace peer::protocol

template <>
struct std::is_error_code_enum<peer::protocol::Errc> : std::true_type {};
