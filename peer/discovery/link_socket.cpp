#include "discovery/link_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/ip/address.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/limits.hpp"

namespace peer::discovery {

namespace {

constexpr int kReceiveBytes = 64 * 1024;  ///< a flood is dropped by the kernel, not read by us

template <class T>
bool set(int fd, int level, int option, const T& value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

sockaddr_in group4() {
  sockaddr_in group{};
  group.sin_family = AF_INET;
  group.sin_port = htons(protocol::kBeaconPort);
  ::inet_pton(AF_INET, protocol::kBeaconGroup4, &group.sin_addr);
  return group;
}

sockaddr_in6 group6(unsigned index) {
  sockaddr_in6 group{};
  group.sin6_family = AF_INET6;
  group.sin6_port = htons(protocol::kBeaconPort);
  group.sin6_scope_id = index;
  ::inet_pton(AF_INET6, protocol::kBeaconGroup6, &group.sin6_addr);
  return group;
}

/// Bound to the group, so that nothing else arrives; of all links' datagrams only this one's.
bool join4(int fd, unsigned index) {
  const auto group = group4();
  ip_mreqn where{};
  where.imr_multiaddr = group.sin_addr;
  where.imr_ifindex = static_cast<int>(index);
  const int one = 1;
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&group), sizeof group) == 0 &&
         set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) && set(fd, IPPROTO_IP, IP_MULTICAST_IF, where) &&
         set(fd, IPPROTO_IP, IP_MULTICAST_TTL, one) &&
         set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, one) &&
         set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, where);
}

bool join6(int fd, unsigned index) {
  const auto group = group6(index);
  ipv6_mreq where{};
  where.ipv6mr_multiaddr = group.sin6_addr;
  where.ipv6mr_interface = index;
  const int one = 1;
  return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, one) &&
         ::bind(fd, reinterpret_cast<const sockaddr*>(&group), sizeof group) == 0 &&
         set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(index)) &&
         set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, one) &&
         set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, one) &&
         set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, where);
}

/// Empty if it is no address that anybody could be dialled at.
std::string host_of(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    const asio::ip::address_v4 address(ntohl(in.sin_addr.s_addr));
    return address.is_unspecified() || address.is_multicast() ? std::string() : address.to_string();
  }
  if (from.ss_family != AF_INET6) return {};
  sockaddr_in6 in{};
  std::memcpy(&in, &from, sizeof in);
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
  const asio::ip::address_v6 address(bytes, in.sin6_scope_id);
  return address.is_unspecified() || address.is_multicast() ? std::string() : address.to_string();
}

}  // namespace

LinkSocket::LinkSocket(asio::any_io_executor executor, int fd, Link link, Family family)
    : socket_(std::move(executor), fd),
      link_(std::move(link)),
      family_(family),
      buffer_(protocol::kMaxBeaconBytes + 1) {}

Result<std::shared_ptr<LinkSocket>> LinkSocket::open(asio::any_io_executor executor,
                                                     const Link& link, Family family) {
  const bool v4 = family == Family::v4;
  const int fd =
      ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  const auto failed = [&] {
    Error error(std::error_code(errno, std::generic_category()),
                std::string(v4 ? "IPv4" : "IPv6") + " multicast on " + link.name);
    if (fd >= 0) ::close(fd);
    return error;
  };
  if (fd < 0) return failed();
  // Several peers of one machine share the port.
  if (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !set(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBytes) ||
      !(v4 ? join4(fd, link.index) : join6(fd, link.index)))
    return failed();
  return std::shared_ptr<LinkSocket>(new LinkSocket(std::move(executor), fd, link, family));
}

asio::awaitable<void> LinkSocket::readable() {
  co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
}

std::optional<LinkSocket::Datagram> LinkSocket::read() {
  if (!socket_.is_open()) return std::nullopt;
  for (;;) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const auto got = ::recvfrom(socket_.native_handle(), buffer_.data(), buffer_.size(), 0,
                                reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    return Datagram{std::span(buffer_).first(static_cast<std::size_t>(got)),
                    {host_of(from), link_.low}};
  }
}

bool LinkSocket::send(std::string_view datagram) {
  if (!socket_.is_open()) return false;
  const auto to4 = group4();
  const auto to6 = group6(link_.index);
  const bool v4 = family_ == Family::v4;
  const auto* to =
      v4 ? reinterpret_cast<const sockaddr*>(&to4) : reinterpret_cast<const sockaddr*>(&to6);
  return ::sendto(socket_.native_handle(), datagram.data(), datagram.size(), MSG_NOSIGNAL, to,
                  v4 ? sizeof to4 : sizeof to6) >= 0;
}

void LinkSocket::close() {
  std::error_code ignored;
  socket_.close(ignored);
}

}  // namespace peer::discovery
