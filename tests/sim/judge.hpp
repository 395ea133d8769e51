#pragma once

#include <string>

#include "world.hpp"

namespace peer::sim {

/// What is wrong once nothing moves any more, or nothing: states of one offer that do not belong
/// together, what should have been answered, carried out or ended. What a crash lost excuses what
/// PROTOCOL.md says it costs.
std::string disagreement(const World& world);
/// ... and nothing may be open any more: how all of it ended.
std::string difference_at_the_end(const World& world);

}  // namespace peer::sim
