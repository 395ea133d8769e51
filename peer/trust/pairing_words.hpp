#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace peer::trust {

inline constexpr std::size_t kPairingWordCount = 1024;  ///< 10 bits a word

/// The words of pairing codes: sorted, 3 to 7 letters a-z, common, no two of them one typing
/// mistake apart, no two with the same first four letters. PROTOCOL.md names this file: whoever
/// invites takes words of it, and a word that is gone from it can no longer be joined with.
extern const std::array<std::string_view, kPairingWordCount> kPairingWordList;

}  // namespace peer::trust
