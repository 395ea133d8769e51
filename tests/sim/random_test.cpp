#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "world.hpp"

using namespace peer::sim;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// One schedule: anything may happen in any order, then everything is given time to settle.
class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {}

  std::string play() {
    const std::size_t steps = 50 + below(250);
    for (std::size_t i = 0; i < steps; ++i) step();
    return settle();
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  void offer(std::size_t side) {
    if (offers_ >= 6) return;
    world_.party(side).give(++offers_, world_.now());
    world_.party(1 - side).plans[offer_id(offers_)] = static_cast<Plan>(below(kPlans));
    world_.sync(side);
  }

  void cancel(std::size_t side) {
    if (offers_ == 0) return;
    const char* reason = below(3) == 0 ? "expired" : "cancelled";
    world_.cancel(side, offer_id(1 + below(offers_)), reason);
  }

  void disturb(std::size_t side) {
    const std::size_t links = world_.links().size();
    switch (below(6)) {
      case 0:
        if (links > 0) world_.cut(below(links));
        return;
      case 1:
        if (links > 0) world_.cut_at(below(links), side);
        return;
      case 2:
        return world_.restart(side);
      case 3:
        return world_.close_losers(side);
      case 4:
        return world_.pass_time(std::chrono::seconds(below(20)));
      default:
        if (links < 3) world_.dial(side);
    }
  }

  void step() {
    const std::size_t side = below(2);
    const std::size_t links = world_.links().size();
    const std::size_t what = below(100);
    if (links == 0 || what < 2) {
      if (links < 3) world_.dial(side);
    } else if (what < 60) {
      const bool much = below(2) == 0;
      world_.deliver(below(links), side, 1 + below(much ? 2000 : 60));
    } else if (what < 75) {
      world_.serve(side);
    } else if (what < 88) {
      world_.decide(side);
    } else if (what < 92) {
      offer(side);
    } else if (what < 95) {
      cancel(side);
    } else {
      disturb(side);
    }
  }

  std::string settle() {
    world_.cut_all();
    world_.dial(below(2));
    if (!world_.run(1'000'000, 500, below(2))) return "it never got quiet";
    for (std::uint64_t i = 1; i <= offers_; ++i) world_.cancel(below(2), offer_id(i), "cancelled");
    for (std::uint64_t i = 1; i <= offers_; ++i)
      for (const std::size_t side : {0u, 1u})
        if (world_.party(side).ledger.find_given(offer_id(i)))
          world_.cancel(side, offer_id(i), "cancelled");
    if (!world_.run(1'000'000, 500, below(2))) return "it never got quiet after the cancels";
    return world_.disagreement();
  }

  std::mt19937_64 random_;
  World world_;
  std::uint64_t offers_ = 0;
};

}  // namespace

TEST_SUITE("random") {
  TEST_CASE("any schedule ends in agreement") {
    const std::uint64_t seed = from_environment("PEER_SIM_SEED", std::random_device()());
    const std::uint64_t schedules = from_environment("PEER_SIM_SCHEDULES", 3'000);
    std::cout << "PEER_SIM_SEED=" << seed << " PEER_SIM_SCHEDULES=" << schedules << std::endl;
    for (std::uint64_t i = 0; i < schedules; ++i) {
      const std::string wrong = Schedule(seed + i).play();
      if (wrong.empty()) continue;
      FAIL_CHECK("PEER_SIM_SEED=" << seed + i << " PEER_SIM_SCHEDULES=1: " << wrong);
      break;
    }
  }
}
