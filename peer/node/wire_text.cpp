#include "node/wire_text.hpp"

#include "base/text.hpp"
#include "protocol/path.hpp"

namespace peer::node {

std::string wire_text(std::string_view text, std::size_t max_bytes) {
  std::string out = protocol::is_utf8(text) ? std::string(text) : base::escaped(text);
  if (out.size() <= max_bytes) return out;
  auto end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80)
    --end;  // not inside a character
  out.resize(end);
  return out;
}

}  // namespace peer::node
