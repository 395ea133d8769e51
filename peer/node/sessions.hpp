#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "net/listener.hpp"
#include "node/contacts.hpp"
#include "node/pair.hpp"
#include "node/services.hpp"
#include "node/session.hpp"
#include "trust/names.hpp"

namespace peer::node {

/// What came of dialling.
struct Reached {
  std::shared_ptr<Session> session;     ///< greeted; or none
  std::optional<protocol::PeerId> met;  ///< another identity than expected answered
  std::string where;                    ///< there
  bool itself = false;                  ///< this very peer answered there
  std::error_code code;                 ///< why there is no session
  std::string text;
};

/// Every connection with other peers: who may come in, whom we dial, which of two sessions of a
/// pair stays, lanes. Passes what happens on to the next user. Control thread.
class Sessions : public SessionUser {
 public:
  Sessions(Services& services, Contacts& contacts, SessionUser& next);
  ~Sessions() override;

  Pair& pair(const protocol::PeerId& id);
  const std::map<protocol::PeerId, std::unique_ptr<Pair>>& pairs() const { return pairs_; }

  /// Drops what is known of strangers that are gone and left nothing agreed.
  void forget_strangers();
  /// A socket the listener took.
  void welcome(asio::ip::tcp::socket socket);
  /// Dials one address. With `expected`, another identity there ends in `met` before anything was
  /// said.
  asio::awaitable<Reached> connect(trust::Address address,
                                   std::optional<protocol::PeerId> expected);
  /// The session with this peer; if there is none, its known addresses are dialled.
  asio::awaitable<Reached> reach(Pair& pair);
  /// The same of these addresses, each kWayDelay after the one before or at once when one has
  /// failed; the first connection with its identity is the session, the others are closed. Another
  /// identity somewhere counts only if none has shown the right one.
  asio::awaitable<Reached> reach_at(Pair& pair, std::vector<trust::Address> ways);
  /// Its known addresses, in the order of dialling.
  std::vector<trust::Address> ways_to(const Pair& pair) const;
  /// Dials now, and again with growing pauses until there is a session, for as long as
  /// `has_business` says so.
  void keep_trying(Pair& pair);
  /// The same, but a pause that is under way is cut short, and of those dialled so only kMaxRedials
  /// at a time does not count: somebody waits.
  void try_now(Pair& pair);
  std::function<bool(const Pair&)> has_business;
  /// A connection that begins with `pair`, from anybody who is not blocked; it runs to its end
  /// here. The text is what was read behind that message.
  std::function<asio::awaitable<void>(std::unique_ptr<net::TlsStream>, protocol::Pair, std::string)>
      on_pair;

  /// Addresses or links of this machine have changed, or it was asleep: who waits is dialled at
  /// once, and who does not answer is lost.
  void network_changed();

  /// We dialled the session: we open its lanes.
  void open_lanes(Pair& pair, const protocol::OfferId& id, std::uint32_t count);

  void set_port(std::uint16_t port) {
    port_ = port;
  }  ///< where we listen, for our `hello`s; 0: nowhere
  /// Says `leaving` everywhere and waits for every connection to end.
  asio::awaitable<void> stop();
  std::size_t count() const { return sessions_.size(); }

  // What sessions tell.
  void happened(Pair& pair, Session& session, protocol::Event event) override;
  void block_came(Pair& pair, Session& session, IncomingBlock block) override {
    next_.block_came(pair, session, std::move(block));
  }
  asio::awaitable<std::shared_ptr<storage::Source>> source_of(Pair& pair,
                                                              protocol::OfferId id) override {
    return next_.source_of(pair, id);
  }
  Throttle throttle_of(Pair& pair, const protocol::OfferId& id) override {
    return next_.throttle_of(pair, id);
  }
  void bytes_sent(Pair& pair, const protocol::OfferId& id, std::uint64_t bytes,
                  std::string current) override {
    next_.bytes_sent(pair, id, bytes, std::move(current));
  }
  bool lane_came(Pair& pair, Session& session, const protocol::OfferId& id,
                 net::RawConnection connection) override {
    return next_.lane_came(pair, session, id, std::move(connection));
  }
  bool expects_lane(Pair& pair, const protocol::OfferId& id) override {
    return next_.expects_lane(pair, id);
  }
  void session_ended(Pair& pair, Session& session, std::vector<protocol::Want> unanswered) override;

 private:
  static constexpr std::chrono::milliseconds kLook{50};  ///< between looks at what may have changed
  struct FirstWord {
    std::optional<protocol::Attach> attach;
    std::optional<protocol::Pair>
        pair;           ///< else a `hello`, or something the conversation will refuse
    std::string bytes;  ///< what was read: all of it, or what follows the `attach` or `pair`
  };
  asio::awaitable<void> take_in(asio::ip::tcp::socket socket, std::string network);
  asio::awaitable<Result<FirstWord>> first_word(net::TlsStream& stream);
  asio::awaitable<void> take_lane(Pair& pair, std::unique_ptr<net::TlsStream> stream,
                                  FirstWord word);
  asio::awaitable<void> dial_lane(Pair& pair, std::shared_ptr<Session> session,
                                  protocol::OfferId id);
  asio::awaitable<bool> place_lane(Pair& pair, std::shared_ptr<Session> session,
                                   protocol::OfferId id);
  void try_soon(Pair& pair);
  asio::awaitable<void> stand_in_line(const Pair& pair);
  asio::awaitable<void> redial(Pair& pair);
  asio::awaitable<void> try_way(trust::Address way, Pair& pair, Reached& reached,
                                std::size_t& ended);
  Reached unreached(const Pair& pair, const std::vector<trust::Address>& ways,
                    std::vector<Reached> tried) const;
  bool was_at(const Pair& pair, const std::string& where) const;
  void judge(Pair& pair, const std::shared_ptr<Session>& old,
             const std::shared_ptr<Session>& fresh);
  asio::awaitable<void> probe(std::shared_ptr<Session> session);
  asio::awaitable<void> duel(std::shared_ptr<Session> better, std::shared_ptr<Session> other);
  asio::awaitable<void> run_session(std::shared_ptr<Session> session);
  std::shared_ptr<Session> begin(Pair& pair, std::unique_ptr<net::TlsStream> stream,
                                 std::uint64_t dial, std::string first, std::string address);
  bool may_come_in(const protocol::PeerId& id, const std::string& network) const;
  protocol::Hello hello_for(const Pair& pair, std::uint64_t dial) const;
  void greeted(Pair& pair, Session& session);
  void keep(Pair& pair, const std::shared_ptr<Session>& stays,
            const std::shared_ptr<Session>& goes);

  Services& services_;
  Contacts& contacts_;
  SessionUser& next_;
  std::map<protocol::PeerId, std::unique_ptr<Pair>> pairs_;
  std::list<std::shared_ptr<Session>> sessions_;
  struct Knocking {
    std::string network;  ///< net::network_text()
    net::TlsStream* stream;
  };
  std::list<Knocking> knocking_;  ///< not yet authenticated, oldest first
  std::size_t connections_ = 0;
  std::uint16_t port_ = 0;
  bool stopping_ = false;
  std::size_t redialling_ = 0;  ///< redial tasks that dial just now
  async::Event redials_;        ///< for those that pause or stand in line
  async::TaskGroup tasks_;
};

/// Why a peer cannot be reached, for people: what was tried, where (HOST:PORT), and what to do. The
/// error's context is the whole reason.
std::string dial_text(const std::string& who, const std::string& where, const Error& error);

}  // namespace peer::node
