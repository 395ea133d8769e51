#include "fuzz.hpp"
#include "protocol/beacon.hpp"

using namespace peer::protocol;

/// What is read is written, and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto beacon = decode_beacon(std::as_bytes(std::span(data, size)));
  if (!beacon) return 0;
  const std::string written = encode(*beacon);
  MUST(written.size() <= kMaxBeaconBytes);
  const auto again = decode_beacon(std::as_bytes(std::span(written)));
  MUST(again);
  MUST(*again == *beacon);
  return 0;
}
