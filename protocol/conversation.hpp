#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "protocol/frame.hpp"
#include "protocol/ledger.hpp"
#include "protocol/message.hpp"
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
  Cancel cancel;
  Direction direction;
};
/// `closed`, or `error unknown_offer`: an offer ended without a message of its own (`done` of ours
/// was taken note of, our cancel lost against a done, ...).
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
  /// `ledger` outlives the conversation; one live conversation per ledger says things, a loser of
  /// two is closed first.
  Conversation(Ledger& ledger, Hello ours, Time now);

  // ---- from the wire

  /// Takes bytes up to the end of the next `data` message with raw bytes, or all; returns how many.
  /// While payload_left() > 0 nothing is taken: those bytes go past us, and payload_passed() says
  /// how many went.
  std::size_t received(std::span<const std::byte> bytes, Time now);
  std::uint64_t payload_left() const { return payload_left_; }
  void payload_passed(std::uint64_t bytes, Time now);
  /// The other side closed, or the connection broke. Ends with Over unless that already came.
  void disconnected(Error error);

  // ---- time

  std::optional<Time> deadline() const;
  void timed_out(Time now);  ///< early or late calls are harmless

  // ---- to the caller

  std::vector<Event> take_events();
  std::string take_output();  ///< control bytes to send, possibly none
  bool over() const { return over_; }
  const std::optional<Hello>& theirs() const { return theirs_; }
  const Hello& ours() const { return ours_; }
  bool both_have(std::string_view feature) const;

  // ---- what this side says

  /// Says what the ledger holds and this session has not heard. Called after local decisions; a
  /// `hello` calls it by itself.
  void sync(Time now);
  /// Before `hello` arrived, while an `Over` is pending, or when asked.room() is false: a caller's
  /// bug.
  void want(const Want& want);
  const AskedWants& asked() const { return asked_; }
  const ServedWants& served() const { return served_; }
  /// The framed header to send, its raw bytes right behind; answers the head of served().next().
  std::string data_header(const Data& data);
  void gone(const Gone& gone);
  void check(const Check& check);
  void check_answer(const OfferId& id, Range range, bool same);
  /// Wants of ours about this offer are no longer cared for; their blocks will still come.
  void list(const List& list);
  void listing(const Listing& listing);
  /// About a request, an offer or nothing. About an offer of ours it also ends the wants open here.
  void trouble(const Trouble& trouble);
  void ping();
  /// Ends the session on purpose: `error` with this code, fatal.
  void leave(Errc code, std::string text = {});

  /// A lane's bytes behind its `attach` that were fed and not taken.
  std::string take_rest();

 private:
  struct Handler;
  friend struct Handler;

  Ledger& ledger_;
  Hello ours_;
  std::optional<Hello> theirs_;
  FrameReader frames_;
  AskedWants asked_;
  ServedWants served_;
  std::uint64_t payload_left_ = 0;
  std::vector<Event> events_;
  std::string output_;
  std::set<std::string>
      said_;  ///< what this session has heard from us, one key per message of the ledger
  std::set<RequestId> lists_;  ///< ours, unanswered
  Time started_{};
  Time heard_{};
  std::optional<Time> pinged_;
  bool over_ = false;
  bool lane_ = false;
};

// ---- which of two sessions of one pair stays (PROTOCOL.md "One session per pair")

struct SessionKey {
  Instance ours;  ///< of this process
  Instance theirs;
  bool we_dialled = false;
  std::uint64_t dial = 0;  ///< the dialler's number
};

enum class Keep : std::uint8_t {
  the_old,
  the_new,
  the_old_if_it_answers,  ///< crossed dials: ping it, give it kCrossedPing
  the_new_if_it_answers,
};

/// `old_one` and `new_one` are sessions of the same pair that have both had their `hello`s.
Keep which_stays(const SessionKey& old_one, const SessionKey& new_one, bool our_id_is_lower);

}  // namespace peer::protocol
