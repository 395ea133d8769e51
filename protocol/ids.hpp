#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace peer::protocol {

/// Lower-case hexadecimal digits, two a byte.
std::string to_hex(std::span<const std::byte> bytes);
/// Fills `out` from exactly twice as many lower-case digits; false leaves it undefined.
bool from_hex(std::string_view hex, std::span<std::byte> out);

/// 128 random bits, on the wire 32 lower-case hexadecimal digits. A type per use, so that two of
/// them cannot be swapped.
template <class Tag>
struct RandomId {
  std::array<std::byte, 16> bytes{};

  std::string text() const { return to_hex(bytes); }
  static std::optional<RandomId> parse(std::string_view hex) {
    RandomId id;
    if (!from_hex(hex, id.bytes)) return std::nullopt;
    return id;
  }
  friend auto operator<=>(const RandomId&, const RandomId&) = default;
};

struct OfferTag;
struct RequestTag;
struct InstanceTag;
using OfferId = RandomId<OfferTag>;  ///< of an offer, made by its giver; in scope of (giver, taker)
using RequestId = RandomId<RequestTag>;  ///< of a `list` or `get`, made by who asks
using Instance = RandomId<InstanceTag>;  ///< of a running process, made when it starts

struct RandomIdHash {
  template <class Tag>
  std::size_t operator()(const RandomId<Tag>& id) const noexcept {
    std::size_t hash = 0;
    for (std::size_t i = 0; i < sizeof hash; ++i)
      hash = hash << 8 | static_cast<std::size_t>(id.bytes[i]);
    return hash;
  }
};

/// A digest with its algorithm; on the wire `xxh3:` and 32 hexadecimal digits (XXH3-128, canonical
/// big-endian form, seed 0) or `sha256:` and 64.
struct Digest {
  enum class Kind : std::uint8_t { xxh3 = 1, sha256 = 2 };
  Kind kind = Kind::sha256;
  std::array<std::byte, 32> bytes{};  ///< the first 16 for xxh3, the others zero

  std::string text() const;
  static std::optional<Digest> parse(std::string_view text);
  friend bool operator==(const Digest&, const Digest&) = default;
};

/// SHA-256 of a whole manifest; on the wire 64 hexadecimal digits.
struct ManifestDigest {
  std::array<std::byte, 32> bytes{};

  std::string text() const;
  static std::optional<ManifestDigest> parse(std::string_view hex);
  friend auto operator<=>(const ManifestDigest&, const ManifestDigest&) = default;
};

}  // namespace peer::protocol
