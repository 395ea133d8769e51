#pragma once

#include <chrono>
#include <cstddef>

namespace peer::node {

/// At most so many in a span of time.
class Pace {
 public:
  Pace(std::size_t most, std::chrono::steady_clock::duration span) : most_(most), span_(span) {}

  bool allows() {
    const auto now = std::chrono::steady_clock::now();
    if (now - begin_ > span_) {
      begin_ = now;
      count_ = 0;
    }
    return ++count_ <= most_;
  }

 private:
  std::size_t most_;
  std::chrono::steady_clock::duration span_;
  std::chrono::steady_clock::time_point begin_{};
  std::size_t count_ = 0;
};

}  // namespace peer::node
