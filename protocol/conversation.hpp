#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/frame.hpp"
#include "protocol/ledger.hpp"
#include "protocol/limits.hpp"
#include "protocol/message.hpp"
#include "protocol/precedence.hpp"
#include "protocol/wants.hpp"

/// One session as a state machine: bytes and time in, events and bytes out; no socket, no clock
/// (PROTOCOL.md "Sessions").
namespace peer::protocol {

// What the other side said, judged; in the order it was said. The ledger has already changed when
// an event is seen.
struct Greeted {
  Hello hello;
};  ///< the first event of a session
struct LaneAttached {
  Attach attach;
};  ///< instead of Greeted: this connection is a lane; take_rest()
struct Offered {
  Offer offer;
  bool repeated = false;
};
struct Accepted {
  Accept accept;
  bool repeated = false;
};
struct Rejected {
  Reject reject;
};
struct Finished {
  Done done;
  bool repeated = false;
};  ///< complete: the offer ended; else it stays open
struct Cancelled {
  Cancel cancel;  ///< the one that counts: of two that crossed, the giver's
  Direction direction;
};
/// `closed`, or an `error` that refuses the offer (unknown_offer, or bad_offer to our `offer` or
/// `accept`): an offer ended without a message of its own (`done` of ours was taken note of, our
/// cancel lost against a done, ...). `answers` is the type of our message, or "error".
struct Settled {
  OfferId id;
  Direction direction;
  Outcome outcome;
  std::string answers;
};
struct RoundClosed {
  OfferId id;
};  ///< our `done` with complete:false was taken note of
struct Wanted {
  OfferId id;
};  ///< served_wants() has grown
struct DataComing {
  Data data;
};  ///< its raw bytes follow: payload_left()
struct EntryGone {
  Gone gone;
};
struct Checked {
  Check check;
};
struct CheckAnswered {
  OfferId id;
  Range range;
  bool same;
};
struct ListAsked {
  List list;
};
struct ListingCame {
  Listing listing;
};
struct GetAsked {
  Get get;
};
/// `error`; or one of our own making for a request that could not be said.
struct Troubled {
  Trouble trouble;
  std::vector<Want> dropped;
};  ///< dropped: wants of ours that it ended
struct Over {
  Error error;
  bool by_peer = false;
};  ///< the connection ends once take_output() is written; the last event

using Event = std::variant<Greeted, LaneAttached, Offered, Accepted, Rejected, Finished, Cancelled,
                           Settled, RoundClosed, Wanted, DataComing, EntryGone, Checked,
                           CheckAnswered, ListAsked, ListingCame, GetAsked, Troubled, Over>;

class Conversation {
 public:
  /// `ledger` outlives the conversation. We dialled if `ours.dial` is not 0; then our `hello` is
  /// said at once, else after theirs, so that a lane never hears one.
  Conversation(Ledger& ledger, Hello ours, Time now);
  /// Instead of kMaxWaitingOutput, for those who are trusted less.
  void bound_output(std::size_t bytes) { max_waiting_output_ = bytes; }

  // ---- from the wire

  /// Takes bytes up to the end of the next `data` message with raw bytes, or all; returns how many.
  /// While payload_left() > 0 nothing is taken: those bytes go past us, and payload_passed() says
  /// how many went. Once over, everything is taken and ignored.
  std::size_t received(std::span<const std::byte> bytes, Time now);
  std::uint64_t payload_left() const { return payload_left_; }
  /// Whether the raw bytes that come were announced by DataComing; if not, they belong to a want
  /// that has ended and are thrown away.
  bool payload_wanted() const { return payload_wanted_; }
  void payload_passed(std::uint64_t bytes, Time now);
  /// This side has not read up to now, for want of a buffer: no silence of the other side counts.
  void not_reading(Time now);
  /// The other side closed, or the connection broke. Ends with Over unless that already came.
  void disconnected(Error error);

  // ---- time

  std::optional<Time> deadline() const;
  void timed_out(Time now);  ///< early or late calls are harmless
  /// When the last byte came.
  Time heard() const { return heard_; }

  // ---- to the caller

  std::vector<Event> take_events();
  /// Control bytes to send, possibly none. Taken no faster than they are written, so that what
  /// waits is bounded (kMaxWaitingOutput).
  std::string take_output();
  bool over() const { return over_; }
  const std::optional<Hello>& theirs() const { return theirs_; }
  const Hello& ours() const { return ours_; }
  bool both_have(std::string_view feature) const;
  /// Whether the other side takes a message of this length; see json_bytes() for those with lists.
  bool fits(const Message& message) const;

