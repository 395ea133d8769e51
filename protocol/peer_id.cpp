#include "protocol/peer_id.hpp"

#include <cstdint>
#include <cstring>
#include <system_error>

namespace peer::protocol {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kDataChars = 52;
constexpr std::size_t kBlocks = 4;  ///< each with its check character
constexpr std::size_t kBlockChars = kDataChars / kBlocks;
constexpr std::size_t kChars = kDataChars + kBlocks;
constexpr std::size_t kGroupChars = 7;
constexpr std::size_t kShortGroups = 2;
constexpr std::size_t kGroupsPerBlock = (kBlockChars + 1) / kGroupChars;

std::string to_base32(std::span<const std::byte> bytes) {
  std::string text;
  unsigned bits = 0;
  unsigned count = 0;
  for (const std::byte byte : bytes) {
    bits = (bits << 8 | std::to_integer<unsigned>(byte)) & 0xffff;
    for (count += 8; count >= 5;) {
      count -= 5;
      text += kAlphabet[bits >> count & 31];
    }
  }
  if (count > 0) text += kAlphabet[bits << (5 - count) & 31];
  return text;
}

/// Luhn's check, mod 32, as Syncthing counts it: factors 1, 2, 1, ... from the left.
char check_character(std::string_view block) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const std::size_t addend = kAlphabet.find(block[i]) * (1 + i % 2);
    sum += addend / 32 + addend % 32;
  }
  return kAlphabet[(32 - sum % 32) % 32];
}

Error refused(const std::string& why) {
  return Error(std::make_error_code(std::errc::invalid_argument), "peer ID: " + why);
}

/// Upper case, without dashes and spaces, mistaken digits put right.
std::string tidy(std::string_view text) {
  std::string tidied;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    if (c >= 'a' && c <= 'z')
      tidied += static_cast<char>(c - 'a' + 'A');
    else
      tidied += c == '0' ? 'O' : c == '1' ? 'I' : c == '8' ? 'B' : c;
  }
  return tidied;
}

/// `chars` are 52 of the alphabet; false if bits are set that no ID has.
bool from_base32(std::string_view chars, std::span<std::byte> out) {
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t at = 0;
  for (const char c : chars) {
    bits = (bits << 5 | static_cast<std::uint32_t>(kAlphabet.find(c))) & 0xffff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    out[at++] = static_cast<std::byte>(bits >> count & 0xff);
  }
  return (bits & ((1u << count) - 1)) == 0;
}

}  // namespace

std::string PeerId::text() const {
  const std::string data = to_base32(bytes);
  std::string chars;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::string part = data.substr(block * kBlockChars, kBlockChars);
    chars += part + check_character(part);
  }
  std::string text;
  for (std::size_t i = 0; i < chars.size(); ++i) {
    if (i > 0 && i % kGroupChars == 0) text += '-';
    text += chars[i];
  }
  return text;
}

std::string PeerId::short_text() const {
  return text().substr(0, kShortGroups * (kGroupChars + 1) - 1);
}

Result<PeerId> PeerId::parse(std::string_view text) {
  const std::string chars = tidy(text);
  if (chars.find_first_not_of(kAlphabet) != std::string::npos)
    return refused("only the letters A to Z and the digits 2 to 7 are in one");
  if (chars.size() == kDataChars)
    return refused("its check characters are missing (52 characters instead of 56)");
  if (chars.size() != kChars)
    return refused("56 characters are in one, not " + std::to_string(chars.size()));
  std::string data;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::string part = chars.substr(block * (kBlockChars + 1), kBlockChars);
    data += part;
    const std::size_t last_group = (block + 1) * kGroupsPerBlock;
    if (check_character(part) != chars[data.size() + block])
      return refused("a character is mistyped in group " + std::to_string(last_group - 1) + " or " +
                     std::to_string(last_group));
  }
  PeerId id;
  if (!from_base32(data, id.bytes)) return refused("no ID ends in that");
  return id;
}

std::size_t PeerIdHash::operator()(const PeerId& id) const noexcept {
  std::size_t hash = 0;
  std::memcpy(&hash, id.bytes.data(), sizeof hash);
  return hash;
}

}  // namespace peer::protocol
