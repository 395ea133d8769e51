#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <variant>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/pairing.hpp"
#include "cli/prompt.hpp"
#include "trust/names.hpp"
#include "trust/pairing_code.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "join",
      "join [CODE] [--at ADDRESS] [--as NAME]",
      "Type the code that 'peer invite' shows on another machine: each becomes a verified contact "
      "of the other. Without CODE you are asked for it, and the shell's history does not keep it. "
      "The other machine is found on the local network, or at ADDRESS. A word that is none of the "
      "code's words is noticed at once and spoils nothing; a code that is wrong ends the invite.",
      {{"at", "ADDRESS", "where the other machine is: an IP, host:port, a host name with a dot"},
       {"as", "NAME", "what the other one is to be called here (default: you are asked)"}},
      "peer join\npeer join --at 192.168.1.7 --as alice",
      "4 not reachable\n5 the code did not match\n"
      "8 the other side may not know that it worked\n"
      "10 nobody nearby shows an invite with that slot",
      0,
      1};
  return instance;
}

/// What stands on the command line can be read by every user of this machine.
void hide(std::span<char*> args, const std::string& code) {
  for (char* word : args)
    if (code == word) std::memset(word, '*', std::strlen(word));
}

/// The code in its normal form; or nothing, and `why`.
std::string normal_code(const std::string& typed, std::string& why) {
  const auto parsed = trust::parse_pairing_code(typed);
  if (const auto* code = std::get_if<trust::PairingCode>(&parsed)) return code->text();
  why = std::get<trust::CodeFault>(parsed).text;
  return {};
}

/// Until what is typed can be a code.
void ask_code(Client& client, std::string& code, bool& ended) {
  ask_line(client, "code > ", [&](std::optional<std::string> line) {
    std::string why;
    ended = !line;
    if (ended) return;
    if (line->find_first_not_of(" \t\r") != std::string::npos) code = normal_code(*line, why);
    if (!code.empty()) return;
    if (!why.empty()) say(why);
    ask_code(client, code, ended);
  });
}

std::string typed_code(Client& client, const Arguments& arguments) {
  std::string code;
  if (can_ask(arguments.common())) {
    bool ended = false;
    say("the code that 'peer invite' shows on the other machine:");
    ask_code(client, code, ended);
    while (code.empty() && !ended) client.turn();
  } else if (::isatty(STDIN_FILENO) == 0) {
    std::string line, why;
    if (std::getline(std::cin, line)) code = normal_code(line, why);
    if (!why.empty()) throw CommandError(ExitCode::usage, "join: " + why);
  }
  if (code.empty()) arguments.fail("no code was given: type it, or hand it over on standard input");
  return code;
}

void check_address(const Arguments& arguments) {
  if (!arguments.given("at")) return;
  const auto address = trust::parse_address(arguments.text("at"), 1);
  if (!address) arguments.fail("--at " + base::escaped(address.error().text()));
}

/// The talk with the node, and what is true when it breaks off.
class Joining {
 public:
  Joining(Client& client, const Common& common) : client_(client), talk_(client, common) {}

  /// Without `code` it is asked for.
  ExitCode run(const Arguments& arguments, std::string code, Json body) {
    try {
      if (code.empty()) code = typed_code(client_, arguments);
      body["code"] = code;
      if (!arguments.given("at")) show_status("looking for the invite on the local network");
      const Json result =
          client_.call(std::move(body), [this](const Json& message) { hear(message); });
      clear_status();
      return talk_.tell(result);
    } catch (const NodeGone& error) {
      stop_asking();
      say_more(error, "the node ended");
      throw;
    } catch (const TimeIsOver& error) {
      stop_asking();
      say_more(error, error.what());
      throw;
    } catch (const Interrupted&) {
      stop_asking();
      if (const std::string known = so_far(); !known.empty()) say(known);
      throw;
    } catch (...) {
      stop_asking();
      throw;
    }
  }

 private:
  void hear(const Json& message) {
    if (text_of(message, "event") == "joining") {
      tried_ = true;
      say_verbose("trying the code with " +
                  base::escaped(text_of(object_of(message, "peer"), "short")) + " at " +
                  base::escaped(text_of(message, "address")));
    }
    talk_.hear(message);
  }

  static void stop_asking() {
    end_prompt(false);
    clear_status();
  }

  void say_more(const CommandError& error, const std::string& why) const {
    if (const std::string known = so_far(); !known.empty())
      throw CommandError(error.code(), why + "; " + known);
  }

  std::string so_far() const {
    if (std::string contact = talk_.so_far(); !contact.empty() || !tried_) return contact;
    return "the code may be used up: if 'peer invite' has ended there, a new one is needed";
  }

  Client& client_;
  PairingTalk talk_;
  bool tried_ = false;  ///< the code was taken to the other side
};

}  // namespace

ExitCode run_join(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  if (!arguments->words().empty()) hide(args, arguments->words()[0]);
  Json body = Json::object({{"do", "join"}});
  if (const std::string name = wished_name(*arguments); !name.empty()) body["as"] = name;
  check_address(*arguments);
  std::string code, why;
  if (!arguments->words().empty()) {
    code = normal_code(arguments->words()[0], why);
    if (code.empty()) throw CommandError(ExitCode::usage, "join: " + why);
  }
  if (arguments->given("at")) body["address"] = arguments->text("at");
  Attachment attachment;
  attachment.command = "join";
  Attached attached = attach(common, attachment);
  return Joining(*attached.client, common).run(*arguments, std::move(code), std::move(body));
}

}  // namespace peer::cli
