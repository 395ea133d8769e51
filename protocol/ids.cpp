#include "protocol/ids.hpp"

namespace peer::protocol {
namespace {

constexpr std::string_view kXxh3Prefix = "xxh3:";
constexpr std::string_view kSha256Prefix = "sha256:";
constexpr std::size_t kXxh3Bytes = 16;

/// The value of a lower-case hexadecimal digit, or -1.
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

bool from_hex(std::string_view hex, std::span<std::byte> out) {
  if (hex.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::byte>(high << 4 | low);
  }
  return true;
}

std::string Digest::text() const {
  const std::span all(bytes);
  if (kind == Kind::xxh3) return std::string(kXxh3Prefix) + to_hex(all.first(kXxh3Bytes));
  return std::string(kSha256Prefix) + to_hex(all);
}

std::optional<Digest> Digest::parse(std::string_view text) {
  Digest digest;
  std::span<std::byte> out(digest.bytes);
  if (text.starts_with(kXxh3Prefix)) {
    digest.kind = Kind::xxh3;
    out = out.first(kXxh3Bytes);
    text.remove_prefix(kXxh3Prefix.size());
  } else if (text.starts_with(kSha256Prefix)) {
    text.remove_prefix(kSha256Prefix.size());
  } else {
    return std::nullopt;
  }
  if (!from_hex(text, out)) return std::nullopt;
  return digest;
}

std::string ManifestDigest::text() const { return to_hex(bytes); }

std::optional<ManifestDigest> ManifestDigest::parse(std::string_view hex) {
  ManifestDigest digest;
  if (!from_hex(hex, digest.bytes)) return std::nullopt;
  return digest;
}

}  // namespace peer::protocol
