#include <string>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace peer::cli {

std::optional<std::vector<std::string>> help_words(std::span<char*> args) {
  static const Spec spec{"help",
                         "help [COMMAND]",
                         "Tell all about a command: usage, options, examples, exit codes. Without "
                         "COMMAND: every command in a line.",
                         {},
                         "peer help offer",
                         nullptr,
                         0,
                         1};
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return std::nullopt;
  return arguments->words();
}

void print_overview() {
  print("peer hands files directly from one person or machine to another.");
  print("");
  print("  peer start                        I am here, and I listen");
  print("  peer offer bob photos/ notes.md   bob, do you want these?");
  print("  peer accept 3                     yes      (peer reject 3: no)");
  print("");
  print("To begin with somebody: peer invite here, peer join there. All commands: peer help");
}

void print_commands(std::span<const Command> commands) {
  constexpr std::size_t kSummaryColumn = 12;
  print("usage: peer COMMAND ...");
  print("");
  for (const Command& command : commands) {
    std::string line = "  " + std::string(command.name);
    line.resize(kSummaryColumn, ' ');
    print(line + command.summary);
  }
  print("");
  print("peer help COMMAND tells all about one of them; --json, --yes, --no-input,");
  print("--timeout T, --home DIR, -q and -v work with every command.");
  print("A PEER is a contact's name, a peer ID, or an address (192.168.1.7, host.example:56744).");
  print(
      "An OFFER is its number, or a contact with one open offer, or nothing if only one is open.");
  print("send, recv and ls are other names of offer, receive and list.");
}

}  // namespace peer::cli
