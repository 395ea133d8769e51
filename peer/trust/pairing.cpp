#include "trust/pairing.hpp"

#include <openssl/evp.h>

#include <cstdint>
#include <new>
#include <utility>

namespace peer::trust {

namespace {

// scrypt (RFC 7914): what one guess costs whoever would try many. 32 MiB.
constexpr std::uint64_t kScryptCost = 1 << 15;  ///< N
constexpr std::uint64_t kScryptBlock = 8;       ///< r
constexpr std::uint64_t kScryptParallel = 1;    ///< p
constexpr std::uint64_t kScryptMaxMemory = std::uint64_t{64} << 20;
constexpr std::size_t kWideBytes = 40;  ///< 64 bits more than the order: hardly a bias

std::string text(const protocol::PeerId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

spake2::Scalar stretched(const PairingCode& code, const std::string& salt) {
  Secret wide(std::string(kWideBytes, '\0'));
  if (EVP_PBE_scrypt(code.words.data(), code.words.size(),
                     reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), kScryptCost,
                     kScryptBlock, kScryptParallel, kScryptMaxMemory,
                     reinterpret_cast<unsigned char*>(wide.bytes.data()), wide.bytes.size()) != 1)
    throw std::bad_alloc();
  return spake2::reduced(wide.bytes);
}

spake2::Role role_of(Pairing::Role role) {
  return role == Pairing::Role::joiner ? spake2::Role::a : spake2::Role::b;
}

}  // namespace

Pairing::Pairing(Role role, const PairingCode& code, const protocol::PeerId& joiner,
                 const protocol::PeerId& inviter, std::span<const std::byte> tls_exporter,
                 spake2::Scalar secret)
    : role_(role),
      id_joiner_("peer-A" + text(joiner)),
      id_inviter_("peer-B" + text(inviter)),
      exporter_(reinterpret_cast<const char*>(tls_exporter.data()), tls_exporter.size()),
      w_(stretched(code, "peer-pair-v1" + text(joiner) + text(inviter))),
      secret_(std::move(secret)),
      share_(spake2::share(role_of(role), w_, secret_)) {}

bool Pairing::take_share(std::string_view theirs) {
  const bool in_order = state_ == State::fresh;
  state_ = State::failed;
  if (!in_order || theirs == share_) return false;
  auto keys =
      spake2::agree(role_of(role_), {id_joiner_, id_inviter_, exporter_}, w_, secret_, theirs);
  if (!keys) return false;
  keys_ = *std::move(keys);
  state_ = State::keyed;
  return true;
}

std::string Pairing::confirmation() const {
  // The inviter's would tell a joiner whether its guess was right: only who has proven it hears it.
  const bool may = state_ == State::proven || (state_ == State::keyed && role_ == Role::joiner);
  if (!may) return {};
  return role_ == Role::joiner ? keys_.mac_a : keys_.mac_b;
}

bool Pairing::check(std::string_view theirs) {
  const bool in_order = state_ == State::keyed;
  state_ = State::failed;
  const auto& expected = role_ == Role::joiner ? keys_.mac_b : keys_.mac_a;
  if (!in_order || !spake2::same_mac(theirs, expected)) return false;
  state_ = State::proven;
  return true;
}

}  // namespace peer::trust
