#include <algorithm>
#include <string>
#include <utility>

#include "protocol/conversation.hpp"
#include "protocol/errors.hpp"

/// What each message does to the ledger and the books, and what is said back (PROTOCOL.md
/// "Messages", "Agreement").
namespace peer::protocol {
namespace {

/// Whether the offer's raw bytes from `offset` on, `length` of them, exist.
bool within(const Offer& offer, Of of, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = of == Of::stream ? offer.bytes : offer.manifest_bytes;
  return length <= end && offset <= end - length;
}

/// Also between rounds: a taker that lost its record of a round carries it out once more, and its
/// `accept` is no new one here.
bool may_have_stream(const GivenOffer& given) { return given.round > 0; }

/// What of ours beats a `cancel`, if anything does.
std::optional<Outcome> stronger_than_cancel(const TakenOffer& taken) {
  if (taken.state == TakenOffer::State::rejecting) return Outcome::rejected;
  if (taken.state == TakenOffer::State::finishing && taken.done->complete) return Outcome::done;
  return std::nullopt;
}

/// How an offer ends here that the other side does not know (any more): as we were about to end it,
/// else as a failure.
Outcome outcome_alone(const TakenOffer& taken) {
  if (const auto ours = stronger_than_cancel(taken)) return *ours;
  return taken.state == TakenOffer::State::cancelling ? outcome_of(*taken.cancel) : Outcome::failed;
}

Outcome outcome_alone(const GivenOffer& given) {
  return given.state == GivenOffer::State::cancelling ? outcome_of(*given.cancel) : Outcome::failed;
}

}  // namespace

struct Conversation::Handler {
  Conversation& c;
  Time now;

  // ---- tools

  template <class E>
  void event(E e) {
    c.events_.push_back(std::move(e));
  }

  GivenOffer* given(const OfferId& id) {
    const auto it = c.ledger_.given_.find(id);
    return it == c.ledger_.given_.end() ? nullptr : &it->second;
  }

  TakenOffer* taken(const OfferId& id) {
    const auto it = c.ledger_.taken_.find(id);
    return it == c.ledger_.taken_.end() ? nullptr : &it->second;
  }

  void closed(const OfferId& id, const char* answers, Outcome outcome) {
    c.say(Closed{id, answers, outcome});
  }

  /// A message of type `about` that would be right for an offer in `direction`, of which there is
  /// none open with this id.
  void not_open(const OfferId& id, const char* about, Direction direction) {
    const auto ended = c.ledger_.find_ended(id);
    if (ended && ended->direction == direction) return closed(id, about, ended->outcome);
    c.refuse(c.ledger_.knows(id) ? Errc::bad_offer : Errc::unknown_offer, about, id);
  }

  // ---- the session

  void operator()(const Hello& m) {
    if (c.theirs_) return c.fail(Errc::bad_state, "a second hello");
    if (m.major != c.ours_.major)
      return c.fail(Errc::bad_version, "this side speaks version " + std::to_string(c.ours_.major));
    const bool we_dialled = c.ours_.dial > 0;
    if (we_dialled == (m.dial > 0))
      return c.fail(Errc::bad_message, we_dialled ? "hello.dial: not 0 on the accepting side"
                                                  : "hello.dial: 0 on the dialling side");
    c.theirs_ = m;
    PeerLimits limits = m.limits;
    limits.block_bytes = c.ours_.limits.block_bytes;
    c.asked_ = AskedWants(limits);
    if (!we_dialled) c.say(c.ours_);
    event(Greeted{m});
    c.sync(now);
  }

  /// Only the first message of a connection that the other side dialled.
  void operator()(const Attach& m) {
    c.lane_ = true;
    event(LaneAttached{m});
  }

  /// Pairing has a connection of its own.
  void operator()(const Pair& m) { not_here(m); }
  void operator()(const Confirm& m) { not_here(m); }
  void operator()(const Paired& m) { not_here(m); }
  void not_here(const Message& m) {
    c.fail(Errc::bad_state, std::string(type_of(m)) + " on a session");
  }

  void operator()(const Ping&) { c.say(Pong{}); }
  void operator()(const Pong&) {}

  // ---- what the giver says about an offer

