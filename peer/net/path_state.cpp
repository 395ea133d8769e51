#include "net/path_state.hpp"

#include <linux/tcp.h>  // newer than the C library's, which has the same names
#include <sys/socket.h>

#include <cstddef>

namespace peer::net {

namespace {
constexpr int kTcpLevel = 6;  // IPPROTO_TCP
}

PathState path_state(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  PathState state;
  if (::getsockopt(fd, kTcpLevel, TCP_INFO, &info, &length) != 0) return state;
  state.on_the_way = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0;
  if (length >= offsetof(tcp_info, tcpi_rwnd_limited) + sizeof info.tcpi_rwnd_limited)
    state.receiver_slow = std::chrono::microseconds(info.tcpi_rwnd_limited);
  return state;
}

}  // namespace peer::net
