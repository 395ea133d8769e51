#include <algorithm>

#include "fuzz.hpp"
#include "protocol/message.hpp"

using namespace peer::protocol;

namespace {

constexpr std::size_t kLongestContext = 512;

void check_error(const peer::Error& error) {
  MUST(error.code && error.context.size() <= kLongestContext);
  MUST(std::all_of(error.context.begin(), error.context.end(),
                   [](char c) { return c >= ' ' && c < 0x7f; }));
}

}  // namespace

/// The input is the JSON of a message: what is read is written, and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = decode(text_of(data, size));
  if (!message) {
    check_error(message.error());
    return 0;
  }
  const std::string written = encode(*message);
  const auto again = decode(written);
  MUST(again);
  MUST(*again == *message);
  MUST(encode(*again) == written);
  return 0;
}
