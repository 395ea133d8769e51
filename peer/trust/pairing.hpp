#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "protocol/peer_id.hpp"
#include "trust/pairing_code.hpp"
#include "trust/spake2.hpp"

namespace peer::trust {

/// The TLS exporter that a pairing is bound to: of the connection it runs on.
inline constexpr char kPairingExporterLabel[] = "EXPORTER-peer-pair-v1";
inline constexpr std::size_t kPairingExporterBytes = 32;

/// One side of one try at pairing (PROTOCOL.md "Pairing"), without its I/O: both sides prove to
/// each other that they know the code, on this connection, with these certificates, in these roles.
/// A try fails once: afterwards every call fails alike. Shares and MACs are raw bytes.
///
///     joiner                       inviter
///     share()          ------>     take_share()
///     take_share()     <------     share()
///     confirmation()   ------>     check()
///     check()          <------     confirmation()
class Pairing {
 public:
  enum class Role { joiner, inviter };

  /// Takes some 100 ms and 32 MiB (scrypt): not for the control thread. Throws std::bad_alloc.
  /// `secret` is for test vectors.
  Pairing(Role role, const PairingCode& code, const protocol::PeerId& joiner,
          const protocol::PeerId& inviter, std::span<const std::byte> tls_exporter,
          spake2::Scalar secret = spake2::random_scalar());

  /// spake2::kPointBytes.
  const std::string& share() const { return share_; }
  /// Of the other side, once. False for anything but an honest share, our own thrown back included.
  bool take_share(std::string_view theirs);
  /// spake2::kMacBytes; empty before it may be said: the joiner's after take_share(), the inviter's
  /// after check().
  std::string confirmation() const;
  /// The other side's confirmation, once. True: it knows the code.
  bool check(std::string_view theirs);
  /// Whether check() was true.
  bool proven() const { return state_ == State::proven; }

 private:
  enum class State { fresh, keyed, proven, failed };

  const Role role_;
  std::string id_joiner_;
  std::string id_inviter_;
  std::string exporter_;
  spake2::Scalar w_;
  spake2::Scalar secret_;
  std::string share_;
  spake2::Keys keys_;
  State state_ = State::fresh;
};

}  // namespace peer::trust
