#pragma once

namespace peer::base {

/// What a command's end means to a script; `failed` answers of the node carry it too (README "Exit
/// codes").
enum class Exit : int {
  done = 0,
  failed = 1,
  usage = 2,
  rejected = 3,  ///< or cancelled by the other side
  unreachable = 4,
  identity = 5,  ///< does not match or is not verified
  integrity = 6,
  no_space = 7,
  partly = 8,     ///< something wanted did not arrive
  timed_out = 9,  ///< or expired
  unknown = 10,   ///< no such peer, offer, share or path
  interrupted = 130,
  terminated = 143,
};

}  // namespace peer::base
