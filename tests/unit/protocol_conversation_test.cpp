#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include <string>

#include "protocol/conversation.hpp"
#include "protocol/errors.hpp"

using namespace peer::protocol;
using std::chrono::seconds;

namespace {

constexpr Time kStart{std::chrono::hours(1)};

template <class Id = OfferId>
Id id(int n) {
  Id made;
  made.bytes[0] = static_cast<std::byte>(n);
  return made;
}

Hello hello(std::uint64_t dial) {
  Hello h;
  h.features = {"xxh3", "zeros"};
  h.instance = id<Instance>(dial > 0 ? 1 : 2);
  h.dial = dial;
  return h;
}

Offer offer(int n) {
  Offer o;
  o.id = id(n);
  o.files = 1;
  o.bytes = 100;
  o.manifest_bytes = 50;
  o.expires = 1000;
  return o;
}

GivenOffer given(int n) {
  GivenOffer g;
  g.offer = offer(n);
  g.expires_at = kStart + seconds(1000);
  return g;
}

Accept accept(int n, std::uint64_t round = 1) {
  Accept a;
  a.id = id(n);
  a.round = round;
  return a;
}

Done done(int n, bool complete, std::uint64_t round = 1) {
  Done d;
  d.id = id(n);
  d.complete = complete;
  d.round = round;
  return d;
}

Data block(int n, std::uint64_t offset, std::uint64_t length, Of of = Of::stream) {
  Digest digest;
  digest.kind = Digest::Kind::xxh3;
  return {id(n), of, offset, length, digest, {}};
}

/// One Conversation, and the other side played by hand.
struct Talk {
  Ledger ledger;
  Conversation talk;
  Time now = kStart;

  explicit Talk(std::uint64_t dial = 0, bool greet = true) : talk(ledger, hello(dial), kStart) {
    if (!greet) return;
    hear(hello(dial > 0 ? 0 : 1));
    said();
    talk.take_events();
  }

  void hear_bytes(std::string_view bytes) {
    CHECK(talk.received(std::as_bytes(std::span(bytes)), now) == bytes.size());
  }
  void hear(const Message& message) { hear_bytes(frame(message)); }

  std::vector<Message> said() {
    std::vector<Message> messages;
    const std::string out = talk.take_output();
    FrameReader reader;
    auto rest = std::as_bytes(std::span(out));
    while (!rest.empty()) {
      rest = rest.subspan(*reader.feed(rest));
      messages.push_back(*decode(*reader.next()));
    }
    return messages;
  }
  /// The one message that was said, of this type.
  template <class M>
  M said_one() {
    const auto messages = said();
    REQUIRE(messages.size() == 1);
    REQUIRE(std::holds_alternative<M>(messages[0]));
    return std::get<M>(messages[0]);
  }
  template <class E>
  E event() {
    const auto events = talk.take_events();
    REQUIRE(events.size() == 1);
    REQUIRE(std::holds_alternative<E>(events[0]));
    return std::get<E>(events[0]);
  }
  void check_fatal(Errc code) {
    const auto messages = said();
    REQUIRE(!messages.empty());
    const auto* trouble = std::get_if<Trouble>(&messages.back());
    REQUIRE(trouble);
    CHECK(trouble->code == wire_code(code));
    CHECK(trouble->fatal);
    CHECK(talk.over());
    const auto events = talk.take_events();
    REQUIRE(!events.empty());
    const auto* over = std::get_if<Over>(&events.back());
    REQUIRE(over);
    CHECK(over->error.code == code);
    CHECK_FALSE(over->by_peer);
    // Nothing more comes of whatever follows.
    hear(Ping{});
    CHECK(said().empty());
    CHECK(talk.take_events().empty());
    CHECK_FALSE(talk.deadline());
  }
  void check_refused(Errc code) {
    const auto trouble = said_one<Trouble>();
    CHECK(trouble.code == wire_code(code));
    CHECK_FALSE(trouble.fatal);
    CHECK_FALSE(talk.over());
  }
  /// An offer of theirs, accepted here and said.
  void taken_and_accepted(int n) {
    hear(offer(n));
    REQUIRE(ledger.accept(accept(n)));
    talk.sync(now);
    said();
    talk.take_events();
  }
  /// An offer of ours, heard of, in state open.
  void offered(int n) {
    ledger.give(given(n));
    talk.sync(now);
    said();
  }
};

}  // namespace

