#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"

namespace peer::cli {
namespace {

const Spec& share_spec() {
  static const Spec instance{
      "share",
      "share PATH [--as NAME] [--with PEER]...",
      "Let contacts list a folder and get from it, until unshare. Without --with: every contact "
      "whose key is verified.",
      {{"as", "NAME", "the share's name (default: the folder's)"},
       {"with", "PEER", "only this contact; may be repeated", true}},
      "peer share ~/Music\npeer share /srv/data --as data --with bob --with carol",
      "10 no such path or peer",
      1,
      1};
  return instance;
}

const Spec& unshare_spec() {
  static const Spec instance{"unshare",
                             "unshare NAME",
                             "End a share. Transfers that were agreed on are carried out.",
                             {},
                             "peer unshare data",
                             "10 no such share",
                             1,
                             1};
  return instance;
}

const Spec& shares_spec() {
  static const Spec instance{
      "shares", "shares", "What this peer shares, and with whom.", {}, "peer shares", nullptr,
      0,        0};
  return instance;
}

std::string with_text(const Json& share) {
  std::string text;
  for (const Json& peer : array_of(share, "with"))
    text += (text.empty() ? "" : ", ") + peer_name(peer);
  return text.empty() ? "verified contacts" : text;
}

}  // namespace

ExitCode run_share(std::span<char*> args) {
  const auto arguments = Arguments::parse(share_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = Json::object({{"do", "share"}});
  body["path"] = bytes_value(existing_path(arguments->words()[0]));
  if (arguments->given("as")) {
    check_root_name(*arguments, arguments->text("as"));
    body["as"] = arguments->text("as");
  }
  body["with"] = Json::array();
  for (const std::string& peer : arguments->list("with")) body["with"].push_back(peer);
  const Json result = ask_node(common, "share", std::move(body));
  if (common.json) print_row("share", result);
  say("shared as " + base::quoted(text_of(result, "name")));
  return ExitCode::done;
}

ExitCode run_unshare(std::span<char*> args) {
  const auto arguments = Arguments::parse(unshare_spec(), args);
  if (!arguments) return ExitCode::done;
  const Json name = Json::object({{"name", arguments->word(0)}});
  Json body = name;
  body["do"] = "unshare";
  ask_node(arguments->common(), "unshare", std::move(body));
  if (arguments->common().json) print_row("unshared", name);
  say(base::quoted(arguments->word(0)) + " is shared no longer");
  return ExitCode::done;
}

ExitCode run_shares(std::span<char*> args) {
  const auto arguments = Arguments::parse(shares_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const Json result = ask_node(common, "shares", Json::object({{"do", "shares"}}));
  for (const Json& share : array_of(result, "shares")) {
    if (common.json)
      print_row("share", share);
    else
      print(base::escaped(text_of(share, "name")) + "  " + base::quoted(bytes_of(share, "path")) +
            "  with " + with_text(share));
  }
  if (array_of(result, "shares").empty()) say("nothing is shared");
  return ExitCode::done;
}

}  // namespace peer::cli
