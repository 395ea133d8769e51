#include "protocol/frame.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "protocol/errors.hpp"

namespace peer::protocol {
namespace {

constexpr std::size_t kKeptCapacity = 16 * 1024;  ///< of a reader between two messages

std::size_t read_length(std::string_view prefix) {
  std::uint32_t length = 0;
  for (const char c : prefix) length = length << 8 | static_cast<unsigned char>(c);
  return length;
}

}  // namespace

Result<std::size_t> FrameReader::lacking() const {
  if (buffer_.size() < kLengthPrefixBytes) return kLengthPrefixBytes - buffer_.size();
  const std::size_t length = read_length(std::string_view(buffer_).substr(0, kLengthPrefixBytes));
  if (length == 0 || length > max_bytes_)
    return Error(Errc::message_too_large, "a message of " + std::to_string(length) +
                                              " bytes where 1 to " + std::to_string(max_bytes_) +
                                              " are taken");
  return kLengthPrefixBytes + length - buffer_.size();
}

Result<std::size_t> FrameReader::feed(std::span<const std::byte> bytes) {
  if (handed_out_) {
    handed_out_ = false;
    buffer_.clear();
    if (buffer_.capacity() > kKeptCapacity) buffer_.shrink_to_fit();
  }
  std::size_t taken = 0;
  while (!ready_) {
    const auto lack = lacking();
    if (!lack) return lack.error();
    const std::size_t count = std::min(*lack, bytes.size() - taken);
    if (count == 0) break;
    buffer_.append(reinterpret_cast<const char*>(bytes.data()) + taken, count);
    taken += count;
    ready_ = count == *lack && buffer_.size() > kLengthPrefixBytes;
  }
  return taken;
}

std::optional<std::string_view> FrameReader::next() {
  if (!ready_) return std::nullopt;
  ready_ = false;
  handed_out_ = true;
  return std::string_view(buffer_).substr(kLengthPrefixBytes);
}

std::string with_length(std::string_view body) {
  assert(!body.empty() && body.size() <= kMaxMessageBytes);
  std::string framed;
  framed.reserve(kLengthPrefixBytes + body.size());
  for (int shift = 24; shift >= 0; shift -= 8)
    framed += static_cast<char>(static_cast<std::uint32_t>(body.size()) >> shift & 0xff);
  framed += body;
  return framed;
}

}  // namespace peer::protocol
