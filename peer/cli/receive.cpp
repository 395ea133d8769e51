#include <charconv>
#include <csignal>

#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/follow.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/watch.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "receive",
      "receive [--from PEER|contacts|anyone] [--count N] [options]",
      "Wait for offers and take them: on a terminal each is shown and asked about, with --yes "
      "those of contacts are taken without a question, several at a time. Runs until Ctrl-C, or "
      "until --count transfers are finished. Given again it goes on with what was interrupted, "
      "which counts too.",
      std::vector<Option>{
          {"from", "WHO", "offers of this PEER only, of contacts, or of anyone"},
          {"count", "N", "end after N transfers"},
          {"port", "P", "the TCP port to listen on (default: 56744; 0: any free one)"},
          {"listen", "ADDR", "listen on this address only; may be repeated", true},
          {"downloads", "DIR", "the same as --to"},
      } + landing_options(),
      "peer receive\n"
      "peer receive --from bob --count 1 --yes --to /srv/incoming\n"
      "peer receive --from anyone --yes --count 1",
      "0 everything that was accepted is there, verified\n"
      "1 the port is taken, or a transfer failed\n"
      "8 something wanted did not arrive\n"
      "9 --timeout is over\n"
      "130, 143 ended by a signal",
      0,
      0};
  return instance;
}

std::optional<std::uint64_t> count_from(const Arguments& arguments) {
  if (!arguments.given("count")) return std::nullopt;
  const std::string text = arguments.bytes("count");
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count == 0)
    arguments.fail("--count takes a number from 1 on");
  return count;
}

WatchOptions watch_options(const Arguments& arguments) {
  WatchOptions options;
  options.from = arguments.text("from");
  if (arguments.given("from") && options.from.empty()) arguments.fail("--from needs a PEER");
  options.count = count_from(arguments);
  options.landing = landing_fields(arguments);
  if (arguments.given("downloads")) {
    if (arguments.given("to")) arguments.fail("--to and --downloads say the same: give one");
    options.landing["to"] = bytes_value(absolute_path(arguments.bytes("downloads")));
  }
  options.accept_contacts = arguments.common().yes;
  options.accept_strangers = arguments.common().yes && options.from == "anyone";
  return options;
}

/// Only this command listens where the giver finds it: a `wait` would not.
void tell_open(const Arguments& arguments, const Attached& attached, const Watch& watch) {
  if (watch.open().empty()) return;
  std::string numbers;
  for (const auto number : watch.open()) numbers.append(" ").append(std::to_string(number));
  say(attached.lasting() ? "what was accepted goes on in the running node; to follow it: " +
                               arguments.common().command("wait" + numbers)
                         : "what was accepted is not finished; to go on: " + arguments.again());
}

}  // namespace

ExitCode run_receive(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  WatchOptions options = watch_options(*arguments);
  // In the background of a terminal questions go unanswered; transfers go on.
  for (const int signal : {SIGTTIN, SIGTTOU}) ::signal(signal, SIG_IGN);
  Attachment attachment;
  attachment.command = "receive";
  attachment.listen = listen_from(*arguments, common.home());
  Attached attached = attach(common, attachment);

  Json here = attached.node;
  if (options.landing.contains("to")) here["downloads"] = options.landing["to"];
  if (common.json) print_row("node", here);
  for (const std::string& line : node_lines(here)) say(line);

  options.adopt = !attached.lasting();
  options.awaits_more = true;
  Watch watch(*attached.client, common, std::move(options));
  watch.tell_waiting();
  try {
    watch.run();
  } catch (const Interrupted&) {
    end_prompt(false);
    clear_status();
    tell_open(*arguments, attached, watch);
    throw;
  } catch (const TimeIsOver& error) {
    end_prompt(false);
    clear_status();
    tell_open(*arguments, attached, watch);
    throw CommandError(error.code(), std::string("receive: ") + error.what() +
                                         (watch.taken() == 0 ? ", and no offer was taken" : ""));
  } catch (const CommandError&) {
    end_prompt(false);
    clear_status();
    tell_open(*arguments, attached, watch);
    throw;
  }
  end_prompt(false);
  return watch.exit_code();
}

}  // namespace peer::cli
