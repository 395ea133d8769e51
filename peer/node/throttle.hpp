#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/rate_limit.hpp"
#include "node/time_spent.hpp"

namespace peer::node {

/// How fast one transfer may go: its own limit and that of the whole node, whichever is lower.
/// And where its time goes. Thread-safe. The node's limit outlives it.
class Throttle {
 public:
  Throttle(std::shared_ptr<base::RateLimit> own, base::RateLimit& node,
           std::shared_ptr<TimeSpent> spent)
      : own_(std::move(own)), node_(&node), spent_(std::move(spent)) {}

  TimeSpent& spent() const { return *spent_; }

  void spend(std::uint64_t bytes) const {
    const auto now = base::RateLimit::Clock::now();
    own_->spend(bytes, now);
    node_->spend(bytes, now);
  }
  /// How long to wait before more is moved, cut to what one may wait without asking again.
  std::chrono::nanoseconds wait() const {
    const auto now = base::RateLimit::Clock::now();
    return std::min<std::chrono::nanoseconds>(std::max(own_->debt(now), node_->debt(now)),
                                              base::kRateLimitLooks);
  }
  /// After a wait(): that is where the time since `lap` went.
  void waited(Lap& lap) const {
    lap.charge(*spent_, TimeSpent::On::limit);
    const auto own = own_->get();
    const auto node = node_->get();
    spent_->limited_to(own == 0 || (node > 0 && node < own) ? node : own);
  }
  /// `most`, or less where a limit would make it last longer than an eighth of a second: slow
  /// transfers move in small pieces.
  std::uint64_t piece(std::uint64_t most) const {
    for (const auto rate : {own_->get(), node_->get()})
      if (rate > 0) most = std::min(most, std::max(rate / 8, kLeastPiece));
    return most;
  }

 private:
  static constexpr std::uint64_t kLeastPiece = 4 * 1024;

  std::shared_ptr<base::RateLimit> own_;
  base::RateLimit* node_;
  std::shared_ptr<TimeSpent> spent_;
};

}  // namespace peer::node
