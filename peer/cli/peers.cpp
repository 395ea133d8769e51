#include <algorithm>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/peer_rows.hpp"
#include "trust/names.hpp"

namespace peer::cli {
namespace {

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

/// The same of `trust` and `untrust`, which say what will now happen.
ExitCode change_trust(const Common& common, const std::string& verb, Json body) {
  body["do"] = verb;
  const Json result = ask_node(common, verb, std::move(body));
  if (common.json) {
    Json row = object_of(result, "peer");
    for (const char* key : {"rule", "text", "warnings"}) row[key] = result[key];
    print_row("peer", row);
  }
  std::string outcome = " is trusted";
  if (verb == "untrust")
    outcome = flag_of(result, "was_trusted") ? " is trusted no longer" : " was not trusted";
  say(peer_text(object_of(result, "peer")) + outcome + ". " +
      base::escaped(text_of(result, "text")));
  for (const Json& warning : array_of(result, "warnings"))
    if (warning.is_string()) say("warning: " + base::escaped(warning.get<std::string>()));
  return ExitCode::done;
}

ExitCode run_simple(const Spec& spec, std::span<char*> args, const std::string& outcome) {
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  return change_peer(arguments->common(), spec.name, Json::object({{"peer", arguments->word(0)}}),
                     outcome);
}

}  // namespace

ExitCode run_rename(std::span<char*> args) {
  const auto arguments = Arguments::parse(rename_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const std::string name = arguments->word(1);
  if (const auto wrong = trust::name_error(name); !wrong.empty())
    arguments->fail(base::escaped(wrong));
  Json body = {{"do", "rename"}, {"peer", arguments->word(0)}, {"name", name}};
  const Json result = ask_node(common, "rename", std::move(body));
  const Json& peer = object_of(result, "peer");
  if (common.json) print_row("peer", peer);
  say(peer_text(peer) + " is the contact's name now");
  warn_of_look_alikes(name, array_of(result, "looks_like"));
  return ExitCode::done;
}

ExitCode run_note(std::span<char*> args) {
  static const Spec spec{"note",
                         "note PEER [TEXT]",
                         "Keep a note about a contact, for you alone; 'peer peers' shows it. "
                         "Without TEXT the note is removed.",
                         {},
                         "peer note bob 'his laptop, not the desktop'\npeer note bob",
                         "10 no such peer",
                         1,
                         2};
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const std::string note = arguments->word(1);
  Json body = {{"do", "note"}, {"peer", arguments->word(0)}, {"note", note}};
  const Json result = ask_node(common, "note", std::move(body));
  Json peer = object_of(result, "peer");
  const std::string before = text_of(result, "before");
  peer["note"] = note;
  if (common.json) print_row("peer", peer);
  std::string text = "noted of " + peer_name(peer);
  if (note.empty())
    text = before.empty() ? "there was no note of " + peer_name(peer)
                          : "removed of " + peer_name(peer) + ": " + base::escaped(before);
  say(text);
  return ExitCode::done;
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
      "trust PEER [options]",
      "Take a contact's offers without asking, within bounds; what is beyond them, or would be "
      "worth "
      "a look, is asked about as ever. Writes a rule for this contact into the settings file (peer "
      "config shows it), in the place of an earlier one, and says what will now happen.",
      {{"up-to", "SIZE", "of an offer, such as 1G or 500M, or none for any size; else 10G"},
       {"keep-free", "SHARE", "of the disk that stays free, such as 5% or 20G; else 5%"},
       {"to", "DIR", "where it lands; else where files land anyway"},
       {"on-clash", "RULE",
        "what becomes of a file whose name is taken: rename, skip, update or overwrite; else "
        "rename"},
       {"unverified", nullptr, "even though the contact's key is not verified"}},
      "peer trust bob\n"
      "peer trust bob --up-to 1G --to ~/From-bob\n"
      "peer trust backup --up-to none --keep-free 20G --to /srv/in --on-clash update",
      "5 the contact is not verified\n10 no such peer",
      1,
      1};
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  Json body = {{"peer", arguments->word(0)}, {"unverified", arguments->flag("unverified")}};
  for (const char* option : {"up-to", "keep-free", "to", "on-clash"}) {
    if (!arguments->given(option)) continue;
    std::string key = option, value = arguments->text(option);
    if (value.empty()) arguments->fail(std::string("--") + option + " needs a value");
    std::replace(key.begin(), key.end(), '-', '_');
    body[key] = key == "to" ? absolute_path(value) : value;
  }
  return change_trust(arguments->common(), "trust", std::move(body));
}

ExitCode run_untrust(std::span<char*> args) {
  static const Spec spec = simple_spec("untrust", "untrust PEER",
                                       "Ask about a contact's offers again: the rules of the "
                                       "settings that take what it gives are removed.",
                                       "peer untrust bob");
  const auto arguments = Arguments::parse(spec, args);
  if (!arguments) return ExitCode::done;
  return change_trust(arguments->common(), "untrust", Json::object({{"peer", arguments->word(0)}}));
}

}  // namespace peer::cli
