#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace peer::protocol {

/// RFC 4648 section 4, with padding.
std::string to_base64(std::string_view bytes);
/// Canonical forms only: padded, no other characters, unused bits zero.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace peer::protocol
