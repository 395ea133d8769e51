#include "discovery/probe.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "async/sleep.hpp"
#include "protocol/beacon.hpp"

namespace peer::discovery {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kWait{500};
constexpr milliseconds kLook{10};
constexpr int kDatagramsAtOnce = 64;  ///< whatever floods the group

bool came_back(LinkSocket& socket, const std::function<bool(const std::string&)>& is_own) {
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    const auto datagram = socket.read();
    if (!datagram) return false;
    const auto beacon = protocol::decode_beacon(datagram->bytes);
    if (beacon && beacon->kind == protocol::Beacon::Kind::ask && is_own(datagram->from.host))
      return true;
  }
  return false;
}

}  // namespace

asio::awaitable<std::vector<Probed>> probe_links(asio::any_io_executor executor,
                                                 std::function<bool(const std::string&)> is_own) {
  using Family = LinkSocket::Family;
  std::vector<Probed> probed;
  std::vector<std::shared_ptr<LinkSocket>> sockets;
  const auto question = protocol::encode(protocol::Beacon{});
  for (const Link& link : local_links()) {
    for (const auto family : {Family::v4, Family::v6}) {
      if (!(family == Family::v4 ? link.v4 : link.v6)) continue;
      Probed one;
      one.link = link;
      one.family = family;
      auto socket = LinkSocket::open(executor, link, family);
      if (!socket) {
        one.trouble = socket.error().text();
      } else if (!(*socket)->send(question)) {
        one.trouble = "nothing can be sent there";
      }
      sockets.push_back(socket && one.trouble.empty() ? *socket : nullptr);
      probed.push_back(std::move(one));
    }
  }
  const auto end = steady_clock::now() + kWait;
  for (bool waiting = true; waiting && steady_clock::now() < end;) {
    co_await async::sleep(kLook);
    waiting = false;
    for (std::size_t i = 0; i < probed.size(); ++i) {
      if (probed[i].heard || !sockets[i]) continue;
      probed[i].heard = came_back(*sockets[i], is_own);
      waiting = waiting || !probed[i].heard;
    }
  }
  co_return probed;
}

}  // namespace peer::discovery
