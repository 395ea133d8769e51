#include <unistd.h>

#include <chrono>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/pairing.hpp"
#include "cli/prompt.hpp"

namespace peer::cli {
namespace {

using Clock = Client::Clock;

/// For the node to say that the invite is over; then this command has gone, which says the same.
constexpr std::chrono::seconds kLastWord{2};

const Spec& spec() {
  static const Spec instance{
      "invite",
      "invite [--for 10m] [--as NAME]",
      "Make a code that one other person types at 'peer join', and wait for them. Who has the code "
      "becomes a verified contact of yours, and you one of theirs: nobody in between can have "
      "listened or taken the place of either. The code works once, until it is used, mistyped or "
      "this command ends. Say it over the phone, or show it; it is no use to anybody afterwards.",
      {{"for", "T", "how long to wait (30s, 10m, 2h; default: 10m)"},
       {"as", "NAME", "what the other one is to be called here (default: you are asked)"},
       {"port", "P", "the TCP port to listen on (default: 56744; 0: any free one)"},
       {"listen", "ADDR", "listen on this address only; may be repeated", true}},
      "peer invite\npeer invite --as bob --for 1h",
      "1 the port is taken, another invite is open, or the connection broke\n"
      "5 somebody came who did not have the code\n"
      "9 nobody came in time\n"
      "130 ended by Ctrl-C",
      0,
      0};
  return instance;
}

Json invite_request(const Arguments& arguments) {
  Json body = Json::object({{"do", "invite"}});
  if (arguments.given("for")) {
    const auto time = base::parse_duration(arguments.text("for"));
    if (!time || time->count() <= 0) arguments.fail("--for takes a time like 30s, 10m or 2h");
    body["for"] = time->count();
  }
  if (const std::string name = wished_name(arguments); !name.empty()) body["as"] = name;
  return body;
}

/// Alone on stdout: whoever reads that reads nothing else.
void show_code(const std::string& code) {
  const bool to_people = ::isatty(STDOUT_FILENO) == 1;
  if (to_people) print("");
  print((to_people ? "    " : "") + base::escaped(code));
  if (to_people) print("");
  finish_output();
}

class Inviting {
 public:
  Inviting(Client& client, const Common& common)
      : client_(client), common_(common), talk_(client, common) {}

  ExitCode run(Json body) {
    const auto request = client_.request(std::move(body), [this](const Json& message) {
      if (is_last_word(message))
        last_ = message;
      else
        hear(message);
    });
    try {
      wait();
    } catch (const Interrupted&) {
      end_prompt(false);
      clear_status();
      close(request);
      throw;
    } catch (const NodeGone&) {
      end_prompt(false);
      clear_status();
      throw CommandError(ExitCode::failed, over("the node ended"));
    } catch (const TimeIsOver& error) {
      end_prompt(false);
      clear_status();
      throw CommandError(error.code(), over(error.what()));
    }
    clear_status();
    throw_if_failed(last_);
    return talk_.tell(object_of(last_, "result"));
  }

 private:
  void wait() {
    while (last_.is_null()) {
      if (!code_.empty() && talk_.so_far().empty()) show_time();
      client_.turn(Clock::now() + std::chrono::seconds(1));
    }
  }

  void show_time() {
    const auto left = std::chrono::ceil<std::chrono::seconds>(until_ - Clock::now());
    show_status("waiting for the other side: " + base::duration_text(left) + " left");
  }

  void hear(const Json& message) {
    const std::string event = text_of(message, "event");
    if (event == "invited") return invited(message);
    if (event != "left") return talk_.hear(message);
    clear_status();
    say("somebody came from " + base::escaped(text_of(message, "address")) + " (" +
        base::escaped(text_of(message, "short")) +
        ") and left without having tried the code: the invite stands" +
        (flag_of(message, "last") ? "; whoever else comes and leaves is not named any more" : ""));
  }

  void invited(const Json& message) {
    code_ = text_of(message, "code");
    const std::chrono::seconds left(static_cast<std::int64_t>(number_of(message, "until")) -
                                    std::time(nullptr));
    until_ = Clock::now() + left;
    if (common_.json) {
      print_row("invite", event_fields(message));
    } else {
      say("within " + base::duration_text(left) + " one other person may type this code:");
      show_code(code_);
    }
    const bool announced = flag_of(message, "announced");
    if (announced) say("on the other machine: peer join");
    std::string how = announced ? "from another network: " : "on the other machine: ";
    for (const Json& address : array_of(message, "reachable")) {
      say(how + "peer join --at " + base::escaped(bytes_from(address)));
      how = "                  or: ";
    }
    if (!announced) say("(the local network is not told of this peer)");
    say("A wrong code ends the invite, and so does Ctrl-C.");
  }

  /// What `--json` shows of an event.
  static Json event_fields(Json message) {
    message.erase("request");
    message.erase("event");
    return message;
  }

  std::string over(const std::string& why) const {
    if (const std::string contact = talk_.so_far(); !contact.empty()) return why + "; " + contact;
    return why + ", and the invite with it: the code does nothing any more; for a new one: " +
           common_.command("invite");
  }

  void close(std::uint64_t request) {
    if (const std::string contact = talk_.so_far(); !contact.empty()) return say(contact);
    try {
      client_.stop(request);
      const auto give_up = Clock::now() + kLastWord;
      while (last_.is_null() && Clock::now() < give_up) client_.turn(give_up);
    } catch (const CommandError&) {  // the node has gone: so has the invite
    }
    if (const std::string contact = talk_.so_far(); !contact.empty()) return say(contact);
    say("the invite is over: the code does nothing any more");
  }

  Client& client_;
  const Common& common_;
  PairingTalk talk_;
  std::string code_;
  Clock::time_point until_;
  Json last_;
};

}  // namespace

ExitCode run_invite(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = invite_request(*arguments);
  Attachment attachment;
  attachment.command = "invite";
  attachment.listen = listen_from(*arguments, common.home());
  Attached attached = attach(common, attachment);
  return Inviting(*attached.client, common).run(std::move(body));
}

}  // namespace peer::cli
