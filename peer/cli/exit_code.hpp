#pragma once

#include "base/exit_code.hpp"

namespace peer::cli {

/// What a command's end means to a script; the node names the same codes in its answers.
using ExitCode = base::Exit;

}  // namespace peer::cli
