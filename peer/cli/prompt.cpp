#include "cli/prompt.hpp"

#include <termios.h>
#include <unistd.h>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/peer_rows.hpp"

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

void ask_compared(Client& client, const Json& question) {
  ask_line(client, "y, u or n > ", [&client, question](std::optional<std::string> line) {
    const std::string word = line.value_or("n");
    if (word == "y" || word == "yes") return client.answer(question, "compared");
    if (word == "u") return client.answer(question, "unverified");
    if (word == "n" || word == "no") return client.answer(question, false);
    ask_compared(client, question);
  });
}

/// What somebody nearby calls itself is no contact's name: only a person can say that it is meant.
void ask_nearby(Client& client, const Common& common, const Json& question) {
  const std::string address = base::escaped(text_of(question, "address"));
  const std::string id = base::escaped(text_of(question, "short"));
  const std::string text =
      base::quoted(text_of(question, "name")) + " is not your contact. Nearby: ‘" +
      base::escaped(text_of(question, "calls_itself"), 40) + "’ " + id + " at " + address + ".";
  if (!can_ask(common))
    throw CommandError(ExitCode::unknown,
                       text + " Name it by its ID, " + id +
                           ", or make it a contact: " + common.command("add NAME " + address));
  say(text);
  const std::string prompt = flag_of(question, "adding")
                                 ? "Is it meant? [y/n] "
                                 : "Is it meant, and may it be a contact, not verified? [y/n] ";
  ask_line(client, prompt, [&client, &common, question](std::optional<std::string> line) {
    const std::string word = line.value_or("n");
    if (word == "y" || word == "yes") return client.answer(question, true);
    if (word == "n" || word == "no") return client.answer(question, false);
    ask_nearby(client, common, question);
  });
}

}  // namespace

void ask_identity(Client& client, const Common& common, const Json& question) {
  if (text_of(question, "kind") == "nearby") return ask_nearby(client, common, question);
  if (text_of(question, "kind") != "identity") return client.answer(question, Json(nullptr));
  if (common.yes) return client.answer(question, "unverified");
  const std::string address = base::escaped(text_of(question, "address"));
  const std::string id = base::escaped(text_of(question, "id"));
  if (!can_ask(common))
    throw CommandError(ExitCode::identity,
                       address + " has the ID " + id +
                           ", which nobody has confirmed: compare it with what 'peer id' prints "
                           "there, then " +
                           common.command("add NAME " + address + " --id ID") +
                           "; --yes goes on without, and stores it unverified");
  say(address + " has the ID");
  say("  " + id);
  const std::string name = text_of(question, "name");
  if (!name.empty()) say("and calls itself ‘" + base::escaped(name, 60) + "’.");
  say("Is that what 'peer id' prints there? (ask by phone, or look at that screen)");
  say("  y  I have compared it, it is the same: a verified contact");
  say("  u  I have not compared it: a contact, not verified");
  say("  n  no, or stop here");
  ask_compared(client, question);
}

void hear_of_peer(Client& client, const Common& common, const Json& message) {
  if (message.contains("question")) return ask_identity(client, common, message);
  if (text_of(message, "event") != "contact") return;
  const Json& peer = object_of(message, "peer");
  if (common.json) print_row("contact", peer);
  say("whoever answers at " + base::escaped(text_of(message, "address")) +
      " is a contact now: " + peer_name(peer) +
      (flag_of(peer, "verified")
           ? ", verified"
           : ", not verified (another name: " +
                 common.command("rename " + peer_name(peer) + " NAME") + ")"));
  warn_of_look_alikes(text_of(peer, "name"), array_of(message, "looks_like"));
}

}  // namespace peer::cli