  /// Unknown -> open; open and later: noted again; ended: answered.
  void operator()(const Offer& m) {
    if (TakenOffer* known = taken(m.id)) {
      if (known->offer.manifest != m.manifest)
        return c.refuse(Errc::bad_offer, "offer", m.id, "this id names another manifest");
      known->expires_at = now + std::chrono::seconds(m.expires);
      return event(Offered{m, true});
    }
    if (c.ledger_.knows(m.id)) return not_open(m.id, "offer", Direction::taken);
    if (c.ledger_.taken().size() >= c.ours_.limits.open_offers)
      return c.refuse(Errc::busy, "offer", m.id, "too many open offers");
    TakenOffer fresh;
    fresh.offer = m;
    fresh.expires_at = now + std::chrono::seconds(m.expires);
    c.ledger_.taken_.emplace(m.id, std::move(fresh));
    event(Offered{m, false});
  }

  /// Open, accepted, cancelling -> ended; finishing for good and rejecting stay: they are stronger.
  void operator()(const Cancel& m) {
    if (GivenOffer* ours = given(m.id)) return cancelled_by_taker(*ours, m);
    TakenOffer* theirs = taken(m.id);
    if (!theirs) {
      (void)c.asked_.drop(m.id);  // it may have ended on another connection
      const auto ended = c.ledger_.find_ended(m.id);
      return not_open(m.id, "cancel", ended ? ended->direction : Direction::taken);
    }
    c.sync(now);  // a `done` or `reject` of ours is heard before the answer
    if (const auto outcome = stronger_than_cancel(*theirs)) return closed(m.id, "cancel", *outcome);
    const Outcome outcome = outcome_of(m);
    c.end_offer(m.id, outcome);
    event(Cancelled{m, Direction::taken});
    closed(m.id, "cancel", outcome);
  }

  /// Of two cancels that cross, the giver's says how the offer ended.
  void cancelled_by_taker(const GivenOffer& ours, const Cancel& m) {
    const bool crossed = ours.state == GivenOffer::State::cancelling;
    const Cancel counts = crossed ? *ours.cancel : m;
    const Outcome outcome = outcome_of(counts);
    c.end_offer(m.id, outcome);
    event(Cancelled{counts, Direction::given});
    closed(m.id, "cancel", outcome);
  }

  // ---- what the taker says about an offer of ours

  /// Open or accepted -> accepted, if the round is new; cancelling: our cancel is stronger.
  void operator()(const Accept& m) {
    GivenOffer* ours = given(m.id);
    if (!ours) return not_open(m.id, "accept", Direction::given);
    if (m.manifest != ours->offer.manifest)
      return c.refuse(Errc::bad_offer, "accept", m.id, "the offer has another manifest");
    if (ours->state == GivenOffer::State::cancelling || m.round < ours->round) return;
    if (m.round == ours->round) return event(Accepted{m, true});
    ours->state = GivenOffer::State::accepted;
    ours->round = m.round;
    ours->accept = m;
    event(Accepted{m, false});
  }

  /// Any state -> ended.
  void operator()(const Reject& m) {
    if (!given(m.id)) return not_open(m.id, "reject", Direction::given);
    c.end_offer(m.id, Outcome::rejected);
    event(Rejected{m});
    closed(m.id, "reject", Outcome::rejected);
  }

  /// complete: any state -> ended. Else accepted -> open once the latest round is done; cancelling
  /// stays.
  void operator()(const Done& m) {
    GivenOffer* ours = given(m.id);
    if (!ours) return not_open(m.id, "done", Direction::given);
    if (m.complete) {
      c.end_offer(m.id, Outcome::done);
      event(Finished{m, false});
      return closed(m.id, "done", Outcome::done);
    }
    const bool repeated = m.round <= ours->done_round;
    if (!repeated) {
      ours->done_round = m.round;
      ours->round = std::max(ours->round, m.round);
      if (ours->state == GivenOffer::State::accepted && ours->done_round == ours->round)
        ours->state = GivenOffer::State::open;
    }
    event(Finished{m, repeated});
    closed(m.id, "done", Outcome::open);
  }

