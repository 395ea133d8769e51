#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/node_process.hpp"
#include "cli/output.hpp"

namespace {

using namespace peer::cli;

ExitCode run_help(std::span<char*> args);

constexpr std::array kCommands{
    Command{"start", "be here and listen; ask about offers on the terminal", run_start},
    Command{"stop", "end the running node; transfers go on at the next start", run_stop},
    Command{"status", "what the running node is doing", run_status},
    Command{"offer", "offer files and folders to a peer", run_offer},
    Command{"offers", "open offers, each with the commands that answer it", run_offers},
    Command{"accept", "take an offer", run_accept},
    Command{"reject", "decline an offer", run_reject},
    Command{"cancel", "end an offer or a transfer", run_cancel},
    Command{"pause", "let a transfer stand still", run_pause},
    Command{"resume", "let a paused transfer go on", run_resume},
    Command{"wait", "follow offers to their end", run_wait},
    Command{"receive", "wait for offers and take them", run_receive},
    Command{"get", "fetch something a peer shares with you", run_get},
    Command{"list", "see what a peer shares with you", run_list},
    Command{"share", "let contacts list and get a folder", run_share},
    Command{"unshare", "end a share", run_unshare},
    Command{"shares", "what is shared, and with whom", run_shares},
    Command{"peers", "contacts, and who is nearby; export and import", run_peers},
    Command{"invite", "make a code for one person to become your contact with", run_invite},
    Command{"join", "type the code of somebody's invite", run_join},
    Command{"add", "give a peer a name: make it a contact", run_add},
    Command{"note", "keep a note about a contact", run_note},
    Command{"rename", "give a contact another name", run_rename},
    Command{"forget", "make a contact a stranger again", run_forget},
    Command{"block", "take nothing from a peer any more", run_block},
    Command{"unblock", "undo block", run_unblock},
    Command{"trust", "take a contact's offers without asking, within bounds", run_trust},
    Command{"untrust", "undo trust", run_untrust},
    Command{"id", "the ID of this peer, or of a contact", run_id},
    Command{"history", "offers that have ended", run_history},
    Command{"doctor", "what could keep files from arriving, here or to a peer", run_doctor},
    Command{"config", "show and change settings", run_config},
    Command{"help", "all about one command", run_help},
};

constexpr std::array<std::array<std::string_view, 2>, 3> kSynonyms{
    {{"send", "offer"}, {"recv", "receive"}, {"ls", "list"}}};

const Command& find_command(std::string_view word) {
  for (const auto& [synonym, name] : kSynonyms)
    if (word == synonym) word = name;
  for (const Command& command : kCommands)
    if (command.name == word) return command;
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  const auto nearest = peer::base::nearest(word, names);
  std::string text = "there is no command " + peer::base::quoted(word);
  if (!nearest.empty()) text += "; did you mean 'peer " + std::string(nearest) + "'?";
  throw CommandError(ExitCode::usage, text + " (all commands: peer help)");
}

ExitCode run_help(std::span<char*> args) {
  const auto words = help_words(args);
  if (!words) return ExitCode::done;
  if (words->empty()) {
    print_commands(kCommands);
    return ExitCode::done;
  }
  std::string name = words->front(), option = "--help";
  std::array<char*, 2> of_command{name.data(), option.data()};
  return find_command(name).run(of_command);
}

/// Options may stand before the command: they are moved behind it.
void move_options_behind(std::vector<char*>& words) {
  std::size_t command = 0;
  while (command < words.size() && words[command][0] == '-') {
    const std::string_view option = words[command];
    command += option == "--home" || option == "--timeout" ? 2 : 1;
  }
  if (command == 0 || command >= words.size()) return;
  const auto at = words.begin() + static_cast<std::ptrdiff_t>(command);
  std::rotate(words.begin(), at, at + 1);
}

ExitCode run(std::vector<char*> words) {
  if (words.empty()) {
    print_overview();
    return ExitCode::done;
  }
  move_options_behind(words);
  const std::string_view word = words[0];
  if (word == "--version") {
    print("peer " PEER_VERSION);
    return ExitCode::done;
  }
  if (word == "--help" || word == "-h") {
    print_commands(kCommands);
    return ExitCode::done;
  }
  const Command& command = find_command(word);
  try {
    return command.run(words);
  } catch (const TimeIsOver& error) {  // where the command has nothing better to say
    std::string line;
    for (const char* part : words) line += peer::base::shell_quoted(part) + " ";
    line.pop_back();
    throw CommandError(error.code(), line + ": " + error.what());
  }
}

/// Before the command line is understood: what is wrong with it is a row too.
void note_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--json") == 0) set_output({true, false, false});
}

ExitCode run_and_report(int argc, char** argv) {
  try {
    note_json(argc, argv);
    const ExitCode code = run({argv + std::min(argc, 1), argv + argc});
    finish_output();
    return code;
  } catch (const CommandError& error) {
    report_error(error.what(), static_cast<int>(error.code()));
    return error.code();
  } catch (const Interrupted& signal) {
    clear_status();
    return signal.code();
  } catch (const std::exception& error) {
    report_error(error.what(), static_cast<int>(ExitCode::failed));
    return ExitCode::failed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], kNodeWord) == 0) return run_node_process(argc, argv);
  return static_cast<int>(run_and_report(argc, argv));
}
