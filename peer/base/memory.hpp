#pragma once

namespace peer::base {

/// Gives memory that is free in the heap back to the system, where the C library can. May take some
/// milliseconds; thread-safe.
void give_back_memory();

}  // namespace peer::base
