#pragma once

#include <csignal>
#include <stdexcept>
#include <string>

#include "cli/exit_code.hpp"

namespace peer::cli {

/// Ends a command: a sentence for the person and the exit code. Caught once, in main.
class CommandError : public std::runtime_error {
 public:
  CommandError(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// SIGINT or SIGTERM came while a command waited. Signals have their default action again by the
/// time this is caught, so that a second one leaves at once.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal) : signal_(signal) {}
  const char* what() const noexcept override { return "interrupted"; }
  ExitCode code() const {
    return signal_ == SIGTERM ? ExitCode::terminated : ExitCode::interrupted;
  }

 private:
  int signal_;
};

/// The node closed the connection: it was stopped, or died.
class NodeGone : public CommandError {
 public:
  NodeGone()
      : CommandError(ExitCode::failed, "the node ended; run the same command again to go on") {}
};

/// The time given with --timeout.
class TimeIsOver : public CommandError {
 public:
  TimeIsOver() : CommandError(ExitCode::timed_out, "the time given with --timeout is over") {}
};

}  // namespace peer::cli
