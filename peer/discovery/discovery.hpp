#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "discovery/link_socket.hpp"
#include "discovery/nearby.hpp"
#include "protocol/beacon.hpp"

namespace peer::discovery {

/// What this peer lets the local network know.
struct Saying {
  bool listens = false;                  ///< to what others say; else no socket is open
  bool asks = false;                     ///< whether it may ask who is here
  std::optional<protocol::Beacon> here;  ///< what it says of itself
};

/// Announces this peer on every local link, hears others into the table, asks and answers
/// (PROTOCOL.md "Discovery"). A failing link is passed over: it may work when it changes next.
/// Control thread.
class Discovery {
 public:
  /// `saying` is asked whenever something may be said; `changed` is called after the table told
  /// something new. Both, and `nearby`, outlive this.
  Discovery(asio::any_io_executor executor, Nearby& nearby, std::function<Saying()> saying,
            std::function<void()> changed);

  asio::awaitable<void> run();  ///< until cancelled
  /// What is to be said is known: from now on it is.
  void begin();
  /// Links have changed, or what is to be said: sockets are opened anew where need be, and it is
  /// said three times.
  void renew();
  void ask();    ///< who is here? At most once a second
  void leave();  ///< says so, at once, if it ever said that it is here
  std::size_t links() const { return sockets_.size(); }  ///< sockets that are open

 private:
  struct Open {
    Link link;
    LinkSocket::Family family;
    std::shared_ptr<LinkSocket> socket;
  };
  void rebind(async::TaskGroup& tasks);
  asio::awaitable<void> listen(std::shared_ptr<LinkSocket> socket);
  bool take(const LinkSocket::Datagram& datagram);
  void announce_at(Time when);
  void announce();
  void send(const protocol::Beacon& beacon);
  std::chrono::milliseconds between(int from_ms, int to_ms);

  asio::any_io_executor executor_;
  Nearby& nearby_;
  std::function<Saying()> saying_;
  std::function<void()> changed_;
  async::Event wake_;
  std::list<Open> sockets_;
  bool begun_ = false;
  bool rebind_ = false;
  unsigned repeats_ = 0;     ///< announcements that follow the next one soon
  Time next_ = Time::max();  ///< when to announce
  Time last_{};              ///< when it was announced
  Time asked_{};
  std::optional<protocol::PeerId> own_;  ///< who it has ever said that it is
  bool said_ = false;                    ///< and has not taken back
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace peer::discovery
