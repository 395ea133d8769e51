#include "net/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace peer::net {

namespace {

bool is_container_bridge(std::string_view interface) {
  static constexpr std::array<std::string_view, 4> kPrefixes{"docker", "br-", "veth", "virbr"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return interface.starts_with(prefix); });
}

bool is_link_local_v6(const asio::ip::address& address) {
  return address.is_v6() && address.to_v6().is_link_local();
}

/// 0 first: addresses of people's networks, made-up IPv4 ones (no DHCP answered), bridges.
int rank(const MachineAddress& one) {
  if (is_container_bridge(one.interface)) return 2;
  const bool self_assigned =
      one.address.is_v4() && (one.address.to_v4().to_uint() >> 16) == 0xA9FE;  // 169.254/16
  return self_assigned ? 1 : 0;
}

void add(std::vector<asio::ip::address>& out, const asio::ip::address& address) {
  if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
}

}  // namespace

std::vector<MachineAddress> machine_addresses() {
  std::vector<MachineAddress> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, one->ifa_addr, sizeof in);
      out.push_back({one->ifa_name, asio::ip::address_v4(ntohl(in.sin_addr.s_addr))});
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, one->ifa_addr, sizeof in);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
      out.push_back({one->ifa_name, asio::ip::address_v6(bytes, in.sin6_scope_id)});
    }
  }
  ::freeifaddrs(list);
  return out;
}

std::vector<asio::ip::address> reachable_addresses(const std::vector<asio::ip::address>& bound,
                                                   const std::vector<MachineAddress>& machine) {
  auto sorted = machine;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  std::vector<asio::ip::address> outside;
  std::vector<asio::ip::address> loopback;
  const auto take = [&](const asio::ip::address& address) {
    add(address.is_loopback() ? loopback : outside, address);
  };
  // IPv4 first: it is what people can read out and type.
  for (const bool v6 : {false, true}) {
    for (const auto& address : bound) {
      if (address.is_v6() != v6) continue;
      if (!address.is_unspecified()) {
        take(address);
        continue;
      }
      for (const auto& one : sorted)
        if (one.address.is_v6() == v6 && !is_link_local_v6(one.address)) take(one.address);
    }
  }
  return outside.empty() ? loopback : outside;
}

}  // namespace peer::net
