#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

const Spec& pause_spec() {
  static const Spec instance{
      "pause",
      "pause [OFFER]",
      "Let a transfer stand still until 'peer resume', over restarts too, whichever side it is "
      "from. What has arrived stays; the other side is told. An offer of yours can be paused "
      "before it is accepted. Without OFFER: the only one that is open.",
      {},
      "peer pause 3",
      "10 no such offer",
      0,
      1};
  return instance;
}

const Spec& resume_spec() {
  static const Spec instance{"resume",
                             "resume [OFFER]",
                             "Let a paused transfer go on. Without OFFER: the only one that is "
                             "open.",
                             {},
                             "peer resume 3",
                             "10 no such offer",
                             0,
                             1};
  return instance;
}

/// What the node has changed.
Json ask(const Arguments& arguments, const char* verb) {
  const Common& common = arguments.common();
  Json body = {{"do", verb}, {"offer", arguments.word(0)}};
  const Json result = ask_node(common, verb, std::move(body));
  if (common.json) print_row("offer", object_of(result, "offer"));
  return object_of(result, "offer");
}

}  // namespace

ExitCode run_pause(std::span<char*> args) {
  const auto arguments = Arguments::parse(pause_spec(), args);
  if (!arguments) return ExitCode::done;
  const Json offer = ask(*arguments, "pause");
  const std::string number = std::to_string(number_of(offer, "number"));
  say(offer_text(offer) + " is paused: " + arguments->common().command("resume " + number));
  return ExitCode::done;
}

ExitCode run_resume(std::span<char*> args) {
  const auto arguments = Arguments::parse(resume_spec(), args);
  if (!arguments) return ExitCode::done;
  const Json offer = ask(*arguments, "resume");
  const std::string away = away_text(offer);
  const std::string number = std::to_string(number_of(offer, "number"));
  say(offer_text(offer) + (away.empty() ? " goes on: " : ": " + away + ": ") +
      arguments->common().command("wait " + number));
  return ExitCode::done;
}

}  // namespace peer::cli
