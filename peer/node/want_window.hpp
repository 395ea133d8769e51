#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "node/limits.hpp"
#include "protocol/limits.hpp"

namespace peer::node {

/// How much a lane wants ahead: twice what arrives in one round trip, so that the giver never waits
/// for wants. More would only be more to want again after a cut, and more holes in files half
/// done. Round trip and speed are seen in the answers themselves: what the kernel says of the
/// connection ends at the next proxy.
class WantWindow {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `length` more bytes of the stream are wanted. Wants are answered in this order.
  void wanted(std::uint64_t length, Time now);
  /// The next `length` bytes were answered, with `payload` raw bytes.
  void answered(std::uint64_t length, std::uint64_t payload, Time now);

  std::uint64_t bytes() const { return bytes_; }  ///< kLaneWindowLeast to kLaneWindowMost
  /// Of one want: four fill the window.
  std::uint64_t want_bytes() const;

 private:
  struct Wanted {
    std::uint64_t left;
    std::uint64_t arrived;  ///< when it was sent
    Time sent;
    bool answered = false;
  };
  void learn(const Wanted& want, Time now);

  std::deque<Wanted> open_;
  std::uint64_t arrived_ = 0;                    ///< raw bytes, in all
  std::chrono::duration<double> round_trip_{0};  ///< the shortest seen; 0: none yet
  double rate_ = 0;                              ///< bytes a second, lately
  std::uint64_t bytes_ = kLaneWindowLeast;
};

}  // namespace peer::node
