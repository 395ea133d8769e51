// Prints the messages in a capture of one direction of a connection, after TLS: each in canonical
// JSON, with its offset, raw bytes counted and skipped. Reads standard input. Shows what the
// protocol library is: no socket, no file, bytes in and values out.
//
//   wire_dump < captured.bin
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include "protocol/frame.hpp"
#include "protocol/message.hpp"

namespace {

using namespace peer::protocol;

/// The raw bytes that follow a message on the wire.
std::uint64_t payload_of(const Message& message) {
  const auto* data = std::get_if<Data>(&message);
  return data ? data->payload() : 0;
}

class Dump {
 public:
  /// False once the bytes are no conversation any more.
  bool feed(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (payload_left_ > 0) {
        const auto skipped =
            static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, bytes.size()));
        pass(bytes, skipped);
        payload_left_ -= skipped;
        continue;
      }
      const auto taken = frames_.feed(bytes);
      if (!taken) return fail(taken.error());
      pass(bytes, *taken);
      if (const auto body = frames_.next(); body && !show(*body)) return false;
    }
    return true;
  }

  bool finish() const {
    if (!frames_.in_message() && payload_left_ == 0) return true;
    std::printf("%10llu  cut here\n", static_cast<unsigned long long>(offset_));
    return false;
  }

 private:
  void pass(std::span<const std::byte>& bytes, std::size_t count) {
    bytes = bytes.subspan(count);
    offset_ += count;
  }

  bool show(std::string_view body) {
    const auto at = static_cast<unsigned long long>(offset_ - body.size() - kLengthPrefixBytes);
    const auto message = decode(body);
    if (!message && message.error().code != Errc::unknown_type) return fail(message.error());
    if (!message) {
      std::printf("%10llu  %s\n", at, message.error().text().c_str());
      return true;
    }
    payload_left_ = payload_of(*message);
    std::printf("%10llu  %s\n", at, encode(*message).c_str());
    if (payload_left_ > 0)
      std::printf("%10llu  + %llu raw bytes\n", static_cast<unsigned long long>(offset_),
                  static_cast<unsigned long long>(payload_left_));
    return true;
  }

  bool fail(const peer::Error& error) const {
    std::printf("%10llu  %s\n", static_cast<unsigned long long>(offset_), error.text().c_str());
    return false;
  }

  FrameReader frames_;
  std::uint64_t offset_ = 0;
  std::uint64_t payload_left_ = 0;
};

}  // namespace

int main() {
  Dump dump;
  std::array<std::byte, 65536> buffer;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), stdin))
    if (!dump.feed(std::span(buffer).first(count))) return 1;
  return dump.finish() ? 0 : 1;
}
