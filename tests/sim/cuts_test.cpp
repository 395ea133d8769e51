#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include <functional>

#include "judge.hpp"

using namespace peer::sim;

namespace {

constexpr std::size_t kForEver = 200'000;
constexpr std::chrono::hours kLong{1000};

struct Scenario {
  const char* name;
  Plan plan;
  Outcome outcome;
  const char* cancel = nullptr;  ///< the giver's reason, if it cancels
  std::size_t cancel_after = 0;  ///< bytes delivered
  bool both_offer = false;
};

constexpr Scenario kScenarios[] = {
    {"all is taken", Plan::all, Outcome::done},
    {"all is taken, both ways at once", Plan::all, Outcome::done, nullptr, 0, true},
    {"half, then the rest", Plan::half_then_rest, Outcome::done},
    {"half, the rest accepted before the answer", Plan::half_rest_early, Outcome::done},
    {"half, the rest cancelled", Plan::half_then_cancel, Outcome::cancelled},
    {"rejected", Plan::reject, Outcome::rejected},
    {"rejected, both ways at once", Plan::reject, Outcome::rejected, nullptr, 0, true},
    {"cancelled by the taker before any answer", Plan::cancel, Outcome::cancelled},
    {"cancelled by the taker amid the bytes", Plan::accept_then_cancel, Outcome::cancelled},
    {"cancelled by the giver at once", Plan::all, Outcome::cancelled, "cancelled", 600},
    {"expired amid the bytes", Plan::all, Outcome::expired, "expired", 1500},
};

/// Plays a scenario, cut after each of `cuts` delivered bytes; what is wrong, or nothing.
std::string play(const Scenario& s, std::vector<std::size_t> cuts, std::size_t chunk,
                 std::size_t first, std::size_t* length = nullptr) {
  World world;
  world.give(0, 1, kLong);
  world.party(1).plans[offer_id(1)] = s.plan;
  if (s.both_offer) {
    world.give(1, 2, kLong);
    world.party(0).plans[offer_id(2)] = s.plan;
  }
  bool cancelled = s.cancel == nullptr;
  world.dial(0);
  cuts.push_back(kForEver);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const std::size_t here = cuts[i];
    if (!cancelled && world.delivered() + here >= s.cancel_after) {
      const std::size_t part = s.cancel_after - std::min(world.delivered(), s.cancel_after);
      world.run(part, chunk, first);
      world.cancel(0, offer_id(1), s.cancel);
      cancelled = true;
      world.run(here - part, chunk, first);
    } else {
      world.run(here, chunk, first);
    }
    if (i + 1 == cuts.size()) break;
    world.cut_all();
    world.dial(i % 2);
  }
  if (length) *length = world.delivered();
  if (!world.quiet()) return "it never got quiet";
  std::string wrong = difference_at_the_end(world);
  // A cancel that comes too late finds it done.
  const auto how = world.party(0).ledger.find_ended(offer_id(1));
  const bool late = s.cancel && how && how->outcome == Outcome::done;
  if (!late && (!how || how->outcome != s.outcome)) wrong += "another outcome; ";
  // Nothing is said again for ever: a fresh session brings the hellos and that is all.
  world.cut_all();
  World before;
  before.dial(0);
  before.run(kForEver, kForEver, 0);
  const std::size_t hellos = before.delivered();
  const std::size_t until_now = world.delivered();
  world.dial(0);
  world.run(kForEver, kForEver, 0);
  if (world.delivered() - until_now > hellos + 8) wrong += "more than hellos at the end; ";
  return wrong;
}

}  // namespace

TEST_SUITE("cuts") {
  TEST_CASE("the same whatever pieces the bytes come in") {
    for (const auto& s : kScenarios) {
      CAPTURE(s.name);
      for (const std::size_t chunk : {1u, 2u, 3u, 5u, 7u, 64u, 1000u, 100'000u})
        for (const std::size_t first : {0u, 1u}) {
          CAPTURE(chunk);
          CHECK(play(s, {}, chunk, first) == "");
        }
    }
  }

  TEST_CASE("both sides agree wherever the connection is cut once") {
    for (const auto& s : kScenarios) {
      CAPTURE(s.name);
      for (const std::size_t first : {0u, 1u}) {
        std::size_t length = 0;
        REQUIRE(play(s, {}, 100'000, first, &length) == "");
        // No message is as short as 5 bytes: every set of messages that arrived comes up.
        const std::size_t step = PEER_SIM_STRIDE * (s.plan == Plan::half_then_rest ? 1 : 5);
        for (std::size_t at = 0; at <= length; at += step) {
          CAPTURE(at);
          const std::string wrong = play(s, {at}, 100'000, first);
          if (!wrong.empty()) FAIL_CHECK(wrong);
        }
      }
    }
  }

  TEST_CASE("both sides agree when connections are cut again and again") {
    for (const auto& s : kScenarios) {
      CAPTURE(s.name);
      for (std::size_t at = 100; at < 1600; at += 97)
        for (std::size_t next = 100; next < 1600; next += 89 * PEER_SIM_STRIDE) {
          CAPTURE(at);
          CAPTURE(next);
          const std::string wrong = play(s, {at, next, at / 2 + next / 2}, 300, 0);
          if (!wrong.empty()) FAIL_CHECK(wrong);
        }
    }
  }
}
