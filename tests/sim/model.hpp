#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "protocol/message.hpp"
#include "protocol/ranges.hpp"

/// What every simulated offer looks like, what a taker does with it, and chance from a seed.
namespace peer::sim {

using namespace protocol;

/// What a taker does about an offer once its manifest is there.
enum class Plan : std::uint8_t {
  all,              ///< accepts all, takes it, done
  half_then_rest,   ///< a round, and when that is closed the rest
  half_rest_early,  ///< a round, and the rest accepted before that is closed
  half_then_cancel,
  half_only,  ///< a round; the rest stays on offer
  reject,
  cancel,
  accept_then_cancel,
  widen,       ///< accepts half, and all of it before half is there
  never_want,  ///< accepts and does nothing
  turn_away,   ///< a stranger's: rejected at once and forgotten
  ignore,
};
inline constexpr std::size_t kPlans = 12;

inline bool takes_half_first(Plan plan) {
  return plan == Plan::half_then_rest || plan == Plan::half_rest_early ||
         plan == Plan::half_then_cancel || plan == Plan::half_only || plan == Plan::widen;
}

inline constexpr std::uint64_t kStreamBytes = 90;
inline constexpr std::uint64_t kHalfBytes = 40;
inline constexpr std::uint64_t kManifestBytes = 20;
inline constexpr std::uint64_t kPieceBytes = 25;  ///< wanted at a time
inline constexpr std::uint64_t kSimBlockBytes = 15;
/// The files of the stream, in order; the first two are the half.
inline constexpr std::array<Range, 3> kFiles{{{0, 30}, {30, 40}, {40, 90}}};
inline constexpr Range kHole{60, 80};

inline OfferId offer_id(std::uint64_t number) {
  OfferId id;
  for (std::size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::byte>(number >> (8 * i));
  return id;
}

inline std::uint64_t number_of(const OfferId& id) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i)
    number |= std::to_integer<std::uint64_t>(id.bytes[i]) << (8 * i);
  return number;
}

/// The bytes an offer has there; holes are zeros.
inline std::string content(const OfferId& id, Of of, Range range) {
  std::string bytes;
  for (auto at = range.begin; at < range.end; ++at) {
    const bool hole = of == Of::stream && at >= kHole.begin && at < kHole.end;
    const auto salt = std::to_integer<std::uint64_t>(id.bytes[0]) + (of == Of::stream ? 0 : 11);
    bytes += hole ? '\0' : static_cast<char>('a' + (at * 7 + salt) % 26);
  }
  return bytes;
}

/// splitmix64: the same numbers from the same seed everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t roll() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(roll() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace peer::sim
