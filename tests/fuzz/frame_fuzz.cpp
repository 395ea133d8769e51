#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "protocol/frame.hpp"

using namespace peer::protocol;

namespace {

struct Read {
  std::vector<std::string> bodies;
  bool cut = false;
  bool failed = false;
  friend bool operator==(const Read&, const Read&) = default;
};

Read read(std::string_view wire, std::size_t piece) {
  Read read;
  FrameReader reader;
  while (!wire.empty() && !read.failed) {
    std::string_view part = wire.substr(0, piece);
    wire.remove_prefix(part.size());
    while (!part.empty()) {
      const auto taken = reader.feed(bytes_of(part));
      read.failed = !taken;
      if (!taken) break;
      part.remove_prefix(*taken);
      const auto body = reader.next();
      MUST(body || part.empty());
      if (body) read.bodies.emplace_back(*body);
    }
  }
  read.cut = reader.in_message();
  return read;
}

}  // namespace

/// The first byte says how the rest is cut into pieces; what comes out, framed again, is what went
/// in.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view wire = text_of(data, size).substr(1);
  const Read whole = read(wire, wire.size() + 1);
  MUST(whole == read(wire, std::size_t{1} + data[0]));
  std::string again;
  for (const std::string& body : whole.bodies) again += with_length(body);
  MUST(wire.starts_with(again));
  MUST(whole.failed || whole.cut || again.size() == wire.size());
  return 0;
}
