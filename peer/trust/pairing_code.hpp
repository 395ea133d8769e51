#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace peer::trust {

inline constexpr unsigned kMaxPairingSlot = 999;  ///< that is read; ours have one or two digits
inline constexpr std::size_t kPairingWords = 3;   ///< of 1,024 each: 30 bits, and one try

/// What one person says and the other types: `7-guitar-otter-lamp`. One use.
struct PairingCode {
  unsigned slot = 0;  ///< 1 to kMaxPairingSlot: finds the inviter nearby; no secret
  std::string words;  ///< the secret, in its normal form: lower case, joined by '-'

  std::string text() const;  ///< "7-guitar-otter-lamp"
  friend bool operator==(const PairingCode&, const PairingCode&) = default;
};

/// With a slot of 1 to 99.
PairingCode make_pairing_code();

/// Why what was typed can be no code. Nothing has been sent yet, so nothing is lost.
struct CodeFault {
  std::string text;     ///< a whole sentence for people, escaped
  std::string word;     ///< the one that is not in the list; empty if that is not the fault
  std::string nearest;  ///< word of the list that was probably meant; empty if none is near
};

/// Letter case does not matter; numbers and words may stand apart by spaces, dashes, or both.
std::variant<PairingCode, CodeFault> parse_pairing_code(std::string_view typed);

/// For completion while typing: the words that begin with `start` (in any case), in their order.
std::vector<std::string_view> pairing_words_starting(std::string_view start);

}  // namespace peer::trust
