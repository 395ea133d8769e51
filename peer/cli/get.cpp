#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/follow.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/prompt.hpp"

namespace peer::cli {
namespace {

const Spec& get_spec() {
  static const Spec instance{
      "get",
      "get PEER PATH... [options]",
      "Fetch files and folders that a peer shares with you, into the current folder. A PATH begins "
      "with the share's name, as 'peer list' shows it.",
      landing_options() + std::vector<Option>{no_wait_option(), dry_run_option()},
      "peer get bob music/live\n"
      "peer get bob docs/report.pdf docs/notes.md --to ~/Documents",
      "0 everything asked for is there, verified\n"
      "4 not reachable\n"
      "7 no space\n"
      "8 something wanted did not arrive\n"
      "10 no such peer or path, or it is not shared with you",
      2};
  return instance;
}

const Spec& list_spec() {
  static const Spec instance{
      "list",
      "list PEER [PATH]",
      "See what a peer shares with you: its shares, or what lies in a folder of one.",
      {},
      "peer list bob\npeer list bob music/live",
      "4 not reachable\n10 no such peer or path, or it is not shared with you",
      1,
      2};
  return instance;
}

}  // namespace

ExitCode run_get(std::span<char*> args) {
  const auto arguments = Arguments::parse(get_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = landing_fields(*arguments);
  const std::vector<std::string> paths(arguments->words().begin() + 1, arguments->words().end());
  if (arguments->given("as") && paths.size() > 1) arguments->fail("--as goes with one PATH");
  body["do"] = "get";
  body["peer"] = arguments->word(0);
  body["paths"] = bytes_values(paths);
  body["yes"] = common.yes;
  body["wait"] = !arguments->flag("no-wait");
  body["dry_run"] = arguments->flag("dry-run");
  if (!body.contains("to")) body["to"] = bytes_value(absolute_path("."));
  Attachment attachment;
  attachment.command = "get";
  Attached attached = attach(common, attachment);
  require_lasting(*arguments, attached);
  return follow(attached, common, std::move(body));
}

ExitCode run_list(std::span<char*> args) {
  const auto arguments = Arguments::parse(list_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = {{"do", "list"}, {"peer", arguments->word(0)}, {"yes", common.yes}};
  body["path"] = bytes_value(arguments->words().size() > 1 ? arguments->words()[1] : "");
  Attachment attachment;
  attachment.command = "list";
  Attached attached = attach(common, attachment);
  std::size_t shown = 0;
  attached.client->call(std::move(body), [&](const Json& message) {
    hear_of_peer(*attached.client, common, message);
    for (const Json& entry : array_of(message, "entries")) {
      common.json ? print_row("entry", entry) : print(entry_text(entry));
      ++shown;
    }
  });
  if (shown == 0) say("nothing there");
  return ExitCode::done;
}

}  // namespace peer::cli
