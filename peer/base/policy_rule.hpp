#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/peer_id.hpp"

namespace peer::base {

/// The name of the tables in the settings file.
inline constexpr std::string_view kPolicyKey = "policy";
inline constexpr std::size_t kMaxPolicyRules = 1000;
// What is taken without asking where a rule does not say otherwise.
inline constexpr std::uint64_t kUnaskedBytes = 10'000'000'000;  ///< an offer
inline constexpr unsigned kUnaskedFreePercent = 5;              ///< of the disk that stays free
inline constexpr std::uint64_t kNoBound = UINT64_MAX;

/// Whose offers a rule is about.
enum class Whom : std::uint8_t { peer, verified, trusted, contacts, strangers, anyone };
enum class Verdict : std::uint8_t { accept, ask, reject };
std::string_view to_string(Whom whom);
std::string_view to_string(Verdict verdict);

/// How much of a disk must stay free: so many bytes, or a share of it.
struct KeepFree {
  std::optional<std::uint64_t> bytes;
  unsigned percent = kUnaskedFreePercent;  ///< without `bytes`

  std::uint64_t of(std::uint64_t capacity_bytes) const;
  std::string text() const;  ///< "5 %", "20 GB"
  friend bool operator==(const KeepFree&, const KeepFree&) = default;
};

/// One [[policy]] table of the settings file: how offers of some peers are answered.
struct PolicyRule {
  Whom from = Whom::anyone;
  std::string name;                    ///< of a peer: what the file calls it; empty for the others
  std::optional<protocol::PeerId> id;  ///< of a peer; none: `name` is to be looked up
  Verdict verdict = Verdict::ask;
  // Of those that accept:
  std::uint64_t up_to = kUnaskedBytes;  ///< an offer; kNoBound: any size
  KeepFree keep_free;
  std::string to;                   ///< absolute; empty: where files land otherwise
  std::string on_clash = "rename";  ///< or skip, update, overwrite
  std::string text;                 ///< of those that reject: a word to the other side
  std::string place;                ///< "‘config.toml’ line 3, column 1: policy rule 2"
  /// All that is wrong with it, a whole sentence with its place in the file. It then asks, whatever
  /// is written there, and if it is not clear about whom it is, about everybody.
  std::string trouble;

  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

/// What `key` of a rule may be, a clause for behind "it is ", if the text `value` is none of that;
/// nothing if it is right.
std::optional<std::string_view> policy_value_error(std::string_view key, const std::string& value);

}  // namespace peer::base
