#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.hpp"

namespace peer::cli {

/// A row of the command table. `run` gets the words from the command's own name on; it may throw
/// CommandError and Interrupted.
struct Command {
  std::string_view name;
  const char* summary;
  ExitCode (*run)(std::span<char*> args);
};

ExitCode run_start(std::span<char*> args);
ExitCode run_stop(std::span<char*> args);
ExitCode run_status(std::span<char*> args);
ExitCode run_offer(std::span<char*> args);
ExitCode run_offers(std::span<char*> args);
ExitCode run_accept(std::span<char*> args);
ExitCode run_reject(std::span<char*> args);
ExitCode run_cancel(std::span<char*> args);
ExitCode run_pause(std::span<char*> args);
ExitCode run_resume(std::span<char*> args);
ExitCode run_wait(std::span<char*> args);
ExitCode run_receive(std::span<char*> args);
ExitCode run_get(std::span<char*> args);
ExitCode run_list(std::span<char*> args);
ExitCode run_share(std::span<char*> args);
ExitCode run_unshare(std::span<char*> args);
ExitCode run_shares(std::span<char*> args);
ExitCode run_peers(std::span<char*> args);
ExitCode run_invite(std::span<char*> args);
ExitCode run_join(std::span<char*> args);
ExitCode run_add(std::span<char*> args);
ExitCode run_note(std::span<char*> args);
ExitCode run_rename(std::span<char*> args);
ExitCode run_forget(std::span<char*> args);
ExitCode run_block(std::span<char*> args);
ExitCode run_unblock(std::span<char*> args);
ExitCode run_trust(std::span<char*> args);
ExitCode run_untrust(std::span<char*> args);
ExitCode run_id(std::span<char*> args);
ExitCode run_history(std::span<char*> args);
ExitCode run_doctor(std::span<char*> args);
ExitCode run_config(std::span<char*> args);

/// The words of `help` that are commands; nothing if its own --help was printed.
std::optional<std::vector<std::string>> help_words(std::span<char*> args);
/// `peer` alone: what it is and the three commands of the first day.
void print_overview();
/// Every command with its summary.
void print_commands(std::span<const Command> commands);

}  // namespace peer::cli
