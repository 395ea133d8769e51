#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "async/event.hpp"
#include "base/block_pool.hpp"
#include "net/tls.hpp"
#include "node/answer.hpp"
#include "node/pair.hpp"
#include "node/services.hpp"
#include "node/throttle.hpp"
#include "protocol/conversation.hpp"
#include "storage/source.hpp"

namespace peer::node {

/// An answer to a want that came on a session. Each holds a buffer of the pool, also when it brings
/// no bytes: so what waits for the disk is bounded, and a giver is not read faster than it is
/// stored.
struct IncomingBlock {
  protocol::Data data;           ///< of a `gone`: what was asked
  base::BlockPool::Block block;  ///< the first data.payload() bytes of it
  std::optional<protocol::Gone> gone;
  std::chrono::steady_clock::time_point announced{};  ///< its header came

  std::uint64_t payload() const { return gone ? 0 : data.payload(); }
};

/// What this session's `hello`s allow in answers to wants.
AnswerForm answer_form(const protocol::Conversation& talk);

/// Who hears what happens on sessions.
class SessionUser {
 public:
  virtual ~SessionUser() = default;
  virtual void happened(Pair& pair, Session& session, protocol::Event event) = 0;
  virtual void block_came(Pair& pair, Session& session, IncomingBlock block) = 0;
  /// The files of an offer of ours that this peer may be sent; none if there is no such offer.
  virtual asio::awaitable<std::shared_ptr<storage::Source>> source_of(Pair& pair,
                                                                      protocol::OfferId id) = 0;
  /// How fast that offer may be given.
  virtual Throttle throttle_of(Pair& pair, const protocol::OfferId& id) = 0;
  /// Of a given offer; `current` is the path of the file they end in.
  virtual void bytes_sent(Pair& pair, const protocol::OfferId& id, std::uint64_t bytes,
                          std::string current) = 0;
  /// A lane for this offer; false: not wanted, the connection is dropped.
  virtual bool lane_came(Pair& pair, Session& session, const protocol::OfferId& id,
                         net::RawConnection connection) = 0;
  /// Whether a lane for this offer may come: it is accepted and being carried out.
  virtual bool expects_lane(Pair& pair, const protocol::OfferId& id) = 0;
  /// `unanswered`: wants that were open here.
  virtual void session_ended(Pair& pair, Session& session,
                             std::vector<protocol::Want> unanswered) = 0;
};

/// The one control connection between two peers: moves bytes between a TlsStream and a
/// Conversation, answers wants with blocks read on the disk pool. Control thread.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `first` are bytes already read behind the handshake. `dial` is 0 when the other side dialled.
  Session(Services& services, Pair& pair, SessionUser& user, std::unique_ptr<net::TlsStream> stream,
          protocol::Hello ours, std::string first, std::string address);
  ~Session();

  /// Until the session is over and closed.
  asio::awaitable<void> run();

  protocol::Conversation& talk() { return talk_; }
  const protocol::Conversation& talk() const { return talk_; }
  /// Sends what the conversation wants said and passes on what happened. After every call into
  /// talk().
  void flush();
  void leave(protocol::Errc code, std::string text = {});
  /// Nothing comes or goes any more.
  void lost(Error why);
  bool greeted() const { return talk_.theirs().has_value(); }
  bool over() const { return talk_.over(); }
  /// Lanes of this session that we dialled, by offer: on their way or carrying blocks.
  std::uint32_t& lanes_of(const protocol::OfferId& offer) { return lanes_[offer]; }
  /// If it fell silent, perhaps because large packets vanish on the way, new ones send small ones.
  void lane_ended(const protocol::OfferId& offer, bool fell_silent = false);
  bool unread() const { return outbox_bytes_ > 0; }  ///< something waits for the other side to read

  Pair& pair() { return pair_; }
  bool dialled() const { return talk_.ours().dial > 0; }
  /// What bounds per address count by (net::network_text).
  const std::string& remote_network() const { return remote_network_; }
  const asio::ip::address& local() const { return local_; }  ///< of this machine
  std::string remote() const { return remote_; }  ///< where the other side's packets come from
  const std::string& dialled_at() const {
    return address_;
  }  ///< "host:port" that was dialled; empty if we did not
  std::chrono::system_clock::time_point since() const { return since_; }
  std::chrono::steady_clock::time_point heard() const { return heard_; }
  protocol::SessionKey key() const;

 private:
  struct Outgoing {
    std::string control;
    base::BlockPool::Block block;
    std::size_t bytes = 0;
  };

  asio::awaitable<void> read_loop();
  asio::awaitable<void> write_loop();
  asio::awaitable<void> clock_loop();
  asio::awaitable<void> serve_loop();
  asio::awaitable<void> answer(protocol::Want want, Throttle throttle);
  void refuse_want(const protocol::OfferId& id, const std::string& why);
  void send_block(const protocol::Data& data, base::BlockPool::Block block);
  asio::awaitable<bool> take_bytes(std::span<const std::byte> bytes);
  asio::awaitable<void> take_announced();
  void end_block();
  void take_events();
  void queue_output();
  storage::Source::Reader* reader_of(const protocol::OfferId& id,
                                     const std::shared_ptr<storage::Source>& source);

  Services& services_;
  Pair& pair_;
  SessionUser& user_;
  std::unique_ptr<net::TlsStream> stream_;
  protocol::Conversation talk_;
  std::string first_;
  std::map<protocol::OfferId, std::uint32_t> lanes_;
  std::string address_;
  asio::ip::address local_;
  std::string remote_;
  std::string remote_network_;
  std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point heard_ = std::chrono::steady_clock::now();

  std::deque<Outgoing> outbox_;
  std::size_t outbox_bytes_ = 0;
  std::optional<IncomingBlock> incoming_;  ///< being filled
  bool leaving_ = false;                   ///< in order: what is still read means nothing
  bool read_to_its_end_ = false;           ///< the other side has closed
  std::deque<IncomingBlock>
      announced_;  ///< their headers were read, their buffers are not taken yet
  std::size_t filled_ = 0;
  Lap served_;  ///< of the transfer whose turn it is
  std::map<protocol::OfferId,
           std::pair<std::shared_ptr<storage::Source>, std::unique_ptr<storage::Source::Reader>>>
      readers_;
  async::Event writable_;  ///< the outbox has something
  async::Event written_;   ///< the outbox has less
  async::Event wanted_;    ///< somebody wants bytes
  async::Event clock_;     ///< the deadline moved
  async::Event over_;
};

}  // namespace peer::node
