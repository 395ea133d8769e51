#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/prompt.hpp"
#include "protocol/peer_id.hpp"
#include "trust/names.hpp"

namespace peer::cli {
namespace {

const Spec& peers_spec() {
  static const Spec instance{
      "peers",
      "peers",
      "Contacts and blocked peers: whether the key behind a name is verified, whether offers are "
      "taken without asking (trusted), who is connected, and the addresses known.",
      {},
      "peer peers\npeer peers --json",
      nullptr,
      0,
      0};
  return instance;
}

const Spec& add_spec() {
  static const Spec instance{
      "add",
      "add NAME [ADDRESS] [--id ID]",
      "Give a peer a name: make it a contact. With ADDRESS the peer there is called, and the ID "
      "it has is shown: the contact is verified once you say that you have compared it with what "
      "'peer id' prints there. With --id the ID met must be that one, and the contact is verified. "
      "With --yes the ID met is stored without a question, unverified.",
      {{"id", "ID", "the peer's ID, as 'peer id' prints it there"}},
      "peer add bob 192.168.1.7\n"
      "peer add bob 192.168.1.7 --id ABCDEFG-...\n"
      "peer add server files.example.org:56744 --yes",
      "4 not reachable\n5 another ID, or nobody confirmed it",
      1,
      2};
  return instance;
}

const Spec& rename_spec() {
  static const Spec instance{"rename",
                             "rename PEER NAME",
                             "Give a contact another name.",
                             {},
                             "peer rename bob robert",
                             "10 no such peer",
                             2,
                             2};
  return instance;
}

/// The specs of commands of the form VERB PEER.
Spec simple_spec(const char* name, const char* usage, const char* text, const char* example) {
  return Spec{name, usage, text, {}, example, "10 no such peer", 1, 1};
}

std::string marks(const Json& peer) {
  std::string text = flag_of(peer, "verified") ? "verified" : "not verified";
  if (!flag_of(peer, "contact")) text = "stranger";
  if (flag_of(peer, "trusted")) text += ", trusted";
  if (flag_of(peer, "blocked")) text += ", blocked";
  if (flag_of(peer, "online")) text += ", connected";
  return text;
}

void print_peer(const Json& peer) {
  std::string line =
      peer_name(peer) + "  " + base::escaped(text_of(peer, "short")) + "  " + marks(peer);
  for (const Json& address : array_of(peer, "addresses"))
    line += "  " + base::escaped(bytes_from(address));
  if (const auto seen = number_of(peer, "last_seen"); seen > 0 && !flag_of(peer, "online"))
    line += "  seen " + ago_text(seen);
  print(line);
}

void check_name(const Arguments& arguments, const std::string& name) {
  const std::string error = trust::name_error(name);
  if (!error.empty()) arguments.fail(base::escaped(error));
}

/// Sends a request about one peer and says what became of it.
ExitCode change_peer(const Common& common, const std::string& verb, Json body,
                     const std::string& outcome) {
  body["do"] = verb;
  const Json result = ask_node(common, verb, std::move(body));
  const Json& peer = object_of(result, "peer");
  if (common.json) print_row("peer", peer);
  say(peer_text(peer) + " " + outcome);
  return ExitCode::done;
}

ExitCode run_simple(const Spec& spec, std::span<char*> args, const std::string& outcome) {
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  return change_peer(arguments->common(), spec.name, Json::object({{"peer", arguments->word(0)}}),
                     outcome);
}

}  // namespace

ExitCode run_peers(std::span<char*> args) {
  const auto arguments = Arguments::parse(peers_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const Json result = ask_node(common, "peers", Json::object({{"do", "peers"}}));
  for (const Json& peer : array_of(result, "peers"))
    common.json ? print_row("peer", peer) : print_peer(peer);
  if (array_of(result, "peers").empty()) say("no contacts yet: peer add NAME ADDRESS");
  return ExitCode::done;
}

ExitCode run_add(std::span<char*> args) {
  const auto arguments = Arguments::parse(add_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const std::string name = arguments->word(0), address = arguments->word(1);
  check_name(*arguments, name);
  Json body = {{"do", "add"}, {"name", name}, {"yes", common.yes}};
  if (arguments->words().size() < 2 && !arguments->given("id"))
    arguments->fail("an ADDRESS, an --id, or both");
  if (!address.empty()) body["address"] = address;
  if (arguments->given("id")) {
    const auto id = protocol::PeerId::parse(arguments->text("id"));
    if (!id) arguments->fail("--id: " + base::escaped(id.error().context));
    body["id"] = id->text();
  }
  Attachment attachment;
  attachment.command = "add";
  Attached attached = attach(common, attachment);
  const Json result = attached.client->call(std::move(body), [&](const Json& message) {
    hear_of_peer(*attached.client, common, message);
  });
  const Json& peer = object_of(result, "peer");
  if (common.json) print_row("peer", peer);
  const bool verified = flag_of(peer, "verified");
  say(peer_name(peer) + " is a contact now, " + (verified ? "verified" : "not verified") + ": " +
      base::escaped(text_of(peer, "id")));
  if (!verified)
    say("to verify: " + common.command("add " + peer_name(peer) + " --id ID") +
        ", with the ID that 'peer id' prints there");
  return ExitCode::done;
}

ExitCode run_rename(std::span<char*> args) {
  const auto arguments = Arguments::parse(rename_spec(), args);
  if (!arguments) return ExitCode::done;
  check_name(*arguments, arguments->word(1));
  return change_peer(arguments->common(), "rename",
                     Json::object({{"peer", arguments->word(0)}, {"name", arguments->word(1)}}),
                     "is the contact's name now");
}

ExitCode run_forget(std::span<char*> args) {
  static const Spec spec = simple_spec(
      "forget", "forget PEER",
      "Make a contact a stranger again: its name, addresses and trust are forgotten, what runs "
      "with it is ended.",
      "peer forget bob");
  return run_simple(spec, args, "is forgotten");
}

ExitCode run_block(std::span<char*> args) {
  static const Spec spec = simple_spec(
      "block", "block PEER",
      "Take nothing from a peer, contact or stranger, and let it see nothing, until unblock.",
      "peer block bob");
  return run_simple(spec, args, "is blocked");
}

ExitCode run_unblock(std::span<char*> args) {
  static const Spec spec =
      simple_spec("unblock", "unblock PEER", "Undo block.", "peer unblock bob");
  return run_simple(spec, args, "is blocked no longer");
}

ExitCode run_trust(std::span<char*> args) {
  static const Spec spec{
      "trust",
      "trust PEER [--unverified]",
      "Take a contact's offers without asking: up to 10 GB each, while 5 % of the disk stays free, "
      "never overwriting anything.",
      {{"unverified", nullptr, "even though the contact's key is not verified"}},
      "peer trust bob",
      "5 the contact is not verified\n10 no such peer",
      1,
      1};
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  Json body = {{"peer", arguments->word(0)}, {"unverified", arguments->flag("unverified")}};
  return change_peer(arguments->common(), "trust", std::move(body), "is trusted");
}

ExitCode run_untrust(std::span<char*> args) {
  static const Spec spec = simple_spec("untrust", "untrust PEER",
                                       "Ask about a contact's offers again.", "peer untrust bob");
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = {{"do", "untrust"}, {"peer", arguments->word(0)}};
  const Json result = ask_node(common, "untrust", std::move(body));
  const Json& peer = object_of(result, "peer");
  if (common.json) print_row("peer", peer);
  say(peer_text(peer) +
      (flag_of(result, "was_trusted") ? " is trusted no longer" : " was not trusted"));
  return ExitCode::done;
}

ExitCode run_id(std::span<char*> args) {
  static const Spec spec{
      "id",
      "id [PEER]",
      "Print the ID of this peer, or of a contact. Whoever compares it with what the other side "
      "sees knows that nobody is in between.",
      {},
      "peer id\npeer id bob",
      "10 no such peer",
      0,
      1};
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = Json::object({{"do", "id"}});
  if (!arguments->words().empty()) body["peer"] = arguments->word(0);
  const Json result = ask_node(common, "id", std::move(body));
  common.json ? print_row("id", result) : print(base::escaped(text_of(result, "id")));
  if (!arguments->words().empty() && !flag_of(result, "verified"))
    say(base::escaped(text_of(result, "name")) + " is not verified");
  return ExitCode::done;
}

}  // namespace peer::cli
