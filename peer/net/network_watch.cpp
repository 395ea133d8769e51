#include "net/network_watch.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <string_view>

#include "async/sleep.hpp"
#include "async/task_group.hpp"

namespace peer::net {

namespace {

constexpr std::chrono::milliseconds kSettle{300};  ///< an interface comes up in several steps
constexpr std::chrono::seconds kClockLook{2};
constexpr std::chrono::seconds kSlept{5};  ///< a shorter sleep no connection notices

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// How long this machine has been asleep since it was started.
std::chrono::nanoseconds time_asleep() {
  return read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
}

/// -1 if the system has no such thing, or does not allow it.
int open_route_socket() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return -1;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

/// What the messages say does not matter, nor whether some were lost (ENOBUFS): something changed.
void drain(int fd) {
  std::array<char, 8192> buffer;
  while (::recv(fd, buffer.data(), buffer.size(), 0) > 0 || errno == EINTR || errno == ENOBUFS) {
  }
}

asio::awaitable<void> watch_routes(const std::function<void()>& changed) {
  const int fd = open_route_socket();
  if (fd < 0) co_return;
  auto executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor socket(executor, fd);
  for (;;) {
    co_await socket.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    co_await async::sleep(kSettle);
    drain(fd);
    changed();
  }
}

asio::awaitable<void> watch_sleep(const std::function<void()>& changed) {
  for (auto asleep = time_asleep();;) {
    co_await async::sleep(kClockLook);
    if (time_asleep() - asleep < kSlept) continue;
    asleep = time_asleep();
    changed();
  }
}

}  // namespace

asio::awaitable<void> watch_network(std::function<void()> changed) {
  auto nobody = [](std::string_view, std::exception_ptr) {};
  auto both = [&changed](async::TaskGroup& tasks) -> asio::awaitable<void> {
    tasks.spawn("routes", watch_routes(changed));
    tasks.spawn("sleep", watch_sleep(changed));
    co_await tasks.join();
  };
  co_await async::with_tasks(std::move(nobody), std::move(both));
}

bool is_own_address(const asio::ip::address& address) {
  asio::io_context nothing;
  asio::ip::udp::socket socket(nothing);
  std::error_code error;
  const asio::ip::udp::endpoint endpoint(address, 0);
  socket.open(endpoint.protocol(), error);
  if (!error) socket.bind(endpoint, error);
  return error.value() != EADDRNOTAVAIL;
}

}  // namespace peer::net
