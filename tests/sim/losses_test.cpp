#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include "judge.hpp"

using namespace peer::sim;

namespace {

constexpr std::chrono::hours kLong{1000};
constexpr std::size_t kForEver = 200'000;

constexpr std::pair<const char*, Plan> kPlansTried[] = {
    {"all", Plan::all},
    {"half, then the rest", Plan::half_then_rest},
    {"half, the rest accepted before the answer", Plan::half_rest_early},
    {"half, the rest cancelled", Plan::half_then_cancel},
    {"half only", Plan::half_only},
    {"half, and all before that is here", Plan::widen},
    {"rejected", Plan::reject},
    {"cancelled", Plan::cancel},
    {"cancelled amid the bytes", Plan::accept_then_cancel},
};

/// A program dies after `bytes` were delivered, with all but its latest `unsaved` rows saved.
struct Death {
  std::size_t side;
  std::size_t bytes;
  std::size_t unsaved;
  World::Ending how;
};

/// Everything moves and time passes; enough for a giver's pauses and for silence to be noticed.
void settle(World& world, std::size_t looks) {
  for (std::size_t i = 0; i < looks; ++i) {
    if (world.links() == 0) world.dial(i % 2);
    world.run(kForEver, kForEver, 0);
    world.party(0).disk.write_all();
    world.party(1).disk.write_all();
    world.pass_time(std::chrono::seconds(5));
  }
  world.run(kForEver, kForEver, 0);
}

/// What is wrong after that, or nothing; `happened`: it lived long enough to die so.
std::string play(Plan plan, const Death& death, bool& happened) {
  World world;
  world.party(1).plans[offer_id(1)] = plan;
  world.dial(0);
  world.give(0, 1, kLong);
  world.run(death.bytes, kForEver, 0);
  auto& disk = world.party(death.side).disk;
  happened = world.delivered() >= death.bytes && disk.unsaved() >= death.unsaved;
  if (!happened) return {};
  disk.write(disk.unsaved() - death.unsaved);
  world.restart(death.side, death.how);
  world.cut_all();
  settle(world, 4);
  std::string wrong = disagreement(world);
  world.cancel(death.side, offer_id(1), "cancelled");
  world.cancel(1 - death.side, offer_id(1), "cancelled");
  settle(world, 2);
  return wrong + difference_at_the_end(world);
}

}  // namespace

TEST_SUITE("losses") {
  TEST_CASE("both sides agree whatever a database had not saved when its program died") {
    for (const auto& [name, plan] : kPlansTried) {
      CAPTURE(name);
      for (const std::size_t side : {0u, 1u})
        for (const auto how : {World::Ending::killed, World::Ending::power}) {
          CAPTURE(side);
          CAPTURE(static_cast<int>(how));
          std::size_t deaths = 0;
          bool lives = true;
          for (std::size_t bytes = 0; lives; bytes += 7 * PEER_SIM_STRIDE) {
            lives = false;
            for (std::size_t unsaved = 0; unsaved < 12; ++unsaved) {
              bool happened = false;
              const std::string wrong = play(plan, {side, bytes, unsaved, how}, happened);
              if (!happened) break;
              lives = true;
              ++deaths;
              CAPTURE(bytes);
              CAPTURE(unsaved);
              if (!wrong.empty()) FAIL_CHECK(wrong);
            }
          }
          CHECK(deaths > 20);
        }
    }
  }
}
