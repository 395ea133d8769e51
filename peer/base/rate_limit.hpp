#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

namespace peer::base {

/// So many bytes a second. Who moves bytes spends them first and then waits until the debt is paid;
/// so a limit that is lifted is felt at once. Thread-safe.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  void set(std::uint64_t bytes_per_second);  ///< 0: none. Forgets what is owed.
  std::uint64_t get() const;
  void spend(std::uint64_t bytes, Clock::time_point now);
  /// How long nothing more may be moved; zero: go on. To be asked again at least every
  /// kRateLimitLooks, for the limit may have changed.
  Clock::duration debt(Clock::time_point now) const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t rate_ = 0;
  Clock::time_point paid_at_;  ///< when all that was spent is paid for
};

inline constexpr std::chrono::milliseconds kRateLimitLooks{100};
/// What was not used is kept for so long, or every sleep that lasts a little too long would cost.
inline constexpr std::chrono::milliseconds kRateLimitCredit{100};
/// Slower, and a block takes longer than the other side waits for one.
inline constexpr std::uint64_t kLeastRate = 1000;

/// "20M", "500k", "1.5MB/s", "2MiB" (k, M and G are powers of 1000); "none" and "0" are 0. Nothing
/// for anything else, and for less than kLeastRate.
std::optional<std::uint64_t> parse_rate(std::string_view text);

}  // namespace peer::base
