#include "base/rate_limit.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

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
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (failed != std::errc{}) return std::nullopt;
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.ends_with("/s")) unit.remove_suffix(2);
  if (unit.ends_with('B')) unit.remove_suffix(1);
  const double step = unit.ends_with('i') ? 1024 : 1000;
  if (unit.ends_with('i')) unit.remove_suffix(1);
  if (unit.empty() && step == 1024) return std::nullopt;
  constexpr std::string_view kUnits = "kMG";
  if (unit.size() > 1) return std::nullopt;
  if (unit.size() == 1) {
    const auto power = kUnits.find(unit == "K" ? 'k' : unit.front());
    if (power == std::string_view::npos) return std::nullopt;
    value *= std::pow(step, static_cast<double>(power + 1));
  }
  constexpr double kMost = 1e15;
  if (!(value >= static_cast<double>(kLeastRate)) || value > kMost) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

}  // namespace peer::base
