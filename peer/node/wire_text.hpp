#pragma once

#include <string>
#include <string_view>

namespace peer::node {

/// A text of ours made fit for a field of the wire: UTF-8, at most `max_bytes`, cut between
/// characters.
std::string wire_text(std::string_view text, std::size_t max_bytes);

}  // namespace peer::node