  void operator()(const Closed& m) {
    if (m.outcome == Outcome::open) return round_closed(m);
    const auto direction = given(m.id)   ? std::optional(Direction::given)
                           : taken(m.id) ? std::optional(Direction::taken)
                                         : std::nullopt;
    if (!direction) return (void)c.asked_.drop(m.id);
    // Only this side knows that it has everything.
    const TakenOffer* theirs = taken(m.id);
    const bool unsaid =
        theirs && m.outcome == Outcome::done && stronger_than_cancel(*theirs) != Outcome::done;
    const Outcome outcome = unsaid ? Outcome::failed : m.outcome;
    c.end_offer(m.id, outcome);
    event(Settled{m.id, *direction, outcome, m.answers});
  }

  /// finishing -> open, if it answers the latest `done` and not one before it. Accepted (the next
  /// round) and cancelling (the rest) stay what they are.
  void round_closed(const Closed& m) {
    TakenOffer* theirs = taken(m.id);
    const auto said = c.said_.find(m.id);
    if (!theirs || m.answers != "done" || said == c.said_.end() || said->second.dones.empty())
      return;
    const auto round = said->second.dones.front();
    said->second.dones.pop_front();
    if (!theirs->done || theirs->done->complete || theirs->done->round != round) return;
    theirs->done.reset();
    if (theirs->state == TakenOffer::State::finishing) theirs->state = TakenOffer::State::open;
    event(RoundClosed{m.id});
  }

  // ---- bytes

  void operator()(const Want& m) {
    const GivenOffer* ours = given(m.id);
    if (!ours) return not_open(m.id, "want", Direction::given);
    if (ours->state == GivenOffer::State::cancelling) return;  // our cancel has ended it
    if (m.of == Of::stream && !may_have_stream(*ours)) return cannot_serve(m.id, "not accepted");
    if (!within(ours->offer, m.of, m.offset, m.length)) return cannot_serve(m.id, "beyond the end");
    if (const auto added = c.served_.add(m); !added)
      return c.fail(Errc::too_much, added.error().context);
    if (c.rate_count_ > 0) --c.rate_count_;  // bounded by what may be open
    event(Wanted{m.id});
  }

  /// One `error` answers all that is open of an offer.
  void cannot_serve(const OfferId& id, const char* why) {
    c.served_.drop(id);
    c.refuse(Errc::bad_state, "want", id, why);
  }

  void operator()(const Data& m) {
    if (m.zeros() && !c.both_have("zeros"))
      return c.fail(Errc::bad_state, "zeros without that feature");
    const auto kind = c.both_have("xxh3") ? Digest::Kind::xxh3 : Digest::Kind::sha256;
    if (m.digest && m.digest->kind != kind)
      return c.fail(Errc::bad_digest, "data with another kind of digest than agreed");
    const auto fits = c.asked_.answered(m);
    if (!fits)
      return c.fail(fits.error().code == Errc::too_much ? Errc::too_much : Errc::bad_state,
                    fits.error().context);
    c.payload_left_ = m.payload();
    c.payload_wanted_ = c.asked_.answer_wanted() && taken(m.id);
    if (c.payload_wanted_) event(DataComing{m});
  }

  void operator()(const Gone& m) {
    const auto fits = c.asked_.answered(m);
    if (!fits) return c.fail(Errc::bad_state, fits.error().context);
    if (c.asked_.answer_wanted() && taken(m.id)) event(EntryGone{m});
  }

  void operator()(const Check& m) {
    const GivenOffer* ours = given(m.id);
    if (!ours) return not_open(m.id, "check", Direction::given);
    if (ours->state == GivenOffer::State::cancelling) return;
    if (!may_have_stream(*ours) || !within(ours->offer, Of::stream, m.offset, m.length)) {
      c.served_.drop(m.id);
      return c.refuse(Errc::bad_state, "check", m.id, "not accepted, or beyond the end");
    }
    if (c.checks_open_ >= kMaxOpenChecks) return c.fail(Errc::too_much, "too many open checks");
    ++c.checks_open_;
    event(Checked{m});
  }

  void operator()(const Same& m) { checked(m.id, m.offset, m.length, true); }
  void operator()(const Differs& m) { checked(m.id, m.offset, m.length, false); }

