#include "discovery/discovery.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "async/sleep.hpp"
#include "base/log.hpp"
#include "protocol/limits.hpp"

namespace peer::discovery {

using protocol::Beacon;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int kDatagramsAtOnce = 16;
constexpr milliseconds kReadPause{10};  ///< so of a flood 1,600 datagrams a second are read
constexpr unsigned kRepeats = 2;        ///< after the first: multicast gets lost
constexpr milliseconds kLeast{1000};    ///< between two answers
constexpr std::chrono::seconds kExpireEvery{5};

}  // namespace

Discovery::Discovery(asio::any_io_executor executor, Nearby& nearby, std::function<Saying()> saying,
                     std::function<void()> changed)
    : executor_(executor),
      nearby_(nearby),
      saying_(std::move(saying)),
      changed_(std::move(changed)),
      wake_(executor) {}

asio::awaitable<void> Discovery::run() {
  auto nobody = [](std::string_view, std::exception_ptr) {};
  auto work = [this](async::TaskGroup& tasks) -> asio::awaitable<void> {
    for (;;) {
      if (std::exchange(rebind_, false)) rebind(tasks);
      const auto now = steady_clock::now();
      if (now >= next_) announce();
      if (nearby_.expire(now)) changed_();
      const auto next = std::min<Time>(next_, now + kExpireEvery);
      co_await wake_.wait_for(next - now);
    }
  };
  co_await async::with_tasks(std::move(nobody), std::move(work));
}

void Discovery::begin() {
  if (!std::exchange(begun_, true)) renew();
}

void Discovery::renew() {
  if (!begun_) return;
  rebind_ = true;
  wake_.notify_all();
}

/// Opens what has come and closes what has gone; then all is said anew.
void Discovery::rebind(async::TaskGroup& tasks) {
  const auto saying = saying_();
  if (!saying.here) leave();
  const auto links = saying.listens ? local_links() : std::vector<Link>();
  std::erase_if(sockets_, [&](Open& open) {
    const auto at = std::ranges::find(links, open.link.index, &Link::index);
    const bool v4 = open.family == LinkSocket::Family::v4;
    const bool stays = at != links.end() && at->name == open.link.name && (v4 ? at->v4 : at->v6);
    if (!stays) open.socket->close();
    return !stays;
  });
  const auto open = [&](const Link& link, LinkSocket::Family family) {
    const bool here = std::ranges::any_of(sockets_, [&](const Open& one) {
      return one.link.index == link.index && one.family == family;
    });
    if (here) return;
    auto socket = LinkSocket::open(executor_, link, family);
    if (!socket) {
      base::log(base::Level::info, "discovery", socket.error().text());
      return;
    }
    sockets_.push_back({link, family, *socket});
    tasks.spawn("listen", listen(*socket));
  };
  for (const Link& link : links) {
    if (link.v4) open(link, LinkSocket::Family::v4);
    if (link.v6) open(link, LinkSocket::Family::v6);
  }
  repeats_ = kRepeats;
  next_ = steady_clock::now() + between(0, 50);
  asked_ = {};
  ask();
}

asio::awaitable<void> Discovery::listen(std::shared_ptr<LinkSocket> socket) {
  for (;;) {
    co_await socket->readable();
    bool news = false;
    for (int i = 0; i < kDatagramsAtOnce; ++i) {
      const auto datagram = socket->read();
      if (!datagram) break;
      news = take(*datagram) || news;
    }
    if (news) changed_();
    co_await async::sleep(kReadPause);
  }
}

/// Whether it told anything new.
bool Discovery::take(const LinkSocket::Datagram& datagram) {
  if (datagram.from.host.empty()) return false;
  const auto beacon = protocol::decode_beacon(datagram.bytes);
  if (!beacon) return false;
  const auto now = steady_clock::now();
  if (beacon->kind == Beacon::Kind::ask) {
    announce_at(std::max<Time>(now + between(20, 120), last_ + kLeast));
    return false;
  }
  // Asking saying_() for each datagram would cost a look at all interfaces.
  return beacon->id != own_ && nearby_.heard(*beacon, datagram.from, now);
}

void Discovery::announce_at(Time when) {
  if (when >= next_) return;
  next_ = when;
  wake_.notify_all();
}

void Discovery::announce() {
  last_ = steady_clock::now();
  if (const auto saying = saying_(); saying.here) {
    send(*saying.here);
    own_ = saying.here->id;
    said_ = true;
  } else {
    leave();
  }
  if (repeats_ > 0) {
    next_ = last_ + (repeats_-- == kRepeats ? between(400, 600) : between(800, 1200));
  } else {
    const auto every = std::chrono::duration_cast<milliseconds>(protocol::kAnnounceEvery);
    const auto ms = static_cast<int>(every.count());
    next_ = last_ + between(ms * 4 / 5, ms * 6 / 5);
  }
}

void Discovery::ask() {
  const auto now = steady_clock::now();
  if (asked_ != Time{} && now - asked_ < kLeast) return;
  if (!saying_().asks) return;
  asked_ = now;
  send(Beacon{});
}

void Discovery::leave() {
  if (!std::exchange(said_, false)) return;
  Beacon beacon;
  beacon.kind = Beacon::Kind::leaving;
  beacon.id = *own_;
  send(beacon);
}

void Discovery::send(const Beacon& beacon) {
  const auto datagram = protocol::encode(beacon);
  for (const auto& open : sockets_) open.socket->send(datagram);
}

milliseconds Discovery::between(int from_ms, int to_ms) {
  return milliseconds(std::uniform_int_distribution<int>(from_ms, to_ms)(random_));
}

}  // namespace peer::discovery
