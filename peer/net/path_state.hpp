#pragma once

#include <chrono>

namespace peer::net {

/// What the kernel knows of the way of a TCP connection's bytes to the other side. Linux alone
/// tells; elsewhere nothing is known.
struct PathState {
  /// For how long bytes waited here because the other side does not read as fast as they arrive.
  std::chrono::microseconds receiver_slow{};
  bool on_the_way = false;  ///< bytes have not arrived yet
};
PathState path_state(int fd);

}  // namespace peer::net