TEST_SUITE("conversation") {
  TEST_CASE("the dialler says hello at once, the other side after it heard one") {
    Talk dialler(1, false);
    CHECK(dialler.said_one<Hello>().dial == 1);
    Talk other(0, false);
    CHECK(other.said().empty());
    other.hear(hello(1));
    CHECK(other.said_one<Hello>().dial == 0);
    CHECK(other.event<Greeted>().hello == hello(1));
    dialler.hear(hello(0));
    CHECK(dialler.event<Greeted>().hello == hello(0));
    CHECK(dialler.talk.both_have("xxh3"));
    CHECK_FALSE(dialler.talk.both_have("lanes"));
  }

  TEST_CASE("anything but hello first ends the session") {
    for (const Message& message :
         {Message(Ping{}), Message(offer(1)), Message(Trouble{"busy", "", false, {}, {}, "", 0})}) {
      Talk t(0, false);
      t.hear(message);
      t.check_fatal(Errc::bad_state);
    }
    Talk dialler(1, false);
    dialler.hear(Attach{id(1), id<Instance>(2), 1});
    dialler.check_fatal(Errc::bad_state);
    Talk unknown(0, false);
    unknown.hear_bytes(with_length(R"({"type":"hullo"})"));
    unknown.check_fatal(Errc::bad_state);
  }

  TEST_CASE("hello comes once, in our version, from the right side") {
    Talk twice;
    twice.hear(hello(1));
    twice.check_fatal(Errc::bad_state);
    Talk version(0, false);
    auto newer = hello(1);
    newer.major = kVersionMajor + 1;
    version.hear(newer);
    version.check_fatal(Errc::bad_version);
    Talk other_form(0, false);
    other_form.hear_bytes(with_length(R"({"type":"hello","version":{"major":2},"names":7})"));
    other_form.check_fatal(Errc::bad_version);
    Talk wrong_field(0, false);
    wrong_field.hear_bytes(with_length(R"({"type":"hello","version":{"major":1,"minor":0}})"));
    wrong_field.check_fatal(Errc::bad_message);
    Talk both_dialled(1, false);
    both_dialled.hear(hello(1));
    both_dialled.check_fatal(Errc::bad_message);
    Talk minor(0, false);
    newer = hello(1);
    newer.minor = 99;
    minor.hear(newer);
    CHECK_FALSE(minor.talk.over());
  }

  TEST_CASE("a lane is handed over with the bytes behind its attach, and hears nothing") {
    Talk t(0, false);
    const Attach attach{id(1), id<Instance>(2), 3};
    t.hear_bytes(frame(attach) + "what follows");
    CHECK(t.event<LaneAttached>().attach == attach);
    t.hear_bytes(" and more");
    CHECK(t.talk.take_rest() == "what follows and more");
    CHECK(t.said().empty());
    CHECK_FALSE(t.talk.deadline());
    t.talk.timed_out(kStart + seconds(1000));
    CHECK_FALSE(t.talk.over());
    Talk late;
    late.hear(attach);
    late.check_fatal(Errc::bad_state);
  }

  TEST_CASE("a session without hello ends after the time for it") {
    Talk t(1, false);
    CHECK(*t.talk.deadline() == kStart + kHandshakeTime);
    t.talk.timed_out(kStart + kHandshakeTime - seconds(1));
    CHECK_FALSE(t.talk.over());
    t.talk.timed_out(kStart + kHandshakeTime);
    t.check_fatal(Errc::timed_out);
  }

  TEST_CASE("silence is broken by pings and ends at the limit") {
    Talk t;
    for (auto at = kPingAfter; at < kSilenceLimit; at += kPingAfter) {
      CHECK(*t.talk.deadline() == kStart + at);
      t.talk.timed_out(kStart + at - seconds(1));
      CHECK(t.said().empty());
      t.talk.timed_out(kStart + at);
      t.said_one<Ping>();
    }
    SUBCASE("any byte counts") {
      t.now = kStart + seconds(44);
      t.hear_bytes(std::string_view("\0", 1));
      CHECK(*t.talk.deadline() == kStart + seconds(44) + kPingAfter);
    }
    SUBCASE("nothing comes") {
      t.talk.timed_out(kStart + kSilenceLimit);
      t.check_fatal(Errc::timed_out);
    }
  }

  TEST_CASE("a block that drips is given up, a slow one is waited for") {
    Talk t;
    t.taken_and_accepted(1);
    t.talk.want(Want{id(1), Of::stream, 0, 30});
    t.hear(block(1, 0, 30));
    const auto begun = t.now + seconds(5);
    for (int second = 5; second < 5 + kBlockTime.count(); second += 10) {
      t.talk.payload_passed(1, kStart + seconds(second));
      t.talk.timed_out(kStart + seconds(second));
      REQUIRE_FALSE(t.talk.over());
    }
    SUBCASE("in time") {
      t.talk.payload_passed(t.talk.payload_left(), begun + kBlockTime - seconds(1));
      t.talk.timed_out(begun + kBlockTime);
      CHECK_FALSE(t.talk.over());
      CHECK(*t.talk.deadline() == begun + kBlockTime - seconds(1) + kPingAfter);
    }
    SUBCASE("too late") {
      CHECK(*t.talk.deadline() == begun + kBlockTime);
      t.talk.timed_out(begun + kBlockTime - seconds(1));
      CHECK_FALSE(t.talk.over());
      t.talk.timed_out(begun + kBlockTime);
      t.check_fatal(Errc::timed_out);
    }
  }

  TEST_CASE("a clock looked at late asks before it gives the other side up") {
    Talk t;
    t.talk.timed_out(kStart + seconds(500));
    t.said_one<Ping>();
    CHECK_FALSE(t.talk.over());
    CHECK(*t.talk.deadline() == kStart + seconds(500) + kPingAfter);
    t.talk.timed_out(kStart + seconds(500) + kPingAfter);
    t.check_fatal(Errc::timed_out);
  }

  TEST_CASE("ping is answered") {
    Talk t;
    t.hear(Ping{});
    t.said_one<Pong>();
    t.hear(Pong{});
    CHECK(t.said().empty());
  }

  TEST_CASE("after hello everything open is said, once a session") {
    Ledger ledger;
    ledger.give(given(1));
    auto cancelling = given(2);
    cancelling.state = GivenOffer::State::cancelling;
    cancelling.cancel = Cancel{id(2), "cancelled", ""};
    ledger.restore(cancelling);
    for (int n = 3; n <= 6; ++n) {
      TakenOffer taken;
      taken.offer = offer(n);
      ledger.restore(taken);
    }
    REQUIRE(ledger.accept(accept(4)));
    REQUIRE(ledger.accept(accept(5)));
    REQUIRE(ledger.finish(done(5, true)));
    REQUIRE(ledger.reject(Reject{id(6), "declined", ""}));
    Get get{id<RequestId>(9), {*RelativePath::parse("s/x")}};
    ledger.ask(get);
    for (int session = 0; session < 2; ++session) {
      Conversation talk(ledger, hello(1), kStart);
      CHECK(talk.take_output() == frame(hello(1)));
      const std::string first = frame(hello(0));
      talk.received(std::as_bytes(std::span(first)), kStart + seconds(400));
      auto o = offer(1);
      o.expires = 600;
      CHECK(talk.take_output() == frame(o) + frame(*cancelling.cancel) + frame(accept(4)) +
                                      frame(done(5, true)) + frame(Reject{id(6), "declined", ""}) +
                                      frame(get));
      talk.sync(kStart);
      CHECK(talk.take_output().empty());
    }
  }

  TEST_CASE("an offer that goes on is said once more, one that nobody has heard yet once") {
    Talk t;
    t.ledger.give(given(1));
    t.talk.sync(t.now);
    CHECK(t.said_one<Offer>().id == id(1));
    t.talk.offer_again(id(1));
    t.talk.sync(t.now);
    CHECK(t.said_one<Offer>().id == id(1));
    t.talk.sync(t.now);
    CHECK(t.said().empty());
    t.talk.offer_again(id(2));
    t.ledger.give(given(2));
    t.talk.sync(t.now);
    CHECK(t.said_one<Offer>().id == id(2));
  }

  TEST_CASE("an offer is new once, and noted again when it is repeated") {
    Talk t;
    t.hear(offer(1));
    CHECK_FALSE(t.event<Offered>().repeated);
    CHECK(t.ledger.find_taken(id(1))->state == TakenOffer::State::open);
    t.now += seconds(500);
    t.hear(offer(1));
    CHECK(t.event<Offered>().repeated);
    CHECK(t.ledger.find_taken(id(1))->expires_at == kStart + seconds(1500));
    auto other = offer(1);
    other.manifest.bytes[5] = std::byte{1};
    t.hear(other);
    t.check_refused(Errc::bad_offer);
    CHECK(t.ledger.find_taken(id(1))->offer == offer(1));
  }

  TEST_CASE("ids of the other direction and ended ones are answered as such") {
    Talk t;
    t.offered(1);
    t.hear(offer(1));
    t.check_refused(Errc::bad_offer);
    t.ledger.restore_ended(id(2), {Direction::given, Outcome::done});
    t.hear(offer(2));
    t.check_refused(Errc::bad_offer);
    t.ledger.restore_ended(id(3), {Direction::taken, Outcome::rejected});
    t.hear(offer(3));
    CHECK(t.said_one<Closed>() == Closed{id(3), "offer", Outcome::rejected});
    t.hear(accept(3));
    t.check_refused(Errc::bad_offer);
    CHECK(t.talk.take_events().empty());
  }

  TEST_CASE("no more offers are said than the other side lets be open") {
    Talk t(0, false);
    auto few = hello(1);
    few.limits.open_offers = 2;
    t.hear(few);
    t.said();
    for (int n = 1; n <= 4; ++n) {
      GivenOffer given;
      given.offer = offer(n);
      given.expires_at = kStart + seconds(1000);
      t.ledger.give(given);
    }
    t.talk.sync(t.now);
    CHECK(t.said().size() == 2);
    t.talk.sync(t.now);
    CHECK(t.said().empty());
    t.hear(Reject{id(1), "declined", ""});
    const auto next = t.said();
    REQUIRE(next.size() == 2);  // closed, and the offer that waited
    CHECK(std::holds_alternative<Closed>(next[0]));
    CHECK(std::holds_alternative<Offer>(next[1]));
  }

  TEST_CASE("offers past the limit are refused and the earlier ones stay") {
    Talk t;
    for (std::size_t n = 0; n <= kMaxOpenOffers; ++n) {
      auto o = offer(1);
      o.id.bytes[2] = static_cast<std::byte>(n);
      o.id.bytes[3] = static_cast<std::byte>(n >> 8);
      t.hear(o);
    }
    t.check_refused(Errc::busy);
    CHECK(t.ledger.taken().size() == kMaxOpenOffers);
    CHECK(t.talk.take_events().size() == kMaxOpenOffers);
  }

  TEST_CASE("accept counts by its round and names the manifest") {
    Talk t;
    t.offered(1);
    auto wrong = accept(1);
    wrong.manifest.bytes[0] = std::byte{7};
    t.hear(wrong);
    t.check_refused(Errc::bad_offer);
    t.hear(accept(1, 2));
    CHECK_FALSE(t.event<Accepted>().repeated);
    t.hear(accept(1, 2));
    CHECK(t.event<Accepted>().repeated);
    t.hear(accept(1, 1));
    CHECK(t.talk.take_events().empty());
    CHECK(t.ledger.find_given(id(1))->round == 2);
    t.hear(accept(7));
    t.check_refused(Errc::unknown_offer);
    REQUIRE(t.ledger.cancel(Cancel{id(1), "cancelled", ""}));
    t.talk.sync(t.now);
    t.said_one<Cancel>();
    t.hear(accept(1, 3));
    CHECK(t.said().empty());
    CHECK(t.talk.take_events().empty());
  }

  TEST_CASE("done ends an offer, or a round of it, and is answered each time it comes") {
    Talk t;
    t.offered(1);
    t.hear(accept(1));
    t.talk.take_events();
    t.hear(done(1, false));
    CHECK_FALSE(t.event<Finished>().repeated);
    CHECK(t.said_one<Closed>() == Closed{id(1), "done", Outcome::open});
    CHECK(t.ledger.find_given(id(1))->state == GivenOffer::State::open);
    t.hear(done(1, false));
    CHECK(t.event<Finished>().repeated);
    t.said_one<Closed>();
    t.hear(accept(1, 2));
    t.talk.take_events();
    t.hear(done(1, true, 2));
    CHECK_FALSE(t.event<Finished>().repeated);
    CHECK(t.said_one<Closed>() == Closed{id(1), "done", Outcome::done});
    t.hear(done(1, true, 2));
    CHECK(t.said_one<Closed>() == Closed{id(1), "done", Outcome::done});
    CHECK(t.talk.take_events().empty());
  }

  TEST_CASE("done for good and reject beat our cancel; cancel ends the rest after a part") {
    Talk t;
    for (int n = 1; n <= 3; ++n) {
      t.offered(n);
      t.hear(accept(n));
      REQUIRE(t.ledger.cancel(Cancel{id(n), "cancelled", ""}));
    }
    t.talk.sync(t.now);
    t.said();
    t.talk.take_events();
    t.hear(done(1, true));
    t.event<Finished>();
    CHECK(t.ledger.find_ended(id(1))->outcome == Outcome::done);
    t.hear(Reject{id(2), "declined", "no"});
    t.event<Rejected>();
    CHECK(t.ledger.find_ended(id(2))->outcome == Outcome::rejected);
    t.hear(done(3, false));
    t.event<Finished>();
    t.hear(Closed{id(3), "cancel", Outcome::cancelled});
    CHECK(t.event<Settled>().outcome == Outcome::cancelled);
  }

  TEST_CASE("a cancel that comes after our done finds it done") {
    Talk t;
    t.taken_and_accepted(1);
    REQUIRE(t.ledger.finish(done(1, true)));  // not said yet
    t.hear(Cancel{id(1), "cancelled", ""});
    const auto messages = t.said();
    REQUIRE(messages.size() == 2);
    CHECK(std::get<Done>(messages[0]).complete);
    CHECK(std::get<Closed>(messages[1]) == Closed{id(1), "cancel", Outcome::done});
    CHECK(t.talk.take_events().empty());
    t.hear(Closed{id(1), "done", Outcome::done});
    CHECK(t.event<Settled>().outcome == Outcome::done);
  }

  TEST_CASE("of two cancels that cross the giver's says how it ended") {
    Talk t;
    t.offered(1);
    REQUIRE(t.ledger.cancel(Cancel{id(1), "expired", ""}));
    t.hear(Cancel{id(1), "cancelled", ""});
    CHECK(t.event<Cancelled>().cancel.reason == "expired");
    CHECK(t.ledger.find_ended(id(1))->outcome == Outcome::expired);
    CHECK(t.said_one<Closed>().outcome == Outcome::expired);
  }

  TEST_CASE("a cancel ends the wants open here, though the offer ended on another session") {
    Talk t;
    t.taken_and_accepted(1);
    t.talk.want(Want{id(1), Of::stream, 0, 10});
    t.ledger.end(id(1), Outcome::cancelled);
    t.said();
    t.hear(Cancel{id(1), "cancelled", ""});
    CHECK(t.said_one<Closed>().outcome == Outcome::cancelled);
    CHECK(t.talk.asked().open_count() == 0);
  }

  TEST_CASE("a round of ours is closed by the answer to its own done") {
    Talk t;
    t.taken_and_accepted(1);
    REQUIRE(t.ledger.finish(done(1, false)));
    t.talk.sync(t.now);
    t.said_one<Done>();
    SUBCASE("then the rest is open") {
      t.hear(Closed{id(1), "done", Outcome::open});
      t.event<RoundClosed>();
      CHECK(t.ledger.find_taken(id(1))->state == TakenOffer::State::open);
      CHECK(t.ledger.find_taken(id(1))->round == 1);
    }
    SUBCASE("not by the answer to an earlier one") {
      REQUIRE(t.ledger.accept(accept(1)));
      REQUIRE(t.ledger.finish(done(1, false)));
      t.talk.sync(t.now);
      CHECK(t.said_one<Done>().round == 2);
      t.hear(Closed{id(1), "done", Outcome::open});
      CHECK(t.talk.take_events().empty());
      t.hear(Closed{id(1), "done", Outcome::open});
      t.event<RoundClosed>();
    }
    SUBCASE("nor by one that nobody asked") {
      t.hear(Closed{id(1), "cancel", Outcome::open});
      CHECK(t.talk.take_events().empty());
    }
  }

  TEST_CASE("a part that is done is said before what is decided about the rest") {
    Ledger ledger;
    TakenOffer taken;
    taken.offer = offer(1);
    ledger.restore(taken);
    REQUIRE(ledger.accept(accept(1)));
    REQUIRE(ledger.finish(done(1, false)));
    Message rest;
    SUBCASE("accepted") {
      REQUIRE(ledger.accept(accept(1)));
      rest = accept(1, 2);
    }
    SUBCASE("cancelled") {
      rest = Cancel{id(1), "cancelled", ""};
      REQUIRE(ledger.cancel(std::get<Cancel>(rest)));
    }
    Conversation talk(ledger, hello(0), kStart);
    const std::string first = frame(hello(1));
    talk.received(std::as_bytes(std::span(first)), kStart);
    CHECK(talk.take_output() == frame(hello(0)) + frame(done(1, false)) + frame(rest));
  }

  TEST_CASE("what ended elsewhere is served here no longer") {
    Talk t;
    t.offered(1);
    t.hear(accept(1));
    t.hear(Want{id(1), Of::stream, 0, 100});
    t.ledger.end(id(1), Outcome::cancelled);
    t.talk.sync(t.now);
    CHECK(t.talk.served().empty());
    t.hear(Want{id(1), Of::stream, 0, 100});
    CHECK(t.said_one<Closed>().outcome == Outcome::cancelled);
  }

  TEST_CASE("closed and unknown_offer end what they are about, ended ids are left alone") {
    Talk t;
    t.taken_and_accepted(1);
    t.hear(Closed{id(1), "accept", Outcome::expired});
    CHECK(t.event<Settled>().outcome == Outcome::expired);
    t.hear(Closed{id(1), "accept", Outcome::done});
    Trouble unknown;
    unknown.code = "unknown_offer";
    unknown.id = id(1);
    t.hear(unknown);
    CHECK(t.talk.take_events().empty());
    CHECK(t.ledger.find_ended(id(1))->outcome == Outcome::expired);
    t.offered(2);
    unknown.id = id(2);
    t.hear(unknown);
    const auto settled = t.event<Settled>();
    CHECK(settled.outcome == Outcome::failed);
    CHECK(settled.direction == Direction::given);
    CHECK(t.said().empty());
  }

  TEST_CASE("an offer that was refused as bad is not offered for ever") {
    Talk t;
    t.offered(1);
    Trouble bad;
    bad.code = "bad_offer";
    bad.id = id(1);
    bad.about = "offer";
    t.hear(bad);
    CHECK(t.event<Settled>().outcome == Outcome::failed);
    t.offered(2);
    bad.code = "busy";
    bad.id = id(2);
    t.hear(bad);
    t.event<Troubled>();
    CHECK(t.ledger.find_given(id(2)));
  }

  TEST_CASE("a taker that lost its record of a round may carry it out once more") {
    Talk t;
    t.offered(1);
    t.hear(accept(1));
    t.hear(done(1, false));
    t.said();
    t.talk.take_events();
    t.hear(accept(1));
    CHECK(t.event<Accepted>().repeated);
    t.hear(Want{id(1), Of::stream, 0, 10});
    t.event<Wanted>();
    CHECK(t.said().empty());
    CHECK(*t.talk.served().next() == Want{id(1), Of::stream, 0, 10});
    t.talk.data_header(block(1, 0, 10));
    t.hear(done(1, false));
    CHECK(t.event<Finished>().repeated);
    CHECK(t.said_one<Closed>() == Closed{id(1), "done", Outcome::open});
    CHECK(t.ledger.find_given(id(1))->state == GivenOffer::State::open);
  }

  TEST_CASE("bytes are served as far as was agreed, and refused about the offer otherwise") {
    Talk t;
    t.offered(1);
    t.hear(Want{id(1), Of::manifest, 0, 50});
    t.event<Wanted>();
    t.hear(Want{id(1), Of::stream, 0, 10});
    t.check_refused(Errc::bad_state);
    CHECK(t.talk.served().empty());  // the error answered the other want too
    t.hear(Want{id(1), Of::manifest, 1, 50});
    t.check_refused(Errc::bad_state);
    t.hear(accept(1));
    t.hear(Want{id(1), Of::stream, 0, 100});
    CHECK(*t.talk.served().next() == Want{id(1), Of::stream, 0, 100});
    t.hear(Want{id(1), Of::stream, 100, 1});
    t.check_refused(Errc::bad_state);
    t.hear(Want{id(2), Of::stream, 0, 1});
    t.check_refused(Errc::unknown_offer);
    t.ledger.restore_ended(id(3), {Direction::given, Outcome::cancelled});
    t.hear(Want{id(3), Of::stream, 0, 1});
    CHECK(t.said_one<Closed>() == Closed{id(3), "want", Outcome::cancelled});
  }

  TEST_CASE("a block answers the want whose turn it is") {
    Talk t;
    t.offered(1);
    t.hear(accept(1));
    t.hear(Want{id(1), Of::stream, 0, 100});
    CHECK(t.talk.data_header(block(1, 0, 40)) == frame(block(1, 0, 40)));
    CHECK(*t.talk.served().next() == Want{id(1), Of::stream, 40, 60});
    t.talk.gone(Gone{id(1), 0, 40, 60, "changed", ""});
    t.said_one<Gone>();
    CHECK(t.talk.served().empty());
  }

  TEST_CASE("a want too many ends the session") {
    Talk t;
    t.offered(1);
    t.hear(accept(1));
    for (std::size_t i = 0; i < kServedSlack * kMaxOpenWants; ++i)
      t.hear(Want{id(1), Of::stream, 1, 1});
    CHECK_FALSE(t.talk.over());
    t.hear(Want{id(1), Of::stream, 0, 1});
    t.check_fatal(Errc::too_much);
  }

  TEST_CASE("raw bytes pass beside, and what is behind them is read after them") {
    Talk t;
    t.taken_and_accepted(1);
    t.talk.want(Want{id(1), Of::stream, 0, 30});
    t.said_one<Want>();
    const std::string header = frame(block(1, 0, 30));
    const std::string bytes = header + std::string(30, 'x') + frame(Ping{});
    auto rest = std::as_bytes(std::span(bytes));
    CHECK(t.talk.received(rest, t.now) == header.size());
    CHECK(t.talk.payload_left() == 30);
    CHECK(t.talk.payload_wanted());
    CHECK(t.event<DataComing>().data == block(1, 0, 30));
    CHECK(t.talk.received(rest, t.now) == 0);
    t.talk.payload_passed(30, t.now);
    rest = rest.subspan(header.size() + 30);
    CHECK(t.talk.received(rest, t.now) == rest.size());
    t.said_one<Pong>();
  }

  TEST_CASE("data that was not wanted, or not as agreed, ends the session") {
    auto sha = block(1, 0, 10);
    sha.digest->kind = Digest::Kind::sha256;
    const std::pair<Message, Errc> cases[] = {
        {block(1, 1, 10), Errc::bad_state},
        {block(1, 0, 31), Errc::bad_state},
        {block(2, 0, 10), Errc::bad_state},
        {block(1, 0, 10, Of::manifest), Errc::bad_state},
        {sha, Errc::bad_digest},
        {Gone{id(1), 0, 5, 5, "changed", ""}, Errc::bad_state},
    };
    for (const auto& [message, code] : cases) {
      Talk t;
      t.taken_and_accepted(1);
      t.talk.want(Want{id(1), Of::stream, 0, 30});
      t.hear(message);
      t.check_fatal(code);
    }
  }

  TEST_CASE("what was wanted before a cancel is read and dropped, more ends the session") {
    Talk t;
    t.taken_and_accepted(1);
    t.talk.want(Want{id(1), Of::stream, 0, 30});
    REQUIRE(t.ledger.cancel(Cancel{id(1), "cancelled", ""}));
    t.talk.sync(t.now);
    t.said();
    t.hear(block(1, 0, 30));
    CHECK(t.talk.payload_left() == 30);
    CHECK_FALSE(t.talk.payload_wanted());
    CHECK(t.talk.take_events().empty());
    t.talk.payload_passed(30, t.now);
    t.hear(Closed{id(1), "cancel", Outcome::cancelled});
    t.event<Settled>();
    t.talk.want(Want{id(1), Of::stream, 30, 10});  // the caller did not know yet
    CHECK(t.said().empty());
    t.hear(block(1, 30, 10));
    t.check_fatal(Errc::bad_state);
  }

  TEST_CASE("only the taker knows that everything is here") {
    Talk t;
    t.taken_and_accepted(1);
    t.hear(Closed{id(1), "done", Outcome::done});
    CHECK(t.event<Settled>().outcome == Outcome::failed);
  }

  TEST_CASE("an error is never answered, not even one that cannot be read") {
    Talk t;
    t.hear_bytes(with_length(R"({"type":"error","code":7})"));
    CHECK(t.said().empty());
    CHECK(t.talk.over());
  }

  TEST_CASE("trouble of the giver ends our wants, trouble of the taker does not") {
    Talk t;
    t.taken_and_accepted(1);
    t.talk.want(Want{id(1), Of::stream, 0, 30});
    t.said();
    Trouble paused;
    paused.code = "paused";
    paused.id = id(1);
    t.hear(paused);
    CHECK(t.event<Troubled>().dropped == std::vector<Want>{{id(1), Of::stream, 0, 30}});
    t.offered(2);
    t.hear(accept(2));
    t.hear(Want{id(2), Of::stream, 0, 30});
    t.talk.take_events();
    paused.code = "no_space";
    paused.id = id(2);
    paused.missing = 12;
    t.hear(paused);
    CHECK(t.event<Troubled>().trouble.missing == 12);
    CHECK_FALSE(t.talk.served().empty());
    t.talk.trouble(paused);
    CHECK(t.talk.served().empty());
  }

  TEST_CASE("a get is asked once, answered by its offer or an error") {
    Talk t;
    const Get get{id<RequestId>(5), {*RelativePath::parse("share/x")}};
    t.hear(get);
    CHECK(t.event<GetAsked>().get == get);
    t.hear(get);
    CHECK(t.talk.take_events().empty());
    t.ledger.ask(Get{id<RequestId>(6), get.paths});
    t.talk.sync(t.now);
    t.said_one<Get>();
    Trouble no;
    no.code = "not_shared";
    no.request = id<RequestId>(6);
    t.hear(no);
    t.event<Troubled>();
    CHECK(t.ledger.gets().empty());
    t.hear(no);
    CHECK(t.talk.take_events().empty());
  }

  TEST_CASE("requests past the limit are refused until others are answered") {
    Talk t;
    for (std::size_t i = 0; i < kMaxOpenRequests; ++i)
      t.hear(List{id<RequestId>(static_cast<int>(i)), "", ""});
    CHECK(t.said().empty());
    t.hear(List{id<RequestId>(99), "", ""});
    t.check_refused(Errc::busy);
    CHECK(t.talk.take_events().size() == kMaxOpenRequests);
    t.hear(List{id<RequestId>(0), "", ""});  // one that is being answered
    CHECK(t.talk.take_events().empty());
    CHECK(t.said().empty());
    t.talk.listing(Listing{id<RequestId>(0), {}, ""});
    t.said_one<Listing>();
    t.hear(List{id<RequestId>(99), "", ""});
    t.event<ListAsked>();
  }

  TEST_CASE("our own requests past the limit come back as trouble") {
    Talk t;
    for (std::size_t i = 0; i < kMaxOpenRequests; ++i)
      t.talk.list(List{id<RequestId>(static_cast<int>(i)), "", ""});
    CHECK(t.said().size() == kMaxOpenRequests);
    t.talk.list(List{id<RequestId>(99), "", ""});
    CHECK(t.event<Troubled>().trouble.code == "busy");
    t.hear(Listing{id<RequestId>(0), {}, ""});
    t.event<ListingCame>();
    t.hear(Listing{id<RequestId>(0), {}, ""});
    t.check_fatal(Errc::bad_state);
  }

  TEST_CASE("a page longer than the other side takes is not sent") {
    Talk t;
    Listing listing{id<RequestId>(1), {}, ""};
    for (int i = 0; i < 400; ++i) {
      auto& entry = listing.entries.emplace_back();
      entry.name = std::string(200, 'n');
    }
    CHECK_FALSE(t.talk.fits(listing));
    t.talk.listing(listing);
    t.check_refused(Errc::too_large);
  }

  TEST_CASE("unknown types are answered and the talk goes on") {
    Talk t;
    t.hear_bytes(with_length(R"({"type":"teleport","x":1})"));
    const auto trouble = t.said_one<Trouble>();
    CHECK(trouble.code == "unknown_type");
    CHECK(trouble.about == "teleport");
    CHECK_FALSE(t.talk.over());
    t.hear_bytes(with_length("{\"type\":\"two words\"}"));
    t.check_refused(Errc::unknown_type);
  }

  TEST_CASE("requests with a wrong field are refused by name, anything else ends the session") {
    Talk t;
    t.hear_bytes(with_length(R"({"type":"offer","id":"01000000000000000000000000000000"})"));
    auto trouble = t.said_one<Trouble>();
    CHECK(trouble.code == "bad_message");
    CHECK(trouble.id == id(1));
    CHECK(trouble.about == "offer");
    t.hear_bytes(with_length(
        R"({"type":"list","request":"02000000000000000000000000000000","path":"../x"})"));
    trouble = t.said_one<Trouble>();
    CHECK(trouble.code == "bad_path");
    CHECK(trouble.request == id<RequestId>(2));
    t.hear_bytes(with_length(R"({"type":"accept"})"));
    t.check_fatal(Errc::bad_message);
    Talk broken;
    broken.hear_bytes(with_length("{"));
    broken.check_fatal(Errc::bad_json);
    Talk large;
    large.hear_bytes("\xff\xff\xff\xff");
    large.check_fatal(Errc::message_too_large);
  }

  TEST_CASE("noise ends the session, wants and what is far apart is no noise") {
    constexpr std::size_t kMost = kMaxMessagesPerSecond * 10;
    Talk t;  // its hello counts
    for (std::size_t i = 1; i < kMost; ++i) t.hear(Pong{});
    CHECK_FALSE(t.talk.over());
    SUBCASE("too much") {
      t.hear(Pong{});
      t.check_fatal(Errc::too_much);
    }
    SUBCASE("ten seconds later it counts from zero") {
      t.now += kMessageRateSpan;
      t.hear(Pong{});
      CHECK_FALSE(t.talk.over());
    }
  }

  TEST_CASE("wants that are served as they come are no noise") {
    Talk t;
    t.offered(1);
    t.hear(accept(1));
    for (std::size_t i = 0; i < kMaxMessagesPerSecond * 10 + 10; ++i) {
      t.hear(Want{id(1), Of::stream, i % 100, 1});
      t.talk.data_header(block(1, i % 100, 1));
      t.talk.take_events();
    }
    CHECK_FALSE(t.talk.over());
  }

  TEST_CASE("whoever asks and does not read the answers is left") {
    for (const std::string& question : {frame(Ping{}), with_length(R"({"type":"hullo"})")}) {
      Talk t;
      t.talk.bound_output(std::size_t{1} << 20);
      for (int second = 0; second < 100 && !t.talk.over(); ++second) {
        t.now += seconds(1);
        for (int i = 0; i < 4'000; ++i) t.talk.received(std::as_bytes(std::span(question)), t.now);
      }
      CHECK(t.talk.over());
      CHECK(t.talk.take_output().size() < (std::size_t{1} << 20) + kMaxMessageBytes);
    }
  }

  TEST_CASE("a fatal error of theirs, and a broken connection, are the last event") {
    Talk t;
    Trouble leaving;
    leaving.code = "leaving";
    leaving.text = "good night";
    leaving.fatal = true;
    t.hear(leaving);
    const auto events = t.talk.take_events();
    REQUIRE(events.size() == 2);
    CHECK(std::get<Troubled>(events[0]).trouble == leaving);
    CHECK(std::get<Over>(events[1]).by_peer);
    CHECK(std::get<Over>(events[1]).error.code == Errc::leaving);
    CHECK(t.said().empty());
    t.talk.disconnected(peer::Error(std::make_error_code(std::errc::connection_reset)));
    CHECK(t.talk.take_events().empty());
    Talk cut;
    cut.talk.disconnected(peer::Error(std::make_error_code(std::errc::connection_reset)));
    CHECK(cut.event<Over>().error.code == std::errc::connection_reset);
  }

  TEST_CASE("leaving is said") {
    Talk t;
    t.talk.leave(Errc::replaced, "");
    t.check_fatal(Errc::replaced);
  }
}