  /// One that was not asked, or whose offer was in trouble since, is nothing.
  void checked(const OfferId& id, std::uint64_t offset, std::uint64_t length, bool same) {
    if (c.checks_asked_.erase({id, {offset, length}}) == 0 || !taken(id)) return;
    event(CheckAnswered{id, Range{offset, offset + length}, same});
  }

  // ---- requests

  bool room_for_request(const RequestId& request, const char* about) {
    if (c.requests_open_.size() < kMaxOpenRequests) return true;
    c.refuse(Errc::busy, about, {}, "too many requests at once", request);
    return false;
  }

  void operator()(const List& m) {
    if (c.requests_open_.contains(m.request)) return;
    if (!room_for_request(m.request, "list")) return;
    c.requests_open_.insert(m.request);
    event(ListAsked{m});
  }

  void operator()(const Listing& m) {
    if (c.lists_.erase(m.request) == 0)
      return c.fail(Errc::bad_state, "a listing that was not asked");
    event(ListingCame{m});
  }

  /// The same id again is the same request; one that an open offer answers is answered by it.
  void operator()(const Get& m) {
    if (c.gets_heard_.contains(m.request)) return;
    for (const auto& [id, ours] : c.ledger_.given())
      if (ours.offer.get == m.request && ours.state != GivenOffer::State::cancelling)
        return c.sync(now);
    if (!room_for_request(m.request, "get")) return;
    c.requests_open_.insert(m.request);
    c.gets_heard_.insert(m.request);
    c.gets_ordered_.push_back(m.request);
    if (c.gets_ordered_.size() > kMaxGetsRemembered) {
      c.gets_heard_.erase(c.gets_ordered_.front());
      c.gets_ordered_.pop_front();
    }
    event(GetAsked{m});
  }

  // ---- error

  void operator()(const Trouble& m) {
    const auto code = from_wire_code(m.code);
    if (m.fatal) {
      event(Troubled{m, {}});
      return c.end_session(Error(code.value_or(Errc::internal), m.text), true);
    }
    if (m.request) return request_failed(m);
    if (m.id) return offer_in_trouble(m, *m.id, code);
    event(Troubled{m, {}});
  }

  void request_failed(const Trouble& m) {
    const bool listed = c.lists_.erase(*m.request) > 0;
    if (!listed && !c.ledger_.gets().contains(*m.request)) return;
    c.ledger_.answered(*m.request);
    event(Troubled{m, {}});
    c.sync(now);  // a request may have waited for its turn
  }

  void offer_in_trouble(const Trouble& m, const OfferId& id, std::optional<Errc> code) {
    const bool is_refusal = code == Errc::unknown_offer || refuses(m, code);
    if (const GivenOffer* ours = given(id)) {
      if (is_refusal) return settle(id, Direction::given, outcome_alone(*ours));
      return event(Troubled{m, {}});
    }
    if (const TakenOffer* theirs = taken(id)) {
      if (is_refusal) return settle(id, Direction::taken, outcome_alone(*theirs));
      std::erase_if(c.checks_asked_, [&](const auto& asked) { return asked.first == id; });
      return event(Troubled{m, c.asked_.drop(id)});
    }
    (void)c.asked_.drop(id);
  }

  /// What was said of this offer will never be taken: saying it again in every session is no use.
  static bool refuses(const Trouble& m, std::optional<Errc> code) {
    const bool bad = code == Errc::bad_offer || code == Errc::bad_message || code == Errc::bad_path;
    return bad && (m.about == "offer" || m.about == "accept");
  }

  void settle(const OfferId& id, Direction direction, Outcome outcome) {
    c.end_offer(id, outcome);
    event(Settled{id, direction, outcome, "error"});
  }
};

void Conversation::judge(const Message& message, Time now) {
  const auto* trouble = std::get_if<Trouble>(&message);
  const bool is_hello = std::holds_alternative<Hello>(message);
  const bool is_attach = std::holds_alternative<Attach>(message);
  const bool may_be_first =
      is_hello || (is_attach && ours_.dial == 0) || (trouble && trouble->fatal);
  if (!theirs_ && !may_be_first)
    return fail(Errc::bad_state, std::string(type_of(message)) + " before hello");
  if (theirs_ && is_attach) return fail(Errc::bad_state, "attach on a session");
  std::visit(Handler{*this, now}, message);
}

}  // namespace peer::protocol
