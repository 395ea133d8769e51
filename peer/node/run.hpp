#pragma once

#include "base/home.hpp"

namespace peer::node {

struct RunOptions {
  base::Home home;
  bool lasting = false;  ///< stays when its last client has gone (`peer start`)
  int ready_fd = -1;     ///< gets "ok\n", or why not, once clients can connect; then it is closed
  bool verbose = false;  ///< log to stderr too
};

/// The node: runs on the calling thread until it is stopped. Handles SIGINT and SIGTERM (the first
/// stops cleanly, the second leaves at once). Returns the exit code of the process; an error has
/// been written to ready_fd, or to stderr without one.
int run(const RunOptions& options);

}  // namespace peer::node
