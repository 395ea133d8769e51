#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/qr.hpp"
#include "protocol/limits.hpp"
#include "trust/link.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kShownAddresses = 4;  ///< in a picture; more make it too fine to be read

const Spec& spec() {
  static const Spec instance{
      "id",
      "id [PEER] [--qr]",
      "Print the ID of this peer, or of a contact. Whoever compares it with what the other side "
      "sees knows that nobody is in between. With --qr: ID and addresses as a picture that a "
      "camera reads, and as the link in it, peer://ID@ADDRESS,...; 'peer add NAME LINK' takes it.",
      {{"qr", nullptr, "draw ID and addresses, and print the link that is drawn"}},
      "peer id\npeer id bob\npeer id --qr",
      "10 no such peer",
      0,
      1};
  return instance;
}

trust::Link link_of(const Json& result) {
  const auto id = protocol::PeerId::parse(text_of(result, "id"));
  if (!id) throw CommandError(ExitCode::failed, "the node told no ID");
  trust::Link link{*id, {}};
  for (const Json& text : array_of(result, "addresses")) {
    auto address = trust::parse_address(bytes_from(text), protocol::kDefaultPort);
    const bool elsewhere = address && address->host.find('%') == std::string::npos;
    if (elsewhere &&
        link.addresses.size() < kShownAddresses)  // an interface's name is this machine's
      link.addresses.push_back(*std::move(address));
  }
  return link;
}

/// With as many addresses as make a picture that the terminal is wide enough for.
void draw(trust::Link link) {
  if (!has_qr()) {
    say("this program was built without libqrencode, which draws the picture; the link that it "
        "would hold:");
    return print(link.text());
  }
  const std::string whole = link.text();
  auto code = qr_code(whole);
  while (!link.addresses.empty() && (!code || qr_columns(*code) > terminal_columns())) {
    link.addresses.pop_back();
    code = qr_code(link.text());
  }
  if (code && qr_columns(*code) > terminal_columns())
    say("the picture needs " + std::to_string(qr_columns(*code)) + " columns, this terminal has " +
        std::to_string(terminal_columns()) + "; the link that it would hold:");
  else if (code)
    for (const std::string& line : qr_lines(*code)) print(line);
  print(whole);
}

}  // namespace

ExitCode run_id(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = Json::object({{"do", "id"}});
  if (!arguments->words().empty()) body["peer"] = arguments->word(0);
  Json result = ask_node(common, "id", std::move(body));
  const auto link = link_of(result);
  if (common.json) {
    result["link"] = link.text();
    print_row("id", result);
  } else if (arguments->flag("qr")) {
    draw(link);
  } else {
    print(base::escaped(text_of(result, "id")));
  }
  if (!arguments->words().empty() && !flag_of(result, "verified"))
    say(base::escaped(text_of(result, "name")) + " is not verified");
  return ExitCode::done;
}

}  // namespace peer::cli
