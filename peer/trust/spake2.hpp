#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "trust/secret.hpp"

/// SPAKE2 of RFC 9382 over P-256, with SHA-256, HKDF and HMAC: two who know the same weak secret
/// agree on a strong one, and whoever does not know it may guess once a try. Values in, values out.
namespace peer::trust::spake2 {

/// 32 bytes, big-endian, below the order of the group.
using Scalar = Secret;

inline constexpr std::size_t kPointBytes = 65;  ///< uncompressed: 04, x, y
inline constexpr std::size_t kMacBytes = 32;

enum class Role { a, b };

Scalar random_scalar();
/// `wide`, a big-endian number, modulo the order. With at least 40 random bytes the result is
/// uniform enough.
Scalar reduced(std::string_view wide);

/// pA = x*P + w*M or pB = y*P + w*N: what this side says first. kPointBytes.
std::string share(Role role, const Scalar& w, const Scalar& secret);

/// What both sides have in the end if they used the same `w`.
struct Keys {
  Secret shared;      ///< Ke, 16 bytes
  Secret confirm_a;   ///< KcA, 16 bytes
  Secret confirm_b;   ///< KcB, 16 bytes
  std::string mac_a;  ///< what A says to prove that it has them, kMacBytes
  std::string mac_b;  ///< what B says
};

/// Everything that both sides must see alike.
struct Setting {
  std::string_view id_a;
  std::string_view id_b;
  std::string_view associated;  ///< AAD: what else the keys are bound to
};

/// Nothing if `theirs` is no uncompressed point of the curve, or the common point would be the
/// neutral one: whoever said it is no honest party.
std::optional<Keys> agree(Role role, const Setting& setting, const Scalar& w, const Scalar& secret,
                          std::string_view theirs);

/// In constant time.
bool same_mac(std::string_view a, std::string_view b);

}  // namespace peer::trust::spake2
