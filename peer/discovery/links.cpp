#include "discovery/links.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace peer::discovery {

namespace {

bool leads_somewhere(unsigned flags) {
  constexpr unsigned kNeeded = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
  return (flags & kNeeded) == kNeeded && (flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) == 0;
}

bool is_link_local(const sockaddr& address) {
  sockaddr_in6 in{};
  std::memcpy(&in, &address, sizeof in);
  return IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr);
}

}  // namespace

bool ranks_low(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kPrefixes{
      "docker", "br-", "veth", "virbr", "tun", "tap", "wg", "utun", "tailscale", "zt"};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::vector<Link> local_links() {
  std::vector<Link> links;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return links;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || !leads_somewhere(one->ifa_flags)) continue;
    const auto family = one->ifa_addr->sa_family;
    const bool v4 = family == AF_INET;
    const bool v6 = family == AF_INET6 && is_link_local(*one->ifa_addr);
    if (!v4 && !v6) continue;
    auto at = std::ranges::find(links, one->ifa_name, &Link::name);
    if (at == links.end()) {
      links.push_back(
          {one->ifa_name, ::if_nametoindex(one->ifa_name), false, false, ranks_low(one->ifa_name)});
      at = links.end() - 1;
    }
    at->v4 = at->v4 || v4;
    at->v6 = at->v6 || v6;
  }
  ::freeifaddrs(list);
  return links;
}

}  // namespace peer::discovery
