#pragma once

#include <cstdint>

#include "protocol/ids.hpp"

/// Which of two sessions of one pair stays (PROTOCOL.md "One session per pair").
namespace peer::protocol {

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

/// `old_one` and `new_one` are sessions of the same pair that have both had their `hello`s. Of
/// crossed dials both sides come to the same answer; only the side with the lower ID acts on it.
Keep which_stays(const SessionKey& old_one, const SessionKey& new_one, bool our_id_is_lower);

}  // namespace peer::protocol
