#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include "protocol/errors.hpp"
#include "protocol/ledger.hpp"

using namespace peer::protocol;

namespace {

OfferId offer(int n) {
  OfferId id;
  id.bytes[0] = static_cast<std::byte>(n);
  return id;
}

Ledger with_taken(int n) {
  Ledger ledger;
  TakenOffer taken;
  taken.offer.id = offer(n);
  ledger.restore(taken);
  return ledger;
}

Accept accept(int n) {
  Accept a;
  a.id = offer(n);
  return a;
}

Done done(int n, bool complete) {
  Done d;
  d.id = offer(n);
  d.complete = complete;
  return d;
}

Reject reject(int n) { return {offer(n), "declined", ""}; }
Cancel cancel(int n) { return {offer(n), "cancelled", ""}; }

using State = TakenOffer::State;

}  // namespace

TEST_SUITE("ledger") {
  TEST_CASE("an offer is accepted, finished, and its rounds are counted here") {
    auto ledger = with_taken(1);
    REQUIRE(ledger.accept(accept(1)));
    CHECK(ledger.find_taken(offer(1))->round == 1);
    CHECK(ledger.find_taken(offer(1))->accept->round == 1);
    REQUIRE(ledger.accept(accept(1)));  // another choice
    CHECK(ledger.find_taken(offer(1))->accept->round == 2);
    REQUIRE(ledger.finish(done(1, true)));
    CHECK(ledger.find_taken(offer(1))->done->round == 2);
    CHECK(ledger.find_taken(offer(1))->state == State::finishing);
  }

  TEST_CASE("decisions in a wrong state are refused and change nothing") {
    auto ledger = with_taken(1);
    CHECK(ledger.finish(done(1, true)).error().code == Errc::bad_state);
    REQUIRE(ledger.accept(accept(1)));
    CHECK(ledger.reject(reject(1)).error().code == Errc::bad_state);
    REQUIRE(ledger.finish(done(1, true)));
    CHECK(ledger.accept(accept(1)).error().code == Errc::bad_state);
    CHECK(ledger.cancel(cancel(1)).error().code == Errc::bad_state);
    CHECK(ledger.find_taken(offer(1))->state == State::finishing);

    auto rejected = with_taken(1);
    REQUIRE(rejected.reject(reject(1)));
    CHECK(rejected.accept(accept(1)).error().code == Errc::bad_state);
    CHECK(rejected.cancel(cancel(1)).error().code == Errc::bad_state);
    CHECK(rejected.find_taken(offer(1))->state == State::rejecting);
  }

  TEST_CASE("ids that are not open are unknown to decisions") {
    Ledger ledger;
    CHECK(ledger.accept(accept(1)).error().code == Errc::unknown_offer);
    CHECK(ledger.finish(done(1, true)).error().code == Errc::unknown_offer);
    CHECK(ledger.reject(reject(1)).error().code == Errc::unknown_offer);
    CHECK(ledger.cancel(cancel(1)).error().code == Errc::unknown_offer);
  }

  TEST_CASE("how much the taker has is said when the accept is said again") {
    auto ledger = with_taken(1);
    REQUIRE(ledger.accept(accept(1)));
    ledger.holds(offer(1), 77);
    CHECK(ledger.find_taken(offer(1))->accept->held == 77);
    ledger.holds(offer(2), 5);  // of what is not known nothing is noted
    CHECK_FALSE(ledger.knows(offer(2)));
  }

  TEST_CASE("what was approved is what is accepted") {
    auto ledger = with_taken(1);
    auto other = accept(1);
    other.manifest.bytes[0] = std::byte{1};
    CHECK(ledger.accept(other).error().code == Errc::bad_offer);
    CHECK(ledger.find_taken(offer(1))->state == State::open);
  }

  TEST_CASE("after a part is finished the rest may be accepted or cancelled at once") {
    auto ledger = with_taken(1);
    REQUIRE(ledger.accept(accept(1)));
    REQUIRE(ledger.finish(done(1, false)));
    SUBCASE("accepted") {
      REQUIRE(ledger.accept(accept(1)));
      CHECK(ledger.find_taken(offer(1))->round == 2);
    }
    SUBCASE("cancelled") { REQUIRE(ledger.cancel(cancel(1))); }
    CHECK(ledger.find_taken(offer(1))->done->round == 1);
  }

  TEST_CASE("what was saved without the message of its state can still be decided about") {
    for (const auto state :
         {State::accepted, State::finishing, State::rejecting, State::cancelling}) {
      Ledger ledger;
      TakenOffer taken;
      taken.offer.id = offer(1);
      taken.state = state;
      taken.round = 1;
      ledger.restore(taken);
      CHECK(ledger.find_taken(offer(1))->state == State::open);
      CHECK(ledger.find_taken(offer(1))->round == 1);
      CHECK(ledger.cancel(cancel(1)));
    }
    for (const std::uint64_t done_round : {0u, 1u}) {
      Ledger ledger;
      GivenOffer given;
      given.offer.id = offer(1);
      given.state = GivenOffer::State::cancelling;
      given.round = 1;
      given.done_round = done_round;
      ledger.restore(given);
      const bool open = ledger.find_given(offer(1))->state == GivenOffer::State::open;
      CHECK(open == (done_round == 1));
      CHECK(ledger.cancel(cancel(1)));
    }
  }

  TEST_CASE("either side cancels once") {
    Ledger ledger;
    GivenOffer given;
    given.offer.id = offer(1);
    ledger.give(given);
    REQUIRE(ledger.cancel(cancel(1)));
    CHECK(ledger.find_given(offer(1))->state == GivenOffer::State::cancelling);
    CHECK(ledger.cancel(cancel(1)).error().code == Errc::bad_state);
    auto taken = with_taken(1);
    REQUIRE(taken.cancel(cancel(1)));
    CHECK(taken.cancel(cancel(1)).error().code == Errc::bad_state);
  }

  TEST_CASE("what ended is remembered with its direction until it is forgotten") {
    auto ledger = with_taken(1);
    ledger.end(ledger.find_taken(offer(1))->offer.id, Outcome::expired);
    CHECK_FALSE(ledger.find_taken(offer(1)));
    REQUIRE(ledger.find_ended(offer(1)));
    CHECK(ledger.find_ended(offer(1))->direction == Direction::taken);
    CHECK(ledger.find_ended(offer(1))->outcome == Outcome::expired);
    ledger.end(offer(1), Outcome::done);  // ended is ended
    CHECK(ledger.find_ended(offer(1))->outcome == Outcome::expired);
    CHECK(ledger.knows(offer(1)));
    ledger.forget_ended(offer(1));
    CHECK_FALSE(ledger.knows(offer(1)));
  }

  TEST_CASE("requests stay until they are answered") {
    Ledger ledger;
    Get get;
    get.paths.push_back(*RelativePath::parse("share/a"));
    ledger.ask(get);
    CHECK(ledger.gets().size() == 1);
    ledger.answered(get.request);
    CHECK(ledger.gets().empty());
  }

  TEST_CASE("only the reason expired makes a cancel an expiry") {
    CHECK(outcome_of(Cancel{offer(1), "expired", ""}) == Outcome::expired);
    CHECK(outcome_of(Cancel{offer(1), "cancelled", ""}) == Outcome::cancelled);
    CHECK(outcome_of(Cancel{offer(1), "whatever", ""}) == Outcome::cancelled);
  }
}
