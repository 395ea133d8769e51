#pragma once

#include "storage_intake_fixture.hpp"

/// A transfer that an earlier run has left half done.
namespace fixture {

inline constexpr std::uint64_t kUnit = 64 * 1024;

/// `half` is stored to 2 units of 4, the others wholly.
inline World half_done() {
  return World({file("half", 4 * kUnit), file("whole", 2 * kUnit), file("x1", 10), file("x2", 20),
                file("x3", 30)});
}

inline void give_first(Intake& intake, const World& world) {
  const auto writer = intake.writer();
  const auto whole = world.offset_of("whole");
  for (const Range range : {Range{0, kUnit}, Range{kUnit, 2 * kUnit}, Range{whole, whole + kUnit},
                            Range{whole + kUnit, world.bytes}})
    REQUIRE(World::give(*writer, range));
}

/// `more`: after a kill more may be suspect, and what shares a block with a bad file is lacking
/// too.
inline void finish(World& world, std::uint64_t lacking, bool more = false) {
  {
    const auto intake = world.open();
    World::recheck(*intake);
    const auto given = World::give_rest(*intake);
    if (more) CHECK(given >= lacking);
    if (!more) CHECK(given == lacking);
    CHECK(deliver(*intake).failed == 0);
  }
  for (const auto* name : {"half", "whole", "x1", "x2", "x3"}) world.check_delivered(name, name);
}

}  // namespace fixture
