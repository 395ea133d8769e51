#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/peer_rows.hpp"
#include "cli/prompt.hpp"
#include "protocol/limits.hpp"
#include "trust/link.hpp"
#include "trust/names.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "add",
      "add NAME [ADDRESS] [--id ID]\nadd NAME peer://ID@ADDRESS,...",
      "Give a peer a name: make it a contact. With ADDRESS the peer there is called, and the ID "
      "it has is shown: the contact is verified once you say that you have compared it with what "
      "'peer id' prints there. With --id the ID met must be that one, and the contact is verified. "
      "A link, as 'peer id --qr' prints it there, is an ID and where to look for it: the contact "
      "is verified, reachable now or not. With NAME alone: who calls themselves so on the local "
      "network is shown and asked about. "
      "With --yes the ID met at ADDRESS is stored without a question, unverified.",
      {{"id", "ID", "the peer's ID, as 'peer id' prints it there"}},
      "peer add bob 192.168.1.7\n"
      "peer add bob 192.168.1.7 --id ABCDEFG-...\n"
      "peer add server files.example.org:56744 --yes\n"
      "peer add bob peer://ABCDEFG-...@192.168.1.7:56744\n"
      "peer add bob",
      "4 not reachable\n5 another ID, or nobody confirmed it\n10 nobody nearby calls themselves "
      "so, or nobody can be asked",
      1,
      2};
  return instance;
}

void add_link(const Arguments& arguments, Json& body) {
  if (arguments.given("id")) arguments.fail("a link holds the ID already: without --id");
  const auto link = trust::parse_link(arguments.word(1), protocol::kDefaultPort);
  if (!link) arguments.fail("the link: " + base::escaped(link.error().context));
  body["id"] = link->id.text();
  body["addresses"] = Json::array();
  for (const auto& address : link->addresses) body["addresses"].push_back(address.text());
}

Json add_request(const Arguments& arguments) {
  const std::string name = arguments.word(0), where = arguments.word(1);
  if (const auto wrong = trust::name_error(name); !wrong.empty())
    arguments.fail(base::escaped(wrong));
  Json body = {{"do", "add"}, {"name", name}, {"yes", arguments.common().yes}};
  if (trust::is_link(where)) {
    add_link(arguments, body);
    return body;
  }
  if (!where.empty()) body["address"] = where;
  if (arguments.given("id")) {
    const auto id = protocol::PeerId::parse(arguments.text("id"));
    if (!id) arguments.fail("--id: " + base::escaped(id.error().context));
    body["id"] = id->text();
  }
  return body;
}

}  // namespace

ExitCode run_add(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = add_request(*arguments);
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
  warn_of_look_alikes(text_of(peer, "name"), array_of(result, "looks_like"));
  if (const auto unreached = text_of(result, "unreached"); !unreached.empty())
    say("not met yet: " + base::escaped(unreached));
  if (!verified)
    say("to verify: " + common.command("invite") + " here and 'peer join' there, or " +
        common.command("add " + peer_name(peer) + " --id ID") +
        " with the ID that 'peer id' prints there");
  return ExitCode::done;
}

}  // namespace peer::cli
