#include "node/want_window.hpp"

#include <algorithm>
#include <cassert>

namespace peer::node {

void WantWindow::wanted(std::uint64_t length, Time now) {
  open_.push_back({length, arrived_, now});
}

void WantWindow::answered(std::uint64_t length, std::uint64_t payload, Time now) {
  assert(!open_.empty() && length <= open_.front().left);
  auto& want = open_.front();
  if (!want.answered) learn(want, now);
  want.answered = true;
  want.left -= length;
  if (want.left == 0) open_.pop_front();
  arrived_ += payload;
}

/// Of the time from a want to its first answer, and of what arrived in between.
void WantWindow::learn(const Wanted& want, Time now) {
  const std::chrono::duration<double> time = now - want.sent;
  if (time.count() <= 0) return;
  if (round_trip_.count() == 0 || time < round_trip_) round_trip_ = time;
  const double rate = static_cast<double>(arrived_ - want.arrived) / time.count();
  rate_ = std::max(rate, rate_ + (rate - rate_) / 8);
  const double enough =
      std::min(2 * rate_ * round_trip_.count(), static_cast<double>(kLaneWindowMost));
  bytes_ = std::max(static_cast<std::uint64_t>(enough), kLaneWindowLeast);
}

std::uint64_t WantWindow::want_bytes() const {
  return std::clamp(bytes_ / 4 / protocol::kBlockBytes * protocol::kBlockBytes,
                    protocol::kBlockBytes, kLaneWantBytes);
}

}  // namespace peer::node
