#include "cli/prompt.hpp"

#include <termios.h>
#include <unistd.h>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {

bool can_ask(const Common& common) {
  // Reading in the background would stop the whole process.
  return !common.no_input && ::isatty(STDIN_FILENO) == 1 &&
         ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
}

void ask_line(Client& client, const std::string& prompt, Client::LineHandler handler) {
  ::tcflush(STDIN_FILENO, TCIFLUSH);
  show_prompt(prompt);
  client.read_lines([&client, handler = std::move(handler)](std::optional<std::string> line) {
    const auto next = handler;  // stop_lines() destroys this closure
    client.stop_lines();
    end_prompt(line.has_value());
    next(std::move(line));
  });
}

namespace {

void ask_yes_no(Client& client, const Json& question) {
  ask_line(client, "is this the right peer? (y or n) ",
           [&client, question](std::optional<std::string> line) {
             const std::string word = line.value_or("n");
             if (word == "y" || word == "yes") return client.answer(question, true);
             if (word == "n" || word == "no") return client.answer(question, false);
             ask_yes_no(client, question);
           });
}

}  // namespace

void ask_identity(Client& client, const Common& common, const Json& question) {
  if (text_of(question, "kind") != "identity") return client.answer(question, Json(nullptr));
  if (common.yes) return client.answer(question, true);
  const std::string address = base::escaped(text_of(question, "address"));
  const std::string id = base::escaped(text_of(question, "id"));
  if (!can_ask(common))
    throw CommandError(ExitCode::identity, address + " has the ID " + id +
                                               ", which nobody has confirmed: compare it with what "
                                               "'peer id' says there, then give --yes");
  say(address + " has the ID");
  say("  " + id);
  const std::string name = text_of(question, "name");
  if (!name.empty()) say("and calls itself ‘" + base::escaped(name, 60) + "’.");
  say("Compare the ID with what 'peer id' says there.");
  ask_yes_no(client, question);
}

}  // namespace peer::cli
