#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/home.hpp"
#include "cli/fd.hpp"

namespace peer::cli {

/// The first word of the command line of a node that a command started; no command of its own.
inline constexpr char kNodeWord[] = "--node";
/// The environment variable that names the pipe on which such a node says that it is ready.
inline constexpr char kReadyVariable[] = "PEER_READY_FD";

/// A connection to the node of `home`; nothing if none answers. Works for socket paths longer than
/// a socket address may be. A socket of another user is an error (CommandError).
std::optional<Fd> connect_to_node(const base::Home& home);

/// Waits for a process, no child of this one, to end.
class ProcessEnd {
 public:
  explicit ProcessEnd(pid_t pid);
  /// False if it still runs after `limit`.
  bool wait(std::chrono::milliseconds limit) const;

 private:
  Fd fd_;
};

/// A node that was told to stop holds its home for a moment after it closed its socket: waits for
/// it, not longer than that can take. For whoever starts a node, under the StartLock.
void wait_for_ending_node(const base::Home& home);

/// Held by whoever starts a node, so that of many commands only one does. Waits for it.
class StartLock {
 public:
  explicit StartLock(const base::Home& home);

 private:
  Fd fd_;
};

/// Connects to the node of `home`, started first if none answers: a child in a session of its own,
/// which ends with its last client. `home_given` is --home, or empty. CommandError with the node's
/// own words if it cannot start.
Fd connect_or_start(const base::Home& home, const std::string& home_given);

/// Waits for "ok" on the ready pipe. Returns what went wrong, empty if nothing did.
std::string wait_ready(int fd);

/// The body of such a child: `--node [--home DIR]`.
int run_node_process(int argc, char** argv);

}  // namespace peer::cli
