#include "base/rate_limit.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace peer::base {

void RateLimit::set(std::uint64_t bytes_per_second) {
  const std::lock_guard lock(mutex_);
  rate_ = bytes_per_second;
  paid_at_ = {};
}

std::uint64_t RateLimit::get() const {
  const std::lock_guard lock(mutex_);
  return rate_;
}

void RateLimit::spend(std::uint64_t bytes, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (rate_ == 0) return;
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(rate_));
  paid_at_ = std::max(paid_at_, now - kRateLimitCredit) +
             std::chrono::duration_cast<Clock::duration>(cost);
}

RateLimit::Clock::duration RateLimit::debt(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  return rate_ == 0 ? Clock::duration{} : std::max(paid_at_ - now, Clock::duration{});
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
  if (text == "none" || text == "0") return 0;
  if (text.ends_with("/s")) text.remove_suffix(2);
  constexpr std::uint64_t kMost = 1'000'000'000'000'000;
  const auto rate = parse_size(text);
  if (!rate || *rate < kLeastRate || *rate > kMost) return std::nullopt;
  return rate;
}

}  // namespace peer::base