  // ---- what this side says
  //
  // Before `hello` arrived these are a caller's bug. Once over() they do nothing, nor do those
  // about an offer that has ended: the ledger runs ahead of the events a caller is working through.

  /// Says what the ledger holds and this session has not heard. Called after local decisions; a
  /// `hello` calls it by itself. Before `hello` it does nothing.
  void sync(Time now);
  /// The next sync() says this offer of ours once more: what stood still goes on.
  void offer_again(const OfferId& id);
  /// When asked().room() is false: a caller's bug.
  void want(const Want& want);
  const AskedWants& asked() const { return asked_; }
  const ServedWants& served() const { return served_; }
  /// What served().next() asks for has to wait; the next offer's turn.
  void pass_turn() { served_.pass(); }
  /// The framed header to send, its raw bytes right behind; answers the head of served().next().
  /// Zeros only if both_have("zeros"). Not once over.
  std::string data_header(const Data& data);
  /// Answers the head of served().next().
  void gone(const Gone& gone);
  /// Whether a `check` may be sent now.
  bool room_for_check() const { return checks_asked_.size() < kMaxOpenChecks; }
  void check(const Check& check);
  void check_answer(const OfferId& id, Range range, bool same);
  /// With kMaxOpenRequests of ours unanswered it is not said: Troubled (busy) comes instead.
  void list(const List& list);
  /// If it is larger than what the other side takes, `error too_large` goes in its place.
  void listing(const Listing& listing);
  /// About a request, an offer or nothing; not fatal. About an offer of ours it also ends the wants
  /// open here.
  void trouble(const Trouble& trouble);
  void ping();
  /// Ends the session on purpose: `error` with this code, fatal. Also before `hello`.
  void leave(Errc code, std::string text = {});

  /// A lane's bytes behind its `attach` that were fed and not taken.
  std::string take_rest();

 private:
  struct Handler;  // conversation_handlers.cpp: one function a message
  friend struct Handler;

  /// What of one offer this session has heard from us.
  struct Said {
    bool offer = false;
    bool reject = false;
    bool cancel = false;
    std::uint64_t accept_round = 0;
    std::uint64_t done_round = 0;
    std::deque<std::uint64_t> dones;  ///< rounds of `done`s without their `closed`
  };

  void say(const Message& message);
  void refuse(Errc code, std::string about, const std::optional<OfferId>& id, std::string text = {},
              const std::optional<RequestId>& request = {});
  void fail(Errc code, const std::string& text);
  void end_session(Error error, bool by_peer);
  void end_offer(const OfferId& id, Outcome outcome);

  void read(std::string_view body, Time now);
  bool too_many(const Message* message, Time now);
  void cannot_read_first(std::string_view body, const Error& error);
  void cannot_read(std::string_view body, const Error& error);
  void judge(const Message& message, Time now);  // conversation_handlers.cpp

  void forget_ended();
  void say_given(const GivenOffer& given, Time now);
  void say_taken(const TakenOffer& taken);
  void say_done(const TakenOffer& taken, Said& said);
  void say_gets();

  Ledger& ledger_;
  Hello ours_;
  std::optional<Hello> theirs_;
  FrameReader frames_;
  AskedWants asked_;
  ServedWants served_;
  std::uint64_t payload_left_ = 0;
  bool payload_wanted_ = false;
  std::size_t max_waiting_output_ = kMaxWaitingOutput;
  std::uint64_t offers_said_ = 0;    ///< open ones, as of the latest sync()
  bool offers_held_ = false;         ///< more wait than the other side lets be open
  std::optional<Time> block_since_;  ///< its first raw byte came, its last did not
  std::vector<Event> events_;
  std::string output_;
  std::string rest_;

  std::map<OfferId, Said> said_;
  std::set<RequestId> gets_said_;
  std::set<RequestId> lists_;           ///< ours, unanswered
  std::set<RequestId> requests_open_;   ///< theirs, unanswered
  std::set<RequestId> gets_heard_;      ///< theirs
  std::deque<RequestId> gets_ordered_;  ///< the same, oldest first
  std::set<std::pair<OfferId, std::array<std::uint64_t, 2>>> checks_asked_;  ///< offset, length
  std::size_t checks_open_ = 0;                                              ///< theirs

  Time started_{};
  Time heard_{};
  std::optional<Time> pinged_;
  Time rate_since_{};
  std::size_t rate_count_ = 0;
  bool over_ = false;
  bool lane_ = false;
};

}  // namespace peer::protocol
