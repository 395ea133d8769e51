#include <ctime>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/peer_rows.hpp"
#include "cli/peers_file.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "peers",
      "peers [--watch]\npeers PEER\npeers --export [FILE|-]\npeers --import FILE|- [--verified]",
      "Contacts, blocked peers, and strangers that the local network hears of: whether the key "
      "behind a name is verified, whether offers are taken without asking (trusted), where each "
      "is, since when, whether it can be reached, and your note. What a stranger calls itself "
      "stands in quotes: anybody may take any name. With PEER all about one: its addresses, how "
      "each was learned and when it last answered there. --export writes the contacts into a new "
      "file; --import adds those of such a file: names and IDs that are here stay as they are, "
      "and nobody imported is trusted.",
      {{"watch", nullptr, "go on, and show all again whenever something changes"},
       {"export", nullptr, "write contacts as JSON, to FILE or standard output"},
       {"import", "FILE", "add contacts from a file, or from standard input (-)"},
       {"verified", nullptr,
        "with --import: you know that the file is right; whom it does not call unverified is "
        "verified, a contact that is here under the same name too"}},
      "peer peers\npeer peers bob\npeer peers --watch\npeer peers --json\n"
      "peer peers --export contacts.json\npeer peers --import contacts.json",
      "8 an imported contact was left out, for its name is taken\n10 no such peer",
      0,
      1};
  return instance;
}

void print_peers(const Common& common, const std::vector<Json>& peers) {
  for (const Json& peer : peers) common.json ? print_row("peer", peer) : print(peer_line(peer));
}

ExitCode watch(const Common& common) {
  Attachment attachment;
  attachment.command = "peers";
  Attached attached = attach(common, attachment);
  std::vector<Json> peers;
  attached.client->call(Json::object({{"do", "peers"}, {"watch", true}}), [&](const Json& event) {
    for (const Json& peer : array_of(event, "peers")) peers.push_back(peer);
    if (flag_of(event, "more")) return;
    sort_peers(peers);
    const auto all = std::exchange(peers, {});
    if (common.json) return print_row("peers", Json::object({{"peers", all}}));
    print("-- " + base::time_text(std::time(nullptr)) + (all.empty() ? ": nobody" : ""));
    print_peers(common, all);
  });
  return ExitCode::done;
}

ExitCode show_one(const Common& common, const std::string& word) {
  const Json result = ask_node(common, "peers", Json::object({{"do", "peers"}, {"peer", word}}));
  const Json& peer = object_of(result, "peer");
  if (common.json) {
    print_row("peer", peer);
    return ExitCode::done;
  }
  for (const std::string& line : peer_details(peer)) print(line);
  return ExitCode::done;
}

ExitCode show_all(const Common& common) {
  Attachment attachment;
  attachment.command = "peers";
  Attached attached = attach(common, attachment);
  const auto peers = fetch_peers(*attached.client);
  print_peers(common, peers);
  if (peers.empty())
    say("no contacts yet, and nobody is heard nearby; to begin with somebody: " +
        common.command("invite") + " here, 'peer join' there");
  return ExitCode::done;
}

}  // namespace

ExitCode run_peers(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const std::string word = arguments->word(0);
  const bool in = arguments->given("import");
  if (arguments->flag("watch") + arguments->flag("export") + in > 1)
    arguments->fail("one of --watch, --export, --import");
  if (arguments->flag("verified") && !in) arguments->fail("--verified goes with --import");
  if (!word.empty() && (in || arguments->flag("watch")))
    arguments->fail("without PEER, with --watch or --import");
  if (in) return import_peers(common, arguments->bytes("import"), arguments->flag("verified"));
  if (arguments->flag("export"))
    return export_peers(common, arguments->words().empty() ? "-" : arguments->words().front());
  if (arguments->flag("watch")) return watch(common);
  return word.empty() ? show_all(common) : show_one(common, word);
}

}  // namespace peer::cli
