#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/follow.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/prompt.hpp"
#include "protocol/limits.hpp"

namespace peer::cli {
namespace {

const Spec& accept_spec() {
  static const Spec instance{
      "accept",
      "accept [OFFER] [options]",
      "Take an offer, or some of it, and follow the transfer to its end. A transfer that was cut, "
      "or stopped for want of space, goes on. What was left out can be accepted later, while the "
      "offer stands. Without OFFER: the only one that is open.",
      landing_options() + std::vector<Option>{no_wait_option(), dry_run_option()},
      "peer accept 3\n"
      "peer accept 3 --to ~/Pictures --as italy\n"
      "peer accept bob --only '*.jpg' --on-clash skip\n"
      "peer accept 3 --dry-run",
      "0 all that was chosen is there, verified\n"
      "1 failed, or the disk here fails (it is tried again every minute)\n"
      "3 cancelled by the other side\n"
      "7 no space (refused at first: make room and accept again; later it goes on by itself)\n"
      "8 something wanted did not arrive\n"
      "10 no such offer",
      0,
      1};
  return instance;
}

const Spec& reject_spec() {
  static const Spec instance{"reject",
                             "reject [OFFER] [--reason T] [--block]",
                             "Decline an offer. Without OFFER: the only one that is open.",
                             {{"reason", "T", "a word to the other side"},
                              {"block", nullptr, "also take nothing from this peer any more"}},
                             "peer reject 3\npeer reject bob --reason 'not on this machine'",
                             "10 no such offer",
                             0,
                             1};
  return instance;
}

const Spec& cancel_spec() {
  static const Spec instance{
      "cancel",
      "cancel [OFFER] [--keep]",
      "End an offer or a transfer, whichever side it is from; the other side is told. What has "
      "arrived and is not delivered yet is removed (on a terminal you are asked first); what an "
      "earlier accept took stays. Without OFFER: the only one that is open.",
      {{"keep", nullptr,
        "of what you take: put the files that are complete in their place, and say where"}},
      "peer cancel 3",
      "10 no such offer",
      0,
      1};
  return instance;
}

const Spec& wait_spec() {
  static const Spec instance{"wait",
                             "wait [OFFER]...",
                             "Follow offers to their end, whichever side they are from. Without "
                             "OFFER: the only one that is open.",
                             {},
                             "peer wait 3\npeer wait 3 4 5 --timeout 2h",
                             "0 all done\n"
                             "1 failed, or the disk here fails (it is tried again every minute)\n"
                             "3 rejected or cancelled\n"
                             "7 the disk here is full (it goes on by itself when there is room)\n"
                             "8 something wanted did not arrive, or several ended differently\n"
                             "9 expired, or --timeout is over\n"
                             "10 no such offer"};
  return instance;
}

Attached attach_as(const Common& common, const char* command) {
  Attachment attachment;
  attachment.command = command;
  return attach(common, attachment);
}

void ask_what_to_do(Client& client, const Json& question) {
  ask_line(client, "y, k or n > ", [&client, question](std::optional<std::string> line) {
    const std::string word = line.value_or("n");
    if (word == "y" || word == "yes") return client.answer(question, "remove");
    if (word == "k") return client.answer(question, "keep");
    if (word == "n" || word == "no") return client.answer(question, false);
    ask_what_to_do(client, question);
  });
}

/// What has arrived would be removed: answers the node's question about that.
void ask_to_remove(Client& client, const Json& question) {
  const Json& offer = object_of(question, "offer");
  say(offer_text(offer) + ": " + base::size_text(number_of(offer, "bytes_done")) + " of " +
      base::size_text(total_bytes(offer)) + " have arrived, " +
      base::count_of(number_of(offer, "files_done"), "complete file") + " among it");
  say("  y  remove it all, and tell " + peer_name(object_of(offer, "peer")));
  say("  k  the same, but put the complete files in their place");
  say("  n  no, the transfer goes on ('peer pause' lets it stand still)");
  ask_what_to_do(client, question);
}

}  // namespace

ExitCode run_accept(std::span<char*> args) {
  const auto arguments = Arguments::parse(accept_spec(), args);
  if (!arguments) return ExitCode::done;
  Json body = landing_fields(*arguments);
  body["do"] = "accept";
  body["offer"] = arguments->word(0);
  body["wait"] = !arguments->flag("no-wait");
  body["dry_run"] = arguments->flag("dry-run");
  Attached attached = attach_as(arguments->common(), "accept");
  require_lasting(*arguments, attached);
  return follow(attached, arguments->common(), std::move(body));
}

ExitCode run_reject(std::span<char*> args) {
  const auto arguments = Arguments::parse(reject_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const std::string reason = arguments->text("reason");
  if (reason.size() > protocol::kMaxTextBytes)
    arguments->fail("--reason takes at most " + base::count_text(protocol::kMaxTextBytes) +
                    " bytes");
  Json body = {{"do", "reject"},
               {"offer", arguments->word(0)},
               {"text", reason},
               {"block", arguments->flag("block")}};
  const Json result = ask_node(common, "reject", std::move(body));
  if (common.json) print_row("rejected", result);
  say("offer " + std::to_string(number_of(result, "number")) + " is rejected" +
      (arguments->flag("block")
           ? ", and whoever made it is blocked (see " + common.command("peers") + ")"
           : ""));
  return ExitCode::done;
}

ExitCode run_cancel(std::span<char*> args) {
  const auto arguments = Arguments::parse(cancel_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = {{"do", "cancel"},
               {"offer", arguments->word(0)},
               {"keep", arguments->flag("keep")},
               {"ask", !common.yes && can_ask(common)}};
  Attached attached = attach_as(common, "cancel");
  const Json result = attached.client->call(
      std::move(body), [&](const Json& question) { ask_to_remove(*attached.client, question); });
  if (common.json) print_row("cancelled", result);
  say("offer " + std::to_string(number_of(result, "number")) + " is cancelled");
  for (const Json& path : array_of(result, "kept")) say("kept: " + base::quoted(bytes_from(path)));
  if (const auto removed = number_of(result, "removed_bytes"); removed > 0)
    say(base::size_text(removed) + " that had arrived removed");
  if (result.contains("left_in"))
    say("what had arrived in " + base::quoted(bytes_from(result["left_in"])) +
        " is on a drive that is away; it is removed when the drive is back there");
  return ExitCode::done;
}

ExitCode run_wait(std::span<char*> args) {
  const auto arguments = Arguments::parse(wait_spec(), args);
  if (!arguments) return ExitCode::done;
  Json offers = Json::array();
  for (std::size_t i = 0; i < arguments->words().size(); ++i) offers.push_back(arguments->word(i));
  Json body = Json::object({{"do", "wait"}});
  body["offers"] = std::move(offers);
  Attached attached = attach_as(arguments->common(), "wait");
  return follow(attached, arguments->common(), std::move(body));
}

}  // namespace peer::cli
